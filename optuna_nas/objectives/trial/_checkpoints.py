"""Checkpoints of trials in an artifact store: one for each, gone when it is of no more use.

A trial's checkpoint has an id of its own in the trial's user attributes. A trial that is tried
again after a crash is a copy with the same attributes, so it finds the checkpoint of the first.
"""

from __future__ import annotations

import heapq
import io
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, matching
from optuna_nas._ground.checks import require_int
from optuna_nas._ground.per_process import PerProcess
from optuna_nas._ground.trials import TrialReader
from optuna_nas.keys import CHECKPOINT_KEY
from optuna_nas.objectives.trial._runs import COPY
from optuna_nas.stores import AtomicArtifactStore, sealed, unsealed

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import BaseTrial, FrozenTrial

__all__ = ["TrialCheckpoints", "TrialSlot"]

# No other id, since a checkpoint may be removed, and in the store are other people's artifacts.
CHECKPOINT = Attribute(
    CHECKPOINT_KEY,
    matching(r"checkpoint-[0-9a-f]{32}", "an id like 'checkpoint-' and 32 hexadecimal digits"),
)


class TrialSlot:
    """The place of one trial's checkpoint in an artifact store of Optuna.

    Args:
        store: Any artifact store.
        artifact: Id of the checkpoint.
    """

    def __init__(self, store: seam.ArtifactStore, artifact: str) -> None:
        self._store = store
        self._artifact = artifact

    def read(self) -> bytes | None:
        """Return what was written last, None if nothing was.

        Raises:
            DamagedFileError: If it is not whole.
        """
        try:
            with self._store.open_reader(self._artifact) as file:
                content = file.read()
        except ArtifactNotFound:
            return None
        return unsealed(content, f"The checkpoint {self._artifact!r}")

    def write(self, data: bytes) -> None:
        """Put the data in place of what was there."""
        self._store.write(self._artifact, io.BytesIO(sealed(data)))

    def remove(self) -> None:
        """Remove the checkpoint, if there is one."""
        try:
            self._store.remove(self._artifact)
        except ArtifactNotFound:
            pass

    def beside(self, name: str) -> TrialSlot:
        """Return another place for the same trial."""
        return TrialSlot(self._store, f"{self._artifact}-{name}")

    def __repr__(self) -> str:
        return f"the artifact {self._artifact!r}"


class TrialCheckpoints(PerProcess):
    """The checkpoints of all trials of an objective.

    Args:
        store: Any artifact store of Optuna.
        keep: Number of best complete trials whose checkpoint stays.
    """

    def __init__(self, store: seam.ArtifactStore, keep: int) -> None:
        self._store = store
        self._keep = keep
        self._forget()

    def _forget(self) -> None:
        self._studies: dict[tuple[BaseStorage, int], _Finished] = {}
        self._lock = threading.Lock()

    @classmethod
    def at(
        cls, place: seam.ArtifactStore | str | Path | None, keep: int
    ) -> TrialCheckpoints | None:
        """Return those of a folder or an artifact store, as an objective is told of them.

        Raises:
            ValueError: If ``keep`` is no number of trials, or there is no place and it is above 0.
        """
        require_int("keep_checkpoints", keep, at_least=0)
        if place is None:
            if keep:
                raise ValueError(
                    f"`keep_checkpoints` needs `checkpoints`, but got keep_checkpoints={keep} and "
                    "checkpoints=None: give a folder."
                )
            return None
        store = AtomicArtifactStore(place) if isinstance(place, str | Path) else place
        return cls(store, keep)

    def slot(self, trial: BaseTrial) -> TrialSlot | None:
        """Return the place of a trial's checkpoint, with a new id if it has none yet."""
        if seam.study_of(trial) is None:
            return None
        artifact = CHECKPOINT.read(trial)
        if artifact is None:
            artifact = f"checkpoint-{uuid.uuid4().hex}"
            trial.set_user_attr(CHECKPOINT_KEY, artifact)
        return TrialSlot(self._store, artifact)

    def of(self, trial: FrozenTrial) -> TrialSlot:
        """Return the place of a finished trial's checkpoint.

        Raises:
            ValueError: If it never had one.
        """
        artifact = CHECKPOINT.read(trial)
        if artifact is None:
            reused = COPY.read(trial)
            why = "was run without" if reused is None else f"reused the result of trial {reused}"
            raise ValueError(f"Trial {trial.number} must have a checkpoint, but {why}.")
        return TrialSlot(self._store, artifact)

    def prune(self, study: Study) -> None:
        """Remove the checkpoints of trials that are finished and not among the best.

        A trial that crashed may be tried again, so its checkpoint stays until that is finished.
        """
        with self._lock:
            finished = self._studies.setdefault(seam.study_key(study), _Finished(self._keep))
            for artifact in finished.news(study):
                TrialSlot(self._store, artifact).remove()


class _Finished:
    """Finds the checkpoints of one study that are of no more use."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._reader = TrialReader()
        # First value and falling number by id, of complete trials: the earliest of equals is best.
        self._kept: dict[str, tuple[float, int]] = {}

    def news(self, study: Study) -> list[str]:
        """Return the checkpoints that have become useless since the last call."""
        gone = []
        for trial in self._reader.news(study):
            artifact = CHECKPOINT.read(trial)
            if artifact is None:
                continue
            if trial.state == TrialState.PRUNED:
                gone.append(artifact)
            elif trial.state == TrialState.COMPLETE:
                self._kept[artifact] = (trial.values[0], -trial.number)
        best = self._best(study)
        gone += [artifact for artifact in self._kept if artifact not in best]
        self._kept = {artifact: self._kept[artifact] for artifact in best}
        return gone

    def _best(self, study: Study) -> set[str]:
        if len(study.directions) == 1 or not self._keep:
            return set(heapq.nlargest(self._keep, self._kept, key=self._kept.__getitem__))
        front = [CHECKPOINT.read(trial) for trial in study.best_trials]
        return {artifact for artifact in front if artifact in self._kept}
