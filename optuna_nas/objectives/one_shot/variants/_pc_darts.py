"""PC-DARTS: a part of the channels is mixed, and edges have weights of their own.

References:
    [Xu2020] Xu et al. PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture
    Search. ICLR 2020. arXiv:1907.05737.
"""

from __future__ import annotations

from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

__all__ = ["PC_DARTS"]

PC_DARTS = DARTSVariant(
    name="pc-darts",
    supernet={"partial": 4, "edge_normalisation": True},
    alpha={"lr": 6e-4, "warmup_epochs": 15},
)
"""The search of [Xu2020] on CIFAR-10, in a space whose supernet takes these arguments."""
