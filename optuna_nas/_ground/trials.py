"""Reads a study's trials in proportion to what is new, and their constraints with care."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import pass_over, real
from optuna_nas._ground.checks import shown

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["TrialReader", "violation"]


class TrialReader:
    """Hands out each trial of one study once it is finished, and until then at every reading."""

    def __init__(self) -> None:
        self._read = 0
        self._unfinished: set[int] = set()

    def news(self, study: Study) -> Iterator[FrozenTrial]:
        """The trials that are unfinished or have finished since the last call, by number."""
        for trial in seam.some_trials(study, sorted(self._unfinished), self._read):
            self._read = max(self._read, trial.number + 1)
            if trial.state.is_finished():
                self._unfinished.discard(trial.number)
            else:
                self._unfinished.add(trial.number)
            yield trial

    def has_finished(self, number: int) -> bool:
        """Whether a trial had finished when the study was read last."""
        return number < self._read and number not in self._unfinished


def violation(trial: FrozenTrial) -> float:
    """Sum of a trial's violated constraints; 0 if it is feasible. Damaged ones do not count."""
    try:
        constraints = trial.constraints
    except TypeError as e:
        pass_over(trial, "constraints", f"must be a list of numbers ({e})")
        return 0.0
    total = 0.0
    for name, value in constraints.items():
        try:
            total += max(_violation(value), 0.0)
        except ValueError as e:
            pass_over(trial, f"constraints:{shown(name)}", f"{e}")
    return total


def _violation(value: object) -> float:
    """Decode how far a constraint is violated: a number that may be infinite, but not NaN."""
    number = real(value)
    if math.isnan(number):
        raise ValueError("must be a number, but is nan")
    return number
