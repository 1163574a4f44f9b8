"""Spaces of layers and blocks, written down from the input to the output."""

from optuna_nas.spaces.layers._enas_macro import ENASMacroSpace
from optuna_nas.spaces.layers._mlp import MLPSpace
from optuna_nas.spaces.layers._mnasnet import MnasNetSpace
from optuna_nas.spaces.layers._nas_rl import NASRLSpace

__all__ = [
    "ENASMacroSpace",
    "MLPSpace",
    "MnasNetSpace",
    "NASRLSpace",
]
