"""One's own training loop, with architecture and hyperparameters in the same trial (30 s).

A space only makes ``trial.suggest_*`` calls, so it fits into any Optuna objective. The
architecture is decided by evolution, learning rate and weight decay by TPE.

    python examples/own_training.py --trials 20
"""

from __future__ import annotations

import click
import optuna
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import NASBench201Space

SPACE = NASBench201Space()


def objective(trial: optuna.Trial) -> float:
    architecture = SPACE.suggest(trial)
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-5, 1e-2, log=True)

    images, labels = map(torch.as_tensor, load_digits(return_X_y=True))
    images = images.float().reshape(-1, 1, 8, 8) / 16
    torch.manual_seed(trial.number)
    model = architecture.build(num_classes=10, in_channels=1, cells=1, channels=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    for epoch in range(4):
        model.train()
        for batch in torch.randperm(640).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = model(images[640:1440]).argmax(1) == labels[640:1440]
        accuracy = right.float().mean().item()
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=20, show_default=True)
def main(trials: int) -> None:
    study = optuna.create_study(
        direction="maximize",
        sampler=RegularizedEvolutionSampler(population_size=8, tournament_size=4, seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=trials)
    best = study.best_trial
    print(f"best validation accuracy {best.value:.1%}: {SPACE.architecture(best)}")
    print(f"lr {best.params['lr']:.4f}, weight decay {best.params['weight_decay']:.5f}")


if __name__ == "__main__":
    main()
