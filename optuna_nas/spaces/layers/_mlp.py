"""Multilayer perceptrons of tables: depth, width, activation, norm, skips, dropout, embedding.

References:
    - Gorishniy, Rubachev, Babenko. On Embeddings for Numerical Features in Tabular Deep Learning.
      NeurIPS 2022. arXiv:2203.05556. The periodic embedding.
    - Kadra, Lindauer, Hutter, Grabocka. Well-tuned Simple Nets Excel on Tabular Datasets. NeurIPS
      2021. arXiv:2106.11189. Networks of this kind, whose regularisers are searched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_nas._ground.bounds import MAX_CHANNELS, MAX_CHOICES
from optuna_nas._ground.checks import is_int, is_number, require_bool, shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import Choices, SearchSpace
from optuna_nas.spaces.decisions import DecisionTrial, checked_value
from optuna_nas.spaces.layers._depths import depth_range

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MLPSpace"]

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
NORMS = ("none", "batch", "layer")
EMBEDDINGS = ("none", "periodic")


class MLP(NamedTuple):
    """Decisions of one network, as ``MLPNetwork`` takes them."""

    widths: tuple[int, ...]
    activation: str
    norm: str
    skip: bool
    dropout: float
    embedding: str


@dataclass(frozen=True, kw_only=True)
class MLPSpace(SearchSpace):
    """Networks of tables: hidden layers of equal units, with what regularises them.

    7,200 networks. Chosen are the number of hidden layers, their units, activation, norm and
    dropout, whether layers are residual, and whether features are embedded. Each layer is a
    linear map, the norm, the activation, dropout, and the layer's input again if it is residual.

    Inputs are rows ``(B, in_features)`` of numbers, best standardised; what has more dimensions,
    such as an image, is flattened. Outputs are logits, or numbers in the unit of the targets:
    the build arguments ``target_mean`` and ``target_std`` put them there.

    Take boosted trees instead where there are many categories or far more rows than an hour of
    training sees; on small tables of numbers ``benchmarks/tabular.py`` compares the two.

    Args:
        num_layers: Number of hidden layers, or its range ``(low, high)``, which makes
            ``num_layers`` a decision; within [1, 99].
        widths: Choices of units.
        activations: Choices of the activation.
        norms: Choices of the norm: none, batch norm or layer norm.
        skip: Whether the second and further layers are residual. Where layers differ in width,
            the input is added by a linear map.
        dropout: Choices of the drop probability of hidden units, in [0, 1).
        embeddings: Choices of what is read instead of a feature: itself, or ``"periodic"``,
            ``embedding_size`` functions of it (see :class:`FeatureEmbedding` of
            ``optuna_nas.nn.networks``).
        same_width: Whether all layers have the same units, one decision ``width``. False: each
            has its own, ``layer_02_width``, and there are 2,239,200 networks.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import MLPSpace

        space = MLPSpace(num_layers=2, same_width=False)
        network = space.parse(
            "layer_01_width=128, layer_02_width=32, activation=silu, norm=batch, skip=False, "
            "dropout=0.1, embedding=periodic"
        )
        model = network.build(in_features=10, out_features=1, target_mean=152.1, target_std=77.0)
    """

    name: ClassVar[str] = "mlp"
    not_in_digest: ClassVar[frozenset[str]] = frozenset(
        {
            "prefix",
            "num_layers",
            "widths",
            "activations",
            "norms",
            "skip",
            "dropout",
            "embeddings",
            "same_width",
        }
    )

    num_layers: int | tuple[int, int] = (1, 5)
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    activations: tuple[str, ...] = ACTIVATIONS
    norms: tuple[str, ...] = NORMS
    skip: tuple[bool, ...] = (False, True)
    dropout: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5)
    embeddings: tuple[str, ...] = EMBEDDINGS
    same_width: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        depth_range(self.num_layers)
        require_bool("same_width", self.same_width)
        rules = {
            "widths": (f"integers from 1 to {MAX_CHANNELS}", _is_width),
            "activations": (f"among {ACTIVATIONS}", ACTIVATIONS.__contains__),
            "norms": (f"among {NORMS}", NORMS.__contains__),
            "skip": ("booleans", lambda value: isinstance(value, bool)),
            "dropout": ("numbers in [0, 1)", _is_share),
            "embeddings": (f"among {EMBEDDINGS}", EMBEDDINGS.__contains__),
        }
        for name, (rule, fits) in rules.items():
            values = getattr(self, name)
            are_some = isinstance(values, tuple) and 1 <= len(values) <= MAX_CHOICES
            if not are_some or not all(map(fits, values)) or len({*values}) < len(values):
                raise ValueError(
                    f"`{name}` must be a tuple of different choices, {rule}, but got "
                    f"{name}={shown(values)}. Leave it out for "
                    f"{shown(getattr(MLPSpace, name))}."
                )

    @property
    def conditional(self) -> bool:
        low, high = depth_range(self.num_layers)
        return not self.same_width and low < high

    @property
    def num_architectures(self) -> int:
        low, high = depth_range(self.num_layers)
        common = [self.activations, self.norms, self.skip, self.dropout, self.embeddings]
        layers = [1 if self.same_width else depth for depth in range(low, high + 1)]
        widths = sum(int(len(self.widths) ** n) for n in layers)
        return widths * math.prod(map(len, common))

    def decide(self, trial: DecisionTrial) -> MLP:
        low, high = depth_range(self.num_layers)
        ranged = isinstance(self.num_layers, tuple)
        depth = trial.suggest_int("num_layers", low, high) if ranged else low
        widths = tuple(
            trial.suggest_categorical(name, self.widths) for name in self._width_names(depth)
        )
        return MLP(
            widths * depth if self.same_width else widths,
            trial.suggest_categorical("activation", self.activations),
            trial.suggest_categorical("norm", self.norms),
            trial.suggest_categorical("skip", self.skip),
            trial.suggest_categorical("dropout", self.dropout),
            trial.suggest_categorical("embedding", self.embeddings),
        )

    def _width_names(self, depth: int) -> tuple[str, ...]:
        """Names of the decisions on the units of so many layers."""
        if self.same_width:
            return ("width",)
        return tuple(f"layer_{i:02d}_width" for i in range(1, depth + 1))

    def build_network(
        self,
        genotype: MLP,
        *,
        in_features: int = 64,
        out_features: int = 10,
        target_mean: Sequence[float] | float | None = None,
        target_std: Sequence[float] | float | None = None,
        embedding_size: int = 8,
        frequencies: int = 16,
        frequency_scale: float = 0.1,
    ) -> nn.Module:
        from optuna_nas.nn.networks import MLPNetwork

        return MLPNetwork(
            **genotype._asdict(),
            in_features=in_features,
            out_features=out_features,
            embedding_size=embedding_size,
            frequencies=frequencies,
            frequency_scale=frequency_scale,
            target_mean=target_mean,
            target_std=target_std,
        )

    def relax(
        self,
        fixed: Mapping[str, Any],
        *,
        in_features: int = 64,
        out_features: int = 10,
        target_mean: Sequence[float] | float | None = None,
        target_std: Sequence[float] | float | None = None,
        embedding_size: int = 8,
        frequencies: int = 16,
        frequency_scale: float = 0.1,
    ) -> tuple[nn.Module, Choices]:
        """Layers of the largest width, of which narrower ones are a part; all depths share them.

        Rates of dropout are mixed like operations, which prefers low ones: fix ``dropout``, or
        take what has been found with it as a start.
        """
        from optuna_nas.nn.supernets import MLPSupernet

        choices = self._open_choices(fixed)
        depths = choices.get("num_layers") or (depth_range(self.num_layers)[0],)
        names = self._width_names(max(depths))
        network = MLPSupernet(
            names * max(depths) if self.same_width else names,
            {**choices, "num_layers": depths},
            projects=not self.same_width,
            in_features=in_features,
            out_features=out_features,
            embedding={
                "size": embedding_size,
                "frequencies": frequencies,
                "scale": frequency_scale,
            },
            target_mean=target_mean,
            target_std=target_std,
        )
        return network, choices

    def _open_choices(self, fixed: Mapping[str, Any]) -> Choices:
        """Return the choices of each decision; what is fixed has one.

        ``open_choices`` does that for spaces without depths and conditions.

        Raises:
            ValueError: If ``fixed`` holds other names, or a value that does not fit.
        """
        low, high = depth_range(self.num_layers)
        choices: dict[str, tuple[Any, ...]] = {}
        if isinstance(self.num_layers, tuple):
            depths = IntDistribution(low, high)
            name = f"{self.prefix}num_layers"
            choices["num_layers"] = tuple(range(low, high + 1))
            if name in fixed:
                high = checked_value(name, fixed[name], depths, self)
                choices["num_layers"] = (high,)
        choices |= dict.fromkeys(self._width_names(high), self.widths)
        choices |= {
            "activation": self.activations,
            "norm": self.norms,
            "skip": self.skip,
            "dropout": self.dropout,
            "embedding": self.embeddings,
        }
        left = sorted(fixed.keys() - {self.prefix + name for name in choices})
        if left:
            raise ValueError(
                f"`fixed` must hold decisions of {self}, but it does not ask for {left}. Its "
                f"decisions are {', '.join(self.prefix + name for name in choices)}."
            )
        for name in choices.keys() - {"num_layers"}:
            full = self.prefix + name
            if full in fixed:
                categorical = CategoricalDistribution(choices[name])
                choices[name] = (checked_value(full, fixed[full], categorical, self),)
        return choices

    def canonical(self, genotype: MLP) -> list[Any]:
        """Leave out the shortcuts of a single layer, which has none."""
        skip = genotype.skip and len(genotype.widths) > 1
        return list(genotype._replace(skip=skip, dropout=float(genotype.dropout)))

    def owns(self, name: str) -> bool:
        pattern = r"num_layers|width|layer_\d\d_width|activation|norm|skip|dropout|embedding"
        return re.fullmatch(pattern, name) is not None

    def graph(self, genotype: MLP) -> Graph:
        nodes = [Node("in", "row", "input")]
        if genotype.embedding != "none":
            nodes.append(Node("embedding", f"{genotype.embedding}\nembedding"))
        nodes += [
            Node(str(i), _label(i, width, genotype))
            for i, width in enumerate(genotype.widths, start=1)
        ]
        nodes.append(Node("out", "output", "output"))
        edges = [Edge(a.key, b.key) for a, b in zip(nodes, nodes[1:], strict=False)]
        return Graph(tuple(nodes), tuple(edges), title="multilayer perceptron")


def _is_width(value: Any) -> bool:
    return is_int(value) and 1 <= value <= MAX_CHANNELS


def _is_share(value: Any) -> bool:
    return is_number(value) and 0.0 <= value < 1.0


def _label(i: int, width: int, genotype: MLP) -> str:
    lines = [f"layer {i}\n{width} units, {genotype.activation}"]
    lines += [] if genotype.norm == "none" else [f"{genotype.norm} norm"]
    lines += [f"dropout {genotype.dropout:g}"] if genotype.dropout else []
    lines += ["residual"] if genotype.skip and i > 1 else []
    return "\n".join(lines)
