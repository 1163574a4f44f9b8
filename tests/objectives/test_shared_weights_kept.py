"""Shared weights belong to one study: kept in files and stores, killed, and taken up again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState
from shared_children import SPACE, objective, study, supernet_of, values

from optuna_nas.objectives import fail_dead_trials
from optuna_nas.objectives.one_shot import _shared_weights as weights_module
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import sample_architectures
from optuna_nas.stores import open_storage

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_file_is_shared(tmp_path, monkeypatch):
    trained = []
    epoch = weights_module.SharedWeights._epoch
    monkeypatch.setattr(
        weights_module.SharedWeights,
        "_epoch",
        lambda self, number, children: trained.append(number) or epoch(self, number, children),
    )
    ours, alone = study(study_name="a/b"), study()
    for _ in range(3):  # as after a restart, in the middle of a block
        ours.optimize(objective(checkpoints=tmp_path), n_trials=3)
    assert trained == [1, 2, 3]
    assert (tmp_path / "a%2Fb-weights.pt").exists()  # where the first version had it
    alone.optimize(objective(), n_trials=9)
    assert values(ours) == values(alone)
    with pytest.raises(ValueError, match="`checkpoint` must hold the same run.*epochs was 3"):
        study(study_name="a/b").optimize(objective(checkpoints=tmp_path, epochs=4), n_trials=1)
    sharing = objective(checkpoints=tmp_path)
    other = study(study_name="other")
    other.optimize(sharing, n_trials=1)
    assert trained == [1, 2, 3, *(1, 2, 3), 1]  # weights of its own
    with pytest.raises(ValueError, match="weights of one study, 'other', but.*belongs to 'a/b'"):
        ours.optimize(sharing, n_trials=1)


def test_an_artifact_store_keeps_the_weights(tmp_path):
    ours, alone = study(study_name="s"), study()
    for epochs in (2, 3):
        store = optuna.artifacts.FileSystemArtifactStore(tmp_path)
        sharing = objective(checkpoints=store)
        ours.optimize(sharing, n_trials=5)
        assert sharing.weights.epochs_done == epochs
    alone.optimize(objective(), n_trials=10)
    assert values(ours) == values(alone)
    assert [path.name for path in tmp_path.iterdir()] == ["s-weights.pt"]


def test_what_was_trained_before_a_study_is_known_is_kept(tmp_path):
    told = []
    sharing = objective(checkpoints=tmp_path, on_epoch=lambda *event: told.append(event[1].epoch))
    child = sample_architectures(SPACE, 1)[0]
    sharing.weights.train_until(1, lambda epoch, steps: [child] * steps)
    trained = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    ours = study(study_name="s")
    ours.optimize(sharing, n_trials=2)  # which need no more than that epoch
    assert all(torch.equal(w, trained[n]) for n, w in supernet_of(sharing).weights().items())
    ours.optimize(sharing, n_trials=3)
    assert told == [1, 2]


def _work(folder: Path, kill_in: int) -> None:
    torch.set_num_threads(1)
    epoch = weights_module.SharedWeights._epoch

    def killed(self, number, children):
        result = epoch(self, number, children)
        if number == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)  # trained, but not written
        return result

    weights_module.SharedWeights._epoch = killed  # type: ignore[method-assign]
    ours = optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:{folder / 'nas.log'}"),
        load_if_exists=True,
        direction="maximize",
        sampler=RandomSearchSampler(seed=0),
    )
    fail_dead_trials(ours)
    stop = optuna.study.MaxTrialsCallback(9, states=(TrialState.COMPLETE,))
    ours.optimize(objective(schedule="pretrain", checkpoints=folder), callbacks=[stop])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks beside threads
def test_killed_while_the_weights_learn(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for kill_in, code in ((2, -signal.SIGKILL), (0, 0)):
        process = context.Process(target=_work, args=(tmp_path, kill_in))
        process.start()
        process.join()
        assert process.exitcode == code
    storage = open_storage(f"journal:{tmp_path / 'nas.log'}")
    ours = optuna.load_study(study_name="s", storage=storage)
    sharing = objective(schedule="pretrain")
    sharing.weights.train_until(3, sharing._uniform)
    complete = ours.get_trials(states=(TrialState.COMPLETE,))
    assert len(complete) == 9
    for trial in complete:
        child = SPACE.architecture(trial)
        assert sharing.weights.metric_on_batch(child, trial.number) == trial.value
