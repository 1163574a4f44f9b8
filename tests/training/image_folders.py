"""Folders of image files, read from memory and streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from optuna_nas.training import load_data

SIZE = 8
RAMP = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def write_folder(path: Path, image: Image.Image, suffix: str, **options: Any) -> Path:
    """Write two classes of four equal images."""
    for name in ("a", "b"):
        (path / name).mkdir(parents=True)
        for index in range(4):
            image.save(path / name / f"{index}.{suffix}", **options)
    return path


def read_both(path: Path) -> torch.Tensor:
    """Return the image that all files of a folder hold, the same from memory and streamed."""
    memory = load_data(f"folder:{path}", image_size=SIZE).train.images
    stream = load_data(f"folder:{path}", image_size=SIZE, stream=True, workers=0).train
    ((streamed, _),) = stream.batches([torch.arange(len(stream))])
    assert torch.equal(streamed, memory)
    assert all(torch.equal(image, memory[0]) for image in memory)
    return memory[0]


def grey(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.rint(values).astype(np.uint8)).expand(3, -1, -1)


def assert_refused(path: Path, message: str) -> None:
    """Assert that the first image that is read is refused, from memory and streamed."""
    with pytest.raises(ValueError, match=message):
        load_data(f"folder:{path}", image_size=SIZE)
    streamed = message.replace(r"a/0\.", r"[ab]/\d\.")  # whose order is another one
    for workers in (0, 1):
        with pytest.raises(ValueError, match=streamed):
            load_data(f"folder:{path}", image_size=SIZE, stream=True, workers=workers)
