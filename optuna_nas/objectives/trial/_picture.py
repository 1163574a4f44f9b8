"""Shows a trial's architecture in optuna-dashboard: one picture, and a short note.

optuna-dashboard's gallery goes by the position of an artifact, so each trial gets exactly one.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.artifacts import get_all_artifact_meta, upload_artifact
from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.words import markdown_code
from optuna_nas.drawing import save_picture

if TYPE_CHECKING:
    from optuna.trial import Trial

    from optuna_nas.drawing import Graph
    from optuna_nas.spaces import Architecture

__all__ = ["attach_picture", "write_note"]


def attach_picture(trial: Trial, graph: Graph, store: seam.ArtifactStore) -> str | None:
    """Attach the picture of an architecture to a running trial, unless it has one already.

    A picture is decoration: where it cannot be kept, there is a warning and the trial goes on.

    Args:
        trial: A live trial.
        graph: Picture of the architecture.
        store: Any artifact store of Optuna.

    Returns:
        Id of the trial's artifact, None if the picture could not be kept.
    """
    present = get_all_artifact_meta(trial)
    if present:  # a trial that is tried again brings it along
        return present[0].artifact_id
    try:
        return _uploaded(trial, graph, store)
    except (OptunaError, SQLAlchemyError):  # of the study's storage
        raise
    except Exception as e:  # a store of one's own raises what it will
        # Without the trial's number: Python shows equal warnings once.
        what = getattr(e, "strerror", None) or f"{type(e).__name__}: {e}"
        warnings.warn(
            f"Pictures of architectures cannot be kept ({what}), and trials go on without: is the "
            "artifact store's folder still there, and is there space on its disk?",
            stacklevel=2,
        )
        return None


def _uploaded(trial: Trial, graph: Graph, store: seam.ArtifactStore) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "architecture.svg"
        save_picture(graph, path)
        artifact: str = upload_artifact(
            artifact_store=store, file_path=str(path), study_or_trial=trial
        )
    return artifact


def write_note(trial: Trial, artifact: str | None, architecture: Architecture, line: str) -> None:
    """Write a trial's note: its picture, if it has one, its architecture, a line of Markdown."""
    from optuna_dashboard import save_note
    from optuna_dashboard.artifact import get_artifact_path

    picture = (
        [] if artifact is None else [f"![architecture]({get_artifact_path(trial, artifact)})"]
    )
    save_note(trial, "\n\n".join([*picture, markdown_code(f"{architecture}"), line]))
