"""Damaged JSON, notation and settings of architectures."""

from __future__ import annotations

import random

import pytest
from bounds import reads
from damage import damaged_text, damaged_value

from optuna_nas.spaces import SPACES, Architecture, sample_architectures, space_from_settings

pytestmark = pytest.mark.slow


def _look(architecture: Architecture) -> None:
    architecture.digest  # noqa: B018
    architecture.graph()
    str(architecture)


def test_texts() -> None:
    rng = random.Random(2)
    spaces = [cls() for cls in SPACES.values()]
    sound = [a for space in spaces for a in sample_architectures(space, 5, seed=0)]
    for _ in range(5_000):
        architecture = rng.choice(sound)
        text = damaged_text(architecture.to_json(), rng)
        reads(Architecture.from_json, text)
        notation = damaged_text(str(architecture), rng)
        reads(architecture.space.parse, notation)
        settings = damaged_value(dict(architecture.space.identity), rng)
        reads(space_from_settings, settings)


def test_architectures_that_are_read_can_be_counted_and_drawn() -> None:
    """Settings within the limits stay within time and memory, whatever they make."""
    rng = random.Random(3)
    sound = [a for cls in SPACES.values() for a in sample_architectures(cls(), 2, seed=0)]
    for _ in range(1_500):
        text = damaged_text(rng.choice(sound).to_json(), rng)
        try:
            architecture = Architecture.from_json(text)
        except ValueError:
            continue
        reads(_look, architecture)
