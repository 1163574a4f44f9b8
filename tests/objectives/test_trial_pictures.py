"""A trial has one picture and a note, and goes on where they cannot be kept."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState
from tiny_trainings import CONV, SKIP, objective_of, study_of

from optuna_nas.keys import PARAMS_KEY
from optuna_nas.training import ImageData, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def test_each_trial_has_one_picture_and_a_note(data: ImageData, tmp_path: Path) -> None:
    store = FileSystemArtifactStore(tmp_path)
    study = study_of(storage=f"sqlite:///{tmp_path / 'nas.db'}")
    CONV.enqueue(study)
    SKIP.enqueue(study)
    objective = objective_of(data, artifact_store=store, max_params=10**6, epochs=2)
    study.optimize(objective, n_trials=2)
    for trial in study.trials:
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert meta.mimetype == "image/svg+xml"
        with store.open_reader(meta.artifact_id) as file:
            assert b"<svg" in file.read()
    notes = json.dumps(study._storage.get_study_system_attrs(study._study_id))
    assert str(CONV) in notes
    assert f"{study.trials[0].value:.2%}" in notes
    assert f"{study.trials[0].user_attrs[PARAMS_KEY]:,} parameters" in notes


def test_pictures_that_cannot_be_kept_are_one_warning(data: ImageData, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    objective = objective_of(data, artifact_store=FileSystemArtifactStore(folder), epochs=1)
    folder.rmdir()
    study = study_of()
    CONV.enqueue(study)
    SKIP.enqueue(study)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    (told,) = caught
    assert "Pictures of architectures cannot be kept (No such file or directory)" in str(
        told.message
    )
    notes = json.dumps(study._storage.get_study_system_attrs(study._study_id))
    assert str(CONV) in notes
    assert "![architecture]" not in notes
