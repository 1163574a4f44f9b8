"""Operations of networks: convolutions, poolings, blocks, reductions and drop path."""

from optuna_nas.nn.ops._drop_path import DropPath, set_drop_path
from optuna_nas.nn.ops._factorized import SMALLEST_WIDTH, FactorizedReduction, check_width
from optuna_nas.nn.ops._mbconv import ConvBlock, MBConv, ShortcutBlock, SqueezeExcite
from optuna_nas.nn.ops._norms import use_batch_statistics
from optuna_nas.nn.ops._operations import IDENTITIES, make_op
from optuna_nas.nn.ops._ops import ConvNormAct, ReLUConvBN, ReLUSepConvBN, avg_pool
from optuna_nas.nn.ops._own_op import OpFactory, make_own_op, our_modules
from optuna_nas.nn.ops._phased import PhasedConv2d, from_phases, to_phases
from optuna_nas.nn.ops._residual import ResidualReduction
from optuna_nas.nn.ops._same import SubsampledConv2d, conv2d, pool2d
from optuna_nas.nn.ops._separable import Geometry, are_separable, separable
from optuna_nas.nn.ops._widths import scaled_channels

__all__ = [
    "IDENTITIES",
    "SMALLEST_WIDTH",
    "ConvBlock",
    "ConvNormAct",
    "DropPath",
    "FactorizedReduction",
    "Geometry",
    "MBConv",
    "OpFactory",
    "PhasedConv2d",
    "ReLUConvBN",
    "ReLUSepConvBN",
    "ResidualReduction",
    "ShortcutBlock",
    "SqueezeExcite",
    "SubsampledConv2d",
    "are_separable",
    "avg_pool",
    "check_width",
    "conv2d",
    "from_phases",
    "make_op",
    "make_own_op",
    "our_modules",
    "pool2d",
    "scaled_channels",
    "separable",
    "set_drop_path",
    "to_phases",
    "use_batch_statistics",
]
