"""The convolutional search space of NAS-RL: a chain with anchor-point skip connections.

References:
    - Zoph, Le. Neural Architecture Search with Reinforcement Learning. ICLR 2017.
      arXiv:1611.01578.

Differences from the paper:
    1. The side on which smaller maps are padded is not published; see ``nn.ConcatChain``.
    2. An anchor offers the earlier layers only. A layer that chooses none reads the image (the
       paper's second rule), so that the image needs no choice of its own.
    3. The third variant, 13 decisions for 39 layers (``block_layers=3``), is UNVERIFIED: the paper
       says "a fully connected block of 3 layers" and no more, and its networks are not published.
       Here the layers of a block are alike; each reads what the block reads and the block's
       earlier layers; whoever reads the block reads all of its layers. No parameter count is
       claimed.
    4. Where that variant pools (``pool_after=(13, 24)``) is from a secondary source, and what
       layers behind a pool read of earlier maps is UNVERIFIED; see ``nn.ConcatChain``. Layers are
       counted in the network, so the first pool lies within the fifth block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from optuna_nas._ground.bounds import MAX_CHANNELS, MAX_CHOICES, MAX_LAYERS
from optuna_nas._ground.checks import is_int, require_int, shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import Form, SearchSpace, canonical_form
from optuna_nas.spaces.decisions import DecisionTrial, Scanner
from optuna_nas.spaces.layers._depths import depth_range

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NASRLSpace"]

KERNEL_SIZES = (1, 3, 5, 7)
FILTERS = (24, 36, 48, 64)
MAX_STRIDE = 100


class Layer(NamedTuple):
    """One layer: kernel and stride as ``(height, width)``, inputs as numbers from 1."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    filters: int
    inputs: tuple[int, ...]

    def __str__(self) -> str:
        height, width = self.kernel
        stride = "" if self.stride == (1, 1) else f"/{self.stride[0]}x{self.stride[1]}"
        return f"{height}x{width}{stride}@{self.filters}"


Chain = tuple[Layer, ...]


