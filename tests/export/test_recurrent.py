"""Recurrent layers and attention in exported networks, and networks of which a part is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas.export import export, model_code, module_from_code
from optuna_nas.training import load_weights, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (2, 3, 8)


class _Rows(nn.Module):
    """The rows of an image as a sequence."""

    def __init__(self, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.layer = layer
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(features, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.read(images.flatten(1, 2)))[:, -1])

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows)


class _Recurrent(_Rows):
    def read(self, rows: torch.Tensor) -> torch.Tensor:
        out, _ = self.layer(rows)
        return out


class _Attending(_Rows):
    def read(self, rows: torch.Tensor) -> torch.Tensor:
        out, weights = self.layer(rows, rows, rows)
        return out + weights.mean()


class _Started(_Rows):
    """With states that are given, and the last ones used."""

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        first = torch.zeros(1, len(rows), 6), torch.ones(1, len(rows), 6)
        out, (last, cell) = self.layer(rows, first)
        return out + (last + cell).transpose(0, 1)


class _ReadsGRU(nn.GRU):
    def forward(self, images: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images.flatten(1, 2))[0][:, -1]


def _layer(**changes: Any) -> nn.TransformerEncoderLayer:
    settings = {"dim_feedforward": 16, "batch_first": True, **changes}
    return nn.TransformerEncoderLayer(8, 2, **settings)


def _changed_layer() -> nn.Module:
    layer = _layer()
    layer.dropout2 = nn.Dropout(0.7)
    return layer


CASES = {
    "gru": lambda: _Recurrent(nn.GRU(8, 6, batch_first=True), 6),
    "deep gru": lambda: _Recurrent(
        nn.GRU(8, 6, 2, batch_first=True, dropout=0.3, bidirectional=True), 12
    ),
    "lstm": lambda: _Recurrent(nn.LSTM(8, 6, num_layers=2, bias=False, batch_first=True), 6),
    "over images": lambda: _Recurrent(nn.LSTM(8, 6, bidirectional=True), 12),
    "rnn": lambda: _Recurrent(nn.RNN(8, 6, nonlinearity="relu", batch_first=True), 6),
    "states": lambda: _Started(nn.LSTM(8, 6, batch_first=True), 6),
    "own gru": lambda: _ReadsGRU(8, 6, batch_first=True),
    "attention": lambda: _Attending(nn.MultiheadAttention(8, 2, batch_first=True), 8),
    "bare attention": lambda: _Attending(
        nn.MultiheadAttention(8, 4, bias=False, add_zero_attn=True, batch_first=True), 8
    ),
    "layer": lambda: _Rows(_layer(), 8),
    "other layer": lambda: _Rows(
        _layer(activation="gelu", norm_first=True, layer_norm_eps=1e-3, bias=False, dropout=0.3), 8
    ),
    "own activation": lambda: _Rows(_layer(activation=nn.SiLU()), 8),
    "changed layer": lambda: _Rows(_changed_layer(), 8),
    "encoder": lambda: _Rows(nn.TransformerEncoder(_layer(), 2), 8),
}


def _moved(model: nn.Module) -> nn.Module:
    """With all weights at random; those of attention and norms begin with zeros and ones."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def _made(name: str) -> nn.Module:
    with seeded(0):
        return _moved(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_networks_for_sequences(name: str) -> None:
    model = _made(name)
    state = torch.random.get_rng_state()
    code = model_code(model, SIZE)
    assert torch.equal(torch.random.get_rng_state(), state)
    network = module_from_code(code)
    network.load_state_dict(model.state_dict())
    network.eval()
    for count in (1, 4):
        images = torch.randn(count, *SIZE)
        with torch.no_grad():
            assert torch.allclose(network(images), model(images), rtol=0.0, atol=1e-6)


def test_the_text_of_layers() -> None:
    """By their constructors, whatever they keep where; what was changed by hand step by step."""
    texts = {name: model_code(_made(name), SIZE) for name in CASES}
    assert "self.layer = nn.GRU(8, 6, batch_first=True)" in texts["gru"]
    assert 'nn.RNN(8, 6, nonlinearity="relu", batch_first=True)' in texts["rnn"]
    line = "nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)"
    assert line in texts["layer"]
    assert texts["encoder"].count(line) == 2
    assert 'activation="gelu",' in texts["other layer"]
    assert "nn.TransformerEncoderLayer(" not in texts["own activation"] + texts["changed layer"]
    assert "self.layer = nn.MultiheadAttention(8, 2, batch_first=True)" in texts["attention"]


def test_a_layer_of_torch_alone() -> None:
    with seeded(0):
        model = _moved(_layer())
    network = module_from_code(model_code(model, (5, 8)))
    network.load_state_dict(model.state_dict())
    rows = torch.randn(3, 5, 8)
    with torch.no_grad():
        assert torch.allclose(network.eval()(rows), model(rows), rtol=0.0, atol=1e-6)


def test_buffers_that_are_in_no_state() -> None:
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("places", torch.randn(4), persistent=False)
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.flatten(1) + self.places)

    assert 'self.register_buffer("places"' in model_code(Places(), (1, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deep gru", "states", "layer", "attention"])
def test_all_forms_of_networks_for_sequences(name: str, tmp_path: Path) -> None:
    for extra in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(extra)
    exported = export(_made(name), tmp_path, input_size=SIZE)
    assert not exported.failures
    assert exported.errors.keys() == {"model.py", "model.pt2", "model.onnx"}


class _Weighs(nn.Module):
    """Uses a tensor that is not its own, which no code can name."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.scale = [torch.tensor([1.0, 2.0, 3.0, 4.0])]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.flatten(1) * self.scale[0])


class _ByValue(_Weighs):
    """Decides by what it sees, which no program can follow either."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images if float(images.sum()) > 1e9 else images.relu())


def test_without_code_the_rest_is_written(tmp_path: Path) -> None:
    model = _Weighs().train()
    (tmp_path / "model.py").write_text("of an earlier network")
    exported = export(model, tmp_path, input_size=(1, 2, 2), onnx=False)
    assert [file.name for file in exported.files] == ["weights.pt", "model.pt2"]
    assert exported.failures.keys() == {"model.py"}
    assert "neither an input nor a parameter or buffer of its own" in exported.failures["model.py"]
    assert "model.py    not written: _Weighs" in repr(exported).replace(f"{tmp_path}/", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt2", "weights.pt"]
    assert load_weights(tmp_path / "weights.pt").keys() == model.state_dict().keys()
    images = torch.randn(5, 1, 2, 2)
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad():
        assert torch.allclose(program(images), model(images), atol=1e-6)
    assert model.training


def test_without_a_program_the_weights_are_written(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = export(_ByValue(), tmp_path, input_size=(1, 2, 2))
    assert [file.name for file in exported.files] == ["weights.pt"]
    assert exported.failures.keys() == {"model.py", "model.pt2", "model.onnx"}
    assert "model.pt2, which is not written" in exported.failures["model.onnx"]


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("optuna_nas.export._files.write_atomically", full)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(OSError, match="No space left"):
        export(model, tmp_path, input_size=(1, 2, 2), onnx=False)


def test_a_network_must_give_one_tensor(tmp_path: Path) -> None:
    message = "must give one tensor, but GRU gives .* type tuple"
    with pytest.raises(ValueError, match=message):
        export(nn.GRU(8, 3), tmp_path / "out", input_size=(5, 8), onnx=False)
    with pytest.raises(ValueError, match=message):
        model_code(nn.GRU(8, 3), (5, 8))
    assert not (tmp_path / "out").exists()
