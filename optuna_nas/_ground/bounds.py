"""Upper bounds of sizes that are read from outside: a storage, a text, the command line.

Far above any published network, and low enough that a mistyped or damaged number is refused before
anything is built. A lower bound stands where the size is used.
"""

from __future__ import annotations

__all__ = [
    "MAX_BATCH",
    "MAX_CELLS",
    "MAX_CHANNELS",
    "MAX_CHOICES",
    "MAX_CLASSES",
    "MAX_FACTOR",
    "MAX_LAYERS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "MAX_TEXT",
    "MAX_THREADS",
]

MAX_CHANNELS = 2**16
"""Channels, filters or hidden units of any layer as they are given (a network may double them)."""

MAX_CELLS = 1000
"""Cells of a network, or of one of its stacks."""

MAX_LAYERS = 1000
"""Layers of a network, whether given one by one or as the product of two settings."""

MAX_CLASSES = 10**6
"""Classes of a classifier."""

MAX_CHOICES = 1000
"""Choices of one decision, such as numbers of filters."""

MAX_FACTOR = 1000.0
"""Factors by which width or depth is multiplied."""

MAX_SIDE = 2**15
"""Height or width of an input."""

MAX_PIXELS = 2**28
"""Numbers in one input: channels times height times width (1 GiB as float32)."""

MAX_BATCH = 2**20
"""Examples in a batch."""

MAX_THREADS = 1024
"""Threads of a processor that are asked for."""

MAX_TEXT = 2**20
"""Characters of an architecture's text or JSON (99 layers of NAS-RL take 130,000)."""
