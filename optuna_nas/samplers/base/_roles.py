"""Roles of decisions, read from their names: operations, inputs, anchors, sizes that grow.

Samplers that treat decisions differently (mutations by kind, attention over layers) go by the end
of the name, as the spaces of this package form it; a user's own names are mapped with ``roles=``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["ROLES", "Roles"]

ROLES: Mapping[str, str] = {
    "anchor": r"_from_\d\d$",
    "growth": r"(^|_)num_[a-z_]+$",
    "input": r"(^|_)inputs?(_[a-z]\w*)?$",
    "op": r"(^|_)op(_\w+)?$",
}
"""Roles, with the pattern of the names that have them; the first that is found counts."""


class Roles:
    """The roles of decisions.

    Args:
        own: Regular expressions of a user's own names, searched before ours, with their roles.

    Raises:
        ValueError: If a role is unknown or a pattern is no regular expression.

    Example::

        roles = Roles({r"^edge\\d+$": "op"})
        roles.of("edge3")            # "op"
        roles.of("normal_2_input_a") # "input"
        roles.of("width")            # None: treated as any other decision
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        own = own or {}
        for pattern, role in own.items():
            if role not in ROLES:
                raise ValueError(
                    f"`roles` must map patterns to one of {', '.join(ROLES)}, but {pattern!r} is "
                    f"mapped to {role!r}."
                )
            try:
                re.compile(pattern)
            except re.error as e:
                raise ValueError(f"`roles` has {pattern!r}, no regular expression: {e}.") from e
        self._patterns = [*own.items(), *((pattern, role) for role, pattern in ROLES.items())]
        self._known: dict[str, str | None] = {}

    def of(self, name: str) -> str | None:
        """Return the role of the decision ``name``, or None if its name tells none."""
        if name not in self._known:
            found = (role for pattern, role in self._patterns if re.search(pattern, name))
            self._known[name] = next(found, None)
        return self._known[name]
