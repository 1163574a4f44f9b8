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

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas.nn.supernets._mixed_op import Selection, Weights

__all__ = [
    "Board",
    "Depths",
    "NestedSupernet",
    "Switch",
    "SwitchedNetwork",
    "add_up",
    "mixed_results",
    "weighted_sum",
]


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
        return mixed_results(self.name, dict(zip(self.choices, results, strict=True)), weights)

    def extra_repr(self) -> str:
        return f"{self.name}, choices={self.choices}"


class Depths(nn.Module):
    """Layers in a row, of which as many take part as a decision says.

    Args:
        name: The decision.
        layers: As many as the largest depth.
        depths: The choices: numbers of layers, in a row.
        board: Where the network writes what takes part.
    """

    def __init__(
        self, name: str, layers: Sequence[nn.Module], depths: Sequence[int], board: Board
    ) -> None:
        super().__init__()
        self.name = name
        self.depths = tuple(depths)
        self.board = board
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        weights = self.board.read(self.name)
        if isinstance(weights, int):
            for layer in self.layers[: self.depths[weights]]:
                x = layer(x)
            return x
        forms: dict[int, Any] = {}
        terms: list[Any] = []
        for depth, layer in enumerate([nn.Identity(), *self.layers]):
            x = layer(x)
            if depth in self.depths:
                forms[depth] = _form(x)
                # Weighted at once, before the next layer can change its input in place.
                terms.append(_mixed([x], weights[len(terms), None]))
        _check_forms(self.name, forms)
        return _combined(terms, lambda tensors: sum(tensors[1:], start=tensors[0]))

    def extra_repr(self) -> str:
        return f"{self.name}, depths={self.depths}"


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


def mixed_results(name: str, results: Mapping[Any, Any], weights: torch.Tensor) -> Any:
    """Add weighted results: tensors, or lists, tuples and dictionaries of them, part by part.

    Args:
        name: The decision, for the message.
        results: By choice.
        weights: ``(O,)``.

    Raises:
        ValueError: If they differ in their form or in the shape of a tensor.
    """
    _check_forms(name, {choice: _form(result) for choice, result in results.items()})
    return _mixed(list(results.values()), weights)


def _check_forms(name: str, forms: Mapping[Any, Any]) -> None:
    first = next(iter(forms.values()))
    if any(form != first for form in forms.values()) or _has_other(first):
        raise ValueError(
            f"The candidates of `{name}` must give tensors of equal shapes to be mixed, or equal "
            f"lists, tuples or dictionaries of them, but got {dict(forms)}. Add a projection to "
            "those that differ."
        )


def _form(result: Any) -> Any:
    """Describe a result: the shapes of its tensors in the place of these."""
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    if isinstance(result, Mapping):
        return {name: _form(part) for name, part in result.items()}
    return [_form(part) for part in result] if isinstance(result, list | tuple) else type(result)


def _has_other(form: Any) -> bool:
    """Tell whether there is something else than tensors; what holds nothing is so too."""
    if isinstance(form, list | dict):
        parts = form if isinstance(form, list) else list(form.values())
        return not parts or any(map(_has_other, parts))
    return isinstance(form, type)


def _mixed(results: Sequence[Any], weights: torch.Tensor) -> Any:
    return _combined(results, lambda tensors: weighted_sum(tensors, weights))


def _combined(
    results: Sequence[Any], combine: Callable[[Sequence[torch.Tensor]], torch.Tensor]
) -> Any:
    """Combine the tensors that stand at the same place of several results."""
    first = results[0]
    if isinstance(first, torch.Tensor):
        return combine(results)
    if isinstance(first, Mapping):
        return {name: _combined([one[name] for one in results], combine) for name in first}
    parts = [_combined(part, combine) for part in zip(*results, strict=True)]
    return parts if isinstance(first, list) else tuple(parts)


def weighted_sum(results: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    """Add ``weights[i] * results[i]``; the weights have the shape ``(O,)``."""
    terms = [weight * result for weight, result in zip(weights.unbind(), results, strict=True)]
    return sum(terms[1:], start=terms[0])


def add_up(terms: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Add what is not None; None if nothing is."""
    there = [term for term in terms if term is not None]
    return sum(there[1:], start=there[0]) if there else None
