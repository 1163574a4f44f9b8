"""One at a time: processes and threads of a user wait for each other while they measure.

Two networks that are timed at once on one device slow each other down, and neither figure is
true. The lock is a file in a folder that only this user can enter, since anybody could hold, or
replace by a link, one in the shared temporary folder. Other users of the machine are not waited
for. The system frees the lock when a process dies.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import torch

__all__ = ["lock_path", "turn_on"]

_PATIENCE = 600.0  # seconds; a measurement takes a few
_logger = logging.getLogger(__name__)


def lock_path(device: torch.device) -> Path:
    """The file that whoever of this user measures on this device of this machine holds.

    Raises:
        PermissionError: If its folder is not this user's alone.
    """
    name = f"{device.type}-{device.index}" if device.index is not None else device.type
    return _private_folder() / f"measuring-{name}.lock"


def _private_folder() -> Path:
    """Return a folder that only this user can enter, the same for all their processes."""
    if os.name != "posix":  # there the temporary folder is a user's own
        folder = Path(tempfile.gettempdir()) / f"optuna-nas-{getpass.getuser()}"
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"optuna-nas-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()  # of a link itself, which somebody else may have put there
    is_private = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
    if not (stat.S_ISDIR(found.st_mode) and is_private):
        raise PermissionError(
            f"the folder {str(folder)!r} must belong to this user alone (mode 700), but does not: "
            "remove it, or set TMPDIR to a folder of your own"
        )
    return folder


@contextlib.contextmanager
def turn_on(device: torch.device, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Wait until no other process measures on the device, and keep others waiting meanwhile.

    Args:
        device: With its index, as a tensor states it.
        patience: Seconds after which a holder counts as stuck, and is no longer waited for.
    """
    with contextlib.ExitStack() as held:
        try:
            lock = filelock.FileLock(lock_path(device))
            held.enter_context(lock.acquire(timeout=patience))
        except (filelock.Timeout, OSError) as e:
            _logger.warning("Measuring without waiting for others on this machine: %s", e)
        yield
