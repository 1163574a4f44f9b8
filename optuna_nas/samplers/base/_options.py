"""The options that all samplers of this package share."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas.samplers.base._decisions import Decides

__all__ = ["SamplerOptions", "SpaceLike"]


class SpaceLike(Protocol):
    """A space as samplers know it: ``suggest(trial)``, and optionally ``digest(params)``."""

    def suggest(self, trial: Any, /) -> Any: ...


class SamplerOptions(TypedDict, total=False):
    """Keyword arguments that every sampler takes beside its own and hands to its base.

    They are described with :class:`ArchitectureSampler`, which has their defaults.

    Example::

        class MySampler(ArchitectureSampler):
            def __init__(self, *, rate: float = 0.1, **options: Unpack[SamplerOptions]) -> None:
                super().__init__(**options)
                self._rate = rate
    """

    seed: int | None
    hp_sampler: BaseSampler | None
    decides: Decides | Collection[str] | None
    space: SpaceLike | None
    avoid_duplicates: bool
