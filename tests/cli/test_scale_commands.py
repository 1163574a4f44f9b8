"""``optuna-nas scale`` and ``optuna-nas transfer``, as a user meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from optuna_nas.cli import main
from optuna_nas.final import read_card
from optuna_nas.stores import open_storage

Run = Callable[..., Result]
SMALL = (
    "--network resnet-18 --setting width=0.125 --setting blocks=(1,1,1,1) --setting stem=cifar "
    "--setting resolution=8 --data digits --train-size 128 --val-size 64 --no-latency --device cpu"
).split()


def test_family_is_counted_without_training(run: Run) -> None:
    lines = run("scale", "--network", "efficientnet-b0", "--phi", "0,1").output.splitlines()
    assert lines[1].split() == ["phi", "0", "1", "1", "224", "5,288,548", "385,814,752"]
    assert lines[2].split()[:5] == ["phi", "1", "1.1", "1.2", "258"]


def test_strategies_give_a_table_and_a_figure_and_go_on(run: Run) -> None:
    command = (
        "scale", *SMALL, "--how", "strategies", "--factor", "6", "--epochs", "1",
        "--repetitions", "1", "--figure", "scaling.html",
    )  # fmt: skip
    first = run(*command)
    for rule in ("base", "depth", "width", "resolution", "compound", "resnet_rs"):
        assert re.search(rf"^{rule} +\d+\.\d\d% +- +1 ", first.output, re.MULTILINE), rule
    assert "multiply-adds of an image" in Path("scaling.html").read_text()
    again = run(*command)
    tables = [re.findall(r"^\w+ +\d+\.\d\d%.*$", r.output, re.MULTILINE) for r in (first, again)]
    assert len(tables[0]) == 6
    assert tables[0] == tables[1]
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert len(study.trials) == 6


def test_grid_is_analysed(run: Run) -> None:
    output = run(
        "scale", *SMALL, "--how", "grid", "--epochs", "1,2", "--repetitions", "1",
        "--widths", "0.125", "--depths", "1,2",
    ).output  # fmt: skip
    assert "4 runs of 1 or 2 epochs" in output
    assert "depth pays best per macs" in output
    assert "There is one regime" not in output
    assert "scales a network and searches no architecture" in run("best", code=2).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--setting", "resolution=28"), "at least 32 pixels"),
        (("--phi", "-20"), "`phi` leaves no room"),
        (("--setting", "colour=red"), "efficientnet-b0 has no 'colour'"),
        (("--phi", "one"), "write numbers as 1,2,4"),
        (("--how", "grid"), "give --data and --epochs"),
        (("--figure", "scaling.html"), "--figure and --data are for strategies"),
    ],
)
def test_impossible_requests(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, ["scale", "--network", "efficientnet-b0", *arguments])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.split())


def test_budget_under_the_base(run: Run) -> None:
    command = ("scale", *SMALL, "--how", "strategies", "--factor", "0.5", "--epochs", "1")
    assert "`macs` must be at least the 251,008" in run(*command, code=1).output


@pytest.mark.slow
def test_a_grid_too_small_to_fit_is_refused_before_training(run: Run) -> None:
    command = ("scale", *SMALL, "--how", "compound", "--factor", "5", "--epochs", "1")
    told = " ".join(run(*command, code=2).output.split())
    assert "needs 10 ways to grow the network, but only 5 of its grid cost 5 times" in told


def test_transfer_of_a_found_cell(run: Run) -> None:
    run(
        "search", "--space", "enas_micro", "--build", "cells=1", "--build", "channels=4",
        "--data", "digits", "--train-size", "100", "--val-size", "50", "--epochs", "1",
        "--trials", "2", "--sampler", "random", "--no-pictures", "--study-name", "a",
    )  # fmt: skip
    output = run(
        "transfer", "--study-name", "a", "--data", "digits", "--train-size", "100",
        "--val-size", "50", "--image-size", "12", "--cells", "2", "--channels", "8",
        "--epochs", "1", "--seeds", "1", "--device", "cpu",
    ).output  # fmt: skip
    assert re.search(r"trial \d of study 'a': validation accuracy \d+\.\d+% on digits", output)
    assert re.search(r"found +searched-size", output)
    card = read_card(Path("transferred/larger"))
    assert "'cells': 2" in str(card)
    assert "'study': 'a'" in str(card)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --cells and --channels, or --size"),
        (("--cells", "2", "--size", "2 @ 48"), "give either --size or --cells"),
        (("--size", "2 @ 49"), "P must be a multiple of 24"),
        (("--size", "2 @ 192", "--stem", "imagenet"), "at least 32 pixels"),
    ],
)
def test_impossible_transfers(run: Run, arguments: tuple[str, ...], message: str) -> None:
    command = ["transfer", "--published", "NASNET_A", "--data", "digits", "--epochs", "1"]
    result = CliRunner().invoke(main, [*command, *arguments])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.split())
