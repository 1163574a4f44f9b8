"""The published cells, as the papers' code has them, for the tests of this folder."""

from optuna_nas.nn import Cell, Edge, Node

SHORT = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "sep7": "sep_conv_7x7",
    "dil3": "dil_conv_3x3",
    "avg": "avg_pool_3x3",
    "max": "max_pool_3x3",
    "max2": "max_pool_2x2",
    "id": "identity",
    "skip": "skip_connect",
    "1x1": "conv_1x1",
    "3x3": "conv_3x3",
    "1x7": "conv_1x7_7x1",
}


def cell(text, output, previous=0):
    """Read ``"sep5@0 sep3@1; ..."``: operations and the states they read, node by node."""
    nodes = [
        Node(tuple(Edge(int(i), SHORT[op]) for op, i in (e.split("@") for e in node.split())))
        for node in text.split(";")
    ]
    return Cell(tuple(nodes), tuple(output), previous)


NASNET_A = (
    cell("sep5@0 sep3@1; sep5@1 sep3@1; avg@0 id@1; avg@1 avg@1; sep3@0 id@0", (1, 2, 3, 4, 5, 6)),
    cell("sep5@0 sep7@1; max@0 sep7@1; avg@0 sep5@1; id@3 avg@2; sep3@2 max@0", (3, 4, 5, 6)),
)
AMOEBANET_A = (
    cell("avg@0 max@0; sep3@1 id@1; id@0 avg@1; sep3@0 sep5@2; avg@5 sep3@0", (1, 3, 4, 6)),
    cell("sep3@1 avg@0; max@0 sep7@2; max@1 max@0; sep3@4 1x7@0; avg@1 sep7@0", (2, 3, 4, 5, 6)),
)
AMOEBANET_D = (
    cell("1x1@1 max@1; id@1 1x7@0; 1x1@0 1x7@0; max@2 id@2; avg@1 1x1@5", (0, 3, 4, 6)),
    cell("max2@0 max@0; id@2 3x3@1; 1x7@2 max@2; id@3 max2@1; avg@2 1x1@3", (4, 5, 6)),
)
AMOEBANET_A_IN_DARTS = (
    cell("avg@0 max@1; sep3@0 sep5@2; sep3@0 avg@3; sep3@1 skip@1; skip@0 avg@1", (4, 5, 6), 1),
    cell("avg@0 sep3@1; max@0 sep7@2; sep7@0 avg@1; max@0 max@1; 1x7@0 sep3@5", (3, 4, 6), 1),
)
PNASNET_5 = (
    cell("sep5@1 max@1; sep7@0 max@0; sep5@0 sep3@0; sep3@4 max@0; sep3@1 id@0", range(2, 7)),
    None,
)
ENAS = (
    cell("avg@0 sep3@0; id@0 sep5@0; id@0 sep5@1; sep3@1 sep5@0; avg@0 sep5@1", range(2, 7), 1),
    # 1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1
    cell("sep3@1 sep3@1; max@0 avg@0; sep5@1 sep5@3; sep3@1 id@0; max@0 sep5@1", (2, 4, 5, 6), 1),
)
DARTS_V1 = (
    cell("sep3@1 sep3@0; skip@0 sep3@1; skip@0 sep3@1; sep3@0 skip@2", range(2, 6), 1),
    cell("max@0 max@1; skip@2 max@0; max@0 skip@2; skip@2 avg@0", range(2, 6), 1),
)
DARTS_V2 = (
    cell("sep3@0 sep3@1; sep3@0 sep3@1; sep3@1 skip@0; skip@0 dil3@2", range(2, 6), 1),
    cell("max@0 max@1; skip@2 max@1; max@0 skip@2; skip@2 max@1", range(2, 6), 1),
)
