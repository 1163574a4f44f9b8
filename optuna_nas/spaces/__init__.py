"""Search spaces: what can be built. ``suggest(trial) -> Architecture -> torch.nn.Module``.

What one needs to write a space is in :mod:`optuna_nas.spaces.base`, and for one of cells in
:mod:`optuna_nas.spaces.cells`.
"""

from optuna_nas.spaces import published
from optuna_nas.spaces._catalogue import SPACES, space_from_settings
from optuna_nas.spaces.base import (
    Architecture,
    DecisionTrial,
    SearchSpace,
    SizeEstimate,
    sample_architectures,
)
from optuna_nas.spaces.cells._amoebanet import AmoebaNetSpace
from optuna_nas.spaces.cells._cell_space import CellSpace
from optuna_nas.spaces.cells._darts import DARTSSpace
from optuna_nas.spaces.cells._enas_micro import ENASMicroSpace
from optuna_nas.spaces.cells._nasbench201 import NASBench201Space, nb201_string
from optuna_nas.spaces.cells._nasnet import NASNetSpace
from optuna_nas.spaces.cells._pnas import PNASSpace
from optuna_nas.spaces.function._choice import choice
from optuna_nas.spaces.function._function import FunctionSpace, MetaDeviceWarning, function_space
from optuna_nas.spaces.function._mixture import MixtureError
from optuna_nas.spaces.layers._enas_macro import ENASMacroSpace
from optuna_nas.spaces.layers._mnasnet import MnasNetSpace
from optuna_nas.spaces.layers._nas_rl import NASRLSpace

__all__ = [
    "SPACES",
    "AmoebaNetSpace",
    "Architecture",
    "CellSpace",
    "DARTSSpace",
    "DecisionTrial",
    "ENASMacroSpace",
    "ENASMicroSpace",
    "FunctionSpace",
    "MetaDeviceWarning",
    "MixtureError",
    "MnasNetSpace",
    "NASBench201Space",
    "NASNetSpace",
    "NASRLSpace",
    "PNASSpace",
    "SearchSpace",
    "SizeEstimate",
    "choice",
    "function_space",
    "nb201_string",
    "published",
    "sample_architectures",
    "space_from_settings",
]
