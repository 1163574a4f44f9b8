"""The field's notations of cells, and errors that point at the place."""

import pytest

from optuna_nas.spaces import (
    AmoebaNetSpace,
    DARTSSpace,
    ENASMicroSpace,
    NASNetSpace,
    PNASSpace,
    published,
)

# As it stands in the released code of DARTS (one line a field there).
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
SMALL = DARTSSpace(num_nodes=1)


def caret(caught) -> tuple[str, int]:
    """The line that an error shows, and the place under which its caret stands."""
    line, mark = str(caught.value).splitlines()[-2:]
    assert mark.strip() == "^"
    return line[4:], len(mark) - 5


# DARTS


@pytest.mark.parametrize(
    "text",
    [
        DARTS_V2,
        f"DARTS_V2 = {DARTS_V2}",
        f"DARTS_V2: Genotype = {DARTS_V2}\n",
        f"\n    # second order\n    {DARTS_V2}  # seed 2",
        DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)"),
        DARTS_V2.replace("[2, 3, 4, 5]", "list(range(2, 6))"),
        DARTS_V2.replace("[2, 3, 4, 5]", "(5, 4, 3, 2)"),
        DARTS_V2.replace("'", '"').replace("Genotype(", "genotypes.Genotype(\n"),
        DARTS_V2.replace("), (", "),\n        ("),
        DARTS_V2.replace("normal=", "").replace("normal_concat=", ""),
        DARTS_V2.replace("normal=", "").replace("normal_concat=", "").replace("reduce=", "")
        .replace("reduce_concat=", ""),
        DARTS_V2.replace("=[('", "=[['").replace("('", "['").replace("0)", "0]")
        .replace("1)", "1]").replace("2)", "2]"),
    ],
)  # fmt: skip
def test_genotypes_as_they_stand_in_code(text):
    assert DARTSSpace().parse(text) == published.DARTS_V2


def test_pairs_of_a_node_in_a_tuple_of_their_own():
    text = (
        "Genotype(normal=[(('skip_connect', 0), ('sep_conv_3x3', 1))], normal_concat=[2], "
        "reduce=[(('max_pool_3x3', 0), ('max_pool_3x3', 1))], reduce_concat=[2])"
    )
    assert SMALL.parse(text).params["normal_2_op_b"] == "sep_conv_3x3"


def test_darts_writes_its_own_form():
    assert str(published.DARTS_V2) == DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)").replace(
        "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0)",
        "('skip_connect', 0), ('sep_conv_3x3', 1), ('skip_connect', 0)",
    ).replace(
        "('skip_connect', 2), ('max_pool_3x3', 1)", "('max_pool_3x3', 1), ('skip_connect', 2)"
    )


GOOD = (
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
)


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("sep_conv_3x3", "sep_conv_9x9", "one of .*, but got 'sep_conv_9x9'", "'sep_conv_9x9'"),
        ("'sep_conv_3x3'", "sep_conv_3x3", "an operation, .*but got sep_conv", "sep_conv_3x3"),
        (
            "'sep_conv_3x3', 1",
            "'sep_conv_3x3', 0",
            "inputs of node 2 must differ, but both",
            "0)]",
        ),
        ("'sep_conv_3x3', 1", "'sep_conv_3x3', 2", r"a state in \[0, 1\], but got 2", "2)]"),
        ("'sep_conv_3x3', 1", "'sep_conv_3x3', -1", r"a state in \[0, 1\], but got -1", "-1)]"),
        ("'sep_conv_3x3', 1", "'sep_conv_3x3', True", "but got True", "True)"),
        ("'sep_conv_3x3', 1", "'sep_conv_3x3'", "Expected a pair such as", "'sep_conv_3x3')"),
        (", ('sep_conv_3x3', 1)", "", "must have 2 pairs, .*but got 1", "[('skip"),
        ("normal_concat=[2]", "normal_concat=[2, 2]", "list different states", "[2, 2]"),
        ("normal_concat=[2]", "normal_concat=[]", "list different states", "[]"),
        ("normal_concat=[2]", "normal_concat=[1, 2]", "concatenates all of its nodes", "[1, 2]"),
        ("normal_concat=[2]", "normal_concat=[2, 3]", r"a state in \[0, 2\], but got 3", "3]"),
        ("normal_concat=[2]", "normal_concat=range(10**9)", "a state in", "10**9"),
        ("normal_concat=[2]", "normal_concat=eval('[2]')", "Expected range", "eval"),
        ("normal_concat=[2], ", "", "lacks the argument 'normal_concat'", "Genotype"),
        ("normal_concat", "concat", "'concat' is none of", "concat"),
        ("reduce_concat", "normal_concat", "'normal_concat' is given twice", "normal_concat=[2])"),
        (
            "[('skip_connect', 0), ('sep_conv_3x3', 1)]",
            "nodes",
            "Expected a list of pairs",
            "nodes",
        ),
        ("Genotype(", "exit() or Genotype(", "Expected Genotype", "exit()"),
        ("Genotype(", "Genotype(*x, ", "takes the four arguments", "*x"),
        ("Genotype(normal", "x = 1\nGenotype(normal", "Expected a single Genotype", "Genotype("),
        ("[2])", "[2]", "not a Python expression", "("),
        ("[2])", "[2]))", "not a Python expression: unmatched", ")"),
    ],
)
def test_wrong_genotypes_are_pointed_at(old, new, message, place):
    assert old in GOOD
    text = GOOD.replace(old, new, 1) if old != "reduce_concat" else GOOD.replace(old, new)
    with pytest.raises(ValueError, match=message) as caught:
        SMALL.parse(text)
    line, column = caret(caught)
    assert line in text.splitlines()
    assert line[column:].startswith(place)


