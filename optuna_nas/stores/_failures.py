"""Failures of disks, files and servers under a storage: recognised by their codes, told in words.

Optuna reports most of them by a guess ("invalid data in the commit") or by an error of its own
that follows from them. The driver's error stands further down, as cause or context.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import sqlalchemy.exc
from optuna.exceptions import StorageInternalError

__all__ = ["chain", "explained", "first_line", "is_passing", "way_out"]

_Code: TypeAlias = tuple[str, int | str]
"""Owner of an error code, and the code."""


class _Trouble(NamedTuple):
    """A kind of failure: what has happened, and what helps."""

    what: str
    way_out: str


_FULL = _Trouble("The disk is full", "free some space on it")
_UNWRITABLE = _Trouble(
    "The storage cannot be written to",
    "the file and its folder must be writable, so change their rights or take another folder",
)
_UNREADABLE = _Trouble(
    "The disk failed", "check that there is space on it, and that it is still mounted"
)
_LOCKED = _Trouble(
    "Another process holds the database",
    "end what holds it, or take journal:FILE or a server if the file is on a network file system",
)
_NO_SERVER = _Trouble(
    "The database server does not answer",
    "check that the server runs, and the user, the password and the database's name",
)
_OTHER = _Trouble("The storage failed", "see to what the database reports")

# Codes of an OSError, of SQLite (sqlite.org/rescode.html), of PostgreSQL (its appendix A), and of
# MySQL and MariaDB.
_TROUBLES: Mapping[_Code, _Trouble] = {
    ("os", errno.ENOSPC): _FULL,
    ("os", errno.EDQUOT): _FULL,
    ("sqlite", 13): _FULL,
    ("postgresql", "53100"): _FULL,
    ("mysql", 1021): _FULL,
    ("mysql", 1114): _FULL,
    ("sqlite", 3): _UNWRITABLE,
    ("sqlite", 8): _UNWRITABLE,
    ("sqlite", 14): _UNWRITABLE,
    ("sqlite", 10): _UNREADABLE,
    ("sqlite", 5): _LOCKED,
    ("sqlite", 6): _LOCKED,
}

# Codes that say this of a storage only while it is opened; later on the file may be any.
_AT_OPENING: Mapping[_Code, _Trouble] = {
    ("os", code): _UNWRITABLE for code in (errno.EACCES, errno.EPERM, errno.EROFS)
}

# Several processes that make the same tables at the same time: a table, type or index is there
# already, a lock is waited for in vain, two wait for each other.
_PASSING: Collection[_Code] = {
    *(("sqlite", code) for code in (5, 6)),
    *(("postgresql", code) for code in ("42P07", "42710", "40001", "40P01")),
    *(("mysql", code) for code in (1050, 1061, 1205, 1213)),
}


def is_passing(error: BaseException) -> bool:
    """Whether opening a database failed since other processes were making it."""
    return any(
        isinstance(e, sqlalchemy.exc.IntegrityError)  # a row of Optuna's or Alembic's version
        or _code(e) in _PASSING
        or (_code(e) == ("sqlite", 1) and "already exists" in str(e))
        for e in chain(error)
    )


def way_out(error: BaseException) -> str | None:
    """Return what helps against a failure to open a storage, None if it is of no known kind."""
    trouble = _AT_OPENING.get(_code(error) or ("", 0)) or _trouble(error)[0]
    return None if trouble is None or trouble is _OTHER else trouble.way_out


def explained(error: BaseException) -> str | None:
    """Return what has happened to the storage or the disk and what helps, None for other errors.

    Args:
        error: Whatever came out of ``study.optimize`` or a method of a study.
    """
    if isinstance(error, ValueError):  # a wrong setting, which says itself what is wrong
        return None
    trouble, lowest = _trouble(error)
    if trouble is None:
        return None
    return (
        f"{trouble.what} ({first_line(lowest)}): {trouble.way_out}, then give the same command "
        "again. Finished trials are kept."
    )


def first_line(error: BaseException) -> str:
    """Return the first line of a driver's error."""
    lowest = getattr(error, "orig", None) or error
    family, _ = _code(lowest) or ("", 0)
    shown = lowest.args[-1] if family == "mysql" else lowest  # its text is a tuple's
    return (str(shown).strip() or type(lowest).__name__).splitlines()[0].rstrip(".")


def _trouble(error: BaseException) -> tuple[_Trouble | None, BaseException]:
    """Return the kind of a failure, and the error that tells it."""
    found: tuple[_Trouble | None, BaseException] = (None, error)
    for e in chain(error):
        code = _code(e)
        if code is not None and code in _TROUBLES:
            return _TROUBLES[code], e
        if _is_of_a_server(e):
            found = _NO_SERVER, e
        elif found[0] is None and isinstance(e, StorageInternalError | sqlalchemy.exc.DBAPIError):
            found = _OTHER, e
        elif found[0] is _OTHER and isinstance(e, sqlalchemy.exc.SQLAlchemyError):
            found = _OTHER, e  # closer to the driver than Optuna's guess
    return found


def _is_of_a_server(error: BaseException) -> bool:
    kinds = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return True
    return isinstance(error, kinds) and not isinstance(error.orig, sqlite3.Error)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those under it, from the top."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _code(error: BaseException) -> _Code | None:
    """Return whose code an error bears, and the code."""
    error = getattr(error, "orig", None) or error
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else ("sqlite", code & 0xFF)  # without the extension
    if isinstance(error, OSError):
        return None if error.errno is None else ("os", error.errno)
    if len(error.args) == 2 and isinstance(error.args[0], int):  # PyMySQL has a state, too
        return "mysql", error.args[0]
    states = (getattr(error, name, None) for name in ("sqlstate", "pgcode"))
    return next((("postgresql", state) for state in states if isinstance(state, str)), None)
