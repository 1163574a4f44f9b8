"""Proposals: what a sampler would like the next trial to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution

from optuna_nas._ground.checks import shown
from optuna_nas.samplers.base._decisions import Assignment

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Decision

__all__ = ["FixedProposal", "Proposal"]


class Proposal:
    """A sampler's proposal for one trial; this base proposes nothing, so that all is drawn.

    A proposal follows its trial: it is asked for each decision that is free, and told of each one
    that is made, by itself or otherwise (enqueued values, choices that would repeat a known
    architecture). Subclass it where later choices depend on earlier ones; where all are known
    beforehand, :class:`FixedProposal` or a plain mapping of parameters will do.

    Attributes:
        repeats: Whether known decisions are proposed on purpose, to be evaluated anew where
            known ones are otherwise avoided.
    """

    repeats: bool = False

    def choose(self, decision: Decision, candidates: Sequence[int]) -> int | None:
        """Propose the choice of one decision.

        Args:
            decision: The decision that is asked for.
            candidates: Numbers of its choices that are open, in ascending order, never empty.

        Returns:
            One of ``candidates``. None, or any other number, has one of them drawn uniformly.
        """
        return None

    def note(self, decision: Decision, index: int) -> None:
        """Take in a decision of the trial; called for each one, in the order of asking."""

    def attributes(self) -> Mapping[str, Any]:
        """Return system attributes to record with the trial, once its decisions are made."""
        return {}


class FixedProposal(Proposal):
    """A proposal whose decisions are all known beforehand.

    What it does not name is drawn uniformly, and so is an integer that lies outside the range
    asked for (ranges may grow during a study). Names that the trial does not ask for are passed
    over.

    Args:
        params: For each name the value of the parameter, or an :class:`Assignment`.
        attributes: System attributes to record with the trial, ready for JSON.
        repeats: See :class:`Proposal`.

    Example::

        FixedProposal({"op_0": "skip_connect", "num_layers": 3}, {"mine:parent": 12})
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        attributes: Mapping[str, Any] | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self.repeats = repeats
        self._params = params
        self._attributes = attributes or {}

    def choose(self, decision: Decision, candidates: Sequence[int]) -> int | None:
        """Return the choice that is fixed for the decision, if there is one.

        Raises:
            ValueError: If its value is none of the decision's choices.
        """
        if decision.name not in self._params:
            return None
        fixed = self._params[decision.name]
        if isinstance(fixed, Assignment):
            return fixed.index if fixed.decision is decision else decision.index(fixed.value)
        _check_choice(decision, fixed)
        return decision.index(fixed)

    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes that were given."""
        return self._attributes


def _check_choice(decision: Decision, value: Any) -> None:
    """Raise if a value can never be one of the choices, however ranges grow."""
    if isinstance(decision.distribution, CategoricalDistribution):
        if decision.index(value) is not None:
            return
        rule = f"one of {shown(decision.distribution.choices)}"
    elif isinstance(value, Integral):  # those of NumPy as well
        return
    else:
        rule = "an integer"
    raise ValueError(
        f"A proposal for {decision.name!r} must be {rule}, but is {shown(value)}. Leave the name "
        "out to have it drawn."
    )
