"""Makes a scaled network and its training again from what a study keeps of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.objectives.identity import (
    DataIdentity,
    as_field,
    ask_for,
    rebuilt_data,
    recipe_from,
    subclasses,
)
from optuna_nas.objectives.scaling._scaled_training import ScaledTraining
from optuna_nas.scaling import GrowingRegularisation, ScalableNetwork

if TYPE_CHECKING:
    from optuna_nas.objectives.evaluation import Evaluator
    from optuna_nas.training import Data

__all__ = ["rebuilt_network", "rebuilt_training"]

_SHARES = ("train_resolution", "start", "stages")
_KEPT = {"data", "recipe", "regularisation", *_SHARES}  # by an evaluator of this package


def rebuilt_network(kept: Any) -> ScalableNetwork:
    """Return the network of which a study keeps the settings.

    Raises:
        ValueError: If it must be given, as cells of which a study keeps the digest only.
    """
    settings = dict(kept) if isinstance(kept, Mapping) else {}
    settings.pop("network", None)
    for cls in subclasses(ScalableNetwork):
        try:
            network: ScalableNetwork = cls(**_arguments(cls, settings))
        except (AttributeError, TypeError, ValueError):
            continue
        if json.loads(json.dumps(network.identity)) == kept:
            return network
    ask_for("base", kept)


def _arguments(cls: type[ScalableNetwork], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a class, in which rows of JSON are what the class has by default there."""
    arguments = {name: as_field(value) for name, value in settings.items()}
    for field in dataclasses.fields(cls):
        default = field.default
        if isinstance(default, tuple) and default and hasattr(default[0], "_fields"):
            rows = arguments.get(field.name, ())
            arguments[field.name] = tuple(type(default[0])(*row) for row in rows)
    return arguments


def rebuilt_training(kept: Any, data: str | Data | None) -> Evaluator:
    """Return the training of which a study keeps the settings.

    Args:
        kept: Settings that the study keeps of it.
        data: The images, if they are given.

    Raises:
        ValueError: If it, or its data, must be given.
    """
    if not isinstance(kept, Mapping) or kept.keys() != _KEPT:
        ask_for("evaluator", kept)  # also where an evaluator of the user's does what is within
    images = rebuilt_data(DataIdentity.from_json(kept["data"]), data)
    growing = kept["regularisation"]
    try:
        if growing is not None:
            growing = GrowingRegularisation(**{k: as_field(value) for k, value in growing.items()})
        return ScaledTraining(
            images,
            recipe=recipe_from(kept["recipe"]),
            regularisation=growing,
            **{name: kept[name] for name in _SHARES},
        )
    except (AttributeError, TypeError):  # it was damaged
        ask_for("evaluator", kept)
