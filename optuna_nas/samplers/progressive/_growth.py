"""How a space grows: what it asks for at each of its sizes, found out by asking it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna_nas.samplers.base._decisions import Draw, SlotTable
from optuna_nas.samplers.base._script import Proposal, Rehearsal, Script

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.base._roles import Roles
    from optuna_nas.samplers.base._sampler import SpaceLike
    from optuna_nas.samplers.base._trie import Step

__all__ = ["Growth"]

WALKS = 3


class Growth:
    """A space whose decisions are known once its size is.

    Args:
        space: What is searched.
        slots: Of the study.
        roles: Tells which decision is the size.

    Attributes:
        slot: The size.

    Raises:
        ValueError: If the space has no decision of the role ``growth``, or several.
    """

    def __init__(self, space: SpaceLike, slots: SlotTable, roles: Roles) -> None:
        self._space, self._slots = space, slots
        asked = [slot for slot, _ in self._ask({}, walk=0)]
        sizes = [slot for slot in asked if slot.size > 1 and roles.of(slot.name) == "growth"]
        if len(sizes) != 1:
            found = ", ".join(slot.name for slot in sizes) or "none"
            raise ValueError(
                "`space` must have one size that can grow, such as PNASSpace(num_blocks=(1, 5)), "
                f"but {space!r} has {found}. A size of another name is declared with "
                'roles={"name": "growth"}.'
            )
        self.slot = sizes[0]
        self.program = cache(self._program)

    def size(self, level: int) -> dict[str, Step]:
        """The decision for the size of a level, counted from 0."""
        return {self.slot.name: (self.slot, level)}

    def _program(self, level: int) -> tuple[Slot, ...]:
        """What is decided at a level beside the size, in the order of asking.

        Raises:
            ValueError: If it depends on other decisions, or a smaller level asks for more.
        """
        size = self.slot.value(level)
        walks = [self._ask({self.slot.name: size}, walk=walk) for walk in range(WALKS)]
        programs = {tuple(slot for slot, _ in walk if slot is not self.slot) for walk in walks}
        smaller = set(self.program(level - 1)) if level else set()
        if len(programs) > 1 or not smaller <= set(next(iter(programs))):
            raise ValueError(
                f"`space` must ask for what its size {self.slot.name!r} alone decides, and for "
                f"more at every size, but {size} is asked for differently. Use PredictorSampler, "
                "which learns what hangs on what."
            )
        return programs.pop()

    def added(self, level: int) -> tuple[Slot, ...]:
        """What a level decides that the one before it does not."""
        smaller = set(self.program(level - 1)) if level else set()
        return tuple(slot for slot in self.program(level) if slot not in smaller)

    def _ask(self, fixed: Mapping[str, Any], *, walk: int) -> tuple[Step, ...]:
        draw = Draw(0, walk, stream=1)
        script = Script(draw, proposal=Proposal(), fixed=fixed, cursor=None, fresh=False)
        self._space.suggest(Rehearsal(script, self._slots, -1, fixed))
        return script.sequence
