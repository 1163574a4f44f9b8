"""Random numbers and seeds that are functions of what they are for, instead of a shared stream.

A stream that is shared gives different numbers as soon as something draws once more than before,
runs in another order or in another process. Here every draw is keyed: by a seed, by where it is
made (a trial, an epoch) and by a text that says what for. So a search that is restarted, or spread
over processes, draws what an undisturbed one draws, and a training can go on from any epoch.

The numbers are part of that promise and never change; each function says how they are made.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

__all__ = ["KeyedGenerator", "derived_seed", "mixed_seed", "trial_seed"]

T = TypeVar("T")


@dataclass(frozen=True)
class KeyedGenerator:
    """Random numbers of one trial, keyed by what they are used for.

    The first argument of every method is a key. Calls with one key give equal numbers, calls with
    different keys independent ones, in whatever order and process they are made. In a loop, put
    the turn into the key: ``rng.index(f"mutation {turn}", 5)``.

    Numbers are the words of NumPy's ``SeedSequence([seed, number, crc32(key), attempt])``, which
    NumPy promises to keep across releases.

    Args:
        seed: Seed of the sampler, at least 0.
        number: Number of the trial, at least 0.
        attempt: How many earlier proposals for this trial were in vain, known already or taken by
            another worker.
        stream: 0 for the decisions of trials; other streams are independent of it.

    Example::

        rng = KeyedGenerator(seed=0, number=12)
        rng.choice("parent", ["a", "b", "c"])
        rng.random("mutate?") < 0.1
    """

    seed: int
    number: int
    attempt: int = 0
    stream: int = 0

    def indices(self, key: str, size: int, count: int) -> list[int]:
        """Draw ``count`` independent uniform integers in [0, size)."""
        return [(word * size) >> 32 for word in self._words(key, count)]

    def index(self, key: str, size: int) -> int:
        """Draw one uniform integer in [0, size)."""
        return self.indices(key, size, 1)[0]

    def choice(self, key: str, options: Sequence[T]) -> T:
        """Draw one of some options, all equally likely.

        Raises:
            ValueError: If there is none.
        """
        if not len(options):
            raise ValueError(
                f"`options` must not be empty, but rng.choice({key!r}, []) was called."
            )
        return options[self.index(key, len(options))]

    def random(self, key: str) -> float:
        """Draw one uniform number in [0, 1), a multiple of 2 ** -32."""
        return self._words(key, 1)[0] / 2**32

    def permutation(self, key: str, size: int) -> list[int]:
        """Draw the integers below ``size`` in random order."""
        words = self._words(key, size)
        return sorted(range(size), key=words.__getitem__)

    def generator(self, key: str) -> np.random.Generator:
        """Make a NumPy generator, for distributions that are not here."""
        return np.random.default_rng(self._words(key, 4))

    def random_state(self, key: str) -> np.random.RandomState:
        """Make a generator of NumPy's older kind, whose streams NumPy has frozen.

        Take it instead of :meth:`generator` where numbers must be the same under every release of
        NumPy.
        """
        return np.random.RandomState(self._words(key, 4))

    def _words(self, key: str, count: int) -> list[int]:
        entropy = [self.seed, self.number, zlib.crc32(key.encode()), self.attempt]
        entropy += [self.stream] * (self.stream > 0)
        words: list[int] = (
            np.random.SeedSequence(entropy).generate_state(count, np.uint32).tolist()
        )
        return words


def derived_seed(seed: int, epoch: int, purpose: str) -> int:
    """Derive the seed of one epoch of a training for one purpose.

    Two words of ``SeedSequence([abs(seed), seed < 0, epoch, crc32(purpose)])``.

    Args:
        seed: Seed of the training, any integer.
        epoch: Epoch, at least 0.
        purpose: Text such as ``"shuffle"``.

    Returns:
        An integer of 63 bits.

    Example:
        >>> derived_seed(0, 1, "shuffle") == derived_seed(0, 1, "shuffle")
        True
    """
    key = (abs(seed), int(seed < 0), epoch, zlib.crc32(purpose.encode()))
    low, high = np.random.SeedSequence(key).generate_state(2)
    return (int(high) << 32 | int(low)) >> 1


def trial_seed(seed: int, number: int) -> int:
    """Derive the seed of one trial's training.

    The first 60 bits of the BLAKE2b hash (16 bytes) of ``{"seed": seed, "trial": number}`` as
    JSON with sorted keys.

    Args:
        seed: Seed of the objective, any integer.
        number: Number of the trial; of one that is tried again, that of the first try.

    Returns:
        An integer of 60 bits.
    """
    text = json.dumps({"seed": seed, "trial": number}, sort_keys=True)
    return int(hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:15], 16)


def mixed_seed(seed: int, text: str) -> int:
    """Mix a text into a seed: ``(2654435761 seed + crc32(text)) mod 2 ** 63``.

    2654435761 is Knuth's multiplicative constant, 2 ** 32 over the golden ratio: it keeps seeds
    that follow each other far apart, so that no checksum of a text bridges them.

    Args:
        seed: Any integer.
        text: What the random numbers are for.

    Returns:
        An integer of 63 bits.
    """
    return (seed * 2654435761 + zlib.crc32(text.encode())) % 2**63
