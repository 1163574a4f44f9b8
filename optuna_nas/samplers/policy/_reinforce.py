"""REINFORCE: a recurrent controller that learns which architectures are worth proposing.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017,
    arXiv:1611.01578.
    Williams, Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
    Learning, Machine Learning 8, 1992.

Differences from the paper:
    1. The defaults are for budgets of some hundred trials: rank-normalised rewards, capped
       logits, an entropy bonus, no architecture twice, and the ten best trials imitated.
       :meth:`ReinforceSampler.nas_rl` has the paper's settings.
    2. The policy is learned by replaying the finished trials in the order of completion, so there
       is no parameter server besides the storage; updates are asynchronous, as in the paper.
    3. The first reward is the first baseline. The decay of the baseline is not published; 0.95 is
       that of the same authors' later paper (arXiv:1707.07012).
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
    SkipPenalty,
)

if TYPE_CHECKING:
    from optuna_nas._ground.optuna_seam import ArtifactStore
    from optuna_nas.samplers.base import SamplerOptions

__all__ = ["ReinforceSampler"]


class ReinforceSampler(LearnedSampler):
    """An LSTM controller trained by REINFORCE (NAS-RL, arXiv:1611.01578).

    Each decision is one step of the controller, which has read all earlier decisions of the
    trial; each distinct list of choices has a softmax of its own; the anchors of a layer come
    from one step by set-selection attention. It learns by replaying the finished trials of the
    study: workers need nothing but the storage, and a restarted one goes on as if it had never
    stopped. Learning takes some fifty trials; for fewer, and for a few hundred where each is
    expensive, take ``PredictorSampler``.

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
        batch_size: Finished trials per update, the paper's m; at least 1.
        baseline_decay: Decay of the moving average of rewards, the paper's b; in [0, 1).
        entropy_weight: Weight of the entropy bonus, at least 0.
        reward: ``"rank"``: the share of earlier trials that a trial beats, in the order complete,
            pruned, infeasible; it depends on no scale. ``"raw"``: the objective's value, negated
            where it is minimised, of pruned trials the last one reported. A function of that
            value: its result is to be maximised. With the last two, trials without a value
            (infeasible ones) get the worst reward so far.
        imitation: Imitation of the best trials at every update; None: none.
        skip_penalty: Penalty on the number of skip connections (ENAS); None: none.
        roles: Regular expressions of your own parameter names, with their role (``"anchor"``,
            ``"op"``, ``"input"`` or ``"growth"``).
        artifact_store: An artifact store of Optuna for start-up checkpoints, so that a worker
            that joins a study of thousands of trials need not replay them all.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`. With
            ``avoid_duplicates``, a proposal that is known is drawn anew twenty times; then
            choices that lead to known architectures only are left out.

    Raises:
        ValueError: If a setting is out of range, or the study has several objectives.
        TypeError: If a setting is of the wrong kind.

    Example::

        import optuna
        from optuna_nas.samplers import ReinforceSampler
        from optuna_nas.spaces import NASRLSpace

        space = NASRLSpace(num_layers=4)
        study = optuna.create_study(direction="maximize", sampler=ReinforceSampler(seed=0))
        study.optimize(lambda trial: len(space.suggest(trial).graph().edges), n_trials=50)
    """

    short_names = ("reinforce",)

    def __init__(
        self,
        *,
        controller: ControllerNetwork = DEFAULT_CONTROLLER,
        optimizer: AdamOptions = DEFAULT_OPTIMIZER,
        batch_size: int = 1,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.05,
        reward: Reward = "rank",
        imitation: Imitation | None = DEFAULT_IMITATION,
        skip_penalty: SkipPenalty | None = None,
        roles: Mapping[str, str] | None = None,
        artifact_store: ArtifactStore | None = None,
        **options: Unpack[SamplerOptions],
    ) -> None:
        settings = PolicySettings(
            batch_size=batch_size,
            inner_steps=1,
            clip=None,
            optimizer=optimizer,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            reward=reward,
            imitation=imitation,
            skip_penalty=skip_penalty,
        )
        super().__init__(
            controller, settings, roles=roles, artifact_store=artifact_store, **options
        )

    @classmethod
    def nas_rl(cls, **overrides: Any) -> ReinforceSampler:
        """The settings of arXiv:1611.01578: no bound, no imitation, rewards cubed.

        Use it with ``score="max_last_5"`` of the objective. It is made for 12,800 trials; below
        some two hundred it is about as good as random search.

        Args:
            overrides: Arguments of the class that differ from the paper's.
        """
        settings: dict[str, Any] = {
            "controller": ControllerNetwork(tanh_constant=None, name_bias=False),
            "optimizer": AdamOptions(lr=0.0006),
            "batch_size": 8,
            "baseline_decay": 0.95,
            "entropy_weight": 0.0,
            "reward": cubed,
            "imitation": None,
            "avoid_duplicates": False,
        }
        return cls(**(settings | overrides))

    @classmethod
    def enas_micro(cls, **overrides: Any) -> ReinforceSampler:
        """The controller of ENAS's cell search as released with arXiv:1802.03268.

        For objectives with shared weights, whose rewards drift: no ranks, no imitation, and
        architectures come back. The released bias of the operations' logits and their smaller
        tanh constant are not modelled, and inputs are read from a softmax, not by attention.

        Args:
            overrides: Arguments of the class that differ.
        """
        return cls(**(_enas_settings(lr=0.0035, tanh_constant=1.1) | overrides))

    @classmethod
    def enas_macro(cls, **overrides: Any) -> ReinforceSampler:
        """The controller of ENAS's whole-network search as released with arXiv:1802.03268.

        Args:
            overrides: Arguments of the class that differ.
        """
        macro = {"batch_size": 20, "skip_penalty": SkipPenalty(target=0.4, weight=0.8)}
        return cls(**(_enas_settings(lr=0.001, tanh_constant=1.5) | macro | overrides))


def _enas_settings(*, lr: float, tanh_constant: float) -> dict[str, Any]:
    """Return what the two released scripts have in common."""
    return {
        "controller": ControllerNetwork(
            hidden_size=64,
            num_layers=1,
            init_range=0.1,
            temperature=1.0,
            tanh_constant=tanh_constant,
            name_bias=False,
        ),
        "optimizer": AdamOptions(lr=lr, betas=(0.0, 0.999), eps=1e-3),
        "batch_size": 10,
        "baseline_decay": 0.99,
        "entropy_weight": 1e-4,
        "reward": "raw",
        "imitation": None,
        "avoid_duplicates": False,
    }


def cubed(value: float) -> float:
    """Compute the reward of arXiv:1611.01578: the cube of the metric."""
    return value**3
