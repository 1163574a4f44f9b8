"""Cell spaces: names, sizes, settings, round trips, identity. Networks are tested elsewhere."""

import dataclasses
import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from space_testing import new_study

from optuna_nas.nn._genotype import Cell, Edge, Node
from optuna_nas.spaces import (
    AmoebaNetSpace,
    Architecture,
    DARTSSpace,
    ENASMicroSpace,
    NASNetSpace,
    PNASSpace,
    published,
    sample_architectures,
    space_from_settings,
)
from optuna_nas.spaces._cells import CellPair, cell_form

SPACES = [
    NASNetSpace(),
    published.NASNET_A.space,
    AmoebaNetSpace(),
    published.AMOEBANET_D.space,
    PNASSpace(),
    PNASSpace(num_blocks=(1, 5)),
    ENASMicroSpace(),
    DARTSSpace(),
    DARTSSpace(keep_none=True),
]
CELLS = [
    published.NASNET_A,
    published.AMOEBANET_A,
    published.AMOEBANET_D,
    published.PNASNET_5,
    published.ENAS_MICRO,
    published.DARTS_V1,
    published.DARTS_V2,
]

by_name = pytest.mark.parametrize(
    "space", SPACES, ids=[f"{s.name}{i}" for i, s in enumerate(SPACES)]
)


# Names, which people's studies have stored: a change here breaks them

NASNET_OPS = (
    "identity", "conv_1x3_3x1", "conv_1x7_7x1", "dil_conv_3x3", "avg_pool_3x3", "max_pool_3x3",
    "max_pool_5x5", "max_pool_7x7", "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5",
    "sep_conv_7x7",
)  # fmt: skip
AMOEBANET_OPS = (
    "identity", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "avg_pool_3x3", "max_pool_3x3",
    "dil_conv_3x3", "conv_1x7_7x1",
)  # fmt: skip
PNAS_OPS = (
    "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_1x7_7x1", "identity", "avg_pool_3x3",
    "max_pool_3x3", "dil_conv_3x3",
)  # fmt: skip
ENAS_OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
DARTS_OPS = (
    "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5",
    "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip


@pytest.mark.parametrize(
    ("space", "scopes", "ops"),
    [
        (NASNetSpace(), ("normal", "reduce"), NASNET_OPS),
        (AmoebaNetSpace(), ("normal", "reduce"), AMOEBANET_OPS),
        (ENASMicroSpace(), ("normal", "reduce"), ENAS_OPS),
        (PNASSpace(), ("cell",), PNAS_OPS),
    ],
)
def test_golden_names_of_blocks(space, scopes, ops):
    combine = {"combine": ("add", "concat")} if space.name == "nasnet" else {}
    assert {name: d.choices for name, d in space.distributions().items()} == {
        f"{scope}_{state}_{part}": choices
        for scope in scopes
        for state in (2, 3, 4, 5, 6)
        for part, choices in {
            "input_a": tuple(range(state)),
            "input_b": tuple(range(state)),
            "op_a": ops,
            "op_b": ops,
            **combine,
        }.items()
    }


def test_golden_order_of_decisions():
    assert list(NASNetSpace().distributions())[:6] == [
        "normal_2_input_a",
        "normal_2_input_b",
        "normal_2_op_a",
        "normal_2_op_b",
        "normal_2_combine",
        "normal_3_input_a",
    ]
    assert list(NASNetSpace().distributions())[25] == "reduce_2_input_a"
    growing = new_study().ask()
    PNASSpace(num_blocks=(1, 1)).suggest(growing)
    assert list(growing.params) == [
        "num_blocks",
        "cell_2_input_a",
        "cell_2_input_b",
        "cell_2_op_a",
        "cell_2_op_b",
    ]


@pytest.mark.parametrize("keep_none", [False, True])
def test_golden_names_of_darts(keep_none):
    ops = ("none", *DARTS_OPS) if keep_none else DARTS_OPS
    pairs = {
        2: ("0,1",),
        3: ("0,1", "0,2", "1,2"),
        4: ("0,1", "0,2", "0,3", "1,2", "1,3", "2,3"),
        5: ("0,1", "0,2", "0,3", "0,4", "1,2", "1,3", "1,4", "2,3", "2,4", "3,4"),
    }
    names = DARTSSpace(keep_none=keep_none).distributions()
    assert {name: d.choices for name, d in names.items()} == {
        f"{scope}_{node}_{part}": choices
        for scope in ("normal", "reduce")
        for node in (2, 3, 4, 5)
        for part, choices in {"inputs": pairs[node], "op_a": ops, "op_b": ops}.items()
    }


@pytest.mark.parametrize("space", [NASNetSpace, AmoebaNetSpace, ENASMicroSpace, PNASSpace])
def test_names_do_not_depend_on_settings(space):
    small, large = space(num_blocks=2), space(num_blocks=7)
    assert small.distributions().items() <= large.distributions().items()


def test_golden_settings():
    assert published.NASNET_A.space.settings == {
        "prefix": "",
        "num_blocks": 5,
        "ops": list(NASNET_OPS),
        "concat": [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6]],
    }
    assert AmoebaNetSpace().settings["concat"] == "loose_ends"
    assert PNASSpace(num_blocks=(1, 5)).settings["num_blocks"] == [1, 5]
    assert DARTSSpace().settings == {
        "prefix": "",
        "num_nodes": 4,
        "ops": list(DARTS_OPS),
        "keep_none": False,
    }


