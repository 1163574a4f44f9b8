"""A controller frozen at one moment, in NumPy, for the trials that began then.

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
    from optuna_nas.samplers.base import Decision
    from optuna_nas.samplers.policy._settings import ControllerNetwork
    from optuna_nas.samplers.policy._token_sequences import Block

__all__ = ["OWN_SCALE", "Array", "FrozenController", "PrefixCache", "State"]

OWN_SCALE = 10.0  # Adam moves every weight alike, and a bias has to go further

Array = npt.NDArray[np.floating[Any]]
State = list[tuple[Array, Array]]  # hidden and cell state of every LSTM layer


class FrozenController:
    """Copies of the weights and of the numbering of rows.

    Args:
        network: Size and shape of the controller.
        weights: Weights by the names of the controller's parameters.
        first_row: Number of the first row of each block, by its key.
        initial_rows: Draws the initial embeddings and output weights of a block.

    Attributes:
        start: Cache of the empty prefix, where all roll-outs begin.
    """

    def __init__(
        self,
        network: ControllerNetwork,
        weights: Mapping[str, Array],
        first_row: Mapping[Hashable, int],
        initial_rows: Callable[[Block], tuple[Array, Array]],
    ) -> None:
        self.network = network
        self.weights = weights
        self.start = PrefixCache()
        self._first_row = first_row
        self._initial_rows = initial_rows

    def rows(self, block: Block) -> tuple[Array, Array, Array]:
        """Return embeddings, output weights and biases of a block; initial ones if it is new."""
        first = self._first_row.get(block.key)
        if first is None:
            embedding, output = self._initial_rows(block)
            return embedding, output, np.zeros(block.size, embedding.dtype)
        rows = slice(first, first + block.size)
        w = self.weights
        return w["embedding"][rows], w["output"][rows], w["bias"][rows]

    def own(self, block: Block) -> Array:
        """Return the biases of one name."""
        first = self._first_row.get(block.key)
        if first is None:
            return np.zeros(block.size)
        biases: Array = OWN_SCALE * self.weights["own"][first : first + block.size]
        return biases


class PrefixCache:
    """The computations after one prefix of decisions, shared by all roll-outs that begin so.

    A policy that has nearly converged makes the same first decisions again and again, in search
    of something unseen: twenty proposals for a trial cost little more than one. The caches form a
    tree, and hold for the weights of one moment.

    Attributes:
        state: State of the LSTM after reading the prefix; None before it is computed.
        log_p: Log-probabilities of the choices of the decisions that may follow.
    """

    def __init__(self) -> None:
        self.state: State | None = None
        self.log_p: dict[Decision, list[float]] = {}
        self._following: dict[tuple[Decision, int], PrefixCache] = {}

    def after(self, decision: Decision, index: int) -> PrefixCache:
        """Return the cache of the prefix that is longer by one decision."""
        cache = self._following.get((decision, index))
        if cache is None:
            cache = self._following[decision, index] = PrefixCache()
        return cache
