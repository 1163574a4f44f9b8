"""Storages that several real processes share, and what a wrong URL says."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.stores import artifact_directory, open_storage

_PROCESSES = 4
_TRIALS = 10


_WORK = f"""
import sys, optuna
from optuna_nas.stores import open_storage

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    trial.suggest_categorical("op", ["conv", "pool"])
    for step in range(2):
        trial.report(x, step)
    return x

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(
    storage=open_storage(sys.argv[1]), study_name="shared", load_if_exists=True
)
study.optimize(objective, n_trials={_TRIALS})
"""


def _run_processes(url: str) -> optuna.Study:
    command = [sys.executable, "-c", _WORK, url]
    workers = [subprocess.Popen(command) for _ in range(_PROCESSES)]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * _PROCESSES
    return optuna.load_study(study_name="shared", storage=open_storage(url))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal:"])
def test_processes_that_open_one_new_file_lose_no_trial(scheme: str, tmp_path: Path) -> None:
    study = _run_processes(f"{scheme}{tmp_path / 'nas.file'}")

    trials = study.trials
    assert len(trials) == _PROCESSES * _TRIALS
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert [trial.number for trial in trials] == list(range(_PROCESSES * _TRIALS))
    assert all(len(trial.intermediate_values) == 2 for trial in trials)


def test_sqlite_has_a_write_ahead_log_and_waits_for_locks(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'nas.db'}")

    connection = storage._backend.engine.raw_connection()  # type: ignore[attr-defined]
    pragmas = {
        name: connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "busy_timeout")
    }
    connection.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 120_000}
    plain = sqlite3.connect(tmp_path / "nas.db")
    assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain.close()


def test_a_storage_survives_pickling_with_its_settings(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'nas.db'}")

    copy = pickle.loads(pickle.dumps(storage._backend))  # type: ignore[attr-defined]

    connection = copy.engine.raw_connection()
    assert connection.cursor().execute("PRAGMA synchronous").fetchone()[0] == 1
    connection.close()


def test_it_is_the_same_kind_of_storage_as_optuna_makes_of_a_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"

    assert type(open_storage(url)) is type(optuna.create_study(storage=url)._storage)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_runs_a_study_without_heartbeats(url: str) -> None:
    # Each thread would have its own database, and the heartbeat's thread one without tables.
    study = optuna.create_study(storage=open_storage(url))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=2)
    assert len(study.trials) == 2
    assert study._storage.get_heartbeat_interval() is None  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")  # since it asks by hand
def test_the_trial_of_a_dead_process_runs_again_and_reports_again(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.report(0.9, 0)
        return float(trial.suggest_int("x", 0, 9))

    storage = open_storage(f"sqlite:///{tmp_path / 'nas.db'}")
    backend = storage._backend  # type: ignore[attr-defined]
    assert (backend.heartbeat_interval, backend.grace_period) == (60, 120)
    study = optuna.create_study(storage=storage)
    dead = study.ask()
    x = dead.suggest_int("x", 0, 9)
    dead.report(0.5, 0)
    storage.record_heartbeat(dead._trial_id)  # type: ignore[attr-defined]
    connection = sqlite3.connect(tmp_path / "nas.db", isolation_level=None)
    connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    connection.close()

    study.optimize(objective, n_trials=1)

    failed, retried = study.trials
    assert (failed.state, retried.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert (retried.params, retried.value) == ({"x": x}, x)
    assert retried.intermediate_values == {0: 0.9}
    assert retried.system_attrs["retry_history"] == [0]


@pytest.mark.parametrize("form", ["journal:{0}", "journal:///{0}"])
def test_both_forms_of_a_journal_url_name_the_same_file(form: str, tmp_path: Path) -> None:
    url = form.format(tmp_path / "nas.log")

    optuna.create_study(storage=open_storage(url), study_name="s")

    assert (tmp_path / "nas.log").read_bytes().startswith(b'{"op_code"')


def test_a_relative_journal_is_locked_by_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)

    storage = open_storage("journal:sub/nas.log")

    lock = storage._backend._lock  # type: ignore[attr-defined]
    assert Path(lock._lock_file) == tmp_path / "sub" / "nas.log.lock"
    if sys.platform != "win32":
        assert Path(lock._lock_target_file).is_absolute()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nas.db", r"`url` must be a storage URL such as sqlite:///nas.db"),
        ("", r"`url` must be a storage URL"),
        ("redis://localhost", r"must start with sqlite, postgresql, mysql or journal"),
        ("sqlite:///no/such/nas.db", r"make the folder 'no/such' first"),
        ("journal:no/such/nas.log", r"make the folder 'no/such' first"),
        ("journal:", r"`url` must name the journal's file"),
        ("journal://nas.log", r"`url` must name the journal's file"),
        ("journal:folder/", r"`url` must name the journal's file"),
        ("sqlite:///{nas}.db", r"`url` must lead to a database that Optuna can use"),
    ],
)
def test_a_wrong_url_says_what_to_write(
    url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        open_storage(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal:"])
def test_a_file_of_another_kind_is_refused_and_left_alone(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG, no database" * 100)

    with pytest.raises(ValueError, match=r"cannot be opened \(.*\): give the path of a new file"):
        open_storage(f"{scheme}{path}")

    assert path.read_bytes() == b"\x89PNG, no database" * 100


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nas.log"
    optuna.create_study(storage=open_storage(f"journal:{path}"))
    path.write_bytes(path.read_bytes() + b"half a li\n" + b"{}\n")

    with pytest.raises(ValueError, match=r"`url` must lead to a journal of Optuna"):
        open_storage(f"journal:{path}")


@pytest.mark.parametrize(
    ("scheme", "driver", "way_out"),
    [
        ("mysql+pymysql", "pymysql", r"optuna-nas\[mysql\].* mysql\+pymysql://"),
        ("postgresql+psycopg", "psycopg", r"optuna-nas\[postgresql\].* postgresql\+psycopg://"),
        ("mssql+pyodbc", "pyodbc", r"install the SQLAlchemy driver for mssql"),
    ],
)
def test_a_missing_driver_names_the_package_and_no_password(
    scheme: str, driver: str, way_out: str
) -> None:
    if find_spec(driver):
        pytest.skip(f"{driver} is installed here")
    with pytest.raises(ValueError, match=way_out) as caught:
        open_storage(f"{scheme}://user:secret@localhost/nas")
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:///nas.db", "nas.db-artifacts"),
        ("sqlite:////data/nas.db", "/data/nas.db-artifacts"),
        ("journal:runs/nas.log", "runs/nas.log-artifacts"),
        ("journal:////data/nas.log", "/data/nas.log-artifacts"),
        ("sqlite://", "optuna-nas-artifacts"),
        ("sqlite:///:memory:", "optuna-nas-artifacts"),
        ("postgresql://user@host/nas", "optuna-nas-artifacts"),
    ],
)
def test_artifacts_stand_beside_the_file(url: str, folder: str) -> None:
    assert artifact_directory(url) == Path(folder)


def test_the_artifact_folder_of_a_wrong_url_is_an_error() -> None:
    with pytest.raises(ValueError, match="must be a storage URL"):
        artifact_directory("nas.db")
