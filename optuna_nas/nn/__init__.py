"""Building blocks of networks: operations, cells and heads, for networks of one's own.

What the spaces build with them stands in :mod:`optuna_nas.nn.networks` and
:mod:`optuna_nas.nn.supernets`.
"""

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas._ground.stages import Stage
from optuna_nas.nn.networks import (
    AuxiliaryHead,
    ClassifierHead,
    ImageTooSmallError,
    NetworkTooLargeError,
    OddSizeError,
    cell_network,
)
from optuna_nas.nn.ops import (
    ConvBlock,
    ConvNormAct,
    DropPath,
    FactorizedReduction,
    MBConv,
    ReLUConvBN,
    SqueezeExcite,
    avg_pool,
    make_op,
    scaled_channels,
    set_drop_path,
)

__all__ = [
    "AuxiliaryHead",
    "Cell",
    "ClassifierHead",
    "ConvBlock",
    "ConvNormAct",
    "DropPath",
    "Edge",
    "FactorizedReduction",
    "ImageTooSmallError",
    "MBConv",
    "NetworkTooLargeError",
    "Node",
    "OddSizeError",
    "ReLUConvBN",
    "SqueezeExcite",
    "Stage",
    "avg_pool",
    "cell_network",
    "make_op",
    "scaled_channels",
    "set_drop_path",
]