def test_places_in_texts_of_several_lines_and_other_alphabets():
    text = "\n  # größer\n  " + GOOD.replace("('sep_conv_3x3'", "\n    ('größer'")
    with pytest.raises(ValueError, match=r"but got 'größer' \(at line 4, character 6\)") as caught:
        SMALL.parse(text)
    line, column = caret(caught)
    assert line[column:].startswith("'größer'")
    beside = GOOD.replace("('skip_connect', 0), (", "('größer', 0), (")
    with pytest.raises(ValueError, match="one of") as caught:
        SMALL.parse(beside)
    assert caret(caught)[0] == beside


@pytest.mark.parametrize("text", ["", "Genotype", "(" * 2000, "\0", "import os", "Genotype()"])
def test_other_texts(text):
    with pytest.raises(ValueError, match=r"\^"):
        DARTSSpace().parse(text)


# DARTS's form of the cells of others

AMOEBANET = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), "
    "('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), "
    "('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
)


def test_block_spaces_read_the_form_of_darts():
    space = AmoebaNetSpace(concat={"normal": (4, 5, 6), "reduce": (3, 4, 6)})
    read = space.parse(AMOEBANET)
    assert str(read).startswith(
        "normal: 2 = avg_pool_3x3(1) + max_pool_3x3(0); 3 = sep_conv_3x3(1) + sep_conv_5x5(2); "
        "4 = sep_conv_3x3(1) + avg_pool_3x3(3); 5 = sep_conv_3x3(0) + identity(0); "
    )
    assert str(read).endswith("6 = conv_1x7_7x1(1) + sep_conv_3x3(5); concat 3,4,6")
    assert read.genotype.reduce.loose_ends == (3, 4, 6)
    assert AmoebaNetSpace().parse(AMOEBANET.replace("[4, 5, 6]", "range(4, 7)")).params == (
        read.params
    )


def test_the_list_must_be_that_of_the_space():
    with pytest.raises(ValueError, match=r"the states 1,3,4,6 here, but the text 4,5,6") as caught:
        published.AMOEBANET_A.space.parse(AMOEBANET)
    assert "AmoebaNetSpace(concat=" in str(caught.value)
    line, column = caret(caught)
    assert line[column:].startswith("[4, 5, 6]")


# ENAS

ENAS = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"


def test_enas_writes_plain_integers():
    assert str(published.ENAS_MICRO) == ENAS


@pytest.mark.parametrize(
    "text",
    [
        ENAS,
        ENAS.replace(" ", ", "),
        ENAS.replace(" 1 0 1 0 0 3 0 2", "\n1 0 1 0 | 0 3 0 2"),
        "[" + ENAS.replace(" 1 0 1 0 0 3", "]\n[1 0 1 0 0 3") + "]\n",
        ENAS.replace(" ", "\n"),
        ENAS.replace(" ", " | "),
    ],
)
def test_enas_strings(text):
    assert ENASMicroSpace().parse(text) == published.ENAS_MICRO


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("0 2 0 0 1 0 x 0", "Expected an integer", 12),
        ("0 2 0 0 1 0 1", "Expected 8 integers, but got 7", 13),
        ("0 2 0 0 1 0 1 0 5", "Expected 8 integers, but got 9", 16),
        ("0 2 2 0 1 0 1 0", r"a state that block 2 can read, in \[0, 1\], but got 2", 4),
        ("0 2 0 5 1 0 1 0", r"operation of block 2, in \[0, 4\], but got 5", 6),
        ("0 2 0 0 1 0 -1 0", "Expected an integer", 12),
        ("0 2 0 0 1 0 1.5 0", "Expected an integer", 12),
        ("", "Expected 8 integers, but got 0", 0),
    ],
)
def test_wrong_integers_are_pointed_at(text, message, column):
    with pytest.raises(ValueError, match=message) as caught:
        ENASMicroSpace(num_blocks=1).parse(text)
    assert caret(caught) == (text, column)


