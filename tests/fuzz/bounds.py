"""Bounds on what damage may do: an error of ours, within 5 s and 500 MB.

No fuzz test asks for a result. Valid attributes, texts, files and commands are damaged by a seeded
generator, twenty thousand times in all, and read as a user's program reads them.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

import optuna_nas
from optuna_nas.spaces import NASBench201Space

PACKAGE = str(Path(optuna_nas.__file__).parent)
SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
SECONDS, BYTES = 5, 500 * 2**20


@contextlib.contextmanager
def bounded(what: object) -> Iterator[None]:
    """Fail where a block takes more than 5 s or 500 MB."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"more than {SECONDS} s for {str(what)[:300]!r}")

    before = signal.signal(signal.SIGALRM, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = psutil.Process().memory_info().vms
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, hard))
    try:
        yield
    except MemoryError as e:
        raise AssertionError(f"more than {BYTES:,} bytes for {str(what)[:300]!r}") from e
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_ours(error: BaseException) -> bool:
    """Whether a file of the package raised the error, as one for users."""
    frames = traceback.extract_tb(error.__traceback__)
    allowed = isinstance(error, ValueError | TypeError | OSError)
    return allowed and frames[-1].filename.startswith(PACKAGE)


def reads(read: Callable[..., object], *arguments: Any, what: object = None) -> None:
    """Call a reader, which may refuse in our own words."""
    what = arguments if what is None else what
    with bounded(what), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(*arguments)
        except Exception as e:
            if not is_ours(e):
                raise AssertionError(f"{e!r} for {str(what)[:1000]!r}") from e
