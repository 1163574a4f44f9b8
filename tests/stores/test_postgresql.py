"""Two workers on a real PostgreSQL server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from optuna_nas.stores import open_storage

pytestmark = pytest.mark.server

WORKER = """
import sys
import optuna
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage

space = NASBench201Space()
study = optuna.load_study(
    study_name="s", storage=open_storage(sys.argv[1]), sampler=RandomSearchSampler(space=space)
)
study.optimize(lambda trial: str(space.suggest(trial)).count("none"), n_trials=15)
"""


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@pytest.fixture
def server() -> Iterator[str]:
    binaries = _binaries()
    if binaries is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs PostgreSQL (apt-get install postgresql) and optuna-nas[postgresql]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The server refuses to run as root.
    account = {"user": "postgres"} if os.name == "posix" and os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        if account:
            shutil.chown(folder, **account)
        cluster = Path(folder) / "cluster"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [binaries / program, "-D", cluster, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=folder,
                **account,
            )

        run("initdb", "--username=nas", "--auth=trust")
        run("pg_ctl", "-w", "-o", f"-p {port} -k {folder} -c fsync=off", "-l", "log", "start")
        try:
            yield f"postgresql+psycopg://nas@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


def test_two_workers_never_propose_the_same(server: str) -> None:
    storage = open_storage(server)
    study = optuna.create_study(study_name="s", storage=storage)
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, server]) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    trials = study.trials
    storage._backend.engine.dispose()  # type: ignore[attr-defined]
    assert len(trials) == 30
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in trials)
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == 30
