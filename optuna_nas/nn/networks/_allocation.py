"""Refusing a network that the machine's memory cannot hold, before its weights are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["NetworkTooLargeError", "built_within_memory"]

T = TypeVar("T")

# What modules make their weights and buffers with.
_MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
_UNQUESTIONED = 2**30  # bytes: three times those of the largest published network


class NetworkTooLargeError(ValueError):
    """The network has more weights than the machine's memory can hold."""


def built_within_memory(make: Callable[[], T], what: Callable[[], str]) -> T:
    """Return what ``make`` builds, unless its weights exceed the machine's memory.

    Many systems promise more memory than they have, and end a process that writes to it without a
    word. So a build is stopped at a GiB, counted to its end on torch's meta device (where nothing
    is allocated), and made from the beginning if there is room; random weights are the same. On
    the meta device, and on accelerators (which have an error of their own), nothing counts.

    Args:
        make: Builds a network, the same each time.
        what: Gives the name of the network, for the message.

    Raises:
        NetworkTooLargeError: If so.
    """
    # The first attempt costs nothing where the network is small, as nearly all are. A large one
    # is begun again from the same random state, so that its weights do not depend on the check.
    before = torch.get_rng_state()
    watch = _Watch(_UNQUESTIONED, "cpu")
    try:
        with watch:
            return make()
    except Exception:
        if not watch.exceeded:
            raise
    torch.set_rng_state(before)
    # A limit on the sum, not on one tensor: many layers that fit alone may not fit together.
    memory = _memory_of_machine()
    if _exceeds(make, memory):
        raise NetworkTooLargeError(
            f"{what()} has more weights than the memory of this machine, {memory / 2**30:.1f} "
            "GiB, can hold: take smaller build arguments, such as channels or cells."
        )
    return make()


def _exceeds(make: Callable[[], object], limit: int) -> bool:
    """Tell whether what is built has more bytes; not, where it cannot be built without memory."""
    watch = _Watch(limit, "meta")
    try:
        with torch.device("meta"), watch:
            make()
    except Exception:  # of a user's function: building shows it again
        return watch.exceeded
    return False


class _ExceededError(RuntimeError):
    """More was made than is allowed."""


class _Watch(TorchFunctionMode):
    """Counts the bytes of all tensors that are made on a kind of device, up to a limit."""

    def __init__(self, limit: int, device: str) -> None:
        super().__init__()
        self.exceeded = False
        self._limit = limit
        self._device = device
        self._made = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func not in _MAKERS:
            return func(*args, **(kwargs or {}))
        try:
            made = func(*args, **(kwargs or {}))
        except RuntimeError as error:
            # torch has no exception of its own for a CPU without memory.
            self.exceeded = "can't allocate memory" in str(error)
            raise
        if made.device.type == self._device:
            self._made += made.nbytes
            if self._made > self._limit:
                self.exceeded = True
                raise _ExceededError(f"more than {self._limit} bytes")
        return made


def _memory_of_machine() -> int:
    """Return its bytes; more than any machine has, where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 2**50
