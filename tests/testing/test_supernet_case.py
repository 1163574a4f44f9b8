"""The test case on supernets finds what is wrong with a relaxation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from optuna_nas.spaces import SearchSpace
from optuna_nas.spaces.base._supernet import Supernet
from optuna_nas.testing import SupernetTestCase, ToySpace
from optuna_nas.testing._studies import suggested


class MixedChain(nn.Module):
    """Supernet of a toy chain, right or broken in one way.

    Args:
        names: Of the decisions, one a layer.
        width: How many operations each layer has.
        fault: What is broken, or an empty text.
    """

    def __init__(self, names: list[str], width: int, fault: str) -> None:
        super().__init__()
        self.names, self.fault = names, fault
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(width)) for _ in names
        )
        self.head = nn.Linear(3, 10)

    def forward(self, x, selection):
        for name, layer in zip(self.names, self.layers, strict=True):
            x = torch.tanh(self.mixed(x, layer, selection[name]))
        return self.head(x.mean((2, 3)))

    def mixed(self, x, layer, chosen):
        if isinstance(chosen, int):
            if self.fault == "a path runs all":
                return sum(op(x) * float(i == chosen) for i, op in enumerate(layer))
            if self.fault == "a path is scaled":
                return 2.0 * layer[chosen](x)
            return layer[chosen](x)
        if self.fault == "the mixture forgets a choice":
            chosen, layer = chosen[:-1], layer[:-1]
        if self.fault == "the mixture ignores the alphas":
            chosen = torch.full_like(chosen, 1.0 / len(chosen))
        return sum(weight * op(x) for weight, op in zip(chosen, layer, strict=True))


@dataclass(frozen=True, kw_only=True)
class RelaxedToySpace(ToySpace):
    """A toy space with a supernet."""

    name = "relaxed_toy_space"
    num_layers: int | tuple[int, int] = 2
    fault: ClassVar[str] = ""

    def relax(self, fixed, *, num_classes=10, in_channels=3):
        choices = {
            name: (fixed[name],)
            if name in fixed and self.fault != "fixed is ignored"
            else self.ops
            for name in self.distributions()
        }
        return Selected(MixedChain(list(choices), self.num_ops, self.fault), choices, self.ops), (
            choices
        )

    def discretise(self, weights):
        best = super().discretise(weights)
        return {**best, "layer_01_op": self.ops[0]} if self.fault == "derive forgets" else best


class Selected(nn.Module):
    """Numbers the only choice of a fixed decision as the network does."""

    def __init__(self, network, choices, ops):
        super().__init__()
        self.network, self.choices, self.ops = network, choices, ops

    def forward(self, x, selection):
        return self.network(
            x,
            {
                name: self.ops.index(self.choices[name][chosen])
                if isinstance(chosen, int)
                else chosen
                for name, chosen in selection.items()
            },
        )


def run(method: str, space: SearchSpace) -> None:
    case = SupernetTestCase()
    torch.manual_seed(0)
    given = {
        "space": space,
        "supernet": space.supernet(),
        "architectures": suggested(space, 3),
        "x": case.inputs(space)[0],
    }
    test: Callable[..., None] = getattr(case, method)
    test(**{name: given[name] for name in inspect.signature(test).parameters})


METHODS = [name for name in dir(SupernetTestCase) if name.startswith("test_")]
FAULTS = [
    ("a path runs all", "test_a_path_computes_with_its_own_weights", "leave the weights of other"),
    ("a path is scaled", "test_a_path_is_a_one_hot_mixture", "not close"),
    ("the mixture forgets a choice", "test_the_mixture_holds_every_path", "from the mixture"),
    ("the mixture ignores the alphas", "test_the_mixture_holds_every_path", "must depend on"),
    ("derive forgets", "test_derive_undoes_a_one_hot_mixture", "All weight lies on"),
    ("fixed is ignored", "test_fixed_decisions_are_kept", "assert not"),
]


@pytest.mark.parametrize(("fault", "method", "message"), FAULTS)
def test_a_broken_supernet_is_found(
    fault: str, method: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelaxedToySpace, "fault", fault)
    with pytest.raises(AssertionError, match=message):
        run(method, RelaxedToySpace())


def _patched(name: str) -> Callable[..., Any]:
    """A method of supernets, broken."""
    original = getattr(Supernet, name, None)

    def alphas(self):
        return {name: torch.cat([row, row]) for name, row in original(self).items()}

    def weights(self):
        return dict([*original(self).items()][1:])

    def mixture(self):
        return {name: 2.0 * row for name, row in original(self).items()}

    def derive(self, weights=None):
        return ToySpace(num_layers=2).architecture(original(self, weights).params)

    def forward(self, x, *, architecture=None, mixture=None):
        found = original(self, x, architecture=architecture, mixture=mixture)
        return found if architecture is None else found[:1]

    def __deepcopy__(self, memo):
        return self

    return locals()[name]


PATCHED = [
    ("alphas", "test_alphas_match_their_choices", "assert"),
    ("weights", "test_alphas_and_weights_are_all_parameters", "assert"),
    ("mixture", "test_the_mixture_is_the_softmax_of_the_alphas", "not close"),
    ("derive", "test_derive_gives_an_architecture_of_the_space", "assert"),
    ("forward", "test_supernets_on_the_meta_device", "assert"),
    ("__deepcopy__", "test_supernets_copy_and_store", "assert not"),
]


@pytest.mark.parametrize(("name", "method", "message"), PATCHED)
def test_a_broken_method_is_found(
    name: str, method: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supernet, name, _patched(name), raising=False)
    with pytest.raises(AssertionError, match=message):
        run(method, RelaxedToySpace())


def test_every_property_of_a_supernet_is_shown_to_fail() -> None:
    assert {method for _, method, _ in [*FAULTS, *PATCHED]} == {*METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_a_sound_supernet_is_not(method: str) -> None:
    run(method, RelaxedToySpace())
