"""Names of what users hand in, to be kept with what they have led to."""

from __future__ import annotations

from typing import Any

__all__ = ["identity_of"]


def identity_of(thing: Any) -> Any:
    """Return the ``identity`` of a callable for JSON, else its name or its type's."""
    identity = getattr(thing, "identity", None)
    if identity is not None:
        return identity
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
