"""Reads a study's trials in proportion to what is new, never to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from optuna_nas import _optuna_seam as seam

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["TrialReader"]


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
