"""One network that learns, batch by batch: optimizer, gradient scaler and average of weights.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from optuna_nas._ground.inputs import Inputs, length
from optuna_nas.training._distributed import Processes, together
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.data import Batch
from optuna_nas.training.loop._average import average_of
from optuna_nas.training.loop._precision import precision_on
from optuna_nas.training.optim import make_optimizer, restore_optimizer, set_batch_norm
from optuna_nas.training.task import Task

__all__ = ["Learner"]


class Learner:
    """A network with all that changes while it learns.

    Args:
        model: On ``device``.
        recipe: Optimizer, loss, precision and average.
        task: Task that it learns, bound to data and recipe.
        device: Where it learns.
        processes: Processes that learn together.
        compile: Whether the training step's forward pass is compiled.
        accumulate: Parts in which a batch is learned, one after the other.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        task: Task,
        device: torch.device,
        processes: Processes,
        *,
        compile: bool = False,
        accumulate: int = 1,
    ) -> None:
        set_batch_norm(model, recipe)
        self.model = model
        self.optimizer = make_optimizer(model, recipe)
        self.precision = precision_on(device, recipe.precision)
        self.scaler = self.precision.scaler()
        self.average: AveragedModel | None = None  # from the first step on
        self._recipe = recipe
        self._task = task
        self._processes = processes
        self._accumulate = accumulate
        network = together(model, device)
        self._network = torch.compile(network) if compile else network

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the average where there is one."""
        return self.model if self.average is None else self.average.module

    def step(self, batch: Batch, lr: float) -> torch.Tensor:
        """Learn from a batch and return the mean loss of this process, without gradient."""
        self.optimizer.zero_grad()
        parts = max(1, min(self._accumulate, len(batch) // 2))  # batch norm needs two
        pieces = batch.parted(parts)
        losses = [self._learn(*piece, batch.whole) for piece in pieces]
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self._update()
        if parts == 1:
            return losses[0]
        sizes = torch.tensor([length(inputs) for inputs, _ in pieces], device=losses[0].device)
        return (torch.stack(losses) * sizes).sum() / len(batch)

    def loss(self, inputs: Inputs, target: Inputs) -> torch.Tensor:
        """Return the mean loss of a batch, with its gradient."""
        with self.precision.autocast():
            return self._task.losses(self._task.forward(self._network, inputs), target)

    def _learn(self, inputs: Inputs, target: Inputs, whole: int) -> torch.Tensor:
        """Add the gradient of some of a batch's ``whole`` examples; return their mean loss."""
        loss = self._checked(self.loss(inputs, target))
        # Each part's gradient counts by its examples; DistributedDataParallel takes the mean.
        share = length(inputs) * self._processes.count / whole
        self._backward(loss if share == 1 else loss * share)
        return loss.detach()

    def _checked(self, loss: object) -> torch.Tensor:
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            return loss.reshape(())
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss)
        raise ValueError(
            f"The loss of task {self._task.name!r} must be one number, the mean of the batch, but "
            f"is of {got}."
        )

    def keep_average(self) -> AveragedModel:
        """Return the average of the weights, which begins as they are now."""
        if self.average is None:
            assert self._recipe.ema_decay is not None
            self.average = average_of(self.model, self._recipe.ema_decay)
        return self.average

    def state(self) -> dict[str, Any]:
        """Return all that changes while learning."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what a learner of the same network was when it gave its ``state``."""
        self.model.load_state_dict(state["model"])
        restore_optimizer(self.optimizer, state["optimizer"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        if state["average"] is not None:
            self.keep_average().load_state_dict(state["average"])

    def finish(self) -> None:
        """Leave the model with the weights that count, in eval mode."""
        if self.average is not None:
            self.model.load_state_dict(self.average.module.state_dict())
        self.model.eval()

    def _backward(self, loss: torch.Tensor) -> None:
        if not loss.requires_grad:
            raise ValueError(
                f"`model` must have a loss that depends on its weights, but the output of "
                f"{type(self.model).__name__} has no gradient: it was computed within "
                "torch.no_grad(), or detached."
            )
        if self.scaler is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def _update(self) -> None:
        """Clip the gradients and take one step."""
        if self._recipe.clip_grad_norm is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self._recipe.clip_grad_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self._recipe.ema_decay is not None:
            self.keep_average().update_parameters(self.model)
