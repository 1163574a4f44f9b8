"""Networks of the MnasNet family as plain values: stages of equal layers, and two published ones.

Spaces decide such stages, :mod:`optuna_nas.nn` builds them and :mod:`optuna_nas.scaling` makes
them grow, so they stand below all three and know no torch.

References:
    Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR 2019.
    arXiv:1807.11626, figure 7 (A1); B1 is that of the release.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MNASNET_A1", "MNASNET_B1", "Stage"]


class Stage(NamedTuple):
    """Equal layers in a row.

    Args:
        op: ``"conv"``, ``"sep_conv"``, ``"mbconv3"`` or ``"mbconv6"``.
        kernel: Side of the kernel.
        stride: Stride of the first layer; the others have 1.
        se_ratio: Ratio of squeeze-and-excitation, which a plain convolution does not have; 0 for
            none.
        skip: ``"identity"``, ``"pool"`` or ``"none"``.
        channels: Channels that every layer puts out, at width 1.0.
        layers: Number of layers.
    """

    op: str
    kernel: int
    stride: int
    se_ratio: float
    skip: str
    channels: int
    layers: int


MNASNET_A1 = (
    Stage("sep_conv", 3, 1, 0.0, "none", 16, 1),
    Stage("mbconv6", 3, 2, 0.0, "identity", 24, 2),
    Stage("mbconv3", 5, 2, 0.25, "identity", 40, 3),
    Stage("mbconv6", 3, 2, 0.0, "identity", 80, 4),
    Stage("mbconv6", 3, 1, 0.25, "identity", 112, 2),
    Stage("mbconv6", 5, 2, 0.25, "identity", 160, 3),
    Stage("mbconv6", 3, 1, 0.0, "identity", 320, 1),
)

MNASNET_B1 = (
    Stage("sep_conv", 3, 1, 0.0, "none", 16, 1),
    Stage("mbconv3", 3, 2, 0.0, "identity", 24, 3),
    Stage("mbconv3", 5, 2, 0.0, "identity", 40, 3),
    Stage("mbconv6", 5, 2, 0.0, "identity", 80, 3),
    Stage("mbconv6", 3, 1, 0.0, "identity", 96, 2),
    Stage("mbconv6", 5, 2, 0.0, "identity", 192, 4),
    Stage("mbconv6", 3, 1, 0.0, "none", 320, 1),
)
