"""Hooks that the author of a space writes: two that every space has, and others with a default.

``SearchSpace`` calls them, for the spaces of this package as for those of a user.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from optuna.distributions import BaseDistribution

from optuna_nas.drawing import Graph
from optuna_nas.spaces.base._one_shot import AlphaLayout
from optuna_nas.spaces.base._relaxation import Choices, no_relaxation
from optuna_nas.spaces.decisions import (
    DecisionTrial,
    Probe,
    first_decisions,
    name_pattern,
    probe,
    read_decisions,
)

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.spaces.base._architecture import Architecture

__all__ = ["SpaceHooks"]


class SpaceHooks(ABC):
    """The hooks of :class:`SearchSpace`, which says what a space must have."""

    name: ClassVar[str]

    # Hooks that every space writes

    @abstractmethod
    def decide(self, trial: DecisionTrial) -> Any:
        """Ask for the decisions and return the genotype that they spell.

        The choices or the range of a name must not depend on other decisions; whether it is asked
        for at all may.

        Args:
            trial: Has ``suggest_categorical`` (choices are None, booleans, numbers or strings)
                and ``suggest_int``, and ``params`` with the decisions so far.
        """

    @abstractmethod
    def build_network(self, genotype: Any, /, *args: Any, **kwargs: Any) -> nn.Module:
        """``build_network(genotype, *, ...)``: make the network of a genotype.

        Its further arguments are those of ``architecture.build``. All have defaults, those of the
        final network; an objective gives ``num_classes`` and ``in_channels`` where they are taken.
        """

    # Hooks with a default

    @property
    def conditional(self) -> bool:
        """Whether some decisions are asked only after others have been made.

        The default finds it out by a few walks through the decisions. Where these miss a
        condition, the first architecture that meets it is refused, and the class must say
        ``conditional = True``.
        """
        return self._probe.conditional

    def canonical(self, genotype: Any) -> Any:
        """Return a JSON-able form that only equal networks share, or None (default).

        ``architecture.digest`` is the hash of this form, by which results are reused and
        samplers know repetitions. None stands for the decisions themselves: sound, but equal
        networks that are decided otherwise are not recognised.
        """
        return None

    def owns(self, name: str) -> bool:
        """Tell whether spaces of this kind, with whatever settings, may ask for ``name``.

        Parameters that a space owns but does not ask for are refused, since they belong to
        another architecture. The default owns the names that it asks for itself, whatever numbers
        stand in them: with ``layer_1_op`` also ``layer_9_op``. A conditional space must write this
        hook if some of its names are asked under rare conditions only.

        Args:
            name: Without prefix.
        """
        return name_pattern(name) in self._probe.patterns

    def format(self, genotype: Any) -> str | None:
        """Write the field's notation; None (default) is ``name=value, ...`` of the decisions."""
        return None

    def encode(self, text: str) -> Mapping[str, Any]:
        """Read the notation that :meth:`format` writes as decisions without prefix.

        Raises:
            ValueError: If the text is wrong; the message should point at the place
                (:class:`Scanner` and :func:`text_error` of ``optuna_nas.spaces.base`` do).
        """
        return read_decisions(text, self.decide, self)

    def graph(self, genotype: Any) -> Graph | None:
        """Describe the picture; None (default) is a chain of boxes with the decisions."""
        return None

    def relax(
        self, fixed: Mapping[str, Any], /, *args: Any, **kwargs: Any
    ) -> tuple[nn.Module, Choices]:
        """``relax(fixed, *, ...)``: the network of the supernet, and what each alpha chooses from.

        The network is called as ``network(x, selection=selection)``, with ``x`` whatever the
        supernet is called with (several tensors, or named ones). The selection has for each name
        mixing weights ``(O,)`` or the number of the only choice that takes part. A name with a
        single choice gets no alpha. If the network has an attribute ``supernet_hooks``, its
        ``path``, ``discretise`` and ``alpha_layout`` count instead of the space's.

        Args:
            fixed: Decisions that are made beforehand, by full name.

        Returns:
            The network, and the choices by name without prefix. Where all decisions are
            categorical and unconditional, the latter are ``open_choices(self, fixed)``.
        """
        raise no_relaxation(self)

    def path(self, architecture: Architecture) -> Mapping[str, Any]:
        """Return what an architecture chooses for each alpha that it uses.

        The default has an alpha for each decision, of the same name.
        """
        prefix = architecture.space.prefix
        return {name.removeprefix(prefix): value for name, value in architecture.items}

    def discretise(self, weights: Mapping[str, Mapping[Any, float]]) -> Mapping[str, Any]:
        """Return the decisions to which mixing weights by choice lead.

        The default takes the largest for each decision; ties keep the first.
        """
        return {name: max(of, key=of.__getitem__) for name, of in weights.items()}

    def alpha_layout(self, choices: Choices) -> AlphaLayout:
        """Return the part that each alpha of a supernet plays: in which cell, on which edge.

        The default is one cell of operations, whose skip connections are called ``identity`` or
        ``skip_connect``.

        Args:
            choices: Choices of each alpha, by name without prefix.
        """
        return AlphaLayout(choices=choices)

    # What the defaults go by

    @cached_property
    def _probe(self) -> Probe:
        return probe(self.decide, self)

    @cached_property
    def _first_decisions(self) -> Mapping[str, BaseDistribution]:
        return first_decisions(self.decide, self)

    def _check_names(self, asked: Set[str]) -> None:
        """Raise if a space that says it is unconditional asks for other names at times."""
        if not self.conditional and asked != self._first_decisions.keys():
            name = min(asked ^ self._first_decisions.keys())
            raise ValueError(
                f"`conditional` of {type(self).__name__} must be True, since `{name}` is asked "
                "for under some decisions only. Write `conditional = True` in the class."
            )
