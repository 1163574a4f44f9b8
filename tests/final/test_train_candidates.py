"""Final training: what is finished stays, and each run is that of `fit`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from linear_candidates import FAST, digits, linear, linear_candidate
from torch import nn

from optuna_nas.final import Candidate, FinalRun, read_card, train_candidates, trained_network
from optuna_nas.final._candidate import of_architecture
from optuna_nas.spaces import published
from optuna_nas.training import ImageData, Recipe, evaluate, fit, load_data, seeded


@pytest.fixture(scope="module")
def data() -> ImageData:
    return digits()


def test_each_run_is_that_of_fit_and_is_tested_once(tmp_path: Path, data: ImageData) -> None:
    compared = train_candidates(
        [linear_candidate()],
        data,
        folder=tmp_path,
        epochs=2,
        recipe=FAST,
        seeds=[3, 8],
        device="cpu",
    )
    (finalist,) = compared.finalists
    for run, seed in zip(finalist.runs, (3, 8), strict=True):
        with seeded(seed):
            model = linear()
        history = fit(model, data, epochs=2, recipe=FAST, seed=seed, device="cpu")
        assert run.seed == seed
        assert run.val_metric == history.last.val_metric
        assert run.test_metric == evaluate(model, data.test, data, device="cpu").metric
        assert run.weights is not None
        state = torch.load(run.weights, weights_only=True)
        assert torch.equal(state["1.weight"], model.state_dict()["1.weight"])
    assert finalist.params == 650
    assert finalist.macs == 640


def test_what_is_finished_is_not_trained_again(tmp_path: Path, data: ImageData) -> None:
    settings = {"folder": tmp_path, "epochs": 2, "recipe": FAST, "device": "cpu"}

    class StopError(Exception):
        pass

    def stop(name: str, run: FinalRun) -> None:
        if run.seed == 1:
            raise StopError

    made = []

    def make() -> nn.Module:
        made.append(1)
        return linear()

    candidate = dataclasses.replace(linear_candidate(), make=make)
    with pytest.raises(StopError):
        train_candidates([candidate], data, seeds=3, on_run=stop, **settings)
    assert len(made) == 2
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "linear").glob("seed-[01]*")}
    assert len(kept) == 4
    compared = train_candidates([candidate], data, seeds=3, **settings)
    assert len(made) == 2 + 1 + 1  # one run, and one to count parameters
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    again = train_candidates([linear_candidate()], data, seeds=3, **settings)
    assert again == dataclasses.replace(compared)
    assert not [*tmp_path.rglob("*.checkpoint")]


def test_other_settings_in_the_same_folder_are_named(tmp_path: Path, data: ImageData) -> None:
    train_candidates([linear_candidate()], data, folder=tmp_path, epochs=1, seeds=1, device="cpu")
    with pytest.raises(ValueError, match="recipe.lr was 0.1 and is now 0.2.*Give another folder"):
        train_candidates(
            [linear_candidate()],
            data,
            folder=tmp_path,
            epochs=1,
            seeds=1,
            recipe=Recipe(lr=0.2),
            device="cpu",
        )


def test_a_run_that_diverges_does_not_end_the_others(tmp_path: Path, data: ImageData) -> None:
    class Exploding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.flatten(1)) * (math.nan if self.training else 1.0)

    bad = Candidate(name="bad", make=Exploding, origin={})
    compared = train_candidates(
        [bad, linear_candidate()], data, folder=tmp_path, epochs=1, seeds=2, device="cpu"
    )
    assert compared["bad"].test_metric.count == 0
    assert all("loss must be finite" in run.failure for run in compared["bad"].runs)
    assert compared["linear"].test_metric.count == 2
    assert "bad, seed 1, failed: The training loss" in repr(compared)
    with pytest.raises(ValueError, match="'bad' must have a run that did not fail"):
        _ = compared["bad"].best
    with pytest.raises(ValueError, match=r"`seed` must be one of \[\]"):
        trained_network(tmp_path / "bad")
    kept = train_candidates([bad], data, folder=tmp_path, epochs=1, seeds=2, device="cpu")
    assert kept["bad"].runs[0].failure == compared["bad"].runs[0].failure


def test_drop_path_is_left_out_where_there_is_none(tmp_path: Path, data: ImageData) -> None:
    recipe = dataclasses.replace(FAST, drop_path=0.3)
    dropped = of_architecture(
        published.DARTS_V2,
        data,
        name="darts",
        build={"cells": 3, "channels": 2, "drop_path": 0.3},
    )
    compared = train_candidates(
        [linear_candidate(), dropped],
        data,
        folder=tmp_path,
        epochs=1,
        recipe=recipe,
        seeds=1,
        device="cpu",
    )
    assert [f.test_metric.count for f in compared.finalists] == [1, 1]


def test_a_candidate_may_have_a_recipe_of_its_own(tmp_path: Path, data: ImageData) -> None:
    own = dataclasses.replace(FAST, lr=0.01)
    candidates = [linear_candidate(), dataclasses.replace(linear_candidate("slow"), recipe=own)]
    compared = train_candidates(
        candidates, data, folder=tmp_path, epochs=1, recipe=FAST, seeds=1, device="cpu"
    )
    for name, recipe in (("linear", FAST), ("slow", own)):
        with seeded(0):
            model = linear()
        history = fit(model, data, epochs=1, recipe=recipe, seed=0, device="cpu")
        assert compared[name].runs[0].val_metric == history.last.val_metric
        assert read_card(tmp_path / name)["recipe"] == recipe.to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "`seeds` must be a number of at least 1"),
        ({"seeds": [1, 1]}, "different seeds, but got seeds=.1, 1."),
        ({"candidates": []}, "`candidates` must have different names and be at least one"),
        (
            {"candidates": [linear_candidate(), linear_candidate()]},
            r"different names .*\['linear', 'linear'\]",
        ),
    ],
)
def test_wrong_arguments(changes: dict, message: str, tmp_path: Path, data: ImageData) -> None:
    arguments = {"candidates": [linear_candidate()], "seeds": 1, **changes}
    with pytest.raises(ValueError, match=message):
        train_candidates(
            arguments["candidates"], data, folder=tmp_path, epochs=1, seeds=arguments["seeds"]
        )


def test_a_name_is_a_folder() -> None:
    with pytest.raises(ValueError, match="name='../x'"):
        linear_candidate("../x")


def test_data_without_a_test_split(tmp_path: Path) -> None:
    data = load_data("digits", train_size=300, val_size=200, test_size=0)
    with pytest.raises(ValueError, match="must have test images"):
        train_candidates([linear_candidate()], data, folder=tmp_path, epochs=1)


def test_trained_on_the_validation_images_too(tmp_path: Path, data: ImageData) -> None:
    merged = data.merged()
    second = dataclasses.replace(linear_candidate("second"), role="found")
    origin = {"study": "s", "trial": 4, "build": {"cells": 1}, "hyperparameters": {"lr": 0.1}}
    first = dataclasses.replace(linear_candidate("first"), role="found", origin=origin)
    compared = train_candidates(
        [first, second], merged, folder=tmp_path, epochs=2, recipe=FAST, seeds=[5, 3], device="cpu"
    )
    with seeded(5):
        model = linear()
    fit(model, merged, epochs=2, recipe=FAST, seed=5, device="cpu")
    test = evaluate(model, data.test, merged, device="cpu").metric
    assert compared["first"].runs[0].test_metric == test
    assert compared["first"].val_metric.count == 0
    assert compared.chosen is compared["first"]  # the order of the search, not the test's
    assert compared.chosen.best.seed == 5
    assert "* chosen by the search" in repr(compared)
    card = read_card(tmp_path / "first")
    assert (card["data"]["train_size"], card["data"]["val_size"]) == (500, 0)
    assert "val_metric" not in card["runs"][0]
    told = (tmp_path / "first" / "README.md").read_text()
    assert "validation accuracy" not in told
    rows = [line.split(" | ")[0].lstrip("| ") for line in told.splitlines() if " | " in line]
    assert rows.index("of its trial's recipe") == rows.index("recipe") + 1
    assert rows.index("study and trial") == rows.index("chosen by") + 1
    assert rows.index("built with") == rows.index("parameters") + 1
    assert "500 train, 0 val, 150 test" in told
    again = train_candidates(
        [first, second], merged, folder=tmp_path, epochs=2, recipe=FAST, seeds=[5, 3], device="cpu"
    )
    assert repr(again) == repr(compared)
    with pytest.raises(ValueError, match="train_size was 500 and is now 300"):
        train_candidates(
            [first], data, folder=tmp_path, epochs=2, recipe=FAST, seeds=[5], device="cpu"
        )
