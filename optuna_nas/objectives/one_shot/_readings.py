"""Readings of a search by alphas after each epoch, and their place in a trial.

Legend: ``O`` choices of a decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.attributes import Attribute, list_of, mapping, real, text
from optuna_nas.keys import ALPHAS_KEY, CHOICES_KEY, EIGENVALUE_KEY, ENTROPY_KEY, SKIP_SHARE_KEY

if TYPE_CHECKING:
    import torch
    from optuna.trial import BaseTrial, FrozenTrial

    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces.base import AlphaLayout, Supernet

__all__ = [
    "SearchReading",
    "keep_readings",
    "read_alphas",
    "take_reading",
]

ENTROPY = Attribute(ENTROPY_KEY, list_of(real))
EIGENVALUE = Attribute(EIGENVALUE_KEY, list_of(real))
CHOICES = Attribute(CHOICES_KEY, mapping(list_of(text())))

DIGITS = 4  # of mixing weights


@dataclass(frozen=True, kw_only=True)
class SearchReading:
    """The state of a search after an epoch.

    Attributes:
        entropy: Mean entropy of the mixing weights over the decisions, in nats.
        skip_share: Share of skip connections in the cell that would be derived, in [0, 1]; of
            several cells, in that which has most.
        weights: Mixing weights ``(O,)`` by decision, rounded.
        params: Decisions of the architecture that would be derived.
        eigenvalue: Largest eigenvalue of the Hessian of the validation loss with respect to
            alpha; None if nothing has asked for it.
    """

    entropy: float
    skip_share: float
    weights: dict[str, list[float]]
    params: dict[str, Any]
    eigenvalue: float | None = None


def take_reading(
    supernet: Supernet, mixture: Mapping[str, torch.Tensor], eigenvalue: float | None = None
) -> SearchReading:
    """Read the state off a supernet and the weights by which it is evaluated."""
    architecture = supernet.derive(mixture)
    rows = {name: row.tolist() for name, row in mixture.items()}
    return SearchReading(
        entropy=math.fsum(_entropy(row) for row in rows.values()) / len(rows),
        skip_share=skip_share(supernet, architecture),
        weights={name: [round(w, DIGITS) for w in row] for name, row in rows.items()},
        params=dict(architecture.params),
        eigenvalue=eigenvalue,
    )


def skip_share(supernet: Supernet, architecture: Architecture) -> float:
    """Return the share of skip connections among the operations of a cell, the largest of all.

    Decisions that do not offer a skip connection are not counted.
    """
    layout = supernet.layout
    chosen = {
        name: choice
        for name, choice in supernet.chosen(architecture).items()
        if _offers_skip(layout, name)
    }
    shares = [
        sum(choice in layout.skips for choice in cell) / len(cell)
        for names in layout.cells
        if (cell := [chosen[name] for name in names if name in chosen])
    ]
    return max(shares, default=0.0)


def _offers_skip(layout: AlphaLayout, decision: str) -> bool:
    return not layout.skips.isdisjoint(layout.choices[decision])


def keep_readings(trial: BaseTrial, readings: Sequence[SearchReading], supernet: Supernet) -> None:
    """Write the readings of all epochs until now to a trial; those of earlier calls are there.

    Args:
        trial: Trial that keeps them.
        readings: At least one.
        supernet: Supernet that they are of.
    """
    if CHOICES.read(trial) is None:
        named = {name: list(map(str, values)) for name, values in supernet.choices.items()}
        trial.set_user_attr(CHOICES_KEY, named)
    trial.set_user_attr(ENTROPY_KEY, [round(reading.entropy, DIGITS) for reading in readings])
    # A share of nothing would look like a search that does not collapse.
    if any(_offers_skip(supernet.layout, name) for cell in supernet.layout.cells for name in cell):
        shares = [round(reading.skip_share, DIGITS) for reading in readings]
        trial.set_user_attr(SKIP_SHARE_KEY, shares)
    if readings[-1].eigenvalue is not None:
        trial.set_user_attr(EIGENVALUE_KEY, [reading.eigenvalue for reading in readings])
    # One attribute an epoch: databases cut a long one off.
    trial.set_user_attr(f"{ALPHAS_KEY}:{len(readings)}", readings[-1].weights)


def read_alphas(trial: FrozenTrial) -> list[dict[str, list[float]]]:
    """Return the mixing weights of a DARTS trial after each epoch, by decision.

    Args:
        trial: Such as ``study.best_trial``; empty if it is another one. Epochs from a damaged one
            on are left out.
    """
    alphas: list[dict[str, list[float]]] = []
    for epoch in range(1, len(ENTROPY.read(trial) or ()) + 1):
        weights = _alphas(f"{ALPHAS_KEY}:{epoch}").read(trial)
        if weights is None or (alphas and _sizes(weights) != _sizes(alphas[0])):
            break
        alphas.append(weights)
    return alphas


def _alphas(key: str) -> Attribute[dict[str, list[float]]]:
    return Attribute(key, mapping(list_of(real, at_least=1)))


def _sizes(weights: Mapping[str, Sequence[float]]) -> dict[str, int]:
    return {name: len(row) for name, row in weights.items()}


def _entropy(row: Sequence[float]) -> float:
    """The entropy of weights that may not add up to 1."""
    total = math.fsum(row)
    return -math.fsum(w / total * math.log(w / total) for w in row if w > 0.0)
