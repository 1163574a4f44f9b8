"""Arguments of a space that stands within another one, in each of its two readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import shown

if TYPE_CHECKING:
    from optuna_nas.spaces.base._space import SearchSpace

__all__ = ["arguments_to_build", "arguments_to_relax"]


def arguments_to_build(space: SearchSpace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``architecture.build`` among those of a call of the space.

    Those that its supernet alone takes are left out; unknown ones are not, so that building
    refuses them.
    """
    takes = space.build_arguments
    relaxed = space.supernet_arguments if space.can_be_relaxed else {}
    return {k: v for k, v in given.items() if k in takes or k not in relaxed}


def arguments_to_relax(space: SearchSpace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``space.supernet`` among those of a call of the space.

    Raises:
        TypeError: If neither it nor the network takes one of them.
        ValueError: If one that the network alone takes is not at its default, so that the supernet
            would be that of another network.
    """
    takes, builds = space.supernet_arguments, space.build_arguments
    space._check_arguments({**builds, **takes}, given)
    lost = {k: v for k, v in given.items() if k not in takes and v != builds[k]}
    if lost:
        raise ValueError(
            f"The supernet of {space} cannot have {shown(lost)}, its networks alone can: make it "
            "an argument of your function, with the default of the space."
        )
    return {k: v for k, v in given.items() if k in takes}
