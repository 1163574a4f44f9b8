"""Real processes: killed in mid-trial, and two at once on one storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.keys import DIGEST_KEY
from optuna_nas.stores import open_storage

COMMAND = Path(sys.executable).with_name("optuna-nas")
FRESH = [
    *("--space", "nasbench201", "--data", "digits", "--train-size", "640", "--epochs", "2"),
    *("--build", "cells=1", "--build", "channels=4", "--pruner", "none", "--no-pictures"),
]

both_storages = pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:///{}/nas.db", id="sqlite"),
        pytest.param("journal:{}/nas.log", id="journal", marks=pytest.mark.slow),
    ],
)


def _search(storage: str, trials: int, *arguments: str) -> subprocess.Popen[str]:
    command = [str(COMMAND), "search", "--storage", storage, "--trials", str(trials)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _study(storage: str) -> optuna.Study:
    return optuna.load_study(study_name="nas", storage=open_storage(storage))


def _wait_for_a_running_trial(storage: str, finished: int) -> None:
    for _ in range(200):
        time.sleep(0.3)
        try:
            trials = _study(storage).trials
        except (KeyError, ValueError):  # not there yet
            continue
        done = sum(trial.state.is_finished() for trial in trials)
        if done >= finished and any(
            t.state == TrialState.RUNNING and len(t.params) == 6 for t in trials
        ):
            return
    raise AssertionError("the search did not get going")


@both_storages
def test_a_killed_search_goes_on_with_nothing_lost(url: str, tmp_path: Path) -> None:
    storage = url.format(tmp_path)
    victim = _search(storage, 1000, *FRESH)
    _wait_for_a_running_trial(storage, finished=3)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    before = _study(storage).trials
    (dead,) = [trial for trial in before if trial.state == TrialState.RUNNING]

    output, _ = _search(storage, 3).communicate()
    assert f"trials [{dead.number}] were left by a killed process" in output
    after = _study(storage).trials
    assert all(trial.state.is_finished() for trial in after)
    assert after[dead.number].state == TrialState.FAIL
    kept = [(t.params, t.value) for t in before if t.state.is_finished()]
    assert [(t.params, t.value) for t in after[: len(kept)]] == kept
    again = after[dead.number + 1]
    assert again.params == dead.params
    assert again.state == TrialState.COMPLETE
    assert len(after) == len(before) + 3


@pytest.mark.slow
@both_storages
def test_two_processes_share_a_study(url: str, tmp_path: Path) -> None:
    storage = url.format(tmp_path)
    first = _search(storage, 1, *FRESH)
    first.communicate()
    workers = [_search(storage, 5) for _ in range(2)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    trials = _study(storage).trials
    assert len(trials) == 11
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert len({trial.user_attrs[DIGEST_KEY] for trial in trials}) == 11


def test_importing_does_not_import_torch() -> None:
    code = (
        "import sys, optuna_nas, optuna_nas.samplers, optuna_nas.stores, optuna_nas.drawing, "
        "optuna_nas.spaces, optuna_nas.dashboard\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_imports_no_heavy_package() -> None:
    """Help appears at once; the choices of two commands are names that packages export."""
    code = (
        "import sys\nfrom optuna_nas.cli import main\n"
        "for command in ['', *sorted(main.commands.keys() - {'darts', 'search'})]:\n"
        "    main([*command.split(), '--help'], standalone_mode=False)\n"
        "    heavy = {'numpy', 'optuna', 'sqlalchemy', 'torch'} & {*sys.modules}\n"
        "    assert not heavy, f'{command} --help imports {heavy}'\n"
        "main(['search', '--help'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
