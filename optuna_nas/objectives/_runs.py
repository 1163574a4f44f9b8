"""Equal means equal: when a trial may take over another one's result.

A run is everything that a result depends on but luck. Its key is a hash of the architecture's
digest, build arguments, data and split, epochs, recipe, score and all hyperparameters.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from optuna_nas._trials import TrialReader

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["COPY_KEY", "RUN_KEY", "FinishedRuns", "run_key"]

RUN_KEY = "optuna_nas:run"
"""User attribute of a trial: hash of everything that its result depends on."""

COPY_KEY = "optuna_nas:copy_of"
"""User attribute of a trial: number of the trial whose result it took over."""


def run_key(**parts: Any) -> str:
    """Hash of what a result depends on; the parts must be ready for JSON."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class FinishedRuns:
    """The complete trials of one study by run key, read once each."""

    def __init__(self) -> None:
        self._reader = TrialReader()
        self._by_key: dict[str, FrozenTrial] = {}
        self._lock = threading.Lock()

    def find(self, study: Study, key: str) -> FrozenTrial | None:
        """The first complete trial with this run key."""
        with self._lock:
            for trial in self._reader.news(study):
                if trial.state == TrialState.COMPLETE and RUN_KEY in trial.user_attrs:
                    self._by_key.setdefault(trial.user_attrs[RUN_KEY], trial)
            return self._by_key.get(key)


def take_over(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those attributes of a finished run that hold for its copy too."""
    return {key: attributes[key] for key in keys if key in attributes}
