"""Trains the network that a search has derived, to evaluate it on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna_nas.training import fit, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from optuna_nas.objectives.trial._checkpoints import TrialSlot
    from optuna_nas.spaces import Architecture
    from optuna_nas.training import EpochResult, ImageData, Recipe

__all__ = ["DerivedEvaluation"]


@dataclass(frozen=True, kw_only=True)
class DerivedEvaluation:
    """The training from scratch of a derived network.

    Attributes:
        data: The network learns from all training images, and is validated on ``val``.
        epochs: Number of epochs, at least 1.
        build: Arguments for ``architecture.build``.
        device: Where it is trained.
    """

    data: ImageData
    epochs: int
    build: Mapping[str, Any]
    device: torch.device

    def accuracy(
        self,
        architecture: Architecture,
        recipe: Recipe,
        seed: int,
        *,
        slot: TrialSlot | None = None,
        on_epoch: Callable[[EpochResult], None] | None = None,
    ) -> float:
        """Return the validation accuracy after the last epoch.

        Args:
            architecture: The derived one.
            recipe: Recipe of its training.
            seed: Seed of weights and data order.
            slot: Where its state is kept until it is done.
            on_epoch: As for ``fit``.
        """
        with seeded(seed):
            model = architecture.build(**self.build)
        history = fit(
            model,
            self.data,
            epochs=self.epochs,
            recipe=recipe,
            seed=seed,
            device=self.device,
            channels_last=self.device.type == "cpu",  # where depthwise convolutions gain
            on_epoch=on_epoch,
            checkpoint=slot,
        )
        return history.last.val_accuracy
