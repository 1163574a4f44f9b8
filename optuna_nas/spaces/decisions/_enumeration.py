"""Counting the leaves of a decision tree that is known only by walking it.

References:
    - Knuth. Estimating the efficiency of backtrack programs. Mathematics of Computation 29, 1975.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import TrialPruned

from optuna_nas._ground.checks import is_int, shown
from optuna_nas.spaces.decisions._decisions import Source
from optuna_nas.spaces.decisions._sizes import size_of

__all__ = ["MAX_LEAVES", "SizeEstimate", "count_leaves", "estimate_leaves"]

MAX_LEAVES = 10**6

# Before counting, a few random walks tell whether it is hopeless. By Markov's inequality a tree
# of at most MAX_LEAVES has a chance below 1 in HOPELESS to look that large.
HOPELESS = 1000
WALKS_BEFORE_COUNTING = 20

Walk = Callable[[Source], object]


class SizeEstimate(NamedTuple):
    """Knuth's estimate of a number of architectures: unbiased, and often widely spread.

    Attributes:
        mean: The estimate.
        standard_error: Standard error of the mean, over the samples. It is itself uncertain:
            where a few paths carry most of the tree, both are too small until one of them is met.
        samples: Number of random walks.
    """

    mean: float
    standard_error: float
    samples: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.standard_error:.2g} ({self.samples} samples)"


class _Path(Source):
    """Follows the given branches, and chooses on its own beyond them.

    Args:
        branches: Number of the branch to take at each decision.
        choose: Given the number of branches, takes one.
        space: For messages.
    """

    def __init__(self, branches: list[int], choose: Callable[[int], int], space: object) -> None:
        self.branches = list(branches)
        self.sizes: list[int] = []
        self._choose = choose
        self._space = space
        self._values: dict[str, Any] = {}

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._values:
            self._values[name] = self._decide(name, distribution)
        return self._values[name]

    def _decide(self, name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, FloatDistribution):
            raise ValueError(
                f"{self._space} has no number of architectures: `{name}` is a float. Use "
                "suggest_int or suggest_categorical for what decides on the architecture, and "
                "suggest floats (such as a learning rate) in the objective."
            )
        size = size_of(distribution)
        depth = len(self.sizes)
        self.sizes.append(size)
        if depth == len(self.branches):
            self.branches.append(self._choose(size))
        branch = self.branches[depth]
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[branch]
        return distribution.low + branch * distribution.step  # type: ignore[attr-defined]


def count_leaves(walk: Walk, space: object) -> int:
    """Count the paths through a tree, depth first.

    Args:
        walk: Runs through the tree once, asking the source it is given. A walk that raises
            ``TrialPruned`` is a dead end and does not count.
        space: For messages.

    Raises:
        ValueError: If there are more than a million, or a float is asked for.
    """
    guess = estimate_leaves(walk, space, samples=WALKS_BEFORE_COUNTING, seed=0)
    if guess.mean > HOPELESS * MAX_LEAVES:
        raise _too_many(space, f"about {guess}")
    count = 0
    branches: list[int] | None = []
    while branches is not None:
        path = _Path(branches, lambda size: 0, space)
        count += _reaches_leaf(walk, path)
        if count > MAX_LEAVES:
            raise _too_many(space, f"more than {MAX_LEAVES:,}")
        branches = _next_branches(path)
    return count


def estimate_leaves(walk: Walk, space: object, *, samples: int, seed: int) -> SizeEstimate:
    """Estimate the number of paths: the mean product of branchings over random walks.

    Args:
        walk: As for :func:`count_leaves`.
        space: For messages.
        samples: Number of walks, at least 2.
        seed: Seed of the walks.

    Raises:
        ValueError: If ``samples`` is below 2, or a float is asked for.
    """
    if not is_int(samples) or samples < 2:
        raise ValueError(f"`samples` must be at least 2, but got samples={shown(samples)}.")
    rng = random.Random(seed)
    products = []
    for _ in range(samples):
        path = _Path([], rng.randrange, space)
        reached = _reaches_leaf(walk, path)
        # The product of branchings is one over the walk's probability, so that its mean over
        # walks counts each leaf once.
        products.append(_to_float(math.prod(path.sizes) if reached else 0))
    mean = statistics.fmean(products)
    spread = statistics.stdev(products) if math.isfinite(mean) else math.inf
    return SizeEstimate(mean, spread / math.sqrt(samples), samples)


def _reaches_leaf(walk: Walk, path: _Path) -> bool:
    try:
        walk(path)
    except TrialPruned:
        return False
    return True


def _next_branches(path: _Path) -> list[int] | None:
    """Return the branches of the next path in order, or None after the last one."""
    branches = path.branches[: len(path.sizes)]
    while branches:
        branches[-1] += 1
        if branches[-1] < path.sizes[len(branches) - 1]:
            return branches
        branches.pop()
    return None


def _too_many(space: object, how_many: str) -> ValueError:
    return ValueError(
        f"{space} has {how_many} architectures; they are counted one by one, up to "
        f"{MAX_LEAVES:,} only. Use estimate_size() for a larger space."
    )


def _to_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
