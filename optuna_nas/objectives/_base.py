"""The one life of a trial, which every objective goes through.

Mark the worker, check the study, suggest, reuse or limit, evaluate, report, attribute failures,
record, draw: the order stands here once. An objective writes what is its own in three hooks.
"""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from optuna import TrialPruned
from optuna.trial import Trial

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, number, text
from optuna_nas._words import markdown
from optuna_nas.keys import ACCURACY_KEY, ARCHITECTURE_KEY, DIGEST_KEY, WORKER_KEY
from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints
from optuna_nas.objectives.trial._costs import MACS, PARAMS
from optuna_nas.objectives.trial._picture import attach_picture, write_note
from optuna_nas.objectives.trial._study import SettledStudies
from optuna_nas.objectives.trial._value import Value, trial_value
from optuna_nas.objectives.trial._workers import this_worker

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives.trial._costs import Costs
    from optuna_nas.spaces import Architecture

__all__ = ["ACCURACY", "DIGEST", "Objective", "TrialRun"]

DIGEST = Attribute(DIGEST_KEY, text(200))

ACCURACY = Attribute(ACCURACY_KEY, number(0.0, 1.0))

Plan = TypeVar("Plan")
"""What an objective has suggested for a trial."""


@dataclasses.dataclass
class TrialRun:
    """One trial on its way through an objective.

    Attributes:
        trial: Live, or a ``FixedTrial`` that belongs to no study.
        architecture: Set once the trial has one that keeps the limits.
        artifact: Id of its picture.
    """

    trial: Any
    architecture: Architecture | None = None
    artifact: str | None = None

    @property
    def study(self) -> Study | None:
        """The study of a live trial."""
        return self.trial.study if isinstance(self.trial, Trial) else None

    @property
    def takes_reports(self) -> bool:
        """Whether Optuna takes reports: not in studies with several objectives."""
        return self.study is None or len(self.study.directions) == 1


