"""Spaces of layers and blocks, written down from the image to the classes."""

from optuna_nas.spaces.layers._enas_macro import ENASMacroSpace
from optuna_nas.spaces.layers._mnasnet import MnasNetSpace
from optuna_nas.spaces.layers._nas_rl import NASRLSpace

__all__ = [
    "ENASMacroSpace",
    "MnasNetSpace",
    "NASRLSpace",
]
