"""Equal means equal: when a trial may take over another one's result.

A run is everything that a result depends on but luck. Its key is a hash of the architecture's
digest, build arguments, data and split, epochs, recipe, score and all hyperparameters.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from optuna_nas import _optuna_seam as seam
from optuna_nas._trials import TrialReader

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["COPY_KEY", "RUN_KEY", "TrialsByKey", "complete_run", "run_key", "take_over"]

RUN_KEY = "optuna_nas:run"
"""User attribute of a trial: hash of everything that its result depends on."""

COPY_KEY = "optuna_nas:copy_of"
"""User attribute of a trial: number of the trial whose result it took over."""


def run_key(**parts: Any) -> str:
    """Hash of what a result depends on; the parts must be ready for JSON."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def complete_run(trial: FrozenTrial) -> str | None:
    """The run key of a complete trial."""
    return trial.user_attrs.get(RUN_KEY) if trial.state == TrialState.COMPLETE else None


class TrialsByKey:
    """The trials of studies by a key, read once each.

    Args:
        key_of: The key of a trial; None if the trial does not count.
    """

    def __init__(self, key_of: Callable[[FrozenTrial], str | None]) -> None:
        self._key_of = key_of
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


def take_over(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those attributes of a finished run that hold for its copy too."""
    return {key: attributes[key] for key in keys if key in attributes}
