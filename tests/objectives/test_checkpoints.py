"""Which checkpoints of trials stay, what they give back, and what a trial that is retried does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FixedTrial, TrialState

from optuna_nas.keys import CHECKPOINT_KEY, MACS_KEY, SECONDS_KEY
from optuna_nas.objectives import TrainingObjective
from optuna_nas.objectives.trial._checkpoints import _Finished
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import AtomicArtifactStore
from optuna_nas.training import ImageData, Recipe, evaluate, load_data

SPACE = NASBench201Space()
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=120, val_size=80)


def _objective(data: ImageData, folder: Any, **changes: Any) -> TrainingObjective:
    settings = {
        "epochs": 3,
        "build": {"cells": 1, "channels": 4},
        "device": "cpu",
        "recipe": Recipe(batch_size=32, ema_decay=0.5),
        "checkpoints": folder,
    }
    return TrainingObjective(SPACE, data, **{**settings, **changes})


def _study(**kwargs: Any) -> optuna.Study:
    kwargs = {"direction": "maximize", **kwargs}
    return optuna.create_study(sampler=RandomSearchSampler(seed=0, space=SPACE), **kwargs)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_the_key_is_pinned() -> None:
    assert CHECKPOINT_KEY == "optuna_nas:checkpoint"


def test_the_best_stay_and_the_others_go(data: ImageData, tmp_path: Path) -> None:
    study = _study()
    objective = _objective(data, tmp_path / "kept", keep_checkpoints=2)
    for _ in range(6):
        study.optimize(objective, n_trials=1)
        ids = [trial.user_attrs[CHECKPOINT_KEY] for trial in study.trials]
        best = sorted(study.trials, key=lambda trial: -trial.value)[:2]
        kept = {trial.user_attrs[CHECKPOINT_KEY] for trial in best}
        assert kept <= _files(tmp_path / "kept") <= {*kept, ids[-1]} | _before_last(study)
    objective.prune_checkpoints(study)
    assert _files(tmp_path / "kept") == kept
    assert len(set(ids)) == 6


def _before_last(study: optuna.Study) -> set[str]:
    """Of the best two before the last trial, which has removed nothing since it ended."""
    before = sorted(study.trials[:-1], key=lambda trial: -trial.value)[:2]
    return {trial.user_attrs[CHECKPOINT_KEY] for trial in before}


@pytest.mark.parametrize("name", [f"checkpoint-{digit * 31}" for digit in "abcdef01"])
def test_of_equal_trials_the_earliest_stay(name: str) -> None:
    """So that the one of ``study.best_trial`` is there, and restarts agree on what goes."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(direction="maximize", storage=storage)
    finished = _Finished(keep=2)
    gone = []
    for number, value in enumerate((0.5, 0.5, 0.5, 0.6)):
        attributes = {CHECKPOINT_KEY: f"{name}{number}"}
        study.add_trial(optuna.create_trial(value=value, user_attrs=attributes))
        gone += finished.news(optuna.load_study(study_name=study.study_name, storage=storage))
    assert gone == [f"{name}2", f"{name}1"]


def test_without_keeping_none_stays(data: ImageData, tmp_path: Path) -> None:
    study = _study(pruner=optuna.pruners.ThresholdPruner(lower=0.11, n_warmup_steps=2))
    objective = _objective(data, tmp_path / "kept")
    study.optimize(objective, n_trials=4)
    assert len(_files(tmp_path / "kept")) == 1
    objective.prune_checkpoints(study)
    assert not _files(tmp_path / "kept")


def test_a_kept_network_is_the_one_that_was_evaluated(data: ImageData, tmp_path: Path) -> None:
    study = _study()
    objective = _objective(data, FileSystemArtifactStore(tmp_path), keep_checkpoints=1)
    study.optimize(objective, n_trials=3)
    model = objective.trained_network(study.best_trial)
    assert not any(module.training for module in model.modules())
    assert evaluate(model, data.val, data, device="cpu").metric == study.best_value

    objective.prune_checkpoints(study)
    other = next(trial for trial in study.trials if trial.number != study.best_trial.number)
    with pytest.raises(FileNotFoundError, match=r"a checkpoint in the artifact 'checkpoint-"):
        objective.trained_network(other)
    with pytest.raises(ValueError, match="`checkpoints` must be given to keep networks"):
        _objective(data, None).trained_network(study.best_trial)


def test_a_copy_names_the_trial_that_was_trained(data: ImageData, tmp_path: Path) -> None:
    study = _study()
    for _ in range(2):
        CONV.enqueue(study)
    objective = _objective(data, tmp_path, keep_checkpoints=1)
    study.optimize(objective, n_trials=2)
    with pytest.raises(ValueError, match=r"Trial 1 .* but reused the result of trial 0"):
        objective.trained_network(study.trials[1])


