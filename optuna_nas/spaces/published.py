"""The papers' networks by name, each a point of its own space.

Example::

    from optuna_nas.spaces import published

    model = published.NASBENCH201_RESNET.build(num_classes=10)
    published.NAS_RL_V1.enqueue(study)  # a study on NASRLSpace(num_layers=15)
    published.NASNET_A.enqueue(study)  # a study on published.NASNET_A.space
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optuna_nas._stages import MNASNET_A1 as MNASNET_A1_STAGES
from optuna_nas._stages import MNASNET_B1 as MNASNET_B1_STAGES
from optuna_nas.spaces.base._architecture import Architecture
from optuna_nas.spaces.cells._amoebanet import OPS as AMOEBANET_OPS
from optuna_nas.spaces.cells._amoebanet import AmoebaNetSpace
from optuna_nas.spaces.cells._darts import DARTSSpace
from optuna_nas.spaces.cells._enas_micro import ENASMicroSpace
from optuna_nas.spaces.cells._nasbench201 import NASBench201Space
from optuna_nas.spaces.cells._nasnet import NASNetSpace
from optuna_nas.spaces.cells._pnas import PNASSpace
from optuna_nas.spaces.layers._enas_macro import ENASMacroSpace
from optuna_nas.spaces.layers._mnasnet import MnasNetSpace
from optuna_nas.spaces.layers._mnasnet_text import write_block
from optuna_nas.spaces.layers._nas_rl import NASRLSpace

__all__ = [
    "AMOEBANET_A",
    "AMOEBANET_D",
    "DARTS_V1",
    "DARTS_V2",
    "ENAS_MACRO",
    "ENAS_MICRO",
    "MNASNET_A1",
    "MNASNET_B1",
    "MNASNET_SMALL",
    "NASBENCH201_RESNET",
    "NASNET_A",
    "NAS_RL_V1",
    "PNASNET_5",
]

# Zoph, Le (arXiv:1611.01578), figure 7: 15 layers without strides, 4.2 million parameters.
NAS_RL_V1: Architecture = NASRLSpace(num_layers=15).parse(
    """3x3@36
    | 3x3@48 <- 1
    | 3x3@36 <- 1,2
    | 5x5@36 <- 1,2,3
    | 3x7@48 <- 3,4
    | 7x7@48 <- 2,3,4,5
    | 7x7@48 <- 2,3,4,5,6
    | 7x3@36 <- 1,6,7
    | 7x1@36 <- 1,5,6,8
    | 7x7@36 <- 1,3,4,5,6,7,8,9
    | 5x7@36 <- 1,2,5,6,7,8,9,10
    | 7x7@48 <- 1,2,3,4,6,11
    | 7x5@48 <- 1,3,6,7,8,9,10,11,12
    | 7x5@48 <- 3,7,12,13
    | 7x5@48 <- 6,7,11,12,13,14"""
)

# Dong, Yang (arXiv:2001.00326): the cell that is a ResNet's basic block.
NASBENCH201_RESNET: Architecture = NASBench201Space().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
)

# Pham et al. (arXiv:1802.03268), the released 24 layers, built as the released program builds
# them: 42,559,392 parameters at 96 channels.
ENAS_MACRO: Architecture = ENASMacroSpace(num_layers=24, rules="release").parse(
    """0
    3 0
    0 1 0
    2 0 0 1
    2 0 0 0 0
    3 1 1 0 1 0
    2 0 0 0 0 0 1
    2 0 1 1 0 1 1 1
    1 0 1 1 1 0 1 0 1
    0 0 0 0 0 0 0 0 0 0
    2 0 0 0 0 0 1 0 0 0 0
    0 1 0 0 1 1 0 0 0 0 1 1
    2 0 1 0 0 0 0 0 1 0 1 1 0
    1 0 0 1 0 0 0 1 1 1 0 1 0 1
    0 1 1 0 1 0 1 0 0 0 0 0 1 0 0
    2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1
    2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0
    2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1
    3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0
    3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1
    0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0
    3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0
    0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0
    0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"""
)

# Tan et al. (arXiv:1807.11626), figure 7: 3,887,038 parameters, 312 million multiply-adds.
MNASNET_A1: Architecture = MnasNetSpace(filters=(0.75, 1.0, 1.25, 112)).parse(
    " | ".join(map(write_block, MNASNET_A1_STAGES[1:-1]))
)

# The same, found without squeeze-and-excitation: 4,383,312 parameters.
MNASNET_B1: Architecture = MnasNetSpace(
    filters=(0.75, 1.0, 1.25, 192),
    se_ratios=(0.0,),
    last=write_block(MNASNET_B1_STAGES[-1]),
).parse(" | ".join(map(write_block, MNASNET_B1_STAGES[1:-1])))

# The release's smallest network: 2,030,264 parameters; the release trains it without dropout.
MNASNET_SMALL: Architecture = MnasNetSpace(
    widths=(16, 16, 32, 32, 88),
    layers=(1, 2, 4, 3, 3),
    first="ds_r1_k3_s1_c8",
    last="ir_r1_k3_s1_e6_c144",
    stem=8,
).parse(
    """ir_r1_k3_s2_e3_c16
    | ir_r2_k3_s2_e6_c16
    | ir_r4_k5_s2_e6_c32_se0.25
    | ir_r3_k3_s1_e6_c32_se0.25
    | ir_r3_k5_s2_e6_c88_se0.25"""
)

# Cell networks are made when they are first asked for: their genotypes are values of
# optuna_nas.nn, which a mere import of the spaces shall not load.
AMOEBANET_A: Architecture
AMOEBANET_D: Architecture
DARTS_V1: Architecture
DARTS_V2: Architecture
ENAS_MICRO: Architecture
NASNET_A: Architecture
PNASNET_5: Architecture


def _nasnet_a() -> Architecture:
    """Zoph et al. (arXiv:1707.07012), the released cell; 3,346,538 parameters at 6 @ 768."""
    space = NASNetSpace(concat={"normal": (1, 2, 3, 4, 5, 6), "reduce": (3, 4, 5, 6)})
    return space.parse(
        """normal:
            2 = sep_conv_5x5(0) + sep_conv_3x3(1);
            3 = sep_conv_5x5(1) + sep_conv_3x3(1);
            4 = avg_pool_3x3(0) + identity(1);
            5 = avg_pool_3x3(1) + avg_pool_3x3(1);
            6 = sep_conv_3x3(0) + identity(0);
            concat 1,2,3,4,5,6
        | reduce:
            2 = sep_conv_5x5(0) + sep_conv_7x7(1);
            3 = max_pool_3x3(0) + sep_conv_7x7(1);
            4 = avg_pool_3x3(0) + sep_conv_5x5(1);
            5 = identity(3) + avg_pool_3x3(2);
            6 = sep_conv_3x3(2) + max_pool_3x3(0);
            concat 3,4,5,6"""
    )


def _amoebanet_a() -> Architecture:
    """Real et al. (arXiv:1802.01548), the released cell; 3,218,266 parameters at (6, 36)."""
    space = AmoebaNetSpace(concat={"normal": (1, 3, 4, 6), "reduce": (2, 3, 4, 5, 6)})
    return space.parse(
        """normal:
            2 = avg_pool_3x3(0) + max_pool_3x3(0);
            3 = sep_conv_3x3(1) + identity(1);
            4 = identity(0) + avg_pool_3x3(1);
            5 = sep_conv_3x3(0) + sep_conv_5x5(2);
            6 = avg_pool_3x3(5) + sep_conv_3x3(0);
            concat 1,3,4,6
        | reduce:
            2 = sep_conv_3x3(1) + avg_pool_3x3(0);
            3 = max_pool_3x3(0) + sep_conv_7x7(2);
            4 = max_pool_3x3(1) + max_pool_3x3(0);
            5 = sep_conv_3x3(4) + conv_1x7_7x1(0);
            6 = avg_pool_3x3(1) + sep_conv_7x7(0);
            concat 2,3,4,5,6"""
    )


def _amoebanet_d() -> Architecture:
    """Real et al. (arXiv:1802.01548), the cell released for TPUs, over eleven operations."""
    space = AmoebaNetSpace(
        ops=(*AMOEBANET_OPS, "max_pool_2x2", "conv_1x1", "conv_3x3"),
        concat={"normal": (0, 3, 4, 6), "reduce": (4, 5, 6)},
    )
    return space.parse(
        """normal:
            2 = conv_1x1(1) + max_pool_3x3(1);
            3 = identity(1) + conv_1x7_7x1(0);
            4 = conv_1x1(0) + conv_1x7_7x1(0);
            5 = max_pool_3x3(2) + identity(2);
            6 = avg_pool_3x3(1) + conv_1x1(5);
            concat 0,3,4,6
        | reduce:
            2 = max_pool_2x2(0) + max_pool_3x3(0);
            3 = identity(2) + conv_3x3(1);
            4 = conv_1x7_7x1(2) + max_pool_3x3(2);
            5 = identity(3) + max_pool_2x2(1);
            6 = avg_pool_3x3(2) + conv_1x1(3);
            concat 4,5,6"""
    )


def _pnasnet_5() -> Architecture:
    """Liu et al. (arXiv:1712.00559); 3,189,082 parameters at (3, 48)."""
    return PNASSpace().parse(
        """cell:
            2 = sep_conv_5x5(1) + max_pool_3x3(1);
            3 = sep_conv_7x7(0) + max_pool_3x3(0);
            4 = sep_conv_5x5(0) + sep_conv_3x3(0);
            5 = sep_conv_3x3(4) + max_pool_3x3(0);
            6 = sep_conv_3x3(1) + identity(0)"""
    )


def _enas_micro() -> Architecture:
    """Pham et al. (arXiv:1802.03268), the released cell; 3,894,372 parameters at (15, 36)."""
    return ENASMicroSpace().parse(
        """0 2 0 0 | 0 4 0 1 | 0 4 1 1 | 1 0 0 1 | 0 2 1 1
        | 1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1"""
    )


def _darts_v1() -> Architecture:
    """Liu, Simonyan, Yang (arXiv:1806.09055), first order; 3,169,414 parameters at (20, 36)."""
    return DARTSSpace().parse(
        """Genotype(
            normal=[
                ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 1),
                ("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 2),
            ],
            normal_concat=[2, 3, 4, 5],
            reduce=[
                ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 0),
                ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("avg_pool_3x3", 0),
            ],
            reduce_concat=[2, 3, 4, 5],
        )"""
    )


def _darts_v2() -> Architecture:
    """Liu, Simonyan, Yang (arXiv:1806.09055), second order; 3,349,342 parameters at (20, 36)."""
    return DARTSSpace().parse(
        """Genotype(
            normal=[
                ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
                ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
            ],
            normal_concat=[2, 3, 4, 5],
            reduce=[
                ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
                ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
            ],
            reduce_concat=[2, 3, 4, 5],
        )"""
    )


_MADE_ON_DEMAND: Mapping[str, Callable[[], Architecture]] = {
    "AMOEBANET_A": _amoebanet_a,
    "AMOEBANET_D": _amoebanet_d,
    "DARTS_V1": _darts_v1,
    "DARTS_V2": _darts_v2,
    "ENAS_MICRO": _enas_micro,
    "NASNET_A": _nasnet_a,
    "PNASNET_5": _pnasnet_5,
}


def __getattr__(name: str) -> Architecture:
    if name not in _MADE_ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    architecture = globals()[name] = _MADE_ON_DEMAND[name]()
    return architecture


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
