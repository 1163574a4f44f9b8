"""Identity of cells: what the digest sees through, and what it tells apart; their pictures."""

import dataclasses
import itertools
import random

import pytest
from cell_examples import CELLS, FREE, shuffled, spelled
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.spaces import (
    AmoebaNetSpace,
    DARTSSpace,
    NASNetSpace,
    PNASSpace,
    published,
    sample_architectures,
)
from optuna_nas.spaces.cells._cells import CellPair, cell_form

seeds = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(space=st.sampled_from(FREE), seed=seeds)
def test_numbers_of_blocks_and_order_of_operands_do_not_matter(space, seed):
    architecture = sample_architectures(space, 1, seed=seed)[0]
    rng = random.Random(seed)
    cells = {s: shuffled(c, rng) for s, c in space._by_scope(architecture.genotype).items()}
    assert spelled(space, cells).digest == architecture.digest


@settings(max_examples=100, deadline=None)
@given(space=st.sampled_from(FREE), seed=seeds)
def test_every_live_decision_matters(space, seed):
    """Without a fixed list every block reaches the output."""
    architecture = sample_architectures(space, 1, seed=seed)[0]
    rng = random.Random(seed)
    name = rng.choice([n for n in architecture.params if "_op_" in n])
    others = [op for op in space.ops if op != architecture.params[name]]
    changed = space.architecture({**architecture.params, name: rng.choice(others)})
    assert changed.digest != architecture.digest


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_blocks_that_never_reach_the_output_do_not_matter(seed):
    space = AmoebaNetSpace(concat={"normal": (2, 3, 4), "reduce": (4,)})
    one, other = sample_architectures(space, 2, seed=seed)
    mixed = {
        name: other.params[name]
        if name.startswith(("normal_5", "normal_6", "reduce_5"))
        else value
        for name, value in one.params.items()
    }
    assert space.architecture(mixed).digest == one.digest


def brute_form(space, architecture):
    """The smallest spelling over all numberings of the blocks that reach the output."""
    spellings = []
    for cell in space._by_scope(architecture.genotype).values():
        live, waiting = set(), [s for s in cell.output if s >= 2]
        while waiting:
            state = waiting.pop()
            live.add(state)
            waiting += [e.input for e in cell.nodes[state - 2].edges if e.input >= 2]
        options = []
        for order in itertools.permutations(range(2, 2 + len(live))):
            number = {0: 0, 1: 1, **dict(zip(sorted(live), order, strict=True))}
            blocks = [
                (
                    number[s],
                    cell.nodes[s - 2].combine,
                    sorted((number[e.input], e.op) for e in cell.nodes[s - 2].edges),
                )
                for s in live
            ]
            options.append((sorted(blocks), sorted(number[s] for s in cell.output)))
        spellings.append(min(options))
    return repr(spellings)


@pytest.mark.parametrize(
    "space",
    [
        PNASSpace(num_blocks=(1, 2), ops=("identity", "conv_1x1")),
        PNASSpace(num_blocks=3, ops=("conv_1x1",)),
        DARTSSpace(num_nodes=2, ops=("skip_connect", "sep_conv_3x3")),
        NASNetSpace(num_blocks=1, ops=("identity", "conv_1x1")),
        AmoebaNetSpace(num_blocks=2, ops=("conv_1x1",), concat={"normal": (0, 3), "reduce": (2,)}),
    ],
)
def test_digests_against_brute_force(space):
    """Equal digests exactly where one cell is the other with other numbers."""
    classes: dict[str, set[str]] = {}
    for architecture in every_architecture(space):
        form = brute_form(space, architecture)
        classes.setdefault(architecture.digest, set()).add(form)
    assert all(len(forms) == 1 for forms in classes.values())
    assert len({form for forms in classes.values() for form in forms}) == len(classes)


def every_architecture(space):
    if space.conditional:
        low, high = space.num_blocks
        for n in range(low, high + 1):
            for a in every_architecture(dataclasses.replace(space, num_blocks=n)):
                yield space.architecture({**a.params, "num_blocks": n})
        return
    names, distributions = zip(*space.distributions().items(), strict=True)
    for values in itertools.product(*(d.choices for d in distributions)):
        yield space.architecture(dict(zip(names, values, strict=True)))


def test_136_cells_of_one_block():
    assert len({a.digest for a in every_architecture(PNASSpace(num_blocks=1))}) == 136


