"""The folder of an exported network: every file gives what the network gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from optuna_nas.export import export
from optuna_nas.export._text import Call, Infix, Items, Keyword, Text, literal, write
from optuna_nas.spaces import published
from optuna_nas.training import load_weights, seeded


def _network() -> torch.nn.Module:
    with seeded(0):
        return published.NASBENCH201_RESNET.build(num_classes=4, cells=1, channels=4).eval()


def test_the_files(tmp_path: Path) -> None:
    model = _network()
    exported = export(
        model,
        tmp_path / "out",
        input_size=(3, 8, 8),
        graph=published.NASBENCH201_RESNET.graph(),
        onnx=False,
    )
    names = ["model.py", "weights.pt", "model.pt2", "architecture.svg"]
    assert [file.name for file in exported.files] == names
    assert all(file.is_file() for file in exported.files)
    assert exported.errors.keys() == {"model.py", "model.pt2"}
    images = torch.randn(5, 3, 8, 8)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    with torch.no_grad():
        assert torch.allclose(program(images), model(images), atol=1e-6)
    assert load_weights(tmp_path / "out" / "weights.pt").keys() == model.state_dict().keys()
    plain = torch.load(tmp_path / "out" / "weights.pt", weights_only=True)
    assert torch.equal(plain["head.fc.weight"], model.state_dict()["head.fc.weight"])
    assert "model.pt2" in repr(exported)


def test_onnx_for_any_number_of_images(tmp_path: Path) -> None:
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    onnxruntime = pytest.importorskip("onnxruntime")
    model = _network()
    exported = export(model, tmp_path, input_size=(3, 8, 8))
    assert exported.errors["model.onnx"] <= 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for count in (1, 6):
        images = torch.randn(count, 3, 8, 8)
        (output,) = session.run(["output"], {"input": images.numpy()})
        with torch.no_grad():
            wanted = model(images)
        assert torch.allclose(torch.from_numpy(output), wanted, rtol=1e-4, atol=1e-4)


def test_a_missing_extra_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    with pytest.raises(ImportError, match=r'onnxscript.* pip install "optuna-nas\[onnx\]"'):
        export(_network(), tmp_path / "out", input_size=(3, 8, 8))
    assert not (tmp_path / "out").exists()


def _flat(slot: int) -> str:
    return f"slot{slot}"


def test_expressions_are_broken_where_they_do_not_fit() -> None:
    words = tuple(Text(f"argument_number_{k}") for k in range(4))
    call = Call.of("function", *words)
    assert write(call, _flat, indent=0, before=0) == call.flat(_flat)
    assert write(call, _flat, indent=4, before=40).splitlines() == [
        "function(",
        *(f"        argument_number_{k}," for k in range(4)),
        "    )",
    ]
    alone = write(Call.of("f", Items("[", "]", words)), _flat, indent=0, before=60)
    inner = ", ".join(f"argument_number_{k}" for k in range(4))
    assert alone.splitlines() == ["f(", f"    [{inner}]", ")"]


def test_equal_items_are_gathered_and_defaults_left_out() -> None:
    three = Call.of("nn.Sequential", *[Text("Cell(4)")] * 3, Text("Last()"), gathers=True)
    assert three.flat(_flat) == "nn.Sequential(*(Cell(4) for _ in range(3)), Last())"
    two = Call.of("nn.Sequential", *[Text("Cell(4)")] * 2, gathers=True)
    assert two.flat(_flat) == "nn.Sequential(Cell(4), Cell(4))"
    conv = Call.of("nn.Conv2d", Text("3"), Keyword("stride", Text("1"), "1"))
    assert conv.flat(_flat) == "nn.Conv2d(3)"


def test_operators_keep_their_order() -> None:
    difference = Infix(Text("a"), "-", Infix(Text("b"), "-", Text("c")))
    assert difference.flat(_flat) == "a - (b - c)"
    product = Infix(Infix(Text("a"), "+", Text("b")), "*", Text("c"))
    assert product.flat(_flat) == "(a + b) * c"
    total = Infix(Infix(Text("a"), "+", Text("b")), "+", Text("c"))
    assert total.flat(_flat) == "a + b + c"


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "a", (1,), (1, (2, 3)), [1, 2], float("inf"), -float("inf"), 'a"'],
)
def test_constants_are_read_as_they_were(value: object) -> None:
    assert eval(literal(value)) == value
