"""Random architectures of a space, without a study."""

from __future__ import annotations

import random
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from optuna_nas._checks import require_int, require_seed
from optuna_nas.spaces.base._architecture import Architecture
from optuna_nas.spaces.base._decisions import Source
from optuna_nas.spaces.base._given import require_space
from optuna_nas.spaces.base._sizes import size_of
from optuna_nas.spaces.base._space import SearchSpace

__all__ = ["sample_architectures"]


def sample_architectures(space: SearchSpace, count: int, *, seed: int = 0) -> list[Architecture]:
    """Draw architectures, every decision uniformly and independently.

    Args:
        space: Any space.
        count: How many; repetitions are possible.
        seed: Equal seeds give equal architectures.

    Example::

        from optuna_nas.spaces import NASBench201Space, sample_architectures

        cells = sample_architectures(NASBench201Space(), 100, seed=0)
    """
    require_space(space)
    require_int("count", count, at_least=0)
    require_seed(seed)
    rng = random.Random(seed)
    return [space._run(_RandomSource(rng), {}) for _ in range(count)]


class _RandomSource(Source):
    """Answers every question at random, and the same question alike."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._values: dict[str, Any] = {}

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._values:
            self._values[name] = self._draw(distribution)
        return self._values[name]

    def _draw(self, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return self._rng.choice(distribution.choices)
        if isinstance(distribution, FloatDistribution):
            return self._rng.uniform(distribution.low, distribution.high)
        index = self._rng.randrange(size_of(distribution))
        return distribution.low + index * distribution.step  # type: ignore[attr-defined]
