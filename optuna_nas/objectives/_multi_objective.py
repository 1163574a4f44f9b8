"""Accuracy and cost as values of their own, for the whole trade-off between them.

Optuna takes no reports in such studies, so that nothing can be pruned but by limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import Trial

from optuna_nas.objectives._costs import COSTS

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives._training import TrainingObjective

__all__ = ["MultiObjective", "multi_objective"]


def multi_objective(
    objective: TrainingObjective, *, costs: Sequence[str] = ("latency_ms",)
) -> MultiObjective:
    """Make an objective that returns (validation accuracy, cost, ...).

    Networks are not pruned, and results of equal runs not taken over; give ``max_params``,
    ``max_macs`` or ``max_latency_ms`` to the objective to leave out what is of no use.

    Example::

        import optuna
        from optuna_nas.objectives import TrainingObjective, multi_objective
        from optuna_nas.samplers import RandomSearchSampler
        from optuna_nas.spaces import NASBench201Space

        training = TrainingObjective(
            NASBench201Space(), "digits", epochs=2, build={"cells": 1, "channels": 4}
        )
        objective = multi_objective(training, costs=("latency_ms", "params"))
        study = optuna.create_study(
            directions=objective.directions, sampler=RandomSearchSampler(seed=0)
        )
        study.optimize(objective, n_trials=10)
        print([trial.values for trial in study.best_trials])

    Args:
        objective: What trains and validates.
        costs: Of "latency_ms", "macs" and "params", at least one.

    Raises:
        ValueError: If there is no such cost, none, or one twice.
        TypeError: If the objective is none of ours, or returns a reward or costs already.
    """
    return MultiObjective(objective, tuple(costs))


class MultiObjective:
    """What :func:`multi_objective` makes."""

    def __init__(self, objective: TrainingObjective, costs: tuple[str, ...]) -> None:
        if not costs or len(set(costs)) < len(costs) or not set(costs) <= set(COSTS):
            raise ValueError(
                f"`costs` must be different ones of {COSTS}, at least one, but got costs={costs}."
            )
        if not hasattr(objective, "costing"):
            raise TypeError(
                "`objective` must be a TrainingObjective, but got "
                f"{type(objective).__name__}: in an objective of your own return the costs after "
                "the accuracy."
            )
        self.costs = costs
        self._objective = objective.costing(costs)

    @property
    def directions(self) -> list[str]:
        """For ``optuna.create_study``."""
        return ["maximize", *("minimize" for _ in self.costs)]

    def prepare(self, study: Study) -> None:
        """Check that this objective can judge a study, and note there what it is.

        Raises:
            ValueError: If its directions are others, or it was begun with other settings.
        """
        wanted = [StudyDirection[direction.upper()] for direction in self.directions]
        if study.directions != wanted:
            raise ValueError(
                f"multi_objective returns accuracy, {', '.join(self.costs)}, but the study "
                f"{study.study_name!r} has other directions: create it with "
                f"directions={self.directions}."
            )
        self._objective.prepare(study)

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Judge one trial.

        Returns:
            Validation accuracy, then the costs.

        Raises:
            TrialPruned: If the architecture is infeasible.
            TrialError: As of the objective.
            ValueError: As of the objective, or if the directions are others.
        """
        if isinstance(trial, Trial):
            self.prepare(trial.study)
        accuracy = self._objective(trial)
        architecture = self._objective.space.suggest(trial)
        found = (self._objective.costs.of(cost, trial, architecture) for cost in self.costs)
        return accuracy, *found

    def __getattr__(self, name: str) -> Any:
        # Whatever else the objective offers, such as `space` and `identity`.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._objective, name)
