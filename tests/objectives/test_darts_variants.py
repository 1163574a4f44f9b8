"""Which settings of a search by alphas go together: every pair runs, or is refused at once."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import optuna
import pytest
from darts_searches import RECIPE, objective, run
from optuna.trial import TrialState

from optuna_nas.objectives import (
    AlphaRecipe,
    Dirichlet,
    EigenvalueStop,
    HardGumbel,
    Perturbation,
    Sigmoid,
)
from optuna_nas.objectives.one_shot import VARIANTS, combine_variants
from optuna_nas.objectives.one_shot._search import AlphaSearch
from optuna_nas.pruners import CollapsePruner
from optuna_nas.spaces import DARTSSpace

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = DARTSSpace(num_nodes=1, ops=("skip_connect", "sep_conv_3x3"))
SIZE = {"cells": 1, "channels": 4}
FAST = dataclasses.replace(RECIPE, batch_size=32)  # one step an epoch
STOP = EigenvalueStop(window=1, lag=1, from_epoch=0)
SETTINGS: dict[str, dict[str, Any]] = {
    "gdas": {"mixing": HardGumbel()},
    "fair": {"mixing": Sigmoid()},
    "drnas": {"mixing": Dirichlet()},
    "pc": {"supernet": {**SIZE, "partial": 2, "edge_normalisation": True}},
    "pt": {"selection": Perturbation(tune_epochs=1)},
    "es": {"stop": STOP},
    "watch": {"watch_eigenvalue": True},
    "second": {"order": 2},
    "exact": {"order": 2, "alpha": AlphaRecipe(lr=0.1, exact=True)},
    "warm": {"alpha": AlphaRecipe(lr=0.1, warmup_epochs=1)},
    "recompute": {"recompute": True},
    "average": {"recipe": dataclasses.replace(FAST, ema_decay=0.9)},
    "collapse": {},
}
ALTERNATIVES = [{"gdas", "fair", "drnas"}, {"second", "exact"}, {"exact", "warm"}]
REFUSED = {
    frozenset({"gdas", "second"}): "`order` must be 1 with HardGumbel",
    frozenset({"gdas", "exact"}): "`order` must be 1 with HardGumbel",
    frozenset({"drnas", "second"}): "`order` must be 1 with Dirichlet",
    frozenset({"drnas", "exact"}): "`order` must be 1 with Dirichlet",
    frozenset({"gdas", "es"}): r"`stop` must be None with HardGumbel.* no Hessian.*EigenvalueStop",
    frozenset({"gdas", "watch"}): "`watch_eigenvalue` must be False with HardGumbel.* no Hessian",
    frozenset(
        {"gdas", "pt"}
    ): "`selection` must be None with HardGumbel.* nothing can be compared",
    frozenset({"pt", "es"}): "`selection` must be None with EigenvalueStop.* weights are gone",
}
PAIRS = [
    pair
    for pair in itertools.combinations(SETTINGS, 2)
    if not any(set(pair) <= exclusive for exclusive in ALTERNATIVES)
]


def options_of(names: tuple[str, ...]) -> dict[str, Any]:
    options = {"epochs": 2, "supernet": SIZE, "build": SIZE, "value": "one_shot"}
    options |= {"recipe": FAST}
    for name in names:
        options |= SETTINGS[name]
    return options


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_every_pair_runs_or_is_refused(names):
    reason = REFUSED.get(frozenset(names))
    if reason is not None:
        with pytest.raises(ValueError, match=reason):
            objective(SPACE, **options_of(names))
        return
    pruner = CollapsePruner() if "collapse" in names else optuna.pruners.NopPruner()
    trial = run(objective(SPACE, **options_of(names)), pruner=pruner).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert 0.0 < trial.value < 1.0
    watched = bool({"es", "watch"} & set(names))
    eigenvalues = trial.user_attrs.get("optuna_nas:darts:eigenvalue", [])
    assert len(eigenvalues) == (2 if watched else 0)
    assert all(map(math.isfinite, eigenvalues))
    assert SPACE.architecture(trial).digest == trial.user_attrs["optuna_nas:digest"]


def test_every_refused_pair_is_among_the_pairs():
    assert REFUSED.keys() <= set(map(frozenset, PAIRS))


@pytest.mark.parametrize("names", list(itertools.combinations(VARIANTS, 2)), ids="-".join)
def test_names_go_together_as_their_settings_do(names):
    """What ``combine_variants`` allows is what ``DARTSObjective`` allows."""
    try:
        variant = combine_variants(names)
    except ValueError as error:
        assert f"{names[0]} and {names[1]} do not go together" in str(error)  # noqa: PT017
        one = [VARIANTS[name].options for name in names]
        if one[0].keys() & one[1].keys():
            assert "both are a `mixing`" in str(error)  # noqa: PT017
            return
        with pytest.raises(ValueError, match="must be None with"):
            objective(SPACE, **(one[0] | one[1]))
        return
    supernet = {**SIZE, **variant.supernet}
    alpha = AlphaRecipe(**variant.alpha)
    assert objective(SPACE, epochs=20, supernet=supernet, alpha=alpha, **variant.options)
    of_both = [VARIANTS[name] for name in names]
    assert variant.alpha == {**of_both[0].alpha, **of_both[1].alpha}  # the later one counts


def test_an_average_is_perturbed_as_well(monkeypatch):
    """What a candidate is worth is read off the average of the weights, without the candidate."""
    masked = []
    judge = AlphaSearch._judge

    def noted(self):
        masked.append([0.0 in row for row in self._learner.judged.mixture().values()])
        return judge(self)

    monkeypatch.setattr(AlphaSearch, "_judge", noted)
    run(objective(SPACE, **options_of(("average", "pt"))))
    assert not any(map(any, masked[:2]))  # the epochs of the search
    assert all(map(any, masked[2:]))
    assert len(masked) > 2
