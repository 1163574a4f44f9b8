"""Lightning's Trainer reports to a trial, and is stopped by its pruner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

pytest.importorskip("lightning")

from lightning_nets import Line, run

from optuna_nas.objectives import training_function
from optuna_nas.testing import ToySpace
from optuna_nas.training.adapters import LightningPruning

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def test_every_epoch_is_reported(tmp_path: Path) -> None:
    study = optuna.create_study()
    trial = study.ask()
    run(Line([9, 3, 2]), tmp_path, epochs=2, callbacks=[LightningPruning(trial)])
    # The first of the three is that of the sanity check.
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 2.0}


def test_the_pruner_ends_the_run(tmp_path: Path) -> None:
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=5))
    with pytest.raises(optuna.TrialPruned, match="my_loss 8 after epoch 2"):
        run(
            Line([3, 8, 1], "my_loss"),
            tmp_path,
            epochs=3,
            num_sanity_val_steps=0,
            callbacks=[LightningPruning(study.ask(), monitor="my_loss")],
        )
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 8.0}


def test_an_epoch_counts_by_its_last_validation(tmp_path: Path) -> None:
    study = optuna.create_study()
    half = {"val_check_interval": 0.5}
    callback = LightningPruning(study.ask())
    run(Line([9, 4, 3, 2, 1]), tmp_path, epochs=2, callbacks=[callback], **half)
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 1.0}
    callback = LightningPruning(study.ask(), step="global_step")
    run(Line([9, 4, 3, 2, 1]), tmp_path, epochs=2, callbacks=[callback], **half)
    assert study.trials[1].intermediate_values == {1: 4.0, 2: 3.0, 3: 2.0, 4: 1.0}


def test_epochs_without_validation_are_not_reported(tmp_path: Path) -> None:
    study = optuna.create_study()
    run(
        Line([4, 3]),
        tmp_path,
        epochs=4,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=2,
        callbacks=[LightningPruning(study.ask())],
    )
    assert study.trials[0].intermediate_values == {2: 4.0, 4: 3.0}


def test_a_figure_that_is_not_logged(tmp_path: Path) -> None:
    callback = LightningPruning(optuna.create_study().ask(), monitor="accuracy")
    message = r"`monitor` must be a figure that is logged .* got monitor='accuracy', .*'val_loss'"
    with pytest.raises(ValueError, match=message):
        run(Line([4, 3]), tmp_path, epochs=1, callbacks=[callback])
    with pytest.raises(ValueError, match="`step` must be"):
        LightningPruning(None, step="batch")


def test_it_reports_for_a_training_function(tmp_path: Path) -> None:
    @training_function(space=ToySpace(), metric="MAE")
    def objective(model: Any, trial: Any, report: Any) -> None:
        losses = [3.0, 9.0 if trial.number else 2.0]
        callbacks = [LightningPruning(report)]
        run(Line(losses), tmp_path, epochs=2, num_sanity_val_steps=0, callbacks=callbacks)

    pruner = optuna.pruners.ThresholdPruner(upper=5)
    study = optuna.create_study(pruner=pruner, direction=objective.direction)
    study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert study.trials[0].value == 2.0


TWO = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, "{tests}")
import optuna, torch
from lightning_nets import Line, run
from optuna_nas.objectives import distributed_optimize, training_function
from optuna_nas.testing import ToySpace
from optuna_nas.training import distributed
from optuna_nas.training.adapters import LightningPruning

torch.set_num_threads(1)

@training_function(space=ToySpace(), metric="MAE", direction="minimize", reuse=False)
def objective(model, trial, report):
    lr = trial.suggest_float("lr", 0.1, 1.0)
    losses = [3.0, 9.0 if trial.number == 1 else lr]
    run(Line(losses), sys.argv[1], epochs=2, num_sanity_val_steps=0, devices=processes.count,
        strategy="ddp", use_distributed_sampler=False, callbacks=[LightningPruning(report)])
    with open(f"{{sys.argv[1]}}/{{processes.rank}}.txt", "a") as file:
        print(trial.number, lr, file=file)

with distributed() as processes:
    study = None
    if processes.rank == 0:
        pruner = optuna.pruners.ThresholdPruner(upper=5)
        study = optuna.create_study(direction="minimize", pruner=pruner)
    distributed_optimize(study, objective, n_trials=3)
    if study is not None:
        found = [(t.state.name, t.value, t.params["lr"]) for t in study.trials]
        with open(f"{{sys.argv[1]}}/found.json", "w") as file:
            json.dump(found, file)
"""


@pytest.mark.slow
def test_two_processes_train_by_lightning_and_stop_together(tmp_path: Path, torchrun: Any) -> None:
    torchrun(TWO.format(tests=Path(__file__).parent), tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert [state for state, _, _ in found] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert found[0][1] == pytest.approx(found[0][2])
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    assert len(first.splitlines()) == 2