# The readable form

NORMAL = "normal: 2 = sep_conv_5x5(0) + sep_conv_3x3(1); 3 = identity(2) & identity(0)"
REDUCE = "reduce: 2 = max_pool_3x3(0) + identity(0); 3 = identity(2) + identity(2)"
TWO_BLOCKS = NASNetSpace(num_blocks=2)


def test_readable_form():
    cells = TWO_BLOCKS.parse(f"{NORMAL} | {REDUCE}")
    assert str(cells) == f"{NORMAL}; concat 3 | {REDUCE}; concat 3"
    assert TWO_BLOCKS.parse(f"{NORMAL};concat 3\n|\n{REDUCE.replace(' ', '')}") == cells
    assert cells.params["normal_3_combine"] == "concat"


def test_readable_form_of_growing_cells():
    space = PNASSpace(num_blocks=(1, 3))
    one = space.parse("cell: 2 = identity(0) + identity(1)")
    assert one.params["num_blocks"] == 1
    assert str(one) == "cell: 2 = identity(0) + identity(1); concat 2"
    three = space.parse(f"{one}".replace("; concat 2", "; 3 = {0}; 4 = {0}")
                        .replace("{0}", "sep_conv_3x3(2) + identity(0)"))  # fmt: skip
    assert three.params["num_blocks"] == 3
    assert str(three).endswith("; concat 2,3,4")


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("normal", "norm", "Expected 'normal:'", "norm:"),
        ("normal:", "normal", "Expected 'normal:'", "normal 2"),
        ("2 = sep", "3 = sep", r"of the next block, 2, one of \(2,\), but got 3", "3 = sep"),
        ("2 = sep", "2 sep", "Expected '=' and what block 2 does", "sep_conv_5x5"),
        ("sep_conv_5x5", "sep_conv_9x9", "Expected an operation, .*9x9'", "sep_conv_9x9"),
        ("(0) + sep", " + sep", r"Expected '\(' and the state that is read", "+ sep"),
        ("(0) + sep", "(0 + sep", r"Expected '\)'", "+ sep"),
        ("(0) + sep", "(2) + sep", r"that block 2 can read, one of \(0, 1\), but got 2", "2) +"),
        ("(0) + sep", "(0) - sep", r"Expected '\+' or '&' and the second operation", "- sep"),
        (" + sep_conv_3x3(1)", "", r"Expected '\+' or '&' and the second", "; 3"),
        ("; 3 = identity(2) & identity(0)", "", "Expected ';' and block 3: 2 blocks", "| red"),
        (" | reduce", " reduce", r"Expected '\|' and 'reduce:'", "reduce"),
        ("reduce:", "rest:", "Expected 'reduce:'", "rest:"),
        ("& identity(0) |", "& identity(0); 4 = identity(0) |", "a cell has 2 blocks", "4 ="),
        ("& identity(0) |", "& identity(0); concat |", "a state to be concatenated", "| reduce"),
        ("& identity(0) |", "& identity(0); concat 9 |", "a state to be concatenated", "9 |"),
        ("& identity(0) |", "& identity(0); concat 3,3 |", "a state to be concatenated", "3 |"),
        ("& identity(0) |", "& identity(0); concat 2,3 |", "3 here, but the text 2,3", "concat"),
    ],
)  # fmt: skip
def test_wrong_texts_are_pointed_at(old, new, message, place):
    text = f"{NORMAL} | {REDUCE}"
    assert old in text
    text = text.replace(old, new, 1)
    with pytest.raises(ValueError, match=message) as caught:
        TWO_BLOCKS.parse(text)
    line, column = caret(caught)
    assert line == text
    assert line[column:].startswith(place)


def test_trailing_text_and_missing_blocks():
    text = f"{NORMAL} | {REDUCE} | more"
    with pytest.raises(ValueError, match="Expected the end") as caught:
        TWO_BLOCKS.parse(text)
    assert caret(caught) == (text, text.index("| more"))
    with pytest.raises(ValueError, match="Expected ';' and block 3: 2 blocks a cell"):
        TWO_BLOCKS.parse("normal: 2 = identity(0) + identity(0)")


def test_only_nasnet_concatenates_in_blocks():
    with pytest.raises(ValueError, match=r"Expected '\+' and the second operation"):
        AmoebaNetSpace(num_blocks=1).parse("normal: 2 = identity(0) & identity(0)")
