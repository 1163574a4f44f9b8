"""Files that are no image, too large or damaged are named with the way out."""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_folders import SIZE, assert_refused, pixels, read_both, write_folder
from PIL import Image
from torchvision.datasets import ImageFolder

from optuna_nas.training import ImageData, load_data
from optuna_nas.training.data.images._pictures import UnreadableImageError, open_picture


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_000, 20_000])  # PIL warns of the one, and refuses the other
@pytest.mark.parametrize("filters", ["error", "ignore"])
def test_too_many_pixels_are_refused_by_the_header(
    side: int, filters: Any, tmp_path: Path
) -> None:
    path = write_folder(tmp_path, Image.new("L", (1, 1)), "png")
    for file in path.rglob("*.png"):
        file.write_bytes(_png_header(side, side))
    message = r"must have at most 89,478,485 pixels, but '.*a/0\.png' has more"
    with warnings.catch_warnings():
        warnings.simplefilter(filters)
        assert_refused(path, message)
        with pytest.raises(ValueError, match=message):
            ImageData.from_datasets("d", ImageFolder(str(path)))


def test_the_bound_of_pixels_is_pils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_folder(tmp_path, Image.new("L", (SIZE, SIZE), 7), "png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE * SIZE)
    assert read_both(path).unique().tolist() == [7]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE * SIZE - 1)
    assert_refused(
        path, r"at most 63 pixels, but '.*a/0\.png' has more .*: make it smaller, or raise"
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_both(path).unique().tolist() == [7]


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(file))


def _linked(target: str) -> Callable[[Path], None]:
    return lambda file: file.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_pipe, r"must be a regular file, but '.*/0\.png' is a named pipe: remove it"),
        (_socket, r"must be a regular file, but '.*/0\.png' is a socket: remove it"),
        (_linked("/dev/zero"), r"must be a regular file, but '.*/0\.png' is a device: remove it"),
        (_linked("gone.png"), r"must lead somewhere, but '.*/0\.png' does not: mend or remove"),
        (_linked("0.png"), r"must lead somewhere, but '.*/0\.png' does not: mend or remove it"),
        (Path.touch, r"'.*/0\.png' is damaged or something else \(it is empty\): replace or"),
    ],
)
def test_what_is_no_file_is_named_before_it_is_opened(
    make: Callable[[Path], None],
    message: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
    (path / "a" / "0.png").unlink()
    monkeypatch.chdir(path / "a")  # the path of a socket must be short
    make(Path("0.png"))
    for stream in (False, True):
        with pytest.raises(ValueError, match=message):
            load_data(f"folder:{path}", image_size=SIZE, stream=stream)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_becomes_a_pipe_while_streamed_is_named(workers: int, tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
    train = load_data(f"folder:{path}", image_size=SIZE, stream=True, workers=workers).train
    for file in path.rglob("*.png"):
        file.unlink()
        os.mkfifo(file)
    with pytest.raises(ValueError, match=r"'.*/\d\.png' is a named pipe: remove it"):
        list(train.batches([torch.arange(2)]))
    assert stat.S_ISFIFO(file.stat().st_mode)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp", "ppm"])
def test_a_cut_or_changed_file_is_read_or_named(suffix: str, tmp_path: Path) -> None:
    """Whatever a decoder raises, the error is ours: random bytes are changed in whole files."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    options = {"exif": exif} if suffix in ("png", "jpg", "tif", "webp") else {}
    image = Image.fromarray(pixels(0, 16, 16, 3))
    kind = Image.registered_extensions()[f".{suffix}"]
    image.save(buffer, kind, **options)
    whole = np.frombuffer(buffer.getvalue(), np.uint8)
    rng = np.random.default_rng(0)
    file = tmp_path / f"x.{suffix}"
    modes: set[str] = set()
    errors: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(120):
            changed = whole.copy()
            places = rng.integers(0, min(len(whole), 300), rng.integers(1, 8))
            changed[places] = rng.integers(0, 256, len(places))
            file.write_bytes(changed[: rng.integers(len(whole) // 4, len(whole) + 1)].tobytes())
            try:
                modes.add(open_picture(file).mode)
            except UnreadableImageError as e:
                errors.append(str(e))
    assert modes <= {"RGB"}
    assert len(errors) > 20
    assert all(str(file) in error for error in errors)


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
    for file in path.rglob("*.png"):
        file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    assert_refused(path, r"'.*a/0\.png' is damaged or something else \(of the format EPS\)")
