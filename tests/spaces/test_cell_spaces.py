"""Cell spaces: names, sizes, settings, round trips, identity. Networks are tested elsewhere."""

import dataclasses
import json

import pytest
from cell_examples import (
    AMOEBANET_OPS,
    CATALOGUED,
    CELLS,
    DARTS_OPS,
    ENAS_OPS,
    NASNET_OPS,
    OWN,
    OWN_OPS,
    OWN_SHARED,
    PNAS_OPS,
    SPACES,
)
from space_testing import new_study

from optuna_nas._ground.genotype import Edge, Node
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

# Names, which people's studies have stored: a change here breaks them


@pytest.mark.parametrize(
    ("space", "scopes", "ops"),
    [
        (NASNetSpace(), ("normal", "reduce"), NASNET_OPS),
        (AmoebaNetSpace(), ("normal", "reduce"), AMOEBANET_OPS),
        (ENASMicroSpace(), ("normal", "reduce"), ENAS_OPS),
        (PNASSpace(), ("cell",), PNAS_OPS),
        (OWN, ("normal", "reduce"), tuple(OWN_OPS)),
        (dataclasses.replace(OWN, reduction_cell=False), ("cell",), tuple(OWN_OPS)),
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


@pytest.mark.parametrize(
    "space", [NASNetSpace(), AmoebaNetSpace(), ENASMicroSpace(), PNASSpace(), OWN]
)
def test_names_do_not_depend_on_settings(space):
    small, large = (dataclasses.replace(space, num_blocks=n) for n in (2, 7))
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
    assert OWN_SHARED.settings == {
        "prefix": "",
        "num_blocks": 3,
        "ops": ["grouped", "gate", "sep = sep_conv_3x3", "max_pool_3x3"],
        "concat": "all",
        "reduction_cell": False,
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
    assert OWN.num_architectures == (720**2 * 4**10) ** 2
    assert OWN_SHARED.num_architectures == (2 * 3 * 4) ** 2 * 4**6
    assert DARTSSpace().num_architectures == 1_037_664_180**2
    assert DARTSSpace(keep_none=True).num_architectures == 3_019_898_880**2


def test_size_of_enas_micro():
    """The paper prints (5 * 5!)^4 = 129,600,000,000, which counts the operations too rarely."""
    assert ENASMicroSpace().num_architectures == (720**2 * 5**10) ** 2


def test_expansions_of_pnas():
    """Cells of one more block, from the 136 first ones and then from the 256 best."""
    sizes = [PNASSpace(num_blocks=n).num_architectures for n in (1, 2, 3, 4, 5)]
    options = [b // a for a, b in zip(sizes, sizes[1:], strict=False)]
    assert [136 * options[0], *(256 * n for n in options[1:])] == [
        78_336, 262_144, 409_600, 589_824,
    ]  # fmt: skip


def test_sizes_of_growing_cells():
    per_size = [PNASSpace(num_blocks=n).num_architectures for n in (1, 2, 3)]
    assert per_size == [256, 256 * 9 * 64, 256 * 9 * 64 * 16 * 64]
    assert PNASSpace(num_blocks=(1, 3)).num_architectures == sum(per_size)
    assert PNASSpace(num_blocks=(2, 2)).num_architectures == per_size[1]


def test_numbers_of_decisions():
    counts = {
        space.name: len(space.distributions())
        for space in [*CATALOGUED, OWN]
        if not space.conditional
    }
    assert counts == {
        "nasnet": 50, "amoebanet": 40, "pnas": 20, "enas_micro": 40, "darts": 24, "cells": 40
    }  # fmt: skip


def test_proxies():
    assert {space.name: dict(space.proxy) for space in SPACES} == {
        "nasnet": {"cells": 2, "channels": 32},
        "amoebanet": {"cells": 3, "channels": 24},
        "pnas": {"cells": 2, "channels": 24},
        "enas_micro": {"cells": 6, "channels": 20},
        "darts": {"cells": 8, "channels": 16},
        "cells": {"cells": 2, "channels": 16},
    }


# Settings


def test_concat_is_kept_as_tuples():
    by_mapping = NASNetSpace(concat={"reduce": [6, 4], "normal": (1, 6)})
    assert by_mapping.concat == ((1, 6), (4, 6))
    assert by_mapping == NASNetSpace(concat=((6, 1), (4, 6)))
    assert hash(by_mapping) == hash(NASNetSpace(concat=((1, 6), (4, 6))))
    assert dataclasses.replace(by_mapping, prefix="x_").concat == by_mapping.concat


@pytest.mark.parametrize("space", CATALOGUED)
def test_settings_round_trip(space):
    assert space_from_settings(json.loads(json.dumps(space.identity))) == space


@pytest.mark.parametrize(
    "concat",
    [
        "some",
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
