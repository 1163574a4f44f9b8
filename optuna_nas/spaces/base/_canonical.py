"""One spelling for every way of writing down the same labelled graph.

:func:`canonical_form` gives two graphs the same form when they differ only in the numbering of
their nodes, in the order of a node's inputs, or in nodes that never reach the output. It is the
ground of ``Architecture.digest``.

The method is colour refinement with individualisation (as in nauty, arXiv:1301.1493, without its
search for automorphisms): nodes are coloured by their label and refined by the colours of their
inputs *and consumers* until nothing changes. Hashing from the output back to the inputs alone is
not enough: it cannot tell two equal convolutions from one convolution that is used twice.

The form describes the whole graph, so equal forms always mean equal graphs (*sound*). Unequal
forms mean different graphs as long as the number of ties stays below a cap, which no published
space comes near; beyond it the plain order is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

__all__ = ["Form", "canonical_form"]

Inputs = Sequence[Sequence[int]]
Form = tuple[tuple[str, tuple[int, ...]], ...]
_Signature = TypeVar("_Signature", bound=tuple[Any, ...])

MAX_LEAVES = 720  # orders that are tried before the plain order is taken (6! = 720)


def canonical_form(labels: Sequence[str], inputs: Inputs, output: int) -> Form:
    """Describe a graph independently of how its nodes are numbered.

    Args:
        labels: Operation of each node. Nodes with equal labels and equal inputs are *different*
            nodes (they have weights of their own); merge nodes without weights beforehand.
        inputs: For each node the numbers of its input nodes, as a multiset: order is ignored,
            repetition counts. Where the order of operands matters, put it into the labels of
            nodes in between.
        output: The node whose value is the result; what does not reach it is dropped.

    Returns:
        For each node that is left, in canonical order, its label and the sorted places of its
        inputs in that order. The output node stands last.

    Example::

        # Two layers, written in either order, joined at the output.
        one = canonical_form(["x", "3x3", "5x5", "out"], [[], [0], [0], [1, 2]], output=3)
        two = canonical_form(["x", "5x5", "3x3", "out"], [[], [0], [0], [2, 1]], output=3)
        assert one == two
    """
    kept = _reaching(inputs, output)
    place = {node: i for i, node in enumerate(kept)}
    sources = [sorted(place[source] for source in inputs[node]) for node in kept]
    names = [labels[node] for node in kept]
    graph = _Graph(names, sources, place[output])
    # The output is coloured apart, so that it stands last in every order and is never mistaken for
    # an equal node within.
    colours = graph.refine(_ranks([(i == graph.output, name) for i, name in enumerate(names)]))
    try:
        return graph.best_form(colours)
    except _TooManyTiesError:
        return graph.form(range(len(kept)))


class _TooManyTiesError(Exception):
    """The graph is so symmetric that trying all orders would take too long."""


class _Graph:
    """Nodes 0..n-1 that all reach the output, with the search for their canonical order."""

    def __init__(self, labels: Sequence[str], sources: Inputs, output: int) -> None:
        self.labels = labels
        self.sources = sources
        self.output = output
        self.leaves = 0
        self.consumers: list[list[int]] = [[] for _ in labels]
        for node, its_sources in enumerate(sources):
            for source in its_sources:
                self.consumers[source].append(node)

    def refine(self, colours: list[int]) -> list[int]:
        """Split the colours by those of inputs and consumers until no colour splits."""
        count = len(set(colours))
        while count < len(colours):
            seen = colours
            signatures = [
                (
                    seen[node],
                    tuple(sorted([seen[source] for source in self.sources[node]])),
                    tuple(sorted([seen[consumer] for consumer in self.consumers[node]])),
                )
                for node in range(len(seen))
            ]
            # A colour is a part of its own signature, so classes are only ever split, and the loop
            # ends after at most as many rounds as there are nodes.
            colours = _ranks(signatures)
            previous, count = count, len(set(colours))
            if count == previous:
                break
        return colours

    def best_form(self, colours: list[int]) -> Form:
        """Return the smallest form over all ways to break the ties of ``colours``."""
        tied = _first_tie(colours)
        if not tied:
            self.leaves += 1
            if self.leaves > MAX_LEAVES:
                raise _TooManyTiesError
            return self.form(sorted(range(len(colours)), key=colours.__getitem__))
        # Nodes with the same inputs and consumers give the same form whichever of them comes
        # first: one is enough. Without this, n parallel branches would cost n! orders.
        if self._are_interchangeable(tied):
            tied = tied[:1]
        return min(self.best_form(self.refine(_single_out(colours, node))) for node in tied)

    def form(self, order: Sequence[int]) -> Form:
        """Write the graph down in the given order of its nodes."""
        place = [0] * len(order)
        for i, node in enumerate(order):
            place[node] = i
        return tuple(
            (self.labels[node], tuple(sorted([place[source] for source in self.sources[node]])))
            for node in order
        )

    def _are_interchangeable(self, tied: list[int]) -> bool:
        """Tell whether swapping any two of the nodes changes nothing."""
        first = tied[0]
        return all(
            self.sources[node] == self.sources[first]
            and self.consumers[node] == self.consumers[first]
            for node in tied
        )


def _reaching(inputs: Inputs, output: int) -> list[int]:
    found = {output}
    waiting = [output]
    while waiting:
        for source in inputs[waiting.pop()]:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return sorted(found)


def _ranks(signatures: Sequence[_Signature]) -> list[int]:
    """Number the signatures by their order: equal ones get the same number."""
    number_of = {signature: i for i, signature in enumerate(sorted(set(signatures)))}
    return [number_of[signature] for signature in signatures]


def _first_tie(colours: list[int]) -> list[int]:
    """Return the nodes of the smallest colour that several nodes share, or none."""
    members: dict[int, list[int]] = {}
    for node, colour in enumerate(colours):
        members.setdefault(colour, []).append(node)
    tied = [colour for colour, nodes in members.items() if len(nodes) > 1]
    return members[min(tied)] if tied else []


def _single_out(colours: list[int], node: int) -> list[int]:
    """Give one node of a shared colour a colour of its own, before its former companions."""
    return [2 * colour - (i == node) for i, colour in enumerate(colours)]
