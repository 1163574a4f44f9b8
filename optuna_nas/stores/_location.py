"""What a storage URL says about places on the disk: the database file, the journal file.

Accepted are SQLAlchemy's URLs and one scheme of our own, ``journal:PATH``.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy.engine
import sqlalchemy.exc

__all__ = ["artifact_directory", "journal_path", "parse_url", "sqlite_path"]

_JOURNAL = "journal:"
_ACCEPTED = (
    "sqlite:///nas.db, postgresql+psycopg://user@host/database, "
    "mysql+pymysql://user@host/database or journal:nas.log"
)


def artifact_directory(url: str) -> Path:
    """Return the default folder for the artifacts of the studies in a storage.

    The folder stands beside a SQLite or journal file; for a database server and for a database
    in memory it is ``optuna-nas-artifacts`` in the working directory. It is not created here.

    Example:
        >>> from optuna_nas.stores import artifact_directory
        >>> artifact_directory("sqlite:///nas.db").name
        'nas.db-artifacts'

    Args:
        url: A storage URL as :func:`open_storage` takes it.

    Raises:
        ValueError: If ``url`` is no storage URL.
    """
    path = journal_path(url) or sqlite_path(parse_url(url))
    if path is None:
        return Path("optuna-nas-artifacts")
    return path.with_name(f"{path.name}-artifacts")


def journal_path(url: str) -> Path | None:
    """Return the file of ``journal:PATH`` or ``journal:///PATH``, None for other schemes.

    As in SQLite's URLs a path after three slashes is relative and one after four is absolute.
    """
    if not url.startswith(_JOURNAL):
        return None
    rest = url.removeprefix(_JOURNAL)
    path = rest.removeprefix("///")
    if not path or path.endswith("/") or (path == rest and path.startswith("//")):
        raise ValueError(
            f"`url` must name the journal's file, but got url={url!r}: write journal:nas.log for "
            "a file in the working directory or journal:/folder/nas.log for an absolute path."
        )
    return Path(path)


def parse_url(url: str) -> sqlalchemy.engine.URL:
    """Return the parts of an SQLAlchemy URL, or say how one is written."""
    try:
        return sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as e:
        raise ValueError(
            f"`url` must be a storage URL such as {_ACCEPTED}, but got url={url!r}."
        ) from e


def sqlite_path(url: sqlalchemy.engine.URL) -> Path | None:
    """Return the file of a SQLite URL, None for a database in memory or on a server."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)
