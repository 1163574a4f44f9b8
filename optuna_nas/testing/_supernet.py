"""The test case on a supernet: paths, mixtures and what the alphas derive, in one network."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
import torch

from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.testing._case import SpaceCase, in_double, on_meta, tensors_in
from optuna_nas.testing._studies import evaluated

if TYPE_CHECKING:
    from optuna_nas.spaces.base import Supernet

__all__ = ["SupernetTestCase", "assert_paths_are_one_hot_mixtures", "one_hot"]


class SupernetTestCase(SpaceCase):
    """Properties of a space that can be relaxed; derive from it and give ``space``.

    It needs pytest. What it checks:

    - An alpha has an entry for each choice; alphas and weights are all parameters.
    - One path computes with its own weights alone: all others may be NaN.
    - One path is the mixture whose weights are one and zero.
    - ``derive`` gives an architecture of the space that builds and runs; it undoes a one-hot
      mixture, and keeps what is ``fixed``.
    - A supernet can be copied, stored, and made on torch's meta device.

    Attributes:
        supernet_build: Arguments of a supernet that runs in milliseconds.
        takes_fixed: Whether decisions can be fixed; those of DARTS cannot, since an alpha stands
            for several of them.
        build: Build arguments of a small network, to which ``derive()`` is built.
        num_samples: Number of random paths.
        image_sizes: Heights and widths of the default ``inputs``, of which the first is used.

    Example::

        class TestMySpace(SpaceTestCase, SupernetTestCase):
            build = {"cells": 2, "channels": 4}
            supernet_build = {"cells": 1, "channels": 4}

            @pytest.fixture
            def space(self):
                return MySpace()
    """

    num_samples: ClassVar[int] = 3
    image_sizes: ClassVar[Sequence[int]] = (8,)
    supernet_build: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    takes_fixed: ClassVar[bool] = True

    @pytest.fixture
    def supernet(self, space: SearchSpace) -> Supernet:
        """Make the supernet, with the same weights for each test."""
        torch.manual_seed(0)
        return space.supernet(**self.supernet_build)

    @pytest.fixture
    def x(self, space: SearchSpace) -> Any:
        """Return the first of the :meth:`inputs`."""
        torch.manual_seed(1)
        return self.inputs(space)[0]

    def read(self, supernet: Supernet, x: Any, **reading: Any) -> Any:
        """Run a supernet as :meth:`outputs` runs a network.

        Args:
            supernet: The supernet.
            x: One of the :meth:`inputs`.
            reading: ``architecture=`` or ``mixture=``; the mixture of the alphas without.
        """
        return self.outputs(cast("torch.nn.Module", functools.partial(supernet, **reading)), x)

    # Alphas

    def test_alphas_match_their_choices(
        self, space: SearchSpace, supernet: Supernet, architectures: list[Architecture]
    ) -> None:
        """Each alpha has at least two choices, and a path takes one of them."""
        for name, alpha in supernet.alphas().items():
            assert name.startswith(space.prefix)
            assert tuple(alpha.shape) == (len(supernet.choices[name]),)
            assert len(alpha) > 1, f"`{name}` has one choice, so it must have no alpha."
        assert supernet.alphas(), "Nothing is open in this supernet."
        for architecture in architectures:
            for name, value in supernet.chosen(architecture).items():
                assert value in supernet.choices[name]

    def test_alphas_and_weights_are_all_parameters(self, supernet: Supernet) -> None:
        """Two optimizers, one for each, train everything once."""
        parts = [*supernet.weights().values(), *supernet.alphas().values()]
        assert {id(p) for p in parts} == {id(p) for p in supernet.parameters()}
        assert len(parts) == len({id(p) for p in parts})

    # Mixtures and paths

    def test_the_mixture_is_the_softmax_of_the_alphas(self, supernet: Supernet, x: Any) -> None:
        """A forward without further arguments mixes by ``mixture()``, whose rows sum up to 1."""
        weights = supernet.eval().mixture()
        _assert_equal(self.read(supernet, x, mixture=weights), self.read(supernet, x))
        for row in weights.values():
            torch.testing.assert_close(row.sum(), torch.tensor(1.0))

    def test_the_mixture_holds_every_path(
        self, supernet: Supernet, architectures: list[Architecture], x: Any
    ) -> None:
        """Alphas learn from the mixture, and so do all weights that learn from a path."""
        _loss(self.read(supernet, x)).backward()  # type: ignore[no-untyped-call]
        assert any(alpha.grad is not None for alpha in supernet.alphas().values()), (
            "The mixture must depend on the alphas."
        )
        learning = {name for name, p in supernet.weights().items() if p.grad is not None}
        for architecture in architectures:
            supernet.zero_grad()
            path = self.read(supernet, x, architecture=architecture)
            _loss(path).backward()  # type: ignore[no-untyped-call]
            of_path = {name for name, p in supernet.weights().items() if p.grad is not None}
            left = sorted(of_path - learning)
            assert not left, f"{left} learn from {architecture}, so they must from the mixture."

    def test_a_path_computes_with_its_own_weights(
        self, supernet: Supernet, architectures: list[Architecture], x: Any
    ) -> None:
        """Parameters that get no gradient from a path may be NaN, and alphas are among them."""
        spared: set[str] = set()
        for architecture in architectures:
            other = copy.deepcopy(supernet).eval()
            before = self.read(other, x, architecture=architecture)
            _loss(before).backward()  # type: ignore[no-untyped-call]
            weights = other.weights()
            untouched = {name for name, p in weights.items() if p.grad is None}
            assert not [name for name, alpha in other.alphas().items() if alpha.grad is not None]
            with torch.no_grad():
                for name in untouched:
                    weights[name].fill_(math.nan)
                for alpha in other.alphas().values():
                    alpha.fill_(math.nan)
            _assert_equal(self.read(other, x, architecture=architecture), before)
            spared |= untouched
        assert spared, "A path must leave the weights of other choices alone, but got all of them."

    def test_a_path_is_a_one_hot_mixture(
        self, supernet: Supernet, architectures: list[Architecture], x: Any
    ) -> None:
        """In double precision, both ways of reading an architecture give the same."""
        assert_paths_are_one_hot_mixtures(supernet.eval(), x, architectures, self.read)

    # Deriving

    def test_derive_gives_an_architecture_of_the_space(
        self, space: SearchSpace, supernet: Supernet, x: Any
    ) -> None:
        """It can be decoded, built, run on the same inputs, and evaluated in a study."""
        derived = supernet.derive()
        assert derived == space.architecture(derived.params)
        tensors_in(self.outputs(derived.build(**self.build), x))
        assert space.architecture(evaluated(space, derived)) == derived

    def test_derive_undoes_a_one_hot_mixture(
        self, supernet: Supernet, architectures: list[Architecture]
    ) -> None:
        """The architecture whose choices have all the weight is the one that is derived."""
        for architecture in architectures:
            derived = supernet.derive(one_hot(supernet, architecture))
            assert derived.digest == architecture.digest, (
                f"All weight lies on {architecture}, but {derived} was derived."
            )

    def test_fixed_decisions_are_kept(
        self, space: SearchSpace, architectures: list[Architecture], x: Any
    ) -> None:
        """With all decisions fixed there is no alpha, and one architecture to derive."""
        if not self.takes_fixed:
            with pytest.raises(ValueError, match="`fixed` must be empty"):
                space.supernet(fixed=architectures[0].params, **self.supernet_build)
            return
        for architecture in architectures:
            supernet = space.supernet(fixed=architecture.params, **self.supernet_build)
            assert not supernet.alphas()
            assert supernet.derive().digest == architecture.digest
            supernet.eval()
            _assert_equal(
                self.read(supernet, x), self.read(supernet, x, architecture=architecture)
            )

    # Modules

    def test_supernets_copy_and_store(self, supernet: Supernet, x: Any) -> None:
        """A copy has weights of its own; a state dict carries weights and alphas over."""
        supernet.eval()
        other = copy.deepcopy(supernet)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(2.0)
        before = tensors_in(self.read(supernet, x))
        assert not all(map(torch.equal, before, tensors_in(self.read(other, x))))
        supernet.load_state_dict(other.state_dict())
        _assert_equal(self.read(supernet, x), self.read(other, x))
        assert supernet.derive() == other.derive()

    def test_supernets_on_the_meta_device(
        self, space: SearchSpace, architectures: list[Architecture], x: Any
    ) -> None:
        """Counting needs no memory: mixture and path run on torch's meta device."""
        with torch.device("meta"):
            supernet = space.supernet(**self.supernet_build)
            outputs = (
                self.read(supernet, on_meta(x)),
                self.read(supernet, on_meta(x), architecture=architectures[0]),
            )
            mixture, path = ([tensor.shape for tensor in tensors_in(y)] for y in outputs)
        assert mixture == path
        assert all(parameter.is_meta for parameter in supernet.parameters())


