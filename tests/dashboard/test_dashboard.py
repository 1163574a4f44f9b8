"""The real optuna-dashboard on a real study: its server, and its page in a real browser."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from optuna_nas.dashboard import picture_store
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import load_data

SPACE = NASBench201Space()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(
        storage=open_storage(url),
        study_name="digits",
        direction="maximize",
        sampler=RandomSearchSampler(seed=0),
    )
    objective = TrainingObjective(
        SPACE,
        load_data("digits", train_size=200, val_size=100),
        epochs=1,
        build={"cells": 1, "channels": 4},
        artifact_store=picture_store(url),
    )
    study.optimize(objective, n_trials=2)
    return study


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("optuna-nas")
    storage = f"sqlite:///{folder / 'nas.db'}"
    server = subprocess.Popen(
        [command, "dashboard", "--storage", storage, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(urllib.error.URLError):
                _get(f"{address}/api/studies")
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        content: bytes = response.read()
    return content


@pytest.mark.server
def test_the_dashboard_serves_studies_and_pictures(study: optuna.Study, tmp_path: Path) -> None:
    with _served(tmp_path) as address:
        (summary,) = json.loads(_get(f"{address}/api/studies"))["study_summaries"]
        assert summary["study_name"] == "digits"
        detail = json.loads(_get(f"{address}/api/studies/{summary['study_id']}"))
        assert detail["objective_names"] == ["validation accuracy"]
        for trial in detail["trials"]:
            (artifact,) = trial["artifacts"]
            path = f"{summary['study_id']}/{trial['trial_id']}/{artifact['artifact_id']}"
            assert b"<svg" in _get(f"{address}/artifacts/{path}")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
def test_a_trials_page_shows_picture_and_note(study: optuna.Study, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    with _served(tmp_path) as address:
        page = subprocess.run(
            [
                CHROMIUM,
                *CHROMIUM_OPTIONS,
                f"--user-data-dir={tmp_path / 'browser'}",
                "--virtual-time-budget=15000",
                "--dump-dom",
                f"{address}/dashboard/studies/1/trials?numbers=0",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    trial = study.trials[0]
    assert 'alt="architecture"' in page
    assert str(SPACE.architecture(trial)) in page
    assert f"{trial.value:.2%}" in page
