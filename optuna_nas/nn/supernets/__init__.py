"""Supernets: networks that hold every architecture of a space at once."""

from optuna_nas.nn.supernets._block_supernet import BlockRules, BlockSupernet
from optuna_nas.nn.supernets._darts_supernet import DARTSSupernet, edges_of
from optuna_nas.nn.supernets._enas_macro_supernet import ENASMacroSupernet
from optuna_nas.nn.supernets._features import FeatureSupernet
from optuna_nas.nn.supernets._mixed import Board, Depths, NestedSupernet, Switch, SwitchedNetwork
from optuna_nas.nn.supernets._mixed_op import MixedOp, Selection
from optuna_nas.nn.supernets._mlp_supernet import MLPSupernet
from optuna_nas.nn.supernets._nasbench201_supernet import NASBench201Supernet

__all__ = [
    "BlockRules",
    "BlockSupernet",
    "Board",
    "DARTSSupernet",
    "Depths",
    "ENASMacroSupernet",
    "FeatureSupernet",
    "MLPSupernet",
    "MixedOp",
    "NASBench201Supernet",
    "NestedSupernet",
    "Selection",
    "Switch",
    "SwitchedNetwork",
    "edges_of",
]
