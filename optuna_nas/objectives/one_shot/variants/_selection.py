"""Ways to derive an architecture from a trained supernet where alpha alone does not decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from optuna_nas.objectives.one_shot.variants._part import VariantPart

if TYPE_CHECKING:
    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["MixingWeights", "Selection", "TrainedSupernet"]

MixingWeights: TypeAlias = Mapping[str, Sequence[float]]
"""Mixing weights ``(O,)`` by decision, over its ``O`` choices."""


class TrainedSupernet(Protocol):
    """A supernet after the last epoch of its search, as a :class:`Selection` sees it."""

    @property
    def layout(self) -> AlphaLayout:
        """Choices, cells and nodes of the supernet."""

    @property
    def weights(self) -> MixingWeights:
        """Mixing weights of all operations as the search has left them."""

    @property
    def seed(self) -> int:
        """Seed of whatever the selection does at random."""

    def score(self, weights: MixingWeights) -> float:
        """Return the validation metric of the supernet, mixed by these weights.

        Args:
            weights: Weights of the decisions that differ from :attr:`weights`, or of all.
        """

    def tune(self, weights: MixingWeights, *, epochs: int, lr_share: float = 1.0) -> None:
        """Let the supernet's own parameters learn for some more epochs, mixed by these weights.

        Args:
            weights: As for :meth:`score`.
            epochs: Number of epochs, at least 0.
            lr_share: Share of the recipe's learning rate at which they begin, in (0, 1].
        """


class Selection(VariantPart, ABC):
    """Base of the ways to derive an architecture from a trained supernet.

    A subclass writes :meth:`select`. It is a frozen dataclass with a ``name`` of its own.

    Example::

        from dataclasses import dataclass
        from typing import ClassVar

        from optuna_nas.objectives import Selection


        @dataclass(frozen=True)
        class LeastMissed(Selection):
            name: ClassVar[str] = "LeastMissed"

            def select(self, supernet):
                return {n: [1.0 - w for w in row] for n, row in supernet.weights.items()}
    """

    kind: ClassVar[str] = "selection"

    needs_mixture: ClassVar[bool] = True
    """Whether several candidates must have weight after the search, such as to compare the
    supernet with and without one of them."""

    @abstractmethod
    def select(self, supernet: TrainedSupernet) -> MixingWeights:
        """Return weights from which the architecture is derived as it is from alpha's.

        Args:
            supernet: The trained supernet, which can be scored and tuned.

        Returns:
            Weights of the decisions that differ from ``supernet.weights``, or of all; an edge that
            is to go has all of it on ``supernet.layout.nothing``.
        """