def test_with_several_objectives_the_pareto_front_stays(data: ImageData, tmp_path: Path) -> None:
    objective = _objective(data, tmp_path, keep_checkpoints=1)

    def both(trial: optuna.Trial) -> tuple[float, float]:
        return objective(trial), trial.user_attrs[MACS_KEY]

    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=RandomSearchSampler(seed=0, space=SPACE)
    )
    study.optimize(both, n_trials=5)
    objective.prune_checkpoints(study)
    assert _files(tmp_path) == {trial.user_attrs[CHECKPOINT_KEY] for trial in study.best_trials}


class _Crash(BaseException):
    pass


def _crashed(study: optuna.Study, objective: TrainingObjective, after: int) -> None:
    """Run one trial that dies as it reports, as a process would that is killed then."""
    trial = study.ask()
    report = trial.report

    def dies(value: float, step: int) -> None:
        report(value, step)
        if step == after:
            raise _Crash

    trial.report = dies  # type: ignore[method-assign]
    with pytest.raises(_Crash):
        objective(trial)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("inherit", [False, True])
def test_a_retried_trial_goes_on_with_the_seed_of_the_first(
    inherit: bool, data: ImageData, tmp_path: Path
) -> None:
    undisturbed = _study()
    CONV.enqueue(undisturbed)
    undisturbed.optimize(_objective(data, None), n_trials=1)

    study = _study()
    CONV.enqueue(study)
    objective = _objective(data, tmp_path)
    _crashed(study, objective, after=2)
    study.tell(0, state=TrialState.FAIL)
    retry = RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=inherit)
    retry(study, study.trials[0])
    study.optimize(objective, n_trials=1)

    dead, again = study.trials
    assert dead.state == TrialState.FAIL
    assert again.user_attrs[CHECKPOINT_KEY] == dead.user_attrs[CHECKPOINT_KEY]
    assert again.intermediate_values == undisturbed.trials[0].intermediate_values
    assert again.value == undisturbed.trials[0].value
    assert again.user_attrs[SECONDS_KEY] > 0


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_restored_epochs_are_not_pruned_but_the_next_one_may_be(
    data: ImageData, tmp_path: Path
) -> None:
    lenient, strict = _study(), _study(pruner=optuna.pruners.ThresholdPruner(lower=2.0))
    objective = _objective(data, tmp_path, epochs=4)
    CONV.enqueue(lenient)
    _crashed(lenient, objective, after=2)
    RetryHeartbeatStaleTrialCallback()(strict, lenient.trials[0])
    strict.optimize(objective, n_trials=1)
    (again,) = strict.trials
    assert again.state == TrialState.PRUNED
    assert list(again.intermediate_values) == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_damaged_checkpoint_makes_the_trial_begin_anew(data: ImageData, tmp_path: Path) -> None:
    study = _study()
    CONV.enqueue(study)
    objective = _objective(data, tmp_path)
    _crashed(study, objective, after=2)
    study.tell(0, state=TrialState.FAIL)
    RetryHeartbeatStaleTrialCallback()(study, study.trials[0])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(
        UserWarning, match=r"The checkpoint 'checkpoint-.* The training begins anew"
    ):
        study.optimize(objective, n_trials=1)
    assert study.trials[1].state == TrialState.COMPLETE


def test_a_fixed_trial_keeps_nothing(data: ImageData, tmp_path: Path) -> None:
    _objective(data, tmp_path)(FixedTrial(SKIP.params))
    assert not _files(tmp_path)


def test_settings_that_contradict_each_other(data: ImageData) -> None:
    with pytest.raises(ValueError, match=r"`keep_checkpoints` needs `checkpoints`, but got keep"):
        _objective(data, None, keep_checkpoints=2)
    with pytest.raises(ValueError, match=r"`keep_checkpoints` must be at least 0"):
        _objective(data, "folder", keep_checkpoints=-1)


def test_a_store_is_atomic_and_stays_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AtomicArtifactStore(tmp_path / "new")
    with pytest.raises(ArtifactNotFound, match="There is no artifact 'a'"):
        store.open_reader("a")
    store.write("a", io.BytesIO(b"old"))
    monkeypatch.setattr(Path, "replace", _fail)
    with pytest.raises(OSError, match="disk"):
        store.write("a", io.BytesIO(b"new"))
    monkeypatch.undo()
    assert store.open_reader("a").read() == b"old"
    assert _files(tmp_path / "new") == {"a"}
    store.remove("a")
    with pytest.raises(ArtifactNotFound, match="There is no artifact 'a'"):
        store.remove("a")
    for outside in ("../a", "/a", ".a", "a/b", ""):
        with pytest.raises(ValueError, match="must be a name within the folder"):
            store.write(outside, io.BytesIO(b""))


def _fail(*_: Any) -> None:
    raise OSError("disk")


def test_two_studies_in_one_folder_do_not_touch_each_other(
    data: ImageData, tmp_path: Path
) -> None:
    studies = _study(), _study()
    objective = _objective(data, tmp_path, keep_checkpoints=1)
    for study in studies:
        study.optimize(objective, n_trials=2)
        objective.prune_checkpoints(study)
    assert len(_files(tmp_path)) == 2
    for study in studies:
        model = objective.trained_network(study.best_trial)
        assert isinstance(model, torch.nn.Module)
