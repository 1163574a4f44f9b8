"""Final training: what is finished stays, what is told is what was trained."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from optuna_nas.final import (
    Candidate,
    CifarResNet,
    Comparison,
    Finalist,
    FinalRun,
    Spread,
    read_card,
    resnet_of_equal_macs,
    train_candidates,
    trained_network,
)
from optuna_nas.final._candidate import of_architecture
from optuna_nas.spaces import published
from optuna_nas.training import ImageData, Recipe, evaluate, fit, load_data, seeded

FAST = Recipe(batch_size=50, lr=0.1)


@pytest.fixture(scope="module")
def data() -> ImageData:
    torch.set_num_threads(1)
    return load_data("digits", train_size=300, val_size=200, test_size=150)


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def _candidate(name: str = "linear") -> Candidate:
    return Candidate(name=name, make=_linear, origin={"network": "logistic regression"})


def test_each_run_is_that_of_fit_and_is_tested_once(tmp_path: Path, data: ImageData) -> None:
    compared = train_candidates(
        [_candidate()], data, folder=tmp_path, epochs=2, recipe=FAST, seeds=[3, 8], device="cpu"
    )
    (finalist,) = compared.finalists
    for run, seed in zip(finalist.runs, (3, 8), strict=True):
        with seeded(seed):
            model = _linear()
        history = fit(model, data, epochs=2, recipe=FAST, seed=seed, device="cpu")
        assert run.seed == seed
        assert run.val_accuracy == history.last.val_accuracy
        assert run.test_accuracy == evaluate(model, data.test, data, device="cpu").accuracy
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
        return _linear()

    candidate = dataclasses.replace(_candidate(), make=make)
    with pytest.raises(StopError):
        train_candidates([candidate], data, seeds=3, on_run=stop, **settings)
    assert len(made) == 2
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "linear").glob("seed-[01]*")}
    assert len(kept) == 4
    compared = train_candidates([candidate], data, seeds=3, **settings)
    assert len(made) == 2 + 1 + 1  # one run, and one to count parameters
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    again = train_candidates([_candidate()], data, seeds=3, **settings)
    assert again == dataclasses.replace(compared)
    assert not [*tmp_path.rglob("*.checkpoint")]


def test_other_settings_in_the_same_folder_are_named(tmp_path: Path, data: ImageData) -> None:
    train_candidates([_candidate()], data, folder=tmp_path, epochs=1, seeds=1, device="cpu")
    with pytest.raises(ValueError, match="recipe.lr was 0.1 and is now 0.2.*Give another folder"):
        train_candidates(
            [_candidate()],
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
        [bad, _candidate()], data, folder=tmp_path, epochs=1, seeds=2, device="cpu"
    )
    assert compared["bad"].test_accuracy.count == 0
    assert all("loss must be finite" in run.failure for run in compared["bad"].runs)
    assert compared["linear"].test_accuracy.count == 2
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
        [_candidate(), dropped],
        data,
        folder=tmp_path,
        epochs=1,
        recipe=recipe,
        seeds=1,
        device="cpu",
    )
    assert [f.test_accuracy.count for f in compared.finalists] == [1, 1]


def test_a_candidate_may_have_a_recipe_of_its_own(tmp_path: Path, data: ImageData) -> None:
    own = dataclasses.replace(FAST, lr=0.01)
    candidates = [_candidate(), dataclasses.replace(_candidate("slow"), recipe=own)]
    compared = train_candidates(
        candidates, data, folder=tmp_path, epochs=1, recipe=FAST, seeds=1, device="cpu"
    )
    for name, recipe in (("linear", FAST), ("slow", own)):
        with seeded(0):
            model = _linear()
        history = fit(model, data, epochs=1, recipe=recipe, seed=0, device="cpu")
        assert compared[name].runs[0].val_accuracy == history.last.val_accuracy
        assert read_card(tmp_path / name)["recipe"] == recipe.to_dict()


def test_the_card_and_the_network_of_a_folder(tmp_path: Path, data: ImageData) -> None:
    cell = published.NASBENCH201_RESNET
    candidate = of_architecture(
        cell, data, name="mine", build={"cells": 1, "channels": 4}, origin={"trial": 7}
    )
    compared = train_candidates(
        [candidate], data, folder=tmp_path, epochs=2, recipe=FAST, seeds=3, device="cpu"
    )
    card = read_card(tmp_path / "mine")
    assert card["origin"]["architecture"] == str(cell)
    assert card["origin"]["trial"] == 7
    assert card["origin"]["build"] == {
        "num_classes": 10,
        "in_channels": 1,
        "cells": 1,
        "channels": 4,
    }
    assert card["data"]["test_size"] == 150
    assert card["data"]["mean"] == list(data.mean)
    assert card["recipe"] == FAST.to_dict()
    assert card["versions"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert [run["seed"] for run in card["runs"]] == [0, 1, 2]
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "| recipe | `Recipe(batch_size=50)` |" in text
    assert "| data | digits: 300 train, 200 val, 150 test; split seed 0 |" in text
    runs = sorted(compared["mine"].runs, key=lambda run: run.val_accuracy)
    assert runs[-1].val_accuracy > runs[-2].val_accuracy
    for seed, run in ((None, runs[-1]), (runs[0].seed, runs[0])):
        model = trained_network(tmp_path / "mine", seed=seed)
        assert run.weights is not None
        stored = torch.load(run.weights, weights_only=True)
        assert all(torch.equal(stored[name], v) for name, v in model.state_dict().items())


def test_names_in_a_card_for_people(tmp_path: Path, data: ImageData) -> None:
    """A class is called as its folder is, and an origin is anybody's text."""
    classes = ("a|b", "<img src=x>", "`code`", "two\nlines", "half \udcff", *data.classes[5:])
    origin = {"network": "a `b` c", "build": {"of": "x | y"}, "study": "[s](x)", "trial": 3}
    candidate = Candidate(name="odd", make=_linear, origin=origin)
    train_candidates(
        [candidate],
        dataclasses.replace(data, classes=classes),
        folder=tmp_path,
        epochs=1,
        recipe=FAST,
        seeds=1,
        device="cpu",
    )
    assert read_card(tmp_path / "odd")["data"]["classes"] == list(classes)
    text = (tmp_path / "odd" / "README.md").read_bytes().decode("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert r"a\|b, \<img src=x\>, \`code\`, two\\nlines, half \\udcff, 5" in text
    assert "\n``a `b` c``\n" in text
    assert r"| \[s\](x), trial 3 |" in text


def test_the_network_of_a_function_is_made_by_its_owner(tmp_path: Path, data: ImageData) -> None:
    train_candidates([_candidate()], data, folder=tmp_path, epochs=1, seeds=1, device="cpu")
    with pytest.raises(ValueError, match="'linear' was made by a function of yours"):
        trained_network(tmp_path / "linear")
    with pytest.raises(FileNotFoundError, match=r"with card.json, but got .*nothing"):
        read_card(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "`seeds` must be a number of at least 1"),
        ({"seeds": [1, 1]}, "different seeds, but got seeds=.1, 1."),
        ({"candidates": []}, "`candidates` must have different names and be at least one"),
        (
            {"candidates": [_candidate(), _candidate()]},
            r"different names .*\['linear', 'linear'\]",
        ),
    ],
)
def test_wrong_arguments(changes: dict, message: str, tmp_path: Path, data: ImageData) -> None:
    arguments = {"candidates": [_candidate()], "seeds": 1, **changes}
    with pytest.raises(ValueError, match=message):
        train_candidates(
            arguments["candidates"], data, folder=tmp_path, epochs=1, seeds=arguments["seeds"]
        )


def test_a_name_is_a_folder() -> None:
    with pytest.raises(ValueError, match="name='../x'"):
        _candidate("../x")


def test_data_without_a_test_split(tmp_path: Path) -> None:
    data = load_data("digits", train_size=300, val_size=200, test_size=0)
    with pytest.raises(ValueError, match="must have test images"):
        train_candidates([_candidate()], data, folder=tmp_path, epochs=1)


# What is told


def _finalist(name: str, role: str, val: list[float], test: list[float]) -> Finalist:
    runs = tuple(
        FinalRun(seed=k, val_accuracy=v, test_accuracy=t, seconds=1.0, weights=Path("w"))
        for k, (v, t) in enumerate(zip(val, test, strict=True))
    )
    origin = {"search_trials": 12, "search_epochs": 34} if role == "random search" else {}
    return Finalist(
        name=name,
        role=role,
        origin=origin,
        params=1234,
        macs=56789,
        runs=runs,
        folder=Path(name),
    )


def test_validation_chooses_and_the_table_says_all() -> None:
    compared = Comparison(
        finalists=(
            _finalist("trial-1", "found", [0.80, 0.82], [0.99, 0.99]),
            _finalist("trial-2", "found", [0.90, 0.92], [0.70, 0.72]),
            _finalist("random-3", "random search", [0.95, 0.95], [0.71, 0.71]),
        ),
        data="digits",
        epochs=4,
        test_images=357,
    )
    assert compared.chosen is compared["trial-2"]
    assert repr(compared).splitlines() == [
        "               network    parameters  multiply-adds      validation            test",
        "found          trial-1         1,234         56,789  81.00% ± 1.41%  99.00% ± 0.00%",
        "found          trial-2 *       1,234         56,789  91.00% ± 1.41%  71.00% ± 1.41%",
        "random search  random-3        1,234         56,789  95.00% ± 0.00%  71.00% ± 0.00%",
        "digits, 4 epochs, mean ± sd of 2 seeds, 357 test images",
        "* chosen by validation accuracy",
        "random-3: the best of 12 trials, 34 epochs",
    ]
    with pytest.raises(KeyError, match="none of"):
        compared["trial-9"]


def test_spread() -> None:
    assert str(Spread.over([0.5, 0.7])) == "60.00% ± 14.14%"
    assert str(Spread.over([0.5])) == "50.00%"
    assert str(Spread.over([])) == "-"


# The network made by hand


def test_the_resnet_is_the_papers_and_its_width_the_nearest(data: ImageData) -> None:
    """272,474 parameters: ResNet-20 with 1x1 shortcuts, 268,346 + 2 * (512 + 64 + 2,048...)."""
    count = sum(p.numel() for p in CifarResNet(16).parameters())
    assert count == 272_474
    target = 3_000_000
    candidate = resnet_of_equal_macs(data, target)
    width = candidate.origin["width"]
    distances = {
        w: abs(
            Candidate(
                name="r",
                make=lambda w=w: CifarResNet(w, num_classes=10, in_channels=1),
                origin={},
            )
            .size(data)
            .macs
            - target
        )
        for w in (width - 1, width, width + 1)
    }
    assert min(distances, key=distances.__getitem__) == width
    assert json.dumps(dict(candidate.origin))


def test_a_narrow_resnet_learns_in_channels_last() -> None:
    """In a process of its own, since torch's convolution would overwrite foreign memory."""
    program = """
import torch
from optuna_nas.final import CifarResNet
torch.set_num_threads(1)
model = CifarResNet(2, in_channels=1).to(memory_format=torch.channels_last)
for size in (8, 9, 16, 32):
    images = torch.randn(50, 1, size, size).to(memory_format=torch.channels_last)
    model(images).sum().backward()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_large_images_pass_a_stem() -> None:
    small, large = (CifarResNet(4, large=large).eval() for large in (False, True))
    images = torch.zeros(1, 3, 96, 96)
    assert small.stem(images).shape[-1] == 96
    assert large.stem(images).shape[-1] == 24


def test_trained_on_the_validation_images_too(tmp_path: Path, data: ImageData) -> None:
    merged = data.merged()
    second = dataclasses.replace(_candidate("second"), role="found")
    origin = {"study": "s", "trial": 4, "build": {"cells": 1}, "hyperparameters": {"lr": 0.1}}
    first = dataclasses.replace(_candidate("first"), role="found", origin=origin)
    compared = train_candidates(
        [first, second], merged, folder=tmp_path, epochs=2, recipe=FAST, seeds=[5, 3], device="cpu"
    )
    with seeded(5):
        model = _linear()
    fit(model, merged, epochs=2, recipe=FAST, seed=5, device="cpu")
    test = evaluate(model, data.test, merged, device="cpu").accuracy
    assert compared["first"].runs[0].test_accuracy == test
    assert compared["first"].val_accuracy.count == 0
    assert compared.chosen is compared["first"]  # the order of the search, not the test's
    assert compared.chosen.best.seed == 5
    assert "* chosen by the search" in repr(compared)
    card = read_card(tmp_path / "first")
    assert (card["data"]["train_size"], card["data"]["val_size"]) == (500, 0)
    assert "val_accuracy" not in card["runs"][0]
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


def test_a_finalist_that_failed_is_not_chosen(tmp_path: Path) -> None:
    def finalist(name: str, run: FinalRun) -> Finalist:
        return Finalist(
            name=name,
            role="found",
            origin={},
            params=1,
            macs=1,
            runs=(run,),
            folder=tmp_path,
        )

    failed = finalist("failed", FinalRun(seed=0, failure="NaN"))
    whole = finalist("whole", FinalRun(seed=0, test_accuracy=0.5))
    compared = Comparison(finalists=(failed, whole), data="digits", epochs=1, test_images=9)
    assert compared.chosen is whole
    assert dataclasses.replace(compared, finalists=(failed,)).chosen is None
