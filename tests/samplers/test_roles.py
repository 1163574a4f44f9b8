"""Roles are read from the end of names."""

from __future__ import annotations

import pytest

from optuna_nas.samplers.base._roles import Roles
from optuna_nas.spaces import SPACES


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("op_3_from_1", "op"),
        ("normal_2_op_a", "op"),
        ("normal_2_input_a", "input"),
        ("normal_3_inputs", "input"),
        ("normal_2_combine", None),
        ("layer_07_from_03", "anchor"),
        ("layer_07_op", "op"),
        ("layer_07_height", None),
        ("num_layers", "growth"),
        ("num_blocks", "growth"),
        ("block_3_layers", None),
        ("lr", None),
        ("optimizer", None),
        ("top", None),
    ],
)
def test_names_of_our_spaces(name: str, role: str | None) -> None:
    assert Roles().of(name) == role


def test_every_space_has_operations_or_inputs_with_a_role() -> None:
    for space in SPACES:
        if space in ("mnasnet", "nas_rl", "mlp"):  # fields of a block or layer, anchors, sizes
            continue
        names = SPACES[space]().distributions()
        assert any(Roles().of(name) == "op" for name in names), space


def test_own_names_come_first() -> None:
    roles = Roles({r"^edge\d+$": "op", "_op$": "input"})
    assert roles.of("edge12") == "op"
    assert roles.of("layer_01_op") == "input"


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"x": "weights"}, "must map patterns to one of anchor, growth, input, op"),
        ({"(": "op"}, "no regular expression"),
    ],
)
def test_bad_roles_are_refused(own: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Roles(own)
