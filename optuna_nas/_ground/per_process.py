"""Objects that go to other processes without their locks and caches."""

from __future__ import annotations

from typing import Any

__all__ = ["PerProcess"]


class PerProcess:
    """Base of what keeps locks and caches of one process beside its settings.

    ``_forget`` sets the attributes that belong to the process. ``__init__`` calls it; a copy, in
    another process or in this one, begins with what it sets.
    """

    def _forget(self) -> None:
        """Set every attribute of this process to its value before anything has happened."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        blank = object.__new__(type(self))
        blank._forget()
        return {name: value for name, value in vars(self).items() if name not in vars(blank)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
