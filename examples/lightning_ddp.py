"""Search a forecaster that Lightning trains, alone or under torchrun with DDP (1 minute, 2 cores).

torchrun --nproc-per-node 2 examples/lightning_ddp.py --trials 20
"""

import os

import click
import optuna
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from optuna_nas.objectives import distributed_optimize, training_function
from optuna_nas.spaces import function_space
from optuna_nas.training import distributed
from optuna_nas.training.adapters import LightningPruning

SERIES = torch.sin(torch.arange(1024) / 5) + torch.sin(torch.arange(1024) / 13)
STEPS = SERIES.unfold(0, 25, 1)  # the last of 25 is forecast
TRAIN, VAL = (TensorDataset(part[:, :24], part[:, 24:]) for part in (STEPS[:776], STEPS[800:]))


@function_space
def forecaster(trial, steps=24):
    layers, before = [], steps
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        width = trial.suggest_categorical(f"layer_{i}_width", [8, 16, 32])
        layers, before = [*layers, nn.Linear(before, width), nn.ReLU()], width
    return nn.Sequential(*layers, nn.Linear(before, 1))


class Forecasts(LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, index):
        return nn.functional.l1_loss(self.model(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("MAE", self.training_step(batch, index), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


@training_function(space=forecaster, inputs=(24,), metric="MAE", max_params=2000)
def objective(model, trial, report):
    processes = int(os.environ.get("WORLD_SIZE", 1))
    pruning = LightningPruning(report, monitor="MAE")
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(
        accelerator="cpu", devices=processes, max_epochs=4, callbacks=[pruning], **quiet
    )
    trainer.fit(Forecasts(model), DataLoader(TRAIN, 32, shuffle=True), DataLoader(VAL, 100))


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=20, show_default=True)
def main(trials):
    with distributed() as processes:  # only the first one has a study
        study = None if processes.rank else optuna.create_study(direction=objective.direction)
        distributed_optimize(study, objective, n_trials=trials)
        if study is not None:
            print(f"validation MAE {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
