"""Numeric options: what is out of range is refused in one line, before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import Result

from optuna_nas.cli import main
from optuna_nas.cli._numbers import FiniteRange

Run = Callable[..., Result]


def numeric_options() -> Iterator[tuple[str, click.Option]]:
    for name, command in main.commands.items():
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(
                option.type, click.types.IntParamType | click.types.FloatParamType
            ):
                yield name, option


NUMERIC = list(numeric_options())
IDS = [f"{name} {option.opts[0]}" for name, option in NUMERIC]


def test_the_list_is_not_empty() -> None:
    assert {"search --epochs", "train --seeds", "scale --factor", "dashboard --port"} <= {*IDS}


@pytest.mark.parametrize(("name", "option"), NUMERIC, ids=IDS)
def test_every_number_has_a_range(name: str, option: click.Option, run: Run) -> None:
    for text in ("-1", "nan", "inf", "-inf", "9" * 5000, "True", "1e"):
        if text.startswith("9") and option.type.max is None:  # type: ignore[attr-defined]
            continue
        if text == "9" * 5000 and not isinstance(option.type, click.IntRange):
            text = "1e999"
        result = run(name, option.opts[0], text, code=2)
        assert option.opts[0] in result.output, text


def test_floats_are_finite() -> None:
    for command in main.commands.values():
        for option in command.params:
            if isinstance(option.type, click.types.FloatParamType):
                assert isinstance(option.type, FiniteRange), option


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "--epochs", "0"), "0 is not in the range 1<=x<=1000000"),
        (("search", "--trials", "-1"), "-1 is not in the range x>=0"),
        (("search", "--target-latency-ms", "0"), "0.0 is not in the range x>0"),
        (("train", "--epochs", "0"), "0 is not in the range"),
        (("train", "--top", "0"), "0 is not in the range"),
        (("train", "--seeds", "0"), "0 is not in the range"),
        (("scale", "--network", "resnet-18", "--phi", "nan"), "write numbers as 1,2,4"),
        (("scale", "--network", "resnet-18", "--epochs", "2,0"), "0 is not in the range"),
        (("scale", "--network", "resnet-18", "--widths", "1,-1"), "-1.0 is not in the range"),
        (("profile", "--input-size", "3x999999999x1"), "at most 268435456 numbers, not"),
        (("profile", "--input-size", "3x30000x30000"), "268435456 numbers"),
        (("profile", "--input-size", "9" * 5000 + "x1x1"), "write sizes as 3x224x224"),
        (("search", "--recipe", "learning_rate=1"), "there is no 'learning_rate', only auxiliar"),
        (("search", "--recipe", "lr=" + "[" * 9000), "`lr` must be a finite number above 0"),
        (("search", "--recipe", "lr=" + "1" * 20_000), "lr must have at most 10000 characters"),
        (("search", "--recipe", "lr=nan"), "`lr` must be a finite number above 0, but got lr='n"),
        (("search", "--recipe", "flip=1"), "`flip` must be True or False, but got flip=1"),
        (("search", "--build", "cells=1000000000"), "`cells` must be at most 1000, but got"),
        (("search", "--space-setting", "num_nodes=True"), "`num_nodes` must be an int in [1, 20]"),
    ],
)
def test_numbers_out_of_range(arguments: tuple[str, ...], message: str, run: Run) -> None:
    if arguments[0] == "search":
        arguments += ("--data", "digits", "--space", "darts", "--train-size", "50", "--val-size")
        arguments += ("20", "--storage", "sqlite:///new.db")
    result = run(*arguments, code=1 if "`" in message else 2)
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [("9" * 5000, "must be best or a number below"), ("-1", "must be best or a number below")],
)
def test_trials_out_of_range(text: str, message: str, run: Run) -> None:
    import optuna

    optuna.create_study(study_name="nas", storage="sqlite:///nas.db")
    assert message in run("profile", "--trial", text, code=2).output
