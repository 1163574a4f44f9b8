"""A function's hash changes with all code of one's own that it uses, and with nothing else."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import textwrap

import pytest

from optuna_nas._ground.source import hash_of_source
from optuna_nas.spaces import FunctionSpace
from optuna_nas.spaces.cells._own_ops import OwnOps

HELPERS = '''
"""Helpers in a module of their own."""

SCALE = 3
DEPTH = 1


def scaled(width):
    return width * SCALE
'''

NETS = '''
"""A space and all that it reaches."""

import dataclasses
import functools
import logging

import torch
from torch import nn
from torch.nn import ReLU as Act

import MODULE_HELPERS as helpers
from MODULE_HELPERS import scaled as made_wide

from optuna_nas.spaces import function_space

logger = logging.getLogger(__name__)
WIDTH = 16
TABLE = {"deep": [1, 2], "names": {"b", "a", "c"}}
unused = 1
state = 0


@dataclasses.dataclass(frozen=True)
class Config:
    dropout: float = 0.1

    def layer(self):
        return nn.Dropout(self.dropout)


CONFIG = Config(0.2)


class Base(nn.Module):
    def forward(self, x):
        return self.inner(x) + 1


class Inner(nn.Module):
    """Used by a method of the block only."""

    gain = 2.0

    @property
    def doubled(self):
        return twice(self.gain)

    def forward(self, x):
        return x * self.doubled


def twice(x):
    return 2 * x


class Block(Base):
    def __init__(self, width, bias=True):
        super().__init__()
        self.make(width, bias)

    def make(self, width, bias):
        self.inner = nn.Sequential(nn.Linear(width, width, bias=bias), Inner())


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        logger.info("called %s", __name__)
        return function(*args, **kwargs)

    return wrapper


def first():
    return "first"


def second():
    return "second"


CHOICES = [first, second]
narrow = functools.partial(nn.Linear, bias=False)


@logged
def decorated(width):
    return nn.Identity()


@functools.lru_cache
def cached(width):
    return nn.LayerNorm(width)


@torch.no_grad()
def without_gradients(width):
    return width


def sized(function):
    def size():
        return len(function())

    return size


size = sized(lambda: "closure")


def fallback():
    return 0


def default_of(width, extra=7, otherwise=fallback):
    return width + extra + size()


@function_space
def other(trial, *, num_classes=10):
    return nn.Linear(8, num_classes)


def unrelated(x):
    return x   +   1


@function_space
def net(trial, *, num_classes=10):
    global state
    state += 1
    logger.debug("building %s", __name__)
    width = default_of(WIDTH) + len(TABLE)
    layers = [Block(width), CONFIG.layer(), decorated(width), cached(width), Act(), other(trial)]
    layers += [narrow(width, made_wide(helpers.DEPTH)) for _ in CHOICES]
    layers += [nn.Linear(without_gradients(width), trial.suggest_int("width", 1, 4))]
    return nn.Sequential(*layers)
'''

PLAIN = """
import torch.nn.functional as F
from torch import nn
from torch.nn import Conv2d

from optuna_nas.nn import make_op
from optuna_nas.spaces import choice, function_space


@function_space
def plain(trial, *, num_classes=10):
    def head(width):
        return nn.Linear(width, num_classes)

    body = choice(trial, "op", {"sep": lambda: make_op("sep_conv_3x3", 4), "none": nn.Identity})
    return nn.Sequential(Conv2d(1, 4, 3), body, nn.Flatten(), head(trial.suggest_int("w", 1, 4)))
