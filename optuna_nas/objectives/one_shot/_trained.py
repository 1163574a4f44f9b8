"""A supernet after its search, as a selection sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.checks import is_number, shown

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._learner import BilevelLearner
    from optuna_nas.objectives.one_shot.variants import MixingWeights, Selection
    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["SearchedSupernet"]


class SearchedSupernet:
    """The :class:`~optuna_nas.objectives.TrainedSupernet` of a search.

    Args:
        learner: Supernet and alphas after the last epoch.
        seed: Seed of whatever a selection does at random.
        evaluate: Returns the validation metric of the network that counts; more is better.
        tune: Lets the weights learn for a number of epochs, from a share of the learning rate on.
    """

    def __init__(
        self,
        learner: BilevelLearner,
        *,
        seed: int,
        evaluate: Callable[[], float],
        tune: Callable[[int, float], None],
    ) -> None:
        self.seed = seed
        self._learner = learner
        self._evaluate = evaluate
        self._tune = tune
        network = learner.network
        network.eval()
        self._found = {name: row.tolist() for name, row in network.mixture().items()}
        self._device = next(iter(network.supernet.alphas().values())).device

    @property
    def layout(self) -> AlphaLayout:
        """Choices, cells and nodes of the supernet."""
        return self._learner.network.supernet.layout

    @property
    def weights(self) -> dict[str, list[float]]:
        """Mixing weights of all operations as the search has left them."""
        return {name: list(self._found[name]) for name in self.layout.operations}

    def score(self, weights: MixingWeights) -> float:
        """Return the validation metric of the supernet, mixed by these weights; more is better.

        One that is minimised has its sign changed.
        """
        self._mix_by(weights)
        return self._evaluate()

    def tune(self, weights: MixingWeights, *, epochs: int, lr_share: float = 1.0) -> None:
        """Let the weights learn for some more epochs, mixed by these weights."""
        self._mix_by(weights)
        self._tune(epochs, lr_share)

    def derive(self, selection: Selection) -> dict[str, Any]:
        """Return the decisions to which a selection leads.

        Raises:
            ValueError: If it returns weights of another form.
        """
        selected = selection.select(self)
        _check_selected(selection, selected, self.weights)
        self._mix_by(selected)
        network = self._learner.network
        return dict(network.supernet.derive(network.decided).params)

    def _mix_by(self, weights: Mapping[str, Sequence[float]]) -> None:
        rows = self._found | dict(weights)
        mixture = {name: torch.tensor(row, device=self._device) for name, row in rows.items()}
        # An average of the weights is a copy of the network, with a mixture of its own.
        for mixed in (self._learner.network, self._learner.evaluated):
            mixed.decided = mixture


def _check_selected(
    selection: Selection, selected: object, found: Mapping[str, Sequence[float]]
) -> None:
    if not isinstance(selected, Mapping):
        raise ValueError(
            f"`select` of {selection} must return mixing weights by decision, but returned "
            f"{shown(selected)}: return a dict with a list of weights for each."
        )
    unknown = sorted(selected.keys() - found.keys())
    if unknown:
        raise ValueError(
            f"`select` of {selection} must return weights of {', '.join(found)}, but returned "
            f"also {shown(unknown)}: leave those out."
        )
    for name, row in selected.items():
        if len(row) != len(found[name]) or not all(map(is_number, row)):
            raise ValueError(
                f"`select` of {selection} must return {len(found[name])} numbers for {name!r}, "
                f"one for each choice, but returned {shown(row)}."
            )
