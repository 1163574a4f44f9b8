"""Streams read the same images as memory holds, whatever the number of processes, and say which
file is damaged."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, TensorDataset
from torchvision.transforms import v2

from optuna_nas.training import (
    ImageData,
    Processes,
    Recipe,
    StreamedSplit,
    evaluate,
    fit,
    load_data,
    seeded,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two classes and three sizes; one class is brighter on the left."""
    path = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("left", "right")):
        (path / name).mkdir()
        for index in range(30):
            pixels = rng.integers(0, 120, ((12, 16, 20)[index % 3], 18, 3))
            pixels[:, 9 * label : 9 * label + 9] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(path / name / f"{index}.png")
    return path


def _stream(folder: Path, **options: Any) -> ImageData:
    return load_data(f"folder:{folder}", image_size=8, stream=True, **{"workers": 0, **options})


def _all(data: ImageData, recipe: Recipe, *, epoch: int = 1) -> torch.Tensor:
    batches = data.feed(recipe, 0, CPU, Processes()).epoch(epoch)
    return torch.cat([batch.inputs for batch in batches])


def test_a_stream_has_the_splits_of_memory(folder: Path) -> None:
    stream, memory = _stream(folder), load_data(f"folder:{folder}", image_size=8)
    assert isinstance(stream.train, StreamedSplit)
    assert stream.classes == memory.classes == ("left", "right")
    assert stream.input_size == (3, 8, 8)
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(stream, part).labels, getattr(memory, part).labels)
    identity = {**memory.identity, "stream": True, "content_hash": stream.content_hash}
    assert stream.identity == identity
    assert stream.content_hash != memory.content_hash


@pytest.mark.parametrize("shape", [(32, 48), (40, 32), (16, 16), (14, 14)])
def test_an_image_as_it_is_is_torchvisions_centre_crop(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 3, *shape), generator=generator).to(torch.uint8)
    dataset = TensorDataset(images, torch.arange(20) % 2)
    data = ImageData.from_datasets("d", dataset, image_size=14, stream=True, workers=0)
    torchvisions = v2.Compose([v2.Resize(16), v2.CenterCrop(14)])  # 14 / 0.875 = 16
    ((cut, _),) = data.val.batches([torch.arange(4)])
    for image, index in zip(cut, data.val.indices.tolist(), strict=True):
        expected = images[index] if shape == (14, 14) else torchvisions(images[index])
        assert torch.equal(image, expected)


def test_the_number_of_processes_changes_nothing(folder: Path) -> None:
    recipe = Recipe(resized_crop=0.4, policy="randaugment", flip=True, cutout=2, batch_size=16)
    alone = _all(_stream(folder), recipe)
    assert torch.equal(_all(_stream(folder, workers=2), recipe), alone)
    assert not torch.equal(_all(_stream(folder), recipe, epoch=2), alone)
    assert not torch.equal(_all(_stream(folder), dataclasses.replace(recipe, flip=False)), alone)


def test_every_image_and_every_epoch_has_a_view_of_its_own() -> None:
    """All images are the same one, so that order alone changes nothing."""
    image = torch.randint(0, 256, (3, 20, 20), generator=torch.Generator().manual_seed(0))
    items = [(image.to(torch.uint8), index % 2) for index in range(40)]
    data = ImageData.from_datasets("d", _Items(items), image_size=8, stream=True, workers=0)
    recipe = Recipe(resized_crop=0.2)
    first, second = (_all(data, recipe, epoch=epoch) for epoch in (1, 2))
    assert len({view.numpy().tobytes() for view in torch.cat([first, second])}) == 2 * len(first)


def test_mean_and_deviation_are_those_of_the_images(folder: Path) -> None:
    data = _stream(folder)
    ((images, _),) = data.train.batches([torch.arange(len(data.train))])
    pixels = images.double() / 255
    assert data.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())


def test_a_network_learns_from_a_stream(folder: Path) -> None:
    data = _stream(folder)
    with seeded(0):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    recipe = Recipe(resized_crop=0.8, batch_size=12, lr=0.01)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    history = fit(model, data, epochs=6, recipe=recipe, device="cpu")
    assert history.last.val_metric == 1.0
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate(model, data.test, data, device="cpu").count == 12


