"""Results of final training, as a value whose printed form is the table."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from optuna_nas._ground.words import counted
from optuna_nas.final._candidate import FOUND

if TYPE_CHECKING:
    from optuna_nas.training import Task

__all__ = ["Comparison", "FinalRun", "Finalist", "Spread", "as_arguments"]

T = TypeVar("T")
U = TypeVar("U")


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and spread of a figure over runs with different seeds.

    Attributes:
        mean: NaN if there is no run.
        sd: Sample standard deviation; NaN for fewer than two runs.
        count: Runs.
        format: Writes such a figure, as ``task.format`` does. Default: with four digits.
    """

    mean: float
    sd: float
    count: int
    format: Callable[[float], str] = dataclasses.field(
        default="{:.4g}".format, compare=False, repr=False
    )

    @classmethod
    def over(
        cls, values: Iterable[float], *, format: Callable[[float], str] = "{:.4g}".format
    ) -> Spread:
        """Return the spread of some values, written by ``format``."""
        known = [*values]
        return cls(
            mean=statistics.mean(known) if known else math.nan,
            sd=statistics.stdev(known) if len(known) > 1 else math.nan,
            count=len(known),
            format=format,
        )

    def __str__(self) -> str:
        if self.count == 0:
            return "-"
        spread = f" ± {self.format(self.sd)}" if self.count > 1 else ""
        return f"{self.format(self.mean)}{spread}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinalRun:
    """One network, trained to the end with one seed.

    Attributes:
        seed: Seed of weights, order of the examples and augmentation.
        val_metric: The task's metric after the last epoch; NaN if the run failed, or the network
            was trained on the validation examples too.
        test_metric: The same on the test split, looked at once.
        seconds: Wall time.
        weights: The file of :func:`optuna_nas.training.save_weights`; None if the run failed.
        failure: Why the network could not be trained; else empty.
    """

    seed: int
    val_metric: float = math.nan
    test_metric: float = math.nan
    seconds: float = math.nan
    weights: Path | None = None
    failure: str = ""

    @property
    def is_validated(self) -> bool:
        """Whether there is a validation metric."""
        return not math.isnan(self.val_metric)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finalist:
    """A candidate and its runs.

    Attributes:
        name: As of the candidate.
        role: "found", "random search" or "baseline".
        origin: Kind and source of the network.
        params: Trainable parameters.
        macs: Multiply-adds for one example.
        runs: One for each seed.
        folder: With the model card, the weights and one file of results per seed.
        task: Task of the runs, whose metric it is.
    """

    name: str
    role: str
    origin: Mapping[str, Any]
    params: int
    macs: int
    runs: tuple[FinalRun, ...]
    folder: Path
    task: Task

    @property
    def val_metric(self) -> Spread:
        """Over the runs that did not fail; of none where they were not validated."""
        values = [run.val_metric for run in self._whole if run.is_validated]
        return Spread.over(values, format=self.task.format)

    @property
    def test_metric(self) -> Spread:
        """Over the runs that did not fail."""
        values = [run.test_metric for run in self._whole]
        return Spread.over(values, format=self.task.format)

    @property
    def best(self) -> FinalRun:
        """The run with the best validation metric, the first where there is none.

        The test has no say in it.

        Raises:
            ValueError: If all runs failed.
        """
        if not self._whole:
            raise ValueError(f"{self.name!r} must have a run that did not fail, but has none.")
        validated = [run for run in self._whole if run.is_validated]
        first = self._whole[0]
        return _best(validated, lambda run: run.val_metric, self.task, default=first)

    @property
    def _whole(self) -> list[FinalRun]:
        return [run for run in self.runs if not run.failure]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Found networks beside random search and networks made by hand. Printing it gives a table.

    Attributes:
        finalists: In the order in which they were given.
        data: Name of the data.
        epochs: Epochs of each run.
        test_size: Examples in the test split.
        task: Task of the runs, whose metric it is.
        noun: Word for several examples, such as "images".
    """

    finalists: tuple[Finalist, ...]
    data: str
    epochs: int
    test_size: int
    task: Task
    noun: str = "examples"

    def __getitem__(self, name: str) -> Finalist:
        """Return the finalist of that name.

        Raises:
            KeyError: If there is none.
        """
        for finalist in self.finalists:
            if finalist.name == name:
                return finalist
        raise KeyError(f"{name!r} is none of {[f.name for f in self.finalists]}")

    @property
    def chosen(self) -> Finalist | None:
        """The found network with the best mean validation metric; the test has no say.

        Where nothing was validated it is the first, which the search itself held best.
        """
        found = [f for f in self.finalists if f.role == FOUND and f.test_metric.count]
        validated = [f for f in found if f.val_metric.count]
        first = found[0] if found else None
        return _best(validated, lambda f: f.val_metric.mean, self.task, default=first)

    @property
    def seeds(self) -> int:
        """Runs of each finalist."""
        return max((len(finalist.runs) for finalist in self.finalists), default=0)

    def __repr__(self) -> str:
        words = self.task.metric_name
        columns = (f"validation {words}", f"test {words}")
        head = ("", "network", "parameters", "multiply-adds", *columns)
        rows = [head, *(self._row(finalist) for finalist in self.finalists)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = [_line(row, widths) for row in rows]
        lines += [f"{note}" for note in self._notes()]
        return "\n".join(lines)

    def _row(self, finalist: Finalist) -> tuple[str, ...]:
        mark = " *" if finalist is self.chosen else ""
        return (
            finalist.role,
            finalist.name + mark,
            f"{finalist.params:,}",
            f"{finalist.macs:,}",
            str(finalist.val_metric),
            str(finalist.test_metric),
        )

    def _notes(self) -> list[str]:
        deviation = f", mean ± sd of {self.seeds} seeds" if self.seeds > 1 else ""
        notes = [
            f"{self.data}, {counted(self.epochs, 'epoch')}{deviation}, "
            f"{counted(self.test_size, f'test {self.noun}'.removesuffix('s'))}"
        ]
        if self.task.direction == "minimize":
            notes.append(f"the lower the {self.task.metric_name}, the better")
        if self.chosen is not None:
            validated = f"validation {self.task.metric_name}"
            by = validated if self.chosen.val_metric.count else "the search"
            notes.append(f"* chosen by {by}")
        for finalist in self.finalists:
            if "search_epochs" in finalist.origin:
                trials, epochs = (finalist.origin[f"search_{of}"] for of in ("trials", "epochs"))
                notes.append(
                    f"{finalist.name}: the best of {counted(trials, 'trial')}, "
                    f"{counted(epochs, 'epoch')}"
                )
            if "hyperparameters" in finalist.origin:
                drawn = as_arguments(finalist.origin["hyperparameters"])
                notes.append(f"{finalist.name}: trained with {drawn}, as its trial was")
            notes += [
                f"{finalist.name}, seed {run.seed}, failed: {run.failure}"
                for run in finalist.runs
                if run.failure
            ]
        return notes


def _best(items: Sequence[T], metric: Callable[[T], float], task: Task, *, default: U) -> T | U:
    """Return the first item with the best metric."""
    best = max if task.direction == "maximize" else min
    return best(items, key=metric, default=default)


def as_arguments(named: Mapping[str, Any]) -> str:
    """Write named values as in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in named.items())


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    role, name, *figures = row
    texts = [f"{role:<{widths[0]}}", f"{name:<{widths[1]}}"]
    texts += [f"{text:>{width}}" for text, width in zip(figures, widths[2:], strict=True)]
    return "  ".join(texts).rstrip()