@dataclass(frozen=True, kw_only=True)
class NASRLSpace(SearchSpace):
    """Chains of convolutions, each of which may read any of the earlier ones.

    In layer ``i`` kernel height, kernel width, number of filters and a yes or no for each of the
    ``i - 1`` earlier layers are chosen. Several inputs are concatenated; a layer without any
    reads the image; layers that nobody reads go to the classifier; smaller maps are padded.

    Networks are large and slow (without strides every layer works at full resolution). For a
    small budget take a cell space.

    The paper's variant with pooling (see *Differences* in the module for what is not certain):
    ``NASRLSpace(num_layers=13, filters=(6, 12, 24, 36), block_layers=3, pool_after=(13, 24))``,
    which it also trained with ``build(extra_filters=40)``.

    Args:
        num_layers: Depth of the chain (in blocks, see ``block_layers``), or its range
            ``(low, high)``, which makes ``num_layers`` a decision; within [1, 99]. The paper's
            best network has 15.
        strides: Vertical and horizontal strides to choose from; ``(1, 2, 3)`` is the paper's
            variant that predicts strides. With a single one there is no such decision.
        depth_schedule: ``(start, step, every)``, for a range of depths only: trial ``n``
            suggests ``start + step * (n // every)`` layers, kept within the range. The paper's
            is ``(6, 2, 1600)``. Enqueued depths are left alone, and decoding does not care.
        filters: Numbers of filters to choose from.
        block_layers: Layers that each decision stands for, fully connected among themselves.
        pool_after: Layers of the network, counted from 1, after which all maps are halved.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range, or there is a schedule but no range.

    Example::

        from optuna_nas.spaces import NASRLSpace

        space = NASRLSpace(num_layers=3)
        chain = space.parse("3x3@36 | 5x5@48 <- 1 | 3x3@36 <- 1,2")
        model = chain.build(num_classes=10)
    """

    name: ClassVar[str] = "nas_rl"
    # The last two change what a genotype computes; the canonical form is that of the network.
    not_in_digest: ClassVar[frozenset[str]] = frozenset(
        {"prefix", "depth_schedule", "filters", "block_layers", "pool_after"}
    )

    num_layers: int | tuple[int, int] = 15
    strides: tuple[int, ...] = (1,)
    depth_schedule: tuple[int, int, int] | None = None
    filters: tuple[int, ...] = FILTERS
    block_layers: int = 1
    pool_after: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        depth_range(self.num_layers)
        _check_choices("strides", self.strides, "(1,) or (1, 2, 3)", at_most=MAX_STRIDE)
        _check_choices(
            "filters", self.filters, f"{FILTERS} or (6, 12, 24, 36)", at_most=MAX_CHANNELS
        )
        if self.depth_schedule is not None:
            self._check_schedule(self.depth_schedule)
        self._check_blocks()
        if self.pool_after != ():
            _check_choices("pool_after", self.pool_after, "(13, 24)", at_most=MAX_LAYERS)

    def _check_blocks(self) -> None:
        deepest = MAX_LAYERS // depth_range(self.num_layers)[1]
        require_int("block_layers", self.block_layers, at_most=deepest)
        if self.block_layers > 1 and self.strides != (1,):
            raise ValueError(
                "`block_layers` must be at least 1, and above 1 only with strides=(1,), but got "
                f"block_layers={self.block_layers} and strides={self.strides}."
            )

    def _check_schedule(self, schedule: object) -> None:
        if (
            not isinstance(schedule, tuple)
            or len(schedule) != 3
            or not all(map(is_int, schedule))
            or min(schedule[0], schedule[2]) < 1
            or schedule[1] < 0
        ):
            raise ValueError(
                "`depth_schedule` must be (start >= 1, step >= 0, every >= 1), but got "
                f"depth_schedule={shown(schedule)}."
            )
        if not self.conditional:
            raise ValueError(
                "`depth_schedule` needs a range of depths, such as num_layers=(6, 22), but got "
                f"num_layers={self.num_layers}."
            )

    @property
    def num_architectures(self) -> int:
        per_layer = len(KERNEL_SIZES) ** 2 * len(self.filters) * len(self.strides) ** 2
        low, high = depth_range(self.num_layers)
        return sum(per_layer**n * 2 ** (n * (n - 1) // 2) for n in range(low, high + 1))

    def scheduled_depth(self, number: int) -> int:
        """Return how many layers trial ``number`` suggests.

        Raises:
            ValueError: If the space has no ``depth_schedule``.
        """
        if self.depth_schedule is None:
            raise ValueError(f"{self} has no depth schedule. Give it depth_schedule=(6, 2, 1600).")
        start, step, every = self.depth_schedule
        low, high = depth_range(self.num_layers)
        return min(max(start + step * (number // every), low), high)

    @property
    def conditional(self) -> bool:
        return isinstance(self.num_layers, tuple)

    def decide(self, trial: DecisionTrial) -> Chain:
        return tuple(self._decide_layer(trial, i) for i in range(1, self._depth(trial) + 1))

    def _depth(self, trial: DecisionTrial) -> int:
        low, high = depth_range(self.num_layers)
        if not self.conditional:
            return low
        if self.depth_schedule is None:
            return trial.suggest_int("num_layers", low, high)
        return trial.suggest_scheduled_int("num_layers", low, high, schedule=self.scheduled_depth)

    def _decide_layer(self, trial: DecisionTrial, i: int) -> Layer:
        scope = f"layer_{i:02d}"
        height = trial.suggest_categorical(f"{scope}_height", KERNEL_SIZES)
        width = trial.suggest_categorical(f"{scope}_width", KERNEL_SIZES)
        stride = (self.strides[0], self.strides[0])
        if len(self.strides) > 1:
            stride = (
                trial.suggest_categorical(f"{scope}_stride_height", self.strides),
                trial.suggest_categorical(f"{scope}_stride_width", self.strides),
            )
        filters = trial.suggest_categorical(f"{scope}_filters", self.filters)
        inputs = tuple(
            j
            for j in range(1, i)
            if trial.suggest_categorical(f"{scope}_from_{j:02d}", (False, True))
        )
        return Layer((height, width), stride, filters, inputs)

    def build_network(
        self,
        genotype: Chain,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        extra_filters: int = 0,
        features_only: bool = False,
    ) -> nn.Module:
        from optuna_nas.nn.networks import ConcatChain

        require_int("extra_filters", extra_filters, at_least=0, at_most=MAX_CHANNELS)
        layers = _expanded(genotype, self.block_layers)
        return ConcatChain(
            [(layer.kernel, layer.stride, layer.filters + extra_filters) for layer in layers],
            _sources(layers),
            num_classes=num_classes,
            in_channels=in_channels,
            pool_after=self.pool_after,
            features_only=features_only,
        )

    def canonical(self, genotype: Chain) -> Form:
        layers = _expanded(genotype, self.block_layers)
        labels = ["image", *map(str, layers), "classifier"]
        inputs = [(), *_sources(layers)]
        for pool in self.pool_after:  # who reads pooled maps is another thing than who does not
            labels[pool + 1 :] = ["pooled " + label for label in labels[pool + 1 :]]
        return canonical_form(labels, inputs, output=len(labels) - 1)

    def owns(self, name: str) -> bool:
        fields = r"height|width|filters|stride_height|stride_width|from_\d\d"
        return re.fullmatch(rf"num_layers|layer_\d\d_({fields})", name) is not None

    def format(self, genotype: Chain) -> str:
        return " | ".join(
            str(layer) + (f" <- {','.join(map(str, layer.inputs))}" if layer.inputs else "")
            for layer in genotype
        )

    def encode(self, text: str) -> dict[str, Any]:
        scanner = Scanner(text)
        params: dict[str, Any] = {}
        low, high = depth_range(self.num_layers)
        depth = 0
        while depth == 0 or (depth <= high and scanner.take(r"\|")):
            depth += 1
            params |= {f"layer_{depth:02d}_{k}": v for k, v in self._read_layer(scanner, depth)}
        if not scanner.at_end and depth <= high:
            scanner.fail("Expected '|' and a further layer, or the end")
        if not low <= depth <= high:
            allowed = f"{low} to {high}" if self.conditional else str(low)
            more = "" if scanner.at_end else " or more"
            scanner.fail(f"This space has {allowed} layers, but the text has {depth}{more}")
        return params | ({"num_layers": depth} if self.conditional else {})

    def _read_layer(self, scanner: Scanner, i: int) -> Iterator[tuple[str, Any]]:
        """Read ``5x7/2x1@36 <- 1,3``; strides of 1 and inputs may be left out."""
        yield "height", scanner.need_int(KERNEL_SIZES, "the kernel's height")
        scanner.need("x", "'x' between the kernel's height and width")
        yield "width", scanner.need_int(KERNEL_SIZES, "the kernel's width")
        stride = (1, 1)
        if scanner.take("/"):
            height = scanner.need_int(self.strides, "the vertical stride")
            scanner.need("x", "'x' between the strides")
            stride = (height, scanner.need_int(self.strides, "the horizontal stride"))
        elif 1 not in self.strides:
            scanner.fail(f"Expected '/' and strides, one of {self.strides}")
        if len(self.strides) > 1:
            yield "stride_height", stride[0]
            yield "stride_width", stride[1]
        scanner.need("@", "'@' and the number of filters")
        yield "filters", scanner.need_int(self.filters, "the number of filters")
        inputs = self._read_inputs(scanner, i)
        yield from ((f"from_{j:02d}", j in inputs) for j in range(1, i))

    def _read_inputs(self, scanner: Scanner, i: int) -> set[int]:
        inputs: set[int] = set()
        if scanner.take("<-"):
            while not inputs or scanner.take(","):
                left = [j for j in range(i) if j not in inputs]
                inputs.add(scanner.need_int(left, f"a further input of layer {i}"))
        if 0 in inputs and len(inputs) > 1:
            scanner.fail("The image (0) is read by layers without other inputs only")
        return inputs

    def graph(self, genotype: Chain) -> Graph:
        end = str(len(genotype) + 1)
        nodes = [
            Node("0", "image", "input"),
            *(Node(str(i), self._label(i, layer)) for i, layer in enumerate(genotype, start=1)),
            Node(end, "classifier", "output"),
        ]
        edges = [
            Edge(str(source), str(target))
            for target, sources in enumerate(_sources(genotype), start=1)
            for source in sources
        ]
        return Graph(tuple(nodes), tuple(edges), title="NAS-RL network")

    def _label(self, i: int, layer: Layer) -> str:
        count = self.block_layers
        lines = [str(i), str(layer), *([f"{count} layers"] if count > 1 else [])]
        inside = range((i - 1) * count + 1, i * count + 1)
        lines += [f"halved after {pool}" for pool in self.pool_after if pool in inside]
        return "\n".join(lines)


def _check_choices(name: str, values: object, such_as: str, *, at_most: int) -> None:
    if (
        not isinstance(values, tuple)
        or not 1 <= len(values) <= MAX_CHOICES
        or not all(is_int(value) and 1 <= value <= at_most for value in values)
        or len(set(values)) < len(values)
    ):
        raise ValueError(
            f"`{name}` must be different positive integers of at most {at_most}, such as "
            f"{such_as}, but got {name}={shown(values)}."
        )


def _expanded(chain: Chain, block_layers: int) -> Chain:
    """Write every block as its layers, fully connected among themselves."""
    if block_layers == 1:
        return chain
    layers: list[Layer] = []
    for block in chain:
        first = len(layers) + 1
        inputs = [
            (i - 1) * block_layers + k for i in block.inputs for k in range(1, block_layers + 1)
        ]
        for k in range(block_layers):
            layers.append(block._replace(inputs=(*(inputs or [0]), *range(first, first + k))))
    return tuple(layers)


def _sources(chain: Chain) -> list[tuple[int, ...]]:
    """Return what each layer reads, and at the end what the classifier does (0 is the image)."""
    inputs = [layer.inputs or (0,) for layer in chain]
    used = {i for sources in inputs for i in sources}
    return [*inputs, tuple(i for i in range(1, len(chain) + 1) if i not in used)]
