"""Names in exported code: whatever they are, they stay texts."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from optuna_nas.export import UnwritableError, export, model_code, module_from_code
from optuna_nas.export._names import identifier
from optuna_nas.export._text import documentation, literal

# Printable or not, of every alphabet, and half of a character: a file's name that is no UTF-8
TEXT = st.text(st.characters(codec=None), max_size=12)
CODE = st.sampled_from(
    [
        "!\\",
        ", __import__('os').system('touch stolen'))#",
        '"""\nraise SystemExit\n"""',
        'a"""+broken()+"""',
        "cat\\",
        "a\\new",
        "\\x",
        "\\N{DIGIT ONE}",
        "\\\\",
        'say "no"',
        "it's",
        "a\nb",
        "a\r\nb",
        "\0",
        "\u2028",
        "\udcff",
        "# imports",
        "{value}",
        '"',
        '""',
        "class",
        "None",
        "F.relu",
        "OrderedDict(",
    ]
)
NAME = (CODE | TEXT).filter(bool)
OFTEN = settings(max_examples=20, deadline=None)

pytestmark = pytest.mark.usefixtures("one_thread")


def _small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()


def _read(code: str) -> dict[str, Any]:
    """The code's names, from its bytes as Python reads them from a file."""
    space: dict[str, Any] = {"__name__": "model", "__file__": "model.py"}
    exec(compile(code.encode(), "model.py", "exec"), space)
    return space


def _shape(code: str) -> list[Any]:
    """All of the code but its texts: what is called, read and assigned."""
    tree = ast.parse(code.encode())
    return [
        type(node).__name__
        if isinstance(node, ast.Constant)
        else (type(node).__name__, getattr(node, "id", None), getattr(node, "attr", None))
        for node in ast.walk(tree)
    ]


def _spelled(text: str) -> str:
    """A text in which half characters are spelled out, as in documentation."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _foreign(code: str) -> set[str]:
    """Names that are read and that the code has not made."""
    nodes = [*ast.walk(ast.parse(code.encode()))]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return {node.id for node in names if node.id not in made} - {"str", "int"}


def _assert_same(model: nn.Module, code: str, size: tuple[int, ...]) -> None:
    network = module_from_code(code)
    network.load_state_dict(model.state_dict())
    images = torch.randn(3, *size)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), model.eval()(images))


@OFTEN
@given(st.lists(NAME, min_size=1, max_size=4))
@example(["!\\", ", __import__('os').system('touch stolen'))#"])
def test_classes_are_what_was_given(classes: list[str]) -> None:
    code = model_code(_small(), (1, 2, 2), classes=classes)
    assert _read(code)["CLASSES"] == tuple(classes)
    assert _shape(code) == _shape(model_code(_small(), (1, 2, 2), classes=["a"] * len(classes)))


@OFTEN
@given(st.lists(NAME, min_size=1, max_size=6).map(" ".join))
@example('"""\nimport os\n"""')
@example('quoted "')
@example("a backslash \\")
def test_the_title_is_a_text(title: str) -> None:
    code = model_code(_small(), (1, 2, 2), title=title)
    document = ast.get_docstring(ast.parse(code.encode()), clean=False) or ""
    assert "".join(_spelled(title).split()) in "".join(document.split())
    plain = model_code(_small(), (1, 2, 2), title="plain")
    assert _shape(code) == _shape(plain)


@OFTEN
@given(NAME, NAME, NAME, NAME)
@example("class", "__hidden", "\ufb01", "3")
@example("getattr", "super", "torch", "float")
def test_names_of_modules_and_weights(first: str, second: str, third: str, fourth: str) -> None:
    """Of ``add_module``, of a dict, of parameters and of buffers."""
    keys = [f"{key}{k}".replace(".", ":") for k, key in enumerate((first, second, third, fourth))]

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(keys[0], nn.Linear(4, 4))
            self.kept = nn.ModuleDict({keys[1]: nn.Linear(4, 4), "other": nn.Linear(4, 4)})
            self.register_parameter(keys[2], nn.Parameter(torch.randn(4)))
            self.register_buffer(keys[3], torch.randn(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = getattr(self, keys[0])(x.flatten(1)).relu()
            x = self.kept[keys[1]](x) + self.kept["other"](x).relu()
            return x * getattr(self, keys[2]) + getattr(self, keys[3])

    model = Named()
    code = model_code(model, (1, 2, 2))
    _assert_same(model, code, (1, 2, 2))
    assert _foreign(code) <= {"torch", "nn", "Path", "__file__", "getattr", "setattr", "super"}


@pytest.mark.parametrize(
    "key", ["class", "__hidden", "\ufb01", "3", "٣", "a b", "self", "x", "super", "\udcff", "é"]
)
def test_one_strange_name_everywhere(key: str) -> None:
    """A keyword, one that a class would mangle, a ligature, digits."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(key, nn.Sequential())
            self.get_submodule(key).add_module(key, nn.Linear(4, 4))
            self.get_submodule(key).add_module("register", nn.ReLU())
            self.inner = Own()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(self.get_submodule(key)(x.flatten(1)))

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_parameter(key, nn.Parameter(torch.randn(4)))
            self.register_buffer(f"{key}_", torch.randn(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * getattr(self, key) + getattr(self, f"{key}_")

    for model in (Named(), nn.Sequential(Named())):  # whose place stands in documentation
        _assert_same(model, model_code(model, (1, 2, 2)), (1, 2, 2))


@OFTEN
@given(NAME, NAME)
@example("class", '"""')
@example("Network", "raw \\alpha")
@example("print", 'ends with "')
@example("Module.__init__", "\\")
@example("___", "\udcff")
def test_names_and_documentation_of_classes(name: str, about: str) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1)).relu()

    def init(self: Any) -> None:
        nn.Module.__init__(self)
        self.linear = nn.Linear(4, 2)

    cls: Any = type("Own", (nn.Module,), {"__init__": init, "forward": forward})
    cls.__doc__ = about
    try:
        cls.__name__ = name
    except (ValueError, UnicodeEncodeError):  # Python takes no NUL and no half of a character
        return
    model = nn.Sequential(cls())
    code = model_code(model, (1, 2, 2))
    _assert_same(model, code, (1, 2, 2))
    written = [node for node in ast.parse(code.encode()).body if isinstance(node, ast.ClassDef)]
    assert len(written) == 2
    assert written[0].name.isidentifier()
    shown = (ast.get_docstring(written[0], clean=False) or "").split()
    line = about.strip().splitlines()[0].split() if about.strip() else []
    if written[0].name == name:
        assert _spelled("".join(line)) in "".join(shown)


