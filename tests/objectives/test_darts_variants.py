"""Which settings of a search by alphas go together: every pair runs, or is refused at once."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import optuna
import pytest
from darts_searches import DATA, RECIPE, objective, run
from optuna.trial import TrialState

from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    DARTSVariant,
    DirichletMixing,
    EigenvalueStop,
    GumbelMixing,
    Perturbation,
    SigmoidMixing,
)
from optuna_nas.objectives.one_shot import VARIANTS, combine_variants
from optuna_nas.objectives.one_shot._search import AlphaSearch
from optuna_nas.pruners import CollapsePruner
from optuna_nas.spaces import DARTSSpace, NASBench201Space

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = DARTSSpace(num_nodes=1, ops=("skip_connect", "sep_conv_3x3"))
SIZE = {"cells": 1, "channels": 4}
FAST = dataclasses.replace(RECIPE, batch_size=32)  # one step an epoch
STOP = EigenvalueStop(window=1, lag=1, from_epoch=0)
SETTINGS: dict[str, dict[str, Any]] = {
    "gdas": {"mixing": GumbelMixing()},
    "fair": {"mixing": SigmoidMixing()},
    "drnas": {"mixing": DirichletMixing()},
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
    frozenset({"gdas", "second"}): "`order` must be 1 with GumbelMixing",
    frozenset({"gdas", "exact"}): "`order` must be 1 with GumbelMixing",
    frozenset({"drnas", "second"}): "`order` must be 1 with DirichletMixing",
    frozenset({"drnas", "exact"}): "`order` must be 1 with DirichletMixing",
    frozenset(
        {"gdas", "es"}
    ): r"`stop` must be None with GumbelMixing.* no Hessian.*EigenvalueStop",
    frozenset(
        {"gdas", "watch"}
    ): "`watch_eigenvalue` must be False with GumbelMixing.* no Hessian",
    frozenset(
        {"gdas", "pt"}
    ): "`selection` must be None with GumbelMixing.* nothing can be compared",
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
def test_published_variants_go_together_as_their_parts_do(names):
    first, second = (VARIANTS[name] for name in names)
    try:
        variant = combine_variants([first, second])
    except ValueError as error:
        assert f"{names[0]} and {names[1]} do not go together" in str(error)  # noqa: PT017
        if first.parts.keys() & second.parts.keys():
            assert "both are a `mixing`" in str(error)  # noqa: PT017
            return
        with pytest.raises(ValueError, match="must be None with"):
            DARTSVariant(**first.parts, **second.parts)
        return
    ours = objective(SPACE, variant=variant, epochs=20, supernet=SIZE, alpha=None)
    assert ours.alpha == AlphaRecipe(**{**first.alpha, **second.alpha})  # the later one counts
    assert ours.variant.parts == first.parts | second.parts
    assert {**first.supernet, **second.supernet}.items() <= ours.identity.to_json()[
        "supernet"
    ].items()


CONSTRUCTORS = {
    "pc-darts": DARTSObjective.pc_darts,
    "es": DARTSObjective.darts_es,
    "pt": DARTSObjective.darts_pt,
    "gdas": DARTSObjective.gdas,
    "fair": DARTSObjective.fair_darts,
    "drnas": DARTSObjective.drnas,
}


def test_every_published_variant_has_a_constructor():
    assert CONSTRUCTORS.keys() == VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_constructor_makes_the_published_search(name):
    options = {"epochs": 20, "supernet": SIZE, "build": SIZE, "device": "cpu"}
    ours = CONSTRUCTORS[name](SPACE, DATA, **options)
    assert ours.variant is VARIANTS[name]
    plain = DARTSObjective(SPACE, DATA, **options)
    published = {
        "pc-darts": {
            "supernet": {**plain.supernet, "partial": 4, "edge_normalisation": True},
            "alpha": {**plain.alpha.to_dict(), "lr": 6e-4, "warmup_epochs": 15},
        },
        "es": {"stop": {"window": 5, "lag": 4, "ratio": 1.3, "from_epoch": 10}},
        "pt": {"selection": {"tune_epochs": 5, "lr_share": 0.1}},
        "gdas": {"mixing": {"mixing": "HardGumbel", "tau_start": 10.0, "tau_end": 0.1}},
        "fair": {
            "mixing": {"mixing": "Sigmoid", "zero_one": 10.0},
            "alpha": {**plain.alpha.to_dict(), "lr": 3e-3},
        },
        "drnas": {
            "mixing": {"mixing": "Dirichlet", "kl": 0.0},
            "alpha": {**plain.alpha.to_dict(), "lr": 6e-4, "warmup_epochs": 10},
        },
    }
    assert ours.identity.to_json() == plain.identity.to_json() | published[name]
    mine = CONSTRUCTORS[name](SPACE, DATA, alpha=AlphaRecipe(lr=0.5), **options)
    assert mine.alpha == AlphaRecipe(lr=0.5)  # what is given counts more


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_published_search_ends(name):
    options = {"epochs": 16, "supernet": SIZE, "build": SIZE, "value": "one_shot", "recipe": FAST}
    trial = run(CONSTRUCTORS[name](SPACE, DATA, device="cpu", **options)).trials[0]
    assert trial.state == TrialState.COMPLETE


def test_a_space_without_partial_channels():
    with pytest.raises(
        TypeError, match=r"`variant` needs a supernet that takes \['edge_norm.*NASBench201Space"
    ):
        DARTSObjective.pc_darts(NASBench201Space(), DATA, epochs=20)


def test_an_average_is_perturbed_as_well(monkeypatch):
    """What a candidate is worth is read off the average of the weights, without the candidate."""
    masked = []
    evaluate = AlphaSearch._evaluate

    def noted(self):
        masked.append([0.0 in row for row in self._learner.evaluated.mixture().values()])
        return evaluate(self)

    monkeypatch.setattr(AlphaSearch, "_evaluate", noted)
    run(objective(SPACE, **options_of(("average", "pt"))))
    assert not any(map(any, masked[:2]))  # the epochs of the search
    assert all(map(any, masked[2:]))
    assert len(masked) > 2
