"""Trains a grid of widths, depths and resolutions, in regimes of different length.

References:
    - [Bello2021] Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies.
      NeurIPS 2021. arXiv:2103.07579, section 6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna.samplers import GridSampler

from optuna_nas._ground.checks import require_int
from optuna_nas.objectives.scaling._scaled import ScaledObjective, ScaledOptions, ScaledPlan
from optuna_nas.scaling import (
    RESNET_RS_GRID,
    ScalableNetwork,
    ScalingGrid,
)

if TYPE_CHECKING:
    from optuna_nas.objectives.evaluation import Evaluator
    from optuna_nas.objectives.trial import TrialRun
    from optuna_nas.training import ImageData

__all__ = ["ScalingStudyObjective"]


class ScalingStudyObjective(ScaledObjective):
    """An Optuna objective over width, depth, resolution and length of training.

    Run all of its grid, with ``sampler()``, or any part of it with any other sampler;
    ``optuna_nas.scaling.analyse(study)`` then says which dimension pays in which regime, whether
    multiply-adds predict errors, and what stays unknown. With ``ResNetRS()`` as the base and
    nothing else, it is the study of the paper.

    Args:
        base: The network that is scaled.
        evaluator: Data, a :class:`ScaledTraining`, or an :class:`Evaluator` of yours.
        grid: What is tried; by default the paper's 175 networks in three regimes.
        repetitions: Trials of each, with other seeds, at least 1; they say how sure a verdict is.
        options: See :class:`ScaledOptions` and :class:`ObjectiveOptions`.

    Raises:
        ValueError: If a setting is out of range, or a resolution of the grid is below the stride
            of the base.

    Example::

        import optuna

        from optuna_nas.objectives import ScalingStudyObjective
        from optuna_nas.scaling import ResNet, ScalingGrid

        grid = ScalingGrid(
            widths=(0.125, 0.25), depths=(1, 2), resolutions=(8, 16), regimes=(1, 4)
        )
        base = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar")
        objective = ScalingStudyObjective(base, "digits", grid=grid)
        study = optuna.create_study(direction="maximize", sampler=objective.sampler())
        study.optimize(objective)
    """

    def __init__(
        self,
        base: ScalableNetwork,
        evaluator: str | ImageData | Evaluator,
        *,
        grid: ScalingGrid = RESNET_RS_GRID,
        repetitions: int = 1,
        **options: Unpack[ScaledOptions],
    ) -> None:
        super().__init__(base, evaluator, **options)
        require_int("repetitions", repetitions)
        self.grid, self.repetitions = grid, repetitions
        networks = [base.at(width=w, depth=d, resolution=r) for w, d, r in grid]
        cheapest = self.count(networks[0]).macs
        max_macs = self.limits.max_macs
        if max_macs is not None and max_macs < cheapest:
            raise ValueError(
                f"`max_macs` must be at least the {cheapest:,} multiply-adds of the smallest "
                f"network of the grid, but got max_macs={max_macs:,}: widen the grid downwards."
            )

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {"grid": dataclasses.asdict(self.grid), "repetitions": self.repetitions}

    @classmethod
    def _kept(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        grid = {name: tuple(values) for name, values in settings["grid"].items()}
        return {**settings, "grid": ScalingGrid(**grid)}

    @property
    def num_trials(self) -> int:
        """Trials of the whole grid."""
        return len(self.grid) * len(self.grid.regimes) * self.repetitions

    def sampler(self, *, seed: int | None = None) -> GridSampler:
        """Return Optuna's sampler of the whole grid, which ends the study when it is done."""
        repetitions = list(range(self.repetitions))
        return GridSampler({**self.grid.search_space, "repetition": repetitions}, seed=seed)

    def suggest(self, run: TrialRun) -> ScaledPlan:
        chosen = {
            name: run.trial.suggest_categorical(name, values)
            for name, values in self.grid.search_space.items()
        }
        run.trial.suggest_int("repetition", 0, self.repetitions - 1)
        network = self.base.at(
            width=chosen["width"], depth=chosen["depth"], resolution=int(chosen["resolution"])
        )
        return ScaledPlan(network=network, epochs=int(chosen["epochs"]))
