"""Spaces that are functions of a trial."""

from optuna_nas.spaces.function._choice import choice
from optuna_nas.spaces.function._function import FunctionSpace, MetaDeviceWarning, function_space
from optuna_nas.spaces.function._mixture import MixtureError
from optuna_nas.spaces.function._repeat import repeat

__all__ = [
    "FunctionSpace",
    "MetaDeviceWarning",
    "MixtureError",
    "choice",
    "function_space",
    "repeat",
]
