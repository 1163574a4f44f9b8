"""Small images first: the size of the training images as a function of the epoch.

References:
    Tan and Le, EfficientNetV2: Smaller Models and Faster Training, arXiv 2104.00298.
    Touvron et al., Fixing the Train-Test Resolution Discrepancy, arXiv 1906.06423.

Differences from the papers:
    1. Augmentation acts on images of the full size, before they are resized.
"""

from __future__ import annotations

import dataclasses

from optuna_nas._ground.checks import require_int, require_number

__all__ = ["ProgressiveSize"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgressiveSize:
    """Grows the training images in equal steps from a share of their final size to that size.

    Example:
        >>> from optuna_nas.training import ProgressiveSize
        >>> size = ProgressiveSize(final=32, epochs=8, start=0.5, stages=4)
        >>> [size(epoch) for epoch in range(1, 9)]
        [16, 16, 21, 21, 27, 27, 32, 32]

    Attributes:
        final: Pixels of the last stage, at least 1.
        epochs: Epochs of the whole run, at least 1.
        start: Share of ``final`` in the first stage, in (0, 1].
        stages: Stages of about equal length, at least 1; with one, all epochs have ``final``.
    """

    final: int
    epochs: int
    start: float = 0.5
    stages: int = 4

    def __post_init__(self) -> None:
        for name in ("final", "epochs", "stages"):
            require_int(name, getattr(self, name))
        require_number("start", self.start, at_least=0, at_most=1)
        if round(self.final * self.start) < 1:
            raise ValueError(
                f"`start` must leave at least one pixel of final={self.final}, but got "
                f"start={self.start}."
            )

    def __call__(self, epoch: int) -> int:
        """Return the pixels of an epoch, counted from 1."""
        stage = min(self.stages - 1, (epoch - 1) * self.stages // self.epochs)
        if self.stages == 1:
            return self.final
        done = stage / (self.stages - 1)
        return round(self.final * (self.start + (1 - self.start) * done))
