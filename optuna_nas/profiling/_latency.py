"""Measures how long a network takes for a batch on this machine, as it would be deployed.

Batch norms are folded into convolutions, memory is laid out as the kernels like it, gradients are
off, the number of threads is fixed, and nobody else on this machine measures meanwhile. Other work
on it hardly counts with one thread, and on a GPU as far as it leaves that alone.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.bounds import MAX_THREADS
from optuna_nas._ground.checks import require_int, require_positive
from optuna_nas._ground.device import resolve_device
from optuna_nas._ground.forward import copied, evaluating, run_forward
from optuna_nas._ground.inputs import (
    Examples,
    Inputs,
    InputSpec,
    examples_of,
    length,
    map_tensors,
    parts_of,
)
from optuna_nas.profiling._fold import FoldedNetwork, fold_batch_norm
from optuna_nas.profiling._timing import Timed, time_forward
from optuna_nas.profiling._turn import turn_on

__all__ = ["Latency", "check_timing", "LatencyTable", "measure_latencies", "measure_latency"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """The measured time of one forward pass.

    Attributes:
        median_ms: Median over the timed blocks, in milliseconds per batch.
        iqr_ms: Interquartile range over the timed blocks, in milliseconds per batch.
        runs: Forward passes that were timed.
        inputs: Description of one example.
        batch_size: Examples in the batch.
        device: Where it ran, as torch writes it ("cpu", "cuda:0").
        threads: Threads of the CPU that it had.
        channels_last: Whether memory was laid out in that way.
        folded: Batch norms that were folded into convolutions.
        norms: Batch norms of the network, those among them.
        note: Why nothing was folded although it was asked for; else empty.
        clock: Kind of clock: "thread" (that of one thread of the CPU, without the time in which
            other work pushed it aside), "wall" (several threads, MPS) or "device" (CUDA events).
    """

    median_ms: float
    iqr_ms: float
    runs: int
    inputs: InputSpec
    batch_size: int
    device: str
    threads: int
    channels_last: bool = False
    folded: int = 0
    norms: int = 0
    note: str = ""
    clock: str = "wall"

    @property
    def input_size(self) -> tuple[int, ...]:
        """Shape of a single input, without the batch."""
        return self.inputs.input_size

    @property
    def how(self) -> str:
        """Device and state of the network in words."""
        words = [self.device, f"{self.threads} thread(s)"]
        if self.channels_last:
            words.append("channels last")
        if self.norms:
            words.append(f"{self.folded} of {self.norms} batch norms folded")
        if self.note:
            words.append(self.note)
        return ", ".join(words)

    def __str__(self) -> str:
        counts = f"IQR {self.iqr_ms:.2g} ms, {self.runs} runs, batch {self.batch_size}"
        return f"{self.median_ms:.3g} ms ({counts}, {self.how})"


@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """One network on several inputs and batch sizes. Printing it gives a table.

    Attributes:
        rows: By inputs, then by batch size, as they were asked for.
    """

    rows: tuple[Latency, ...]

    @property
    def how(self) -> str:
        """Device and state of the network in words."""
        return self.rows[0].how

    def at(self, inputs: Any, batch_size: int = 1) -> Latency:
        """The row of a size, or whatever describes the inputs, and a batch size.

        Raises:
            KeyError: If that was not measured.
        """
        wanted = InputSpec.of(inputs)
        for row in self.rows:
            if (row.inputs, row.batch_size) == (wanted, batch_size):
                return row
        raise KeyError(f"no row for inputs={wanted} and batch_size={batch_size}")

    def __str__(self) -> str:
        width = max(16, *(len(row.inputs.words) + 1 for row in self.rows))
        lines = [f"{'input':<{width}}{'batch':>6}{'ms a batch':>12}{'IQR':>10}{'ms each':>13}"]
        for row in self.rows:
            times = f"{row.median_ms:>12.4g}{row.iqr_ms:>10.2g}"
            each = row.median_ms / row.batch_size
            lines.append(f"{row.inputs.words:<{width}}{row.batch_size:>6}{times}{each:>13.4g}")
        return "\n".join(lines)


def measure_latency(
    model: nn.Module,
    input_size: tuple[int, ...] | None = None,
    *,
    inputs: Any = None,
    batch_size: int = 1,
    device: str | torch.device = "auto",
    threads: int = 1,
    min_run_time: float = 0.2,
    fold: bool = True,
    channels_last: bool = True,
) -> Latency:
    """Measure the forward pass as deployed, after a warm-up.

    The model's modes, memory layout and device stay as they were: a copy is changed and measured.
    Concurrent measurements on one machine wait for each other. With one thread of the CPU the
    figure is that thread's own time, which other work on the machine hardly changes; with several
    it grows. Compare figures only within one machine.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import measure_latency
        >>> latency = measure_latency(nn.Conv2d(3, 8, 3), (3, 32, 32), min_run_time=0.01)
        >>> latency.median_ms > 0
        True

    Args:
        model: A network that takes a batch (batch_size, *input_size), or ``inputs``.
        input_size: Shape of a single input without the batch, such as (channels, height, width).
        inputs: Instead of ``input_size``, inputs of any number and type, as for :func:`profile`;
            examples that are given are repeated or cut to the batch size.
        batch_size: Examples in a batch, at least 1.
        device: Where to run; "auto" takes CUDA, else MPS, else the CPU.
        threads: Threads of the CPU, at least 1.
        min_run_time: Seconds of timed work, more than 0.
        fold: Fold batch norms into convolutions, see :func:`fold_batch_norm`.
        channels_last: Use that memory layout, which convolutions on CPUs and tensor cores prefer.

    Raises:
        ValueError: If the model cannot take such inputs, is on the meta device, both or none of
            ``input_size`` and ``inputs`` are given, or an option lies outside its range.
    """
    table = measure_latencies(
        model,
        inputs=[examples_of(input_size, inputs)],
        batch_sizes=[batch_size],
        device=device,
        threads=threads,
        min_run_time=min_run_time,
        fold=fold,
        channels_last=channels_last,
    )
    return table.rows[0]


def measure_latencies(
    model: nn.Module,
    input_sizes: Sequence[tuple[int, ...]] = (),
    *,
    inputs: Sequence[Any] = (),
    batch_sizes: Sequence[int] = (1,),
    device: str | torch.device = "auto",
    threads: int = 1,
    min_run_time: float = 0.2,
    fold: bool = True,
    channels_last: bool = True,
) -> LatencyTable:
    """Measure a network on all inputs with every batch size; it is prepared once.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import measure_latencies
        >>> sizes = [(3, 16, 16), (3, 32, 32)]
        >>> table = measure_latencies(nn.Conv2d(3, 8, 3), sizes, batch_sizes=(1, 8))
        >>> len(table.rows), table.at((3, 32, 32), 8).batch_size
        (4, 8)

    Args:
        model: As for :func:`measure_latency`, and so are the other options.
        input_sizes: Sizes of single inputs, such as (channels, height, width).
        inputs: Instead of ``input_sizes``, inputs of any number and type, each an entry.
        batch_sizes: Examples in a batch, at least one number.
        device: See there.
        threads: See there.
        min_run_time: See there; for each row.
        fold: See there.
        channels_last: See there.

    Raises:
        ValueError: As there, or if there is nothing to measure.
    """
    measured = _asked_for(input_sizes, inputs, batch_sizes)
    check_timing(threads, min_run_time)
    target = resolve_device(device)
    placed = _placed(model, target)
    with evaluating(placed):
        for examples in measured:  # before any work on those that do fit
            run_forward(placed, _on(target, examples.batch(placed)))
    deployed = _deployed(placed, measured[0], fold=fold, channels_last=channels_last)
    rows = []
    with evaluating(deployed.model), torch.inference_mode():
        for examples in measured:
            for batch_size in batch_sizes:
                batch = _on(target, examples.batch(deployed.model, batch_size))
                laid_out = channels_last and _has_layout(deployed.model, batch)
                if laid_out:
                    batch = map_tensors(_channels_last, batch)
                with turn_on(parts_of(batch)[0].device):
                    timed = time_forward(
                        deployed.model, batch, threads=threads, min_run_time=min_run_time
                    )
                rows.append(_latency(timed, examples.spec, batch, threads, laid_out, deployed))
    return LatencyTable(tuple(rows))


def _asked_for(
    input_sizes: Sequence[tuple[int, ...]], inputs: Sequence[Any], batch_sizes: Sequence[int]
) -> list[Examples]:
    if input_sizes and inputs:
        raise ValueError(
            "`input_sizes` and `inputs` must not both be given: give the one that fits."
        )
    if not (input_sizes or inputs) or not batch_sizes:
        raise ValueError(
            "`input_sizes` (or `inputs`) and `batch_sizes` must have at least one entry, but got "
            f"input_sizes={list(input_sizes)} and batch_sizes={list(batch_sizes)}."
        )
    sizes = [examples_of(size, None) for size in input_sizes]
    return sizes or [Examples.of(each) for each in inputs]


def check_timing(threads: int, min_run_time: float) -> None:
    """Refuse threads or seconds that no measurement can have.

    Raises:
        ValueError: If so.
    """
    require_int("threads", threads, at_most=MAX_THREADS)
    require_positive("min_run_time", min_run_time)


def _placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the model itself where it is on the device already, else a copy there."""
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise ValueError(
            f"`model` must have weights, but {type(model).__name__} is on the meta device: build "
            "it on the CPU to measure it, or count it with profile(model)."
        )
    if all(tensor.device.type == device.type for tensor in tensors) and device.index is None:
        return model
    if all(tensor.device == device for tensor in tensors):
        return model
    return copied(model).to(device)


