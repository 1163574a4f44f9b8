"""What the reinforcement learning samplers share: a recurrent policy learned from the study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection

from optuna_nas.samplers._base import ArchitectureSampler, SpaceLike
from optuna_nas.samplers._roles import Roles

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas._optuna_seam import ArtifactStore
    from optuna_nas.samplers._decisions import Decides, Draw
    from optuna_nas.samplers._history import History
    from optuna_nas.samplers._policy import Policy
    from optuna_nas.samplers._policy_checkpoints import PolicyCheckpoints
    from optuna_nas.samplers._policy_gradient import Reward
    from optuna_nas.samplers._rollout import Place
    from optuna_nas.samplers._script import Proposal

__all__ = ["LearnedSampler"]


class LearnedSampler(ArchitectureSampler):
    """Base of the samplers with a controller; see :class:`ReinforceSampler` for the arguments."""

    _needs_single_objective = True
    _needs_order = True
    _history_size = None
    _free_attempts = 20
    _keeps_log_prob = False

    def __init__(
        self,
        *,
        hidden_size: int,
        num_layers: int,
        init_range: float,
        temperature: float | None,
        tanh_constant: float | str | None,
        name_bias: bool,
        batch_size: int,
        inner_steps: int,
        clip: float | None,
        learning_rate: float,
        betas: tuple[float, float],
        eps: float,
        baseline_decay: float,
        entropy_weight: float,
        reward: Reward,
        elite_size: int,
        elite_weight: float,
        skip_target: float | None,
        skip_weight: float,
        roles: Mapping[str, str] | None,
        artifact_store: ArtifactStore | None,
        seed: int | None,
        hp_sampler: BaseSampler | None,
        decides: Decides | Collection[str] | None,
        space: SpaceLike | None,
        avoid_duplicates: bool,
    ) -> None:
        _at_least(1, hidden_size=hidden_size, num_layers=num_layers)
        _at_least(1, batch_size=batch_size, inner_steps=inner_steps)
        _at_least(0, elite_size=elite_size, elite_weight=elite_weight)
        _at_least(0, entropy_weight=entropy_weight, skip_weight=skip_weight)
        _above_zero(init_range=init_range, learning_rate=learning_rate, eps=eps)
        _above_zero(temperature=temperature, clip=clip)
        if not 0.0 <= baseline_decay < 1.0:
            raise ValueError(
                f"`baseline_decay` must lie in [0, 1), but got baseline_decay={baseline_decay}."
            )
        if skip_target is not None and not 0.0 < skip_target < 1.0:
            raise ValueError(
                f"`skip_target` must lie between 0 and 1, but got skip_target={skip_target}."
            )
        if isinstance(tanh_constant, str):
            if tanh_constant != "auto":
                raise ValueError(
                    '`tanh_constant` must be a number above 0, "auto" or None, but got '
                    f"tanh_constant={tanh_constant!r}."
                )
        else:
            _above_zero(tanh_constant=tanh_constant)
        if reward not in ("rank", "raw") and not callable(reward):
            raise ValueError(
                '`reward` must be "rank", "raw" or a function of the objective\'s value, but got '
                f"reward={reward!r}."
            )
        super().__init__(
            seed=seed,
            hp_sampler=hp_sampler,
            decides=decides,
            space=space,
            avoid_duplicates=avoid_duplicates,
        )
        self._shape: dict[str, Any] = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "init_range": init_range,
            "temperature": temperature,
            "tanh_constant": tanh_constant,
            "name_bias": name_bias,
        }
        self._settings: dict[str, Any] = {
            "batch_size": batch_size,
            "inner_steps": inner_steps,
            "clip": clip,
            "learning_rate": learning_rate,
            "betas": betas,
            "eps": eps,
            "baseline_decay": baseline_decay,
            "entropy_weight": entropy_weight,
            "reward": reward,
            "elite_size": elite_size,
            "elite_weight": elite_weight,
            "skip_target": skip_target,
            "skip_weight": skip_weight,
        }
        self._roles = Roles(roles)
        self._artifact_store = artifact_store

    def _forget(self) -> None:
        super()._forget()
        self._start: tuple[tuple[int, int], Place] | None = None

    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        from optuna_nas.samplers._rollout import Place, Rollout

        policy = self._policy(history)
        if self._start is None or self._start[0] != (id(policy), policy.version):
            self._start = (id(policy), policy.version), Place()
        return Rollout(
            policy.controller,
            self._roles,
            draw,
            keep=self._keeps_log_prob,
            start=self._start[1],
        )

    def _policy(self, history: History) -> Policy:
        """The policy as learned from all trials that have finished."""
        from optuna_nas.samplers._policy import undisturbed

        with undisturbed():
            if id(history) not in self._learned:
                self._learned[id(history)] = self._new_policy(history)
            learned: tuple[Policy, PolicyCheckpoints | None] = self._learned[id(history)]
            policy, checkpoints = learned
            save = None if checkpoints is None else checkpoints.save
            policy.catch_up(history.members, each=save)
            return policy

    def _new_policy(self, history: History) -> tuple[Policy, PolicyCheckpoints | None]:
        from optuna_nas.samplers._controller import ControllerShape
        from optuna_nas.samplers._policy import Policy
        from optuna_nas.samplers._policy_checkpoints import PolicyCheckpoints
        from optuna_nas.samplers._policy_gradient import PolicySettings

        policy = Policy(
            ControllerShape(**self._shape),
            PolicySettings(**self._settings),
            seed=self._seed,
            maximize=history.directions[0] == StudyDirection.MAXIMIZE,
            roles=self._roles,
        )
        if self._artifact_store is None:
            return policy, None
        checkpoints = PolicyCheckpoints(self._artifact_store, policy)
        checkpoints.load(history.members)
        return policy, checkpoints


def _at_least(low: float, **settings: float) -> None:
    for name, value in settings.items():
        if not value >= low:
            raise ValueError(f"`{name}` must be {low} or more, but got {name}={value}.")


def _above_zero(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not value > 0:
            raise ValueError(f"`{name}` must be above 0, but got {name}={value}.")
