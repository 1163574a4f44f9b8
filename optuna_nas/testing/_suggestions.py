"""Test case: a space is a function of discrete suggestions, under every sampler of Optuna."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import ClassVar

import optuna
import pytest
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler

from optuna_nas.spaces import SearchSpace
from optuna_nas.testing._case import SpaceCase
from optuna_nas.testing._studies import asked, choices_of, enumerated, new_study, suggested

__all__ = ["SuggestionCase"]

# `n_startup_trials`: the sampler itself decides from the third trial on.
_SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=2, multivariate=False),
    "grouped_tpe": lambda: optuna.samplers.TPESampler(
        seed=0, n_startup_trials=2, multivariate=True, group=True
    ),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=2),
    "brute_force": lambda: optuna.samplers.BruteForceSampler(seed=0),
}


class SuggestionCase(SpaceCase):
    """Names, choices and sizes hold for a whole study, whatever was decided before."""

    floats: ClassVar[bool] = False
    """Whether the space asks for floats too, which a ``@function_space`` function may."""
    max_enumerated: ClassVar[int] = 2000
    """Spaces of at most this size are enumerated, and their size is compared."""

    def test_only_discrete_suggestions_with_legal_names(self, space: SearchSpace) -> None:
        """Names are Python identifiers; decisions are categoricals and integers."""
        trial = new_study().ask()
        space.suggest(trial)
        for name, distribution in trial.distributions.items():
            assert name.isidentifier(), f"{name!r} must be a Python identifier."
            is_discrete = isinstance(distribution, CategoricalDistribution | IntDistribution)
            assert is_discrete or self.floats, (
                f"`{name}` must be decided by suggest_categorical or suggest_int, but got "
                f"{distribution}. Suggest floats in the objective."
            )

    def test_choices_depend_on_the_name_alone(self, space: SearchSpace) -> None:
        """Choices and ranges are never changed by earlier decisions."""
        seen: dict[str, BaseDistribution] = {}
        for architecture in suggested(space, self.num_samples):
            for name, distribution in asked(space, architecture.params).items():
                first = seen.setdefault(name, distribution)
                assert distribution == first, (
                    f"`{name}` must have the same choices whatever was decided before, but has "
                    f"{first} and {distribution}. Give what differs a name of its own."
                )

    def test_decisions_are_listed(self, space: SearchSpace) -> None:
        """``distributions()`` has what every trial asks for, unless the space is conditional."""
        architectures = suggested(space, self.num_samples)
        if space.conditional:
            with pytest.raises(ValueError, match="no fixed list of decisions"):
                space.distributions()
            return
        listed = space.distributions()
        for architecture in architectures:
            found = asked(space, architecture.params)
            assert found == listed, (
                "A space whose decisions depend on earlier ones must say so (conditional), but "
                f"{space} lists {sorted(listed)} and asked for {sorted(found)}."
            )

    def test_suggesting_twice_decides_once(self, space: SearchSpace) -> None:
        """The same trial gives the same architecture."""
        trial = new_study().ask()
        assert space.suggest(trial) == space.suggest(trial)

    @pytest.mark.parametrize("sampler", _SAMPLERS)
    def test_samplers_of_optuna(self, space: SearchSpace, sampler: str) -> None:
        """Trials of any sampler hold exactly the decisions of one architecture."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(sampler=_SAMPLERS[sampler]())
        study.optimize(lambda trial: float(len(str(space.suggest(trial)))), n_trials=5)
        assert study.trials
        for trial in study.trials:
            assert space.architecture(trial).params == trial.params

    def test_a_grid_is_covered(self, space: SearchSpace) -> None:
        """``GridSampler`` tries every combination of some decisions, the others being fixed."""
        if space.conditional or self.floats:
            pytest.skip("a grid needs the same discrete decisions in every trial")
        listed = space.distributions()
        grid = {name: choices_of(distribution)[:1] for name, distribution in listed.items()}
        for name in list(listed)[-2:]:
            grid[name] = choices_of(listed[name])
        study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=0))
        study.optimize(lambda trial: float(len(str(space.suggest(trial)))))
        seen = {space.architecture(trial) for trial in study.trials}
        assert len(seen) == math.prod(len(choices) for choices in grid.values())

    def test_random_state_is_left_alone(self, space: SearchSpace) -> None:
        """Suggesting draws no random numbers of its own."""
        before = torch.random.get_rng_state()
        suggested(space, 2)
        assert torch.equal(before, torch.random.get_rng_state()), (
            "suggest must leave torch's random state alone, or results depend on its number of "
            "calls."
        )

    def test_size(self, space: SearchSpace) -> None:
        """``num_architectures`` is the number of decision sequences."""
        if self.floats:
            pytest.skip("a space with floats has no size")
        size = space.num_architectures
        assert isinstance(size, int)
        at_most = min(size, self.max_enumerated) + 1
        count = sum(1 for _ in itertools.islice(enumerated(space), at_most))
        assert count == min(size, at_most), (
            f"`num_architectures` must be the number of decision sequences, but {space} says "
            f"{size}, and enumerating found {'more' if count > size else count}."
        )
