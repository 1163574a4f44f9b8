"""Image files of every kind are read as they are meant, or refused with the way out."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import RAMP, SIZE, Items, assert_refused, grey, pixels, read_both, write_folder
from PIL import Image, ImageCms
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder

from optuna_nas.training import ImageData, load_data


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
    image = Image.fromarray(pixels(0, 11, 13, 4), "RGBA").convert(mode)
    file = "jpeg" if suffix == "jfif" else None
    write_folder(tmp_path, image, suffix, format=file)
    with Image.open(tmp_path / "a" / f"0.{suffix}") as saved, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the transparency in palettes
        expected = saved.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    read = load_data(f"folder:{tmp_path}", image_size=SIZE).train.images
    assert torch.equal(read[0], torch.from_numpy(np.array(expected)).permute(2, 0, 1))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_and_not_clipped(suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray((RAMP * 1040).astype(np.uint16))
    assert torch.equal(read_both(write_folder(tmp_path, image, suffix)), grey(RAMP * 1040 / 257))


def test_16_bits_in_the_other_byte_order_and_of_pgm_with_another_white(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (SIZE, SIZE), (RAMP * 1040).astype(">u2").tobytes())
    assert torch.equal(
        read_both(write_folder(tmp_path / "big", big, "tif")), grey(RAMP * 1040 / 257)
    )
    path = write_folder(tmp_path / "pgm", Image.new("L", (1, 1)), "pgm")
    for file in path.rglob("*.pgm"):  # 1000 is white
        file.write_bytes(b"P5 8 8 1000\n" + (RAMP * 15).astype(">u2").tobytes())
    assert torch.equal(read_both(path), grey(RAMP * 15 * 255 / 1000))


def test_16_bits_of_colour_are_scaled(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.new("RGB", (1, 1)), "ppm")
    values = np.stack([RAMP * 1040, RAMP * 500, 65535 - RAMP], -1)
    for file in path.rglob("*.ppm"):
        file.write_bytes(b"P6 8 8 65535\n" + values.astype(">u2").tobytes())
    expected = torch.from_numpy(values / 257).permute(2, 0, 1)
    assert (read_both(path) - expected).abs().max() <= 1


def test_floats_of_a_tiff_are_in_0_to_1_or_refused(tmp_path: Path) -> None:
    good = Image.fromarray((RAMP / 63).astype(np.float32))
    assert torch.equal(
        read_both(write_folder(tmp_path / "good", good, "tif")), grey(RAMP / 63 * 255)
    )
    for number, bad in enumerate((RAMP * 4.0, RAMP - 1.0, RAMP * np.nan)):
        path = write_folder(tmp_path / str(number), Image.fromarray(bad.astype(np.float32)), "tif")
        assert_refused(
            path, r"'.*a/0\.tif' must have 8 or 16 bits .* is floats in \[.*\]: divide them"
        )


def test_32_bit_integers_are_refused(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.fromarray((RAMP * 9).astype(np.int32)), "tif")
    assert_refused(
        path, r"'.*a/0\.tif' must .* but has 32-bit integers in \[0, 567\].*: save it with 8"
    )


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
    path = write_folder(tmp_path, Image.new("L", (1, 1)), "tif")
    for file in path.rglob("*.tif"):
        file.write_bytes(_tiff(bits, photometric, sample_format, content))
    assert_refused(
        path, rf"'.*a/0\.tif' must be a plain TIFF, but has {message}: save it with 8 bits"
    )


def test_lab_is_converted_by_its_meaning(tmp_path: Path) -> None:
    srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    image = Image.new("RGB", (SIZE, SIZE), (200, 50, 20))
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert converted is not None
    read = read_both(write_folder(tmp_path, converted, "tif"))
    assert (read[:, 0, 0] - torch.tensor([200, 50, 20])).abs().max() <= 2


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_several_frames_the_first_is_read(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIZE, SIZE), (shade, 0, 0)) for shade in (250, 90, 10)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = write_folder(
        tmp_path, frames[0], suffix, save_all=True, append_images=frames[1:], **options
    )
    assert torch.equal(
        read_both(path), torch.tensor([250, 0, 0]).view(3, 1, 1).expand(3, SIZE, SIZE)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_photographs_are_turned_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = pixels(1, SIZE, SIZE, 3)
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
    path = write_folder(tmp_path, image, suffix, exif=exif)
    expected = torch.from_numpy(upright).permute(2, 0, 1)
    assert torch.equal(read_both(path), expected)
    folder = ImageFolder(str(path))
    for dataset in (folder, Subset(folder, range(8)), Items([folder[i] for i in range(8)])):
        data = ImageData.from_datasets("d", dataset)
        assert torch.equal(data.train.images[0], expected)


def test_transparency_is_left_out_without_a_word_of_pil(tmp_path: Path) -> None:
    colours = pixels(2, SIZE, SIZE, 3)
    alpha = pixels(3, SIZE, SIZE, 1)
    image = Image.fromarray(np.concatenate([colours, alpha], -1), "RGBA")
    expected = torch.from_numpy(colours).permute(2, 0, 1)
    assert torch.equal(read_both(write_folder(tmp_path / "rgba", image, "png")), expected)
    palette = Image.fromarray(colours).quantize(16)
    palette.info["transparency"] = bytes(range(0, 256, 16))
    read = read_both(
        write_folder(tmp_path / "p", palette, "png")
    )  # PIL warns of bytes in a palette
    del palette.info["transparency"]
    assert torch.equal(read, torch.from_numpy(np.array(palette.convert("RGB"))).permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_image_that_is_all_transparency_is_refused(mode: str, tmp_path: Path) -> None:
    icon = Image.new(mode, (SIZE, SIZE))
    icon.putalpha(Image.fromarray(pixels(3, SIZE, SIZE)))
    path = write_folder(tmp_path, icon, "png")
    assert_refused(
        path, r"'.*a/0\.png' must show something without its transparency.*: lay it on a"
    )


def test_grey_and_colour_and_sizes_mix_in_a_folder(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.fromarray(pixels(0, 9, 5, 3)), "png")
    Image.fromarray(pixels(1, 30, 7)).save(path / "a" / "1.png")
    Image.fromarray((RAMP * 1000).astype(np.uint16)).save(path / "b" / "2.PNG")
    assert load_data(f"folder:{path}", image_size=SIZE).input_size == (3, SIZE, SIZE)
