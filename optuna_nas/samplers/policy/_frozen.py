"""A controller as it stood at one moment, in NumPy, for the trials that began then.

Several trials may be open while others finish, and with each of these the controller may learn
or grow. A trial reads the weights and the rows of one moment from its first decision to its last;
otherwise its decisions would come from a mixture of policies, and rows could be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.policy._sentences import Block
    from optuna_nas.samplers.policy._settings import ControllerShape

__all__ = ["OWN_SCALE", "Array", "FrozenController", "Place", "State"]

OWN_SCALE = 10.0  # Adam moves every weight alike, and a bias has to go further

Array = npt.NDArray[np.floating[Any]]
State = list[tuple[Array, Array]]  # hidden and cell state of every LSTM layer


class FrozenController:
    """Copies of the weights and of the numbering of rows.

    Args:
        shape: Sizes and shaping.
        weights: By the names of the controller's parameters.
        first_row: Of each block, by its key.
        initial_rows: Draws the initial embeddings and output weights of a block.

    Attributes:
        start: Where all walks begin; what they compute is shared among them.
    """

    def __init__(
        self,
        shape: ControllerShape,
        weights: Mapping[str, Array],
        first_row: Mapping[Hashable, int],
        initial_rows: Callable[[Block], tuple[Array, Array]],
    ) -> None:
        self.shape = shape
        self.weights = weights
        self.start = Place()
        self._first_row = first_row
        self._initial_rows = initial_rows

    def rows(self, block: Block) -> tuple[Array, Array, Array]:
        """Embeddings, output weights and biases of a block; the initial ones if it is new."""
        first = self._first_row.get(block.key)
        if first is None:
            embedding, output = self._initial_rows(block)
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
