"""Facts that a few walks through its decisions tell about a space whose author has not said it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from optuna.distributions import BaseDistribution
from optuna.exceptions import TrialPruned

from optuna_nas.spaces.decisions._decisions import (
    DecisionTrial,
    FirstChoices,
    LastChoices,
    RandomChoices,
)

__all__ = ["Probe", "first_decisions", "name_pattern", "probe"]

RANDOM_WALKS = 8

Decide = Callable[[DecisionTrial], object]


class Probe(NamedTuple):
    """Names of decisions that were met on several walks.

    Attributes:
        patterns: The names, with a sign in the place of each number.
        conditional: Whether not all walks asked for the same names.
    """

    patterns: frozenset[str]
    conditional: bool


def probe(decide: Decide, space: object) -> Probe:
    """Walk through the decisions of a space by first choices, last choices and random ones.

    Random walks alone would often miss the longest path; first and last choices are the ends of
    ``num_layers`` and its like, between which the number of decisions changes.

    Args:
        decide: The hook of the space.
        space: The space, for messages.

    Raises:
        ValueError: If the choices of a name depend on other decisions.
    """
    sources = [
        FirstChoices(),
        LastChoices(),
        *(RandomChoices(random.Random(seed)) for seed in range(RANDOM_WALKS)),
    ]
    seen: dict[str, BaseDistribution] = {}
    asked: set[frozenset[str]] = set()
    for source in sources:
        trial = DecisionTrial(source, space)
        try:
            decide(trial)
        except TrialPruned:  # a dead end: what was asked on the way counts
            pass
        for name, distribution in trial.distributions.items():
            if seen.setdefault(name, distribution) != distribution:
                raise ValueError(
                    f"`{name}` of {space} is {seen[name]} under some decisions and {distribution} "
                    "under others, which Optuna's samplers cannot follow. Give it the same "
                    "choices always, or a name of its own for each list of choices."
                )
        asked.add(frozenset(trial.params))
    return Probe(frozenset(map(name_pattern, seen)), len(asked) > 1)


def first_decisions(decide: Decide, space: object) -> Mapping[str, BaseDistribution]:
    """Return the decisions, without prefix, when the first choice is taken each time."""
    trial = DecisionTrial(FirstChoices(), space)
    decide(trial)
    return trial.distributions


def name_pattern(name: str) -> str:
    """Return a name with a sign in the place of each number: ``layer_#_op``."""
    return re.sub(r"\d+", "#", name)
