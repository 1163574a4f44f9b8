"""Image files and PIL images as 8 bits per channel, or an error that names the image.

Every value of a 16-bit image is divided by 257 and rounded, so that white stays white; floats in
[0, 1] are multiplied by 255. PIL itself would clip both at 255.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = [
    "READ_ERRORS",
    "UnreadableImageError",
    "damaged",
    "eight_bit",
    "in_sentence",
    "open_picture",
    "require_image_file",
]

READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_RUN_A_PROGRAM = ("EPS", "WMF")  # PIL hands them to Ghostscript or to the system
_KINDS = {
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFDIR: "folder",
}
_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 274, 258, 262, 339  # tags of EXIF and TIFF


class UnreadableImageError(ValueError):
    """An image that cannot be read rightly; the message names it."""


def open_picture(file: str | Path) -> Image.Image:
    """Return the first frame of an image file, upright, as RGB.

    Args:
        file: Any file: what is no image is an error.

    Raises:
        UnreadableImageError: If it is no regular file, no image, damaged, too large, or of more
            than 8 bits without a known range.
    """
    require_image_file(file)
    where = repr(str(file))
    try:
        picture = Image.open(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
        raise _too_large(where, str(e)) from e
    except Exception as e:
        raise damaged(where, e) from e
    with picture:
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and picture.width * picture.height > limit:
            raise _too_large(where, f"{picture.width}x{picture.height}")
        if picture.format in _RUN_A_PROGRAM:
            raise damaged(where, ValueError(f"of the format {picture.format}"))
        read = eight_bit(picture, where)
    return read if read.mode == "RGB" else read.convert("RGB")


def require_image_file(file: str | Path) -> None:
    """Raise unless it is a regular file that is not empty: opening a pipe would wait forever."""
    try:
        status = os.stat(file)  # noqa: PTH116 - making a Path takes longer, for every image
    except OSError as e:
        raise damaged(repr(str(file)), e) from e
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise UnreadableImageError(
            f"Every image must be a regular file, but {str(file)!r} is a {kind}: remove it."
        )
    if status.st_size == 0:
        raise damaged(repr(str(file)), ValueError("it is empty"))


def eight_bit(picture: Image.Image, where: str) -> Image.Image:
    """Return a PIL image upright, of mode "L" if it is grey and else "RGB".

    Args:
        picture: Picture of any mode, perhaps not decoded yet.
        where: Names it in an error: a path in quotes, or such as "Image 3 of `train`".

    Raises:
        UnreadableImageError: If it cannot be decoded, or not without loss of what it shows.
    """
    if min(picture.size) == 0:
        raise UnreadableImageError(f"{where} must have pixels, but its size is {picture.size}.")
    if picture.mode in ("L", "RGB") and type(picture) is Image.Image and not picture.info:
        return picture  # in memory, without EXIF data: most images of a stream come here again
    try:
        picture.load()
        return _upright(_converted(picture, where), picture)
    except (UnreadableImageError, MemoryError):
        raise
    except Exception as e:  # a decoder may raise anything at the bytes of a damaged file
        raise damaged(where, e) from e


def damaged(where: str, error: Exception) -> UnreadableImageError:
    """Return the error of an image that cannot be read at all."""
    return UnreadableImageError(
        f"Every image must be one that can be read, but {in_sentence(where)} is damaged "
        f"or something else ({error}): replace or remove it."
    )


def in_sentence(where: str) -> str:
    """Return the name of an image as it stands within a sentence: "image 3 of `train`"."""
    return where[:1].lower() + where[1:]


def _too_large(where: str, size: str) -> UnreadableImageError:
    limit = Image.MAX_IMAGE_PIXELS or 0
    return UnreadableImageError(
        f"Every image must have at most {limit:,} pixels, but {where} has more ({size}): make it "
        "smaller, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
    )


def _converted(picture: Image.Image, where: str) -> Image.Image:
    _require_plain_tiff(picture, where)
    # PNG and PPM have at most 16 bits, which PIL gives as the 32 of "I" in some versions.
    if picture.mode in _SIXTEEN_BITS or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        return _grey(np.asarray(picture) / 257)
    if picture.mode == "F":
        return _grey(255 * _unit_range(np.asarray(picture), where))
    if picture.mode == "I":
        low, high = picture.getextrema()
        raise UnreadableImageError(
            f"{where} must have 8 or 16 bits per channel, or be floats in [0, 1], but has 32-bit "
            f"integers in [{low}, {high}], whose black and white are unknown: save it with 8 bits."
        )
    opaque = _without_alpha(picture, where)
    return opaque.convert("L" if opaque.mode in ("1", "L") else "RGB")


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values).astype(np.uint8))


def _unit_range(values: np.ndarray, where: str) -> np.ndarray:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # also of NaN
        raise UnreadableImageError(
            f"{where} must have 8 or 16 bits per channel, or be floats in [0, 1], but is floats "
            f"in [{low:.3g}, {high:.3g}]: divide them by their largest possible value."
        )
    return values


def _without_alpha(picture: Image.Image, where: str) -> Image.Image:
    """Return the colours alone, unless it is the transparency that shows something."""
    if picture.mode == "La":
        picture = picture.convert("LA")
    elif picture.mode in ("PA", "RGBa") or (
        picture.mode == "P" and "transparency" in picture.info
    ):
        picture = picture.convert("RGBA")
    if picture.mode not in ("LA", "RGBA"):
        return picture
    *colours, alpha = np.array(picture.getextrema()).reshape(-1, 2).tolist()  # (low, high) each
    if alpha[0] != alpha[1] and all(low == high for low, high in colours):
        raise UnreadableImageError(
            f"{where} must show something without its transparency, which is left out, but is of "
            "one colour: lay it on a background of another colour, and save it without."
        )
    return picture.convert("L" if picture.mode == "LA" else "RGB")


def _require_plain_tiff(picture: Image.Image, where: str) -> None:
    """Raise where PIL reads a TIFF as it is stored and not as it is meant."""
    tags = getattr(picture, "tag_v2", None)
    if tags is None:
        return
    bits = tags.get(_BITS, (1,))[0]
    if picture.mode in (*_SIXTEEN_BITS, "F") and tags.get(_PHOTOMETRIC) == 0:
        kind = "white as 0"
    elif picture.mode in _SIXTEEN_BITS and bits != 16:
        kind = f"{bits} bits"
    elif picture.mode == "L" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 2:
        kind = "signed numbers"
    else:
        return
    raise UnreadableImageError(
        f"{where} must be a plain TIFF, but has {kind}: save it with 8 bits per channel."
    )


def _upright(converted: Image.Image, picture: Image.Image) -> Image.Image:
    """Return the image as its EXIF orientation says it is looked at, without EXIF data.

    ``ImageOps.exif_transpose`` also writes the other EXIF data anew, and fails at odd ones.
    """
    if not picture.info:  # where the EXIF data are; a TIFF always has something there
        return converted
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    method = turned.get(picture.getexif().get(_ORIENTATION, 1))
    upright = converted if method is None else converted.transpose(method)
    upright.info.clear()  # so that nobody turns it again
    return upright
