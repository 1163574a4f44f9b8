"""A search whose storage fails, whose trial another process fails, whose name is a path."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy.exc
from click.testing import Result
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from optuna_nas.objectives._base import TrialRun
from optuna_nas.stores import open_storage

Run = Callable[..., Result]
TRAINING = "optuna_nas.objectives._training.TrainingObjective.evaluate"
SEARCH = (
    *("search", "--space", "nasbench201", "--data", "digits", "--no-pictures"),
    *("--train-size", "60", "--val-size", "30", "--pruner", "none", "--epochs", "1"),
    *("--build", "cells=1", "--build", "channels=2"),
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_trial_that_another_process_failed_does_not_end_a_search(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(self: object, of_trial: TrialRun, *arguments: object) -> float:
        if of_trial.trial.number == 1:
            other = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
            other.tell(1, state=TrialState.FAIL)
            of_trial.trial.report(0.5, 1)
        return 0.5

    monkeypatch.setattr(TRAINING, train)
    with pytest.warns(UserWarning, match="Trial 1 was failed by another process") as caught:
        output = run(*SEARCH, "--trials", "3").output
    assert len(caught) == 1
    assert "study 'nas': 2 complete, 1 fail" in output


def test_a_full_disk_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = sqlite3.OperationalError("database or disk is full")
    driver.sqlite_errorcode = sqlite3.SQLITE_FULL

    def train(*arguments: object) -> float:
        cause = sqlalchemy.exc.OperationalError("INSERT", {}, driver)
        raise StorageInternalError(
            "invalid data in the commit, e.g. exceeding max length"
        ) from cause

    monkeypatch.setattr(TRAINING, train)
    output = run(*SEARCH, "--trials", "1", code=1).output
    assert output.strip().splitlines()[-1] == (
        "Error: The disk is full (database or disk is full): free some space on it, then give the "
        "same command again. Finished trials are kept."
    )
    assert "exceeding" not in output


def test_heartbeats_leave_it_to_the_search_to_tell_of_a_storage(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's thread that keeps a trial alive fails with the storage, too."""
    shown: list[object] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)

    def fail(error: Exception) -> None:
        raise error

    def train(*arguments: object) -> float:
        gone = sqlalchemy.exc.OperationalError("UPDATE", {}, Exception("server closed"))
        for error in (gone, RuntimeError("a bug")):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
        raise gone

    monkeypatch.setattr(TRAINING, train)
    output = run(*SEARCH, "--trials", "1", code=1).output
    assert "Error: The database server does not answer (server closed): check that" in output
    assert [type(failure.exc_value) for failure in shown] == [RuntimeError]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "folder"),
    [("nas", "nas-final"), ("../../x", "..%2F..%2Fx-final"), ("/x y", "%2Fx y-final")],
)
def test_the_name_of_a_study_names_a_folder_here(
    name: str, folder: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Compared:
        class chosen:
            folder = Path()

    def retrain(study: object, objective: object, **settings: object) -> Compared:
        Compared.chosen.folder = Path(str(settings["folder"])) / "trial-0"
        return Compared()

    monkeypatch.setattr(TRAINING, lambda *arguments: 0.5)
    monkeypatch.setattr("optuna_nas.final.retrain", retrain)
    run(*SEARCH, "--trials", "1", "--study-name", name)
    output = run("train", "--epochs", "1", "--study-name", name).output
    assert f"training in {folder}\n" in output
    (command,) = re.findall("optuna-nas export (.*)", output)
    assert command == (f"'{folder}/trial-0'" if " " in folder else f"{folder}/trial-0")
