"""A supernet: all networks of a space in one module, on shared weights.

Legend: ``B`` batch, ``O`` choices of a decision.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas.spaces.base._architecture import Architecture, refuse_other
from optuna_nas.spaces.decisions import FixedParams

if TYPE_CHECKING:
    from optuna_nas.nn.supernets import Selection
    from optuna_nas.spaces.base._space import SearchSpace

__all__ = ["Supernet"]

ALPHA_SCALE = 1e-3


class Supernet(nn.Module):
    """All networks of a space on shared weights. Made by ``space.supernet()``.

    - ``supernet(x)``: wherever there is something to choose, the sum of the candidates' results,
      weighted by the softmax of an alpha.
    - ``supernet(x, architecture)``: one network alone. It reads only its own weights, and only
      they get gradients; it is no copy, so ``.to()``, hooks and optimisers need no care. It is a
      proxy, not ``architecture.build()``: norms and cells may differ (see the space).

    Args:
        space: The space of its networks.
        network: ``network(x, selection)``, where the selection has mixing weights of shape
            ``(O,)`` or a number for each name of ``choices``.
        choices: Choices of each alpha, by name without prefix. Where there is one choice,
            there is no alpha.

    Attributes:
        choices: Choices that the entries of each alpha stand for, by the names of
            :meth:`alphas`.
        layout: The same with the part that each alpha plays (cells, edges, nodes).

    Example::

        supernet = NASBench201Space().supernet(num_classes=10)
        optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.025)
        alpha_optimizer = torch.optim.Adam(supernet.alphas().values(), lr=3e-4)
        loss = F.cross_entropy(supernet(images), labels)
        architecture = supernet.derive()
        logits = supernet(images, architecture)
    """

    def __init__(
        self, space: SearchSpace, network: nn.Module, choices: Mapping[str, tuple[Any, ...]]
    ) -> None:
        super().__init__()
        self.space = space
        self.network = network
        self._choices = dict(choices)
        open_names = [name for name, values in choices.items() if len(values) > 1]
        self.choices = {space.prefix + name: choices[name] for name in open_names}
        open_choices = {name: choices[name] for name in open_names}
        self.layout = space.alpha_layout(open_choices).with_prefix(space.prefix)
        self._alphas = nn.ParameterList(
            nn.Parameter(ALPHA_SCALE * torch.randn(len(values)))
            for values in self.choices.values()
        )

    def alphas(self) -> dict[str, nn.Parameter]:
        """Return the logits of each decision's choices, of shape ``(O,)``, by name."""
        return dict(zip(self.choices, self._alphas, strict=True))

    def weights(self) -> dict[str, nn.Parameter]:
        """Return all other parameters, by their names in ``named_parameters()``."""
        return {f"network.{name}": p for name, p in self.network.named_parameters()}

    def mixture(self) -> dict[str, torch.Tensor]:
        """Return the softmax of each alpha, by which ``supernet(x)`` mixes."""
        return {name: alpha.softmax(-1) for name, alpha in self.alphas().items()}

    def forward(
        self,
        x: Any,
        architecture: Architecture | None = None,
        *,
        mixture: Mapping[str, torch.Tensor] | None = None,
    ) -> Any:
        """Run the mixture, or one network.

        Args:
            x: Images ``(B, I, H, W)``.
            architecture: An architecture of this space; it decides on everything.
            mixture: Other weights than :meth:`mixture`, such as a Gumbel sample: for each alpha
                a tensor ``(O,)``.

        Returns:
            Logits ``(B, num_classes)``, unless the space says otherwise.

        Raises:
            ValueError: If the architecture belongs to another space or does not agree with
                ``fixed``, or ``mixture`` has other names.
        """
        if architecture is not None and mixture is not None:
            raise ValueError(
                "Give either `architecture`, which decides, or `mixture`, which weighs, but got "
                "both."
            )
        if architecture is not None:
            return self.network(x, self._path(architecture))
        weights = self.mixture() if mixture is None else mixture
        self._check_names(weights)
        return self.network(x, self._with_decided(weights))

    def derive(self, mixture: Mapping[str, torch.Tensor] | None = None) -> Architecture:
        """Discretise: the architecture that the alphas prefer; ties keep the lower index.

        Args:
            mixture: Other weights to go by than the softmax of the alphas, as in ``forward``.
        """
        if mixture is None:
            rows = {name: _softmax(alpha.tolist()) for name, alpha in self.alphas().items()}
        else:
            self._check_names(mixture)
            rows = {name: weights.tolist() for name, weights in mixture.items()}
        prefix = self.space.prefix
        weights_by_choice = {
            name: dict(zip(values, rows[prefix + name] if len(values) > 1 else [1.0], strict=True))
            for name, values in self._choices.items()
        }
        decided = self.space.discretise(weights_by_choice)
        params = {prefix + name: value for name, value in decided.items()}
        # In a function space some decisions are asked for only under others: the rest is unused.
        return self.space._run(FixedParams(params, self.space), {})

    def chosen(self, architecture: Architecture) -> dict[str, Any]:
        """Return what an architecture chooses at each alpha that it depends on, by name.

        Raises:
            ValueError: If it belongs to another space or does not agree with ``fixed``.
        """
        prefix = self.space.prefix
        return {
            prefix + name: self._choices[name][number]
            for name, number in self._path(architecture).items()
            if prefix + name in self.choices
        }

    def extra_repr(self) -> str:
        return f"{self.space}, {len(self.choices)} alphas"

    def _path(self, architecture: Architecture) -> dict[str, int]:
        if architecture.space != self.space:
            refuse_other(self.space, architecture.space.identity, "`architecture`")
            raise ValueError(
                f"`architecture` must be one of {self.space}, but belongs to {architecture.space}."
            )
        selection: dict[str, int] = {}
        for name, value in self.space.path(architecture).items():
            values = self._choices.get(name, ())
            if value not in values:
                raise ValueError(
                    f"This supernet of {self.space} was made with "
                    f"`{self.space.prefix}{name}` among {values}, but the architecture has "
                    f"{value!r}. Make it without that entry of `fixed`."
                )
            selection[name] = values.index(value)
        return selection

    def _with_decided(self, weights: Mapping[str, torch.Tensor]) -> Selection:
        """Add the decisions that are made, and take off the prefix."""
        prefix = self.space.prefix
        return {
            name: weights[prefix + name] if len(values) > 1 else 0
            for name, values in self._choices.items()
        }

    def _check_names(self, mixture: Mapping[str, torch.Tensor]) -> None:
        if mixture.keys() != self.choices.keys():
            odd = sorted(mixture.keys() ^ self.choices.keys())
            raise ValueError(
                f"`mixture` must have the names of alphas(), but {odd} are in one of them only."
            )


def _softmax(row: list[float]) -> list[float]:
    """Softmax in float64 that does not depend on the order, so that ties stay ties."""
    top = max(row)
    parts = [math.exp(value - top) for value in row]
    total = math.fsum(parts)
    return [part / total for part in parts]
