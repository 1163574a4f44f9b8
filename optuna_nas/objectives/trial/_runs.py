"""Equal means equal: when a trial may take over another one's result.

A run is everything that a result depends on but luck. Its key is a hash of the architecture's
digest, build arguments, data and split, epochs, recipe, score and all hyperparameters.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, integer, pass_over, text
from optuna_nas._per_process import PerProcess
from optuna_nas._trials import TrialReader
from optuna_nas.keys import COPY_KEY, RUN_KEY

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["COPY", "TrialsByKey", "reusable_runs", "run_key", "take_over"]

RUN = Attribute(RUN_KEY, text(200))

COPY = Attribute(COPY_KEY, integer())


def run_key(**parts: Any) -> str:
    """Hash of what a result depends on; the parts must be ready for JSON."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _reusable_run(
    trial: FrozenTrial, epochs: int, score: Callable[[list[float]], float], largest: float
) -> str | None:
    """The run key of a complete trial whose result can be taken over, else None."""
    if trial.state != TrialState.COMPLETE or (key := RUN.read(trial)) is None:
        return None
    steps = sorted(trial.intermediate_values)
    reports = [trial.intermediate_values[step] for step in steps]
    if steps == list(range(1, epochs + 1)) and all(0.0 <= r <= largest for r in reports):
        if math.isclose(score(reports), trial.values[0], rel_tol=1e-6, abs_tol=1e-12):
            return key
    rule = f"{epochs} reports in [0, {largest:g}] that make the trial's value"
    pass_over(trial, RUN_KEY, f"must be of {rule}, but is not")
    return None


class TrialsByKey(PerProcess):
    """The trials of studies by a key, read once each.

    Args:
        key_of: The key of a trial; None if the trial does not count.
    """

    def __init__(self, key_of: Callable[[FrozenTrial], str | None]) -> None:
        self._key_of = key_of
        self._forget()

    def _forget(self) -> None:
        self._studies: dict[
            tuple[BaseStorage, int], tuple[TrialReader, dict[str, FrozenTrial]]
        ] = {}
        self._lock = threading.Lock()

    def find(self, study: Study, key: str) -> FrozenTrial | None:
        """The first trial of a study with this key."""
        with self._lock:
            reader, by_key = self._studies.setdefault(seam.study_key(study), (TrialReader(), {}))
            for trial in reader.news(study):
                of_trial = self._key_of(trial)
                if of_trial is not None:
                    by_key.setdefault(of_trial, trial)
            return by_key.get(key)


def reusable_runs(
    epochs: int, score: Callable[[list[float]], float], *, largest: float
) -> TrialsByKey:
    """The complete trials of studies whose results can be taken over, by run.

    Args:
        epochs: How many reports a trial must have.
        score: Makes a trial's value of its reports.
        largest: What no report exceeds.
    """
    return TrialsByKey(
        functools.partial(_reusable_run, epochs=epochs, score=score, largest=largest)
    )


def take_over(trial: FrozenTrial, attributes: Sequence[Attribute[Any]]) -> dict[str, Any]:
    """Those attributes of a finished run that hold for its copy too, by key."""
    read = {attribute.key: attribute.read(trial) for attribute in attributes}
    return {key: value for key, value in read.items() if value is not None}
