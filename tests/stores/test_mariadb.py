"""A real MariaDB server: workers that open an empty database at once, and a server that ends."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.stores import explained, open_storage

pytestmark = pytest.mark.server

PROCESSES, DATABASES = 8, ("first", "second", "third")
PASSWORD = "S3{cr}et"  # Optuna takes braces in a URL for a placeholder

WORKER = """
import sys, time
import optuna
import optuna.storages._rdb.models, pymysql  # what takes time
from optuna_nas.stores import open_storage

print("ready", flush=True)
start = float(sys.stdin.readline())
for turn, url in enumerate(sys.argv[1:]):
    time.sleep(max(0.0, start + 3 * turn - time.time()))  # all at once
    storage = open_storage(url)
study = optuna.create_study(study_name="s", storage=storage, load_if_exists=True)
study.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=2)
"""


@dataclasses.dataclass
class Server:
    """A running server with empty databases."""

    process: subprocess.Popen[bytes]
    port: int

    def url(self, database: str) -> str:
        return f"mysql+pymysql://nas:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@pytest.fixture
def server() -> Iterator[Server]:
    programs = [shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb")]
    if None in programs or importlib.util.find_spec("pymysql") is None:
        pytest.skip("needs MariaDB (apt-get install mariadb-server) and optuna-nas[mysql]")
    daemon, install, client = programs
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The server refuses to run as root.
    account = {"user": "mysql"} if os.name == "posix" and os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        if account:
            shutil.chown(folder, **account)
        common = ["--no-defaults", f"--datadir={folder}/data"]
        login = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([install, *common, *login], check=True, **quiet, **account)
        places = [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        process = subprocess.Popen(
            [daemon, *common, *places, f"--port={port}", "--bind-address=127.0.0.1"],
            **quiet,
            **account,
        )
        try:
            ask = [client, "--no-defaults", places[0], "--user=root", "--execute", _set_up()]
            _until_it_answers(ask)
            yield Server(process, port)
        finally:
            process.kill()
            process.wait()


def _set_up() -> str:
    databases = "".join(f"CREATE DATABASE {name};" for name in DATABASES)
    return f"CREATE USER nas IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO nas; {databases}"


def _until_it_answers(ask: list[str]) -> None:
    for _ in range(150):
        if subprocess.run(ask, stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError("the server did not start")


def test_processes_that_open_empty_databases_at_once_lose_no_trial(server: Server) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(server.url, DATABASES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    assert [worker.stdout and worker.stdout.readline() for worker in workers] == ["ready\n"] * 8
    start = f"{time.time() + 1}\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(start)
        worker.stdin.flush()
    ended = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES, ended
    storage = open_storage(server.url(DATABASES[-1]))
    study = optuna.load_study(study_name="s", storage=storage)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * (2 * PROCESSES)
    storage._backend.engine.dispose()  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # heartbeats
def test_a_server_that_ends_is_told_as_such(server: Server) -> None:
    storage = open_storage(server.url(DATABASES[0]))
    study = optuna.create_study(storage=storage)

    def objective(trial: optuna.Trial) -> float:
        server.process.kill()
        server.process.wait()
        return 0.5

    with pytest.raises(UnboundLocalError) as caught:  # Optuna's own
        study.optimize(objective, n_trials=1)
    told = explained(caught.value)
    assert told is not None
    assert told.startswith("The database server does not answer (")
    assert "check that the server runs" in told
    storage._backend.engine.dispose()  # type: ignore[attr-defined]
