"""DARTS-PT: derives an architecture by what the supernet loses without a candidate.

Legend: ``O`` choices of a decision.

References:
    [Wang2021] Wang et al. Rethinking Architecture Selection in Differentiable NAS (DARTS-PT).
    ICLR 2021. arXiv:2108.04392.

Differences from the released code:
    1. Where spaces have no nodes of which some edges are kept, only operations are selected.
    2. What gives zeros is never selected, since masking it changes nothing.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from optuna_nas._ground.checks import is_number, require_int, shown
from optuna_nas.objectives.one_shot.variants._selection import Selection
from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot.variants._selection import TrainedSupernet
    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["DARTS_PT", "Perturbation"]

Rows: TypeAlias = dict[str, list[float]]  # mixing weights (O,) by decision


@dataclasses.dataclass(frozen=True, kw_only=True)
class Perturbation(Selection):
    """DARTS-PT: decide edge by edge, and let the supernet recover after each decision [Wang2021].

    Each edge costs a validation pass for every operation, and ``tune_epochs`` of training.

    Args:
        tune_epochs: Epochs of the weights after each decision, at least 0. Default: 5.
        lr_share: Share of the recipe's learning rate at which they begin, in (0, 1]. Default: 0.1.

    Raises:
        ValueError: If a number is out of range.
    """

    name: ClassVar[str] = "Perturbation"
    tune_epochs: int = 5
    lr_share: float = 0.1

    def __post_init__(self) -> None:
        require_int("tune_epochs", self.tune_epochs, at_least=0)
        if not is_number(self.lr_share) or not 0.0 < self.lr_share <= 1.0:
            raise ValueError(f"`lr_share` must lie in (0, 1], but got {shown(self.lr_share)}.")

    def select(self, supernet: TrainedSupernet) -> Rows:
        rng = random.Random(supernet.seed)
        layout = supernet.layout
        now: Rows = {name: list(row) for name, row in supernet.weights.items()}
        # An edge of each cell at a time, in random order: the cells recover together, so that
        # the number of tunings is that of one cell's edges.
        queues = [list(cell) for cell in layout.cells]
        for queue in queues:
            rng.shuffle(queue)
        for step in range(max(map(len, queues), default=0)):
            for queue in queues:
                if step < len(queue):
                    name = queue[step]
                    now[name] = _one_hot(_most_missed(now, name, supernet), now[name])
            self._tune(supernet, now)
        crowded = [list(edges) for edges in layout.nodes if len(edges) > layout.edges_kept]
        rng.shuffle(crowded)
        for edges in crowded:
            while len(edges) > layout.edges_kept:
                # The edge without which the supernet is best is the one to do without.
                least = max(edges, key=lambda name: supernet.score(_without(now, name, layout)))
                now = _without(now, least, layout)
                edges.remove(least)
            self._tune(supernet, now)
        return now

    def _tune(self, supernet: TrainedSupernet, now: Rows) -> None:
        supernet.tune(now, epochs=self.tune_epochs, lr_share=self.lr_share)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # studies have kept it without a name from the first on


def _most_missed(now: Rows, name: str, supernet: TrainedSupernet) -> int:
    """The operation without which the supernet is worst."""
    layout = supernet.layout

    def masked(index: int) -> float:
        # The other weights stay as they are, and do not add up to 1 then, as in [Wang2021].
        row = [0.0 if i == index else weight for i, weight in enumerate(now[name])]
        return supernet.score({**now, name: row})

    ops = layout.choices[name]
    return min((i for i, op in enumerate(ops) if op != layout.nothing), key=masked)


def _without(now: Rows, name: str, layout: AlphaLayout) -> Rows:
    return {**now, name: _one_hot(layout.choices[name].index(layout.nothing), now[name])}


def _one_hot(index: int, row: Sequence[float]) -> list[float]:
    return [float(i == index) for i in range(len(row))]


DARTS_PT = DARTSVariant(name="pt", selection=Perturbation())
"""The selection of [Wang2021] after a search of DARTS."""
