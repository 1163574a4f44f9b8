"""Search spaces: what can be built. ``suggest(trial) -> Architecture -> torch.nn.Module``."""

from optuna_nas.spaces import published
from optuna_nas.spaces._architecture import ARCHITECTURE_KEY, Architecture
from optuna_nas.spaces._catalogue import SPACES, space_from_settings
from optuna_nas.spaces._enumeration import SizeEstimate
from optuna_nas.spaces._function import FunctionSpace, MetaDeviceWarning, function_space
from optuna_nas.spaces._nas_rl import NASRLSpace
from optuna_nas.spaces._nasbench201 import NASBench201Space, nb201_string
from optuna_nas.spaces._sampling import sample_architectures
from optuna_nas.spaces._space import SearchSpace

__all__ = [
    "ARCHITECTURE_KEY",
    "SPACES",
    "Architecture",
    "FunctionSpace",
    "MetaDeviceWarning",
    "NASBench201Space",
    "NASRLSpace",
    "SearchSpace",
    "SizeEstimate",
    "function_space",
    "nb201_string",
    "published",
    "sample_architectures",
    "space_from_settings",
]
