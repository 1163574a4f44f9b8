"""Names that a study has had with other choices: the error of Optuna, with a way out."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from optuna_nas.testing import ToySpace

SPACE = ToySpace(num_layers=2)
MESSAGE = r"`{}` has the choices .* this study has already used that name .*`study_name`.*`prefix`"


def _study(folder: Path) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{folder}/study.db")


@pytest.mark.parametrize("permuted", [True, False], ids=["permuted", "others"])
def test_other_choices(permuted: bool, tmp_path: Path) -> None:
    name, distribution = next(iter(SPACE.distributions().items()))
    had = distribution.choices[::-1] if permuted else ("none", "skip")
    study = _study(tmp_path)
    study.optimize(lambda trial: len(trial.suggest_categorical(name, had)), n_trials=1)
    with pytest.raises(ValueError, match=MESSAGE.format(name)):
        SPACE.suggest(study.ask())


def test_another_kind(tmp_path: Path) -> None:
    name = next(iter(SPACE.distributions()))
    study = _study(tmp_path)
    study.optimize(lambda trial: trial.suggest_float(name, 0.0, 1.0), n_trials=1)
    with pytest.raises(ValueError, match=MESSAGE.format(name)):
        SPACE.suggest(study.ask())
