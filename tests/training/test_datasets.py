"""Torch datasets come into memory unchanged, and a wrong item is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from optuna_nas.training import ImageData, Split, load_data


class _Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def _good(count: int = 12, size: int = 4) -> list[Any]:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 3, size, size), generator=generator)
    return [(image.to(torch.uint8), index % 2) for index, image in enumerate(images)]


def test_tensors_of_bytes_floats_and_pil_images_read_alike() -> None:
    items = _good()
    floats = [(image.float() / 255, label) for image, label in items]
    pictures = [
        (Image.fromarray(image.permute(1, 2, 0).numpy()), np.int64(label))
        for image, label in items
    ]

    datas = [ImageData.from_datasets("d", _Items(form)) for form in (items, floats, pictures)]

    assert all(torch.equal(data.train.images, datas[0].train.images) for data in datas)
    assert all(torch.equal(data.train.labels, datas[0].train.labels) for data in datas)
    assert len({data.identity["content_hash"] for data in datas}) == 1


def test_grey_pictures_have_one_channel_and_others_three() -> None:
    for mode, channels in (("L", 1), ("1", 1), ("RGBA", 3), ("P", 3)):
        items = [(Image.new(mode, (4, 6)), index % 2) for index in range(10)]
        assert ImageData.from_datasets("d", _Items(items)).input_size == (channels, 6, 4)


def test_given_splits_are_kept() -> None:
    train, val, test = (_Items(_good(count)) for count in (10, 6, 4))
    data = ImageData.from_datasets("d", train, test, val)

    assert (len(data.train), len(data.val), len(data.test)) == (10, 6, 4)
    pixels = {image.numpy().tobytes() for image, _ in test.items}
    assert {image.numpy().tobytes() for image in data.test.images} == pixels


def test_classes_come_from_the_dataset_the_argument_or_the_labels() -> None:
    dataset = _Items(_good())
    assert ImageData.from_datasets("d", dataset).classes == ("0", "1")
    assert ImageData.from_datasets("d", dataset, classes=["cat", "dog"]).classes == ("cat", "dog")
    dataset.classes = ["a", "b"]  # type: ignore[attr-defined]
    assert ImageData.from_datasets("d", dataset).classes == ("a", "b")


def test_images_of_several_sizes_can_be_resized_to_one() -> None:
    items = [*_good(6, size=4), *_good(6, size=9)]
    data = ImageData.from_datasets("d", _Items(items), image_size=(5, 6))
    assert data.input_size == (3, 5, 6)
    assert data.identity["image_size"] == [5, 6]


def test_the_identity_is_json_and_names_what_differs() -> None:
    data = load_data("digits", train_size=640, val_size=800, split_seed=7)

    assert json.loads(json.dumps(data.identity)) == {
        "name": "digits",
        "train_size": 640,
        "val_size": 800,
        "test_size": 357,
        "split_seed": 7,
        "image_size": [8, 8],
        "in_channels": 1,
        "num_classes": 10,
    }


def test_one_changed_pixel_or_label_changes_the_identity() -> None:
    def digest(items: list[Any]) -> str:
        return str(ImageData.from_datasets("d", _Items(items)).identity["content_hash"])

    items, pixel, label = _good(), _good(), _good()
    pixel[3][0][0, 0, 0] ^= 1
    label[3] = (label[3][0], 1 - label[3][1])
    assert len({digest(items), digest(_good())}) == 1
    assert len({digest(items), digest(pixel), digest(label)}) == 3


def _change(index: int, item: Any) -> Callable[[list[Any]], None]:
    def change(items: list[Any]) -> None:
        items[index] = item

    return change


_IMAGE = torch.zeros(3, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change(3, (_IMAGE, -1)), r"Label 3 of `train` must be at least 0, but is -1"),
        (_change(3, (_IMAGE, 0.5)), r"Label 3 of `train` must be an integer, but is 0.5"),
        (_change(3, (_IMAGE, "cat")), r"Label 3 of `train` must be an integer, but is 'cat'"),
        (_change(3, (_IMAGE, 10**9)), r"a label 1000000000 and only 12 images"),
        (_change(3, (_IMAGE, 7)), r"Every class must have an image in `train`, but class 2"),
        (
            _change(3, (_IMAGE[:, :2], 0)),
            r"same shape, but image 3 of `train` has shape \(3, 2",
        ),
        (_change(3, (_IMAGE[0], 0)), r"Image 3 of `train` must be .* Tensor of shape \(4, 4\)"),
        (_change(3, (np.zeros((4, 4, 3)), 0)), r"Image 3 .* ndarray of shape \(4, 4, 3\)"),
        (_change(3, (_IMAGE - 0.5, 0)), r"Image 3 of `train` must be uint8 or float in \[0, 1\]"),
        (_change(3, (_IMAGE.long(), 0)), r"but is torch.int64 in"),
        (_change(3, (_IMAGE / 0, 0)), r"Image 3 of `train` must be uint8 or float"),
        (_change(3, _IMAGE[:1, :1, :1]), r"Item 3 of `train` must be a pair \(image, label\)"),
        (_change(3, None), r"Item 3 of `train` must be a pair .* NoneType"),
        (list.clear, r"`train` must have images, but is empty"),
    ],
)
def test_a_wrong_item_is_named(change: Callable[[list[Any]], None], message: str) -> None:
    items = _good()
    change(items)
    with pytest.raises(ValueError, match=message):
        ImageData.from_datasets("d", _Items(items))


def test_a_label_beyond_the_classes_is_named_with_its_split() -> None:
    test = [*_good(4), (_IMAGE, 2)]
    with pytest.raises(ValueError, match=r"0\.\.1 for 2 classes, but label 4 of `test` is 2"):
        ImageData.from_datasets("d", _Items(_good()), _Items(test), classes=["a", "b"])


def test_splits_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"those of `test` have \(3, 9, 9\) and those of `train`"):
        ImageData.from_datasets("d", _Items(_good()), _Items(_good(size=9)))


def test_a_stream_is_no_map_style_dataset() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(_good())

    with pytest.raises(TypeError, match="`train` must be a map-style dataset.*Stream"):
        ImageData.from_datasets("d", Stream())
    with pytest.raises(TypeError, match="`val` must be a map-style dataset"):
        ImageData.from_datasets("d", _Items(_good()), val=Stream())


@pytest.mark.parametrize("size", [0, (4,), (4, -1), 2.5])
def test_an_image_size_must_be_pixels(size: Any) -> None:
    with pytest.raises(ValueError, match=r"`image_size` must be a positive number of pixels"):
        load_data("digits", image_size=size)


def test_a_split_checks_its_tensors() -> None:
    with pytest.raises(ValueError, match=r"`images` must be a uint8 tensor .* torch.float32"):
        Split(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`labels` must be an int64 tensor of shape \(2,\)"):
        Split(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))


def test_tensor_datasets_of_torch_are_read() -> None:
    dataset = TensorDataset(torch.rand(20, 1, 3, 3), torch.arange(20) % 4)
    assert ImageData.from_datasets("noise", dataset).num_classes == 4


def test_pixels_are_rounded_and_not_cut() -> None:
    items = [(torch.tensor([[[0.0, 0.999], [0.0, 1.0]]]), index % 2) for index in range(10)]

    whole = ImageData.from_datasets("d", _Items(items))
    small = ImageData.from_datasets("d", _Items(items), image_size=1)

    assert whole.train.images[0].flatten().tolist() == [0, 255, 0, 255]
    assert small.train.images[0].flatten().tolist() == [128]
