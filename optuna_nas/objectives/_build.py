"""Build arguments of a network, as far as the data decides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from optuna_nas.spaces.base import require_space

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data, Task

__all__ = ["Buildable", "build_arguments", "checked_build", "decided_arguments"]


class Buildable(Protocol):
    """Network of a trial: an architecture, or a network that was scaled."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Decisions, or sizes, that make it."""

    def build(self, *args: Any, **arguments: Any) -> nn.Module:
        """Build the network."""


def build_arguments(
    space: SearchSpace, data: Data, task: Task, build: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Complete build arguments by what the data decides, as far as the space takes it.

    Args:
        space: Space of the networks.
        data: Data that networks are built for.
        task: Task that they are built for.
        build: As the user gives them; None: ``space.proxy``, the paper's search size.

    Raises:
        TypeError: If there are arguments that the space does not take, or it is no space.
    """
    build = checked_build(space, build)
    takes = space.build_arguments
    decided = decided_arguments(data, task)
    return {**{name: value for name, value in decided.items() if name in takes}, **build}


def checked_build(space: SearchSpace, build: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return build arguments as the user gives them, by default the paper's search size.

    Raises:
        TypeError: If there are arguments that the space does not take, or it is no space.
    """
    require_space(space)
    build = space.proxy if build is None else build
    unknown = sorted(build.keys() - space.build_arguments.keys())
    if unknown:
        raise TypeError(
            f"`build` must name arguments of {space} ({sorted(space.build_arguments)}), not "
            f"{unknown}."
        )
    return dict(build)


def decided_arguments(data: Data, task: Task) -> dict[str, Any]:
    """Return what data and task say of a network, such as ``num_classes`` and ``in_channels``."""
    return {**task.bound_to(data).build_arguments, **data.build_arguments}
