"""Layers of a directed acyclic graph: which layer each node takes, and in which order it stands.

References:
    Kozo Sugiyama, Shojiro Tagawa and Mitsuhiko Toda, Methods for Visual Understanding of
    Hierarchical System Structures, IEEE Transactions on Systems, Man, and Cybernetics 11, 1981.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from graphlib import TopologicalSorter

from optuna_nas.drawing._graph import Edge, Node

__all__ = ["count_crossings", "longest_path_ranks", "order_ranks"]

_SWEEPS = 12


def longest_path_ranks(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, int]:
    """Number of steps on the longest path from a source to each node.

    A node with one arrow in and one out moves next to its only reader, so that the two operations
    of a block stand before their sum.
    """
    sources: dict[str, list[str]] = {node.key: [] for node in nodes}
    targets: dict[str, list[str]] = {node.key: [] for node in nodes}
    for edge in edges:
        sources[edge.target].append(edge.source)
        targets[edge.source].append(edge.target)
    order = list(TopologicalSorter(sources).static_order())
    ranks: dict[str, int] = {}
    for key in order:
        ranks[key] = max((ranks[source] + 1 for source in sources[key]), default=0)
    for key in reversed(order):
        if len(sources[key]) == len(targets[key]) == 1:
            ranks[key] = ranks[targets[key][0]] - 1
    return ranks


def order_ranks(ranks: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Orders the slots of every rank by barycentre sweeps so that few links cross.

    Args:
        ranks: Slots of each rank, in their first order.
        links: Pairs of slots in neighbouring ranks, the earlier rank first.

    Returns:
        The best order met, the first of equally good ones, turned so that it
        keeps most of the first order.
    """
    before: dict[int, list[int]] = {slot: [] for rank in ranks for slot in rank}
    after: dict[int, list[int]] = {slot: [] for rank in ranks for slot in rank}
    for first, second in links:
        after[first].append(second)
        before[second].append(first)
    best, fewest = ranks, _all_crossings(ranks, after)
    for start in _starts(ranks):
        current = start
        for sweep in range(_SWEEPS if fewest else 0):
            forward = sweep % 2 == 0
            current = _swept(current, before if forward else after, forward)
            current = _with_swaps(current, before, after)
            crossings = _all_crossings(current, after)
            if crossings < fewest:
                best, fewest = [list(rank) for rank in current], crossings
    return best if _disorder(best, ranks) <= 0 else [rank[::-1] for rank in best]


def _disorder(ranks: list[list[int]], first: list[list[int]]) -> int:
    """How many pairs of slots stand in another order than at first, less those that do not."""
    total = 0
    for rank, original in zip(ranks, first, strict=True):
        place = {slot: i for i, slot in enumerate(original)}
        for i, slot in enumerate(rank):
            total += sum(1 if place[slot] > place[later] else -1 for later in rank[i + 1 :])
    return total


def _starts(ranks: list[list[int]]) -> list[list[list[int]]]:
    """First orders: the given one, reversed, and every other slot before or after the rest."""
    return [
        [list(rank) for rank in ranks],
        [rank[::-1] for rank in ranks],
        [rank[1::2][::-1] + rank[::2] for rank in ranks],
        [rank[::2][::-1] + rank[1::2] for rank in ranks],
    ]


def count_crossings(first: Sequence[int], second: Sequence[int]) -> int:
    """How many of the links from neighbours ``first`` cross links from neighbours ``second``.

    Both are the sorted positions of what two slots are linked to; the slot of ``first`` stands
    before the other.

    Example::

        >>> count_crossings([0, 2], [1])
        1
    """
    return sum(bisect_left(second, position) for position in first)


def _all_crossings(ranks: list[list[int]], after: dict[int, list[int]]) -> int:
    total = 0
    for rank, following in zip(ranks, ranks[1:], strict=False):
        place = {slot: i for i, slot in enumerate(following)}
        met: list[int] = []
        for slot in rank:
            ends = [place[target] for target in after[slot]]
            total += sum(len(met) - bisect_right(met, end) for end in ends)
            for end in ends:
                insort(met, end)
    return total


def _swept(
    ranks: list[list[int]], neighbours: dict[int, list[int]], forward: bool
) -> list[list[int]]:
    result = [list(rank) for rank in ranks]
    indices = range(1, len(ranks)) if forward else range(len(ranks) - 2, -1, -1)
    for i in indices:
        place = {slot: p for p, slot in enumerate(result[i - 1 if forward else i + 1])}
        result[i] = _sorted_by_barycentre(result[i], place, neighbours)
    return result


def _sorted_by_barycentre(
    rank: list[int], place: dict[int, int], neighbours: dict[int, list[int]]
) -> list[int]:
    def barycentre(item: tuple[int, int]) -> float:
        position, slot = item
        places = [place[other] for other in neighbours[slot]]
        return sum(places) / len(places) if places else float(position)

    return [slot for _, slot in sorted(enumerate(rank), key=barycentre)]


def _with_swaps(
    ranks: list[list[int]], before: dict[int, list[int]], after: dict[int, list[int]]
) -> list[list[int]]:
    """Swaps neighbours of a rank as long as that removes crossings, once through all ranks."""
    for i, rank in enumerate(ranks):
        sides = []
        if i > 0:
            sides.append(({slot: p for p, slot in enumerate(ranks[i - 1])}, before))
        if i + 1 < len(ranks):
            sides.append(({slot: p for p, slot in enumerate(ranks[i + 1])}, after))
        ends = {
            slot: [sorted(place[other] for other in linked[slot]) for place, linked in sides]
            for slot in rank
        }
        for j in range(len(rank) - 1):
            upper, lower = ends[rank[j]], ends[rank[j + 1]]
            kept = sum(count_crossings(a, b) for a, b in zip(upper, lower, strict=True))
            swapped = sum(count_crossings(b, a) for a, b in zip(upper, lower, strict=True))
            if swapped < kept:
                rank[j], rank[j + 1] = rank[j + 1], rank[j]
    return ranks