def test_golden_digests():
    """Made by this package before version 0.2.0: run keys of stored results contain them."""
    assert published.NASNET_A.digest == "e4b320ad27bd3a13c7ef598c517ca63e"
    assert published.PNASNET_5.digest == "75fbd0cf597943857b1137e6a7328c2c"
    assert published.ENAS_MICRO.digest == "d451cc8c7ba955486cebf0542af5e57e"
    assert published.DARTS_V2.digest == "824e0ffb502c4b12edca81d7f8ce3c61"


# Sizes


def test_sizes():
    assert NASNetSpace().num_architectures == 2_286_906_949_584_691_200**2
    assert AmoebaNetSpace().num_architectures == 556_627_761_561_600**2
    assert PNASSpace().num_architectures == 556_627_761_561_600
    assert DARTSSpace().num_architectures == 1_037_664_180**2
    assert DARTSSpace(keep_none=True).num_architectures == 3_019_898_880**2


def test_size_of_enas_micro():
    """The paper prints (5 * 5!)^4 = 129,600,000,000, which counts the operations too rarely."""
    assert ENASMicroSpace().num_architectures == (720**2 * 5**10) ** 2


def test_sizes_of_growing_cells():
    per_size = [PNASSpace(num_blocks=n).num_architectures for n in (1, 2, 3)]
    assert per_size == [256, 256 * 9 * 64, 256 * 9 * 64 * 16 * 64]
    assert PNASSpace(num_blocks=(1, 3)).num_architectures == sum(per_size)
    assert PNASSpace(num_blocks=(2, 2)).num_architectures == per_size[1]


def test_numbers_of_decisions():
    counts = {space.name: len(space.distributions()) for space in SPACES if not space._conditional}
    assert counts == {"nasnet": 50, "amoebanet": 40, "pnas": 20, "enas_micro": 40, "darts": 24}


def test_proxies():
    assert {space.name: dict(space.proxy) for space in SPACES} == {
        "nasnet": {"cells": 2, "channels": 32},
        "amoebanet": {"cells": 3, "channels": 24},
        "pnas": {"cells": 2, "channels": 24},
        "enas_micro": {"cells": 6, "channels": 20},
        "darts": {"cells": 8, "channels": 16},
    }


# Settings


