"""The canonical form against brute force, and its invariances."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_nas.spaces.base import _canonical
from optuna_nas.spaces.base._canonical import canonical_form


@st.composite
def graphs(draw, max_nodes=8):
    """Random labelled graphs, repeated inputs included; the last node is the output."""
    count = draw(st.integers(2, max_nodes))
    labels = ["in", *draw(st.lists(st.sampled_from("ab"), min_size=count - 2, max_size=count - 2))]
    inputs = [[]]
    for node in range(1, count):
        inputs.append(draw(st.lists(st.integers(0, node - 1), max_size=3)))
    return [*labels, "out"], inputs


def renumbered(labels, inputs, rng):
    """The same graph with other numbers, shuffled inputs and an unused node."""
    order = list(range(len(labels) + 1))
    rng.shuffle(order)
    new_labels, new_inputs = [""] * len(order), [[]] * len(order)
    for node, place in enumerate(order[:-1]):
        new_labels[place] = labels[node]
        sources = [order[source] for source in inputs[node]]
        rng.shuffle(sources)
        new_inputs[place] = sources
    new_labels[order[-1]] = "a"
    new_inputs[order[-1]] = [order[0]]
    return new_labels, new_inputs, order[len(labels) - 1]


@settings(max_examples=300, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 10**6))
def test_numbers_order_and_unused_nodes_do_not_matter(graph, seed):
    labels, inputs = graph
    form = canonical_form(labels, inputs, len(labels) - 1)
    assert canonical_form(*renumbered(labels, inputs, random.Random(seed))) == form


@settings(max_examples=200, deadline=None)
@given(graph=graphs())
def test_the_form_is_the_whole_graph(graph):
    """Reading the form as a graph gives the form again: nothing is lost (it is sound)."""
    labels, inputs = graph
    form = canonical_form(labels, inputs, len(labels) - 1)
    assert form[-1][0] == "out"
    again = canonical_form([label for label, _ in form], [s for _, s in form], len(form) - 1)
    assert again == form


def brute_force(labels, inputs):
    """The least spelling over all orders of the middle nodes that reach the output."""
    last = len(labels) - 1
    kept = {last}
    for node in range(last, -1, -1):
        if node in kept:
            kept |= set(inputs[node])
    middle = [node for node in kept if 0 < node < last]
    spellings = []
    for order in itertools.permutations(middle):
        nodes = [0, *order, last] if 0 in kept else [*order, last]
        place = {node: i for i, node in enumerate(nodes)}
        spellings.append(
            tuple((labels[n], tuple(sorted(place[s] for s in inputs[n]))) for n in nodes)
        )
    return min(spellings)


def test_against_brute_force_on_all_small_graphs():
    """Two graphs of three inner nodes share a form exactly when they share the spelling."""
    pairs = list(itertools.combinations(range(5), 2))
    form_of, spelling_of = {}, {}
    for middle in ("aaa", "aab", "aba"):
        labels = ["in", *middle, "out"]
        for bits in itertools.product((0, 1), repeat=len(pairs)):
            inputs = [[] for _ in labels]
            for (source, target), bit in zip(pairs, bits, strict=True):
                inputs[target] += [source] * bit
            form, spelling = canonical_form(labels, inputs, 4), brute_force(labels, inputs)
            assert form_of.setdefault(spelling, form) == form
            assert spelling_of.setdefault(form, spelling) == spelling
    assert len(form_of) == len(spelling_of) > 100


def test_shared_is_not_doubled():
    one = canonical_form(["in", "a", "out"], [[], [0], [1, 1]], 2)
    two = canonical_form(["in", "a", "a", "out"], [[], [0], [0], [1, 2]], 3)
    assert one != two


def rings(sizes):
    """Undirected rings, each edge a node that reads its two ends: regular, so full of ties."""
    labels, inputs, edges, start = [], [], [], 0
    for size in sizes:
        labels += ["v"] * size
        inputs += [[]] * size
        edges += [(start + i, start + (i + 1) % size) for i in range(size)]
        start += size
    joints = list(range(len(labels), len(labels) + len(edges)))
    labels += ["e"] * len(edges) + ["out"]
    inputs = [*inputs, *map(list, edges), joints]
    return labels, inputs, len(labels) - 1


def test_refinement_alone_would_not_do():
    """A ring of six and two rings of three look alike from every node."""
    six, threes = canonical_form(*rings([6])), canonical_form(*rings([3, 3]))
    assert six != threes
    labels, inputs, _ = rings([6])
    assert canonical_form(*renumbered(labels, inputs, random.Random(5))) == six


def test_too_many_ties_keep_the_plain_order(monkeypatch):
    graph = rings([3, 3, 3])
    full = canonical_form(*graph)
    monkeypatch.setattr(_canonical, "MAX_LEAVES", 3)
    plain = canonical_form(*graph)
    labels, inputs, _ = graph
    assert plain == tuple(
        (label, tuple(sorted(sources))) for label, sources in zip(labels, inputs, strict=True)
    )
    assert sorted(label for label, _ in plain) == sorted(label for label, _ in full)


def test_many_twins_are_quick_and_canonical():
    labels = ["in", *"a" * 60, "out"]
    inputs = [[], *[[0]] * 60, list(range(1, 61))]
    form = canonical_form(labels, inputs, 61)
    assert len(form) == 62
    assert canonical_form(*renumbered(labels, inputs, random.Random(1))) == form
