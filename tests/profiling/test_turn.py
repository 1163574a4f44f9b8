"""Measurements on one machine take turns, between threads and between processes."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from optuna_nas.profiling._turn import lock_path, turn_on

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_threads_take_turns() -> None:
    inside, most = 0, 0

    def measure() -> None:
        nonlocal inside, most
        with turn_on(CPU):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=measure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_each_device_has_its_own_turn() -> None:
    assert lock_path(torch.device("cuda:0")) != lock_path(torch.device("cuda:1"))
    with turn_on(torch.device("cuda:0")), turn_on(CPU, patience=0.0):
        pass


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the temporary folder is private")
def test_the_lock_lies_in_a_folder_of_this_user_alone(tmp_path: Path) -> None:
    with turn_on(CPU):
        pass
    path = lock_path(CPU)
    assert path == tmp_path / f"optuna-nas-{os.getuid()}" / "measuring-cpu.lock"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the temporary folder is private")
@pytest.mark.parametrize("kind", ["open to all", "a link", "a file"])
def test_a_folder_that_others_prepared_is_neither_used_nor_waited_for(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = tmp_path / f"optuna-nas-{os.getuid()}", tmp_path / "other"
    other.mkdir(mode=0o700)
    if kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "a link":
        folder.symlink_to(other)
    else:
        folder.touch(mode=0o600)
    with pytest.raises(PermissionError, match="must belong to this user alone"):
        lock_path(CPU)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING), turn_on(CPU):
        assert time.monotonic() - start < 5
    assert "Measuring without waiting" in caplog.text
    assert kind == "a file" or list(folder.iterdir()) == []


HOLDER = """
import sys, time, torch
from optuna_nas.profiling._turn import turn_on
with turn_on(torch.device("cpu")):
    print("mine", flush=True)
    time.sleep(60)
"""


def test_another_process_is_waited_for_but_not_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdout=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(tmp_path)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        start = time.monotonic()
        with caplog.at_level(logging.WARNING), turn_on(CPU, patience=0.3):
            assert time.monotonic() - start >= 0.3
        assert "Measuring without waiting" in caplog.text
    finally:
        holder.kill()
        holder.communicate()
    caplog.clear()
    with turn_on(CPU, patience=5.0):  # a process that died holds nothing
        pass
    assert not caplog.text
