"""Seconds and memory of a step of DARTS, beside the textbook (5 minutes at one thread).

A step lets alpha learn from one batch and the weights from another. Ours and the textbook's
(``textbook_darts.py``: every edge by itself, all gradients, a second network for the second order)
start from equal weights and take turns; the median of the paired ratios is reported. Saved are
the bytes of activations that a training step's forward pass keeps for its backward pass; peaks
are those of fresh processes above what they had before the first step.

    python benchmarks/supernet.py --repeats 5

The last row trains DARTS's own cell, as derived, with and without channels_last.
"""

from __future__ import annotations

import multiprocessing
import re
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from optuna_nas.objectives import AlphaRecipe, DARTSVariant
from optuna_nas.objectives.one_shot._learner import BilevelLearner
from optuna_nas.spaces import DARTSSpace, published
from optuna_nas.training import ImageData, Recipe, Split, Task, resolve_device
from optuna_nas.training.data import Batch
from textbook_darts import TextbookDARTS, TextbookSearch

LIMITS = {"first order": 2.5, "second order": 2.4, "derived network": 1.3}
LIMIT_OF_SAVED = 0.65
LIMITS_OF_PEAK = {1: 0.65, 2: 0.5}
CHANNELS, CELLS, DERIVED_CELLS = 16, 5, 8
LR = 0.025
RECIPE = Recipe(lr=LR, nesterov=False, weight_decay=3e-4, clip_grad_norm=5.0)

Step = Callable[[], Any]


def noise(batch: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of images and labels."""
    return (
        torch.randn(batch, 3, 32, 32, device=device),
        torch.randint(10, (batch,), device=device),
    )


def data() -> ImageData:
    """Data whose classes the learner checks logits against."""
    split = Split(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    return ImageData(
        name="noise",
        train=split,
        val=split,
        test=split,
        classes=tuple("0123456789"),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        split_seed=0,
    )


def pair(
    order: int, device: torch.device, *, recompute: bool
) -> tuple[BilevelLearner, TextbookSearch]:
    """Both searches, on equal weights."""
    book = TextbookDARTS(CHANNELS, CELLS).to(device)
    supernet = DARTSSpace().supernet(cells=CELLS, channels=CHANNELS).to(device)
    with torch.no_grad():
        for ours, theirs in zip(supernet.weights().values(), book.weights(), strict=True):
            ours.copy_(theirs)
        for alpha, row in zip(
            supernet.alphas().values(), torch.cat(list(book.alphas)), strict=True
        ):
            alpha.copy_(row)
    learner = BilevelLearner(
        supernet,
        Task.classification().bound_to(data(), RECIPE),
        RECIPE,
        AlphaRecipe(),
        DARTSVariant(order=order),
        device=device,
        recompute=recompute,
    )
    return learner, TextbookSearch(book, order)


def steps(order: int, batch: int, device: torch.device, *, recompute: bool) -> tuple[Step, Step]:
    """One step of each search, on equal batches."""
    learner, book = pair(order, device, recompute=recompute)
    train, val = noise(batch, device), noise(batch, device)
    ours = [Batch(images, labels, batch) for images, labels in (train, val)]
    return lambda: learner.step(*ours, LR), lambda: book.step(train, val, LR)


def derived_steps(batch: int, device: torch.device) -> tuple[Step, Step]:
    """A training step of a derived network, in both memory formats."""

    def step(memory_format: torch.memory_format, *, plain: bool) -> Step:
        model = published.DARTS_V2.build(
            num_classes=10, cells=DERIVED_CELLS, channels=CHANNELS
        ).to(device, memory_format=memory_format)
        if plain:
            forget_phases(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=3e-4)
        images, labels = noise(batch, device)
        images = images.contiguous(memory_format=memory_format)

        def run() -> None:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()

        return run

    return step(torch.channels_last, plain=False), step(torch.contiguous_format, plain=True)


def forget_phases(model: torch.nn.Module) -> None:
    """Make all convolutions PyTorch's own again."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.__class__ = torch.nn.Conv2d


def seconds(step: Step, device: torch.device) -> float:
    """Time of one step."""
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def ratio(ours: Step, theirs: Step, repeats: int, device: torch.device) -> tuple[float, ...]:
    """Median seconds of both, and the median of the paired ratios."""
    pairs = [(seconds(ours, device), seconds(theirs, device)) for _ in range(repeats + 1)][1:]
    mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    return mine, other, statistics.median(b / a for a, b in pairs)


def saved_bytes(forward: Callable[[], torch.Tensor], device: torch.device) -> int:
    """Bytes that a forward pass leaves behind, which its backward pass will read."""
    forward()  # what is made once
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        loss = forward()
        after = torch.cuda.memory_allocated(device)
        del loss
        return after - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss = forward()
    del loss
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages())


