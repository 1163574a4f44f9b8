"""The test case on spaces finds architectures that do not come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial
from space_case_runs import run
from test_space_case import BROKEN as OF_SPACES

from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.testing import SpaceTestCase, ToySpace


@dataclass(frozen=True, kw_only=True)
class Unasked(ToySpace):
    """Decides by itself where a trial would, at random."""

    name = "unasked"
    num_layers: int | tuple[int, int] = 3

    def suggest(self, trial):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
        return super().suggest(study.ask())


@dataclass(frozen=True, kw_only=True)
class Generous(ToySpace):
    """Takes the first choice where a decision is missing or is none of the choices."""

    name = "generous"
    num_layers: int | tuple[int, int] = 3

    def architecture(self, source):
        if isinstance(source, dict):
            source = {
                name: value if (value := source.get(name)) in self.ops else self.ops[0]
                for name in self.distributions()
            }
        return super().architecture(source)


@dataclass(frozen=True, kw_only=True)
class ParamsOnly(ToySpace):
    """Reads a finished trial by its parameters alone, and takes the first choice for others."""

    name = "params_only"
    num_layers: int | tuple[int, int] = 3

    def architecture(self, source):
        if isinstance(source, FrozenTrial):
            source = dict.fromkeys(self.distributions(), self.ops[0]) | source.params
        return super().architecture(source)


@dataclass(frozen=True, kw_only=True)
class OtherCopy(ToySpace):
    """A copy in another process has other settings."""

    name = "other_copy"
    num_layers: int | tuple[int, int] = 3

    def __reduce__(self):
        return type(self), (), {"num_layers": 2}

    def __setstate__(self, state):
        object.__setattr__(self, "num_layers", state["num_layers"])


@dataclass(frozen=True, kw_only=True)
class DigestOfNames(ToySpace):
    """The digest of parameters is that of their names."""

    name = "digest_of_names"
    num_layers: int | tuple[int, int] = 3

    def digest(self, params):
        return f"{len(params):032x}"


@dataclass(frozen=True, kw_only=True)
class HalfPrefixed(ToySpace):
    """A second space in a trial takes the decisions of the first."""

    name = "half_prefixed"
    num_layers: int | tuple[int, int] = 3

    def suggest(self, trial):
        found = super().suggest(trial)
        if self.prefix != "second_":
            return found
        params = {name: self.ops[0] for name in found.params}
        return super().architecture(params)


@dataclass(frozen=True, kw_only=True)
class Greedy(ToySpace):
    """Decides on what belongs to nobody, which is missing when the trial is read."""

    name = "greedy"
    num_layers: int | tuple[int, int] = 3

    def suggest(self, trial):
        found = super().suggest(trial)
        trial.suggest_categorical("of_nobody", ["x", "y"])
        return found


@dataclass(frozen=True, kw_only=True)
class Flattened(ToySpace):
    """Reads every finished trial as if it had taken the first choices."""

    name = "flattened"
    num_layers: int | tuple[int, int] = 3

    def architecture(self, source):
        if isinstance(source, FrozenTrial):
            source = dict.fromkeys(source.params, self.ops[0])
        return super().architecture(source)


BROKEN: list[tuple[SearchSpace, str, dict[str, Any], str]] = [
    (Unasked(), "test_fixed_trial_round_trip", {}, "assert"),
    (Unasked(), "test_enqueued_architectures_are_evaluated", {}, "assert"),
    (Unasked(), "test_architectures_with_other_params", {}, "assert"),
    (Unasked(), "test_suggesting_twice_decides_once", {}, "assert"),
    (Flattened(), "test_frozen_trial_round_trip", {}, "must give what space.suggest gave"),
    (Flattened(), "test_database_round_trip", {}, "What was enqueued must be what a storage"),
    (Flattened(), "test_a_grid_is_covered", {}, "assert 1 == 9"),
    (Greedy(), "test_samplers_of_optuna", {"sampler": "random"}, "of_nobody"),
    (HalfPrefixed(), "test_two_spaces_in_one_trial", {}, "assert"),
    (
        ParamsOnly(),
        "test_the_stored_architecture_counts_more_than_the_params",
        {},
        "assert",
    ),
    (OtherCopy(), "test_pickle_round_trip", {}, "must be equal to its pickled copy"),
    (DigestOfNames(), "test_digest", {}, "0003' == "),
    (Generous(), "test_missing_decisions_are_refused", {}, "DID NOT RAISE"),
    (Generous(), "test_wrong_values_are_refused", {"wrong": "no such choice"}, "DID NOT RAISE"),
]


@pytest.mark.parametrize(
    ("space", "method", "given", "message"), BROKEN, ids=[method for _, method, *_ in BROKEN]
)
def test_a_space_that_loses_something_is_found(
    space: SearchSpace, method: str, given: dict[str, Any], message: str
) -> None:
    run(method, ToySpace(num_layers=3), **given)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        run(method, space, **given)


def test_json_that_loses_something_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    to_json: Callable[[Architecture], str] = Architecture.to_json
    monkeypatch.setattr(
        Architecture, "to_json", lambda self: to_json(self).replace("conv_3x3", "conv_1x1")
    )
    with pytest.raises(AssertionError, match="must give the architecture, not another one"):
        run("test_json_round_trip", ToySpace(num_layers=3))


def test_every_property_of_a_space_is_shown_to_fail() -> None:
    properties = {name for name in dir(SpaceTestCase) if name.startswith("test_")}
    shown = {method for _, method, *_ in [*BROKEN, *OF_SPACES]} | {
        "test_json_round_trip",
        "test_decisions_are_listed",  # and these in test_space_case
        "test_settings_are_json",
        "test_picture",
        "test_digests_are_kept",
    }
    assert properties == shown