def test_concat_is_kept_as_tuples():
    by_mapping = NASNetSpace(concat={"reduce": [6, 4], "normal": (1, 6)})
    assert by_mapping.concat == ((1, 6), (4, 6))
    assert by_mapping == NASNetSpace(concat=((6, 1), (4, 6)))
    assert hash(by_mapping) == hash(NASNetSpace(concat=((1, 6), (4, 6))))
    assert dataclasses.replace(by_mapping, prefix="x_").concat == by_mapping.concat


@by_name
def test_settings_round_trip(space):
    assert space_from_settings(json.loads(json.dumps(space.identity))) == space


@pytest.mark.parametrize(
    "concat",
    [
        "all",
        {"normal": (2,)},
        {"normal": (2,), "reduce": (2,), "more": (2,)},
        {"normal": (), "reduce": (2,)},
        {"normal": (2, 2), "reduce": (2,)},
        {"normal": (7,), "reduce": (2,)},
        {"normal": (-1,), "reduce": (2,)},
        {"normal": "23", "reduce": (2,)},
        {"normal": (True,), "reduce": (2,)},
        ((2,),),
        None,
        3,
    ],
)
def test_wrong_concat(concat):
    with pytest.raises(
        ValueError, match=r"`concat` must be .*states in \[0, 6\].*but got concat="
    ):
        NASNetSpace(concat=concat)


@pytest.mark.parametrize("num_blocks", [0, 21, (1, 5), 2.0, "5", True])
def test_wrong_num_blocks(num_blocks):
    with pytest.raises(ValueError, match=r"`num_blocks` must be an int in \[1, 20\], but got"):
        AmoebaNetSpace(num_blocks=num_blocks)


@pytest.mark.parametrize("num_blocks", [(0, 3), (4, 3), (1, 2, 3), (1, 21), (1, 2.0), ("1", "2")])
def test_wrong_range_of_blocks(num_blocks):
    with pytest.raises(ValueError, match="`num_blocks` must be an int or a range"):
        PNASSpace(num_blocks=num_blocks)


@pytest.mark.parametrize("num_nodes", [0, 21, (1, 2), 1.5])
def test_wrong_num_nodes(num_nodes):
    with pytest.raises(ValueError, match=r"`num_nodes` must be an int in \[1, 20\]"):
        DARTSSpace(num_nodes=num_nodes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AmoebaNetSpace(ops=()), "tuple of different operations, at least one"),
        (lambda: AmoebaNetSpace(ops=("identity", "identity")), "tuple of different operations"),
        (lambda: AmoebaNetSpace(ops="identity"), "tuple of different operations"),
        (lambda: AmoebaNetSpace(ops=("identity", "conv_9x9")), r"but got \['conv_9x9'\]"),
        (lambda: PNASSpace(ops=("skip_connect",)), 'is called "identity" here'),
        (lambda: DARTSSpace(ops=("none", "sep_conv_3x3")), "set keep_none=True"),
        (lambda: DARTSSpace(ops=("identity",)), 'is called "skip_connect" here'),
    ],
)
def test_wrong_ops(make, message):
    with pytest.raises(ValueError, match=f"`ops` must be .*{message}"):
        make()


# Round trips


@by_name
def test_a_thousand_round_trips(space):
    architectures = sample_architectures(space, 1000, seed=5)
    for architecture in architectures:
        assert space.architecture(architecture.params) == architecture
        assert space.parse(str(architecture)) == architecture
        assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("architecture", CELLS)
