"""Inputs of a network: batches of any form, their description, and examples of them."""

from optuna_nas._ground.inputs._examples import Examples, examples_of, home_of
from optuna_nas._ground.inputs._inputs import (
    InputPart,
    Inputs,
    InputSpec,
    arranged,
    call,
    join,
    length,
    map_tensors,
    moved,
    parts_of,
    shapes,
    split,
)

__all__ = [
    "Examples",
    "InputPart",
    "InputSpec",
    "Inputs",
    "arranged",
    "call",
    "examples_of",
    "home_of",
    "join",
    "length",
    "map_tensors",
    "moved",
    "parts_of",
    "shapes",
    "split",
]
