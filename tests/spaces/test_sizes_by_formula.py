"""Parameters and multiply-adds, by the profiler and counted from the specifications alone."""

import re

import pytest
import torch

from optuna_nas.profiling import profile
from optuna_nas.spaces import (
    DARTSSpace,
    ENASMicroSpace,
    NASBench201Space,
    NASRLSpace,
    published,
    sample_architectures,
)


class Ledger:
    """Adds up layers; sizes are those of their output maps, which are square."""

    def __init__(self):
        self.params = 0
        self.macs = 0

    def conv(self, before, after, size, *, kernel=(1, 1), groups=1):
        """A convolution without bias."""
        weights = kernel[0] * kernel[1] * before * after // groups
        self.params += weights
        self.macs += weights * size**2

    def normed(self, before, after, size, **options):
        """The same with a batch norm. A factorised reduction counts like a 1x1 convolution."""
        self.conv(before, after, size, **options)
        self.params += 2 * after

    def separable(self, channels, kernel, size):
        """Depthwise, pointwise, batch norm."""
        self.conv(channels, channels, size, kernel=(kernel, kernel), groups=channels)
        self.normed(channels, channels, size)

    def linear(self, before, after, *, bias=True):
        self.params += before * after + bias * after
        self.macs += before * after


def agree(architecture, ledger, size, **arguments):
    with torch.device("meta"):
        network = architecture.build(**arguments)
    found = profile(network, (3, size, size))
    assert (found.params, found.macs) == (ledger.params, ledger.macs), str(architecture)


# NAS-Bench-201


