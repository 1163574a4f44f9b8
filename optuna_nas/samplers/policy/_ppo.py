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

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna_nas.samplers.policy._learned import LearnedSampler
from optuna_nas.samplers.policy._settings import (
    DEFAULT_CONTROLLER,
    DEFAULT_IMITATION,
    DEFAULT_OPTIMIZER,
    AdamOptions,
    ControllerNetwork,
    Imitation,
    PolicySettings,
    Reward,
)

if TYPE_CHECKING:
    from optuna_nas._ground.optuna_seam import ArtifactStore
    from optuna_nas.samplers.base import SamplerOptions

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
        controller: Size and shape of the controller.
        optimizer: Options of Adam, which trains it.
        batch_size: Finished trials per update, at least 1.
        inner_steps: Gradient steps per update, K of the PPO paper; at least 1.
        clip: Bound on the change of a trial's probability, epsilon of the PPO paper: the ratio
            of new to old counts within [1 - clip, 1 + clip]; above 0.
        baseline_decay: Decay of the moving average of rewards, in [0, 1).
        entropy_weight: Weight of the entropy bonus, at least 0.
        reward: ``"rank"``, ``"raw"`` or a function, as for :class:`ReinforceSampler`.
        imitation: Imitation of the best trials at every update; None: none.
        roles: Regular expressions of your own parameter names, with their role, as for
            :class:`ReinforceSampler`.
        artifact_store: An artifact store of Optuna for start-up checkpoints, as for
            :class:`ReinforceSampler`.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`. With
            ``avoid_duplicates``, a proposal that is known is drawn anew twenty times; then
            choices that lead to known architectures only are left out.

    Raises:
        ValueError: If a setting is out of range, or the study has several objectives.
        TypeError: If a setting is of the wrong kind.

    Example::

        import optuna
        from optuna_nas.samplers import PPOSampler
        from optuna_nas.spaces import NASNetSpace

        space = NASNetSpace()
        study = optuna.create_study(direction="maximize", sampler=PPOSampler(seed=0))
        study.optimize(lambda trial: len(space.suggest(trial).graph().edges), n_trials=50)
    """

    short_names = ("ppo",)

    _keeps_log_prob = True

    def __init__(
        self,
        *,
        controller: ControllerNetwork = DEFAULT_CONTROLLER,
        optimizer: AdamOptions = DEFAULT_OPTIMIZER,
        batch_size: int = 5,
        inner_steps: int = 5,
        clip: float = 0.5,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.05,
        reward: Reward = "rank",
        imitation: Imitation | None = DEFAULT_IMITATION,
        roles: Mapping[str, str] | None = None,
        artifact_store: ArtifactStore | None = None,
        **options: Unpack[SamplerOptions],
    ) -> None:
        settings = PolicySettings(
            batch_size=batch_size,
            inner_steps=inner_steps,
            clip=clip,
            optimizer=optimizer,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            reward=reward,
            imitation=imitation,
            skip_penalty=None,
        )
        super().__init__(
            controller, settings, roles=roles, artifact_store=artifact_store, **options
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
            "controller": ControllerNetwork(
                hidden_size=100,
                num_layers=1,
                init_range=0.1,
                tanh_constant=None,
                name_bias=False,
            ),
            "optimizer": AdamOptions(lr=0.00035),
            "batch_size": 20,
            "inner_steps": 10,
            "clip": 0.2,
            "baseline_decay": 0.95,
            "entropy_weight": 1e-5,
            "reward": "raw",
            "imitation": None,
            "avoid_duplicates": False,
        }
        return cls(**(settings | overrides))
