"""Spaces of cells: a normal and a reduction cell, stacked."""

from optuna_nas.spaces.cells._amoebanet import AmoebaNetSpace
from optuna_nas.spaces.cells._cell_space import CellSpace
from optuna_nas.spaces.cells._darts import DARTSSpace
from optuna_nas.spaces.cells._enas_micro import ENASMicroSpace
from optuna_nas.spaces.cells._nasbench201 import NASBench201Space, nb201_string
from optuna_nas.spaces.cells._nasnet import NASNetSpace
from optuna_nas.spaces.cells._pnas import PNASSpace

__all__ = [
    "AmoebaNetSpace",
    "CellSpace",
    "DARTSSpace",
    "ENASMicroSpace",
    "NASBench201Space",
    "NASNetSpace",
    "PNASSpace",
    "nb201_string",
]
