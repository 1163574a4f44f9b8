"""A search that was killed goes on to the same architecture."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import optuna
import pytest
import torch
from darts_searches import SPACE, objective, run
from optuna.trial import TrialState

from optuna_nas.objectives import (
    fail_dead_trials,
    read_alphas,
)
from optuna_nas.objectives.one_shot import _search as search_module
from optuna_nas.stores import open_storage

pytestmark = pytest.mark.usefixtures("one_thread")


class KillAt(optuna.pruners.BasePruner):
    """Kills the process after an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def prune(self, study, trial):
        if trial.last_step == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def _work(folder: Path, kill_at: int) -> None:
    torch.set_num_threads(1)
    study = optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:{folder / 'nas.log'}"),
        load_if_exists=True,
        direction="maximize",
        pruner=KillAt(kill_at),
    )
    fail_dead_trials(study)
    with (folder / "epochs.txt").open("a") as file:
        train = search_module.AlphaSearch._epoch

        def noted(self, epoch):
            file.write(f"{epoch}\n")
            file.flush()
            return train(self, epoch)

        search_module.AlphaSearch._epoch = noted  # type: ignore[method-assign]
        ours = objective(order=2, checkpoints=folder / "kept", keep_checkpoints=1)
        stop = optuna.study.MaxTrialsCallback(1, states=(TrialState.COMPLETE,))
        study.optimize(ours, callbacks=[stop])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks beside threads
def test_killed_at_any_epoch(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for kill_at, code in ((1, -signal.SIGKILL), (3, -signal.SIGKILL), (0, 0)):
        process = context.Process(target=_work, args=(tmp_path, kill_at))
        process.start()
        process.join()
        assert process.exitcode == code
    assert (tmp_path / "epochs.txt").read_text().split() == ["1", "2", "3"]  # each but once

    storage = open_storage(f"journal:{tmp_path / 'nas.log'}")
    study = optuna.load_study(study_name="s", storage=storage)
    undisturbed = run(objective(order=2)).trials[0]
    trial = study.best_trial
    assert trial.number == 2
    assert trial.intermediate_values == undisturbed.intermediate_values
    assert read_alphas(trial) == read_alphas(undisturbed)
    assert SPACE.architecture(trial) == SPACE.architecture(undisturbed)
    assert trial.value == undisturbed.value

    supernet = objective(order=2, checkpoints=tmp_path / "kept").trained_supernet(trial)
    assert supernet.derive() == SPACE.architecture(trial)
    assert len(list((tmp_path / "kept").iterdir())) == 1  # none is left of the derived network
