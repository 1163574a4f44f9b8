"""A folder as an artifact store of Optuna whose files are whole or absent.

``optuna.artifacts.FileSystemArtifactStore`` writes in place: a process that is killed meanwhile
leaves half a file where a whole one stood.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound

from optuna_nas._ground.atomic import write_atomically

__all__ = ["AtomicArtifactStore"]


class AtomicArtifactStore:
    """An artifact store in a folder, for checkpoints and whatever else is written again and again.

    Example:
        >>> import io, tempfile
        >>> from optuna_nas.stores import AtomicArtifactStore
        >>> store = AtomicArtifactStore(tempfile.mkdtemp())
        >>> store.write("state", io.BytesIO(b"old"))
        >>> store.write("state", io.BytesIO(b"new"))
        >>> store.open_reader("state").read()
        b'new'

    Args:
        folder: Made at the first writing if it does not exist.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Return a file to read.

        Raises:
            ArtifactNotFound: If there is none with this id.
        """
        try:
            return io.BytesIO(self._path(artifact_id).read_bytes())
        except FileNotFoundError as e:
            raise ArtifactNotFound(f"There is no artifact {artifact_id!r}.") from e

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write a file, or put it in place of the one with this id, whole or not at all."""
        path = self._path(artifact_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content_body.read())

    def remove(self, artifact_id: str) -> None:
        """Remove a file.

        Raises:
            ArtifactNotFound: If there is none with this id.
        """
        try:
            self._path(artifact_id).unlink()
        except FileNotFoundError as e:
            raise ArtifactNotFound(f"There is no artifact {artifact_id!r}.") from e

    def _path(self, artifact_id: str) -> Path:
        name = Path(artifact_id).name
        if not name or name != artifact_id or name.startswith("."):
            raise ValueError(
                f"`artifact_id` must be a name within the folder, but got {artifact_id!r}."
            )
        return self._folder / artifact_id
