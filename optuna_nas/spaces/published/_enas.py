"""The cells and the chain of ENAS.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells import ENASMicroSpace
from optuna_nas.spaces.layers import ENASMacroSpace

__all__ = ["ENAS_MACRO", "ENAS_MICRO"]

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
"""The released 24 layers, built as the released program builds
them: 42,559,392 parameters at 96 channels."""

ENAS_MICRO: Architecture = ENASMicroSpace().parse(
    """0 2 0 0 | 0 4 0 1 | 0 4 1 1 | 1 0 0 1 | 0 2 1 1
    | 1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1"""
)
"""The released cell; 3,894,372 parameters at (15, 36)."""
