"""Image files of every kind are read as they are meant, or named with the way out."""

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
from PIL import Image, ImageCms
from torch.utils.data import Dataset, Subset
from torchvision.datasets import ImageFolder

from optuna_nas.training import ImageData, load_data
from optuna_nas.training.data._pictures import UnreadableImageError, open_picture
from optuna_nas.training.data._pixels import as_bytes

SIZE = 8
RAMP = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)


class _Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def _pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _folder(path: Path, image: Image.Image, suffix: str, **options: Any) -> Path:
    """Write two classes of four equal images."""
    for name in ("a", "b"):
        (path / name).mkdir(parents=True)
        for index in range(4):
            image.save(path / name / f"{index}.{suffix}", **options)
    return path


def _read_both(path: Path) -> torch.Tensor:
    """Return the image that all files of a folder hold, the same from memory and streamed."""
    memory = load_data(f"folder:{path}", image_size=SIZE).train.images
    stream = load_data(f"folder:{path}", image_size=SIZE, stream=True, workers=0).train
    ((streamed, _),) = stream.batches([torch.arange(len(stream))])
    assert torch.equal(streamed, memory)
    assert all(torch.equal(image, memory[0]) for image in memory)
    return memory[0]


def _grey(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.rint(values).astype(np.uint8)).expand(3, -1, -1)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[(mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[(mode, "jpg") for mode in ("L", "RGB", "CMYK")],
        *[(mode, "tif") for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr")],
        ("RGB", "bmp"),
        ("RGB", "webp"),
        ("L", "pgm"),
        ("RGB", "ppm"),
        ("1", "pbm"),
        ("RGB", "jfif"),
    ],
)
def test_images_of_8_bits_are_what_pil_makes_of_them(
    mode: str, suffix: str, tmp_path: Path
) -> None:
    image = Image.fromarray(_pixels(0, 11, 13, 4), "RGBA").convert(mode)
    file = "jpeg" if suffix == "jfif" else None
    _folder(tmp_path, image, suffix, format=file)
    with Image.open(tmp_path / "a" / f"0.{suffix}") as saved, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the transparency in palettes
        expected = saved.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    read = load_data(f"folder:{tmp_path}", image_size=SIZE).train.images
    assert torch.equal(read[0], torch.from_numpy(np.array(expected)).permute(2, 0, 1))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_and_not_clipped(suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray((RAMP * 1040).astype(np.uint16))
    assert torch.equal(_read_both(_folder(tmp_path, image, suffix)), _grey(RAMP * 1040 / 257))


def test_16_bits_in_the_other_byte_order_and_of_pgm_with_another_white(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (SIZE, SIZE), (RAMP * 1040).astype(">u2").tobytes())
    assert torch.equal(_read_both(_folder(tmp_path / "big", big, "tif")), _grey(RAMP * 1040 / 257))
    path = _folder(tmp_path / "pgm", Image.new("L", (1, 1)), "pgm")
    for file in path.rglob("*.pgm"):  # 1000 is white
        file.write_bytes(b"P5 8 8 1000\n" + (RAMP * 15).astype(">u2").tobytes())
    assert torch.equal(_read_both(path), _grey(RAMP * 15 * 255 / 1000))


def test_16_bits_of_colour_are_scaled(tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.new("RGB", (1, 1)), "ppm")
    values = np.stack([RAMP * 1040, RAMP * 500, 65535 - RAMP], -1)
    for file in path.rglob("*.ppm"):
        file.write_bytes(b"P6 8 8 65535\n" + values.astype(">u2").tobytes())
    expected = torch.from_numpy(values / 257).permute(2, 0, 1)
    assert (_read_both(path) - expected).abs().max() <= 1


def test_floats_of_a_tiff_are_in_0_to_1_or_refused(tmp_path: Path) -> None:
    good = Image.fromarray((RAMP / 63).astype(np.float32))
    assert torch.equal(_read_both(_folder(tmp_path / "good", good, "tif")), _grey(RAMP / 63 * 255))
    for number, bad in enumerate((RAMP * 4.0, RAMP - 1.0, RAMP * np.nan)):
        path = _folder(tmp_path / str(number), Image.fromarray(bad.astype(np.float32)), "tif")
        _refused(path, r"'.*a/0\.tif' must have 8 or 16 bits .* is floats in \[.*\]: divide them")


def test_32_bit_integers_are_refused(tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.fromarray((RAMP * 9).astype(np.int32)), "tif")
    _refused(path, r"'.*a/0\.tif' must .* but has 32-bit integers in \[0, 567\].*: save it with 8")


def _tiff(bits: int, photometric: int, sample_format: int, content: bytes) -> bytes:
    """Write TIFF as its standard says: a header, one directory of tags, one strip."""
    tags = [(256, SIZE), (257, SIZE), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 150), (277, 1), (278, SIZE), (279, len(content)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", 0)
    return head.ljust(150, b"\0") + content


@pytest.mark.parametrize(
    ("bits", "photometric", "sample_format", "content", "message"),
    [
        (16, 0, 1, (RAMP * 1000).astype("<u2").tobytes(), "white as 0"),
        (12, 1, 1, bytes(96), "12 bits"),
        (8, 1, 2, RAMP.astype(np.int8).tobytes(), "signed numbers"),
    ],
)
def test_tiffs_that_pil_reads_as_they_are_stored_are_refused(
    bits: int, photometric: int, sample_format: int, content: bytes, message: str, tmp_path: Path
) -> None:
    path = _folder(tmp_path, Image.new("L", (1, 1)), "tif")
    for file in path.rglob("*.tif"):
        file.write_bytes(_tiff(bits, photometric, sample_format, content))
    _refused(path, rf"'.*a/0\.tif' must be a plain TIFF, but has {message}: save it with 8 bits")


def test_lab_is_converted_by_its_meaning(tmp_path: Path) -> None:
    srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    image = Image.new("RGB", (SIZE, SIZE), (200, 50, 20))
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert converted is not None
    read = _read_both(_folder(tmp_path, converted, "tif"))
    assert (read[:, 0, 0] - torch.tensor([200, 50, 20])).abs().max() <= 2


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_several_frames_the_first_is_read(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIZE, SIZE), (shade, 0, 0)) for shade in (250, 90, 10)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = _folder(tmp_path, frames[0], suffix, save_all=True, append_images=frames[1:], **options)
    assert torch.equal(
        _read_both(path), torch.tensor([250, 0, 0]).view(3, 1, 1).expand(3, SIZE, SIZE)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_photographs_are_turned_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = _pixels(1, SIZE, SIZE, 3)
    stored = {  # which stored image the standard's orientation makes upright
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),  # stored turned left: to be turned right
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    path = _folder(tmp_path, image, suffix, exif=exif)
    expected = torch.from_numpy(upright).permute(2, 0, 1)
    assert torch.equal(_read_both(path), expected)
    folder = ImageFolder(str(path))
    for dataset in (folder, Subset(folder, range(8)), _Items([folder[i] for i in range(8)])):
        data = ImageData.from_datasets("d", dataset)
        assert torch.equal(data.train.images[0], expected)


def test_transparency_is_left_out_without_a_word_of_pil(tmp_path: Path) -> None:
    colours = _pixels(2, SIZE, SIZE, 3)
    alpha = _pixels(3, SIZE, SIZE, 1)
    image = Image.fromarray(np.concatenate([colours, alpha], -1), "RGBA")
    expected = torch.from_numpy(colours).permute(2, 0, 1)
    assert torch.equal(_read_both(_folder(tmp_path / "rgba", image, "png")), expected)
    palette = Image.fromarray(colours).quantize(16)
    palette.info["transparency"] = bytes(range(0, 256, 16))
    read = _read_both(_folder(tmp_path / "p", palette, "png"))  # PIL warns of bytes in a palette
    del palette.info["transparency"]
    assert torch.equal(read, torch.from_numpy(np.array(palette.convert("RGB"))).permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_image_that_is_all_transparency_is_refused(mode: str, tmp_path: Path) -> None:
    icon = Image.new(mode, (SIZE, SIZE))
    icon.putalpha(Image.fromarray(_pixels(3, SIZE, SIZE)))
    path = _folder(tmp_path, icon, "png")
    _refused(path, r"'.*a/0\.png' must show something without its transparency.*: lay it on a")


def test_grey_and_colour_and_sizes_mix_in_a_folder(tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.fromarray(_pixels(0, 9, 5, 3)), "png")
    Image.fromarray(_pixels(1, 30, 7)).save(path / "a" / "1.png")
    Image.fromarray((RAMP * 1000).astype(np.uint16)).save(path / "b" / "2.PNG")
    assert load_data(f"folder:{path}", image_size=SIZE).input_size == (3, SIZE, SIZE)


def _refused(path: Path, message: str) -> None:
    """Assert that the first image that is read is refused, from memory and streamed."""
    with pytest.raises(ValueError, match=message):
        load_data(f"folder:{path}", image_size=SIZE)
    streamed = message.replace(r"a/0\.", r"[ab]/\d\.")  # whose order is another one
    for workers in (0, 1):
        with pytest.raises(ValueError, match=streamed):
            load_data(f"folder:{path}", image_size=SIZE, stream=True, workers=workers)


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
    path = _folder(tmp_path, Image.new("L", (1, 1)), "png")
    for file in path.rglob("*.png"):
        file.write_bytes(_png_header(side, side))
    message = r"must have at most 89,478,485 pixels, but '.*a/0\.png' has more"
    with warnings.catch_warnings():
        warnings.simplefilter(filters)
        _refused(path, message)
        with pytest.raises(ValueError, match=message):
            ImageData.from_datasets("d", ImageFolder(str(path)))


def test_the_bound_of_pixels_is_pils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _folder(tmp_path, Image.new("L", (SIZE, SIZE), 7), "png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE * SIZE)
    assert _read_both(path).unique().tolist() == [7]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE * SIZE - 1)
    _refused(path, r"at most 63 pixels, but '.*a/0\.png' has more .*: make it smaller, or raise")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert _read_both(path).unique().tolist() == [7]


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
    path = _folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
    (path / "a" / "0.png").unlink()
    monkeypatch.chdir(path / "a")  # the path of a socket must be short
    make(Path("0.png"))
    for stream in (False, True):
        with pytest.raises(ValueError, match=message):
            load_data(f"folder:{path}", image_size=SIZE, stream=stream)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_becomes_a_pipe_while_streamed_is_named(workers: int, tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
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
    image = Image.fromarray(_pixels(0, 16, 16, 3))
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
    path = _folder(tmp_path, Image.new("L", (SIZE, SIZE)), "png")
    for file in path.rglob("*.png"):
        file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    _refused(path, r"'.*a/0\.png' is damaged or something else \(of the format EPS\)")


def _their_loader(name: str) -> Image.Image:
    with Image.open(name) as image:
        return image.convert("RGB")


def test_a_damaged_file_of_a_dataset_is_named(tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.fromarray(_pixels(0, 16, 16, 3)), "png")
    file = path / "b" / "2.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"can be read, but '.*b/2\.png' is damaged"):
        ImageData.from_datasets("d", ImageFolder(str(path)))
    theirs = ImageFolder(str(path), loader=_their_loader)
    with pytest.raises(ValueError, match=r"but image 6 of `train` is damaged or something else"):
        ImageData.from_datasets("d", theirs)


def test_torchvisions_folder_reads_16_bits_and_stays_as_it_is(tmp_path: Path) -> None:
    path = _folder(tmp_path, Image.fromarray((RAMP * 1040).astype(np.uint16)), "png")
    folder = ImageFolder(str(path))
    loader = folder.loader
    data = ImageData.from_datasets("d", folder)
    assert torch.equal(data.train.images[0], _grey(RAMP * 1040 / 257))
    assert folder.loader is loader


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray((RAMP * 1040).astype(np.uint16)), np.rint(RAMP * 1040 / 257)),
        (Image.fromarray((RAMP / 63).astype(np.float32)), np.rint(RAMP / 63 * 255)),
        (Image.fromarray(RAMP % 2 == 0), 255 * (RAMP % 2 == 0)),
        (torch.from_numpy((RAMP * 1040).astype(np.uint16))[None], np.rint(RAMP * 1040 / 257)),
        (torch.from_numpy(RAMP % 2 == 0)[None], 255 * (RAMP % 2 == 0)),
        (torch.from_numpy(RAMP / 63)[None], np.rint(RAMP / 63 * 255)),
        (torch.from_numpy(RAMP / 64)[None].bfloat16(), np.rint(RAMP / 64 * 255)),
    ],
)
def test_images_of_datasets_are_scaled(image: Any, expected: np.ndarray) -> None:
    items = _Items([(image, index % 2) for index in range(10)])
    memory = ImageData.from_datasets("d", items)
    stream = ImageData.from_datasets("d", items, image_size=SIZE, stream=True, workers=0)
    assert (memory.train.images[0, 0].numpy() - expected.astype(int)).tolist() == [[0] * 8] * 8
    ((streamed, _),) = stream.train.batches([torch.arange(2)])
    assert torch.equal(streamed, memory.train.images[:2])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray((RAMP * 9).astype(np.int32)), "must have 8 or 16 bits"),
        (Image.fromarray((RAMP * 9).astype(np.float32)), r"is floats in \[0, 567\]: divide them"),
        (torch.from_numpy(RAMP)[None].int(), r"but is torch.int32 in \[0, 63\]"),
        (torch.from_numpy(RAMP)[None].short(), "but is torch.int16 in"),
        (torch.from_numpy(RAMP)[None].float(), r"but is torch.float32 in \[0, 63\]: .*divided by"),
        (torch.from_numpy(RAMP / 63)[None] + 0j, "but is torch.complex128 in"),
        (torch.zeros(SIZE, SIZE, 3), r"but is \(8, 8, 3\), which looks like \(H, W, C\): give im"),
        (torch.zeros(28, 28, 1, dtype=torch.uint8), r"which looks like \(H, W, C\)"),
        (_pixels(0, SIZE, SIZE, 3), r"ndarray of shape \(8, 8, 3\): convert it.*permute\(2, 0"),
        (torch.zeros(3, 0, 4), r"must have pixels, but has the shape \(3, 0, 4\)"),
        (Image.new("RGB", (0, 4)), r"must have pixels, but its size is \(0, 4\)"),
    ],
)
def test_images_of_datasets_without_a_meaning_are_refused(image: Any, message: str) -> None:
    items = _Items([(image, index % 2) for index in range(10)])
    for stream in (False, True):
        with pytest.raises(ValueError, match=rf"Image 0 of `train` must .*{message}|{message}"):
            ImageData.from_datasets("d", items, image_size=SIZE, stream=stream, workers=0)


def test_maps_of_many_channels_and_few_pixels_are_channels_first() -> None:
    for shape in ((64, 4, 4), (13, 9, 9), (4, 8, 3), (1, 28, 1)):
        assert as_bytes(torch.zeros(shape), "Image 0").shape == shape


def test_a_later_wrong_image_is_named_while_streamed() -> None:
    good = Image.new("L", (SIZE, SIZE))
    items = [(good, index % 2) for index in range(10)]
    items[7] = (Image.fromarray((RAMP * 9).astype(np.int32)), 1)
    data = _Items(items)
    with pytest.raises(ValueError, match=r"Image 7 must have 8 or 16 bits"):
        ImageData.from_datasets("d", data, data, data, image_size=SIZE, stream=True, workers=0)
