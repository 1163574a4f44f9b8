"""Search spaces: ``suggest(trial) -> Architecture -> torch.nn.Module``.

The parts for a space of one's own are in :mod:`optuna_nas.spaces.base`, those for a space of
cells in :mod:`optuna_nas.spaces.cells`.
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
from optuna_nas.spaces.cells import (
    AmoebaNetSpace,
    CellSpace,
    DARTSSpace,
    ENASMicroSpace,
    NASBench201Space,
    NASNetSpace,
    PNASSpace,
    nb201_string,
)
from optuna_nas.spaces.function import (
    FunctionSpace,
    MetaDeviceWarning,
    MixtureError,
    choice,
    function_space,
    repeat,
)
from optuna_nas.spaces.layers import ENASMacroSpace, MLPSpace, MnasNetSpace, NASRLSpace

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
    "MLPSpace",
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
    "repeat",
    "sample_architectures",
    "space_from_settings",
]