def test_a_damaged_file_is_named_while_training(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(20):
            Image.new("RGB", (9, 9), (20 * index, 0, 0)).save(tmp_path / name / f"{index}.jpg")
    for workers in (0, 1):
        data = _stream(tmp_path, workers=workers)
        index = int(data.train.indices[3])
        file = Path(data.train.dataset.samples[index][0])
        whole = file.read_bytes()
        file.write_bytes(whole[:-20])
        with pytest.raises(ValueError, match=rf"can be read, but '.*{file.name}' is damaged or"):
            fit(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), data, epochs=1, device="cpu")
        file.write_bytes(whole)


class _Items(Dataset[Any]):
    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self.items = items
        self.read = 0
        vars(self).update(attributes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.read += 1
        return self.items[index]


def _items(count: int = 40) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 8, 8), generator=generator).to(torch.uint8)
    return [(image, index % 2) for index, image in enumerate(images)]


def test_datasets_of_torch_can_be_streamed() -> None:
    items = _items()
    memory = ImageData.from_datasets("d", _Items(items))
    stream = ImageData.from_datasets("d", _Items(items), image_size=8, stream=True, workers=0)
    ((images, labels),) = stream.train.batches([torch.arange(len(stream.train))])
    assert torch.equal(images, memory.train.images)
    assert torch.equal(labels, memory.train.labels)
    assert stream.mean == pytest.approx(memory.mean)


def test_labels_are_taken_from_targets_without_reading_images() -> None:
    items = _items()
    dataset = _Items(items, targets=[label for _, label in items])
    data = ImageData.from_datasets("d", dataset, image_size=8, stream=True, workers=0)
    assert dataset.read < len(items)
    assert data.num_classes == 2
    dataset.targets.append(0)
    with pytest.raises(ValueError, match=r"its `targets` are 41 for 40 images"):
        ImageData.from_datasets("d", dataset, image_size=8, stream=True)


def test_a_stream_checks_labels_and_channels() -> None:
    items = _items()
    items[3] = (items[3][0], 7)
    with pytest.raises(ValueError, match=r"Every class must have an image in `train`"):
        ImageData.from_datasets("d", _Items(items), image_size=8, stream=True)
    items = _items()
    items[5] = (items[5][0][:1], 1)
    with pytest.raises(ValueError, match=r"must have 3 channels, but image 5 has 1"):
        ImageData.from_datasets("d", _Items(items), image_size=8, stream=True, workers=0)


def test_a_stream_needs_a_size_and_a_folder(folder: Path) -> None:
    dataset = TensorDataset(torch.rand(20, 1, 3, 3), torch.arange(20) % 4)
    with pytest.raises(ValueError, match=r"`image_size` must be given for a stream"):
        ImageData.from_datasets("d", dataset, stream=True)
    with pytest.raises(ValueError, match=r"`stream` is for folder:PATH, but got stream=True"):
        load_data("digits", stream=True)


def test_a_folder_beyond_memory_is_refused_with_the_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Full:
        available = 10_000

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    with pytest.raises(ValueError, match=r"60 images of 64x64 .*: load them with stream=True"):
        load_data(f"folder:{folder}", image_size=64)
    assert len(_stream(folder).train) == 36


def test_merged_streams_read_both_and_name_a_damaged_file(folder: Path, tmp_path: Path) -> None:
    data = _stream(folder)
    merged = data.merged()
    assert merged.train.dataset is data.train.dataset  # the images of one folder
    ours = torch.cat([images for images, _ in merged.train.batches([torch.arange(48)])])
    parts = [
        images
        for split in (data.train, data.val)
        for images, _ in split.batches([torch.arange(len(split))])
    ]
    assert torch.equal(ours, torch.cat(parts))

    for part, shade in (("train", 10), ("val", 200)):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(2 if (part, name) == ("val", "b") else 6):
                image = Image.new("RGB", (9, 9), (shade, index, 0))
                image.save(tmp_path / part / name / f"{part}{index}.png")
    own = _stream(tmp_path)  # with a folder for validation
    merged = own.merged()
    count = len(own.train) + len(own.val)
    ((images, labels),) = merged.train.batches([torch.arange(count)])
    assert torch.equal(images[:, 0, 0, 0] == 200, torch.arange(count) >= len(own.train))
    assert torch.equal(labels, torch.cat([own.train.labels, own.val.labels]))
    file = Path(own.val.dataset.samples[int(own.val.indices[2])][0])
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=rf"can be read, but '.*val.*{file.name}' is damaged or"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), merged, epochs=1, device="cpu")
