"""Workers that open an empty database on a real MariaDB server at the same time."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.stores import open_storage

pytestmark = pytest.mark.server

_PROCESSES = 8

WORKER = """
import sys
import optuna
from optuna_nas.stores import open_storage

sys.stdin.readline()  # all at once
study = optuna.create_study(
    study_name="s", storage=open_storage(sys.argv[1]), load_if_exists=True
)
study.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=2)
"""


@pytest.fixture
def server() -> Iterator[str]:
    programs = [shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb")]
    if not all(programs) or importlib.util.find_spec("pymysql") is None:
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
        place = Path(folder)
        common = ["--no-defaults", f"--datadir={place / 'data'}"]
        subprocess.run(
            [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            stdout=subprocess.DEVNULL,
            **account,
        )
        socket_file = place / "socket"
        running = subprocess.Popen(
            [
                *(daemon, *common, f"--port={port}", "--bind-address=127.0.0.1"),
                *(f"--socket={socket_file}", f"--pid-file={place / 'pid'}"),
                f"--log-error={place / 'log'}",
            ],
            cwd=folder,
            **account,
        )
        try:
            made = (
                "CREATE USER 'nas'@'%' IDENTIFIED BY 'S3cret'; "
                "GRANT ALL ON *.* TO 'nas'@'%'; CREATE DATABASE nas;"
            )
            ask = [client, "--no-defaults", f"--socket={socket_file}", "--user=root", "-e", made]
            for _ in range(100):
                if subprocess.run(ask, stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.2)
            yield f"mysql+pymysql://nas:S3cret@127.0.0.1:{port}/nas"
        finally:
            running.kill()
            running.wait()


def test_processes_that_open_one_empty_database_lose_no_trial(server: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, server],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(_PROCESSES)
    ]
    time.sleep(3)  # until all have imported what they need
    ended = [worker.communicate("\n", timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * _PROCESSES, ended
    study = optuna.load_study(study_name="s", storage=open_storage(server))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * (2 * _PROCESSES)
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined]
