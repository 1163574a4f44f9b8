"""A folder of final training: its card, its text for people, and the network in it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from linear_candidates import FAST, digits, linear, linear_candidate

from optuna_nas.final import Candidate, read_card, train_candidates, trained_network
from optuna_nas.final._candidate import of_architecture
from optuna_nas.spaces import published
from optuna_nas.training import ImageData


@pytest.fixture(scope="module")
def data() -> ImageData:
    return digits()


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
    runs = sorted(compared["mine"].runs, key=lambda run: run.val_metric)
    assert runs[-1].val_metric > runs[-2].val_metric
    for seed, run in ((None, runs[-1]), (runs[0].seed, runs[0])):
        model = trained_network(tmp_path / "mine", seed=seed)
        assert run.weights is not None
        stored = torch.load(run.weights, weights_only=True)
        assert all(torch.equal(stored[name], v) for name, v in model.state_dict().items())


def test_names_in_a_card_for_people(tmp_path: Path, data: ImageData) -> None:
    """A class is called as its folder is, and an origin is anybody's text."""
    classes = ("a|b", "<img src=x>", "`code`", "two\nlines", "half \udcff", *data.classes[5:])
    origin = {"network": "a `b` c", "build": {"of": "x | y"}, "study": "[s](x)", "trial": 3}
    candidate = Candidate(name="odd", make=linear, origin=origin)
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
    train_candidates([linear_candidate()], data, folder=tmp_path, epochs=1, seeds=1, device="cpu")
    with pytest.raises(ValueError, match="'linear' was made by a function of yours"):
        trained_network(tmp_path / "linear")
    with pytest.raises(FileNotFoundError, match=r"with card.json, but got .*nothing"):
        read_card(tmp_path / "nothing")
