"""Reading of a function's supernet: which choices make an architecture, and what alphas decide.

Where the function calls other spaces their own hooks say it, under their prefixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from optuna_nas._ground.checks import shown
from optuna_nas.spaces.base import AlphaLayout, Architecture, Choices, SearchSpace

__all__ = ["RelaxedFunction", "RelaxedPart"]


class RelaxedPart(NamedTuple):
    """A space that has its own supernet within that of a function.

    Args:
        space: The space.
        choices: The choices of its alphas, by the space's names without prefix.
    """

    space: SearchSpace
    choices: Choices


@dataclass(frozen=True)
class RelaxedFunction:
    """The hooks ``path``, ``discretise`` and ``alpha_layout``, as a supernet calls them.

    Args:
        parts: Spaces that have their own supernet, by their prefix.
    """

    parts: Mapping[str, RelaxedPart]

    def path(self, architecture: Architecture) -> Mapping[str, Any]:
        """Return what an architecture of the function chooses for each alpha that it uses."""
        prefix = architecture.space.prefix
        chosen = {name.removeprefix(prefix): value for name, value in architecture.items}
        for part, inner in architecture.genotype.parts.items():
            if part in self.parts:
                for name in inner.params:
                    del chosen[part + name.removeprefix(inner.space.prefix)]
                path = inner.space.path(inner)
                chosen |= {part + name: value for name, value in path.items()}
        return chosen

    def discretise(self, weights: Mapping[str, Mapping[Any, float]]) -> Mapping[str, Any]:
        """Return the decisions to which mixing weights by choice lead."""
        decided = {
            name: max(weights[name], key=weights[name].__getitem__) for name in self._own(weights)
        }
        for prefix, part in self.parts.items():
            inner = part.space.discretise({name: weights[prefix + name] for name in part.choices})
            decided |= {prefix + name: value for name, value in inner.items()}
        return decided

    def alpha_layout(self, choices: Choices) -> AlphaLayout:
        """Join the layouts of the spaces; the alphas of the function itself are one cell."""
        own = AlphaLayout(choices={name: choices[name] for name in self._own(choices)})
        layouts = [own]
        for prefix, part in self.parts.items():
            left = {n: values for n, values in part.choices.items() if prefix + n in choices}
            layouts.append(part.space.alpha_layout(left).with_prefix(prefix))
        kept = {layout.edges_kept for layout in layouts if layout.nodes} or {own.edges_kept}
        nothing = {layout.nothing for layout in layouts if layout.nodes} or {own.nothing}
        if len(kept) > 1 or len(nothing) > 1:
            raise ValueError(
                "The spaces within a function must agree on how many edges a node keeps, and on "
                f"the choice that is no edge, but got edges_kept={sorted(kept)} and "
                f"nothing={shown(sorted(nothing, key=repr))}: take one supernet for each."
            )
        return AlphaLayout(
            choices=choices,
            cells=tuple(cell for layout in layouts for cell in layout.cells if cell),
            edge_weights=frozenset().union(*(layout.edge_weights for layout in layouts)),
            nodes=tuple(node for layout in layouts for node in layout.nodes),
            edges_kept=kept.pop(),
            skips=frozenset().union(*(layout.skips for layout in layouts)),
            nothing=nothing.pop(),
        )

    def _own(self, names: Mapping[str, Any]) -> list[str]:
        of_parts = {prefix + name for prefix, part in self.parts.items() for name in part.choices}
        return [name for name in names if name not in of_parts]
