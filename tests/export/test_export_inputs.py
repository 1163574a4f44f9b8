"""Exported networks of several inputs, of integers, of other types and of sizes that vary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from any_networks import Characters, Forecaster, ImageAndTable, Pair
from torch import nn

from optuna_nas._ground.inputs import Examples, Inputs, call
from optuna_nas.export import UnwritableError, export, model_code, module_from_code
from optuna_nas.training import seeded

pytestmark = pytest.mark.usefixtures("one_thread")

BATCH = {"image": torch.rand(4, 1, 8, 6), "table": torch.rand(4, 5)}
CASES: dict[str, tuple[type[nn.Module], Any]] = {
    "series": (Forecaster, "24x2"),
    "characters": (Characters, "32:int64"),
    "given characters": (Characters, torch.arange(40).reshape(4, 10) % 20),
    "named": (ImageAndTable, {"image": (1, 8, 6), "table": (5,)}),
    "in order": (ImageAndTable, ((1, 8, 6), (5,))),
    "given": (ImageAndTable, BATCH),
    "of two types": (Pair, "user=scalar:int64,item=3"),
}


def _made(make: type[nn.Module]) -> nn.Module:
    with seeded(0):
        return make().eval()


def _batch(model: nn.Module, inputs: Any, count: int = 4) -> Inputs:
    return Examples.of(inputs).random(model, count, seed=7)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_code(name: str, dtype: torch.dtype) -> None:
    make, inputs = CASES[name]
    model = _made(make).to(dtype)
    network = module_from_code(model_code(model, inputs=inputs))
    network.load_state_dict(model.state_dict(), assign=dtype == torch.float64)
    batch = _batch(model, inputs)
    with torch.no_grad():
        assert torch.equal(call(network.eval(), batch), call(model, batch))


def test_the_text_says_what_goes_in() -> None:
    named = model_code(_made(ImageAndTable), inputs="image=1x8x6,table=5")
    assert "multiply-adds for inputs of image=1x8x6,table=5." in named
    assert 'INPUT_SIZES = {"image": (1, 8, 6), "table": (5,)}' in named
    assert "def forward(self, image: torch.Tensor, table: torch.Tensor)" in named
    ordered = model_code(_made(ImageAndTable), inputs=((1, 8, 6), (5,)))
    assert "INPUT_SIZES = ((1, 8, 6), (5,))" in ordered
    single = model_code(_made(Characters), inputs="32:int64")
    assert "multiply-adds for an input of 32:int64." in single
    assert "INPUT_SIZE = (32,)" in single
    assert "assign" not in single
    assert "assign=True" in model_code(_made(Pair).double(), inputs=(("scalar:int64"), (3,)))


class _Other(nn.Module):
    """Calls its inputs as it likes, and does not read one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        return self.head(inputs["x"])


def test_inputs_that_are_not_read_are_still_taken() -> None:
    model = _Other().eval()
    network = module_from_code(model_code(model, inputs="unused=2,x=3"))
    network.load_state_dict(model.state_dict())
    x, unused = torch.randn(2, 3), torch.randn(2, 2)
    assert torch.equal(network(x=x, unused=unused), model(x=x))


class _Flat(nn.Module):
    """Reshapes by the number of examples, which its inner part sees times the length."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _Grouped()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.flatten(0, 1)).transpose(0, 1)


class _Grouped(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.reshape(len(rows) // 6, 6, 2).mean(1).t()


def test_numbers_that_depend_on_the_number_of_examples() -> None:
    code = model_code(_Flat(), (6, 2))
    assert "rows.reshape(rows.shape[0] // 6, 6, 2)" in code
    assert "flatten(0, 1)  # (6 * B, 2)" in code
    x = torch.randn(5, 6, 2)
    assert torch.equal(module_from_code(code)(x), _Flat()(x))


class _Places(nn.Module):
    """Looks up by a buffer of integers, and decides by indices above 0."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 2)
        self.register_buffer("order", torch.tensor([2, 0, 1]))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found = self.table(ids[:, self.order])
        return found * 2 if bool((ids > 1).any()) else found


def test_buffers_of_integers_keep_their_type() -> None:
    network = module_from_code(model_code(_Places(), inputs="3:int64"))
    model = _Places()
    network.load_state_dict(model.state_dict(), assign=True)
    ids = torch.tensor([[0, 1, 1]])
    assert torch.equal(network(ids), model(ids))


def test_given_examples_are_what_code_is_checked_on() -> None:
    ids = torch.tensor([[0, 0, 0]] * 6 + [[4, 3, 4]])  # the last is seen by the check alone
    with pytest.raises(UnwritableError, match="differs by"):
        model_code(_Places(), inputs=ids)


