"""Checks of settings name the setting, the rule that is broken and the value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from optuna_nas._ground import checks as checks

REFUSED: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any], str]] = [
    (checks.require_bool, ("a", 1), {}, "`a` must be True or False, but got a=1."),
    (checks.require_choice, ("a", 3, {"x": 1, "y": 2}), {}, '`a` must be one of "x", "y", but'),
    (checks.require_choice, ("a", "z", ("x",)), {}, "`a` must be one of \"x\", but got a='z'."),
    (checks.require_positive, ("a", 0), {}, "`a` must be a finite number above 0, but got a=0."),
    (checks.require_positive, ("a", 3.5), {"at_most": 3}, "above 0 and at most 3, but got a=3.5."),
    (checks.require_positive, ("a", math.inf), {}, "`a` must be a finite number above 0"),
    (checks.require_share, ("a", 1.0), {}, r"`a` must lie in [0, 1), but got a=1.0."),
    (checks.require_probability, ("a", 1.1), {}, r"`a` must lie in [0, 1], but got a=1.1."),
    (checks.require_number, ("a", math.nan), {"at_least": 0}, "number of at least 0, but got"),
    (checks.require_number, ("a", 3), {"at_least": 0, "at_most": 2}, "at least 0 and at most 2,"),
    (checks.require_int, ("a", True), {}, "`a` must be an integer, but got a=True."),
    (checks.require_int, ("a", 2.0), {}, "`a` must be an integer, but got a=2.0."),
    (checks.require_int, ("a", 0), {}, "`a` must be at least 1, but got a=0."),
    (checks.require_int, ("a", 4), {"at_most": 3}, "`a` must be at most 3, but got a=4."),
    (checks.require_seed, (2**64,), {}, "`seed` must be an integer of at most 64 bits, but got"),
]


@pytest.mark.parametrize(("check", "arguments", "options", "told"), REFUSED)
def test_refused(
    check: Callable[..., None], arguments: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        check(*arguments, **options)
    assert told in str(caught.value)


def test_bounds_are_allowed() -> None:
    checks.require_positive("a", 3, at_most=3)
    checks.require_share("a", 0)
    checks.require_probability("a", 1)
    checks.require_number("a", 2, at_least=2, at_most=2)
    checks.require_int("a", 1, at_most=1)
    checks.require_seed(2**64 - 1)
    checks.require_choice("a", "y", {"x": 1, "y": 2})


def test_sizes_have_the_bound_of_their_name() -> None:
    checks.require_sizes(num_classes=10**6, cells=1000, channels=2**16, in_channels=1)
    for name, value in {"num_classes": 10**6, "cells": 1000, "channels": 2**16}.items():
        with pytest.raises(ValueError, match=f"`{name}` must be at most {value}, but got"):
            checks.require_sizes(**{name: value + 1})


def test_a_long_value_is_cut() -> None:
    with pytest.raises(ValueError, match=r"must be an integer, but got a='x+\.\.\.") as caught:
        checks.require_int("a", "x" * 10_000)
    assert len(str(caught.value)) < 200


def test_unknown_options_are_refused_with_those_that_there_are() -> None:
    class Known(TypedDict, total=False):
        seeds: int
        device: str

    checks.require_options("train", {"seeds": 1}, Known)
    with pytest.raises(TypeError, match=r"train takes \['device', 'seeds'\] .*, not \['seed'\]"):
        checks.require_options("train", {"seed": 1, "device": "cpu"}, Known)
