"""Proximal policy optimization: the controller of NASNet and MnasNet.

References:
    Zoph, Vasudevan, Shlens, Le, Learning Transferable Architectures for Scalable Image
    Recognition, CVPR 2018, arXiv:1707.07012.
    Schulman, Wolski, Dhariwal, Radford, Klimov, Proximal Policy Optimization Algorithms,
    arXiv:1707.06347.
    Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile, CVPR 2019,
    arXiv:1807.11626 (the same controller).

Differences from the papers:
    1. The defaults are for budgets of some hundred trials, as those of
       :class:`optuna_nas.samplers.ReinforceSampler`; :meth:`PPOSampler.nasnet` has the published
       settings.
    2. The ratio of PPO is that of a whole trial. Its denominator is the probability that was
       recorded when the trial was proposed; for trials that others made it is computed.
    3. The clip range and the number of inner steps are not published for NASNet; ours in
       :meth:`PPOSampler.nasnet` are those of the PPO paper's continuous control: 0.2 and 10. By
       default the range is wider, since the ratio is that of all decisions of a trial together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.samplers.policy._learned import LearnedSampler
from optuna_nas.samplers.policy._settings import ControllerShape, PolicySettings, Reward

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas._optuna_seam import ArtifactStore
    from optuna_nas.samplers.base._decisions import Decides
    from optuna_nas.samplers.base._sampler import SpaceLike

__all__ = ["PPOSampler"]


class PPOSampler(LearnedSampler):
    """An LSTM controller trained by PPO (NASNet, arXiv:1707.07012; MnasNet, arXiv:1807.11626).

    As :class:`optuna_nas.samplers.ReinforceSampler`, but several gradient steps are made on each
    batch of trials, bounded by how far a trial's probability may move. It changes its mind less
    often; on benchmarks the two are about equally good.

    ================= ==========================================
    conditional       yes, define-by-run
    several objectives no
    constraints       feasible trials beat infeasible ones (``reward="rank"``)
    pruning           yes
    parallel          yes, asynchronous; all workers learn the same policy
    cost per trial    about that of Optuna's ``TPESampler``
    ================= ==========================================

    Args:
        hidden_size: See :class:`ReinforceSampler`, as for all arguments that are not named here.
        num_layers: Likewise.
        init_range: Likewise.
        temperature: Likewise.
        tanh_constant: Likewise.
        name_bias: Likewise.
        batch_size: Finished trials per update.
        inner_steps: Gradient steps per update.
        clip: The paper's epsilon: a trial's probability ratio counts within [1 - clip, 1 + clip].
        learning_rate: Of Adam.
        betas: Of Adam.
        eps: Of Adam.
        baseline_decay: Of the moving average of rewards.
        entropy_weight: Weight of the entropy bonus.
        reward: See :class:`ReinforceSampler`.
        elite_size: See :class:`ReinforceSampler`.
        elite_weight: See :class:`ReinforceSampler`.
        roles: See :class:`ReinforceSampler`.
        artifact_store: See :class:`ReinforceSampler`.
        seed: See :class:`ArchitectureSampler`.
        hp_sampler: Draws what is no architecture decision; default ``TPESampler``.
        decides: See :class:`ArchitectureSampler`.
        space: See :class:`ArchitectureSampler`.
        avoid_duplicates: See :class:`ReinforceSampler`.

    Raises:
        ValueError: If a setting is out of range, or the study has several objectives.

    Example::

        import optuna
        from optuna_nas.samplers import PPOSampler
        from optuna_nas.spaces import NASNetSpace

        space = NASNetSpace()
        study = optuna.create_study(direction="maximize", sampler=PPOSampler(seed=0))
        study.optimize(lambda trial: len(space.suggest(trial).graph().edges), n_trials=50)
    """

    _keeps_log_prob = True

    def __init__(
        self,
        *,
        hidden_size: int = 35,
        num_layers: int = 2,
        init_range: float = 0.08,
        temperature: float | None = None,
        tanh_constant: float | str | None = "auto",
        name_bias: bool = True,
        batch_size: int = 5,
        inner_steps: int = 5,
        clip: float = 0.5,
        learning_rate: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.05,
        reward: Reward = "rank",
        elite_size: int = 10,
        elite_weight: float = 0.3,
        roles: Mapping[str, str] | None = None,
        artifact_store: ArtifactStore | None = None,
        seed: int | None = None,
        hp_sampler: BaseSampler | None = None,
        decides: Decides | Collection[str] | None = None,
        space: SpaceLike | None = None,
        avoid_duplicates: bool = True,
    ) -> None:
        shape = ControllerShape(
            hidden_size=hidden_size,
            num_layers=num_layers,
            init_range=init_range,
            temperature=temperature,
            tanh_constant=tanh_constant,
            name_bias=name_bias,
        )
        settings = PolicySettings(
            batch_size=batch_size,
            inner_steps=inner_steps,
            clip=clip,
            learning_rate=learning_rate,
            betas=betas,
            eps=eps,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            reward=reward,
            elite_size=elite_size,
            elite_weight=elite_weight,
            skip_target=None,
            skip_weight=0.0,
        )
        super().__init__(
            shape,
            settings,
            roles=roles,
            artifact_store=artifact_store,
            seed=seed,
            hp_sampler=hp_sampler,
            decides=decides,
            space=space,
            avoid_duplicates=avoid_duplicates,
        )

    @classmethod
    def nasnet(cls, **overrides: Any) -> PPOSampler:
        """The settings of arXiv:1707.07012: one layer of 100 units, batches of 20 trials.

        They are made for 20,000 trials; below some two hundred they are about as good as random
        search.

        Args:
            overrides: Arguments of the class that differ from the paper's.
        """
        settings: dict[str, Any] = {
            "hidden_size": 100,
            "num_layers": 1,
            "init_range": 0.1,
            "tanh_constant": None,
            "name_bias": False,
            "batch_size": 20,
            "inner_steps": 10,
            "clip": 0.2,
            "learning_rate": 0.00035,
            "baseline_decay": 0.95,
            "entropy_weight": 1e-5,
            "reward": "raw",
            "elite_size": 0,
            "avoid_duplicates": False,
        }
        return cls(**(settings | overrides))