class Objective(ABC, Generic[Plan]):
    """Base of all objectives.

    A subclass writes :meth:`_suggest`, :meth:`_evaluate` and :attr:`identity`, and calls
    :meth:`_admit` as soon as the trial has an architecture.

    Args:
        value: What a trial returns; see :data:`~optuna_nas.objectives.trial._value.Value`.
        metric: Name of the metric, in plots and in the dashboard.
        artifact_store: Where each trial's picture goes; None: no pictures and notes.
        notes: Whether a note for optuna-dashboard is written beside each picture.
        checkpoints: A folder or an artifact store for the trials' states; None: they keep none.
        keep_checkpoints: Of how many best complete trials the state is kept.
    """

    costs: Costs
    _alone: ClassVar[bool] = True
    """Whether a single value must be the only one of a study."""
    metric_of: ClassVar[str] = ""
    """Whose metric it is, for the note of a trial, such as ``" of the supernet"``."""

    def __init__(
        self,
        *,
        value: Value = "metric",
        metric: str = "validation accuracy",
        artifact_store: seam.ArtifactStore | None = None,
        notes: bool = True,
        checkpoints: seam.ArtifactStore | str | Path | None = None,
        keep_checkpoints: int = 0,
    ) -> None:
        self.value = trial_value(value)
        self.metric = metric
        self._artifact_store = artifact_store
        self._notes = notes
        self._checkpoints = TrialCheckpoints.at(checkpoints, keep_checkpoints)
        self._studies = SettledStudies(self.value, metric)

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Settings that a study keeps (``optuna_nas:study``), ready for JSON."""

    @abstractmethod
    def _suggest(self, run: TrialRun) -> Plan:
        """Suggest what is evaluated."""

    @abstractmethod
    def _evaluate(self, run: TrialRun, plan: Plan) -> float:
        """Return the metric of what was suggested."""

    def _reused(self, run: TrialRun, plan: Plan) -> float | None:
        """Return the value of an earlier trial that was the same run; None if there is none."""
        return None

    def _check_limits(self, run: TrialRun, architecture: Architecture) -> None:
        """End the trial where the architecture exceeds a limit."""

    @property
    def directions(self) -> list[str]:
        """Directions of a study, for ``optuna.create_study``."""
        return self.value.directions

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Evaluate one trial.

        Returns:
            The metric; with another ``value`` its reward, or the metric and the costs.

        Raises:
            TrialPruned: If the pruner stops the trial, or its architecture is infeasible.
            TrialError: If building or training fails for another reason.
            ValueError: If the study has other settings or directions.
        """
        run = TrialRun(trial)
        if run.study is not None:
            trial.set_user_attr(WORKER_KEY, this_worker())  # first: a death before it goes unseen
            self.prepare(run.study)
            self.prune_checkpoints(run.study)
        plan = self._suggest(run)
        reused = self._reused(run, plan)
        if reused is not None:
            return reused
        with self._noted(run) as told:
            metric = self._evaluate(run, plan)
            value = self._value_of(run, metric)
            told.append(self._outcome(value, metric))
        return value

    def prepare(self, study: Study) -> None:
        """Check that this objective can evaluate a study, and record its settings there.

        Every trial does so; call it before ``study.optimize`` to hear of a mistake sooner.

        Raises:
            ValueError: If the study has other settings or directions.
        """
        self._studies.settle(study, self, alone=self._alone)

    def prune_checkpoints(self, study: Study) -> None:
        """Remove the checkpoints of finished trials that are not among the best.

        Every trial does so as it begins; call it after ``study.optimize`` for the last ones.
        """
        if self._checkpoints is not None:
            self._checkpoints.prune(study)

    def _record(self, run: TrialRun, architecture: Architecture) -> None:
        """Keep the architecture with the trial."""
        run.trial.set_user_attr(ARCHITECTURE_KEY, architecture.to_json())
        run.trial.set_user_attr(DIGEST_KEY, architecture.digest)

    def _admit(self, run: TrialRun, architecture: Architecture) -> None:
        """Check the limits of a trial's architecture, and draw it.

        Raises:
            TrialPruned: If it exceeds one.
        """
        self._check_limits(run, architecture)
        run.architecture = architecture
        if self._artifact_store is not None and run.study is not None:
            run.artifact = attach_picture(run.trial, architecture.graph(), self._artifact_store)

    def _cost(self, run: TrialRun, cost: str) -> float:
        assert run.architecture is not None
        return self.costs.of(cost, run.trial, run.architecture)

    def _value_of(self, run: TrialRun, metric: float) -> float | tuple[float, ...]:
        if self.value.reward is not None:
            run.trial.set_user_attr(ACCURACY_KEY, metric)
        return self.value.of(metric, lambda cost: self._cost(run, cost))

    def _outcome(self, value: float | tuple[float, ...], metric: float) -> str:
        """Write the values of a trial for its note."""
        values = value if isinstance(value, tuple) else (value,)
        named = list(zip(self._studies.metrics, values, strict=True))
        if self.value.reward is None:
            del named[0]
        others = [f"{name} {number:.4g}" for name, number in named]
        return ", ".join([f"{self.metric}{self.metric_of} **{self._written(metric)}**", *others])

    def _written(self, metric: float) -> str:
        return f"{metric:.2%}"

    @contextlib.contextmanager
    def _noted(self, run: TrialRun) -> Iterator[list[str]]:
        """Write the note of a trial however it ends; what is to be told of it is appended."""
        told: list[str] = []
        try:
            yield told
        except TrialPruned as pruned:
            told.append(f"pruned: {markdown(str(pruned))}" if str(pruned) else "pruned")
            raise
        finally:
            drawn = self._artifact_store is not None and run.study is not None
            if drawn and self._notes and run.architecture is not None:
                line = "; ".join([*(told or ["failed"]), *_sizes(run.trial)])
                write_note(run.trial, run.artifact, run.architecture, line)


def _sizes(trial: Trial) -> list[str]:
    params, macs = PARAMS.read(trial), MACS.read(trial)
    if params is None or macs is None:
        return []
    return [f"{params:,} parameters, {macs:,} multiply-adds"]
