"""A full disk, a folder that cannot be written to, a lock: each told in words, with a way out."""

from __future__ import annotations

import errno
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy.exc
from optuna.exceptions import StorageInternalError
from sqlalchemy.pool import StaticPool

from optuna_nas.stores import explained, open_storage
from optuna_nas.stores._failures import first_line, is_passing, way_out

Objective = Callable[[optuna.Trial], float]


def _fills(trial: optuna.Trial) -> float:
    trial.set_user_attr("large", "x" * 2000)
    return 0.5


def _fills_in_a_wrapper(trial: optuna.Trial) -> float:
    try:
        return _fills(trial)
    except StorageInternalError as e:
        raise RuntimeError("Trial 3: training failed: invalid data in the commit") from e


@pytest.mark.parametrize("objective", [_fills, _fills_in_a_wrapper])
def test_a_full_disk_is_told_as_such(objective: Objective, tmp_path: Path) -> None:
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{tmp_path / 'nas.db'}", engine_kwargs={"poolclass": StaticPool}
    )
    study = optuna.create_study(storage=storage)
    study.optimize(_fills, n_trials=1)
    connection = storage.engine.raw_connection()
    (pages,) = connection.cursor().execute("PRAGMA page_count").fetchone()
    connection.cursor().execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Exception, match=r".") as caught:  # several of Optuna's follow from it
        study.optimize(objective, n_trials=100)
    told = explained(caught.value)
    assert told == (
        "The disk is full (database or disk is full): free some space on it, then give the same "
        "command again. Finished trials are kept."
    )
    storage.engine.dispose()


def test_optunas_error_for_a_server_that_went_away_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = optuna.create_study()

    def fail(*arguments: object) -> None:
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("server closed"))

    def objective(trial: optuna.Trial) -> float:
        monkeypatch.setattr(study._storage, "get_trial", fail)
        return 0.5

    with pytest.raises(UnboundLocalError, match="updated_state") as caught:
        study.optimize(objective, n_trials=1)
    told = explained(caught.value) or ""
    assert told.startswith("The database server does not answer (server closed): check that")


def test_a_full_disk_under_a_journal_is_told_as_such() -> None:
    told = explained(OSError(errno.ENOSPC, "No space left on device", "nas.log"))
    assert told is not None
    assert told.startswith(
        "The disk is full ([Errno 28] No space left on device: 'nas.log'): free"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_told_as_such() -> None:
    with pytest.raises(ValueError, match=r"unable to open database file\): the file and its fold"):
        open_storage("sqlite:////proc/nas.db")


def test_a_journal_that_cannot_be_written_to_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "nas.log")

    monkeypatch.setattr("optuna_nas.stores._storage.JournalFileBackend", refuse)
    with pytest.raises(ValueError, match="the file and its folder must be writable"):
        open_storage(f"journal:{tmp_path / 'nas.log'}")


def test_other_files_than_the_storage_speak_for_themselves() -> None:
    assert explained(PermissionError(errno.EACCES, "Permission denied", "picture.svg")) is None
    assert explained(ValueError("`epochs` must be an integer")) is None
    assert explained(RuntimeError("a bug")) is None


def test_a_file_opened_for_reading_only_is_told_as_such(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "nas.db").close()
    connection = sqlite3.connect(f"file:{tmp_path / 'nas.db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert "must be writable" in (way_out(caught.value) or "")


def test_a_lock_is_told_as_such_and_passes_while_a_storage_is_opened(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "nas.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    waiting = sqlite3.connect(tmp_path / "nas.db", timeout=0)
    with pytest.raises(sqlite3.OperationalError) as caught:
        waiting.execute("CREATE TABLE t (x)")
    holder.close()
    waiting.close()
    error = sqlalchemy.exc.OperationalError("CREATE", {}, caught.value)
    assert is_passing(error)
    assert (explained(error) or "").startswith("Another process holds the database (")


class _DriverError(Exception):
    """As drivers raise them: PyMySQL with a number and a state, psycopg with a state."""

    def __init__(self, *arguments: object, sqlstate: str | None = None) -> None:
        super().__init__(*arguments)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("kind", "error", "passes"),
    [
        ("IntegrityError", _DriverError(1062, "Duplicate entry 'v3.2.0.a'", sqlstate="23000"), 1),
        ("OperationalError", _DriverError(1050, "Table exists", sqlstate="42S01"), 1),
        ("OperationalError", _DriverError(1213, "Deadlock found", sqlstate="40001"), 1),
        ("OperationalError", _DriverError(1045, "Access denied", sqlstate="28000"), 0),
        ("OperationalError", _DriverError(2003, "Can't connect"), 0),
        ("ProgrammingError", _DriverError("relation exists", sqlstate="42P07"), 1),
        ("IntegrityError", _DriverError("duplicate key value", sqlstate="23505"), 1),
        ("OperationalError", _DriverError("deadlock detected", sqlstate="40P01"), 1),
        ("OperationalError", _DriverError("connection refused"), 0),
    ],
)
def test_a_race_of_several_processes_is_told_by_its_code(
    kind: str, error: _DriverError, passes: bool
) -> None:
    raised = getattr(sqlalchemy.exc, kind)("CREATE TABLE", {}, error)
    wrapped = StorageInternalError("An exception is raised during the commit.")
    wrapped.__cause__ = raised
    assert is_passing(raised) == is_passing(wrapped) == bool(passes)
    assert first_line(raised) == error.args[-1]
    if not passes:
        told = explained(wrapped) or ""
        assert told.startswith(f"The database server does not answer ({error.args[-1]}): check")