def _deployed(
    model: nn.Module, examples: Examples, *, fold: bool, channels_last: bool
) -> FoldedNetwork:
    """Return a copy as it would be deployed; the model itself if nothing is to be changed."""
    if fold:
        deployed = fold_batch_norm(model, inputs=examples)
    else:
        model = copy.deepcopy(model) if channels_last else model
        deployed = FoldedNetwork(model=model, folded=0, norms=0)
    if channels_last:
        for tensor in (*deployed.model.parameters(), *deployed.model.buffers()):
            tensor.data = _channels_last(tensor.data)  # Module.to would refuse five dimensions
    return deployed


def _on(device: torch.device, inputs: Inputs) -> Inputs:
    return map_tensors(lambda part: part.to(device), inputs)


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Lay out what is shaped as (B, C, H, W), and leave the rest."""
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _has_layout(model: nn.Module, inputs: Inputs) -> bool:
    """Whether anything is shaped as (B, C, H, W)."""
    tensors = (*parts_of(inputs), *model.parameters(), *model.buffers())
    return any(tensor.ndim == 4 for tensor in tensors)


def _latency(
    timed: Timed,
    spec: InputSpec,
    batch: Inputs,
    threads: int,
    channels_last: bool,
    deployed: FoldedNetwork,
) -> Latency:
    median_ms, iqr_ms = _median_and_iqr([ms for ms, _ in timed.blocks])
    return Latency(
        median_ms=median_ms,
        iqr_ms=iqr_ms,
        runs=sum(runs for _, runs in timed.blocks),
        inputs=spec,
        batch_size=length(batch),
        device=str(parts_of(batch)[0].device),
        threads=threads,
        channels_last=channels_last,
        folded=deployed.folded,
        norms=deployed.norms,
        note=deployed.note,
        clock=timed.clock,
    )


def _median_and_iqr(numbers: list[float]) -> tuple[float, float]:
    low, median, high = statistics.quantiles(numbers, n=4)
    return median, high - low
