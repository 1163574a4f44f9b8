"""The command line as a user meets it: output, exit codes, errors of one line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from optuna_nas.cli import main
from optuna_nas.objectives import TrainingObjective, read_identity
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import load_data

Run = Callable[..., Result]
SEARCH = (
    "search",
    "--data",
    "digits",
    "--train-size",
    "200",
    "--val-size",
    "100",
    "--epochs",
    "1",
)
NB201 = ("--space", "nasbench201", "--build", "cells=1", "--build", "channels=4")
CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def test_search_goes_on_with_what_the_study_is(run: Run) -> None:
    first = run(*SEARCH, *NB201, "--trials", "3", "--seed", "5", "--sampler", "random")
    assert "study 'nas': " in first.output
    assert "optuna-nas dashboard --storage sqlite:///nas.db" in first.output
    run("search", "--trials", "2")
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert len(study.trials) == 5
    assert study.user_attrs["optuna_nas:search"] == {
        "sampler": "random",
        "pruner": "median",
        "seed": 5,
    }
    identity = read_identity(study)
    assert identity is not None
    assert identity.build == {"num_classes": 10, "in_channels": 1, "cells": 1, "channels": 4}
    assert identity.data is not None
    assert identity.data.train_size == 200
    assert study.metric_names == ["validation accuracy"]
    assert len(list(Path("nas.db-artifacts").iterdir())) == 5


def test_the_last_line_of_a_search_is_one_command(run: Run) -> None:
    places = ("--storage", "sqlite:///my $nas.db", "--artifacts", "pictures; of it")
    output = run(*SEARCH, *NB201, *places, "--trials", "1", "--sampler", "random").output
    (line,) = re.findall(r"^Look at it:  optuna-nas (.+)$", output, re.M)
    assert shlex.split(line) == ["dashboard", *places]


@pytest.mark.parametrize(
    "sampler",
    [
        *("predictor", "ppo", "tpe"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("evolution", "amoebanet", "local", "reinforce", "random")
        ),
    ],
)
def test_every_sampler_searches(run: Run, sampler: str) -> None:
    size = ("--build", "cells=1", "--build", "channels=2")
    tiny = ("--train-size", "60", "--val-size", "30", "--pruner", "none", "--no-pictures")
    output = run(
        *SEARCH, "--space", "nasbench201", *size, *tiny, "--sampler", sampler, "--trials", "2"
    ).output
    assert "2 complete" in output


def test_progressive_search_starts_small_and_needs_a_size_that_grows(run: Run) -> None:
    size = ("--build", "cells=1", "--build", "channels=2")
    tiny = ("--train-size", "60", "--val-size", "30", "--pruner", "none", "--no-pictures")
    pnas = (*SEARCH, "--space", "pnas", *size, *tiny, "--sampler", "progressive", "--trials", "2")
    output = run(*pnas, "--space-setting", "num_blocks=(1, 5)").output
    assert "2 complete" in output
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert [trial.params["num_blocks"] for trial in study.trials] == [1, 1]
    refused = run(*pnas, "--study-name", "other", code=2)
    assert "--sampler progressive: `space` must have one size that can grow" in refused.output


def test_restarting_changes_nothing(run: Run) -> None:
    for storage, parts in (("sqlite:///a.db", (2, 3)), ("journal:b.log", (5,))):
        for trials in parts:
            run(*SEARCH, *NB201, "--trials", f"{trials}", "--storage", storage, "--no-pictures")
    first, second = (
        optuna.load_study(study_name="nas", storage=open_storage(storage)).trials
        for storage in ("sqlite:///a.db", "journal:b.log")
    )
    assert [(t.params, t.value) for t in first] == [(t.params, t.value) for t in second]


def test_other_settings_are_one_error(run: Run) -> None:
    run(*SEARCH, *NB201, "--trials", "1")
    other = ("--epochs", "3", "--recipe", "lr=0.5", "--sampler", "random")
    result = run("search", *other, code=1)
    assert result.output.startswith("Error: The study 'nas' was created with other settings: ")
    assert "epochs was 1 and is now 3; recipe.lr was 0.1 and is now 0.5" in result.output
    assert len(result.output.strip().splitlines()) == 1
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert study.user_attrs["optuna_nas:search"]["sampler"] == "evolution"  # nothing was kept


def test_a_mistake_does_not_take_the_name_of_a_study(run: Run) -> None:
    """A study that only failed was refused for ever; another name had to be found."""
    mistake = ("--build", "cells=-1", "--seed", "9", "--sampler", "random")
    run(*SEARCH, "--space", "nasbench201", *mistake, "--trials", "1", code=1)
    assert "a new study needs --data" in run("search", "--trials", "1", code=2).output
    assert "does not say what it searches" in run("best", code=2).output
    run(*SEARCH, *NB201, "--trials", "1")
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    chosen = study.user_attrs["optuna_nas:search"]
    assert (chosen["seed"], chosen["sampler"]) == (0, "evolution")  # not those of the mistake
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    run("search", "--trials", "1")


def test_a_refusal_leaves_no_trial(run: Run) -> None:
    run(*SEARCH, *NB201, "--trials", "1")
    run("search", "--epochs", "3", "--trials", "2", code=1)
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert len(study.trials) == 1


def test_a_worker_that_is_refused_is_told_of(run: Run) -> None:
    run(*SEARCH, *NB201, "--trials", "1")
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    data = load_data("digits", train_size=200, val_size=100)
    other = TrainingObjective(NASBench201Space(), data, epochs=3, device="cpu")
    with pytest.raises(ValueError, match="epochs was 1 and is now 3"):
        study.optimize(other, n_trials=1)
    assert "study 'nas': 1 complete, 1 refused" in run("best").output


def test_best(run: Run) -> None:
    run(*SEARCH, *NB201, "--trials", "6", "--pruner", "none")
    text = run("best").output
    assert "validation accuracy" in text
    assert "multiply-adds" in text
    lines = run("best", "--top", "3", "--json").output.splitlines()
    facts = [json.loads(line) for line in lines]
    assert [fact["value"] for fact in facts] == sorted((f["value"] for f in facts), reverse=True)
    for fact in facts:
        assert str(NASBench201Space().parse(fact["architecture"])) == fact["architecture"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_best_names_values_as_the_study_does(run: Run, own_space: str) -> None:
    """An error of 0.5145 was shown as a validation accuracy of 51.45 %."""
    study = optuna.create_study(storage=open_storage("sqlite:///nas.db"), study_name="nas")
    study.add_trial(
        optuna.create_trial(
            params={"width": 8},
            distributions={"width": optuna.distributions.CategoricalDistribution((4, 8, 16))},
            value=0.5145,
        )
    )
    lines = run("best", "--space", own_space).output.splitlines()
    assert lines[-1] == "value                 0.5145 (minimised)"
    study.set_metric_names(["mean squared error"])
    lines = run("best", "--space", own_space).output.splitlines()
    assert lines[-1] == "mean squared error    0.5145 (minimised)"
    facts = json.loads(run("best", "--space", own_space, "--json").output)
    assert (facts["metric"], facts["direction"]) == ("mean squared error", "minimize")
    assert (facts["value"], facts["validation"]) == (0.5145, None)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_draw(run: Run, suffix: str) -> None:
    run("draw", "--space", "nasbench201", "--architecture", CELL, "-o", f"cell{suffix}")
    run("draw", "--published", "nas-rl-v1", "-o", f"chain{suffix}")
    start = b"\x89PNG" if suffix == ".png" else b"<?xml"
    assert Path(f"cell{suffix}").read_bytes().startswith(start)
    assert Path(f"chain{suffix}").read_bytes().startswith(start)


def test_an_impossible_place_for_a_picture_is_named(run: Run) -> None:
    Path("folder.svg").touch()
    for place in ("folder.svg/cell.svg", "missing/cell.svg"):
        draw = ("draw", "--published", "nasbench201-resnet", "-o", place)
        assert (
            f"must lie in an existing folder, but got path='{place}'" in run(*draw, code=1).output
        )
    long = f"{'n' * 300}.svg"
    output = run("draw", "--published", "nasbench201-resnet", "-o", long, code=1).output
    assert f"must be a place that can be written to, but got path='{long}'" in output


def test_an_undecorated_function_is_told_the_way_out(run: Run, own_space: str) -> None:
    Path("nets.py").write_text(Path("nets.py").read_text().replace("@function_space", ""))
    output = run(*SEARCH, "--space", own_space, code=2).output
    assert "put @function_space above the function" in " ".join(output.split())


def test_draw_what_a_study_found(run: Run) -> None:
    run(*SEARCH, *NB201, "--trials", "2")
    assert "|+|" in run("draw").output
    run("draw", "--trial", "1", "--beside", "0", "-o", "both.svg")
    assert "#cf222e" in Path("both.svg").read_text()
    assert "must be best or a number below 2" in run("draw", "--trial", "7", code=2).output


def test_a_space_of_ones_own(run: Run, own_space: str) -> None:
    run(*SEARCH, "--space", own_space, "--trials", "2")
    assert "width" in run("best", "--space", own_space).output
    assert "a space of your own" in run("search", "--trials", "1", code=2).output
    assert "a space of your own (net)" in run("best", code=2).output
    run("search", "--trials", "1", "--space", "nets:net")
    assert "'width': " not in run("best", "--space", "nets:net").output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", "--space", "nasbench201"], 2, "a new study needs --data"),
        ([*SEARCH], 2, "a new study needs --space"),
        (
            [*SEARCH, "--space", "nasnet7"],
            2,
            "no space is called 'nasnet7'; there are amoebanet",
        ),
        ([*SEARCH, "--space", "missing.py:net"], 2, "there is no file 'missing.py'"),
        ([*SEARCH, "--space", "missing:net"], 2, "No module named 'missing'"),
        ([*SEARCH, "--space", "json:loads"], 2, "must be a space"),
        ([*SEARCH, *NB201, "--build", "depth"], 2, "write name=value, not 'depth'"),
        ([*SEARCH, *NB201, "--build", "depth=3"], 1, r"not ['depth']"),
        ([*SEARCH, *NB201, "--sampler", "best"], 2, "'best' is not one of"),
        (["search", "--space", "nasbench201", "--data", "mnist"], 1, "`name` must be one of"),
        (["search", "--space", "nasbench201", "--data", "cifar10"], 1, "download"),
        ([*SEARCH, *NB201, "--storage", "sqlite:///no/nas.db"], 1, "make the folder"),
        ([*SEARCH, *NB201, "--recipe", "lr=-1"], 1, "`lr` must be a finite number above 0"),
        (
            [*SEARCH, *NB201, "--space-setting", "layers=3"],
            2,
            "unexpected keyword argument 'layers'",
        ),
        (["best"], 2, "has no study 'nas': it is empty"),
        (["draw", "--architecture", CELL], 2, "--architecture needs --space"),
        (["draw", "--published", "resnet"], 2, "NASBENCH201_RESNET"),
        (["draw", "--space", "nasbench201", "--architecture", "|a~0|"], 1, "Error: "),
        (["draw", "--published", "nas-rl-v1", "-o", "x.gif"], 1, ".svg"),
    ],
)
def test_errors(run: Run, arguments: list[str], code: int, message: str) -> None:
    output = run(*arguments, code=code).output
    assert message in output
    assert "Error: " in output.strip().splitlines()[-1]


def test_estimate(run: Run) -> None:
    arguments = ("estimate", "--data", "digits", "--train-size", "200", *NB201, "--samples", "8")
    output = run(*arguments, "--max-params", "9000", "--split-seed", "3").output
    for line in ("architectures            15,625", "of 8 drawn", "time of the search"):
        assert line in output
    share = re.search(r"within the limits +(\d+)%", output)
    assert share is not None
    assert 0 < int(share[1]) < 100
    assert "give --space and --data" in run("estimate", code=2).output


def test_space_settings(run: Run) -> None:
    run(*SEARCH, "--space", "nas_rl", "--space-setting", "num_layers=2", "--trials", "1")
    run("search", "--trials", "1")
    assert len(run("best", "--json").output.split(" | ")) == 2


def test_a_study_without_a_complete_trial(run: Run) -> None:
    study = optuna.create_study(storage=open_storage("sqlite:///nas.db"), study_name="nas")
    study.set_user_attr("optuna_nas:study", NASBench201Space().identity)
    assert "has no complete trial yet" in run("best", code=1).output


def test_debug_shows_the_traceback(run: Run) -> None:
    arguments = ["--debug", "draw", "--space", "nasbench201", "--architecture", "|a~0|"]
    result = CliRunner().invoke(main, arguments)
    assert isinstance(result.exception, ValueError)


def test_spaces_and_help(run: Run) -> None:
    assert "15,625" in run("spaces").output
    for command in (
        "search",
        "estimate",
        "best",
        "darts",
        "enas",
        "draw",
        "profile",
        "spaces",
        "dashboard",
    ):
        assert command in run("--help").output
        assert "Usage" in run(command, "--help").output
