"""``optuna-nas darts`` and ``enas`` as a user meets them."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import Result
from optuna.trial import TrialState

from optuna_nas.objectives import DARTSObjective, read_identity
from optuna_nas.objectives.one_shot import VARIANTS
from optuna_nas.spaces import ENASMicroSpace, NASBench201Space
from optuna_nas.stores import open_storage

Run = Callable[..., Result]
IMAGES = ("--data", "digits", "--train-size", "60", "--val-size", "40")
SIZE = ("--cells", "1", "--channels", "2", "--recipe", "batch_size=30")
DARTS = ("darts", *IMAGES, *SIZE, "--space", "nasbench201", "--epochs", "2", "--eval-epochs", "1")
ENAS = ("enas", *IMAGES, *SIZE, "--space", "enas_micro", "--space-setting", "num_blocks=1")


def study(name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage("sqlite:///nas.db"))


def variants(*names: str) -> list[str]:
    """The options for several variants."""
    return [word for name in names for word in ("--variant", name)]


def command_of(output: str, label: str) -> list[str]:
    """The words of a command that the last lines recommend."""
    (line,) = re.findall(rf"^{label}: +optuna-nas (.+)$", output, re.M)
    return shlex.split(line)


def test_darts_says_what_it_does_and_goes_on(run: Run) -> None:
    options = ("--alpha", "lr=0.1", "--watch-eigenvalue", "--prune-collapse", "--recompute")
    first = run(*DARTS, *options).output
    assert re.findall(r"^(\w+ \d of \d): accuracy \d+\.\d\d%$", first, re.M) == [
        *("search 1 of 2", "search 2 of 2", "evaluation 1 of 1")
    ]
    made = study("darts")
    assert made.user_attrs["optuna_nas:search"]["recompute"] is True
    (trial,) = made.trials
    assert len(trial.user_attrs["optuna_nas:darts:eigenvalue"]) == 2
    identity = read_identity(made)
    assert identity is not None
    kept = identity.to_json()
    assert kept["alpha"]["lr"] == 0.1
    assert kept["recipe"]["batch_size"] == 30
    assert kept["supernet"]["channels"] == kept["build"]["channels"] == 2
    architecture = NASBench201Space().architecture(trial)
    assert f"{architecture}\n" in first

    second = run("darts").output  # with the study's own settings
    assert "study 'darts': 2 complete" in second
    assert study("darts").trials[1].value is not None
    refused = run("darts", "--epochs", "3", code=1).output
    assert "epochs was 2 and is now 3" in refused
    assert study("darts").user_attrs["optuna_nas:search"]["epochs"] == 2
    run("darts", "--trials", "0")  # a refused call changed nothing


def test_a_search_that_can_only_skip_is_pruned(run: Run) -> None:
    space = ("--space", "darts", "--space-setting", "num_nodes=1")
    only = ("--space-setting", "ops=('skip_connect',)", "--epochs", "4", "--eval-epochs", "1")
    output = run("darts", *IMAGES, *SIZE, *space, *only, "--prune-collapse").output
    assert "study 'darts': 1 pruned" in output
    (trial,) = study("darts").trials
    assert trial.user_attrs["optuna_nas:darts:skip_share"] == [1.0, 1.0, 1.0]


def test_what_darts_found_goes_into_a_search_and_is_trained(run: Run) -> None:
    output = run(*DARTS, "--image-size", "9", "--split-seed", "3").output
    found = NASBench201Space().architecture(study("darts").trials[0])
    run(*command_of(output, "Draw it"))
    assert Path("darts.svg").exists()
    run(*command_of(output, "Search around it"), "--trials", "1", "--epochs", "1")
    alone = study("darts-alone")
    assert NASBench201Space().architecture(alone.trials[0]) == found
    identity, begun = read_identity(alone), read_identity(study("darts"))
    assert identity is not None
    assert begun is not None
    assert begun.data is not None
    assert identity.data == begun.data
    assert (begun.data.image_size, begun.data.split_seed) == ([9, 9], 3)
    assert identity.build == begun.build
    size = ("--build", "cells=1", "--build", "channels=2", "--top", "1", "--seeds", "1")
    short = ("--epochs", "1", "--random-trials", "1", "--no-resnet")
    table = run(*command_of(output, "Train it to the end"), *short, *size).output
    assert "trial-0" in table
    (baseline,) = study("darts-random").trials
    assert sorted(baseline.intermediate_values) == [1]  # for as long as darts evaluates
    random = read_identity(study("darts-random"))
    assert random is not None
    assert random.recipe == begun.recipe


@pytest.mark.slow
def test_commands_for_a_shell_name_what_they_mean(run: Run) -> None:
    """Whatever a study and its files are called, what is pasted is one command and finds them."""
    name, places = "it's; touch stolen $(x)/`y`", ("--storage", "sqlite:///my nas.db")
    output = run(*DARTS, *places, "--study-name", name, "--trials", "1").output
    draw = command_of(output, "Draw it")
    assert draw[: draw.index("-o")] == ["draw", *places, "--study-name", name]
    assert "/" not in draw[-1]
    run(*draw)
    assert Path(draw[-1]).exists()
    trained = command_of(output, "Train it to the end")
    assert trained == ["train", *places, "--study-name", name, "--epochs", "100"]
    found = run(*ENAS, *places, "--study-name", f"{name}2", "--epochs", "1", "--top-k", "1").output
    assert command_of(found, "Draw it")[3:5] == ["--study-name", f"{name}2"]


@pytest.mark.slow  # tests/objectives/test_darts_killed.py kills faster
def test_a_killed_darts_goes_on(run: Run) -> None:
    command = [str(Path(sys.executable).with_name("optuna-nas")), *DARTS, "--epochs", "25"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        for line in victim.stdout:
            if line.startswith("search 2 of"):
                victim.send_signal(signal.SIGKILL)
    (dead,) = study("darts").trials
    assert dead.state == TrialState.RUNNING
    assert len(dead.intermediate_values) < 25
    output = run("darts").output
    assert "trials [0] were left by a killed process" in output
    _, again = study("darts").trials
    assert again.state == TrialState.COMPLETE
    key = "optuna_nas:checkpoint"
    assert again.user_attrs[key] == dead.user_attrs[key]
    assert dead.intermediate_values.items() <= again.intermediate_values.items()


def test_the_help_names_the_published_variants(run: Run) -> None:
    names = "|".join(["none", *VARIANTS])
    assert f"--variant [{names}]" in run("darts", "--help").output


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_told_to_the_study(
    run: Run, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives: list[DARTSObjective] = []
    prepare = DARTSObjective.prepare

    def prepared(objective: DARTSObjective, study: optuna.Study) -> None:
        objectives.append(objective)
        prepare(objective, study)

    monkeypatch.setattr(DARTSObjective, "prepare", prepared)
    space = ("--space", "darts", "--space-setting", "num_nodes=1", "--channels", "4")
    run(*DARTS, *space, "--epochs", "20", "--variant", variant, "--trials", "0")
    assert study("darts").user_attrs["optuna_nas:search"]["remedy"] == [variant]
    identity = objectives[0].identity.to_json()
    told = {name: value.to_dict() for name, value in VARIANTS[variant].parts.items()}
    assert {name: identity[name] for name in told} == told
    alphas = {"pc-darts": (6e-4, 15), "fair": (3e-3, 0), "drnas": (6e-4, 10)}
    alpha = identity["alpha"]
    assert (alpha["lr"], alpha["warmup_epochs"]) == alphas.get(variant, (3e-4, 0))
    assert identity["supernet"].get("partial") == (4 if variant == "pc-darts" else None)


def test_enas_trains_weights_and_scores_the_best_again(run: Run) -> None:
    first = run(*ENAS, "--epochs", "2", "--children-per-epoch", "3", "--top-k", "2").output
    assert re.findall(r"^epoch (\d) of 2: loss of the weights \d", first, re.M) == ["1", "2"]
    assert "study 'enas': 6 complete" in first
    rows = re.findall(r"^ +\d +([\d.]+)% +(\d+)  (\S.*)$", first, re.M)
    assert len(rows) == 2
    assert float(rows[0][0]) >= float(rows[1][0])
    space, children = ENASMicroSpace(num_blocks=1), study("enas").trials
    for _, number, text in rows:
        assert space.parse(text) == space.architecture(children[int(number)])
    run(*command_of(first, "Draw it"))
    assert Path("enas.svg").exists()
    alone = command_of(first, "Train it alone")
    settings = [word for before, word in itertools.pairwise(alone) if before == "--space-setting"]
    assert settings == ["num_blocks=1"]  # what is as by default is not said
    run(*alone, "--trials", "1", "--epochs", "1", "--no-pictures")
    assert space.architecture(study("enas-alone").trials[0]) == space.parse(rows[0][2])

    told = run("best", "--study-name", "enas").output
    assert re.search(rf"^trial +{rows[0][1]}$", told, re.M)
    assert re.search(rf"^validation accuracy +{rows[0][0]}%$", told, re.M)
    assert re.search(r"^shared-weights accuracy +\d+\.\d\d%$", told, re.M)  # on one batch
    size = ("--build", "cells=1", "--build", "channels=2", "--top", "1", "--seeds", "1")
    short = ("--epochs", "1", "--random-trials", "0", "--no-resnet")
    assert (
        f"trial-{rows[0][1]}, seed 0" in run("train", "--study-name", "enas", *short, *size).output
    )

    second = run("enas", "--trials", "1", "--top-k", "2").output
    assert "loss of the weights" not in second  # they are kept
    assert "study 'enas': 7 complete" in second
    assert "study 'enas': 7 complete" in run("enas").output  # the schedule is over


def test_random_search_with_weight_sharing(run: Run) -> None:
    short = ("--schedule", "pretrain", "--epochs", "2", "--trials", "4", "--study-name", "a/b")
    output = run(*ENAS, *short).output
    assert re.findall(r"^weights (\d) of 2: loss", output, re.M) == ["1", "2"]
    assert {t.user_attrs["optuna_nas:shared:epoch"] for t in study("a/b").trials} == {2}
    assert len({str(trial.params) for trial in study("a/b").trials}) == 4
    run("enas", "--study-name", "a/b", "--trials", "1", "--sampler", "evolution")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["darts", "--space", "darts"], 2, "a new study needs --data"),
        (["darts", *IMAGES], 2, "a new study needs --space"),
        (
            [*DARTS, "--variant", "gdas", "--variant", "fair"],
            2,
            "gdas and fair do not go together",
        ),
        ([*DARTS, "--variant", "es", "--variant", "pt"], 2, "es and pt do not go together"),
        ([*DARTS, "--variant", "none", "--variant", "pt"], 2, "none and pt do not go together"),
        (
            [*DARTS, "--variant", "gdas", "--variant", "es"],
            2,
            "gdas and es do not go together: `st",
        ),
        (
            [*DARTS, "--variant", "pt", "--variant", "gdas"],
            2,
            "pt and gdas do not go together: `se",
        ),
        (
            [*DARTS, "--variant", "gdas", "--watch-eigenvalue"],
            1,
            "`watch_eigenvalue` must be False with GumbelMixing",
        ),
        ([*DARTS, "--variant", "pc-darts"], 1, "`variant` needs a supernet that takes"),
        ([*DARTS, "--variant", "best"], 2, "'best' is not one of none, "),
        ([*DARTS, "--variant", "drnas"], 1, "`warmup_epochs` of alpha must be below the epochs"),
        ([*DARTS, "--variant", "gdas", "--order", "2"], 1, "`order` must be 1 with GumbelMixing"),
        ([*DARTS, "--space", "nas_rl"], 1, "has no supernet"),
        ([*DARTS, "--alpha", "lr=0"], 1, "`lr` must be more than 0"),
        ([*DARTS, "--alpha", "speed=2"], 1, "unexpected keyword argument 'speed'"),
        ([*DARTS, "--supernet", "depth=2"], 1, r"not ['depth']"),
        ([*ENAS, "--schedule", "both"], 2, "'both' is not one of"),
        ([*ENAS, "--children-per-epoch", "0"], 2, "0 is not in the range"),
        (["enas", *IMAGES, "--space", "mnasnet"], 1, "has no supernet"),
    ],
)
def test_errors_of_one_shot(run: Run, arguments: list[str], code: int, message: str) -> None:
    output = run(*arguments, code=code).output
    assert message in output
    assert "Error: " in output.strip().splitlines()[-1]
