"""Data sets by name, from real files in their own formats."""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from sklearn.datasets import load_digits

from optuna_nas.training import load_data


def test_digits_are_those_of_scikit_learn_scaled_to_bytes() -> None:
    data = load_data("digits")
    ours = {
        (tuple(image.flatten().tolist()), int(label))
        for split in (data.train, data.val, data.test)
        for image, label in zip(split.images, split.labels, strict=True)
    }
    found = load_digits()
    theirs = {
        (tuple(np.rint(pixels.flatten() * 255 / 16).astype(int)), int(label))
        for pixels, label in zip(found.images, found.target, strict=True)
    }
    assert ours == theirs
    assert data.classes == tuple("0123456789")
    assert data.input_size == (1, 8, 8)


def test_images_are_resized_on_demand() -> None:
    small, large = load_data("digits"), load_data("digits", image_size=16)
    assert large.input_size == (1, 16, 16)
    assert large.mean == pytest.approx(small.mean, rel=0.02)


def _write_idx(path: Path, array: np.ndarray) -> None:
    """Write MNIST's format: two zeros, the type (8 is uint8), the dimensions, big endian."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def _write_fashion_mnist(root: Path, folder: str = "FashionMNIST") -> np.ndarray:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 40)):
        images = rng.integers(0, 256, (count, 28, 28))
        _write_idx(raw / f"{part}-images-idx3-ubyte", images)
        _write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return images  # of the test set


def test_fashion_mnist_keeps_its_official_test_set(tmp_path: Path) -> None:
    test = _write_fashion_mnist(tmp_path)

    data = load_data("fashion-mnist", root=tmp_path)

    assert (len(data.train), len(data.val), len(data.test)) == (90, 10, 40)
    assert data.input_size == (1, 28, 28)
    assert data.classes[:2] == ("T-shirt/top", "Trouser")
    assert {image.numpy().tobytes() for image in data.test.images} == {
        image.astype(np.uint8).tobytes() for image in test
    }
    assert data.val.labels.bincount().tolist() == [1] * 10


def test_kmnist_is_read_from_a_folder_of_its_own(tmp_path: Path) -> None:
    test = _write_fashion_mnist(tmp_path, "KMNIST")
    data = load_data("kmnist", root=tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (90, 10, 40)
    assert data.classes[:2] == ("o", "ki")
    assert data.test.images.float().mean() == pytest.approx(test.mean(), rel=1e-4)


def test_svhn_is_read_from_its_matlab_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    listed = {}
    for part, count in (("train", 60), ("test", 20)):
        pixels = rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        labels = np.arange(count)[:, None] % 10 + 1  # the files call the digit 0 "10"
        path = tmp_path / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": pixels, "y": labels})
        checksum = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        listed[part] = ["", path.name, checksum]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)

    data = load_data("svhn", root=tmp_path)

    assert data.input_size == (3, 32, 32)
    assert (len(data.train), len(data.val), len(data.test)) == (54, 6, 20)
    assert data.classes == tuple("0123456789")
    zeros = data.test.images[data.test.labels == 0]
    first = torch.from_numpy(pixels[..., 9]).permute(2, 0, 1)
    assert any(torch.equal(image, first) for image in zeros)


def test_subsets_of_a_data_set_with_a_test_set(tmp_path: Path) -> None:
    _write_fashion_mnist(tmp_path)
    data = load_data("fashion-mnist", root=tmp_path, train_size=20, val_size=30, test_size=10)
    assert (len(data.train), len(data.val), len(data.test)) == (20, 30, 10)


def test_a_truncated_file_is_an_error_that_says_where(tmp_path: Path) -> None:
    _write_fashion_mnist(tmp_path)
    path = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(FileNotFoundError, match=r"'fashion-mnist' are missing or damaged \(.*raw"):
        load_data("fashion-mnist", root=tmp_path)


def _write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write CIFAR-10's format and give torchvision the checksums of these files."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (40, 3 * 32 * 32), dtype=np.uint8)
    contents = {
        "data_batch_1": {"data": rows, "labels": [i % 10 for i in range(40)]},
        "test_batch": {"data": rows[:10], "labels": list(range(10))},
        "batches.meta": {"label_names": [f"class{i}" for i in range(10)]},
    }
    sums = {}
    for name, content in contents.items():
        payload = pickle.dumps(content)
        (folder / name).write_bytes(payload)
        sums[name] = hashlib.md5(payload, usedforsecurity=False).hexdigest()
    cifar = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(cifar, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": sums["batches.meta"]})
    return rows


def test_cifar_images_have_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _write_cifar10(tmp_path, monkeypatch)

    data = load_data("cifar10", root=tmp_path)

    assert data.input_size == (3, 32, 32)
    assert (len(data.train), len(data.val), len(data.test)) == (36, 4, 10)
    assert data.classes[9] == "class9"
    first = data.test.images[data.test.labels == 0][0]
    assert torch.equal(first, torch.from_numpy(rows[0].reshape(3, 32, 32)))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("fashion-mnist", "FashionMNIST/raw"),
        ("kmnist", "KMNIST/raw"),
        ("svhn", ""),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
    ],
)
def test_missing_files_say_where_to_put_them(name: str, folder: str, tmp_path: Path) -> None:
    message = rf"'{name}' are missing .*: put .* into '.*{folder}', or allow the download"
    with pytest.raises(FileNotFoundError, match=message):
        load_data(name, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_default_root_is_a_folder_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="into 'data/cifar-10-batches-py'"):
        load_data("cifar10")


def test_an_unknown_name_lists_the_known_ones() -> None:
    message = r"one of digits, fashion-mnist, kmnist, cifar10, cifar100, svhn, folder:P.*'mnist'"
    with pytest.raises(ValueError, match=message):
        load_data("mnist")


def test_merged_data_hold_all_images_but_the_tests() -> None:
    data = load_data("digits", train_size=100, val_size=50, test_size=30)
    merged = data.merged()
    assert torch.equal(merged.train.images[:100], data.train.images)
    assert torch.equal(merged.train.images[100:], data.val.images)
    assert torch.equal(merged.train.labels[100:], data.val.labels)
    assert len(merged.val) == 0
    assert merged.test is data.test
    pixels = merged.train.images.double() / 255
    assert merged.mean == pytest.approx([pixels.mean().item()])
    assert merged.std == pytest.approx([pixels.std(correction=0).item()])
    assert merged.identity != data.identity
    assert merged.resized(16).merged().identity["train_size"] == 150
