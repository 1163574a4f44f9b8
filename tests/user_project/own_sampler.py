"""A user's sampler: hill climbing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from optuna_nas.samplers.base import (
    ArchitectureSampler,
    History,
    KeyedGenerator,
    Proposal,
    SamplerOptions,
)


class HillClimbing(ArchitectureSampler):
    """Changes one decision of the best trial.

    Args:
        n_startup_trials: Finished trials before the first change; they are random.
        options: Those of all samplers.
    """

    needs_single_objective = True

    def __init__(self, *, n_startup_trials: int = 5, **options: Unpack[SamplerOptions]) -> None:
        super().__init__(**options)
        self._n_startup_trials = n_startup_trials

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal | Mapping[str, Any]:
        if history.best is None or len(history.members) < self._n_startup_trials:
            return {}
        best = history.best.decisions
        names = [name for name, made in best.items() if made.alternatives]
        if not names:
            return {}
        name = rng.choice("name", names)
        return best | {name: rng.choice("choice", best[name].alternatives)}
