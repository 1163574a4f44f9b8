"""The epochs of a search by alphas, from the first to the derived architecture.

References:
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the released code:
    1. Alpha's batches go through its images in a new order again and again; there each is drawn
       anew from all of them.
    2. The supernet's accuracy is that on ``data.val``, which neither weights nor alphas learn
       from; there it is that on alpha's images.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._keyed import derived_seed
from optuna_nas.nn import set_drop_path
from optuna_nas.nn.supernets import edges_of
from optuna_nas.objectives.one_shot._learner import EDGES, BilevelLearner
from optuna_nas.objectives.one_shot._perturbation import Perturbation, Rows, select
from optuna_nas.objectives.one_shot._readings import scopes_of
from optuna_nas.spaces import DARTSSpace
from optuna_nas.training import EpochResult, NonFiniteLossError, Processes
from optuna_nas.training.data import Batch, Feed
from optuna_nas.training.loop import Checkpoints, Evaluation, evaluate_split, seeded
from optuna_nas.training.optim import drop_path, learning_rate

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._eigenvalue import EigenvalueStop
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import ImageData, Recipe

__all__ = ["AlphaSearch", "split_for_alpha"]


def split_for_alpha(data: ImageData, share: float) -> tuple[ImageData, ImageData]:
    """Part the training images in index order: the first are for the weights, the last for alpha.

    Raises:
        ValueError: If a part has fewer than two images.
    """
    count = len(data.train)
    first = count - int(count * share)
    if min(first, count - first) < 2:
        raise ValueError(
            f"`alpha_share` must leave two training images for the weights and two for alpha, but "
            f"got alpha_share={share} and {count} images."
        )
    order = torch.arange(count)
    return (
        dataclasses.replace(data, train=data.train.take(order[:first])),
        dataclasses.replace(data, train=data.train.take(order[first:])),
    )


class AlphaSearch:
    """One search: a supernet that learns, and the images that it is fed and judged with.

    Args:
        learner: The supernet, its alphas and their optimizers.
        data: On any device.
        recipe: How the weights learn; batch size and augmentation are alpha's too.
        epochs: At least 1.
        warmup: Epochs in which only the weights learn.
        alpha_share: Of the training images.
        seed: Of data order, augmentation and what is drawn.
        device: Where the learner is.
        stop: Ends the search before that.
        watch_eigenvalue: Whether the eigenvalue is computed after each epoch.
    """

    def __init__(
        self,
        learner: BilevelLearner,
        data: ImageData,
        recipe: Recipe,
        *,
        epochs: int,
        warmup: int,
        alpha_share: float,
        seed: int,
        device: torch.device,
        stop: EigenvalueStop | None = None,
        watch_eigenvalue: bool = False,
    ) -> None:
        self._learner = learner
        self._data = data
        self._recipe = recipe
        self._epochs = epochs
        self._warmup = warmup
        self._seed = seed
        self._device = device
        self._stop = stop
        self._watches = watch_eigenvalue or stop is not None
        weights, alpha = split_for_alpha(data, alpha_share)
        self._feed = Feed(weights, recipe, seed, device, Processes())
        self._alpha_feed = Feed(alpha, recipe, derived_seed(seed, 0, "alpha"), device, Processes())
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

    def select(self, perturbation: Perturbation) -> dict[str, Any]:
        """Decide on the architecture by perturbations of the trained supernet.

        Returns:
            Its params.
        """
        network = self._learner.network
        supernet = network.supernet
        network.eval()
        rows = {name: row.tolist() for name, row in network.mixture().items()}
        tuned = itertools.count(1)

        def use(decided: Rows) -> None:
            mixture = {
                name: torch.tensor(row, device=self._device)
                for name, row in (rows | decided).items()
            }
            for mixed in (network, self._learner.evaluated):  # an average of weights is a copy
                mixed.decided = mixture  # type: ignore[assignment]

        def accuracy(rows: Rows) -> float:
            use(rows)
            return self._judge().accuracy

        def tune(rows: Rows) -> None:
            use(rows)
            self._tune(perturbation, next(tuned))

        selected = select(
            {name: row for name, row in rows.items() if not name.endswith(EDGES)},
            supernet.choices,
            accuracy,
            tune,
            scopes=scopes_of(supernet.space),
            nodes=_nodes(supernet.space, rows),
            seed=derived_seed(self._seed, 0, "perturbation"),
        )
        use(selected)
        return dict(supernet.derive(network.decided).params)

    def _tune(self, perturbation: Perturbation, number: int) -> None:
        """Let the weights recover from a decision."""
        self._learner.network.train()
        epochs = perturbation.tune_epochs
        recipe = dataclasses.replace(
            self._recipe,
            lr=self._recipe.lr * perturbation.lr_share,
            lr_min=min(self._recipe.lr_min, self._recipe.lr * perturbation.lr_share),
            warmup_epochs=0.0,
        )
        for epoch in range(epochs):
            key = self._epochs + number * epochs + epoch  # no epoch of the search
            for step, batch in enumerate(self._feed.epoch(key)):
                done = epoch * self._feed.steps + step
                lr = learning_rate(recipe, done, self._feed.steps, epochs)
                self._learner.step(batch, None, lr)

    def _judge(self) -> Evaluation:
        return evaluate_split(
            self._learner.evaluated,
            self._val,
            self._data,
            self._device,
            self._learner.learner.precision,
        )

    def _stops_at(self) -> int | None:
        if self._stop is None:
            return None
        return self._stop.stops_at(
            [reading.eigenvalue or 0.0 for reading in self._learner.readings]
        )

    def _epoch(self, epoch: int) -> EpochResult:
        started = time.perf_counter()
        self._learner.network.progress = (epoch - 1) / max(1, self._epochs - 1)
        with seeded(derived_seed(self._seed, epoch, "network"), device=self._device):
            train_loss = self._train(epoch)
            judged = self._judge()
        if not math.isfinite(judged.loss):
            last = self._feed.steps - 1
            lr = self._learning_rate(epoch, last)
            raise NonFiniteLossError(epoch, last + 1, lr, judged.loss, "validation")
        self._learner.take_reading(next(self._alpha_batches(epoch)) if self._watches else None)
        return EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=judged.loss,
            val_accuracy=judged.accuracy,
            seconds=time.perf_counter() - started,
            lr=self._learning_rate(epoch, 0),
        )

    def _train(self, epoch: int) -> float:
        """Return the mean loss per image."""
        self._learner.network.train()
        done = (epoch - 1) * self._feed.steps
        p = drop_path(self._recipe, done, self._feed.steps, self._epochs)
        set_drop_path(self._learner.network, p)
        total, images = 0.0, 0
        alpha_learns = epoch > self._warmup
        for step, (train, val) in enumerate(
            zip(self._feed.epoch(epoch), self._alpha_batches(epoch), strict=False)
        ):
            lr = self._learning_rate(epoch, step)
            loss = float(self._learner.step(train, val if alpha_learns else None, lr))
            if not math.isfinite(loss):
                raise NonFiniteLossError(epoch, step + 1, lr, loss, "training")
            total += loss * train.whole
            images += train.whole
        return total / images

    def _alpha_batches(self, epoch: int) -> Iterator[Batch]:
        """Batches without end; what is drawn is keyed by (epoch, number of the pass)."""
        passes = -(-self._feed.steps // self._alpha_feed.steps)
        for number in itertools.count(epoch * passes):
            yield from self._alpha_feed.epoch(number)

    def _learning_rate(self, epoch: int, step: int) -> float:
        done = (epoch - 1) * self._feed.steps + step
        return learning_rate(self._recipe, done, self._feed.steps, self._epochs)


def _nodes(space: SearchSpace, names: Iterable[str]) -> dict[str, list[str]]:
    """The edges into each node, in spaces where two of them are kept."""
    nodes: dict[str, list[str]] = {}
    if isinstance(space, DARTSSpace):
        for name in names:
            if not name.endswith(EDGES):
                nodes.setdefault(edges_of(name), []).append(name)
    return nodes
