"""Weights that all children of a supernet share, trained one child per batch.

References:
    [Pham2018] Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
    arXiv:1802.03268.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas._ground.keyed import derived_seed
from optuna_nas._ground.per_process import PerProcess
from optuna_nas.nn.ops import use_batch_statistics
from optuna_nas.objectives.one_shot._supernets import run_supernet
from optuna_nas.training import EpochResult, NonFiniteLossError, Processes, seeded
from optuna_nas.training.loop import (
    Checkpoints,
    Learner,
    evaluate_split,
    keyed_generator,
)
from optuna_nas.training.optim import learning_rate

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._weights_place import KeptWeights
    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces.base import Supernet
    from optuna_nas.training import Data, Recipe, Task

__all__ = ["ChildNetwork", "Children", "SharedWeights"]

Children = Callable[[int, int], "Sequence[Architecture]"]  # of (epoch, steps): one for each step


class ChildNetwork(nn.Module):
    """A supernet as the network of one child after the other.

    Args:
        supernet: Its batch norms use the statistics of the batch from now on.

    Attributes:
        child: Which one it is.
    """

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        use_batch_statistics(supernet)
        self.supernet = supernet
        self.child: Architecture | None = None

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> Any:
        assert self.child is not None
        return run_supernet(self.supernet, inputs, named, architecture=self.child)


class SharedWeights(PerProcess):
    """The weights of one supernet, and how far they have been trained.

    Args:
        supernet: On ``device``.
        data: The weights learn from ``train``, children are evaluated on ``val``.
        task: Loss and metric.
        recipe: How they learn.
        epochs: Length of the schedule.
        seed: Seed of data order and all that is random.
        device: Where they are.
        run: Settings that the weights belong to, ready for JSON; a checkpoint of others is
            refused.
        on_epoch: Called after every epoch that is trained here.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Data,
        task: Task,
        recipe: Recipe,
        *,
        epochs: int,
        seed: int,
        device: torch.device,
        run: dict[str, Any],
        on_epoch: Callable[[EpochResult], None] | None = None,
    ) -> None:
        for alpha in supernet.alphas().values():
            alpha.requires_grad_(False)
        self._network = ChildNetwork(supernet)
        # Bound once: what data tell of a task is not counted again at each of thousands of trials.
        self._task = task.bound_to(data, recipe)
        self._learner = Learner(self._network, recipe, self._task, device, Processes())
        self._data = data
        self._recipe = recipe
        self._epochs = epochs
        self._seed = seed
        self._device = device
        self._feed = data.feed(recipe, seed, device, Processes())
        self._val = data.val.to(device)
        self._results: list[EpochResult] = []
        self._run = run
        self._kept: KeptWeights | None = None
        self._on_epoch = on_epoch
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.RLock()  # the weights themselves go along to another process

    @property
    def epochs_done(self) -> int:
        """For how many epochs they have been trained."""
        return len(self._results)

    def keep_in(self, kept: KeptWeights) -> None:
        """Keep the weights after every epoch from now on, and go on from those that are there.

        Args:
            kept: Place of the study's weights; always the same.

        Raises:
            ValueError: If they are kept elsewhere already.
        """
        with self._lock:
            if self._kept is not None and self._kept.name != kept.name:
                raise ValueError(
                    f"`checkpoints` keep the weights of one study, {self._kept.name!r}, but the "
                    f"trial belongs to {kept.name!r}: make another objective for that one."
                )
            self._kept = kept

    def train_until(self, epochs: int, children: Children) -> None:
        """Train them until they have had so many epochs, unless another process has done so.

        Args:
            epochs: More than the schedule's are not trained.
            children: Asked at the beginning of each epoch.

        Raises:
            NonFiniteLossError: If a loss is NaN or infinite.
        """
        needed = min(epochs, self._epochs)
        with self._lock:
            if self.epochs_done >= needed:
                return
            # Another process may have trained further: its weights count, and one at a time adds
            # an epoch to them.
            kept = self._kept
            with contextlib.nullcontext() if kept is None else kept.alone():
                checkpoints = None if kept is None else Checkpoints(kept.slot, self._run)
                if checkpoints is not None:
                    self._results = checkpoints.restore(self._learner) or self._results
                while self.epochs_done < needed:
                    self._results.append(self._epoch(self.epochs_done + 1, children))
                    if checkpoints is not None:
                        checkpoints.save(self._learner, self._results)
                    if self._on_epoch is not None:
                        self._on_epoch(self._results[-1])

    def metric_on_batch(self, child: Architecture, key: int) -> float:
        """Return a child's metric on one batch of validation examples, the weights frozen.

        Args:
            child: Of the space.
            key: Decides which examples; equal keys, equal examples.
        """
        count = min(self._recipe.batch_size, len(self._val))
        order = torch.randperm(
            len(self._val), generator=keyed_generator(self._seed, key, "reward")
        )
        return self._metric(child, self._val.take(order[:count]))

    def metric(self, child: Architecture) -> float:
        """Return a child's metric on all validation examples, the weights frozen."""
        return self._metric(child, self._val)

    def _metric(self, child: Architecture, split: Any) -> float:
        with self._lock:
            self._network.child = child
            found = evaluate_split(
                self._network,
                split,
                self._data,
                self._task,
                self._device,
                batch_size=self._recipe.batch_size,
            )
        return found.metric

    def _epoch(self, epoch: int, children: Children) -> EpochResult:
        started = time.perf_counter()
        total, examples = 0.0, 0
        self._network.train()
        with seeded(derived_seed(self._seed, epoch, "network"), device=self._device):
            # One child per batch: the sampled path alone gets gradients, and the optimizer skips
            # parameters without one, so that momentum and decay do not move the others.
            batches = zip(children(epoch, self._feed.steps), self._feed.epoch(epoch), strict=True)
            for step, (child, batch) in enumerate(batches):
                self._network.child = child
                lr = self._learning_rate(epoch, step)
                loss = float(self._learner.step(batch, lr))
                if not math.isfinite(loss):
                    raise NonFiniteLossError(epoch, step + 1, lr, loss, "training")
                total += loss * batch.whole
                examples += batch.whole
        return EpochResult(
            epoch=epoch,
            train_loss=total / examples,
            val_loss=math.nan,  # children are validated, not weights
            val_metric=math.nan,
            seconds=time.perf_counter() - started,
            lr=self._learning_rate(epoch, 0),
        )

    def _learning_rate(self, epoch: int, step: int) -> float:
        done = (epoch - 1) * self._feed.steps + step
        return learning_rate(self._recipe, done, self._feed.steps, self._epochs)
