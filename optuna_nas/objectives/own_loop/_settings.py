"""Settings of a training function, and what is checked of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.checks import require_choice, shown
from optuna_nas.training import METRICS

if TYPE_CHECKING:
    from optuna_nas.objectives.trial import Direction, Meter

__all__ = [
    "FunctionOptions",
    "TrainingLoop",
    "checked_function",
    "direction_of",
    "named_metric",
    "refuse_costs",
]

TrainingLoop: TypeAlias = "Callable[[Any, Any, Any], Any]"
"""``function(model, trial, report)``, which returns the metric, or None if it reports it."""

DIRECTIONS = ("maximize", "minimize")


class FunctionOptions(TypedDict, total=False):
    """Options of a training function; the limits need its ``inputs``.

    Args:
        max_params: Upper limit on trainable parameters, at least 1. Default: None, no limit.
        max_macs: Upper limit on multiply-adds of one example, at least 1. Default: None.
        max_latency_ms: Upper limit on the measured latency, above 0. Default: None.
        latency: Measures latency where it is needed: a ``LatencyMeter``, or a function
            ``(model, input_size) -> milliseconds``. Default: ``LatencyMeter()``.
        artifact_store: Artifact store of Optuna for one picture per trial. Default: None, no
            pictures and no notes.
        notes: Whether a note for optuna-dashboard is written beside each picture. Default: True.
    """

    max_params: int | None
    max_macs: int | None
    max_latency_ms: float | None
    latency: Meter | None
    artifact_store: seam.ArtifactStore | None
    notes: bool


def checked_function(function: object) -> TrainingLoop:
    """Return a plain function of (model, trial, report), and refuse everything else.

    Raises:
        TypeError: If it is another.
    """
    name = getattr(function, "__qualname__", shown(function))
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise TypeError(
            "A training function must be a plain function with a name, but got "
            f"{name}: write a `def` that takes (model, trial, report)."
        )
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError as e:
        raise TypeError(
            f"A training function must take three arguments (model, trial, report), but {name} "
            f"does not ({e}): give further ones defaults, or leave them out."
        ) from e
    return function


def direction_of(metric: str, direction: str | None) -> Direction:
    """Return the direction of a metric: as given, else as one of this package that is called so.

    Raises:
        ValueError: If neither says it.
    """
    if direction is None:
        named = named_metric(metric)
        if named is None:
            raise ValueError(
                f'`direction` must be "maximize" or "minimize" for the metric {shown(metric)}, '
                "which does not say it: pass direction=..."
            )
        direction = named.direction
    require_choice("direction", direction, DIRECTIONS)
    return cast("Direction", direction)


def named_metric(metric: str) -> Any:
    """Return the metric of this package that is called so; None if there is none."""
    for name, named in METRICS.items():
        if metric.lower() in (name, named.words.lower()):
            return named
    return None


def refuse_costs(options: Mapping[str, Any], costs: tuple[str, ...]) -> None:
    """Refuse what needs to know the costs of networks, where their inputs are unknown.

    Args:
        options: See :class:`FunctionOptions`.
        costs: Costs that the value of a trial depends on.

    Raises:
        ValueError: If there is such a setting.
    """
    limits = ("max_params", "max_macs", "max_latency_ms", "latency")
    needs = [name for name in limits if options.get(name) is not None]
    if costs:
        needs.append("value")
    if needs:
        raise ValueError(
            f"`{needs[0]}` needs to know what networks take, but got inputs=None: pass "
            "inputs=..., such as inputs=(3, 32, 32)."
        )
