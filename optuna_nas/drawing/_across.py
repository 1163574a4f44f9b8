"""How far from the middle each slot of a layered drawing stands.

Slots are chained to a neighbour in the next layer wherever the order allows it, and a chain is
drawn straight; so an arrow that passes many layers bends at its two ends only. This is done four
times, from either side and in either direction, and the four results are averaged.

References:
    Ulrik Brandes and Boris Köpf, Fast and Simple Horizontal Coordinate Assignment, Graph Drawing,
    2001, https://doi.org/10.1007/3-540-45848-4_3

Differences from the paper:
    1. Chains are packed by longest paths through the graph of chains, forth and back, which needs
       no classes and shifts and knows boxes of different sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from graphlib import TopologicalSorter

__all__ = ["place_across"]

Link = tuple[int, int]
Apart = Callable[[int, int], float]


def place_across(
    order: Sequence[Sequence[int]],
    links: Sequence[Link],
    inner: Collection[int],
    apart: Apart,
) -> dict[int, float]:
    """Places every slot so that links are straight where possible and nothing overlaps.

    Args:
        order: The slots of each rank, in their order.
        links: Pairs of slots in neighbouring ranks, the earlier rank first.
        inner: Slots that are no boxes: a link between two of them has precedence.
        apart: The least distance between the centres of two slots that stand next to each other.

    Returns:
        The place of the centre of each slot.
    """
    bent = _yielding(order, links, set(inner))
    results = []
    for backwards in (False, True):
        ranks = [list(rank) for rank in (reversed(order) if backwards else order)]
        pairs = [pair[::-1] if backwards else pair for pair in links]
        free = {pair[::-1] if backwards else pair for pair in links if pair not in bent}
        for mirrored in (False, True):
            rows = [rank[::-1] for rank in ranks] if mirrored else ranks
            roots = _chains(rows, pairs, free)
            places = _packed(rows, roots, apart)
            sign = -1.0 if mirrored else 1.0
            results.append({slot: sign * place for slot, place in places.items()})
    return _averaged(results)


def _yielding(order: Sequence[Sequence[int]], links: Sequence[Link], inner: set[int]) -> set[Link]:
    """Links of boxes that cross a link between two slots that are none."""
    place = {slot: i for rank in order for i, slot in enumerate(rank)}
    rank_of = {slot: i for i, rank in enumerate(order) for slot in rank}
    strong: dict[int, list[Link]] = {}
    for first, second in links:
        if first in inner and second in inner:
            strong.setdefault(rank_of[first], []).append((place[first], place[second]))
    return {
        (first, second)
        for first, second in links
        if not (first in inner and second in inner)
        and any(
            (place[first] - a) * (place[second] - b) < 0 for a, b in strong.get(rank_of[first], ())
        )
    }


def _chains(rows: list[list[int]], links: list[Link], free: set[Link]) -> dict[int, int]:
    """The first slot of the chain that each slot belongs to: its median neighbour's, if free."""
    place = {slot: i for row in rows for i, slot in enumerate(row)}
    earlier: dict[int, list[int]] = {slot: [] for slot in place}
    for first, second in links:
        earlier[second].append(first)
    roots = {slot: slot for slot in place}
    for row in rows:
        taken = -1
        for slot in row:
            linked = sorted(earlier[slot], key=place.__getitem__)
            half = len(linked) // 2
            medians = linked[half - 1 : half + 1] if len(linked) % 2 == 0 else [linked[half]]
            for other in medians:
                if (other, slot) in free and place[other] > taken:
                    roots[slot] = roots[other]
                    taken = place[other]
                    break
    return roots


def _packed(rows: list[list[int]], roots: dict[int, int], apart: Apart) -> dict[int, float]:
    """Places of chains: each as early as the ones before it allow, then as late."""
    before: dict[int, dict[int, float]] = {root: {} for root in roots.values()}
    after: dict[int, dict[int, float]] = {root: {} for root in roots.values()}
    for row in rows:
        for first, second in zip(row, row[1:], strict=False):
            a, b, gap = roots[first], roots[second], apart(first, second)
            before[b][a] = max(gap, before[b].get(a, 0.0))
            after[a][b] = max(gap, after[a].get(b, 0.0))
    sequence = list(TopologicalSorter(before).static_order())
    at: dict[int, float] = {}
    for root in sequence:
        at[root] = max((at[other] + gap for other, gap in before[root].items()), default=0.0)
    for root in reversed(sequence):
        if after[root]:
            at[root] = max(at[root], min(at[other] - gap for other, gap in after[root].items()))
    return {slot: at[root] for slot, root in roots.items()}


def _averaged(results: list[dict[int, float]]) -> dict[int, float]:
    """The mean of the two middle ones of four places, after the four drawings are lined up."""
    narrowest = min(results, key=lambda places: max(places.values()) - min(places.values()))
    low, high = min(narrowest.values()), max(narrowest.values())
    shifts = []
    for number, places in enumerate(results):
        mirrored = number % 2 == 1
        shifts.append(high - max(places.values()) if mirrored else low - min(places.values()))
    averages = {}
    for slot in narrowest:
        four = sorted(places[slot] + shift for places, shift in zip(results, shifts, strict=True))
        averages[slot] = (four[1] + four[2]) / 2
    return averages
