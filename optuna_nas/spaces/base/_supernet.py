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

from optuna_nas.nn.networks import FeatureInfo
from optuna_nas.nn.supernets import FeatureSupernet
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
    - ``supernet(x, architecture=architecture)``: one network alone. It reads only its own weights,
      and only they get gradients; it is no copy, so ``.to()``, hooks and optimisers need no care.
      It is a proxy, not ``architecture.build()``: norms and cells may differ (see the space).

    ``x`` stands for whatever the networks take: any number of tensors of any type, in order and by
    name.

    Args:
        space: The space of its networks.
        network: ``network(x, selection=selection)``, where the selection has mixing weights of
            shape ``(O,)`` or a number for each name of ``choices``.
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
        logits = supernet(images, architecture=architecture)
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
        # The supernet of a function knows which spaces it has met; its space does not.
        self._hooks: Any = getattr(network, "supernet_hooks", None) or space
        self.layout = self._hooks.alpha_layout(open_choices).with_prefix(space.prefix)
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
        *inputs: Any,
        architecture: Architecture | None = None,
        mixture: Mapping[str, torch.Tensor] | None = None,
        **named: Any,
    ) -> Any:
        """Run the mixture, or one network.

        Args:
            inputs: Positional arguments of the networks, such as images ``(B, I, H, W)``.
            architecture: An architecture of this space; it decides on everything.
            mixture: Other weights than :meth:`mixture`, such as a Gumbel sample: for each alpha
                a tensor ``(O,)``.
            named: Named arguments of the networks.

        Returns:
            Logits ``(B, num_classes)``, unless the space says otherwise.

        Raises:
            TypeError: If an architecture is given without its name.
            ValueError: If the architecture belongs to another space or does not agree with
                ``fixed``, or ``mixture`` has other names.
        """
        selection = self._selection(inputs, architecture, mixture)
        return self.network(*inputs, selection=selection, **named)

    # Feature maps, as the networks of the space give them

    def forward_features(
        self,
        x: torch.Tensor,
        *,
        architecture: Architecture | None = None,
        mixture: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the map that the head pools, ``(B, num_features, H, W)``.

        Args:
            x: Images ``(B, I, H, W)``.
            architecture: As for :meth:`forward`.
            mixture: As for :meth:`forward`.

        Raises:
            TypeError: If the supernet of the space does not end in a head.
        """
        network = self._with_features
        return network.forward_features(x, self._selection((x,), architecture, mixture))

    def forward_head(self, features: torch.Tensor, *, pre_logits: bool = False) -> torch.Tensor:
        """Pool and classify what :meth:`forward_features` returned, all alphas aside.

        Args:
            features: ``(B, num_features, H, W)``.
            pre_logits: Whether to return the pooled features, ``(B, num_features)``.
        """
        return self._with_features.forward_head(features, pre_logits=pre_logits)

    def reset_classifier(self, num_classes: int) -> None:
        """Begin with a new last layer.

        Args:
            num_classes: Number of logits; 0: forward returns pooled features.
        """
        self._with_features.reset_classifier(num_classes)

    @property
    def num_features(self) -> int:
        """Channels of the map that the head pools."""
        return _features_of(self.network).num_features

    @property
    def feature_info(self) -> FeatureInfo:
        """Channels and reduction of each map that ``features_only=True`` gives."""
        return _features_of(self.network).feature_info

    # Alphas and architectures

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
        decided = self._hooks.discretise(weights_by_choice)
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

    @property
    def _with_features(self) -> FeatureSupernet:
        if not isinstance(self.network, FeatureSupernet):
            raise TypeError(
                f"The supernet of {self.space} has no head and no feature maps of its own: call "
                "supernet(...) for what its network returns."
            )
        return self.network

    def _selection(
        self,
        inputs: tuple[Any, ...],
        architecture: Architecture | None,
        mixture: Mapping[str, torch.Tensor] | None,
    ) -> Selection:
        if any(isinstance(given, Architecture) for given in inputs):
            raise TypeError(
                "All positional arguments of a supernet are inputs of its network: give an "
                "architecture by name, supernet(x, architecture=...)."
            )
        if architecture is not None and mixture is not None:
            raise ValueError(
                "Give either `architecture`, which decides, or `mixture`, which weighs, but got "
                "both."
            )
        if architecture is not None:
            return self._path(architecture)
        weights = self.mixture() if mixture is None else mixture
        self._check_names(weights)
        return self._with_decided(weights)

    def _path(self, architecture: Architecture) -> dict[str, int]:
        if architecture.space != self.space:
            refuse_other(self.space, architecture.space.identity, "`architecture`")
            raise ValueError(
                f"`architecture` must be one of {self.space}, but belongs to {architecture.space}."
            )
        selection: dict[str, int] = {}
        for name, value in self._hooks.path(architecture).items():
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


def _features_of(network: nn.Module) -> FeatureSupernet:
    """Return a network that has feature maps; an attribute of one that has none is missing."""
    if not isinstance(network, FeatureSupernet):
        raise AttributeError(f"{type(network).__name__} gives no feature maps")
    return network


def _softmax(row: list[float]) -> list[float]:
    """Softmax in float64 that does not depend on the order, so that ties stay ties."""
    top = max(row)
    parts = [math.exp(value - top) for value in row]
    total = math.fsum(parts)
    return [part / total for part in parts]
