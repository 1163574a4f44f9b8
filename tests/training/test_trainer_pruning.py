"""The Trainer of transformers reports to a trial, and is stopped by its pruner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import transformers

from optuna_nas.training.adapters import TrainerPruning

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class Line(nn.Module):
    """Learns a line, and tells in evaluation the losses that a test gives."""

    def __init__(self, told: list[float]) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.told = iter(told)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        output = self.line(x)
        loss = (output - labels).square().mean()
        return {"loss": loss if self.training else torch.tensor(next(self.told)), "output": output}


def trainer(model: Line, folder: Path, *callbacks: Any, **options: Any) -> Any:
    data = [{"x": torch.tensor([k / 8]), "labels": torch.tensor([k / 8])} for k in range(8)]
    settings = {
        "output_dir": str(folder),
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 8,
        "num_train_epochs": 2,
    }
    return transformers.Trainer(
        model,
        transformers.TrainingArguments(**{**settings, **options}),
        train_dataset=data,
        eval_dataset=data,
        callbacks=list(callbacks),
    )


def test_every_epoch_is_reported(tmp_path: Path) -> None:
    reports: list[tuple[float, int]] = []
    callback = TrainerPruning(lambda value, step: reports.append((value, step)))
    made = trainer(Line([9.0, 3.0, 2.0, 1.0]), tmp_path, callback)
    made.evaluate()  # before it is trained
    made.train()
    made.evaluate()  # the last epoch again
    assert reports == [(3.0, 1), (2.0, 2)]


def test_the_pruner_ends_the_run(tmp_path: Path) -> None:
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=5))
    made = trainer(
        Line([3.0, 8.0, 1.0]), tmp_path, TrainerPruning(study.ask()), num_train_epochs=3
    )
    with pytest.raises(optuna.TrialPruned, match="eval_loss 8 after epoch 2"):
        made.train()
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 8.0}


def test_steps_are_reported_where_an_epoch_has_several(tmp_path: Path) -> None:
    study = optuna.create_study()
    steps = {"eval_strategy": "steps", "eval_steps": 1, "num_train_epochs": 1}
    callback = TrainerPruning(study.ask(), step="global_step")
    trainer(Line([3.0, 2.0]), tmp_path, callback, **steps).train()
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 2.0}
    with pytest.raises(ValueError, match='`step` must be "global_step" where .* after 0.5 epochs'):
        trainer(Line([3.0]), tmp_path, TrainerPruning(study.ask()), **steps).train()


def test_a_figure_that_is_not_told(tmp_path: Path) -> None:
    callback = TrainerPruning(optuna.create_study().ask(), metric="eval_accuracy")
    message = r"`metric` must be a figure .* got metric='eval_accuracy', and there are .*eval_loss"
    with pytest.raises(ValueError, match=message):
        trainer(Line([3.0]), tmp_path, callback).train()
