"""Checks of what a sampler's author writes: the name of the hook, its arguments, its result."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping

from optuna_nas._ground.checks import shown
from optuna_nas.samplers.base._proposal import FixedProposal, Proposal

__all__ = ["as_proposal", "check_hook"]


def check_hook(cls: type, base: type, name: str, arguments: tuple[str, ...]) -> None:
    """Raise if a class misspells the hook of its base, or gives it other arguments.

    A class that has no hook yet may be the base of others, so that alone is no error here; Python
    refuses to make an instance of it.

    Raises:
        TypeError: If so.
    """
    call = f"{name}(self, {', '.join(arguments)})"
    hook = getattr(cls, name)
    if hook is getattr(base, name):
        for alike in difflib.get_close_matches(name, vars(cls), n=1, cutoff=0.8):
            raise TypeError(
                f"{cls.__name__} must define {call}, but defines {alike!r}. Rename it to {name!r}."
            )
        return
    try:
        inspect.signature(hook).bind(None, *arguments)
    except TypeError:
        raise TypeError(
            f"{cls.__name__} must define {call}, but defines "
            f"{name}({', '.join(inspect.signature(hook).parameters)}). Give it these arguments."
        ) from None


def as_proposal(proposed: object, cls: type) -> Proposal:
    """Return what ``propose_next`` returned as a proposal.

    Raises:
        TypeError: If it is neither a proposal nor a mapping by parameter names.
    """
    if isinstance(proposed, Proposal):
        return proposed
    if isinstance(proposed, Mapping) and all(isinstance(name, str) for name in proposed):
        return FixedProposal(proposed)
    raise TypeError(
        f"{cls.__name__}.propose_next must return a Proposal or a mapping of parameter names to "
        f"values, but returned {shown(proposed)}. Return {{}} to have everything drawn at random."
    )
