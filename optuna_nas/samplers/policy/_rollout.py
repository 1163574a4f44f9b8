"""One trial's decisions drawn from the controller, step by step as they are asked for.

The steps are computed with NumPy: a single step of ``torch.nn.LSTM`` costs ten times as much, and
there is one per decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optuna_nas._ground.attributes import Attribute, number
from optuna_nas.keys import LOG_PROB_KEY
from optuna_nas.samplers.base import Proposal
from optuna_nas.samplers.policy._token_sequences import Anchor, Block, Reader

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Decision, KeyedGenerator, Roles
    from optuna_nas.samplers.policy._controller import Controller
    from optuna_nas.samplers.policy._frozen import Array, FrozenController, State

__all__ = ["LOG_PROB", "Rollout"]

LOG_PROB = Attribute(LOG_PROB_KEY, number(-1e9, 1.0), system=True)


class Rollout(Proposal):
    """A roll-out of the controller along one trial, with the weights of the moment it begins.

    Args:
        controller: The policy.
        roles: Tells anchors.
        rng: Randomness of the trial.
        keep: Whether the log-probability is recorded with the trial.

    Attributes:
        log_prob: Log-probability of the decisions so far.
    """

    def __init__(
        self,
        controller: Controller,
        roles: Roles,
        rng: KeyedGenerator,
        *,
        keep: bool = False,
    ) -> None:
        self.log_prob = 0.0
        frozen = controller.frozen()
        self._cache = frozen.start
        self._stepper = _LSTMStepper(frozen)
        self._rng = rng
        self._keep = keep
        self._reader = Reader(roles)
        self._at: str | None = None
        self._anchor: Anchor | None = None
        self._log_p: list[float] = []

    def choose(self, decision: Decision, candidates: Sequence[int]) -> int:
        """Draw one of the candidates from the policy, restricted to them."""
        self._go_to(decision)
        weights = [math.exp(self._log_p[index]) for index in candidates]
        left = self._rng.random(decision.name) * sum(weights)
        for index, weight in zip(candidates, weights, strict=True):
            left -= weight
            if left < 0.0:
                return index
        return candidates[-1]

    def note(self, decision: Decision, index: int) -> None:
        """Read a decision of the trial, and add its log-probability."""
        self._go_to(decision)
        self.log_prob += self._log_p[index]
        self._reader.tell(decision, index, self._anchor)
        self._cache = self._cache.after(decision, index)
        self._at = None

    def attributes(self) -> Mapping[str, Any]:
        """Return the log-probability, if it is kept."""
        return {LOG_PROB_KEY: self.log_prob} if self._keep else {}

    def _go_to(self, decision: Decision) -> None:
        """Read all decisions so far, and compute the log-probabilities of this one."""
        if self._at == decision.name:
            return
        self._at = decision.name
        self._anchor = self._reader.ask(decision)
        if self._reader.step == len(self._stepper.hidden):
            self._step()
        log_p = self._cache.log_p.get(decision)
        if log_p is None:
            log_p = self._cache.log_p[decision] = self._compute(decision)
        self._log_p = log_p

    def _step(self) -> None:
        if self._cache.state is None:
            blocks = self._reader.blocks
            inputs = self._reader.sequence.inputs[-1]
            tokens = [(blocks[key], index) for key, index in inputs]
            self._cache.state = self._stepper.step(tokens)
        self._stepper.go_on(self._cache.state)

    def _compute(self, decision: Decision) -> list[float]:
        if self._anchor is None:
            block, own = Block.of(decision), Block.own(decision)
            log_p: list[float] = self._stepper.choice(block, own).tolist()
            return log_p
        source = self._reader.source(self._anchor)
        logit = self._stepper.anchor(source, Block.own(decision))
        return [-math.log1p(math.exp(logit)), -math.log1p(math.exp(-logit))]


class _LSTMStepper:
    """The controller's arithmetic for one trial, step by step.

    Args:
        frozen: The weights.

    Attributes:
        hidden: Output of the last layer after every step so far.
    """

    def __init__(self, frozen: FrozenController) -> None:
        self.hidden: list[Array] = []
        self._frozen = frozen
        zeros = np.zeros(frozen.network.hidden_size, frozen.weights["bias"].dtype)
        self._memory: State = [(zeros, zeros)] * frozen.network.num_layers

    def go_on(self, memory: State) -> None:
        """Take the state that the next step leads to."""
        self._memory = memory
        self.hidden.append(memory[-1][0])

    def step(self, inputs: Sequence[tuple[Block, int]]) -> State:
        """Compute the state after reading the sum of some embeddings."""
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
        """Compute log-probabilities of the choices of a name at the present step."""
        _, output, bias = self._frozen.rows(block)
        raw = output @ self.hidden[-1] + bias
        if self._frozen.network.name_bias:
            raw = raw + self._frozen.own(own)
        logits = self._shaped(raw, block.size).astype(np.float64)
        logits -= logits.max()
        result: Array = logits - math.log(np.exp(logits).sum())
        return result

    def anchor(self, source: int | None, own: Block) -> float:
        """Compute the logit of "the layer that ended at step ``source`` feeds the present one"."""
        w = self._frozen.weights
        now = w["current.weight"] @ self.hidden[-1]
        if source is not None:
            now = now + w["earlier.weight"] @ self.hidden[source]
        raw = w["select.weight"] @ np.tanh(now)
        if self._frozen.network.name_bias:
            raw = raw + self._frozen.own(own)[1]
        return float(self._shaped(raw, 2)[0])

    def _shaped(self, logits: Array, size: int) -> Array:
        network = self._frozen.network
        return network.shaped(logits, network.cap(size), tanh=np.tanh)


def _sigmoid(x: Array) -> Array:
    """Compute the logistic function, without overflow."""
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result