def test_a_file_that_is_handed_on_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two class folders that were code together: the first one's backslash let the second out."""
    monkeypatch.chdir(tmp_path)
    classes = ["!\\", ", __import__('os').system('touch stolen'))#"]
    export(
        _small(),
        tmp_path / "out",
        input_size=(1, 2, 2),
        title='"""\n__import__("os").system("touch stolen")\n"""',
        classes=[*classes, "\udcff"],
        onnx=False,
    )
    written = (tmp_path / "out" / "model.py").read_bytes()
    assert _read(written.decode("utf-8"))["CLASSES"] == (*classes, "\udcff")
    assert not (tmp_path / "stolen").exists()


def test_numbers_of_numpy_and_of_ones_own() -> None:
    numpy = pytest.importorskip("numpy")

    class Loud(int):
        def __repr__(self) -> str:
            return "__import__('os').abort()"

    class Says(str):
        def __str__(self) -> str:
            return "__import__('os').abort()"

        __repr__ = __format__ = __str__  # type: ignore[assignment]

    assert literal((Loud(3), numpy.float64(0.5), numpy.int64(2))) == "(3, 0.5, 2)"
    assert literal(Says("fine")) == '"fine"'
    code = model_code(_small(), (1, 2, 2), mean=numpy.array([0.5]), std=numpy.array([0.25]))
    assert _read(code)["MEAN"] == (0.5,)
    with pytest.raises(UnwritableError, match="constant of type Thing, which cannot be written"):
        literal(type("Thing", (), {"__repr__": lambda self: "__import__('os').abort()"})())


@OFTEN
@given(NAME)
def test_literals_and_documentation_are_read_back(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text
    assert literal(text).isprintable()
    (line, *_) = text.splitlines() or [""]
    assert ast.literal_eval(f'"""{documentation(line)}"""') == _spelled(line)


@OFTEN
@given(NAME)
def test_identifiers(text: str) -> None:
    name = identifier(text, "x")
    assert name.isidentifier()
    inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY)  # refuses keywords
    assert identifier(name, "x") == name
