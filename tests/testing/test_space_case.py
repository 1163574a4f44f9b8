"""The test case on spaces finds what is wrong with a space: each property against a broken one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from space_case_runs import run
from torch import nn

from optuna_nas.spaces import NASBench201Space, SearchSpace
from optuna_nas.testing import SpaceTestCase, ToySpace
from optuna_nas.testing._fingerprint import fingerprint, same
from optuna_nas.testing._studies import enumerated, neighbours

SOUND = ToySpace(num_layers=3)
CONDITIONAL = ToySpace(num_layers=(1, 3))


@dataclass(frozen=True, kw_only=True)
class AnyOrder(ToySpace):
    """The order of layers is lost in the digest."""

    name = "any_order"

    def canonical(self, genotype):
        return sorted(genotype)


@dataclass(frozen=True, kw_only=True)
class LastLayerForgotten(ToySpace):
    """Two chains that differ in their last layer have one digest."""

    name = "last_layer_forgotten"

    def canonical(self, genotype):
        return genotype[:-1]


@dataclass(frozen=True, kw_only=True)
class ChangingRange(ToySpace):
    """The range of the width depends on the depth, under one name."""

    name = "changing_range"
    num_layers: int | tuple[int, int] = (1, 3)

    def decide(self, trial):
        chain = super().decide(trial)
        trial.suggest_int("num_widths", 1, len(chain))
        return chain


@dataclass(frozen=True, kw_only=True)
class SecretlyConditional(ToySpace):
    """It does not say that later decisions depend on earlier ones."""

    name = "secretly_conditional"
    num_layers: int | tuple[int, int] = (1, 3)

    def decide(self, trial):
        chain = super().decide(trial)
        if chain[0] == "conv_3x3":
            trial.suggest_int("num_extra", 1, 3)
        return chain

    @property
    def num_architectures(self) -> int:
        return 0

    @property
    def conditional(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class IllegalNames(ToySpace):
    name = "illegal_names"

    def decide(self, trial):
        return (trial.suggest_categorical("layer-1", self.ops),)


@dataclass(frozen=True, kw_only=True)
class Continuous(ToySpace):
    name = "continuous"

    def decide(self, trial):
        trial.suggest_float("rate", 0.0, 1.0)
        return super().decide(trial)


@dataclass(frozen=True, kw_only=True)
class WrongSize(ToySpace):
    name = "wrong_size"
    off: int = 1

    @property
    def num_architectures(self) -> int:
        return super().num_architectures + self.off


@dataclass(frozen=True, kw_only=True)
class OwnsNothing(ToySpace):
    name = "owns_nothing"
    num_layers: int | tuple[int, int] = (1, 3)

    def owns(self, name):
        return False


@dataclass(frozen=True, kw_only=True)
class LossyText(ToySpace):
    name = "lossy_text"

    def format(self, genotype):
        return ">".join(sorted(genotype))


@dataclass(frozen=True, kw_only=True)
class Forgetful(ToySpace):
    """The genotype has something that the decisions do not have."""

    name = "forgetful"

    def decide(self, trial):
        return (*super().decide(trial), random.choice(("conv_1x1", "conv_3x3")))


@dataclass(frozen=True, kw_only=True)
class DrawsNumbers(ToySpace):
    name = "draws_numbers"

    def decide(self, trial):
        torch.rand(1)
        return super().decide(trial)


@dataclass(frozen=True, kw_only=True)
class PrefixInDigest(ToySpace):
    name = "prefix_in_digest"
    not_in_digest = frozenset()


@dataclass(frozen=True, kw_only=True)
class SettingsOfSets(ToySpace):
    name = "settings_of_sets"
    sizes: Any = frozenset({1, 2})


@dataclass(frozen=True, kw_only=True)
class UnknownProxy(ToySpace):
    name = "unknown_proxy"
    proxy = {"cells": 3}


@dataclass(frozen=True, kw_only=True)
class NoPicture(ToySpace):
    name = "no_picture"

    def graph(self, genotype):
        return str(genotype)


class Bad(nn.Module):
    """Returns what a function makes of the logits."""

    def __init__(self, change: Callable[[torch.Tensor], Any], size: int = 1) -> None:
        super().__init__()
        self.layer = nn.Linear(1, size)
        self.change = change

    def forward(self, x: torch.Tensor) -> Any:
        return self.change(self.layer(x.mean((1, 2, 3))[:, None]))


@dataclass(frozen=True, kw_only=True)
class OddNetworks(ToySpace):
    """Networks with what a derived class says."""

    name = "odd_networks"

    def build_network(self, genotype, *, num_classes=10, in_channels=3):
        return self.network()


@dataclass(frozen=True, kw_only=True)
class NotFinite(OddNetworks):
    name = "not_finite"

    def network(self):
        return Bad(lambda logits: logits / 0)


@dataclass(frozen=True, kw_only=True)
class Nothing(OddNetworks):
    name = "nothing"

    def network(self):
        return Bad(lambda logits: ())


@dataclass(frozen=True, kw_only=True)
class Detached(OddNetworks):
    name = "detached"

    def network(self):
        return Bad(lambda logits: torch.zeros(2, 1, requires_grad=True))


@dataclass(frozen=True, kw_only=True)
class RandomWidth(OddNetworks):
    name = "random_width"

    def network(self):
        return Bad(lambda logits: logits, size=random.randrange(10**9) % 1000 + 1)


BROKEN = [
    (AnyOrder(), "test_equal_digests_compute_the_same", "must compute the same network"),
    (LastLayerForgotten(), "test_equal_digests_compute_the_same", "must compute the same network"),
    (ChangingRange(), "test_choices_depend_on_the_name_alone", "`num_widths` must have the same"),
    (IllegalNames(), "test_only_discrete_suggestions_with_legal_names", "'layer-1' must be a"),
    (Continuous(), "test_only_discrete_suggestions_with_legal_names", "suggest_categorical or"),
    (WrongSize(), "test_size", "says 82, and enumerating found 81"),
    (WrongSize(off=-1), "test_size", "says 80, and enumerating found more"),
    (OwnsNothing(), "test_left_over_decisions_are_refused", "`owns` must know every name"),
    (LossyText(), "test_text_round_trip", r"space\.parse\(str\(a\)\) must give"),
    (Forgetful(), "test_params_round_trip", "must spell equal genotypes"),
    (DrawsNumbers(), "test_random_state_is_left_alone", "must leave torch's random state alone"),
    (PrefixInDigest(), "test_a_prefix_enters_params_but_not_digest", "must not change the digest"),
    (UnknownProxy(), "test_build_arguments", r"`proxy` must hold build .* \['cells'\] are none"),
    (NotFinite(), "test_networks_learn", "must return finite numbers"),
    (Nothing(), "test_networks_learn", "must return a tensor, or several"),
    (Detached(), "test_networks_learn", "No parameter of .* gets a gradient"),
    (RandomWidth(), "test_a_network_depends_on_its_decisions_alone", "must be built alike"),
]


@pytest.mark.parametrize(
    ("space", "method", "message"), BROKEN, ids=[type(space).__name__ for space, *_ in BROKEN]
)
def test_a_broken_space_is_found(space: SearchSpace, method: str, message: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        run(method, space)


@pytest.mark.parametrize("method", sorted({method for _, method, _ in BROKEN}))
@pytest.mark.parametrize("space", [SOUND, CONDITIONAL], ids=["static", "conditional"])
def test_a_sound_space_is_not(space: SearchSpace, method: str) -> None:
    run(method, space)


@dataclass(frozen=True, kw_only=True)
class LazyNetworks(ToySpace):
    """Layers take the number of their channels from what they are given."""

    name = "lazy_networks"

    def build_network(self, genotype, *, num_classes=10):
        convs = [nn.LazyConv2d(4, 1 if op == "conv_1x1" else 3, padding="same") for op in genotype]
        return nn.Sequential(
            *convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(num_classes)
        )


@pytest.mark.parametrize(
    "method", ["test_networks_learn", "test_a_network_depends_on_its_decisions_alone"]
)
def test_lazy_modules_are_taken(method: str) -> None:
    run(method, LazyNetworks(num_layers=2))


def test_a_hidden_condition_is_refused_by_the_space() -> None:
    with pytest.raises(ValueError, match="`conditional` of SecretlyConditional must be True"):
        run("test_decisions_are_listed", SecretlyConditional())


def test_settings_that_json_does_not_take() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        run("test_settings_are_json", SettingsOfSets())


def test_a_picture_must_be_agraph() -> None:
    with pytest.raises(AssertionError):
        run("test_picture", NoPicture())


def test_a_changed_digest_is_found() -> None:
    class Pinned(SpaceTestCase):
        digests = {"conv_1x1>conv_3x3>conv_1x1": "0" * 32}

    with pytest.raises(AssertionError, match="Digests must not change"):
        run("test_digests_are_kept", SOUND, Pinned)
    Pinned.digests = {text: SOUND.parse(text).digest for text in Pinned.digests}
    run("test_digests_are_kept", SOUND, Pinned)


def test_a_space_must_be_given() -> None:
    with pytest.raises(NotImplementedError, match="Give the fixture `space`"):
        SpaceTestCase.space.__wrapped__(SpaceTestCase())


def test_fingerprints_tell_networks_apart() -> None:
    """Two operations in a row, in all 25 ways: equal where digests are, and only there."""
    space = NASBench201Space()
    torch.manual_seed(0)
    x = torch.randn(2, 2, 8, 8)
    ops = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    names = [f"op_{i}_from_{j}" for i in (1, 2, 3) for j in range(i)]
    found = []
    for first, second in itertools.product(ops, repeat=2):
        cell = (first, "none", second, "skip_connect", "none", "skip_connect")
        architecture = space.architecture(dict(zip(names, cell, strict=True)))
        model = architecture.build(cells=1, channels=4, num_classes=5, in_channels=2)
        found.append((architecture.digest, fingerprint(model, x)))
    pairs = list(itertools.combinations(found, 2))
    equal = [one[0] == other[0] for one, other in pairs]
    assert equal == [same(one[1], other[1]) for one, other in pairs]
    assert 0 < sum(equal) < len(pairs)


class Twice(nn.Module):
    """Adds up two convolutions, or one convolution twice."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.one = nn.Conv2d(2, 3, 3)
        self.other = self.one if shared else nn.Conv2d(2, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x)


def test_fingerprints_tell_shared_layers_from_equal_ones() -> None:
    x = torch.randn(2, 2, 8, 8)
    shared, equal = (fingerprint(Twice(shared), x) for shared in (True, False))
    torch.testing.assert_close(shared.outputs, equal.outputs)
    assert shared.shapes == {(3, 2, 3, 3): 1, (3,): 1}
    assert equal.shapes == {(3, 2, 3, 3): 2, (3,): 2}
    assert not same(shared, equal)


def test_enumeration_and_neighbours() -> None:
    space = ToySpace(num_layers=(1, 3), num_ops=2)
    every = list(enumerated(space))
    assert len(every) == len(set(every)) == space.num_architectures == 14
    one = space.parse("conv_1x1>conv_3x3")
    near = {str(architecture) for architecture in neighbours(space, one)}
    assert near == {
        "conv_1x1",
        "conv_1x1>conv_3x3>conv_1x1",
        "conv_3x3>conv_3x3",
        "conv_1x1>conv_1x1",
    }
