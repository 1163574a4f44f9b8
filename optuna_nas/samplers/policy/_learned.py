"""What the reinforcement learning samplers share: a recurrent policy learned from the study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from optuna.study import StudyDirection

from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.base._sampler import ArchitectureSampler, SpaceLike

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas._optuna_seam import ArtifactStore
    from optuna_nas.samplers.base._decisions import Decides, Draw
    from optuna_nas.samplers.base._history import History
    from optuna_nas.samplers.base._script import Proposal
    from optuna_nas.samplers.policy._checkpoints import PolicyCheckpoints
    from optuna_nas.samplers.policy._policy import Policy
    from optuna_nas.samplers.policy._settings import ControllerShape, PolicySettings

__all__ = ["LearnedSampler"]


class LearnedSampler(ArchitectureSampler):
    """Base of the samplers with a controller.

    Args:
        shape: Of the controller.
        settings: How it learns.
        roles: As the samplers take them, like all further arguments.
    """

    _needs_single_objective = True
    _needs_order = True
    _history_size = None
    _free_attempts = 20
    _keeps_log_prob = False

    def __init__(
        self,
        shape: ControllerShape,
        settings: PolicySettings,
        *,
        roles: Mapping[str, str] | None,
        artifact_store: ArtifactStore | None,
        seed: int | None,
        hp_sampler: BaseSampler | None,
        decides: Decides | Collection[str] | None,
        space: SpaceLike | None,
        avoid_duplicates: bool,
    ) -> None:
        super().__init__(
            seed=seed,
            hp_sampler=hp_sampler,
            decides=decides,
            space=space,
            avoid_duplicates=avoid_duplicates,
        )
        self._shape = shape
        self._settings = settings
        self._roles = Roles(roles)
        self._artifact_store = artifact_store

    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        from optuna_nas.samplers.policy._rollout import Rollout

        policy = self._policy(history)
        return Rollout(policy.controller, self._roles, draw, keep=self._keeps_log_prob)

    def _policy(self, history: History) -> Policy:
        """The policy as learned from all trials that have finished."""
        from optuna_nas.samplers.policy._policy import undisturbed

        with undisturbed():
            policy, checkpoints = history.learned(lambda: self._new_policy(history))
            save = None if checkpoints is None else checkpoints.save
            policy.catch_up(history.members, each=save)
            return policy

    def _new_policy(self, history: History) -> tuple[Policy, PolicyCheckpoints | None]:
        from optuna_nas.samplers.policy._checkpoints import PolicyCheckpoints
        from optuna_nas.samplers.policy._policy import Policy

        policy = Policy(
            self._shape,
            self._settings,
            seed=self._seed,
            maximize=history.directions[0] == StudyDirection.MAXIMIZE,
            roles=self._roles,
        )
        if self._artifact_store is None:
            return policy, None
        checkpoints = PolicyCheckpoints(self._artifact_store, policy)
        checkpoints.load(history.members)
        return policy, checkpoints
