"""Cell spaces and cells for the tests, and ways to spell a cell otherwise."""

import random

from torch import nn

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.nn import make_op
from optuna_nas.spaces import (
    AmoebaNetSpace,
    CellSpace,
    DARTSSpace,
    ENASMicroSpace,
    NASNetSpace,
    PNASSpace,
    published,
)

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


def grouped(channels, stride):
    """A user's operation as a function."""
    groups = 2 if channels % 2 == 0 else 1
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=groups, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels))


class Gate(nn.Module):
    """A user's operation as a class."""

    def __init__(self, channels, stride):
        super().__init__()
        self.conv = make_op("conv_1x1", channels, stride=stride, in_channels=channels)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        x = self.conv(x)
        return x * self.gate(x).sigmoid()


OWN_OPS = {"grouped": grouped, "gate": Gate, "sep": "sep_conv_3x3", "max_pool_3x3": "max_pool_3x3"}
OWN = CellSpace(ops=OWN_OPS)
OWN_SHARED = CellSpace(ops=OWN_OPS, num_blocks=3, reduction_cell=False, concat="all")

# Made from their names alone; those of a user's operations are not.
CATALOGUED = [
    NASNetSpace(),
    NASNetSpace(concat="all"),
    published.NASNET_A.space,
    AmoebaNetSpace(),
    published.AMOEBANET_D.space,
    PNASSpace(),
    PNASSpace(num_blocks=(1, 5)),
    ENASMicroSpace(),
    DARTSSpace(),
    DARTSSpace(keep_none=True),
]
SPACES = [*CATALOGUED, OWN, OWN_SHARED]
FREE = [s for s in SPACES if getattr(s, "concat", "loose_ends") == "loose_ends"]
CELLS = [
    published.NASNET_A,
    published.AMOEBANET_A,
    published.AMOEBANET_D,
    published.PNASNET_5,
    published.ENAS_MICRO,
    published.DARTS_V1,
    published.DARTS_V2,
]


def spelled(space, cells):
    """The architecture with these cells, however they are numbered and ordered."""
    params = space._params({scope: cell.nodes for scope, cell in cells.items()})
    if space.conditional:
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


def one_op(factory, **settings):
    """A network in which every operation is the factory's."""
    space = CellSpace(ops={"mine": factory}, num_blocks=1, **settings)
    return space.parse("normal: 2 = mine(0) + mine(1) | reduce: 2 = mine(0) + mine(1)").build(
        num_classes=3, cells=1, channels=4
    )
