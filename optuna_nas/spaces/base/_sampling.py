"""Random architectures of a space, without a study."""

from __future__ import annotations

import random

from optuna_nas._ground.checks import require_int, require_seed
from optuna_nas.spaces.base._architecture import Architecture
from optuna_nas.spaces.base._given import require_space
from optuna_nas.spaces.base._space import SearchSpace
from optuna_nas.spaces.decisions import RandomChoices

__all__ = ["sample_architectures"]


def sample_architectures(space: SearchSpace, count: int, *, seed: int = 0) -> list[Architecture]:
    """Sample architectures, every decision uniformly and independently.

    Args:
        space: Any space.
        count: Number of architectures; repetitions are possible.
        seed: Seed of the decisions; equal seeds give equal architectures.

    Example::

        from optuna_nas.spaces import NASBench201Space, sample_architectures

        cells = sample_architectures(NASBench201Space(), 100, seed=0)
    """
    require_space(space)
    require_int("count", count, at_least=0)
    require_seed(seed)
    rng = random.Random(seed)
    return [space._run(RandomChoices(rng), {}) for _ in range(count)]
