"""What Python must not do with a decision that a supernet leaves open."""

import copy
import math
import operator

import pytest
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.spaces import MixtureError, choice, function_space

MISUSES = {
    "if": (lambda m: 1 if m else 2, "cannot be true or false"),
    "and": (lambda m: m and 1, "cannot be true or false"),
    "eq": (lambda m: m == "a", "cannot be compared"),
    "ne": (lambda m: m != "a", "cannot be compared"),
    "lt": (lambda m: 3 < m, "cannot be compared"),
    "in": (lambda m: m in ("x", "y"), "cannot be compared"),
    "hash": (lambda m: {m: 1}, "cannot be a key"),
    "lookup": (lambda m: {"a": 1}[m], "cannot be a key"),
    "f-string": (lambda m: f"{m}_conv", "has no text"),
    "str": (str, "has no text"),
    "join": (lambda m: "_".join(["conv", str(m)]), "has no text"),
    "int": (int, "is no number"),
    "float": (float, "is no number"),
    "round": (round, "is no number"),
    "ceil": (math.ceil, "is no number"),
    "range": (range, "is no number"),
    "index": (lambda m: [1, 2][m], "is no number"),
    "iter": (list, "cannot be iterated"),
    "unpack": (lambda m: (lambda a, b: a)(*m), "cannot be iterated"),
    "len": (len, "has no length"),
    "item": (lambda m: m[0], "has no items"),
    "contains": (lambda m: "a" in m, "has no items"),
    "call": (lambda m: m(), "cannot be called"),
    "add": (lambda m: m + 1, "cannot be computed with"),
    "radd": (lambda m: 1 + m, "cannot be computed with"),
    "concat": (lambda m: "x" + m, "cannot be computed with"),
    "mul": (lambda m: 2 * m, "cannot be computed with"),
    "div": (lambda m: m // 2, "cannot be computed with"),
    "neg": (operator.neg, "cannot be computed with"),
    "pow": (lambda m: 2**m, "cannot be computed with"),
    "mod": (lambda m: 8 % m, "cannot be computed with"),
    "conv": (lambda m: nn.Conv2d(3, m, 3), "cannot be computed with"),
    "make_op": (lambda m: make_op(m, 4, in_channels=4), "has no text"),
    "unused": (lambda m: None, "must not be left without use"),
}


@pytest.mark.parametrize("use", MISUSES)
def test_any_use_of_a_mixture_is_an_error(use):
    misuse, message = MISUSES[use]

    @function_space(prefix="my_")
    def careless(trial):
        misuse(trial.suggest_categorical("op", ["a", "b"]))
        return nn.Identity()

    with pytest.raises(MixtureError, match=rf"`my_op`.*({message}).*fixed=\{{'my_op': \.\.\."):
        careless.supernet()


def test_attributes_of_a_mixture():
    @function_space
    def careless(trial):
        return nn.Linear(trial.suggest_categorical("width", [3, 4]).bit_length(), 1)

    with pytest.raises(AttributeError, match=r"`width`.*no `\.bit_length`.*fixed=\{'width'"):
        careless.supernet()


def test_a_mixture_can_be_looked_at_and_copied():
    seen = []

    @function_space
    def curious(trial):
        module = choice(trial, "op", {"a": nn.Identity, "b": nn.ReLU})
        seen.append(repr(copy.copy(trial.params["op"])))
        return module

    curious.supernet()
    assert seen == ["Mixture('op', choices=('a', 'b'))"]