def saved_ratio(batch: int, device: torch.device, *, recompute: bool) -> tuple[int, int]:
    """Saved bytes of the weights' step, ours and the textbook's."""
    learner, book = pair(1, device, recompute=recompute)
    images, labels = noise(batch, device)
    ours = saved_bytes(lambda: learner.learner.loss(images, labels), device)
    theirs = saved_bytes(lambda: book.loss(book.model, (images, labels)), device)
    return ours, theirs


def most_memory() -> int:
    """KiB that this process has had resident at most."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells there includes the process that started this one
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS tells bytes


def peak(order: int, batch: int, which: int, threads: int, recompute: bool) -> int:
    """KiB by which the memory of a fresh process grows in two steps."""
    torch.set_num_threads(threads)
    step = steps(order, batch, torch.device("cpu"), recompute=recompute)[which]
    start = most_memory()
    for _ in range(2):
        step()
    return most_memory() - start


def peaks(order: int, batch: int, threads: int, *, recompute: bool) -> list[int]:
    """Ours and the textbook's."""
    context = multiprocessing.get_context("spawn")
    found = []
    for which in (0, 1):
        with context.Pool(1) as pool:
            found.append(pool.apply(peak, (order, batch, which, threads, recompute)))
    return found


@click.command(help=__doc__.splitlines()[0])
@click.option("--repeats", default=5, show_default=True)
@click.option("--batch", default=16, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--recompute", is_flag=True, help="Save memory by computing again.")
def main(repeats: int, batch: int, device: str, threads: int, recompute: bool) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    place = resolve_device(device)
    print(f"torch {torch.__version__}, {place}, {threads} thread(s), batch {batch}")
    slow = []
    for name, (ours, theirs) in {
        "first order": steps(1, batch, place, recompute=recompute),
        "second order": steps(2, batch, place, recompute=recompute),
        "derived network": derived_steps(batch, place),
    }.items():
        mine, other, factor = ratio(ours, theirs, repeats, place)
        print(
            f"{name:16} ours {mine:7.3f} s   textbook {other:7.3f} s   ratio {factor:5.2f}   "
            f"(at least {LIMITS[name]:g})",
            flush=True,
        )
        slow += [name] if factor < LIMITS[name] else []
    mine_bytes, other_bytes = saved_ratio(batch, place, recompute=recompute)
    share = mine_bytes / other_bytes
    print(
        f"saved            ours {mine_bytes / 2**20:5.0f} MiB   textbook "
        f"{other_bytes / 2**20:5.0f} MiB   share {share:5.2f}   (at most {LIMIT_OF_SAVED:g})"
    )
    slow += ["saved"] if share > LIMIT_OF_SAVED else []
    for order, limit in LIMITS_OF_PEAK.items() if place.type == "cpu" else ():
        ours, theirs = peaks(order, batch, threads, recompute=recompute)
        print(
            f"peak, order {order}    ours {ours / 2**10:5.0f} MiB   textbook "
            f"{theirs / 2**10:5.0f} MiB   share {ours / theirs:5.2f}   (at most {limit:g})"
        )
        slow += [f"peak, order {order}"] if ours / theirs > limit else []
    if slow:
        raise SystemExit(f"Not reached: {', '.join(slow)}.")


if __name__ == "__main__":
    main()