def test_inputs_are_told_apart():
    space = PNASSpace(num_blocks=1)
    one = space.parse("cell: 2 = sep_conv_3x3(0) + identity(0)")
    other = space.parse("cell: 2 = sep_conv_3x3(1) + identity(1)")
    mixed = space.parse("cell: 2 = sep_conv_3x3(0) + identity(1)")
    assert len({one.digest, other.digest, mixed.digest}) == 3


def test_two_convolutions_are_not_one_used_twice():
    space = PNASSpace(num_blocks=3)
    start = "cell: 2 = sep_conv_3x3(0) + identity(0); 3 = "
    twice = space.parse(start + "sep_conv_3x3(0) + identity(0); 4 = identity(2) + identity(2)")
    both = space.parse(start + "sep_conv_3x3(0) + identity(0); 4 = identity(2) + identity(3)")
    assert twice.digest != both.digest


def test_combiners_are_told_apart():
    space = NASNetSpace(num_blocks=1)
    texts = [f"normal: 2 = identity(0) {a} identity(1) | reduce: 2 = identity(0) {b} identity(1)"
             for a in "+&" for b in "+&"]  # fmt: skip
    assert len({space.parse(text).digest for text in texts}) == 4


def test_cells_are_told_apart():
    one = published.DARTS_V2.genotype
    space = published.DARTS_V2.space
    exchanged = spelled(space, {"normal": one.reduce, "reduce": one.normal})
    assert exchanged.digest != published.DARTS_V2.digest


def test_nothing_on_an_edge_is_nothing():
    space = DARTSSpace(num_nodes=2, keep_none=True)
    text = (
        "Genotype(normal=[('none', {}), ('skip_connect', 1), ('none', {}), ('sep_conv_3x3', 2)], "
        "normal_concat=[2, 3], reduce=[('none', 0), ('none', 1), ('none', 0), ('none', 1)], "
        "reduce_concat=[2, 3])"
    )
    one, other = space.parse(text.format(0, 0)), space.parse(text.format(0, 1))
    assert one != other
    assert one.digest == other.digest


@pytest.mark.parametrize("cell", [a.genotype.normal for a in CELLS])
def test_form_does_not_mind_the_numbering_of_inputs(cell):
    assert cell_form(cell.renumbered(1 - cell.previous)) == cell_form(cell)


def test_form_of_single_cells_tells_what_no_space_can_vary():
    """How often an operation is used, and which inputs the output lists."""
    base = Node((Edge(0, "conv_1x1"), Edge(1, "conv_1x1")))
    inner = [Edge(2, "conv_1x1")] * 2
    cells = [
        Cell((base, Node(tuple(inner[:times]))), output, 0)
        for times in (1, 2)
        for output in ((3,), (0, 3), (1, 3), (0, 1, 3))
    ]
    assert len({cell_form(cell) for cell in cells}) == 8


def test_wholly_symmetric_cells_are_quick():
    same = Node((Edge(0, "sep_conv_3x3"), Edge(0, "sep_conv_3x3")))
    chained = Node((Edge(2, "sep_conv_3x3"), Edge(2, "sep_conv_3x3")))
    for nodes in ((same,) * 20, (same, *(chained,) * 4)):
        cell = Cell(nodes, tuple(range(2, 2 + len(nodes))), 0)
        assert cell_form(cell) == cell_form(shuffled(cell, random.Random(0)))


# Pictures


@pytest.mark.parametrize("architecture", CELLS)
def test_picture(architecture):
    graph = architecture.graph()
    cells = [cell for cell in architecture.genotype if cell is not None]
    assert isinstance(architecture.genotype, CellPair)
    names = ["normal cell", "reduction cell"] if len(cells) == 2 else ["cell"]
    assert list(dict.fromkeys(node.panel for node in graph.nodes)) == names
    count = sum(len(node.edges) for cell in cells for node in cell.nodes)
    assert len([edge for edge in graph.edges if edge.label]) == count
    ends = [edge for edge in graph.edges if edge.target.endswith("/output")]
    assert len(ends) == sum(len(cell.output) for cell in cells)
    assert {"cell k-1", "cell k-2"} <= {node.label for node in graph.nodes}


def test_picture_of_concatenating_blocks_and_unread_inputs():
    text = "normal: 2 = identity(0) & identity(0) | reduce: 2 = identity(1) + identity(0)"
    graph = NASNetSpace(num_blocks=1).parse(text).graph()
    labels = [node.label for node in graph.nodes]
    assert labels == ["cell k-1", "2 concat", "output", "cell k-2", "cell k-1", "2", "output"]
