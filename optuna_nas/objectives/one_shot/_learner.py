"""A supernet whose weights and alphas learn in turn."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas.nn.supernets import MixedOp
from optuna_nas.objectives.one_shot._bilevel import (
    SGDStep,
    first_order,
    requiring,
    second_order,
)
from optuna_nas.objectives.one_shot._eigenvalue import largest_eigenvalue
from optuna_nas.objectives.one_shot._readings import SearchReading, take_reading
from optuna_nas.objectives.one_shot._supernets import run_supernet
from optuna_nas.training import Processes
from optuna_nas.training.data import Batch
from optuna_nas.training.loop import Learner
from optuna_nas.training.optim import restore_optimizer

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
    from optuna_nas.objectives.one_shot.variants import DARTSVariant, Mixing
    from optuna_nas.spaces.base import Supernet
    from optuna_nas.training import Recipe, Task

__all__ = ["BilevelLearner", "MixedNetwork"]


class MixedNetwork(nn.Module):
    """A supernet as a network like any other: mixed in one way, without further arguments.

    In train mode the weights are those of one batch, else those by which it is evaluated.

    Args:
        supernet: The supernet that is mixed.
        mixing: Way from its alphas to weights.

    Attributes:
        progress: Progress of the search, from 0 to 1.
        decided: Weights that are used instead of the alphas'; None: none.

    Raises:
        ValueError: If a user's mixing gives weights of another shape.
    """

    def __init__(self, supernet: Supernet, mixing: Mixing) -> None:
        super().__init__()
        self.decided: dict[str, torch.Tensor] | None = None
        self.supernet = supernet
        self.mixing = mixing
        self.progress = 0.0

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> Any:
        return run_supernet(self.supernet, inputs, named, mixture=self.mixture())

    def mixture(self) -> dict[str, torch.Tensor]:
        """The weights of each decision."""
        if self.decided is not None:
            return self.decided
        return {name: self._weights(name, alpha) for name, alpha in self.supernet.alphas().items()}

    def penalty(self) -> torch.Tensor | None:
        """The term that the mixing adds to the loss; None: nothing."""
        alphas, layout = self.supernet.alphas(), self.supernet.layout
        return self.mixing.penalty({name: alphas[name] for name in layout.operations}, layout)

    def _weights(self, name: str, alpha: torch.Tensor) -> torch.Tensor:
        # Edges share a node's sum whatever the mixing of operations: PC-DARTS has a softmax.
        if name in self.supernet.layout.edge_weights:
            return alpha.softmax(-1)
        mixing = self.mixing
        weights = mixing.sample(alpha, self.progress) if self.training else mixing.mean(alpha)
        if weights.shape != alpha.shape:
            raise ValueError(
                f"{mixing} must give a weight for each of the {len(alpha)} choices of {name!r}, "
                f"but gave a tensor of shape {tuple(weights.shape)}."
            )
        return weights


class BilevelLearner:
    """All that changes during a search.

    Args:
        supernet: On ``device``.
        task: Task that it learns, bound to data and recipe.
        recipe: Recipe of its weights.
        alpha: Recipe of its alphas.
        variant: Decides how it mixes, and by gradients of which order its alphas learn.
        device: Device that it learns on.
        recompute: Whether backward passes compute depthwise results again, to save memory.

    Attributes:
        network: The supernet, mixed.
        readings: One for each epoch until now.

    Raises:
        ValueError: If the space leaves nothing open, or the settings do not go together.
    """

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        recipe: Recipe,
        alpha: AlphaRecipe,
        variant: DARTSVariant,
        *,
        device: torch.device,
        recompute: bool = False,
    ) -> None:
        for module in supernet.modules():
            if isinstance(module, MixedOp):
                module.recomputes = recompute
        self.network = MixedNetwork(supernet, variant.mixing)
        self.readings: list[SearchReading] = []
        self._order = variant.order
        self._alpha = alpha
        self._alphas = list(supernet.alphas().values())
        self._weights = list(supernet.weights().values())
        if not self._alphas:
            raise ValueError(
                f"`space` must leave something open for alpha, but {supernet.space} has only one "
                "choice everywhere."
            )
        # The recipe's optimizer takes every parameter that requires a gradient, and alpha has an
        # optimizer of its own: it requires one only while its gradient is taken.
        for parameter in self._alphas:
            parameter.requires_grad_(False)
        self._learner = Learner(self.network, recipe, task, device, Processes())
        if self._learner.scaler is not None:
            raise ValueError(
                "`precision` must not be that of float16, whose small gradients alpha would lose, "
                f"but got precision={recipe.precision!r}: take bfloat16 or float32."
            )
        self._alpha_optimizer = torch.optim.Adam(
            self._alphas, lr=alpha.lr, betas=alpha.betas, weight_decay=alpha.weight_decay
        )

    @property
    def evaluated(self) -> MixedNetwork:
        """The network that counts: the average of the weights where there is one."""
        network = self._learner.evaluated
        assert isinstance(network, MixedNetwork)
        return network

    @property
    def learner(self) -> Learner:
        """The learner of the weights."""
        return self._learner

    def step(self, train: Batch, val: Batch | None, lr: float) -> torch.Tensor:
        """Let alpha learn from ``val``, if it is there, and then the weights from ``train``.

        Returns:
            The loss of the weights, without gradient.
        """
        if val is not None:
            self._alpha_optimizer.zero_grad()
            for parameter, gradient in zip(
                self._alphas, self.alpha_gradients(train, val, lr), strict=True
            ):
                parameter.grad = gradient
            self._alpha_optimizer.step()
            # The weights' step clips the norm of all gradients that there are: alpha's are gone.
            for parameter in self._alphas:
                parameter.grad = None
        return self._learner.step(train, lr)

    def alpha_gradients(self, train: Batch, val: Batch, lr: float) -> list[torch.Tensor]:
        """Return the gradient for each alpha at the step that is about to be taken."""
        if self._order == 1:
            return first_order(self._weights, self._alphas, lambda: self._loss(val))
        optimizer = self._learner.optimizer
        assert isinstance(optimizer, torch.optim.SGD)
        return second_order(
            self._weights,
            self._alphas,
            lambda: self._loss(train),
            lambda: self._loss(val),
            SGDStep.of(optimizer, self._weights, lr),
            exact=self._alpha.exact,
        )

    def take_reading(self, val: Batch | None) -> None:
        """Note the state after an epoch, with the eigenvalue on a batch if there is one."""
        self.network.eval()
        eigenvalue = None if val is None else self._eigenvalue(val)
        with torch.no_grad():
            mixture = self.network.mixture()
        self.readings.append(take_reading(self.network.supernet, mixture, eigenvalue))

    def state(self) -> dict[str, Any]:
        """Return all that changes while learning."""
        return {
            "weights": self._learner.state(),
            "alpha_optimizer": self._alpha_optimizer.state_dict(),
            "readings": [dataclasses.asdict(reading) for reading in self.readings],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take on the ``state`` of a learner of the same supernet."""
        self._learner.restore(state["weights"])
        restore_optimizer(self._alpha_optimizer, state["alpha_optimizer"])
        self.readings = [SearchReading(**reading) for reading in state["readings"]]

    def _loss(self, batch: Batch) -> torch.Tensor:
        loss = self._learner.loss(batch.inputs, batch.target)
        penalty = self.network.penalty()
        return loss if penalty is None else loss + penalty

    def _eigenvalue(self, val: Batch) -> float:
        # In eval mode, so that neither samples nor running statistics change by looking.
        with requiring(self._weights, False), requiring(self._alphas, True):
            return largest_eigenvalue(self._loss(val), self._alphas)
