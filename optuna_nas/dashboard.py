"""optuna-dashboard on a storage of this package, with the pictures of its trials."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_nas.stores import artifact_directory, open_storage

if TYPE_CHECKING:
    from optuna.artifacts import FileSystemArtifactStore

__all__ = ["picture_store", "serve"]


def picture_store(
    storage: str, *, artifacts: str | os.PathLike[str] | None = None
) -> FileSystemArtifactStore:
    """The artifact store of a storage's trials; its folder is made if it is missing.

    Args:
        storage: A URL as for :func:`optuna_nas.stores.open_storage`.
        artifacts: The folder; default: beside the storage's file.

    Example::

        from optuna_nas.dashboard import picture_store
        from optuna_nas.objectives import TrainingObjective

        objective = TrainingObjective(
            space, "digits", epochs=4, artifact_store=picture_store("sqlite:///nas.db")
        )
    """
    from optuna.artifacts import FileSystemArtifactStore

    folder = artifact_directory(storage) if artifacts is None else Path(artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(folder)


def serve(
    storage: str,
    *,
    artifacts: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> None:
    """Serve optuna-dashboard until interrupted.

    It reads through a cached storage, which optuna-dashboard's own command does not (1 s instead
    of 4 to 5 s per refresh at 1,000 trials). It has no authentication: keep it on localhost.

    Args:
        storage: A URL as for :func:`optuna_nas.stores.open_storage`.
        artifacts: Folder of the trials' pictures; default: beside the storage's file.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ValueError: If the storage cannot be opened.
    """
    from optuna_dashboard import run_server

    opened = open_storage(storage)
    store = picture_store(storage, artifacts=artifacts)
    run_server(opened, host=host, port=port, artifact_store=store)
