"""How fast augmented images come, beside a torchvision DataLoader with PIL (20 seconds).

Both give batches of 64 normalised 3x32x32 images, cropped from a padding of 4, mirrored, and with
a square of 16 pixels cut out. Ours makes whole batches of uint8 on the device; the other makes
single images, without worker processes. The two take turns, one epoch each, and the median of the
paired ratios is reported.

    python benchmarks/training.py --images 5000 --repeats 5
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import click
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from optuna_nas.training import ImageData, Processes, Recipe, Split, resolve_device

LIMIT_OF_RATIO = 8.0
BATCH_SIZE = 64
CUTOUT = 16
MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def cutout(image: torch.Tensor) -> torch.Tensor:
    """Set a square around any pixel to 0."""
    height, width = image.shape[1:]
    y, x = torch.randint(height, ()).item(), torch.randint(width, ()).item()
    half = CUTOUT // 2
    image[:, max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
    return image


class Pictures(Dataset[Any]):
    """Images as torchvision's CIFAR-10 gives them: bytes that become PIL images."""

    def __init__(self, images: torch.Tensor) -> None:
        self.bytes = images.permute(0, 2, 3, 1).numpy()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
                cutout,
            ]
        )

    def __len__(self) -> int:
        return len(self.bytes)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.bytes[index])), index % 10


def image_data(images: torch.Tensor) -> ImageData:
    """The same images in memory."""
    split = Split(images, torch.arange(len(images)) % 10)
    names = tuple("0123456789")
    return ImageData(
        name="noise",
        train=split,
        val=split,
        test=split,
        classes=names,
        mean=MEAN,
        std=STD,
        split_seed=0,
    )


def seconds(epoch: Callable[[], Any], device: torch.device) -> float:
    """Time of one epoch of batches."""
    start = time.perf_counter()
    for _ in epoch():
        pass
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@click.command(help=__doc__.splitlines()[0])
@click.option("--images", default=5000, show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--threads", default=1, show_default=True, help="Of torch.")
def main(images: int, repeats: int, device: str, threads: int) -> None:
    torch.set_num_threads(threads)
    place = resolve_device(device)
    pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(batch_size=BATCH_SIZE, crop_padding=4, flip=True, cutout=CUTOUT)
    feed = image_data(pixels).feed(recipe, 0, place, Processes())
    loader = DataLoader(Pictures(pixels), batch_size=BATCH_SIZE, shuffle=True)
    pairs = []
    for number in range(repeats + 1):  # the first is a warm-up
        ours = seconds(lambda epoch=number + 1: feed.epoch(epoch), place)
        pairs.append((ours, seconds(lambda: loader, place)))
    mine, other = (images / statistics.median(times) for times in zip(*pairs[1:], strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in pairs[1:])
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {place}")
    print(f"batches of bytes                 {mine:10,.0f} images/s")
    print(f"torchvision, PIL, no workers     {other:10,.0f} images/s")
    print(f"ratio                            {ratio:10.1f}   (at least {LIMIT_OF_RATIO:g})")
    if ratio < LIMIT_OF_RATIO:
        raise SystemExit("Too slow.")


if __name__ == "__main__":
    main()
