"""Token sequences: a trial's decisions as the controller reads them, with steps and anchor bits.

Anchors of a layer are named ``layer_07_from_03`` and are booleans; all of one layer are one step.
The step that stands for layer 3 is the last one whose decision begins with ``layer_03_``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers.base import Assignment, Decision, Roles

__all__ = ["START", "Anchor", "Bit", "Block", "Choice", "Reader", "TokenSequence", "read"]


@dataclass(frozen=True)
class Block:
    """Rows of weights in the controller: of a list of choices, a name, or a special token.

    Args:
        key: Identity of the block; its ``repr`` seeds the initial weights, so it never changes.
        size: Number of rows.
        of_name: Whether it is the biases of one name rather than something that names share.
    """

    key: Hashable
    size: int
    of_name: bool = False

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def of(decision: Decision) -> Block:
        """Return the block that all decisions with the choices of ``decision`` share."""
        dist = decision.distribution
        if isinstance(dist, CategoricalDistribution):
            kinds = tuple(type(choice).__name__ for choice in dist.choices)
            return Block(("choices", dist.choices, kinds), decision.size)
        return Block(("integers", dist.low, dist.high, dist.step), decision.size)

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def own(decision: Decision) -> Block:
        """Return the block that belongs to the name of ``decision`` alone."""
        return Block(("own", decision.name, Block.of(decision).key), decision.size, of_name=True)


START = Block("start", 1)
ANCHOR = Block("anchor", 1)

Token = tuple[Hashable, int]  # block key and row within the block


@dataclass(frozen=True)
class Anchor:
    """The name of an anchor, taken apart.

    Args:
        layer: Prefix of the names of the layer's decisions, such as ``layer_07_``.
        source: Prefix of those of the earlier layer, such as ``layer_03_``.
    """

    layer: str
    source: str

    @classmethod
    def of(cls, decision: Decision, roles: Roles) -> Anchor | None:
        """Read ``decision`` as an anchor; None if it is an ordinary decision."""
        if roles.of(decision.name) != "anchor":
            return None
        if getattr(decision.distribution, "choices", None) != (False, True):
            return None
        match = re.search(r"^(.*?)(\d+)_from_(\d+)$", decision.name)
        if match is None:
            return None
        scope, layer, source = match.groups()
        return cls(f"{scope}{layer}_", f"{scope}{source}_")

    @property
    def block(self) -> Block:
        """Token of the earlier layer in the input of the step after the anchors."""
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
class TokenSequence:
    """A whole trial: the tokens that each step reads, and the choices made there.

    Args:
        inputs: Tokens read at each step; several (the chosen anchors) are summed.
        choices: Choices, in order.
        bits: Anchors, in order.
        blocks: All blocks by key.
    """

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
        self.sequence = TokenSequence()
        self._roles = roles
        self._next: list[Token] = [(START.key, 0)]
        self._group: str | None = None
        self._ended: dict[str, int] = {}

    @property
    def blocks(self) -> dict[Hashable, Block]:
        """All blocks that the inputs so far refer to."""
        return {START.key: START, **self.sequence.blocks}

    @property
    def step(self) -> int:
        """The present step."""
        return len(self.sequence.inputs) - 1

    def ask(self, decision: Decision) -> Anchor | None:
        """Go to the step of a decision, and return it as an anchor if it is one."""
        anchor = Anchor.of(decision, self._roles)
        if anchor is None or anchor.layer != self._group:
            self.sequence.inputs.append(tuple(self._next))
            self._group = None if anchor is None else anchor.layer
            self._next = [] if anchor is None else [(ANCHOR.key, 0)]
        return anchor

    def source(self, anchor: Anchor) -> int | None:
        """Return the step that stands for the earlier layer, if it had any."""
        return self._ended.get(anchor.source)

    def tell(self, decision: Decision, index: int, anchor: Anchor | None) -> None:
        """Take in the choice made at the present step."""
        own = Block.own(decision)
        if anchor is None:
            block = Block.of(decision)
            self.sequence.choices.append(Choice(self.step, block, own, index))
            self._next = [(block.key, index)]
        else:
            block = anchor.block
            self.sequence.blocks[ANCHOR.key] = ANCHOR
            self.sequence.bits.append(Bit(self.step, self.source(anchor), own, bool(index)))
            self._next += [(block.key, 0)] * bool(index)
        self.sequence.blocks |= {block.key: block, own.key: own}
        for scope in re.finditer(r"\d+_", decision.name):
            self._ended[decision.name[: scope.end()]] = self.step


def read(decisions: Mapping[str, Assignment], roles: Roles) -> TokenSequence:
    """Read a trial's decisions, given in the order of asking, as a token sequence."""
    reader = Reader(roles)
    for decision, index in decisions.values():
        reader.tell(decision, index, reader.ask(decision))
    return reader.sequence
