"""A sampler of one's own: hill climbing over cells of NAS-Bench-201, trained on digits (10 s)."""

import optuna

from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers.base import ArchitectureSampler
from optuna_nas.spaces import NASBench201Space


class HillClimbing(ArchitectureSampler):
    """Changes one decision of the best trial so far."""

    needs_single_objective = True

    def propose_next(self, history, rng):
        if len(history.members) < 4:
            return {}  # what is not proposed is drawn at random
        best = history.best.decisions
        name = rng.choice("which", list(best))
        return best | {name: rng.choice("what instead", best[name].alternatives)}


space = NASBench201Space()
objective = TrainingObjective(space, "digits", epochs=1, build={"cells": 1, "channels": 8})
study = optuna.create_study(direction="maximize", sampler=HillClimbing(seed=0, space=space))
study.optimize(objective, n_trials=20)
print(f"best validation accuracy {study.best_value:.1%}: {space.architecture(study.best_trial)}")
