"""One at a time: processes and threads of a machine wait for each other while they measure.

Two networks that are timed at once on one device slow each other down, and neither figure is
true. The lock is a file in the temporary directory; the system frees it when a process dies.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import torch

__all__ = ["lock_path", "turn_on"]

_PATIENCE = 600.0  # seconds; a measurement takes a few
_logger = logging.getLogger(__name__)


def lock_path(device: torch.device) -> Path:
    """The file that whoever measures on this device of this machine holds."""
    name = f"{device.type}-{device.index}" if device.index is not None else device.type
    return Path(tempfile.gettempdir()) / f"optuna-nas-measuring-{name}.lock"


@contextlib.contextmanager
def turn_on(device: torch.device, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Wait until nobody else measures on the device, and keep others waiting meanwhile.

    Args:
        device: With its index, as a tensor states it.
        patience: Seconds after which a holder counts as stuck, and is no longer waited for.
    """
    lock = filelock.FileLock(lock_path(device), mode=0o666)  # other users measure, too
    try:
        lock.acquire(timeout=patience)
    except (filelock.Timeout, OSError) as e:
        _logger.warning("Measuring without waiting for others on this machine: %s", e)
    try:
        yield
    finally:
        lock.release()
