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
    2. The policy is a fold over the finished trials in the order of completion, so there is no
       parameter server besides the storage; updates are asynchronous, as in the paper.
    3. The first reward is the first baseline. The decay of the baseline is not published; 0.95 is
       that of the same authors' later paper (arXiv:1707.07012).
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

__all__ = ["ReinforceSampler"]


class ReinforceSampler(LearnedSampler):
    """An LSTM controller trained by REINFORCE (NAS-RL, arXiv:1611.01578).

    Each decision is one step of the controller, which has read all earlier decisions of the
    trial; each distinct list of choices has a softmax of its own; the anchors of a layer come
    from one step by set-selection attention. What it learns is a fold over the finished trials of
    the study: workers need nothing but the storage, and a restarted one goes on as if it had
    never stopped. Learning takes some fifty trials; for fewer, and for a few hundred where each
    is dear, take ``PredictorSampler``.

    ================= ==========================================
    conditional       yes, define-by-run
    several objectives no
    constraints       feasible trials beat infeasible ones (``reward="rank"``)
    pruning           yes
    parallel          yes, asynchronous; all workers learn the same policy
    cost per trial    about that of Optuna's ``TPESampler``
    ================= ==========================================

    Args:
        hidden_size: Units per LSTM layer.
        num_layers: LSTM layers.
        init_range: Weights start uniform in [-init_range, init_range].
        temperature: Logits are divided by it before tanh; None: by ``tanh_constant``.
        tanh_constant: Bound on logits, which keeps the policy from collapsing. ``"auto"``: by the
            number of choices, such that no choice gets a probability above 0.974 (2.5 for five
            choices); None: no bound.
        name_bias: Give every parameter name biases of its own beside those that it shares with
            equal lists of choices. In a few hundred trials the recurrent state alone does not
            learn to tell positions apart.
        batch_size: Finished trials per update, the paper's m.
        learning_rate: Of Adam.
        betas: Of Adam.
        eps: Of Adam.
        baseline_decay: Of the moving average of rewards, the paper's b; in [0, 1).
        entropy_weight: Weight of the entropy bonus.
        reward: ``"rank"``: the share of earlier trials that a trial beats, in the order complete,
            pruned, infeasible; it depends on no scale. ``"raw"``: the objective's value, negated
            where it is minimised, of pruned trials the last one reported. A function of that
            value: its result is to be maximised. With the last two, trials without a value
            (infeasible ones) get the worst reward so far.
        elite_size: So many of the best trials are imitated at every update; 0: none.
        elite_weight: Weight of the imitation.
        skip_target: Wished-for probability of anchors (ENAS); None: none.
        skip_weight: Weight of the divergence from ``skip_target``.
        roles: Regular expressions of a user's own parameter names, with their role (``"anchor"``,
            ``"op"``, ``"input"`` or ``"growth"``).
        artifact_store: An artifact store of Optuna for start-up checkpoints, so that a worker
            that joins a study of thousands of trials need not replay them all.
        seed: See :class:`ArchitectureSampler`.
        hp_sampler: Draws what is no architecture decision; default ``TPESampler``.
        decides: See :class:`ArchitectureSampler`.
        space: See :class:`ArchitectureSampler`.
        avoid_duplicates: See :class:`ArchitectureSampler`. A proposal that is known is drawn anew
            twenty times; then choices that lead to known architectures only are left out.

    Raises:
        ValueError: If a setting is out of range, or the study has several objectives.

    Example::

        import optuna
        from optuna_nas.samplers import ReinforceSampler
        from optuna_nas.spaces import NASRLSpace

        space = NASRLSpace(num_layers=4)
        study = optuna.create_study(direction="maximize", sampler=ReinforceSampler(seed=0))
        study.optimize(lambda trial: len(space.suggest(trial).graph().edges), n_trials=50)
    """

    def __init__(
        self,
        *,
        hidden_size: int = 35,
        num_layers: int = 2,
        init_range: float = 0.08,
        temperature: float | None = None,
        tanh_constant: float | str | None = "auto",
        name_bias: bool = True,
        batch_size: int = 1,
        learning_rate: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.05,
        reward: Reward = "rank",
        elite_size: int = 10,
        elite_weight: float = 0.3,
        skip_target: float | None = None,
        skip_weight: float = 0.0,
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
            inner_steps=1,
            clip=None,
            learning_rate=learning_rate,
            betas=betas,
            eps=eps,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            reward=reward,
            elite_size=elite_size,
            elite_weight=elite_weight,
            skip_target=skip_target,
            skip_weight=skip_weight,
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
    def nas_rl(cls, **overrides: Any) -> ReinforceSampler:
        """The settings of arXiv:1611.01578: no bound, no imitation, rewards cubed.

        Use it with ``score="max_last_5"`` of the objective. It is made for 12,800 trials; below
        some two hundred it is about as good as random search.

        Args:
            overrides: Arguments of the class that differ from the paper's.
        """
        settings: dict[str, Any] = {
            "tanh_constant": None,
            "name_bias": False,
            "batch_size": 8,
            "learning_rate": 0.0006,
            "baseline_decay": 0.95,
            "entropy_weight": 0.0,
            "reward": cubed,
            "elite_size": 0,
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
        return cls(**({**_ENAS} | {"learning_rate": 0.0035, "tanh_constant": 1.1} | overrides))

    @classmethod
    def enas_macro(cls, **overrides: Any) -> ReinforceSampler:
        """The controller of ENAS's whole-network search as released with arXiv:1802.03268.

        Args:
            overrides: Arguments of the class that differ.
        """
        macro = {
            "learning_rate": 0.001,
            "tanh_constant": 1.5,
            "batch_size": 20,
            "skip_target": 0.4,
            "skip_weight": 0.8,
        }
        return cls(**({**_ENAS} | macro | overrides))


_ENAS: Mapping[str, Any] = {
    "hidden_size": 64,
    "num_layers": 1,
    "init_range": 0.1,
    "temperature": 1.0,
    "name_bias": False,
    "batch_size": 10,
    "betas": (0.0, 0.999),
    "eps": 1e-3,
    "baseline_decay": 0.99,
    "entropy_weight": 1e-4,
    "reward": "raw",
    "elite_size": 0,
    "avoid_duplicates": False,
}


def cubed(value: float) -> float:
    """The reward of arXiv:1611.01578: the cube of the accuracy."""
    return value**3
