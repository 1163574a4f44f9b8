"""Writes a file so that a reader sees either the old content or the new one, never a part.

The bytes go to a temporary file in the same folder, which takes the place of the target in one
step of the operating system.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all, even if the machine stops meanwhile.

    A file that already stands at ``path`` is replaced. A failed or interrupted write leaves that
    file as it was and no temporary file behind (a SIGKILL may leave one, ``.<hex>.tmp``).

    Example:
        >>> import tempfile
        >>> from optuna_nas.stores import write_atomically
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_atomically(folder / "weights.bin", b"1234")
        >>> (folder / "weights.bin").read_bytes()
        b'1234'

    Args:
        path: Where the file shall stand. Its folder must exist.
        data: All bytes of the file.

    Raises:
        FileNotFoundError: If the folder does not exist.
        OSError: If the folder cannot be written to, the disk is full, or a folder stands there.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"`path` must lie in an existing folder, but got path={str(target)!r}: make the "
            f"folder {str(target.parent)!r} first."
        )
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        _write_through(temporary, data)
        temporary.replace(target)
    except BaseException as e:
        temporary.unlink(missing_ok=True)
        if isinstance(e, OSError):
            raise _named(e, target) from e
        raise
    _sync_folder(target.parent)


def _named(error: OSError, target: Path) -> OSError:
    """Return an error of the same type that names the file, not the temporary one."""
    named = type(error)(
        f"`path` must be a place that can be written to, but got path={str(target)!r} "
        f"({error.strerror or error}): free space there, or give a file in another folder."
    )
    named.errno = error.errno
    return named


def _write_through(path: Path, data: bytes) -> None:
    """Create ``path`` with ``data`` and wait until the disk has it."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the folder's new entry durable; only POSIX systems can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
