"""Spaces by name, for JSON texts, studies and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from optuna_nas._ground.checks import shown
from optuna_nas.spaces.base import SearchSpace
from optuna_nas.spaces.base._identity import check_identity

__all__ = ["SPACES", "space_from_settings", "spaces_by_name"]


class _Catalogue(Mapping[str, type[SearchSpace]]):
    """The spaces that ``optuna_nas.spaces`` exports, so that there is no second list of them."""

    @cached_property
    def _spaces(self) -> Mapping[str, type[SearchSpace]]:
        from optuna_nas import spaces  # which imports this file

        return spaces_by_name(getattr(spaces, name) for name in spaces.__all__)

    def __getitem__(self, name: str) -> type[SearchSpace]:
        return self._spaces[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spaces)

    def __len__(self) -> int:
        return len(self._spaces)


SPACES = _Catalogue()
"""The spaces of this package that a name and settings are enough for, by name."""


def spaces_by_name(exported: Iterable[object]) -> Mapping[str, type[SearchSpace]]:
    """Return the spaces among what a package exports that can be made from their settings.

    Raises:
        ValueError: If two of them have the same name.
    """
    named: dict[str, type[SearchSpace]] = {}
    for found in exported:
        if isinstance(found, type) and issubclass(found, SearchSpace) and found.from_settings:
            name = getattr(found, "name", None)
            if name is None:  # a base for several spaces
                continue
            if name in named:
                raise ValueError(
                    f"`name` must differ between spaces, but {named[name].__name__} and "
                    f"{found.__name__} are both called {name!r}."
                )
            named[name] = found
    return named


def space_from_settings(identity: Mapping[str, Any]) -> SearchSpace:
    """Make the space that ``space.identity`` describes.

    Args:
        identity: ``{"space": name, "version": ..., "settings": {...}}``; further keys are passed
            over. Settings that are left out have their defaults.

    Raises:
        ValueError: If the name is not one of this package, or version or settings are unknown.
    """
    check_identity(identity, "`identity`", "Give what space.identity gives.")
    name = identity["space"]
    if name not in SPACES:
        raise ValueError(
            f"`space` must be one of {sorted(SPACES)}, but got {shown(name)}: a space of your own "
            "is never imported from a name that stands in a text or a study. Give the space "
            "itself: Architecture.from_json(text, space)."
        )
    cls = SPACES[name]
    if identity["version"] != cls.version:
        raise ValueError(
            f"The settings of {name!r} have version {shown(identity['version'])}, but this "
            f"release reads version {cls.version}. Use the release of optuna-nas that wrote them."
        )
    settings = {key: _as_field(value) for key, value in identity["settings"].items()}
    try:
        return cls(**settings)
    except TypeError as error:
        raise ValueError(
            f"{name!r} does not take the settings {shown(settings)} ({error})."
        ) from error


def _as_field(value: Any) -> Any:
    return tuple(_as_field(v) for v in value) if isinstance(value, list) else value
