"""Weights come back bit by bit, or not at all."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from optuna_nas.stores import DamagedFileError, write_checked
from optuna_nas.training import load_weights, save_weights


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())


def test_weights_and_statistics_come_back(tmp_path: Path) -> None:
    model, other = _net(), _net()
    model(torch.rand(4, 1, 5, 5))
    save_weights(model, tmp_path / "best.pt")

    other.load_state_dict(load_weights(str(tmp_path / "best.pt")))

    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_plain_torch_reads_the_file(tmp_path: Path) -> None:
    model = _net()
    save_weights(model, tmp_path / "best.pt")
    state = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(state["0.weight"], model[0].weight)


@given(place=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30, deadline=None)
def test_a_damaged_file_is_never_loaded(
    tmp_path_factory: pytest.TempPathFactory, place: float
) -> None:
    path = tmp_path_factory.mktemp("weights") / "best.pt"
    save_weights(_net(), path)
    whole = path.read_bytes()
    position = int(place * len(whole))

    path.write_bytes(whole[:position])
    with pytest.raises(DamagedFileError, match=r"best\.pt"):
        load_weights(path)

    changed = bytearray(whole)
    changed[position] ^= 16
    path.write_bytes(changed)
    with pytest.raises(DamagedFileError, match=r"best\.pt"):
        load_weights(path)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("evil"),))


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"weight": _Evil()}, buffer)
    write_checked("best.pt", buffer.getvalue())

    with pytest.raises(DamagedFileError, match=r"'best\.pt' must hold weights") as caught:
        load_weights("best.pt")

    assert isinstance(caught.value.__cause__, pickle.UnpicklingError)
    assert not Path("evil").exists()


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_another_file_with_a_checksum_is_refused(content: bytes, tmp_path: Path) -> None:
    write_checked(tmp_path / "best.pt", content)
    with pytest.raises(DamagedFileError, match=r"must hold weights written by save_weights"):
        load_weights(tmp_path / "best.pt")


def test_a_tensor_alone_is_no_state_dict(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(torch.zeros(2), buffer)
    write_checked(tmp_path / "best.pt", buffer.getvalue())
    with pytest.raises(DamagedFileError, match=r"must hold a state_dict, but holds a Tensor"):
        load_weights(tmp_path / "best.pt")


def test_a_missing_file_is_the_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"best\.pt"):
        load_weights(tmp_path / "best.pt")
