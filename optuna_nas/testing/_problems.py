"""Objectives and spaces whose size and optimum are known, for testing samplers in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from optuna_nas._ground.checks import require_int, require_number, shown
from optuna_nas.testing._toy import ToySpace

__all__ = ["SymmetricSpace", "ToyProblem", "conditional_objective", "static_objective"]


@dataclass(frozen=True, kw_only=True)
class ToyProblem:
    """Objective on a :class:`ToySpace`, to be maximised, whose optimum is known exactly.

    Args:
        space: Space whose table of values is searched.
        noise: Standard deviation of the Gaussian noise on what a trial sees, at least 0.
        seed: Seed of the noise, and of the order in which the choices of each layer are offered,
            so that no sampler profits from the order in which they are listed. None: choices as
            the space lists them, and the noise of seed 0.

    Raises:
        TypeError: If ``space`` is no :class:`ToySpace`.
        ValueError: If ``noise`` is negative, or ``seed`` is no integer of 32 bits.

    Example::

        problem = ToyProblem(noise=0.3, seed=1)
        study = optuna.create_study(direction="maximize", sampler=MySampler(seed=1))
        study.optimize(problem, n_trials=100)
        print(problem.regret(study))
    """

    space: ToySpace = ToySpace(num_layers=(1, 6), num_ops=5)
    noise: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, ToySpace):
            raise TypeError(
                f"`space` must be a ToySpace, but got {shown(self.space)}. The values of other "
                "spaces are in no table."
            )
        require_number("noise", self.noise, at_least=0)
        if self.seed is not None:
            require_int("seed", self.seed, at_least=0, at_most=2**32 - 1)

    def __call__(self, trial: optuna.Trial) -> float:
        """Let a trial decide on a chain, and return its value with noise."""
        if self.seed is None:
            params = self.space.suggest(trial).params
        else:
            params = self._suggest_in_another_order(trial)
        return self.true_value(params) + self._noise_of(trial)

    @property
    def optimum(self) -> float:
        """Best value in the space, without noise."""
        return self.space.optimum()[1]

    def true_value(self, params: Mapping[str, Any]) -> float:
        """Return the value of a chain without noise."""
        return self.space.evaluate(params)

    def regret(self, study: optuna.Study) -> float:
        """Return how far the study's best trial is from the optimum, both without noise."""
        return self.optimum - self.true_value(study.best_params)

    def _suggest_in_another_order(self, trial: optuna.Trial) -> dict[str, Any]:
        space, params = self.space, {}
        low, high = space.depths
        depth = low
        if isinstance(space.num_layers, tuple):
            name = f"{space.prefix}num_layers"
            params[name] = depth = trial.suggest_int(name, low, high)
        for layer in range(1, depth + 1):
            # RandomState, since its stream is frozen across NumPy releases.
            order = np.random.RandomState([self.seed or 0, layer]).permutation(space.num_ops)
            name = f"{space.prefix}layer_{layer:02d}_op"
            params[name] = trial.suggest_categorical(name, [space.ops[i] for i in order])
        return params

    def _noise_of(self, trial: optuna.Trial) -> float:
        if self.noise == 0:
            return 0.0
        rng = np.random.RandomState([self.seed or 0, 7, trial.number])
        return float(rng.normal(0.0, self.noise))


def static_objective(trial: optuna.Trial) -> float:
    """Ask for the same three decisions in every trial.

    There are 48 architectures. The value is the sum of the decisions, from 0 to 8.
    """
    a = trial.suggest_categorical("a", ["0", "1", "2", "3"])
    b = trial.suggest_int("b", 0, 3)
    c = trial.suggest_categorical("c", [0, 1, 2])
    return int(a) + b + c


def conditional_objective(trial: optuna.Trial) -> float:
    """Ask for a depth, and then for as many operations.

    There are 2 + 4 + 8 + 16 = 30 architectures. The value is the number of ones, from 0 to 4.
    """
    depth = trial.suggest_int("depth", 1, 4)
    return float(sum(trial.suggest_categorical(f"op_{i}", [0, 1]) for i in range(depth)))


class SymmetricSpace:
    """Smallest space for ``space=`` of a sampler: swapping ``a`` and ``b`` computes the same.

    There are 36 decision sequences and 21 digests. It is no ``SearchSpace`` on purpose: a sampler
    may count on ``suggest`` and ``digest`` only.
    """

    def suggest(self, trial: Any, /) -> tuple[int, int]:
        """Decide on ``a`` and ``b``."""
        return trial.suggest_int("a", 0, 5), trial.suggest_int("b", 0, 5)

    def digest(self, params: Mapping[str, Any], /) -> tuple[int, ...]:
        """Return what is equal for equal pairs, whatever their order."""
        return tuple(sorted((params["a"], params["b"])))
