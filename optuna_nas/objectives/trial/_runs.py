"""Keys of runs, and the trials of a study by such a key.

A run is everything that a result depends on but luck. Its key is a hash of the architecture's
digest, build arguments, data and split, epochs, recipe, score and all hyperparameters.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, integer, text
from optuna_nas._ground.per_process import PerProcess
from optuna_nas._ground.trials import TrialReader
from optuna_nas.keys import COPY_KEY, RUN_KEY

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["COPY", "RUN", "TrialsByKey", "run_key"]

RUN = Attribute(RUN_KEY, text(200))

COPY = Attribute(COPY_KEY, integer())


def run_key(**parts: Any) -> str:
    """Hash of what a result depends on; the parts must be ready for JSON."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


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
