"""Facts about a space that one-shot search goes by: a space says them, nothing else knows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna_nas._ground.checks import shown

__all__ = ["AlphaLayout", "OneShotDefaults"]


@dataclass(frozen=True, kw_only=True)
class OneShotDefaults:
    """Published settings of one-shot search in a space: the class constant ``one_shot``.

    A recipe is the name of one in :mod:`optuna_nas.training.recipes`, or the fields of a
    ``Recipe`` by which it differs from the search of DARTS (arXiv:1806.09055).

    Args:
        recipe: Recipe of the supernet's weights while alphas learn. Default: that of DARTS.
        shared_recipe: Recipe of weights that children share, without drop path. Default: None,
            the same as ``recipe``.
        controller: Name of the constructor of ``ReinforceSampler`` that ``optuna-nas enas`` takes
            by default. Default: ``"enas_micro"``.
    """

    recipe: str | Mapping[str, Any] = field(default_factory=dict)
    shared_recipe: str | Mapping[str, Any] | None = None
    controller: str = "enas_micro"


@dataclass(frozen=True, kw_only=True)
class AlphaLayout:
    """The alphas of a supernet, and what the entries of each stand for.

    The hook ``SearchSpace.alpha_layout`` returns it with names without prefix, and
    ``supernet.layout`` has it with full names.

    Args:
        choices: Choices that the entries of each alpha stand for, by name.
        cells: Names of the alphas over operations, cell by cell; the collapse of a search is
            looked for in each, and DARTS-PT decides them side by side. Default: one cell.
        edge_weights: Names of the alphas that weigh the edges into a node, as PC-DARTS has them.
            Their weights are always a softmax. Default: none.
        nodes: For each node that keeps only some of its edges, the names of their alphas, all of
            which offer ``nothing``. Default: none.
        edges_kept: Number of edges that such a node keeps, at least 1. Default: 2.
        skips: Choices that pass their input on. Default: ``"identity"`` and ``"skip_connect"``.
        nothing: Choice that gives zeros. Default: ``"none"``.

    Raises:
        ValueError: If a name is not one of ``choices``, or a node's edge cannot be nothing.

    Example::

        AlphaLayout(choices={"first": ("none", "conv"), "second": ("none", "conv")})
    """

    choices: Mapping[str, tuple[Any, ...]]
    cells: tuple[tuple[str, ...], ...] = ()
    edge_weights: frozenset[str] = frozenset()
    nodes: tuple[tuple[str, ...], ...] = ()
    edges_kept: int = 2
    skips: frozenset[Any] = frozenset({"identity", "skip_connect"})
    nothing: Any = "none"

    def __post_init__(self) -> None:
        if not self.cells:
            object.__setattr__(self, "cells", (self.operations,))
        for what, groups in (
            ("cells", self.cells),
            ("edge_weights", (self.edge_weights,)),
            ("nodes", self.nodes),
        ):
            unknown = sorted({name for group in groups for name in group} - self.choices.keys())
            if unknown:
                raise ValueError(
                    f"`{what}` must name alphas, which are {', '.join(self.choices)}, but got "
                    f"{shown(unknown)}: leave out what is not in `choices`."
                )
        for name in (name for node in self.nodes for name in node):
            if self.nothing not in self.choices[name]:
                raise ValueError(
                    f"`nodes` must name alphas with the choice {self.nothing!r}, which an edge "
                    f"gets that is not kept, but {name!r} chooses from {self.choices[name]}: add "
                    "it, or set `nothing`."
                )

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of all alphas but those that weigh edges."""
        return tuple(name for name in self.choices if name not in self.edge_weights)

    def with_prefix(self, prefix: str) -> AlphaLayout:
        """Return the layout with something put before all names.

        Args:
            prefix: That of the space.
        """

        def full(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(prefix + name for name in names)

        return dataclasses.replace(
            self,
            choices={prefix + name: values for name, values in self.choices.items()},
            cells=tuple(map(full, self.cells)),
            edge_weights=frozenset(prefix + name for name in self.edge_weights),
            nodes=tuple(map(full, self.nodes)),
        )
