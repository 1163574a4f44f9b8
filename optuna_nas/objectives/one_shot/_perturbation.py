"""Derives an architecture by what the supernet loses without a candidate, not by alpha.

Legend: ``O`` choices of a decision.

References:
    [Wang2021] Wang et al. Rethinking Architecture Selection in Differentiable NAS (DARTS-PT).
    ICLR 2021. arXiv:2108.04392.

Differences from the released code:
    1. Where spaces have no nodes of which two edges are kept, only operations are selected.
    2. ``none`` is never selected, since masking it changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from optuna_nas._checks import is_number, require_int, shown

if TYPE_CHECKING:
    from optuna_nas.spaces.base._one_shot import AlphaLayout

__all__ = ["Perturbation", "Rows", "select"]

Rows: TypeAlias = dict[str, list[float]]  # mixing weights (O,) by decision


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """DARTS-PT: decide edge by edge, and let the supernet recover after each decision.

    Each edge costs a validation pass for every operation, and ``tune_epochs`` of training.

    Args:
        tune_epochs: Epochs of the weights after each decision, at least 0.
        lr_share: Their learning rate begins at so much of the recipe's, in (0, 1].

    Raises:
        ValueError: If a number is out of range.
    """

    tune_epochs: int = 5
    lr_share: float = 0.1

    def __post_init__(self) -> None:
        require_int("tune_epochs", self.tune_epochs, at_least=0)
        if not is_number(self.lr_share) or not 0.0 < self.lr_share <= 1.0:
            raise ValueError(f"`lr_share` must lie in (0, 1], but got {shown(self.lr_share)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON."""
        return asdict(self)


def select(
    rows: Mapping[str, Sequence[float]],
    layout: AlphaLayout,
    accuracy: Callable[[Rows], float],
    tune: Callable[[Rows], None],
    *,
    seed: int,
) -> Rows:
    """Decide on all edges, in random order, and then on the inputs of nodes.

    Args:
        rows: Mixing weights of the trained supernet.
        layout: What they weigh, in which cells and nodes.
        accuracy: Of the supernet, mixed so.
        tune: Lets the weights learn, mixed so.
        seed: Of the order.

    Returns:
        Weights of one and zero; an edge that is not kept has all of it on ``none``.
    """
    rng = random.Random(seed)
    now: Rows = {name: list(row) for name, row in rows.items()}
    queues = [list(cell) for cell in layout.cells]
    for queue in queues:
        rng.shuffle(queue)
    for step in range(max(map(len, queues), default=0)):
        for queue in queues:
            if step < len(queue):
                name = queue[step]
                now[name] = _one_hot(_most_missed(now, name, layout, accuracy), now[name])
        tune(now)
    crowded = [list(edges) for edges in layout.nodes if len(edges) > layout.edges_kept]
    rng.shuffle(crowded)
    for edges in crowded:
        while len(edges) > layout.edges_kept:
            least = max(edges, key=lambda name: accuracy(_without(now, name, layout)))
            now = _without(now, least, layout)
            edges.remove(least)
        tune(now)
    return now


def _most_missed(
    now: Rows, name: str, layout: AlphaLayout, accuracy: Callable[[Rows], float]
) -> int:
    """The operation without which the supernet is worst."""

    def masked(index: int) -> float:
        row = [0.0 if i == index else weight for i, weight in enumerate(now[name])]
        return accuracy({**now, name: row})

    ops = layout.choices[name]
    return min((i for i, op in enumerate(ops) if op != layout.nothing), key=masked)


def _without(now: Rows, name: str, layout: AlphaLayout) -> Rows:
    return {**now, name: _one_hot(layout.choices[name].index(layout.nothing), now[name])}


def _one_hot(index: int, row: Sequence[float]) -> list[float]:
    return [float(i == index) for i in range(len(row))]
