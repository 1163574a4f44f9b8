"""Architectures for test cases: random, all, those next to others, and evaluated ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial

from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.spaces.decisions import Source, size_of

__all__ = [
    "asked",
    "choices_of",
    "enumerated",
    "evaluated",
    "is_choice",
    "neighbours",
    "new_study",
    "suggested",
]


def new_study(seed: int = 0, **options: Any) -> optuna.Study:
    """Create a study that samples at random."""
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed), **options)


def suggested(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    """Return the architectures of trials that a random sampler decides."""
    study = new_study(seed)
    return [space.suggest(study.ask()) for _ in range(count)]


def evaluated(space: SearchSpace, architecture: Architecture) -> FrozenTrial:
    """Enqueue an architecture in a new study, evaluate it there, and return its trial."""
    study = new_study()
    architecture.enqueue(study)
    study.optimize(lambda trial: float(len(str(space.suggest(trial)))), n_trials=1)
    return study.trials[0]


def enumerated(space: SearchSpace) -> Iterator[Architecture]:
    """Yield every decision sequence of a space, depth first."""
    branches: list[int] | None = []
    while branches is not None:
        path = _Path(branches)
        yield space._run(path, {})
        branches = path.next_branches()


def neighbours(space: SearchSpace, architecture: Architecture) -> Iterator[Architecture]:
    """Yield architectures with one other decision, and the first choice wherever that asks more.

    What an architecture does not ask for any more is dropped.
    """
    for name, distribution in asked(space, architecture.params).items():
        for value in choices_of(distribution):
            if value != architecture.params[name]:
                other = _Preferring({**architecture.params, name: value})
                yield space._run(other, {})


def asked(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Return what a space asks for on the way to an architecture, in order."""
    source = _Preferring(params)
    space._run(source, {})
    return source.distributions


def choices_of(distribution: BaseDistribution) -> list[Any]:
    """Return the values of a decision in order; of a float, the ends of its range."""
    if isinstance(distribution, FloatDistribution):
        return [distribution.low, distribution.high]
    return [_value(distribution, index) for index in range(size_of(distribution))]


def is_choice(value: Any, distribution: BaseDistribution) -> bool:
    """Tell whether a value is one of the choices, of the same type."""
    if isinstance(distribution, FloatDistribution):
        return isinstance(value, float) and distribution.low <= value <= distribution.high
    return any(
        type(value) is type(choice) and value == choice for choice in choices_of(distribution)
    )


class _Path(Source):
    """Follows a path through the tree of decisions, and its first branches beyond the end.

    Args:
        branches: Number of the branch to take at each decision.
    """

    def __init__(self, branches: Sequence[int]) -> None:
        self._branches = list(branches)
        self._sizes: list[int] = []
        self._values: dict[str, Any] = {}

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._values:
            depth = len(self._sizes)
            self._sizes.append(size_of(distribution))
            if depth == len(self._branches):
                self._branches.append(0)
            self._values[name] = _value(distribution, self._branches[depth])
        return self._values[name]

    def next_branches(self) -> list[int] | None:
        """Return the path that follows in order, or None after the last one."""
        branches = self._branches[: len(self._sizes)]
        while branches:
            branches[-1] += 1
            if branches[-1] < self._sizes[len(branches) - 1]:
                return branches
            branches.pop()
        return None


class _Preferring(Source):
    """Answers with the given values where there are any, and else with the first choice.

    Args:
        params: Values by name.

    Attributes:
        distributions: What was asked, by name.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.distributions: dict[str, BaseDistribution] = {}

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        self.distributions[name] = distribution
        if name in self._params:
            return self._params[name]
        if isinstance(distribution, FloatDistribution):
            return distribution.low
        return _value(distribution, 0)


def _value(distribution: BaseDistribution, index: int) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[index]
    return distribution.low + index * distribution.step  # type: ignore[attr-defined]