def test_published_round_trips(architecture):
    again = architecture.space.architecture(architecture.params)
    assert again == architecture
    assert again.genotype == architecture.genotype
    assert hash(again.genotype) == hash(architecture.genotype)
    assert architecture.space.parse(str(architecture)) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_published_cells_as_the_papers_have_them():
    normal = published.NASNET_A.genotype.normal
    assert normal.output == (1, 2, 3, 4, 5, 6)
    assert normal.loose_ends == (2, 3, 4, 5, 6)
    assert published.NASNET_A.genotype.reduce.loose_ends == (4, 5, 6)
    assert published.AMOEBANET_A.genotype.normal.loose_ends == (3, 4, 6)
    assert published.AMOEBANET_A.genotype.reduce.loose_ends == (3, 5, 6)
    assert published.PNASNET_5.genotype.reduce is None
    assert published.ENAS_MICRO.genotype.normal.output == (2, 3, 4, 5, 6)
    assert published.ENAS_MICRO.genotype.normal.nodes[0] == Node(
        (Edge(0, "avg_pool_3x3"), Edge(0, "sep_conv_3x3"))
    )
    previous = {a.space.name: a.genotype.normal.previous for a in CELLS}
    assert previous == {"nasnet": 0, "amoebanet": 0, "pnas": 0, "enas_micro": 1, "darts": 1}


def test_published_misses_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'NASNET_Z'"):
        _ = published.NASNET_Z
    assert {"NASNET_A", "DARTS_V2"} <= set(dir(published))


# Other settings, other spaces


@pytest.mark.parametrize(
    ("architecture", "space", "message"),
    [
        (published.NASNET_A, NASNetSpace(), "concat='loose_ends' here, concat=.*there"),
        (published.AMOEBANET_A, published.AMOEBANET_D.space, "concat=.* here.*ops=.* here"),
        (published.PNASNET_5, PNASSpace(num_blocks=(1, 5)), r"num_blocks=\[1, 5\] here"),
        (published.DARTS_V1, DARTSSpace(keep_none=True), "keep_none=True here"),
        (published.ENAS_MICRO, AmoebaNetSpace(), "space='amoebanet' here, space='enas_micro'"),
    ],
)
def test_enqueued_into_another_space(architecture, space, message):
    study = new_study()
    architecture.enqueue(study)
    with pytest.raises(ValueError, match=message):
        space.suggest(study.ask())


def test_leftovers_are_refused():
    larger = sample_architectures(AmoebaNetSpace(num_blocks=6), 1)[0]
    with pytest.raises(ValueError, match="did not ask for.*normal_7_input_a"):
        AmoebaNetSpace().architecture(larger.params)
    combined = sample_architectures(NASNetSpace(ops=AMOEBANET_OPS), 1)[0]
    with pytest.raises(ValueError, match="did not ask for.*normal_2_combine"):
        AmoebaNetSpace().architecture(combined.params)
    grown = sample_architectures(PNASSpace(num_blocks=(5, 5)), 1)[0]
    with pytest.raises(ValueError, match="did not ask for.*num_blocks"):
        PNASSpace().architecture(grown.params)


# Identity


def spelled(space, cells):
    """The architecture with these cells, however they are numbered and ordered."""
    params = space._params({scope: cell.nodes for scope, cell in cells.items()})
    if space._conditional:
        params["num_blocks"] = len(next(iter(cells.values())).nodes)
    return space.architecture(params)


def shuffled(cell: Cell, rng: random.Random) -> Cell:
    """The cell with its operands swapped and its blocks numbered in another possible order."""
    waiting = dict(enumerate(cell.nodes, start=2))
    number = {0: 0, 1: 1}
    nodes = []
    while waiting:
        ready = [s for s, n in waiting.items() if all(e.input in number for e in n.edges)]
        state = rng.choice(ready)
        node = waiting.pop(state)
        edges = [Edge(number[e.input], e.op) for e in node.edges]
        rng.shuffle(edges)
        number[state] = len(nodes) + 2
        nodes.append(Node(tuple(edges), node.combine))
    return Cell(tuple(nodes), tuple(number[s] for s in cell.output), cell.previous)


FREE = [s for s in SPACES if getattr(s, "concat", "loose_ends") == "loose_ends"]
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
    if space._conditional:
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
