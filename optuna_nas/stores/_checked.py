"""Files that know whether they are whole: a SHA-256 of the content stands at their end.

The mark stands after the content so that programs that read a format from its front, or find
its directory by searching backwards (zip, and with it ``torch.load``), still open the file.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from optuna_nas._ground.atomic import write_atomically

__all__ = ["DamagedFileError", "read_checked", "sealed", "unsealed", "write_checked"]

_MARK = b"\noptuna-nas sha256 "
_HEX_DIGITS = 64
_TRAILER_BYTES = len(_MARK) + _HEX_DIGITS + 1


class DamagedFileError(ValueError):
    """A file is truncated, altered, or was not written by :func:`write_checked`."""


def write_checked(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` and its checksum to ``path``, whole or not at all.

    Args:
        path: Where the file shall stand. Its folder must exist.
        data: The content; the file is 84 bytes longer.

    Raises:
        FileNotFoundError: If the folder does not exist.
        OSError: If the folder cannot be written to or the disk is full.
    """
    write_atomically(path, sealed(data))


def read_checked(path: str | os.PathLike[str]) -> bytes:
    """Return the content that :func:`write_checked` wrote to ``path``.

    Example:
        >>> import tempfile
        >>> from optuna_nas.stores import read_checked, write_checked
        >>> path = Path(tempfile.mkdtemp(), "state.bin")
        >>> write_checked(path, b"state")
        >>> read_checked(path)
        b'state'

    Args:
        path: A file written by :func:`write_checked`.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If the content does not agree with the checksum, or there is none.
    """
    return unsealed(Path(path).read_bytes(), f"The file {str(path)!r}")


def sealed(data: bytes) -> bytes:
    """Return the content with its checksum behind it, for stores that are no files."""
    return data + _trailer(data)


def unsealed(content: bytes, name: str) -> bytes:
    """Return what was given to :func:`sealed`.

    Args:
        content: The bytes that it returned.
        name: Name of the content in an error.

    Raises:
        DamagedFileError: If the content does not agree with the checksum, or there is none.
    """
    data, trailer = content[:-_TRAILER_BYTES], content[-_TRAILER_BYTES:]
    if not trailer.startswith(_MARK):
        raise DamagedFileError(
            f"{name} ({len(content):,} bytes) must end with a checksum of optuna-nas, but has "
            "none: it is truncated or was written by another program. Write it again."
        )
    if trailer != _trailer(data):
        raise DamagedFileError(
            f"{name} ({len(data):,} bytes) must agree with its checksum, but does not: it was "
            "altered or damaged after it was written. Write it again or restore a copy."
        )
    return data


def _trailer(data: bytes) -> bytes:
    return _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n"
