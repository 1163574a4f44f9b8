"""Latency as deployed beside the graph that training runs, and how steady a figure is (1 minute).

As deployed: eval mode without gradients, batch norms folded into convolutions, channels last. The
training-mode graph: the same network in train mode, its forward pass recorded for gradients. The
ways take turns, and the medians of the paired ratios are reported. All times are those of one
thread's own clock, so that other work on the machine counts as little as it can.

    python benchmarks/latency.py --repeats 9
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import click
import torch
from torch import nn

from optuna_nas.profiling import fold_batch_norm, measure_latency
from optuna_nas.spaces import published

LIMIT_OF_RATIO = 1.3
IMAGE = (3, 32, 32)


def clocked(run: Callable[[], object]) -> float:
    """Milliseconds of this thread."""
    start = time.thread_time()
    run()
    return 1e3 * (time.thread_time() - start)


def ways(model: nn.Module, batch_size: int) -> dict[str, Callable[[], object]]:
    """The same network run in several ways, on the same images."""
    images = torch.randn(batch_size, *IMAGE)
    last = images.contiguous(memory_format=torch.channels_last)
    trained, plain = copy.deepcopy(model).train(), copy.deepcopy(model).eval()
    folded = fold_batch_norm(model, IMAGE).model
    both = copy.deepcopy(folded).to(memory_format=torch.channels_last)

    def inference(network: nn.Module, batch: torch.Tensor) -> Callable[[], object]:
        return torch.inference_mode()(lambda: network(batch))

    return {
        "training-mode graph": lambda: trained(images),
        "eval, no gradients": inference(plain, images),
        "folded": inference(folded, images),
        "folded, channels last": inference(both, last),
    }


def compare(model: nn.Module, batch_size: int, repeats: int) -> dict[str, list[float]]:
    """Times of each way, in milliseconds, taken in turn."""
    runs = ways(model, batch_size)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 2):  # two are a warm-up
        for name, run in runs.items():
            taken = clocked(run)
            if repeat >= 2:
                times[name].append(taken)
    return times


@click.command(help=__doc__.splitlines()[0])
@click.option("--repeats", default=9, show_default=True)
@click.option("--batch-sizes", default="1,16", show_default=True)
def main(repeats: int, batch_sizes: str) -> None:
    torch.set_num_threads(1)
    model = published.NASBENCH201_RESNET.build(num_classes=10)
    print(f"torch {torch.__version__}, 1 thread, ResNet cell of NAS-Bench-201, 5 / 16, 32 pixels")
    ratios = []
    for batch_size in map(int, batch_sizes.split(",")):
        times = compare(model, batch_size, repeats)
        first = next(iter(times.values()))
        for name, taken in times.items():
            paired = [a / b for a, b in zip(first, taken, strict=True)]
            ratio = statistics.median(paired)
            spread = f"{min(paired):.2f} to {max(paired):.2f}"
            median = statistics.median(taken)
            print(f"batch {batch_size:>3}  {name:<22}{median:9.2f} ms {ratio:6.2f}x  ({spread})")
        ratios.append(ratio)
    print(f"as deployed {min(ratios):.2f}x at least   (at least {LIMIT_OF_RATIO:g})")
    found = [measure_latency(model, IMAGE, device="cpu").median_ms for _ in range(repeats)]
    middle = statistics.median(found)
    low, high = min(found) / middle - 1, max(found) / middle - 1
    print(f"{repeats} measurements: {middle:.2f} ms, {low:+.1%} to {high:+.1%}")
    if min(ratios) < LIMIT_OF_RATIO:
        raise SystemExit("Too slow.")


if __name__ == "__main__":
    main()
