"""The place of the weights that the children of a study share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.objectives.trial import TrialSlot
from optuna_nas.training.loop import CheckpointFile

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.training import CheckpointSlot

__all__ = ["KeptWeights", "WeightsPlace"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptWeights:
    """The place of one study's weights.

    Attributes:
        name: Name of the study.
        slot: Place that the weights are read from and written to.
        lock: File that the process locks that trains them; None: artifact stores have no locks.
    """

    name: str
    slot: CheckpointSlot
    lock: Path | None = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process of this machine train the weights meanwhile."""
        if self.lock is None:
            yield
            return
        with FileLock(self.lock):
            yield


@dataclasses.dataclass(frozen=True)
class WeightsPlace:
    """A folder, or an artifact store of Optuna, for the weights of studies.

    Attributes:
        place: As the option ``checkpoints`` names it.
    """

    place: seam.ArtifactStore | str | Path

    def of(self, study: Study) -> KeptWeights:
        """Return the place of a study's weights, a file of its name.

        Args:
            study: Any.
        """
        name = study.study_name
        file = f"{quote(name, safe='')}-weights.pt"
        if not isinstance(self.place, str | Path):
            return KeptWeights(name=name, slot=TrialSlot(self.place, file))
        folder = Path(self.place)
        folder.mkdir(parents=True, exist_ok=True)
        return KeptWeights(
            name=name, slot=CheckpointFile(folder / file), lock=folder / f"{file}.lock"
        )
