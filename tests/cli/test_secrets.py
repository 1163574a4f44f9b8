"""No command shows the password of its storage: not in output, errors, tracebacks or logs."""

from __future__ import annotations

import json
import logging
import shlex
import traceback
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from optuna_nas.cli import main
from optuna_nas.cli._options import place_words
from optuna_nas.stores import open_storage

Run = Callable[..., Result]
SECRET = "S3cret"
TINY = ("--build", "cells=1", "--build", "channels=2", "--epochs", "1", "--pruner", "none")
IMAGES = ("--data", "digits", "--train-size", "60", "--val-size", "30")
COMMANDS = {
    "search": (*IMAGES, "--space", "nasbench201"),
    "darts": (*IMAGES, "--space", "darts"),
    "enas": (*IMAGES, "--space", "enas_micro"),
    "scale": (*IMAGES, "--network", "resnet-18", "--how", "grid", "--epochs", "1"),
    "best": (),
    "train": ("--epochs", "1"),
    "export": (),
    "transfer": ("--data", "digits", "--epochs", "1", "--cells", "1", "--channels", "2"),
    "draw": (),
    "profile": (),
    "dashboard": (),
}
WRONG = (
    "mysql+pymysql://nas:S3cret@127.0.0.1:33o6/nas",  # a mistyped port
    "mysql+pymysql://nas:p@S3cret@127.0.0.1:1/nas",
    "postgresql+psycopg://nas:{S3cret}@127.0.0.1:1/nas",
    "postgresql+psycopg://127.0.0.1:1/nas?user=nas&password=S3cret",
    "nas:S3cret@127.0.0.1/nas",
)
# SQLite leaves what it does not know in the name of a file alone.
RIGHT = "sqlite:///file:nas.db?password=S3cret&uri=true"


def test_every_command_that_takes_a_storage_is_tested() -> None:
    taking = {
        name
        for name, command in main.commands.items()
        if any(option.name == "storage" for option in command.params)
    }
    assert taking == COMMANDS.keys()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_storage_that_cannot_be_opened(
    command: str, debug: bool, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    caplog.set_level(logging.DEBUG)
    for url in WRONG:
        arguments = [command, *COMMANDS[command], "--storage", url]
        result = CliRunner().invoke(main, ["--debug", *arguments] if debug else arguments)
        assert result.exit_code != 0
        assert "url=" in f"{result.output}{result.exception}"  # it came to the storage
        _has_no_secret(result)
    assert SECRET not in caplog.text


def test_a_storage_without_the_study(run: Run) -> None:
    open_storage(RIGHT)
    for command in ("best", "train", "export", "draw", "profile", "transfer"):
        result = run(command, *COMMANDS[command], "--storage", RIGHT, code=2)
        assert "password=***&uri=true has no study 'nas'" in result.output
        _has_no_secret(result)


def test_a_search_and_what_it_keeps(run: Run, tmp_path: Path) -> None:
    result = run("search", *COMMANDS["search"], *TINY, "--trials", "2", "--storage", RIGHT)
    _has_no_secret(result)
    *_, look, note = result.output.strip().splitlines()
    shown = shlex.split(look.removeprefix("Look at it:  "))
    assert shown == [
        *("optuna-nas", "dashboard", "--storage"),
        "sqlite:///file:nas.db?password=***&uri=true",
    ]
    assert note == "(write the password of the storage in place of ***)"
    _has_no_secret(run("best", "--storage", RIGHT))
    study = optuna.load_study(study_name="nas", storage=open_storage(RIGHT))
    storage = study._storage
    kept = [study.user_attrs, storage.get_study_system_attrs(study._study_id)]
    kept += [t.user_attrs for t in study.trials] + [t.system_attrs for t in study.trials]
    assert SECRET not in json.dumps(kept)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_an_error_that_quotes_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> None:
        try:
            raise OSError(f"no login as nas:{SECRET}")
        except OSError as e:
            raise RuntimeError(f"cannot reach {url}") from e

    monkeypatch.setattr("optuna_nas.stores.open_storage", fail)
    url = "mysql+pymysql://nas:S3cret@host/nas"
    shown = "cannot reach mysql+pymysql://nas:***@host/nas"
    assert shown in run("best", "--storage", url, code=1).output
    result = CliRunner().invoke(main, ["--debug", "best", "--storage", url])
    assert f"RuntimeError: {shown}" in result.output
    assert "OSError: no login as nas:***" in result.output
    _has_no_secret(result)


@pytest.mark.parametrize("name", ["my search; rm -rf .", "../x", "-x"])
def test_printed_commands_are_quoted_for_a_shell(name: str, run: Run) -> None:
    url, folder = f"sqlite:///{name.strip('./')}.db", Path("pictures of", name)
    words = shlex.split(place_words(url, folder))
    assert words == ["--storage", url, "--artifacts", str(folder)]


def _has_no_secret(result: Result) -> None:
    assert SECRET not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert SECRET not in "".join(traceback.format_exception(result.exception))
