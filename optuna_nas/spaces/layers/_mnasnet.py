"""The factorised hierarchical space of MnasNet: every block of the network has its own layers.

References:
    - Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR 2019.
      arXiv:1807.11626.
    - Sandler et al. MobileNetV2. CVPR 2018. arXiv:1801.04381. The widths and counts.

Differences from the paper:
    1. It names one MBConv; its networks use expansions 3 and 6, which are two operations here.
       With them a block has the paper's S = 432 choices.
    2. The published networks are not points of its grid: A1 has a block of 112 channels, B1 one
       of 192. Where a setting ``filters`` holds whole numbers, they are such absolute widths.
    3. A pooling shortcut is not described: here it is a 3x3 average (see ``nn.ShortcutBlock``).
    4. Squeeze-and-excitation stands in the bottlenecks and separable convolutions; a plain
       convolution has none, whatever ``_se`` says. The digest knows.
    5. The paper scales published networks in steps of 8 channels; a multiplier in the *search*
       gives the plain product (18 channels for 0.75 of 24), or two choices would be one network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas._ground.bounds import MAX_CHANNELS, MAX_CHOICES, MAX_FACTOR, MAX_LAYERS
from optuna_nas._ground.checks import is_int, is_number, require_int, shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import SearchSpace
from optuna_nas.spaces.decisions import DecisionTrial, Scanner
from optuna_nas.spaces.layers._mnasnet_text import (
    OPS,
    SKIPS,
    Block,
    Limits,
    read_block,
    write_block,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MnasNetSpace"]

KERNELS = (3, 5)
FIRST_BLOCK = 2  # number of the first searched block, as the paper counts; block 1 is fixed
MAX_BLOCK_TEXT = 100
SMALLEST_WIDTH = 8  # a whole number below is a multiplier that was written without its point


@dataclass(frozen=True, kw_only=True)
class MnasNetSpace(SearchSpace):
    """MnasNet: five blocks of mobile layers, each block with six decisions of its own.

    15,045,919,506,432 networks (432 for each block). In block ``i`` are chosen: operation
    (``conv``, ``sep_conv``, ``mbconv3``, ``mbconv6``), kernel, squeeze-and-excitation ratio,
    shortcut (``pool``, ``identity``, ``none``), filters, and one layer less or more. Blocks are
    counted as in the paper: 1 and 7 are fixed, 2 to 6 are searched.

    Made for 224 pixels: the network halves an image five times. For 32 pixels take another
    space, or ``strides`` of 1.

    The notation is timm's (see ``parse``): ``ir_r2_k3_s2_e6_c24`` for each searched block,
    joined by ``|``.

    Args:
        widths: Channels of the searched blocks at multiplier 1.0.
        layers: Their numbers of layers, of which one less or more may be chosen (never none).
        strides: Strides of their first layers, 1 or 2.
        filters: Choices of a block's filters: multipliers (floats) of its width, or
            absolute widths (whole numbers from 8). They must differ in every block.
        se_ratios: Ratios of squeeze-and-excitation to choose from; 0.0 is none.
        first: The fixed block before the searched ones, in the notation.
        last: The fixed block after them.
        stem: Channels of the first convolution.
        head: Channels of the last convolution.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import MnasNetSpace

        space = MnasNetSpace()
        network = space.parse(
            "ir_r3_k3_s2_e3_c24 | ir_r3_k5_s2_e3_c40 | ir_r3_k5_s2_e6_c80"
            " | ir_r2_k3_s1_e6_c96 | ir_r4_k5_s2_e6_c200"
        )
        model = network.build(num_classes=1000, width=0.5)
    """

    name: ClassVar[str] = "mnasnet"

    widths: tuple[int, ...] = (24, 32, 64, 96, 160)
    layers: tuple[int, ...] = (2, 3, 4, 3, 3)
    strides: tuple[int, ...] = (2, 2, 2, 1, 2)
    filters: tuple[float, ...] = (0.75, 1.0, 1.25)
    se_ratios: tuple[float, ...] = (0.0, 0.25)
    first: str = "ds_r1_k3_s1_c16_noskip"
    last: str = "ir_r1_k3_s1_e6_c320"
    stem: int = 32
    head: int = 1280

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_blocks()
        self._check_choices()
        for name in ("stem", "head"):
            require_int(name, getattr(self, name), at_most=MAX_CHANNELS)
        for name in ("first", "last"):
            _fixed_block(name, getattr(self, name))

    def _check_blocks(self) -> None:
        tables = (self.widths, self.layers, self.strides)
        got = (
            f"widths={shown(self.widths)}, layers={shown(self.layers)}, "
            f"strides={shown(self.strides)}"
        )
        counts = {len(table) if isinstance(table, tuple) else 0 for table in tables}
        if len(counts) != 1 or not 1 <= min(counts) <= MAX_LAYERS:
            raise ValueError(
                "`widths`, `layers` and `strides` must have one value for each searched block, as "
                f"tuples, but got {got}."
            )
        are_ints = all(is_int(value) for table in tables for value in table)
        if not are_ints or min(*self.widths, *self.layers) < 1 or {*self.strides} - {1, 2}:
            raise ValueError(
                f"`widths` and `layers` must be at least 1 and `strides` 1 or 2, but got {got}."
            )
        if max(self.widths) > MAX_CHANNELS or sum(self.layers) > MAX_LAYERS:
            raise ValueError(
                f"`widths` must be at most {MAX_CHANNELS} and all `layers` together at most "
                f"{MAX_LAYERS}, but got {got}."
            )

    def _check_choices(self) -> None:
        ratios = self.se_ratios
        are_ratios = _are_numbers(ratios) and all(0.0 <= ratio <= 1.0 for ratio in ratios)
        if not are_ratios or len(set(ratios)) < len(ratios):
            raise ValueError(
                "`se_ratios` must be different numbers in [0, 1], at least one, but got "
                f"se_ratios={shown(ratios)}."
            )
        if not _are_numbers(self.filters) or not all(map(_is_filter, self.filters)):
            raise ValueError(
                "`filters` must be positive multipliers such as 1.0 or absolute widths from "
                f"{SMALLEST_WIDTH} such as 112, at least one, but got "
                f"filters={shown(self.filters)}."
            )
        for i, width in enumerate(self.widths):
            choices = self._channels(i)
            if len(choices) < len(self.filters) or 0 in choices or max(choices) > MAX_CHANNELS:
                raise ValueError(
                    f"`filters` must give different widths of at most {MAX_CHANNELS} in every "
                    f"block, but block {i + FIRST_BLOCK} of width {width} has "
                    f"{shown([_filters(width, f) for f in self.filters])} with "
                    f"filters={shown(self.filters)}."
                )

    def _channels(self, i: int) -> dict[int, float]:
        """Map what the i-th searched block may have as channels to the choice that means it."""
        return {_filters(self.widths[i], choice): choice for choice in self.filters}

    def _lowest(self, i: int) -> int:
        return max(-1, 1 - self.layers[i])

    def decide(self, trial: DecisionTrial) -> tuple[Block, ...]:
        searched = [self._decide_block(trial, i) for i in range(len(self.widths))]
        first, last = _fixed_block("first", self.first), _fixed_block("last", self.last)
        return (first, *searched, last)

    def _decide_block(self, trial: DecisionTrial, i: int) -> Block:
        scope = f"block_{i + FIRST_BLOCK}"
        op = trial.suggest_categorical(f"{scope}_op", OPS)
        kernel = trial.suggest_categorical(f"{scope}_kernel", KERNELS)
        se_ratio = trial.suggest_categorical(f"{scope}_se", self.se_ratios)
        skip = trial.suggest_categorical(f"{scope}_skip", SKIPS)
        filters = trial.suggest_categorical(f"{scope}_filters", self.filters)
        layers = self.layers[i] + trial.suggest_int(f"{scope}_layers", self._lowest(i), 1)
        channels = _filters(self.widths[i], filters)
        return Block(op, kernel, self.strides[i], se_ratio, skip, channels, layers)

    def build_network(
        self,
        genotype: tuple[Block, ...],
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
        bn_momentum: float = 0.01,
        features_only: bool = False,
    ) -> nn.Module:
        from optuna_nas.nn import Stage
        from optuna_nas.nn.networks import MnasNetwork

        return MnasNetwork(
            [Stage(*block) for block in genotype],
            stem=self.stem,
            head=self.head,
            num_classes=num_classes,
            in_channels=in_channels,
            width=width,
            dropout=dropout,
            bn_momentum=bn_momentum,
            features_only=features_only,
        )

    def canonical(self, genotype: tuple[Block, ...]) -> list[list[Any]]:
        """Leave out what is without effect at every width (channels may become equal at some)."""
        return [list(_effective(block)) for block in genotype[1:-1]]

    def owns(self, name: str) -> bool:
        return re.fullmatch(r"block_\d+_(op|kernel|se|skip|filters|layers)", name) is not None

    def format(self, genotype: tuple[Block, ...]) -> str:
        return " | ".join(map(write_block, genotype[1:-1]))

    def encode(self, text: str) -> Mapping[str, Any]:
        scanner = Scanner(text)
        params: dict[str, Any] = {}
        for i, count in enumerate(self.layers):
            if i > 0:
                scanner.need(r"\|", f"'|' and block {i + FIRST_BLOCK}")
            counts = range(count + self._lowest(i), count + 2)
            channels = self._channels(i)
            limits = Limits(counts, KERNELS, self.strides[i : i + 1], channels, self.se_ratios)
            block = read_block(scanner, limits)
            scope = f"block_{i + FIRST_BLOCK}"
            params |= {
                f"{scope}_op": block.op,
                f"{scope}_kernel": block.kernel,
                f"{scope}_se": block.se_ratio,
                f"{scope}_skip": block.skip,
                f"{scope}_filters": channels[block.channels],
                f"{scope}_layers": block.layers - count,
            }
        if not scanner.at_end:
            scanner.fail(f"Expected the end: this space searches {len(self.widths)} blocks")
        return params

    def graph(self, genotype: tuple[Block, ...]) -> Graph:
        nodes = [
            Node("image", "image", "input"),
            Node("stem", f"stem\nconv 3x3, stride 2\n{self.stem} channels"),
            *(Node(str(i), _label(i, block)) for i, block in enumerate(genotype, start=1)),
            Node("head", f"head\nconv 1x1\n{self.head} channels"),
            Node("out", "classifier", "output"),
        ]
        edges = [Edge(a.key, b.key) for a, b in zip(nodes, nodes[1:], strict=False)]
        return Graph(tuple(nodes), tuple(edges), title="MnasNet network")


def _are_numbers(values: object) -> bool:
    if not isinstance(values, tuple) or not 1 <= len(values) <= MAX_CHOICES:
        return False
    return all(map(is_number, values))


def _is_filter(choice: float) -> bool:
    """Tell whether it is an absolute width or a multiplier."""
    if isinstance(choice, int):
        return SMALLEST_WIDTH <= choice <= MAX_CHANNELS
    return 0 < choice <= MAX_FACTOR


def _filters(width: int, choice: float) -> int:
    return choice if isinstance(choice, int) else round(width * choice)


def _fixed_block(name: str, text: str) -> Block:
    if not isinstance(text, str) or len(text) > MAX_BLOCK_TEXT:
        raise ValueError(
            f"`{name}` must be a block such as 'ir_r1_k3_s1_e6_c320', but got {shown(text)}."
        )
    scanner = Scanner(text)
    try:
        block = read_block(scanner, Limits())
        if not scanner.at_end:
            scanner.fail("Expected the end")
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be a block such as 'ir_r1_k3_s1_e6_c320', but got {text!r}. {error}"
        ) from error
    return block


def _effective(block: Block) -> Block:
    if block.op == "conv":
        block = block._replace(se_ratio=0.0)
    if block.skip == "identity" and block.layers == 1 and block.stride > 1:
        block = block._replace(skip="none")
    return block._replace(se_ratio=float(block.se_ratio))


def _label(i: int, block: Block) -> str:
    names = {"sep_conv": "sep conv", "mbconv3": "MBConv3", "mbconv6": "MBConv6"}
    layers = f"{block.layers} layer{'s' * (block.layers > 1)}"
    more = [f"SE {block.se_ratio:g}"] if block.se_ratio else []
    # Not "pool" or "skip": the colour of a box is read from its words.
    more += {"identity": ["residual"], "pool": ["averaged residual"], "none": []}[block.skip]
    lines = [
        f"block {i}: {names.get(block.op, block.op)} {block.kernel}x{block.kernel}",
        layers + (f", stride {block.stride}" if block.stride > 1 else ""),
        f"{block.channels} channels",
        *([", ".join(more)] if more else []),
    ]
    return "\n".join(lines)
