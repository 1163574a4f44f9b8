"""Searches the coefficients of compound scaling for a network of one's own.

References:
    - [Tan2019] Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural
      Networks. ICML 2019. arXiv:1905.11946.

Differences from the paper:
    1. alpha * beta**2 * gamma**2 = 2 is what its coefficients keep; here the multiply-adds of the
       network that they make are counted, and those are about ``target`` times the base's.
    2. Its grid is not published. Ours has steps of 0.05 from 1.0 to 1.4, and any sampler may
       choose from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Unpack

from optuna.samplers import GridSampler
from optuna.trial import TrialState

from optuna_nas._ground.checks import is_number, require_int, shown
from optuna_nas.objectives.scaling._scaled import ScaledObjective, ScaledOptions, ScaledPlan
from optuna_nas.objectives.trial import Limits, prune_infeasible
from optuna_nas.scaling import Coefficients, ScalableNetwork

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import BaseTrial

    from optuna_nas.objectives.evaluation import Evaluator
    from optuna_nas.objectives.trial import Costs, TrialRun
    from optuna_nas.training import ImageData

__all__ = ["CompoundScalingObjective", "GrowthLimits"]

LETTERS = ("alpha", "beta", "gamma")
_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class GrowthLimits(Limits):
    """Limits of one objective, and the growth that its networks must have.

    Args:
        base_macs: Multiply-adds of the network that grows.
        target: Factor by which they must grow.
        tolerance: Share of ``target`` by which it may be missed.
    """

    base_macs: int
    target: float
    tolerance: float

    def check(self, trial: BaseTrial, architecture: Any, costs: Costs) -> None:
        """Check the growth first, since most points of a search miss it.

        Raises:
            TrialPruned: If the network grows by another factor, or exceeds a limit.
        """
        factor = costs.counted(trial, architecture).macs / self.base_macs
        missed = factor / self.target - 1
        trial.set_constraint("growth", abs(missed) - self.tolerance)
        if abs(missed) > self.tolerance:
            grown = f"{architecture} costs {factor:.3g} times the base network"
            why = f"Trial {trial.number}: {grown}, not about {self.target:g} times."
            prune_infeasible(trial, why)
        super().check(trial, architecture, costs)


class CompoundScalingObjective(ScaledObjective):
    """An Optuna objective over alpha, beta and gamma: deeper, wider, larger images, or all three.

    A trial suggests the three factors, and is infeasible unless the network that they make costs
    about ``target`` times the base, as counted. :meth:`enqueue_grid` counts the whole grid first
    and enqueues the feasible points only; ``optuna_nas.scaling.fit(study)`` then gives
    the coefficients and how sure they are.

    Args:
        base: The network that is scaled.
        evaluator: Data, a :class:`ScaledTraining`, or an :class:`Evaluator` of yours.
        epochs: Epochs per trial, at least 1.
        target: Factor of the multiply-adds, more than 1.
        tolerance: By what share of ``target`` it may be missed, above 0.
        largest: Largest factor of each dimension, more than 1.
        step: Distance of the factors of the grid, above 0.
        options: See :class:`ScaledOptions` and :class:`ObjectiveOptions`.

    Raises:
        ValueError: If a setting is out of range, or the budget is under the base network.

    Example::

        import optuna

        from optuna_nas.objectives import CompoundScalingObjective
        from optuna_nas.scaling import EfficientNet

        objective = CompoundScalingObjective(EfficientNet(), "cifar10", epochs=10)
        study = optuna.create_study(direction="maximize")
        objective.enqueue_grid(study)
        study.optimize(objective, n_trials=len(objective.grid()))
    """

    def __init__(
        self,
        base: ScalableNetwork,
        evaluator: str | ImageData | Evaluator,
        *,
        epochs: int,
        target: float = 2.0,
        tolerance: float = 0.05,
        largest: float = 1.4,
        step: float = 0.05,
        **options: Unpack[ScaledOptions],
    ) -> None:
        super().__init__(base, evaluator, **options)
        require_int("epochs", epochs)
        for name, value, least in (
            ("target", target, 1),
            ("tolerance", tolerance, 0),
            ("largest", largest, 1),
            ("step", step, 0),
        ):
            if not is_number(value) or value <= least:
                raise ValueError(f"`{name}` must be above {least}, but got {name}={shown(value)}.")
        self.epochs, self.target, self.tolerance = epochs, target, tolerance
        self.largest, self.step = largest, step
        self.base_macs = self.count(base).macs
        own = {field.name: getattr(self.limits, field.name) for field in fields(Limits)}
        self.limits: Limits = GrowthLimits(
            **own, base_macs=self.base_macs, target=target, tolerance=tolerance
        )
        max_macs = self.limits.max_macs
        if max_macs is not None and max_macs < self.base_macs:
            raise ValueError(
                f"`max_macs` must be at least the {self.base_macs:,} multiply-adds of the base "
                f"network {base}, but got max_macs={max_macs:,}: start from a smaller base."
            )

    @property
    def _settings(self) -> Mapping[str, Any]:
        names = ("epochs", "target", "tolerance", "largest", "step")
        return {name: getattr(self, name) for name in names}

    @property
    def factors(self) -> list[float]:
        """Values of each of the three."""
        count = int((self.largest - 1) / self.step + 1e-6) + 1
        return [round(1 + i * self.step, _DIGITS) for i in range(count)]

    def grid(self) -> list[Coefficients]:
        """Count all points of the grid and return the feasible ones, in order.

        Raises:
            ValueError: If there is none.
        """
        names = itertools.product(self.factors, repeat=len(LETTERS))
        points = [Coefficients(*factors) for factors in names if max(factors) > 1]
        # Rounding moves what is counted by tens of per cent at most: the rest need not be built.
        near = [point for point in points if 0.5 < point.growth / self.target < 2]
        found = [point for point in near if abs(self._missed(point)) <= self.tolerance]
        if not found:
            raise ValueError(
                f"`tolerance` must leave a point of the grid, but none of {len(points)} costs "
                f"{self.target:g} times {self.base} within tolerance={self.tolerance:g}: take a "
                "larger tolerance or a smaller step."
            )
        return found

    def sampler(self, *, seed: int | None = None) -> GridSampler:
        """Return Optuna's sampler of the whole grid, infeasible points included."""
        return GridSampler({letter: self.factors for letter in LETTERS}, seed=seed)

    def enqueue_grid(self, study: Study) -> int:
        """Enqueue the feasible points of the grid that a study has not evaluated yet.

        Returns:
            How many trials are waiting.
        """
        for point in self.grid():
            params = {letter: getattr(point, letter) for letter in LETTERS}
            study.enqueue_trial(params, skip_if_exists=True)
        return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def suggest(self, run: TrialRun) -> ScaledPlan:
        alpha, beta, gamma = (
            run.trial.suggest_float(letter, 1.0, self.factors[-1], step=self.step)
            for letter in LETTERS
        )
        network = self.base.scaled(depth=alpha, width=beta, resolution=gamma)
        return ScaledPlan(network=network, epochs=self.epochs)

    def _missed(self, point: Coefficients) -> float:
        """By what share the multiply-adds of a point miss the target."""
        macs = self.count(point.apply(self.base, 1.0)).macs
        return macs / self.base_macs / self.target - 1
