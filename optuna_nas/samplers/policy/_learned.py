"""The base of the reinforcement learning samplers: a recurrent policy learned from the study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

from optuna.study import StudyDirection

from optuna_nas.samplers.base import ArchitectureSampler, Roles
from optuna_nas.samplers.policy._rollout import Rollout
from optuna_nas.samplers.policy._settings import (
    AdamOptions,
    ControllerNetwork,
    Imitation,
    SkipPenalty,
    require_kind,
)

if TYPE_CHECKING:
    from optuna_nas._ground.optuna_seam import ArtifactStore
    from optuna_nas.samplers.base import History, KeyedGenerator, Proposal, SamplerOptions
    from optuna_nas.samplers.policy._checkpoints import PolicyCheckpoints
    from optuna_nas.samplers.policy._policy import Policy
    from optuna_nas.samplers.policy._settings import PolicySettings

__all__ = ["LearnedSampler"]


class LearnedSampler(ArchitectureSampler):
    """Base of the samplers with a controller.

    Args:
        network: Size and shape of the controller.
        settings: How it learns.
        roles: Roles of a user's own names.
        artifact_store: Artifact store for start-up checkpoints.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`.
    """

    needs_single_objective = True
    records_order = True
    max_rejections = 20
    _keeps_log_prob = False

    def __init__(
        self,
        network: ControllerNetwork,
        settings: PolicySettings,
        *,
        roles: Mapping[str, str] | None,
        artifact_store: ArtifactStore | None,
        **options: Unpack[SamplerOptions],
    ) -> None:
        require_kind("controller", network, ControllerNetwork)
        require_kind("optimizer", settings.optimizer, AdamOptions)
        require_kind("imitation", settings.imitation, Imitation, optional=True)
        require_kind("skip_penalty", settings.skip_penalty, SkipPenalty, optional=True)
        super().__init__(**options)
        self._network = network
        self._settings = settings
        self._roles = Roles(roles)
        self._artifact_store = artifact_store

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose what the policy draws, step by step as the trial asks."""
        policy = self._policy(history)
        return Rollout(policy.controller, self._roles, rng, keep=self._keeps_log_prob)

    def _policy(self, history: History) -> Policy:
        """Return the policy as learned from all trials that have finished."""
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
            self._network,
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
