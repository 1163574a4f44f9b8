"""Model cards and results of finalists that were altered lead to errors of ours only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import HOSTILE

from optuna_nas.final import read_card, train_candidates, trained_network
from optuna_nas.final._candidate import of_architecture
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, load_data, save_weights

SPACE = NASBench201Space()
SMALL = {"cells": 1, "channels": 2}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=64, val_size=50)


@pytest.fixture(scope="module")
def trained(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("final")
    _train(data, folder)
    return folder


def _train(data: ImageData, folder: Path) -> None:
    skip = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    network = of_architecture(skip, data, name="mine", build=SMALL)
    recipe = Recipe(batch_size=32)
    train_candidates([network], data, folder=folder, epochs=1, seeds=[0], recipe=recipe)


def _copy(trained: Path, folder: Path) -> Path:
    """The finalist's folder with a card that can be changed."""
    for path in (trained / "mine").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _change(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def test_a_sound_card_is_read(trained: Path, tmp_path: Path) -> None:
    folder = _copy(trained, tmp_path)
    written = json.loads((folder / "card.json").read_text())
    assert read_card(folder) == written
    assert trained_network(folder)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"5", b"[]", b"{}", b'{"name": 5}', b"1" * 5_000],
)
def test_a_file_that_is_no_card_is_an_error_of_ours(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"card\.json' is damaged: it .*\. Let train write it ag"):
        read_card(tmp_path)


def test_a_card_of_any_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(b" " * (2**24 + 1))
    with pytest.raises(ValueError, match="it has 16,777,217 characters, more than 16,777,216"):
        read_card(tmp_path)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("field", ["origin", "data", "runs", "name"])
def test_every_field_is_checked(value: object, field: str, trained: Path, tmp_path: Path) -> None:
    sound = {"origin": [{}, HOSTILE["wrong fields"]], "runs": [[]], "name": ["a/b"]}
    if value in sound.get(field, []):
        pytest.skip("is sound")
    folder = _copy(trained, tmp_path)
    _change(folder, lambda card: card.update({field: value}))
    for read in (read_card, trained_network):
        with pytest.raises(ValueError, match=f"is damaged: it has '{field}', which "):
            read(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["runs"][0].update(seed="../../secret"),
        lambda card: card["data"].update(image_size=[8]),
        lambda card: card["origin"].update(build=5),
    ],
)
def test_parts_of_fields_are_checked(
    change: Callable[[dict[str, Any]], object], trained: Path, tmp_path: Path
) -> None:
    folder = _copy(trained, tmp_path)
    _change(folder, change)
    with pytest.raises(ValueError, match=r"card\.json' is damaged"):
        trained_network(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["origin"].update(build={"cells": 1}),
        lambda card: card["origin"].update(build={"cells": "x", "channels": []}),
        lambda card: card["origin"].update(build={"zzz": 1}),
        lambda card: card["origin"].pop("build"),
        lambda card: card.update(origin={"network": "ResNet-20"}),
        lambda card: card.update(origin={"network": "ResNet-20", "width": "x", "build": {}}),
        lambda card: card.update(origin={"network": "ResNet-20", "width": 2, "build": {"a": 1}}),
    ],
)
def test_a_card_of_another_network_is_an_error_of_ours(
    change: Callable[[dict[str, Any]], object], trained: Path, tmp_path: Path
) -> None:
    folder = _copy(trained, tmp_path)
    _change(folder, change)
    with pytest.raises(ValueError, match=r"(must tell of the network|was made by a function)"):
        trained_network(folder)


def test_weights_of_another_network_are_an_error_of_ours(trained: Path, tmp_path: Path) -> None:
    folder = _copy(trained, tmp_path)
    save_weights(torch.nn.Linear(2, 2), folder / "seed-0.pt")
    with pytest.raises(ValueError, match=r"must tell of the network with the weights in seed-0"):
        trained_network(folder)


@pytest.mark.parametrize("content", [b"{", b"5", b'{"settings": {}, "result": {"seed": "x"}}'])
def test_a_damaged_file_of_results_says_what_to_do(
    content: bytes, data: ImageData, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "seed-0.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"seed-0\.json' is damaged: it .*\. Remove it, and the"):
        _train(data, tmp_path)