@pytest.mark.parametrize("name", ["series", "named", "in order", "of two types"])
def test_programs(name: str, tmp_path: Path) -> None:
    make, inputs = CASES[name]
    model = _made(make).double()
    exported = export(model, tmp_path, inputs=inputs, onnx=False)
    assert not exported.failures
    assert exported.errors.keys() == {"model.py", "model.pt2"}
    program = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 5):
        batch = _batch(model, inputs, count)
        with torch.no_grad():
            assert torch.allclose(call(program, batch), call(model, batch), atol=1e-12)


AXES: dict[str, tuple[Any, Any, Any]] = {
    "single": ("32:int64", {1: "length"}, torch.arange(30).reshape(3, 10) % 20),
    "named": (
        {"image": (1, 8, 6), "table": (5,)},
        {"image": {2: "height", 3: "width"}},
        {"image": torch.rand(3, 1, 5, 11), "table": torch.rand(3, 5)},
    ),
    "in order": (
        ((1, 8, 6), (5,)),
        {0: {2: "height"}},
        (torch.rand(3, 1, 9, 6), torch.rand(3, 5)),
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_axes_that_may_change(name: str, tmp_path: Path) -> None:
    inputs, axes, batch = AXES[name]
    model = _made(Characters if name == "single" else ImageAndTable)
    exported = export(model, tmp_path, inputs=inputs, onnx=False, dynamic_axes=axes)
    assert not exported.failures
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad():
        assert torch.allclose(call(program, batch), call(model, batch), atol=1e-6)


def test_onnx_has_the_names_of_inputs_and_axes(tmp_path: Path) -> None:
    for extra in ("onnx", "onnxscript"):
        pytest.importorskip(extra)
    onnxruntime = pytest.importorskip("onnxruntime")
    model = _made(ImageAndTable)
    for inputs, names in ((CASES["named"][1], ["image", "table"]), (None, ["input_0", "input_1"])):
        axes = {"image": {2: "height"}} if inputs else {0: {2: "height"}}
        exported = export(
            model, tmp_path, inputs=inputs or CASES["in order"][1], dynamic_axes=axes
        )
        assert not exported.failures
        session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
        found = {i.name: i.shape for i in session.get_inputs()}
        assert found == {names[0]: ["batch", 1, "height", 6], names[1]: ["batch", 5]}
        image, table = torch.rand(5, 1, 3, 6), torch.rand(5, 5)
        given = dict(zip(names, (image.numpy(), table.numpy()), strict=True))
        (output,) = session.run(["output"], given)
        with torch.no_grad():
            wanted = model(image, table)
        assert torch.allclose(torch.from_numpy(output), wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_all_forms(name: str, tmp_path: Path) -> None:
    for extra in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(extra)
    make, inputs = CASES[name]
    exported = export(_made(make), tmp_path, inputs=inputs)
    assert not exported.failures
    assert exported.errors.keys() == {"model.py", "model.pt2", "model.onnx"}


def test_a_recurrent_layer_keeps_its_length(tmp_path: Path) -> None:
    exported = export(
        _made(Forecaster), tmp_path, inputs="8x2", onnx=False, dynamic_axes={1: "time"}
    )
    assert exported.failures.keys() == {"model.pt2"}
    assert "Constraints violated" in exported.failures["model.pt2"]


@pytest.mark.parametrize(
    ("inputs", "axes"),
    [
        *(("24x2", axes) for axes in ({0: "all"}, {3: "x"}, {1: "a b"}, {"x": {1: "t"}}, {1: 2})),
        *(("a=8,b=9", axes) for axes in ({1: "t"}, {"c": {1: "t"}}, {"a": {2: "t"}}, {"a": 1})),
        *(("1x2", {1: "t"}), ("8,9", {2: {1: "t"}}), ("8", 7), ("8,9", {0: [1]})),
    ],
)
def test_axes_that_are_none_are_told(inputs: str, axes: Any, tmp_path: Path) -> None:
    model = nn.Flatten()
    with pytest.raises(ValueError, match="`dynamic_axes` must name axes from 1 on, of size 2 or"):
        export(model, tmp_path, inputs=inputs, onnx=False, dynamic_axes=axes)


def test_sizes_that_a_network_cannot_change_are_told(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"neither twice nor half the sizes of 4x2 along \['t'\]"):
        export(model, tmp_path, inputs="4x2", onnx=False, dynamic_axes={1: "t"})


def test_channels_belong_to_an_image() -> None:
    with pytest.raises(ValueError, match=r"`mean` and `std` must belong to one input .*of 24x2"):
        model_code(_made(Forecaster), inputs="24x2", mean=(0.5,), std=(0.5,))
    with pytest.raises(ValueError, match="must not both be given"):
        model_code(_made(Forecaster), (24, 2), inputs="24x2")
