"""A final training that is killed again and again ends as one that was left in peace."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import sys, torch
from torch import nn
from optuna_nas.final import Candidate, train_candidates
from optuna_nas.spaces import published
from optuna_nas.training import Recipe, load_data

torch.set_num_threads(1)
data = load_data("digits", train_size=600, val_size=200, test_size=300)
network = Candidate(
    name="resnet",
    make=lambda: published.NASBENCH201_RESNET.build(in_channels=1, cells=1, channels=8),
    origin={},
)
train_candidates(
    [network],
    data,
    folder=sys.argv[1],
    epochs=8,
    recipe=Recipe(batch_size=20, ema_decay=0.9),
    seeds=2,
    device="cpu",
)
"""
KILLS = 5


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])


def _run_for(folder: Path, epochs: int, delay: float) -> bool:
    """Kill a run some time after so many more epochs; say whether it was over before."""
    process = _start(folder)
    seen: set[int] = set()
    known = {path.stat().st_mtime_ns for path in folder.rglob("*.checkpoint")}
    while len(seen) < epochs and process.poll() is None:
        time.sleep(0.005)
        for path in folder.rglob("*.checkpoint"):
            with contextlib.suppress(FileNotFoundError):
                seen |= {path.stat().st_mtime_ns} - known
    time.sleep(delay)
    is_over = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return is_over


def _results(folder: Path) -> list[dict[str, Any]]:
    results = [
        json.loads(path.read_text())["result"]
        for path in sorted((folder / "resnet").glob("seed-*.json"))
    ]
    for result in results:
        del result["seconds"]
    return results


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    assert _start(tmp_path / "whole").wait() == 0
    rng = random.Random(0)
    folder = tmp_path / "killed"
    finished: dict[Path, int] = {}
    for _ in range(KILLS):
        assert not _run_for(folder, rng.randint(1, 3), rng.uniform(0.0, 0.05))
        for path, known in finished.items():
            assert path.stat().st_mtime_ns == known  # nothing finished is touched again
        finished = {path: path.stat().st_mtime_ns for path in folder.rglob("seed-*.json")}
    assert _start(folder).wait() == 0
    assert _results(folder) == _results(tmp_path / "whole")
    assert len(_results(folder)) == 2
    for seed in range(2):
        weights = [
            (place / "resnet" / f"seed-{seed}.pt").read_bytes()
            for place in (folder, tmp_path / "whole")
        ]
        assert weights[0] == weights[1]