def count_nasbench201(architecture, size):
    ledger = Ledger()
    ledger.normed(3, 16, size, kernel=(3, 3))
    ops = list(architecture.params.values())
    for stage in range(3):
        channels, side = 16 * 2**stage, size // 2**stage
        if stage > 0:
            ledger.normed(channels // 2, channels, side, kernel=(3, 3))
            ledger.normed(channels, channels, side, kernel=(3, 3))
            ledger.conv(channels // 2, channels, side)
        for op in 5 * ops:
            if op.startswith("nor_conv"):
                kernel = int(op[-1])
                ledger.normed(channels, channels, side, kernel=(kernel, kernel))
    ledger.params += 2 * 64
    ledger.linear(64, 10)
    return ledger


@pytest.mark.parametrize("size", [32, 16])
def test_nasbench201(size):
    for architecture in sample_architectures(NASBench201Space(), 3, seed=1):
        agree(architecture, count_nasbench201(architecture, size), size)


def test_published_sizes_of_nasbench201():
    ledger = count_nasbench201(published.NASBENCH201_RESNET, 32)
    assert (ledger.params, ledger.macs) == (559_386, 78_561_920)


# NAS-RL


def count_nas_rl(architecture, size):
    ledger = Ledger()
    channels, read = [3], set()
    layers = str(architecture).split("|")
    for text in layers:
        height, width, filters = map(int, re.match(r"\s*(\d+)x(\d+)@(\d+)", text).groups())
        inputs = [int(i) for i in text.partition("<-")[2].split(",") if i.strip()] or [0]
        read |= set(inputs)
        before = sum(channels[i] for i in inputs)
        ledger.normed(before, filters, size, kernel=(height, width))
        channels.append(filters)
    ends = set(range(1, len(channels))) - read
    ledger.linear(sum(channels[i] for i in ends), 10)
    return ledger


def test_nas_rl():
    for architecture in sample_architectures(NASRLSpace(num_layers=6), 6):
        agree(architecture, count_nas_rl(architecture, 16), 16)


def test_published_size_of_nas_rl():
    ledger = count_nas_rl(published.NAS_RL_V1, 32)
    assert (ledger.params, ledger.macs) == (4_201_630, 4_300_664_832 + 480)


# DARTS


def count_darts(architecture, cells, channels, size):
    ledger, params = Ledger(), architecture.params
    ledger.normed(3, 3 * channels, size, kernel=(3, 3))
    older = newer = 3 * channels
    reductions = {cells // 3, 2 * cells // 3}
    for number in range(cells):
        scope = "reduce" if number in reductions else "normal"
        channels *= 2 if scope == "reduce" else 1
        ledger.normed(older, channels, size)
        ledger.normed(newer, channels, size)
        size //= 2 if scope == "reduce" else 1
        for node in (2, 3, 4, 5):
            inputs = map(int, params[f"{scope}_{node}_inputs"].split(","))
            for side, state in zip("ab", inputs, strict=True):
                op = params[f"{scope}_{node}_op_{side}"]
                if op.startswith("sep"):
                    ledger.separable(channels, int(op[-1]), size)
                    ledger.separable(channels, int(op[-1]), size)
                elif op.startswith("dil"):
                    ledger.separable(channels, int(op[-1]), size)
                elif op == "skip_connect" and scope == "reduce" and state < 2:
                    ledger.normed(channels, channels, size)
        older, newer = newer, 4 * channels
    ledger.linear(newer, 10)
    return ledger


@pytest.mark.parametrize(("cells", "channels"), [(8, 16), (5, 6)])
def test_darts(cells, channels):
    for architecture in sample_architectures(DARTSSpace(), 4):
        ledger = count_darts(architecture, cells, channels, 16)
        agree(architecture, ledger, 16, cells=cells, channels=channels)


def test_published_sizes_of_darts():
    ledger = count_darts(published.DARTS_V2, 20, 36, 32)
    assert (ledger.params, ledger.macs) == (3_349_342, 528_359_040)


# ENAS micro


def count_enas_micro(architecture, cells, channels, size):
    """The released network: what nobody reads is concatenated, the cell's inputs among it."""
    ledger = Ledger()
    numbers = [int(number) for number in str(architecture).split()]
    half = len(numbers) // 2
    ledger.normed(3, 3 * channels, size, kernel=(3, 3))
    older = newer = 3 * channels
    halved = False
    reductions = (cells // 3, 2 * (cells // 3) + 1)
    for number in range(cells + 2):
        reduction = number in reductions
        arc = numbers[half:] if reduction else numbers[:half]
        channels *= 2 if reduction else 1
        if halved or older != channels:
            ledger.normed(older, channels, size)
        if newer != channels:
            ledger.normed(newer, channels, size)
        ledger.normed(channels, channels, size)
        size //= 2 if reduction else 1
        for state, op in zip(arc[::2], arc[1::2], strict=True):
            if op < 2:
                ledger.separable(channels, (3, 5)[op], size)
                ledger.separable(channels, (3, 5)[op], size)
            elif op == 4 and reduction and state < 2:
                ledger.normed(channels, channels, size)
        unread = set(range(len(arc) // 4 + 2)) - set(arc[::2])
        for _ in unread & {0, 1}:
            if reduction:
                ledger.normed(channels, channels, size)
        older, newer, halved = newer, len(unread) * channels, reduction
    ledger.linear(newer, 10, bias=False)
    return ledger


@pytest.mark.parametrize(("cells", "channels"), [(6, 20), (4, 5)])
@pytest.mark.parametrize("num_blocks", [5, 1])
def test_enas_micro(cells, channels, num_blocks):
    found = sample_architectures(ENASMicroSpace(num_blocks=num_blocks), 4)
    if num_blocks == 1:  # most of these read one input only
        assert any({0, 1} & set(a.genotype.reduce.output) for a in found)
        assert any({0, 1} & set(a.genotype.normal.output) for a in found)
    for architecture in found:
        ledger = count_enas_micro(architecture, cells, channels, 16)
        agree(architecture, ledger, 16, cells=cells, channels=channels)


def test_published_size_of_enas_micro():
    assert count_enas_micro(published.ENAS_MICRO, 15, 36, 32).params == 3_894_372
