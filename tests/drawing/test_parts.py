"""The parts of a layout: graphs, text, shapes, order and places across."""

from __future__ import annotations

import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.drawing._across import place_across
from optuna_nas.drawing._curves import arch, s_curve
from optuna_nas.drawing._ranks import count_crossings, longest_path_ranks, order_ranks
from optuna_nas.drawing._shapes import Arrow, Box
from optuna_nas.drawing._text import fold, text_size


@pytest.mark.parametrize("name", ["_across", "_arcs", "_curves", "_palette", "_ranks", "_text"])
def test_the_examples_of_docstrings_are_right(name: str) -> None:
    module = importlib.import_module(f"optuna_nas.drawing.{name}")
    assert doctest.testmod(module).failed == 0


def test_unknown_kinds_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"`kind` must be one of .*, but got kind='layer'"):
        Node("a", "a", "layer")


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        (("a", "a"), (), r"Two nodes .* key 'a'"),
        (("a",), (("a", "b"),), r"names the node 'b', which is missing"),
        (("a", "b"), (("a", "b"), ("b", "a")), r"contain a cycle"),
        (("a",), (("a", "a"),), r"contain a cycle"),
    ],
)
def test_broken_graphs_are_an_error(
    nodes: tuple[str, ...], edges: tuple[tuple[str, str], ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Graph(tuple(Node(key, key) for key in nodes), tuple(Edge(*pair) for pair in edges))


def test_edges_do_not_cross_panels() -> None:
    nodes = (Node("a", "a", panel="one"), Node("b", "b", panel="two"))
    with pytest.raises(ValueError, match=r"crosses from one panel to another"):
        Graph(nodes, (Edge("a", "b"),))


@pytest.mark.parametrize("text", ["sep_conv_3x3", "MBConv6 5x5 SE", "7x7, 48", "two\nlines", ""])
def test_text_is_as_wide_as_matplotlib_draws_it(text: str) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans")
    drawn = max(
        TextPath((0, 0), line, size=12, prop=font).get_extents().width if line else 0.0
        for line in text.split("\n")
    )
    width, _ = text_size(text, 12)
    assert drawn <= width + 0.5
    assert width <= drawn + 3


def test_unknown_letters_are_taken_as_wide() -> None:
    assert text_size("層", 10)[0] == 10


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("7x7, 48", "7x7\n48"),
        ("sep conv 5x5", "sep conv\n5x5"),
        ("identity", "identity"),
        ("a\nb c", "a\nb c"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_circle_is_reached_on_its_circle() -> None:
    box = Box("a", "a", "state", 0.0, 0.0, 30.0, 30.0)
    assert box.radius == 15
    assert box.reach_x(9.0) == pytest.approx(12.0)
    assert box.reach_y(-9.0) == pytest.approx(12.0)


def test_a_box_is_reached_on_its_side_and_its_corner() -> None:
    box = Box("a", "a", "op", 0.0, 0.0, 40.0, 20.0)
    assert box.reach_x(3.0) == 20
    assert box.reach_x(10.0) == pytest.approx(15.0)


def test_an_arrowhead_points_at_the_end() -> None:
    arrow = Arrow("a", "b", "", "", ((0.0, 0.0), (10.0, 0.0), (17.0, 0.0)))
    tip, left, right = arrow.head
    assert tip == (17.0, 0.0)
    assert left[0] == right[0] == 10.0
    assert left[1] == -right[1] != 0
    assert arrow.line == ((0.0, 0.0), (10.0, 0.0))


def test_curves_keep_their_ends() -> None:
    bend = s_curve((0.0, 0.0), (10.0, 4.0))
    assert (bend[0], bend[-1]) == ((0.0, 0.0), (10.0, 4.0))
    dome = arch((0.0, 0.0), (10.0, 0.0), -6.0)
    assert (dome[0], dome[-1]) == ((0.0, 0.0), (10.0, 0.0))
    assert min(y for _, y in dome) == pytest.approx(-6.0)


def test_operations_stand_before_their_sum() -> None:
    keys = ("x", "a", "b", "c", "add")
    edges = (("x", "a"), ("a", "b"), ("b", "add"), ("x", "c"), ("c", "add"))
    ranks = longest_path_ranks([Node(k, k) for k in keys], [Edge(*pair) for pair in edges])
    assert ranks == {"x": 0, "a": 1, "b": 2, "c": 2, "add": 3}


def test_crossings_are_counted_and_removed() -> None:
    assert count_crossings([0, 2], [1, 1]) == 2
    assert order_ranks([[0, 1], [2, 3]], [(0, 3), (1, 2)]) == [[0, 1], [3, 2]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_slots_keep_their_order_and_distance(sizes: list[int], random: st.DataObject) -> None:
    order: list[list[int]] = []
    for size in sizes:
        first = sum(map(len, order))
        order.append(list(range(first, first + size)))
    links = [
        (a, b)
        for rank, following in zip(order, order[1:], strict=False)
        for a in rank
        for b in following
        if random.random() < 0.5  # type: ignore[attr-defined]
    ]
    slots = [slot for rank in order for slot in rank]
    inner = {slot for slot in slots if random.random() < 0.5}  # type: ignore[attr-defined]
    places = place_across(order, links, inner, lambda a, b: 10.0 + (a + b) % 3)
    for rank in order:
        for a, b in zip(rank, rank[1:], strict=False):
            assert places[b] - places[a] >= 10.0 + (a + b) % 3 - 1e-6


def test_an_arrow_that_passes_is_straight() -> None:
    order = [[0, 1], [2, 3], [4, 5], [6, 7]]
    links = [(0, 2), (2, 4), (4, 6), (1, 3), (3, 5), (5, 7)]
    places = place_across(order, links, {3, 5}, lambda a, b: 20.0)
    assert places[3] == places[5]
