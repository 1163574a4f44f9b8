"""A controller as it stood at one moment, in NumPy, for the trials that began then.

Several trials may be open while others finish, and with each of these the controller may learn
or grow. A trial reads the weights and the rows of one moment from its first decision to its last;
otherwise its decisions would come from a mixture of policies, and rows could be missing.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.policy._controller import Controller
    from optuna_nas.samplers.policy._sentences import Block
    from optuna_nas.samplers.policy._settings import ControllerShape

__all__ = ["OWN_SCALE", "Array", "FrozenController", "Place", "State", "initial_rows"]

OWN_SCALE = 10.0  # Adam moves every weight alike, and a bias has to go further

Array = npt.NDArray[np.floating[Any]]
State = list[tuple[Array, Array]]  # hidden and cell state of every LSTM layer


class FrozenController:
    """Copies of the weights and of the numbering of rows.

    Args:
        controller: What is copied.

    Attributes:
        shape: Sizes and shaping.
        weights: By the names of the controller's parameters.
        start: Where all walks begin; what they compute is shared among them.
    """

    def __init__(self, controller: Controller) -> None:
        self.shape = controller.shape
        self.weights: dict[str, Array] = {
            name: parameter.detach().clone().numpy()  # torch learns in place
            for name, parameter in controller.named_parameters()
        }
        self.start = Place()
        self._seed = controller.seed
        self._first_row = dict(controller.first_row)

    def rows(self, block: Block) -> tuple[Array, Array, Array]:
        """Embeddings, output weights and biases of a block; the initial ones if it is new."""
        first = self._first_row.get(block.key)
        if first is None:
            embedding, output = (
                rows.numpy() for rows in initial_rows(self.shape, self._seed, block)
            )
            return embedding, output, np.zeros(block.size, embedding.dtype)
        rows = slice(first, first + block.size)
        w = self.weights
        return w["embedding"][rows], w["output"][rows], w["bias"][rows]

    def own(self, block: Block) -> Array:
        """Biases of one name."""
        first = self._first_row.get(block.key)
        if first is None:
            return np.zeros(block.size)
        biases: Array = OWN_SCALE * self.weights["own"][first : first + block.size]
        return biases


class Place:
    """A node of the tree of decisions, with what the policy computes there.

    A policy that has made up its mind walks the same way again and again, in search of something
    unseen. It holds for the weights of one moment.
    """

    def __init__(self) -> None:
        self.state: State | None = None
        self.log_p: dict[Slot, list[float]] = {}
        self._following: dict[tuple[Slot, int], Place] = {}

    def after(self, slot: Slot, index: int) -> Place:
        """The place that a decision leads to."""
        place = self._following.get((slot, index))
        if place is None:
            place = self._following[slot, index] = Place()
        return place


def initial_rows(shape: ControllerShape, seed: int, block: Block) -> tuple[Tensor, Tensor]:
    """Initial embeddings and output weights of a block, each (size, H).

    They depend on nothing else, so that a block that is new to a trial begins with the same rows
    as in the controller, whoever meets it first.
    """
    key = zlib.crc32(repr(block.key).encode())
    generator = torch.Generator("cpu").manual_seed((seed * 2654435761 + key) % 2**63)
    drawn = torch.empty(2, block.size, shape.hidden_size, device="cpu")
    drawn.uniform_(-shape.init_range, shape.init_range, generator=generator)
    return drawn[0], drawn[1]
