"""Checkpoints with a sound checksum and hostile content lead to errors of ours only."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas.stores import DamagedFileError, read_checked, write_checked
from optuna_nas.training import Recipe, fit, load_data, load_weights
from optuna_nas.training.loop import load_checkpoint
from optuna_nas.training.loop._weights import packed, unpacked

RECIPE = Recipe(lr=0.05)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What is within a checkpoint of one epoch."""
    path = tmp_path_factory.mktemp("sound") / "run.pt"
    _fit(path)
    return read_checked(path)


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def _fit(path: Path) -> Any:
    data = load_data("digits", train_size=64, val_size=50)
    return fit(_model(), data, epochs=1, recipe=RECIPE, device="cpu", checkpoint=path)


def _changed(sound: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    state = unpacked(sound, "cpu", "")
    change(state)
    return packed(state)


def _result(**facts: Any) -> Callable[[dict[str, Any]], object]:
    return lambda state: state["results"][0].update(facts)


def _repacked(content: bytes, *, replace: Callable[[str, bytes], bytes], packing: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        with zipfile.ZipFile(out, "w", packing) as target:
            for name in source.namelist():
                target.writestr(name, replace(name, source.read(name)))
    return out.getvalue()


class _Raising:
    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("no number",))


def _pickled(sound: bytes, pickled: bytes) -> bytes:
    """A file of torch.save with another pickle in it."""

    def replace(name: str, content: bytes) -> bytes:
        return pickled if name.endswith("data.pkl") else content

    return _repacked(sound, replace=replace, packing=zipfile.ZIP_STORED)


def _nested(state: dict[str, Any]) -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value, value]  # 2 ** 100 paths
    state["results"] = value


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "another pickle": lambda sound: pickle.dumps({"run": {}}),
    "a pickle that raises": lambda sound: _pickled(sound, pickle.dumps(_Raising(), 2)),
    "a pickle of nothing": lambda sound: _pickled(sound, b""),
    "a pickle that pops an empty stack": lambda sound: _pickled(sound, b"\x80\x02a."),
    "a pickle with a tuple of marks": lambda sound: _pickled(sound, b"\x80\x02" + b"(" * 10**5),
    "a compressed file": lambda sound: _repacked(
        sound, replace=lambda name, content: content, packing=zipfile.ZIP_DEFLATED
    ),
    "a shape without data": lambda sound: _changed(
        sound, lambda state: state["judged"].update(w=torch.zeros(1).expand(10**12))
    ),
    "a tensor without data": lambda sound: _changed(
        sound, lambda state: state["judged"].update(w=torch.zeros(10**6, device="meta"))
    ),
    "a list": lambda sound: packed([1, 2]),  # type: ignore[arg-type]
    "no results": lambda sound: _changed(sound, lambda state: state.update(results=[])),
    "results that are none": lambda sound: _changed(sound, lambda s: s.update(results=5)),
    "nested junk": lambda sound: _changed(sound, _nested),
    "a result without fields": lambda sound: _changed(
        sound, lambda state: state.update(results=[{"epoch": 1}])
    ),
    "another epoch": lambda sound: _changed(sound, _result(epoch=7)),
    "an accuracy of 99": lambda sound: _changed(sound, _result(val_accuracy=99.0)),
    "an accuracy in words": lambda sound: _changed(sound, _result(val_accuracy="all")),
    "negative seconds": lambda sound: _changed(sound, _result(seconds=-1.0)),
    "a run that is none": lambda sound: _changed(sound, lambda state: state.update(run=5)),
    "a learner that is none": lambda sound: _changed(sound, lambda s: s.update(learner=[])),
    "weights that are none": lambda sound: _changed(sound, lambda s: s.update(judged=None)),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_training_begins_anew_with_one_warning(
    make: Callable[[bytes], bytes], sound: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    write_checked(path, make(sound))
    with pytest.warns(UserWarning, match="must hold the state of a run.*The training begins anew"):
        history = _fit(path)
    assert not history.last.restored
    assert load_checkpoint(_model(), path).last.val_metric == history.last.val_metric


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_loading_it_is_an_error_of_ours(
    make: Callable[[bytes], bytes], sound: bytes, tmp_path: Path
) -> None:
    write_checked(tmp_path / "run.pt", make(sound))
    with pytest.raises(DamagedFileError, match="A checkpoint must hold the state of a run"):
        load_checkpoint(_model(), tmp_path / "run.pt")


OTHER = {
    "no weights": lambda state: state["learner"].pop("model"),
    "weights that are a list": lambda state: state["learner"].update(model=[1]),
    "weights in words": lambda state: state["learner"]["model"].update({"1.weight": "x"}),
    "no optimizer": lambda state: state["learner"].update(optimizer=5),
    "momentum of another shape": lambda state: state["learner"]["optimizer"]["state"][0].update(
        momentum_buffer=torch.zeros(3)
    ),
    "an optimizer with other settings": lambda state: state["learner"]["optimizer"][
        "param_groups"
    ][0].update(momentum="x"),
    "an average that is none": lambda state: state["learner"].update(average=5),
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_a_learner_of_another_kind_is_an_error_of_ours(
    change: Callable[[dict[str, Any]], object], sound: bytes, tmp_path: Path
) -> None:
    write_checked(tmp_path / "run.pt", _changed(sound, change))
    with pytest.raises(ValueError, match=r"(?s)must hold the same run.*another place"):
        _fit(tmp_path / "run.pt")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["judged"].update({"1.weight": torch.zeros(3)}),
        lambda state: state["judged"].clear(),
        lambda state: state["run"].update(recipe={"lr": "x"}),
        lambda state: state["run"].pop("recipe"),
    ],
)
def test_weights_of_another_network_are_an_error_of_ours(
    change: Callable[[dict[str, Any]], object], sound: bytes, tmp_path: Path
) -> None:
    write_checked(tmp_path / "run.pt", _changed(sound, change))
    with pytest.raises(ValueError, match="`checkpoint` must be of a network built like `model`"):
        load_checkpoint(_model(), tmp_path / "run.pt")


def test_a_run_of_other_settings_is_told_in_a_few_words(sound: bytes, tmp_path: Path) -> None:
    def change(state: dict[str, Any]) -> None:
        _nested(state["run"])
        state["run"]["epochs"] = state["run"].pop("results")
        state["run"]["seed"] = torch.zeros(2)

    write_checked(tmp_path / "run.pt", _changed(sound, change))
    with pytest.raises(ValueError, match=r"must hold the same run, but epochs was \[\[") as error:
        _fit(tmp_path / "run.pt")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("name", ["another pickle", "a pickle that raises", "a compressed file"])
def test_weights_are_checked_too(name: str, sound: bytes, tmp_path: Path) -> None:
    write_checked(tmp_path / "best.pt", HOSTILE[name](sound))
    with pytest.raises(DamagedFileError, match="must hold weights written by save_weights"):
        load_weights(tmp_path / "best.pt")


def test_tensors_that_share_their_data_are_read(tmp_path: Path) -> None:
    whole = torch.arange(12.0)
    state = {"whole": whole, "again": whole, "row": whole.view(3, 4)[1], "empty": torch.zeros(0)}
    read = unpacked(packed(state), "cpu", "")
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())
