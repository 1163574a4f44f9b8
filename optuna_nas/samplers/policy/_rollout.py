"""One trial's decisions drawn from the controller, step by step as they are asked for.

The steps are computed with NumPy: a single step of ``torch.nn.LSTM`` costs ten times as much, and
there is one per decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optuna_nas._attributes import Attribute, number
from optuna_nas.keys import LOG_PROB_KEY
from optuna_nas.samplers.base._script import Proposal
from optuna_nas.samplers.policy._sentences import Anchor, Block, Reader

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Draw, Slot
    from optuna_nas.samplers.base._roles import Roles
    from optuna_nas.samplers.policy._controller import Controller
    from optuna_nas.samplers.policy._frozen import Array, FrozenController, State

__all__ = ["LOG_PROB", "Rollout"]

LOG_PROB = Attribute(LOG_PROB_KEY, number(-1e9, 1.0), system=True)


class Rollout(Proposal):
    """A walk of the controller along one trial, with the weights that it has when the walk begins.

    Args:
        controller: The policy.
        roles: Tells anchors.
        draw: Randomness of the trial.
        keep: Whether the log-probability is recorded with the trial.
    """

    def __init__(
        self,
        controller: Controller,
        roles: Roles,
        draw: Draw,
        *,
        keep: bool = False,
    ) -> None:
        self.log_prob = 0.0
        frozen = controller.frozen()
        self._place = frozen.start
        self._walker = _Walker(frozen)
        self._draw = draw
        self._keep = keep
        self._reader = Reader(roles)
        self._at: str | None = None
        self._anchor: Anchor | None = None
        self._log_p: list[float] = []

    def choose(self, slot: Slot, candidates: Sequence[int]) -> int:
        self._go_to(slot)
        weights = [math.exp(self._log_p[index]) for index in candidates]
        left = self._draw.uniform(slot.name) * sum(weights)
        for index, weight in zip(candidates, weights, strict=True):
            left -= weight
            if left < 0.0:
                return index
        return candidates[-1]

    def note(self, slot: Slot, index: int) -> None:
        self._go_to(slot)
        self.log_prob += self._log_p[index]
        self._reader.tell(slot, index, self._anchor)
        self._place = self._place.after(slot, index)
        self._at = None

    def attributes(self) -> Mapping[str, Any]:
        return {LOG_PROB_KEY: self.log_prob} if self._keep else {}

    def _go_to(self, slot: Slot) -> None:
        """Read all decisions so far, and put the log-probabilities of this one in place."""
        if self._at == slot.name:
            return
        self._at = slot.name
        self._anchor = self._reader.ask(slot)
        if self._reader.step == len(self._walker.hidden):
            self._step()
        log_p = self._place.log_p.get(slot)
        if log_p is None:
            log_p = self._place.log_p[slot] = self._compute(slot)
        self._log_p = log_p

    def _step(self) -> None:
        if self._place.state is None:
            blocks = self._reader.blocks
            inputs = self._reader.sentence.inputs[-1]
            self._place.state = self._walker.step([(blocks[key], index) for key, index in inputs])
        self._walker.go_on(self._place.state)

    def _compute(self, slot: Slot) -> list[float]:
        if self._anchor is None:
            log_p: list[float] = self._walker.choice(Block.of(slot), Block.own(slot)).tolist()
            return log_p
        logit = self._walker.anchor(self._reader.source(self._anchor), Block.own(slot))
        return [-math.log1p(math.exp(logit)), -math.log1p(math.exp(-logit))]


class _Walker:
    """The controller's arithmetic for one trial.

    Args:
        frozen: Whose weights are used.
    """

    def __init__(self, frozen: FrozenController) -> None:
        self.hidden: list[Array] = []
        self._frozen = frozen
        zeros = np.zeros(frozen.shape.hidden_size, frozen.weights["bias"].dtype)
        self._memory: State = [(zeros, zeros)] * frozen.shape.num_layers

    def go_on(self, memory: State) -> None:
        """Take the state that the next step leads to."""
        self._memory = memory
        self.hidden.append(memory[-1][0])

    def step(self, inputs: Sequence[tuple[Block, int]]) -> State:
        """The state after reading the sum of some embeddings."""
        state: Array = sum(
            (self._frozen.rows(block)[0][index] for block, index in inputs[1:]),
            self._frozen.rows(inputs[0][0])[0][inputs[0][1]],
        )
        w = self._frozen.weights
        memory: State = []
        for k, (hidden, cell) in enumerate(self._memory):
            gates = w[f"lstm.weight_ih_l{k}"] @ state + w[f"lstm.bias_ih_l{k}"]
            gates += w[f"lstm.weight_hh_l{k}"] @ hidden + w[f"lstm.bias_hh_l{k}"]
            into, forget, new, out = gates.reshape(4, -1)  # the order of torch.nn.LSTM
            cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(new)
            state = _sigmoid(out) * np.tanh(cell)
            memory.append((state, cell))
        return memory

    def choice(self, block: Block, own: Block) -> Array:
        """Log-probabilities of the choices of a name at the present step."""
        _, output, bias = self._frozen.rows(block)
        raw = output @ self.hidden[-1] + bias
        if self._frozen.shape.name_bias:
            raw = raw + self._frozen.own(own)
        logits = self._shaped(raw, block.size).astype(np.float64)
        logits -= logits.max()
        result: Array = logits - math.log(np.exp(logits).sum())
        return result

    def anchor(self, source: int | None, own: Block) -> float:
        """Logit of "the layer that ended at step ``source`` feeds the present one"."""
        w = self._frozen.weights
        now = w["current.weight"] @ self.hidden[-1]
        if source is not None:
            now = now + w["earlier.weight"] @ self.hidden[source]
        raw = w["select.weight"] @ np.tanh(now)
        if self._frozen.shape.name_bias:
            raw = raw + self._frozen.own(own)[1]
        return float(self._shaped(raw, 2)[0])

    def _shaped(self, logits: Array, size: int) -> Array:
        shape = self._frozen.shape
        return shape.shaped(logits, shape.cap(size), tanh=np.tanh)


def _sigmoid(x: Array) -> Array:
    """The logistic function, without overflow."""
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result
