"""The growth of a space: the decisions that it asks for at each of its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas.samplers.base import Assignment, Proposal
from optuna_nas.samplers.base._plan import DryRun, TrialPlan

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Decision, Roles, SpaceLike
    from optuna_nas.samplers.base._decisions import DecisionTable

__all__ = ["Growth"]

DRY_RUNS = 3


class Growth:
    """A space whose decisions are known once its size is.

    Args:
        space: The space that is searched.
        table: Decisions of the study.
        roles: Tells which decision is the size.

    Attributes:
        size: The decision that is the size.

    Raises:
        ValueError: If the space has no decision of the role ``growth``, or several.
    """

    def __init__(self, space: SpaceLike, table: DecisionTable, roles: Roles) -> None:
        self._space, self._table = space, table
        asked = [decision for decision, _ in self._ask({}, run=0)]
        sizes = [d for d in asked if d.size > 1 and roles.of(d.name) == "growth"]
        if len(sizes) != 1:
            found = ", ".join(decision.name for decision in sizes) or "none"
            raise ValueError(
                "`space` must have one size that can grow, such as PNASSpace(num_blocks=(1, 5)), "
                f"but {space!r} has {found}. A size of another name is declared with "
                'roles={"name": "growth"}.'
            )
        self.size = sizes[0]
        self.decisions = cache(self._decisions_of)

    def size_of(self, level: int) -> dict[str, Assignment]:
        """Return the decision for the size of a level, counted from 0."""
        return {self.size.name: Assignment(self.size, level)}

    def _decisions_of(self, level: int) -> tuple[Decision, ...]:
        """Find the decisions of a level beside the size, in the order of asking.

        The space is a program, so it is run: with the size fixed, and the other decisions drawn
        several times, since what it asks for must not depend on them.

        Raises:
            ValueError: If it does, or a smaller level asks for more.
        """
        size = self.size.value(level)
        runs = [self._ask({self.size.name: size}, run=run) for run in range(DRY_RUNS)]
        found = {
            tuple(made.decision for made in run if made.decision is not self.size) for run in runs
        }
        smaller = set(self.decisions(level - 1)) if level else set()
        if len(found) > 1 or not smaller <= set(next(iter(found))):
            raise ValueError(
                f"`space` must ask for decisions that depend on its size {self.size.name!r} "
                f"alone, and for more at every size, but {size} is asked for differently. Use "
                "PredictorSampler, which learns what depends on what."
            )
        return found.pop()

    def added(self, level: int) -> tuple[Decision, ...]:
        """Return the decisions that a level has and the one before it has not."""
        smaller = set(self.decisions(level - 1)) if level else set()
        return tuple(decision for decision in self.decisions(level) if decision not in smaller)

    def _ask(self, fixed: Mapping[str, Any], *, run: int) -> tuple[Assignment, ...]:
        rng = KeyedGenerator(0, run, stream=1)
        plan = TrialPlan(rng, proposal=Proposal(), fixed=fixed, cursor=None, unseen=False)
        self._space.suggest(DryRun(plan, self._table, -1, fixed))
        return plan.sequence