def one_hot(supernet: Supernet, architecture: Architecture) -> dict[str, torch.Tensor]:
    """Return mixing weights that leave one choice of each alpha.

    An alpha that the architecture does not depend on, such as that of an edge that is not used,
    gets its choice "none" where it has one, else its first.
    """
    chosen = supernet.chosen(architecture)
    rows: dict[str, torch.Tensor] = {}
    for name, choices in supernet.choices.items():
        unused = "none" if "none" in choices else choices[0]
        index = choices.index(chosen.get(name, unused))
        rows[name] = torch.eye(len(choices), dtype=torch.float64)[index]
    return rows


def assert_paths_are_one_hot_mixtures(
    supernet: Supernet,
    x: Any,
    architectures: Sequence[Architecture],
    read: Callable[..., Any] | None = None,
) -> None:
    """Compare paths with mixtures whose weights are one and zero, in double precision.

    Args:
        supernet: It is in double precision afterwards.
        x: Inputs.
        architectures: The paths.
        read: ``read(supernet, x, **reading)``; None: ``supernet(x, **reading)``.
    """
    read = read or (lambda supernet, x, **reading: supernet(x, **reading))
    supernet, x = supernet.double(), in_double(x)
    for architecture in architectures:
        path = read(supernet, x, architecture=architecture)
        mixture = read(supernet, x, mixture=one_hot(supernet, architecture))
        torch.testing.assert_close(tensors_in(path), tensors_in(mixture), rtol=0, atol=1e-12)


def _assert_equal(one: Any, other: Any) -> None:
    torch.testing.assert_close(tensors_in(one), tensors_in(other), rtol=0, atol=0)


def _loss(output: Any) -> torch.Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors_in(output)]).sum()