"""

_numbers = itertools.count()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write modules and import them under a fresh name each time."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(nets: str = NETS, helpers: str = HELPERS):
        number = next(_numbers)
        names = f"nets_of_test_{number}", f"helpers_of_test_{number}"
        (tmp_path / f"{names[1]}.py").write_text(helpers)
        path = tmp_path / f"{names[0]}.py"
        path.write_text(nets.replace("MODULE_HELPERS", names[1]))
        spec = importlib.util.spec_from_file_location(names[0], path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, names[0], module)
        monkeypatch.setitem(sys.modules, names[1], None)  # so that it is taken out at the end
        monkeypatch.delitem(sys.modules, names[1])
        spec.loader.exec_module(module)
        return module

    return load


def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


CHANGES = {
    "helper class": ("self.inner = nn.Sequential(", "self.inner = nn.Sequential(nn.ReLU(), "),
    "default argument of a method": ("def __init__(self, width, bias=True)", None),
    "base class": ("self.inner(x) + 1", "self.inner(x) + 2"),
    "helper of a helper": ("return x * self.doubled", "return x - self.doubled"),
    "attribute of a helper of a helper": ("gain = 2.0", "gain = 3.0"),
    "function in a property": ("return 2 * x", "return x + x"),
    "constant": ("WIDTH = 16", "WIDTH = 32"),
    "table of constants": ('"deep": [1, 2]', '"deep": [1, 3]'),
    "set in a table": ('{"b", "a", "c"}', '{"b", "a", "d"}'),
    "object": ("CONFIG = Config(0.2)", "CONFIG = Config(0.3)"),
    "method of an object": ("nn.Dropout(self.dropout)", "nn.AlphaDropout(self.dropout)"),
    "function in a table": ('return "second"', 'return "third"'),
    "order of functions in a table": ("[first, second]", "[second, first]"),
    "partial": ("nn.Linear, bias=False", "nn.Linear, bias=True"),
    "partial of another class": (
        "partial(nn.Linear,",
        "partial(nn.modules.linear.NonDynamicallyQuantizableLinear,",
    ),
    "decorated function": ("return nn.Identity()", "return nn.Tanh()"),
    "decorator": ("return function(*args, **kwargs)", "return nn.Identity()"),
    "cached function": ("nn.LayerNorm(width)", "nn.RMSNorm(width)"),
    "function behind a library's decorator": ("    return width\n", "    return width + 1\n"),
    "default argument": ("extra=7", "extra=8"),
    "function as a default argument": ("return 0", "return 1"),
    "function in a closure": ('"closure"', '"other"'),
    "another space": ("nn.Linear(8, num_classes)", "nn.Linear(9, num_classes)"),
    "class of a library": ("import ReLU as Act", "import Tanh as Act"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_the_function_reaches_changes_its_hash(name, load):
    old, new = CHANGES[name]
    if new is None:
        new = old.replace("True", "False")
    space, changed = load().net, load(edited(NETS, old, new)).net
    assert space.source_hash != changed.source_hash
    assert space.digest({"width": 1}) != changed.digest({"width": 1})


@pytest.mark.parametrize(
    "change",
    [("SCALE = 3", "SCALE = 4"), ("DEPTH = 1", "DEPTH = 2"), ("width * SCALE", "width + SCALE")],
)
def test_helpers_in_other_modules_of_ones_own_are_reached(change, load):
    assert load().net.source_hash != load(helpers=edited(HELPERS, *change)).net.source_hash


def test_helpers_that_are_defined_later_are_reached(load):
    text = PLAIN.replace("head(trial.", "late(trial.") + "\n\ndef late(x):\n    return nn.ReLU()\n"
    assert load(text).plain.source_hash != load(edited(text, "ReLU", "Tanh")).plain.source_hash


@pytest.mark.parametrize(
    "change",
    [
        ("return x   +   1", "return x + 1"),
        ("unused = 1", "unused = 2"),
        ("state = 0", "state = 5"),
        ("logging.getLogger(__name__)", "logging.getLogger()"),
        ("\nWIDTH = 16", "\n\n# A comment\nWIDTH = 16"),
        ('{"b", "a", "c"}', '{"c", "b", "a"}'),
    ],
)
def test_what_is_not_reached_does_not_change_the_hash(change, load):
    assert load().net.source_hash == load(edited(NETS, *change)).net.source_hash


def test_the_hash_does_not_follow_what_runs(load):
    module = load()
    before = hash_of_source([module.net.function])
    module.net.architecture({"width": 1})
    assert module.state > 0
    assert hash_of_source([module.net.function]) == before


def test_a_function_without_helpers_keeps_the_hash_of_earlier_versions(load):
    """As it was made (``plain.source_hash``) before helpers counted."""
    assert load(PLAIN).plain.source_hash == "803e42f693c5bea9"


@pytest.mark.slow
def test_the_hash_is_the_same_in_every_process_and_place(load, tmp_path):
    script = tmp_path / "script.py"
    (tmp_path / "script_helpers.py").write_text(HELPERS)
    script.write_text(
        NETS.replace("MODULE_HELPERS", "script_helpers") + "\nprint(net.source_hash)\n"
    )
    expected = load().net.source_hash
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_own_operations_are_hashed_with_their_helpers(load):
    text = """
        from torch import nn

        class Gate(nn.Module):
            def forward(self, x):
                return x * x.sigmoid()

        def mine(channels, stride):
            return nn.Sequential(Gate(), nn.Conv2d(channels, channels, 3, stride, padding=1))
    """
    text = textwrap.dedent(text)
    first, same, other = (
        OwnOps({"mine": load(code).mine}).source_hash
        for code in (text, text, edited(text, "sigmoid", "tanh"))
    )
    assert first == same != other


def test_functions_typed_into_an_interpreter_reach_their_helpers():
    def typed(factor: int) -> str:
        names: dict[str, object] = {"__name__": "__main__"}
        code = "def helper(x):\n    return {} * x\n\ndef net(trial):\n    return helper(trial)\n"
        exec(code.format(factor), names)
        return FunctionSpace(function=names["net"]).source_hash

    assert typed(2) == typed(2) != typed(3)


def test_helpers_that_call_each_other_are_looked_into_once():
    hashes = [hash_of_source([_even]), hash_of_source([_odd])]
    assert hashes[0] != hashes[1]


def _even(n: int) -> bool:
    return n == 0 or _odd(n - 1)


def _odd(n: int) -> bool:
    return n > 0 and _even(n - 1)
