"""From alpha to the weights by which a supernet mixes: where most variants of DARTS differ.

Legend: ``O`` choices of a decision.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from optuna_nas.objectives.one_shot.variants._part import VariantPart

if TYPE_CHECKING:
    import torch

    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["Mixing", "SoftmaxMixing"]


class Mixing(VariantPart, ABC):
    """Base of the ways in which alpha becomes mixing weights.

    A subclass writes :meth:`mean`, and :meth:`sample` where training batches see other weights
    than validation. It is a frozen dataclass with a ``name`` of its own.

    Example::

        from dataclasses import dataclass
        from typing import ClassVar

        from optuna_nas.objectives import Mixing


        @dataclass(frozen=True, kw_only=True)
        class Tempered(Mixing):
            name: ClassVar[str] = "Tempered"
            temperature: float = 2.0

            def mean(self, alpha):
                return (alpha / self.temperature).softmax(-1)
    """

    kind: ClassVar[str] = "mixing"

    samples: ClassVar[bool] = False
    """Whether :meth:`sample` is random, so that each batch sees other weights. Gradients of the
    second order, which run a batch several times, do not go together with it."""

    hard: ClassVar[bool] = False
    """Whether :meth:`mean` gives one choice all of the weight, and so has no gradient in alpha.
    Nothing that needs a Hessian, or several candidates after the search, goes together with it."""

    @abstractmethod
    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return the weights by which the supernet is evaluated and an architecture derived.

        Args:
            alpha: Logits of one decision, ``(O,)``.

        Returns:
            Weights of at least 0, ``(O,)``.
        """

    def sample(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        """Return the weights for one batch of training; by default those of :meth:`mean`.

        Args:
            alpha: Logits of one decision, ``(O,)``.
            progress: Progress of the search, from 0 in the first epoch to 1 in the last one.

        Returns:
            Weights ``(O,)``, through which gradients reach alpha.
        """
        return self.mean(alpha)

    def penalty(
        self, alphas: Mapping[str, torch.Tensor], layout: AlphaLayout
    ) -> torch.Tensor | None:
        """Return what is added to the losses of weights and alphas; by default nothing.

        Args:
            alphas: Logits over operations, by decision.
            layout: Choices that they stand for.

        Returns:
            A scalar, or None.
        """
        return None


@dataclass(frozen=True)
class SoftmaxMixing(Mixing):
    """DARTS: the softmax of alpha [Liu2019]."""

    name: ClassVar[str] = "Softmax"

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return alpha.softmax(-1)
