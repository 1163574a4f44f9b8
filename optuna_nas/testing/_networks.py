"""Test case: digests are sound, pictures are drawn, networks are built and learn."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from optuna_nas._ground.forward import materialise
from optuna_nas.drawing import Graph, to_svg
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.testing._case import SpaceCase, tensors_in
from optuna_nas.testing._fingerprint import fingerprint, same
from optuna_nas.testing._studies import neighbours, suggested

__all__ = ["NetworkCase"]


class NetworkCase(SpaceCase):
    """Equal digests compute the same network, and every network can be drawn, built and run."""

    num_neighbours: ClassVar[int] = 200
    """Number of architectures, one decision away from others, whose digests are compared."""
    num_comparisons: ClassVar[int] = 6
    """Number of pairs of equal digests whose networks are compared."""
    digests: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Digests that must never change, by notation. Studies reuse results by their digest."""

    # Digests

    def test_digest(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        """The digest is a hexadecimal number of 128 bits, and depends on the decisions alone."""
        for architecture in architectures:
            assert int(architecture.digest, 16) >= 0
            assert len(architecture.digest) == 32
            assert space.digest(architecture.params) == architecture.digest

    def test_digests_are_kept(self, space: SearchSpace) -> None:
        """The digests that are written down in :attr:`digests` have not changed."""
        now = {text: space.parse(text).digest for text in self.digests}
        assert now == dict(self.digests), (
            "Digests must not change, or studies take known networks for new ones. If networks "
            "or settings have changed, raise the space's `version`."
        )

    def test_equal_digests_compute_the_same(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        """Networks of equal digests agree if all weights of a shape are equal.

        Such weights make no difference between channels, so networks that differ in their order
        alone agree too. Compared are outputs and the shapes of the weights that take part.
        """
        x = self.inputs(space)[0]
        for one, other in self._equal_digests(space, architectures):
            ours, theirs = (
                fingerprint(self.network(space, a), x, self.outputs) for a in (one, other)
            )
            assert same(ours, theirs), (
                "Equal digests must compute the same network, but these do not:\n"
                f"{one.params}\n{other.params}\n"
                "The canonical form must keep what tells them apart."
            )

    def _equal_digests(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> list[tuple[Architecture, Architecture]]:
        """Find pairs of different decisions and equal digests, one decision apart most likely."""
        rng = random.Random(0)
        near: list[Architecture] = []
        for architecture in architectures[:5]:
            around = list(neighbours(space, architecture))
            near += rng.sample(around, min(len(around), self.num_neighbours // 5))
        groups: dict[str, dict[Architecture, None]] = {}
        for architecture in itertools.chain(architectures, near):
            groups.setdefault(architecture.digest, {})[architecture] = None
        pairs = [(first, other) for first, *others in groups.values() for other in others]
        return rng.sample(pairs, min(len(pairs), self.num_comparisons))

    # Pictures

    def test_picture(self, architectures: list[Architecture]) -> None:
        """An architecture is drawn as SVG and as a plotly figure."""
        graph = architectures[0].graph()
        assert isinstance(graph, Graph)
        assert "<svg" in to_svg(graph)
        assert architectures[0].plot().data is not None

    # Networks

    def network(self, space: SearchSpace, architecture: Architecture) -> nn.Module:
        """Build a network; torch's lazy modules in it take the shape of the first input.

        Args:
            space: The space of the architecture.
            architecture: The architecture.
        """
        model = architecture.build(**self.build)
        x = self.inputs(space)[0]
        if isinstance(x, torch.Tensor):
            materialise(model, tuple(x.shape[1:]))
        return model

    def test_networks_learn(self, space: SearchSpace) -> None:
        """Networks take all :meth:`inputs`, give finite outputs, and have gradients."""
        for architecture in suggested(space, self.num_builds, seed=3):
            model = self.network(space, architecture)
            for x in self.inputs(space):
                model.zero_grad()
                output = self.outputs(model, x)
                self.check_output(output, space)
                loss = sum(t.float().square().sum() for t in tensors_in(output))
                assert isinstance(loss, torch.Tensor)
                loss.backward()  # type: ignore[no-untyped-call]
                assert any(p.grad is not None for p in model.parameters()), (
                    f"No parameter of {architecture} gets a gradient."
                )

    def check_output(self, output: Any, space: SearchSpace) -> None:
        """Check what a network gives; derived classes add the shape that they expect.

        Args:
            output: What :meth:`outputs` returned.
            space: The space of the network.
        """
        tensors = tensors_in(output)
        assert tensors, "A network must return a tensor, or several in a tuple, list or mapping."
        for tensor in tensors:
            assert torch.isfinite(tensor).all(), "A network must return finite numbers."

    def test_a_network_depends_on_its_decisions_alone(self, space: SearchSpace) -> None:
        """Building twice gives the same layers of the same sizes."""
        for architecture in suggested(space, self.num_builds, seed=3):
            shapes = [
                {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
                for model in (self.network(space, architecture) for _ in range(2))
            ]
            assert shapes[0] == shapes[1], (
                f"{architecture} must be built alike each time: a network must depend on its "
                "decisions and build arguments alone."
            )

    def test_build_arguments(self, space: SearchSpace) -> None:
        """The search size in ``proxy`` holds build arguments only, and others are refused."""
        unknown = sorted(space.proxy.keys() - space.build_arguments.keys())
        assert not unknown, f"`proxy` must hold build arguments, but {unknown} are none."
        architecture = suggested(space, 1)[0]
        with pytest.raises(TypeError, match="does not take the build arguments"):
            architecture.build(no_such_build_argument=1)
