"""A trial's decisions as the controller reads them: steps, choices at steps, anchor bits.

Anchors of a layer are named ``layer_07_from_03`` and are booleans; all of one layer are one step.
The step that stands for layer 3 is the last one whose decision begins with ``layer_03_``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers.base._decisions import Slot
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.base._trie import Step

__all__ = ["START", "Anchor", "Bit", "Block", "Choice", "Reader", "Sentence", "read"]


@dataclass(frozen=True)
class Block:
    """Something with rows of its own in the controller: a list of choices, or a special token.

    Args:
        key: What tells it from others; its ``repr`` seeds its initial weights.
        size: Number of rows.
        of_name: Whether it is the biases of one name rather than something that names share.
    """

    key: Hashable
    size: int
    of_name: bool = False

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def of(slot: Slot) -> Block:
        """The block that all decisions with the choices of ``slot`` share."""
        dist = slot.distribution
        if isinstance(dist, CategoricalDistribution):
            kinds = tuple(type(choice).__name__ for choice in dist.choices)
            return Block(("choices", dist.choices, kinds), slot.size)
        return Block(("integers", dist.low, dist.high, dist.step), slot.size)

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def own(slot: Slot) -> Block:
        """What belongs to the name of ``slot`` alone."""
        return Block(("own", slot.name, Block.of(slot).key), slot.size, of_name=True)


START = Block("start", 1)
ANCHOR = Block("anchor", 1)

Token = tuple[Hashable, int]  # block key and row within the block


@dataclass(frozen=True)
class Anchor:
    """The name of an anchor, taken apart.

    Args:
        layer: What the decisions of the layer begin with, such as ``layer_07_``.
        source: What those of the earlier layer begin with, such as ``layer_03_``.
    """

    layer: str
    source: str

    @classmethod
    def of(cls, slot: Slot, roles: Roles) -> Anchor | None:
        """Read ``slot`` as an anchor; None if it is an ordinary decision."""
        if roles.of(slot.name) != "anchor":
            return None
        if getattr(slot.distribution, "choices", None) != (False, True):
            return None
        match = re.search(r"^(.*?)(\d+)_from_(\d+)$", slot.name)
        if match is None:
            return None
        scope, layer, source = match.groups()
        return cls(f"{scope}{layer}_", f"{scope}{source}_")

    @property
    def block(self) -> Block:
        """What stands for the earlier layer in the input of the step after the anchors."""
        return Block(("layer", self.source), 1)


@dataclass(frozen=True)
class Choice:
    """A choice made at a step, from a list that several names may share."""

    step: int
    block: Block
    own: Block
    index: int


@dataclass(frozen=True)
class Bit:
    """An anchor: whether the layer of ``step`` reads the layer that ended at step ``source``."""

    step: int
    source: int | None
    own: Block
    chosen: bool


@dataclass
class Sentence:
    """A whole trial: what each step reads, and what was decided there."""

    inputs: list[tuple[Token, ...]] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    bits: list[Bit] = field(default_factory=list)
    blocks: dict[Hashable, Block] = field(default_factory=dict)


class Reader:
    """Turns decisions, in the order of asking, into steps of the controller.

    Args:
        roles: Tells anchors.
    """

    def __init__(self, roles: Roles) -> None:
        self.sentence = Sentence()
        self._roles = roles
        self._next: list[Token] = [(START.key, 0)]
        self._group: str | None = None
        self._ended: dict[str, int] = {}

    @property
    def blocks(self) -> dict[Hashable, Block]:
        """All blocks that the inputs so far refer to."""
        return {START.key: START, **self.sentence.blocks}

    @property
    def step(self) -> int:
        """The present step."""
        return len(self.sentence.inputs) - 1

    def ask(self, slot: Slot) -> Anchor | None:
        """Go to the step of a decision, and return it as an anchor if it is one."""
        anchor = Anchor.of(slot, self._roles)
        if anchor is None or anchor.layer != self._group:
            self.sentence.inputs.append(tuple(self._next))
            self._group = None if anchor is None else anchor.layer
            self._next = [] if anchor is None else [(ANCHOR.key, 0)]
        return anchor

    def source(self, anchor: Anchor) -> int | None:
        """The step that stands for the earlier layer, if it had any."""
        return self._ended.get(anchor.source)

    def tell(self, slot: Slot, index: int, anchor: Anchor | None) -> None:
        """Take in what was decided at the present step."""
        own = Block.own(slot)
        if anchor is None:
            block = Block.of(slot)
            self.sentence.choices.append(Choice(self.step, block, own, index))
            self._next = [(block.key, index)]
        else:
            block = anchor.block
            self.sentence.blocks[ANCHOR.key] = ANCHOR
            self.sentence.bits.append(Bit(self.step, self.source(anchor), own, bool(index)))
            self._next += [(block.key, 0)] * bool(index)
        self.sentence.blocks |= {block.key: block, own.key: own}
        for scope in re.finditer(r"\d+_", slot.name):
            self._ended[slot.name[: scope.end()]] = self.step


def read(decisions: Mapping[str, Step], roles: Roles) -> Sentence:
    """The sentence of a trial's decisions, given in the order of asking."""
    reader = Reader(roles)
    for slot, index in decisions.values():
        reader.tell(slot, index, reader.ask(slot))
    return reader.sentence
