"""Several candidates in one place: a weighted sum of all of them, or one alone.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``O`` candidates.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the papers:
    1. What gives zeros is never computed; in a sum its weight is lost, as in the papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas.nn.supernets._mixed_op import Selection, Weights

__all__ = ["Board", "NestedSupernet", "Switch", "SwitchedNetwork", "add_up", "weighted_sum"]


class Switch(nn.Module):
    """The candidates of a decision, at any place of a network that a user has written.

    It is called as its candidates are, and looks up on its board which of them take part.

    Args:
        name: The decision.
        candidates: By choice.
        board: Where the network writes what takes part.
    """

    def __init__(self, name: str, candidates: Mapping[Any, nn.Module], board: Board) -> None:
        super().__init__()
        self.name = name
        self.choices = tuple(candidates)
        self.board = board
        self.candidates = nn.ModuleList(candidates.values())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        weights = self.board.read(self.name)
        if isinstance(weights, int):
            return self.candidates[weights](*args, **kwargs)
        results = [candidate(*args, **kwargs) for candidate in self.candidates]
        shapes = {getattr(result, "shape", None) for result in results}
        if len(shapes) > 1 or None in shapes:
            described = {
                choice: tuple(result.shape) if isinstance(result, torch.Tensor) else type(result)
                for choice, result in zip(self.choices, results, strict=True)
            }
            raise ValueError(
                f"The candidates of `{self.name}` must give tensors of equal shapes to be mixed, "
                f"but got {described}. Add a projection to those that differ."
            )
        return weighted_sum(results, weights)

    def extra_repr(self) -> str:
        return f"{self.name}, choices={self.choices}"


class Board:
    """Selection of the forward pass under way, as the switches of one network read it.

    Args:
        prefix: Prefix of the switches' names; the selection has none.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.selection: Selection | None = None

    def read(self, name: str) -> Weights:
        """Look up a decision.

        Raises:
            RuntimeError: Outside of the supernet's forward pass, or if it lacks the decision.
        """
        if self.selection is None:
            raise RuntimeError(
                f"The candidates of `{name}` are weighted by the supernet that they belong to: "
                "call supernet(x) or supernet(x, architecture=...), not a part of it."
            )
        if name.removeprefix(self.prefix) not in self.selection:
            raise RuntimeError(
                f"The architecture does not decide on `{name}`, but its network has come there: "
                "the function that makes it must ask for the same decisions each time."
            )
        return self.selection[name.removeprefix(self.prefix)]

    def part(self, prefix: str, names: Sequence[str]) -> Selection:
        """Look up the decisions of a supernet within the network, by its own names.

        Args:
            prefix: Before its names in the selection.
            names: Those of its decisions; those that do not take part are left out.

        Raises:
            RuntimeError: Outside of the supernet's forward pass.
        """
        if self.selection is None:
            raise RuntimeError(
                f"The supernet of `{prefix}...` is weighted by the one that it belongs to: call "
                "supernet(x) or supernet(x, architecture=...), not a part of it."
            )
        return {
            name: self.selection[prefix + name]
            for name in names
            if prefix + name in self.selection
        }

    def __getstate__(self) -> dict[str, Any]:
        # A copy or pickle is not in a forward pass.
        return {"prefix": self.prefix, "selection": None}


class NestedSupernet(nn.Module):
    """The supernet of a space at any place of a network that a user has written.

    It is called as its networks are, and has the feature maps that they have.

    Args:
        network: Called with inputs and a selection.
        prefix: Before its decisions on the board.
        names: Its decisions.
        board: Where the network around it writes what takes part.
    """

    def __init__(
        self, network: nn.Module, prefix: str, names: Sequence[str], board: Board
    ) -> None:
        super().__init__()
        self.network = network
        self.prefix = prefix
        self.names = tuple(names)
        self.board = board

    def forward(self, *inputs: Any, **named: Any) -> Any:
        selection = self.board.part(self.prefix, self.names)
        return self.network(*inputs, selection=selection, **named)

    def forward_features(self, *inputs: Any, **named: Any) -> Any:
        """Return the map that the head pools."""
        run: Any = self.network.forward_features
        return run(*inputs, selection=self.board.part(self.prefix, self.names), **named)

    def __getattr__(self, name: str) -> Any:
        # What a network tells of its maps, and what it does without a selection.
        if name in _OF_MAPS:
            return getattr(self.network, name)
        return super().__getattr__(name)


_OF_MAPS = frozenset(
    {
        *("feature_info", "features_only", "num_classes", "num_features"),
        *("forward_head", "get_classifier", "reset_classifier"),
    }
)


class SwitchedNetwork(nn.Module):
    """A user's network with switches in it: its inputs and a selection, to what it returns.

    Args:
        network: Any module.
        board: Board of its switches.
        hooks: Hooks ``path``, ``discretise`` and ``alpha_layout`` that count instead of the
            space's; None: the space's.
    """

    def __init__(self, network: nn.Module, board: Board, hooks: Any = None) -> None:
        super().__init__()
        self.network = network
        self.board = board
        self.supernet_hooks = hooks

    def forward(self, *inputs: Any, selection: Selection, **named: Any) -> Any:
        self.board.selection = selection
        try:
            return self.network(*inputs, **named)
        finally:
            self.board.selection = None


def weighted_sum(results: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    """Add ``weights[i] * results[i]``; the weights have the shape ``(O,)``."""
    terms = [weight * result for weight, result in zip(weights.unbind(), results, strict=True)]
    return sum(terms[1:], start=terms[0])


def add_up(terms: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Add what is not None; None if nothing is."""
    there = [term for term in terms if term is not None]
    return sum(there[1:], start=there[0]) if there else None
