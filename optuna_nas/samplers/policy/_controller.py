"""The recurrent controller: a policy over decisions that need not be declared beforehand.

Every decision is one step of an LSTM that has read all earlier decisions of the same trial. A
distinct list of choices has a head of its own, made when it is first met, so conditional and
hierarchical spaces need no declaration. The anchors of a layer are read from one step by
set-selection attention over the steps at which earlier layers ended.

Letters: ``B`` trials, ``T`` steps, ``H`` hidden units, ``V`` choices of all heads together.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578.
    Pham et al., Efficient Neural Architecture Search via Parameter Sharing, arXiv:1802.03268 (the
    temperature and the tanh constant).

Differences from the papers:
    1. Heads and embeddings are drawn from a generator keyed by (seed, choices), so that a policy
       does not depend on the order in which a process met them.
    2. By default the cap on the logits grows with the number of choices such that no choice gets
       more than the same largest probability; ENAS has one constant for all.
    3. Names may have biases of their own, which tells positions apart sooner than the recurrent
       state does.
    4. The step after an anchor step reads the sum of what stands for the chosen layers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from optuna_nas._ground.keyed import mixed_seed
from optuna_nas.samplers.policy._frozen import OWN_SCALE, Array, FrozenController
from optuna_nas.samplers.policy._token_sequences import START

if TYPE_CHECKING:
    from optuna_nas.samplers.policy._settings import ControllerNetwork
    from optuna_nas.samplers.policy._token_sequences import Block, TokenSequence

__all__ = ["Controller", "Encoded"]


@dataclass(frozen=True)
class Encoded:
    """A trial's decisions in numbers of rows and steps, all of dtype long.

    Args:
        ids: Rows of the embeddings that the steps read, one step after the other.
        offsets: Where each step's rows begin in ``ids``, (T,).
        choice_step: Assignment of each choice.
        choice_row: Its row.
        choice_head: Its head.
        own_row: Rows of the biases that belong to the names of the choices, one name after the
            other; empty where names have none.
        own_choice: Which choice each of them is for.
        own_column: The row of the shared list that each of them is added to.
        bit_step: Assignment of each anchor.
        bit_source: Assignment that stands for the earlier layer, -1 where there is none.
        bit_own: Row of the bias that belongs to the anchor's name.
        bit_chosen: 1 where the earlier layer is read.
    """

    ids: Tensor
    offsets: Tensor
    choice_step: Tensor
    choice_row: Tensor
    choice_head: Tensor
    own_row: Tensor
    own_choice: Tensor
    own_column: Tensor
    bit_step: Tensor
    bit_source: Tensor
    bit_own: Tensor
    bit_chosen: Tensor


class Controller(nn.Module):
    """LSTM with a head per list of choices.

    Args:
        network: Its size and shape.
        seed: Seed of all initial weights.
    """

    embedding: nn.Parameter
    output: nn.Parameter
    bias: nn.Parameter
    own: nn.Parameter

    def __init__(self, network: ControllerNetwork, *, seed: int) -> None:
        super().__init__()
        size = network.hidden_size
        self.network = network
        self.seed = seed
        self.blocks: dict[Hashable, Block] = {}
        self.first_row: dict[Hashable, int] = {}  # of shared blocks and of names, each from 0
        self._row_block: list[int] = []
        self._row_cap: list[float] = []
        self._frozen: FrozenController | None = None
        with torch.random.fork_rng(devices=[]):  # the modules draw weights of their own first
            self.lstm = nn.LSTM(size, size, network.num_layers, batch_first=True)
            self.earlier = nn.Linear(size, size, bias=False)  # W_prev of the paper
            self.current = nn.Linear(size, size, bias=False)  # W_curr
            self.select = nn.Linear(size, 1, bias=False)  # v
        generator = torch.Generator().manual_seed(seed % 2**63)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-network.init_range, network.init_range, generator=generator)
        self.embedding = nn.Parameter(torch.empty(0, size))
        self.output = nn.Parameter(torch.empty(0, size))
        self.bias = nn.Parameter(torch.empty(0))
        self.own = nn.Parameter(torch.empty(0))  # in units of OWN_SCALE
        self.grow([START])

    def grow(self, blocks: Sequence[Block]) -> int:
        """Add heads and embeddings for blocks that are new; returns the number of new blocks."""
        before = len(self.blocks)
        for block in blocks:
            if block.key in self.blocks:
                continue
            if block.of_name:
                self.blocks[block.key] = block
                self.first_row[block.key] = len(self.own)
                self.own = nn.Parameter(torch.cat([self.own.detach(), torch.zeros(block.size)]))
                continue
            rows = _initial_rows(self.network, self.seed, block)
            embedding, output = map(torch.from_numpy, rows)
            self.blocks[block.key] = block
            self.first_row[block.key] = len(self._row_block)
            self._row_block += [len(self.blocks) - 1] * block.size
            self._row_cap += [self.network.cap(block.size)] * block.size
            self.embedding = nn.Parameter(torch.cat([self.embedding.detach(), embedding]))
            self.output = nn.Parameter(torch.cat([self.output.detach(), output]))
            self.bias = nn.Parameter(torch.cat([self.bias.detach(), torch.zeros(block.size)]))
        self.row_block = torch.tensor(self._row_block)
        self.row_cap = torch.tensor(self._row_cap)
        if len(self.blocks) > before:
            self.changed()
        return len(self.blocks) - before

    def frozen(self) -> FrozenController:
        """Return a copy of the controller as it stands, untouched by what it learns later."""
        if self._frozen is None:
            weights = {
                name: parameter.detach().clone().numpy()  # learning changes it in place
                for name, parameter in self.named_parameters()
            }
            initial_rows = functools.partial(_initial_rows, self.network, self.seed)
            self._frozen = FrozenController(
                self.network, weights, dict(self.first_row), initial_rows
            )
        return self._frozen

    def changed(self) -> None:
        """Note that the weights have changed: roll-outs that begin from now on need new copies."""
        self._frozen = None

    def encode(self, sequence: TokenSequence) -> Encoded:
        """Number a trial's decisions; their blocks must have been grown."""
        ids: list[int] = []
        offsets: list[int] = []
        for bag in sequence.inputs:
            offsets.append(len(ids))
            ids += [self.first_row[key] + index for key, index in bag]
        choices, bits = sequence.choices, sequence.bits
        rows = [self.first_row[choice.block.key] + choice.index for choice in choices]
        own = [
            (self.first_row[choice.own.key] + k, i, self.first_row[choice.block.key] + k)
            for i, choice in enumerate(choices)
            for k in range(choice.own.size * self.network.name_bias)
        ]
        columns = (
            ids,
            offsets,
            [choice.step for choice in choices],
            rows,
            [self._row_block[row] for row in rows],
            [row for row, _, _ in own],
            [choice for _, choice, _ in own],
            [column for _, _, column in own],
            [bit.step for bit in bits],
            [-1 if bit.source is None else bit.source for bit in bits],
            [self.first_row[bit.own.key] + 1 for bit in bits],
            [int(bit.chosen) for bit in bits],
        )
        return Encoded(*(torch.tensor(column, dtype=torch.long) for column in columns))

    def forward(self, trials: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
        """Rate finished trials, of any sampler, by the policy.

        Args:
            trials: The decisions of B trials.

        Returns:
            Log-probability, entropy (both (B,), summed over decisions) and the probabilities of
            all anchor bits, in one row.
        """
        hidden_BTH = self.lstm(self._inputs(trials))[0]
        begins = torch.arange(len(trials)) * hidden_BTH.shape[1]
        hidden = hidden_BTH.flatten(0, 1)
        log_prob, entropy = self._choices(hidden, begins, trials)
        bits, bit_entropy, probabilities = self._bits(hidden, begins, trials)
        return log_prob + bits, entropy + bit_entropy, probabilities

    def _inputs(self, trials: Sequence[Encoded]) -> Tensor:
        lengths = [len(trial.offsets) for trial in trials]
        before = torch.tensor([0, *(len(trial.ids) for trial in trials[:-1])]).cumsum(0)
        offsets = torch.cat([t.offsets + b for t, b in zip(trials, before, strict=True)])
        ids = torch.cat([trial.ids for trial in trials])
        summed = F.embedding_bag(ids, self.embedding, offsets, mode="sum")
        return nn.utils.rnn.pad_sequence(list(torch.split(summed, lengths)), batch_first=True)

    def _choices(
        self, hidden: Tensor, begins: Tensor, trials: Sequence[Encoded]
    ) -> tuple[Tensor, Tensor]:
        owner = _owner([len(trial.choice_step) for trial in trials])
        at = torch.cat([trial.choice_step for trial in trials]) + begins[owner]
        head = torch.cat([trial.choice_head for trial in trials])
        row = torch.cat([trial.choice_row for trial in trials])
        raw = hidden[at] @ self.output.T + self.bias  # (N, V)
        if self.network.name_bias:
            counts = torch.tensor([0, *(len(trial.choice_step) for trial in trials[:-1])])
            first = counts.cumsum(0).tolist()
            of = torch.cat([t.own_choice + n for t, n in zip(trials, first, strict=True)])
            column = torch.cat([trial.own_column for trial in trials])
            own = OWN_SCALE * self.own[torch.cat([trial.own_row for trial in trials])]
            raw = raw.index_put((of, column), own, accumulate=True)
        # One product gives the logits of all V rows at every step, and those of other heads are
        # masked out: with tens of rows that is faster than a product for each list of choices.
        others = self.row_block[None, :] != head[:, None]
        logits = self.network.shaped(raw, self.row_cap, tanh=torch.tanh).masked_fill(
            others, -math.inf
        )
        log_p = logits.log_softmax(-1)
        chosen = log_p.gather(1, row[:, None])[:, 0]
        each = -(log_p.exp() * log_p.masked_fill(others, 0.0)).sum(-1)
        return _per_trial(chosen, owner, len(trials)), _per_trial(each, owner, len(trials))

    def _bits(
        self, hidden: Tensor, begins: Tensor, trials: Sequence[Encoded]
    ) -> tuple[Tensor, Tensor, Tensor]:
        owner = _owner([len(trial.bit_step) for trial in trials])
        if len(owner) == 0:
            nothing = hidden.new_zeros(len(trials))
            return nothing, nothing, hidden.new_zeros(0)
        at = torch.cat([trial.bit_step for trial in trials]) + begins[owner]
        source = torch.cat([trial.bit_source for trial in trials])
        # A layer without any step yet has the state 0, which is appended as one more row.
        source = torch.where(source < 0, len(hidden), source + begins[owner])
        states = torch.cat([hidden, hidden.new_zeros(1, hidden.shape[1])])
        own = self.own[torch.cat([trial.bit_own for trial in trials])]
        own = OWN_SCALE * self.network.name_bias * own
        logits = self.anchor_logits(states[source], hidden[at], own)
        chosen = torch.cat([trial.bit_chosen for trial in trials]).bool()
        yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
        p = yes.exp()
        each = -(p * yes + (1.0 - p) * no)
        log_p = torch.where(chosen, yes, no)
        return _per_trial(log_p, owner, len(trials)), _per_trial(each, owner, len(trials)), p

    def anchor_logits(self, earlier: Tensor, current: Tensor, own: Tensor) -> Tensor:
        """Compute logits of "the earlier layer feeds the current one" (arXiv:1611.01578, 3.3).

        Args:
            earlier: Hidden states at the earlier layers, (N, H).
            current: Hidden states at the current layers, (N, H).
            own: Biases of the anchors' names, (N,).

        Returns:
            Logits, (N,), capped like those of a decision between two choices.
        """
        raw = self.select(torch.tanh(self.earlier(earlier) + self.current(current)))[:, 0]
        logits: Tensor = self.network.shaped(raw + own, self.network.cap(2), tanh=torch.tanh)
        return logits


def _initial_rows(network: ControllerNetwork, seed: int, block: Block) -> tuple[Array, Array]:
    """Draw initial embeddings and output weights of a block, each (size, H).

    They depend on nothing else, so that a block that is new to a trial begins with the same rows
    as in the controller, whichever meets it first.
    """
    key = mixed_seed(seed, repr(block.key))
    generator = torch.Generator("cpu").manual_seed(key)
    drawn = torch.empty(2, block.size, network.hidden_size, device="cpu")
    drawn.uniform_(-network.init_range, network.init_range, generator=generator)
    return drawn[0].numpy(), drawn[1].numpy()


def _owner(counts: list[int]) -> Tensor:
    """Number the trial that each of the concatenated entries belongs to."""
    return torch.repeat_interleave(torch.tensor(counts))


def _per_trial(values: Tensor, owner: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add(0, owner, values)
