"""Results of a training run: one per epoch, or the loss that ended it."""

from __future__ import annotations

import dataclasses

__all__ = ["EpochResult", "History", "NonFiniteLossError"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch.

    Attributes:
        epoch: 1, 2, ...
        train_loss: Mean over the examples of the epoch, as trained (augmented, smoothed).
        val_loss: Mean loss on ``data.val`` after the epoch; NaN if it is empty.
        val_metric: The task's metric on ``data.val``; NaN likewise.
        seconds: Wall time of training and validation.
        lr: Learning rate of the epoch's first step.
        restored: Whether it is known from a checkpoint, and was not trained by this process.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_metric: float
    seconds: float
    lr: float
    restored: bool = False


@dataclasses.dataclass(frozen=True)
class History:
    """All epochs of a run, at least one.

    Attributes:
        epochs: In order.
        direction: "maximize" if a higher metric is better, else "minimize".
    """

    epochs: tuple[EpochResult, ...]
    direction: str = "maximize"

    @property
    def last(self) -> EpochResult:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best(self) -> EpochResult:
        """The first epoch that reached the best ``val_metric``."""
        best = max if self.direction == "maximize" else min
        return best(self.epochs, key=lambda result: result.val_metric)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(result.seconds for result in self.epochs)


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite: the network or its settings cannot be trained.

    Attributes:
        epoch: The epoch, from 1.
        step: The step within the epoch, from 1.
        lr: The learning rate of that step.
        loss: The loss.
        kind: "training" or "validation".
    """

    def __init__(self, epoch: int, step: int, lr: float, loss: float, kind: str) -> None:
        super().__init__(epoch, step, lr, loss, kind)
        self.epoch = epoch
        self.step = step
        self.lr = lr
        self.loss = loss
        self.kind = kind

    def __str__(self) -> str:
        return (
            f"The {self.kind} loss must be finite, but is {self.loss} in epoch {self.epoch}, step "
            f"{self.step}, at learning rate {self.lr:.3g}: a lower lr or clip_grad_norm may help."
        )
