"""The epochs of a search by alphas, from the first to the derived architecture.

References:
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the released code:
    1. Alpha's batches go through its examples in a new order again and again; there each is
       sampled anew from all of them.
    2. The supernet's metric is that on ``data.val``, which neither weights nor alphas learn
       from; there it is that on alpha's examples.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.checks import is_int, shown
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.nn import set_drop_path
from optuna_nas.objectives.one_shot._learner import BilevelLearner
from optuna_nas.objectives.one_shot._trained import SearchedSupernet
from optuna_nas.training import EpochResult, NonFiniteLossError, Processes
from optuna_nas.training.data import Batch
from optuna_nas.training.loop import Checkpoints, Evaluation, evaluate_split, seeded
from optuna_nas.training.optim import drop_path, learning_rate

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
    from optuna_nas.objectives.one_shot.variants import DARTSVariant, Selection
    from optuna_nas.training import Data, Recipe, Task

__all__ = ["AlphaSearch", "split_for_alpha"]


def split_for_alpha(data: Data, share: float) -> tuple[Data, Data]:
    """Part the training examples in order: the first are for the weights, the last for alpha.

    Raises:
        ValueError: If a part has fewer than two examples.
    """
    count = len(data.train)
    first = count - int(count * share)
    if min(first, count - first) < 2:
        raise ValueError(
            f"`share` of alpha must leave two training {data.noun} for the weights and two for "
            f"alpha, but got share={share} and {count} {data.noun}: load more, or take a share "
            "nearer to 0.5."
        )
    order = torch.arange(count)
    return (
        data.holding(train=data.train.take(order[:first])),
        data.holding(train=data.train.take(order[first:])),
    )


class AlphaSearch:
    """One search: a supernet that learns, and the data that it is trained and evaluated on.

    Args:
        learner: The supernet, its alphas and their optimizers.
        data: On any device.
        task: Task that the learner learns, bound to data and recipe.
        recipe: Recipe of the weights; batch size and augmentation are alpha's too.
        alpha: Recipe of alpha, with its share of the training examples.
        variant: Decides when the search ends, and whether it needs the eigenvalue.
        epochs: At least 1.
        seed: Seed of data order, augmentation and all that is random.
        device: Where the learner is.
    """

    def __init__(
        self,
        learner: BilevelLearner,
        data: Data,
        task: Task,
        recipe: Recipe,
        alpha: AlphaRecipe,
        variant: DARTSVariant,
        *,
        epochs: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._learner = learner
        self._data = data
        self._task = task
        self._recipe = recipe
        self._epochs = epochs
        self._warmup = alpha.warmup_epochs
        self._seed = seed
        self._device = device
        self._variant = variant
        self._tuned: int | None = None
        for_weights, for_alpha = split_for_alpha(data, alpha.share)
        self._feed = for_weights.feed(recipe, seed, device, Processes())
        alpha_seed = derived_seed(seed, 0, "alpha")
        self._alpha_feed = for_alpha.feed(recipe, alpha_seed, device, Processes())
        self._val = data.val.to(device)

    def run(
        self,
        checkpoints: Checkpoints | None = None,
        on_epoch: Callable[[EpochResult], None] | None = None,
    ) -> dict[str, Any]:
        """Search, from the last checkpoint on if there is one.

        Args:
            checkpoints: Where the state is kept after every epoch.
            on_epoch: Called after every epoch, when ``learner.readings`` has one for each until
                then; what it raises ends the search. A run that goes on calls it first for the
                epochs that are restored.

        Returns:
            The params of the derived architecture.
        """
        results = [] if checkpoints is None else checkpoints.restore(self._learner)
        readings = self._learner.readings
        self._learner.readings = []
        for epoch in range(1, self._epochs + 1):
            if epoch <= len(results):
                self._learner.readings.append(readings[epoch - 1])
            else:
                results.append(self._epoch(epoch))
                if checkpoints is not None:
                    checkpoints.save(self._learner, results)
            if on_epoch is not None:
                on_epoch(results[epoch - 1])
            back_to = self._stops_at()
            if back_to is not None:
                return self._learner.readings[back_to - 1].params
        return self._learner.readings[-1].params

    def select(self, selection: Selection) -> dict[str, Any]:
        """Decide on the architecture after the search.

        Args:
            selection: Way to decide.

        Returns:
            Params of the architecture.
        """
        trained = SearchedSupernet(
            self._learner,
            seed=derived_seed(self._seed, 0, "perturbation"),
            evaluate=self._score,
            tune=self._tune,
        )
        return trained.derive(selection)

    def _score(self) -> float:
        """Return the metric so that more is better, which selections go by."""
        found = self._evaluate().metric
        return found if self._task.direction == "maximize" else -found

    def _tune(self, epochs: int, lr_share: float) -> None:
        """Let the weights recover from a decision."""
        self._learner.network.train()
        lr = self._recipe.lr * lr_share
        recipe = dataclasses.replace(
            self._recipe, lr=lr, lr_min=min(self._recipe.lr_min, lr), warmup_epochs=0.0
        )
        if self._tuned is None:
            self._tuned = self._epochs + epochs
        for epoch in range(epochs):
            # Each epoch of tuning has a number of its own, beyond those of the search: batches in
            # another order than ever before.
            for step, batch in enumerate(self._feed.epoch(self._tuned)):
                done = epoch * self._feed.steps + step
                self._learner.step(
                    batch, None, learning_rate(recipe, done, self._feed.steps, epochs)
                )
            self._tuned += 1

    def _evaluate(self) -> Evaluation:
        return evaluate_split(
            self._learner.evaluated,
            self._val,
            self._data,
            self._task,
            self._device,
            self._learner.learner.precision,
        )

    def _stops_at(self) -> int | None:
        stop, readings = self._variant.stop, self._learner.readings
        if stop is None:
            return None
        number = stop.stops_at(readings)
        last = len(readings)
        first = 1 if stop.goes_back else last
        if number is not None and (not is_int(number) or not first <= number <= last):
            raise ValueError(
                f"`stops_at` of {stop} must return None or "
                f"{f'an epoch from 1 to {last}' if stop.goes_back else f'the last epoch, {last}'},"
                f" but returned {shown(number)}. A stop that may return an earlier one says "
                "`goes_back: ClassVar[bool] = True`."
            )
        return number

    def _epoch(self, epoch: int) -> EpochResult:
        started = time.perf_counter()
        self._learner.network.progress = (epoch - 1) / max(1, self._epochs - 1)
        with seeded(derived_seed(self._seed, epoch, "network"), device=self._device):
            train_loss = self._train(epoch)
            found = self._evaluate()
        if not math.isfinite(found.loss):
            last = self._feed.steps - 1
            lr = self._learning_rate(epoch, last)
            raise NonFiniteLossError(epoch, last + 1, lr, found.loss, "validation")
        watches = self._variant.needs_eigenvalue
        self._learner.take_reading(next(self._alpha_batches(epoch)) if watches else None)
        return EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=found.loss,
            val_metric=found.metric,
            seconds=time.perf_counter() - started,
            lr=self._learning_rate(epoch, 0),
        )

    def _train(self, epoch: int) -> float:
        """Return the mean loss per example."""
        self._learner.network.train()
        done = (epoch - 1) * self._feed.steps
        p = drop_path(self._recipe, done, self._feed.steps, self._epochs)
        set_drop_path(self._learner.network, p)
        total, examples = 0.0, 0
        alpha_learns = epoch > self._warmup
        for step, (train, val) in enumerate(
            zip(self._feed.epoch(epoch), self._alpha_batches(epoch), strict=False)
        ):
            lr = self._learning_rate(epoch, step)
            loss = float(self._learner.step(train, val if alpha_learns else None, lr))
            if not math.isfinite(loss):
                raise NonFiniteLossError(epoch, step + 1, lr, loss, "training")
            total += loss * train.whole
            examples += train.whole
        return total / examples

    def _alpha_batches(self, epoch: int) -> Iterator[Batch]:
        """Batches without end; their random state is keyed by (epoch, number of the pass)."""
        passes = -(-self._feed.steps // self._alpha_feed.steps)
        for number in itertools.count(epoch * passes):
            yield from self._alpha_feed.epoch(number)

    def _learning_rate(self, epoch: int, step: int) -> float:
        done = (epoch - 1) * self._feed.steps + step
        return learning_rate(self._recipe, done, self._feed.steps, self._epochs)
