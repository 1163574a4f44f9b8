"""Attributes of trials and studies are checked where they are read."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from hostile import HOSTILE, told
from optuna.trial import FrozenTrial

import optuna_nas
from optuna_nas._ground import attributes as _attributes
from optuna_nas._ground.attributes import (
    Attribute,
    fields,
    integer,
    json_value,
    list_of,
    mapping,
    matching,
    number,
    optional,
    real,
    scalar,
    shown,
    text,
    truth,
)

PARENTS = Attribute("parents", list_of(integer()))


def _trial(**attributes: Any) -> FrozenTrial:
    study = optuna.create_study()
    study.add_trial(optuna.create_trial(value=1.0, user_attrs=attributes))
    return study.trials[0]


ADAPTERS = {
    "optuna_nas.training.adapters._lightning": "lightning",
    "optuna_nas.training.adapters._trainer": "transformers",
}
"""Modules that need a package of an extra."""


def _all_attributes() -> dict[str, Attribute[Any]]:
    """Every attribute that a module of the package describes."""
    found = {}
    for module in pkgutil.walk_packages(optuna_nas.__path__, "optuna_nas."):
        needs = ADAPTERS.get(module.name)
        if needs is not None and importlib.util.find_spec(needs) is None:
            continue
        described = vars(importlib.import_module(module.name)).values()
        found |= {a.key: a for a in described if isinstance(a, Attribute)}
    return found


def test_every_attribute_refuses_hostile_values_by_a_value_error() -> None:
    attributes = _all_attributes()
    assert len(attributes) > 25
    for attribute in attributes.values():
        refusals = [refusal for v in HOSTILE.values() if (refusal := _refusal(attribute, v))]
        assert len(refusals) >= 5, attribute.key
        assert all("but is" in refusal and len(refusal) < 500 for refusal in refusals)


def _refusal(attribute: Attribute[Any], value: object) -> str:
    """Why a value is refused; empty if it is not."""
    try:
        attribute.decode(value)
    except ValueError as e:
        return str(e)
    return ""


def test_what_is_missing_is_none_and_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert PARENTS.read(_trial()) is None
    assert not told(caplog.records)


def test_what_is_sound_is_returned(caplog: pytest.LogCaptureFixture) -> None:
    assert PARENTS.read(_trial(parents=[3, 4])) == [3, 4]
    assert not told(caplog.records)


@pytest.mark.parametrize("value", [v for k, v in HOSTILE.items() if k != "an empty list"])
def test_a_damaged_one_is_none_with_one_warning(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    trial = _trial(parents=value)
    assert [PARENTS.read(trial) for _ in range(3)] == [None] * 3
    (warning,) = told(caplog.records)
    assert "The attribute 'parents' of trial 0 " in warning
    assert "Find out what else writes to the storage" in warning
    assert len(warning) < 500


def test_each_trial_and_key_has_a_warning_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    other = Attribute("others", list_of(integer()))
    first, second = _trial(parents=5, others=5), _trial(parents=5)
    for trial in (first, second, first):
        PARENTS.read(trial)
        other.read(trial)
    assert len(told(caplog.records)) == 3


def test_the_record_of_warnings_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_attributes, "MAX_WARNINGS", 3)
    monkeypatch.setattr(_attributes, "_warned", _attributes._Warned())
    for _ in range(10):
        PARENTS.read(_trial(parents=5))
    warnings = told(caplog.records)
    assert ["without a word" in warning for warning in warnings] == [False, False, True]


def test_a_study_of_unknown_identity_is_an_error() -> None:
    attribute = Attribute("what", fields({"space": text()}))
    study = optuna.create_study(study_name="mine")
    assert attribute.require(study) is None
    study.set_user_attr("what", {"space": 5})
    message = r"The study 'mine' has a damaged attribute 'what': it has 'space', which must be a "
    message += r"text .* but is 5\. Going on would mix results: restore a copy"
    with pytest.raises(ValueError, match=message):
        attribute.require(study)


def test_a_studys_other_attributes_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    study = optuna.create_study(study_name="other")
    study.set_user_attr("parents", "x")
    assert PARENTS.read(study) is None
    assert "The attribute 'parents' of study 'other' must be a list" in told(caplog.records)[0]


@pytest.mark.parametrize(
    ("decode", "sound", "damaged"),
    [
        (integer(1, 9), [1, 9], [0, 10, 1.0, True, "1", None, 10**400]),
        (number(0.0, 2.0), [0, 2, 0.5], [-0.1, 3, True, "1", 10**400, float("nan")]),
        (real, [0, float("inf"), -1.5], [True, "1", 10**400, None]),
        (text(3), ["", "abc"], ["abcd", 5, None, ["a"]]),
        (matching("a[0-9]", "a digit after an a"), ["a1"], ["a", "a12", "a1\n", 5]),
        (truth, [True, False], [1, "true", None]),
        (scalar, [None, True, 1, 0.5, "a"], [[], {}, "x" * 10**6]),
        (optional(integer()), [None, 3], ["a", -1]),
        (list_of(integer(), at_least=1, at_most=2), [[1], [1, 2]], [[], [1, 2, 3], ["a"], "ab"]),
        (
            mapping(integer(), at_most=1),
            [{}, {"a": 1}],
            [{"a": "b"}, {1: 1}, [], {"a": 1, "b": 1}],
        ),
        (json_value, [{"a": [1, None]}, 3], [HOSTILE["nested lists"], {"a": {1}}, {1: 2}]),
    ],
)
def test_decoders(decode: Any, sound: list[object], damaged: list[object]) -> None:
    assert [decode(value) for value in sound] == sound
    for value in damaged:
        with pytest.raises(ValueError, match=r"must be .*, but is "):
            decode(value)


def test_fields_that_are_not_known_are_left_out_or_decoded() -> None:
    value = {"a": 1, "b": 2, "c": [3]}
    assert fields({"a": integer()}, {"b": integer()})(value) == {"a": 1, "b": 2}
    assert fields({"a": integer()}, others=json_value)(value) == value
    with pytest.raises(ValueError, match="must be a mapping with d, but is"):
        fields({"d": integer()})(value)


def test_any_value_is_shown_in_a_few_words() -> None:
    values = [*HOSTILE.values(), 10**5000, {"a": "x" * 10**6}, [[1] * 10**5] * 100]
    assert all(len(shown(value)) < 400 for value in values)


def test_attributes_are_read_nowhere_else() -> None:
    raw = re.compile(r"_attrs(\[|\.get\b|\.items\b)|\bin \w+\.(user|system)_attrs\b")
    package = Path(optuna_nas.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if raw.search(line)
    ]
    allowed = (
        "_ground/attributes.py",
        "keys.py",
        "spaces/base/_identity.py",
        "objectives/identity/_study_check.py",  # copied, with a trial that waits again
        "objectives/trial/_workers.py",
        "objectives/own_loop/_shared_trial.py",  # kept as they are, of another process
    )
    assert not [line for line in found if not line.startswith(allowed)]
