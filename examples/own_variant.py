"""A one-shot variant of one's own: alphas mix by a softmax that becomes sharper (15 seconds)."""

from dataclasses import dataclass
from typing import ClassVar

import optuna

from optuna_nas.objectives import DARTSObjective, DARTSVariant, Mixing
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe


@dataclass(frozen=True, kw_only=True)
class Annealed(Mixing):
    name: ClassVar[str] = "Annealed"
    end: float = 0.1

    def mean(self, alpha):
        return (alpha / self.end).softmax(-1)

    def sample(self, alpha, progress):
        return (alpha / (1.0 + (self.end - 1.0) * progress)).softmax(-1)


space, size = NASBench201Space(), {"cells": 1, "channels": 4}
options = {"epochs": 3, "eval_epochs": 3, "supernet": size, "build": size}
options |= {"recipe": Recipe(batch_size=32), "variant": DARTSVariant(mixing=Annealed())}
study = optuna.create_study(direction="maximize")
study.optimize(DARTSObjective(space, "digits", **options), n_trials=1)
print(f"accuracy {study.best_value:.1%} of {space.architecture(study.best_trial)}")
