"""The ground of the test cases on spaces: the space, how its networks are built, their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
import torch

from optuna_nas._ground.inputs import call
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.testing._studies import suggested

__all__ = ["SpaceCase", "in_double", "on_meta", "tensors_in"]


class SpaceCase:
    """Fixtures and numbers that all test cases on spaces share."""

    num_samples: ClassVar[int] = 20
    """Number of random architectures on which most properties are tried."""
    num_builds: ClassVar[int] = 3
    """Number of networks to build and run."""
    build: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Build arguments of a network that runs in milliseconds."""
    image_sizes: ClassVar[Sequence[int]] = (8, 11)
    """Heights and widths of the default :meth:`inputs`."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        """Return the space to test; every derived class gives this fixture."""
        raise NotImplementedError("Give the fixture `space`, which returns the space to test.")

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        """Return random architectures of the space."""
        return suggested(space, self.num_samples)

    def inputs(self, space: SearchSpace) -> Sequence[Any]:
        """Return the batches of 2 that a built network is run on.

        By default images of all :attr:`image_sizes`; override it where a network takes something
        else: a tensor, a tuple (positional arguments) or a dict (named ones). It is called with
        the random state of the test.
        """
        channels = {"in_channels": 3, **space.build_arguments, **self.build}["in_channels"]
        return [torch.randn(2, channels, size, size) for size in self.image_sizes]

    def outputs(self, model: torch.nn.Module, x: Any) -> Any:
        """Run a network, or a reading of a supernet, on one of the :meth:`inputs`.

        Parts of a tuple are positional arguments, those of a dict named ones.
        """
        return call(model, x)


def tensors_in(output: Any) -> list[torch.Tensor]:
    """Return the tensors of a network's output: one, or those of a tuple, list or mapping."""
    if isinstance(output, torch.Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output
    return [tensor for part in parts for tensor in tensors_in(part)]


def in_double(x: Any) -> Any:
    """Return inputs in double precision; what is no floating point number stays as it is."""
    return _mapped(x, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def on_meta(x: Any) -> Any:
    """Return inputs of the same shapes on torch's meta device."""
    return _mapped(x, lambda tensor: tensor.to("meta"))


def _mapped(x: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(x, torch.Tensor):
        return change(x)
    if isinstance(x, dict):
        return {name: _mapped(part, change) for name, part in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(_mapped(part, change) for part in x)
    return x
