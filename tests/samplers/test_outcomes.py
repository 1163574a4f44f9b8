"""The one order of outcomes: complete > pruned > infeasible > failed."""

from __future__ import annotations

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.samplers.base._outcomes import outcome_key

MAXIMIZE, MINIMIZE = [StudyDirection.MAXIMIZE], [StudyDirection.MINIMIZE]


def _trial(
    state: TrialState = TrialState.COMPLETE,
    value: float | None = None,
    reports: dict[int, float] | None = None,
    **constraints: float,
) -> FrozenTrial:
    return optuna.create_trial(
        state=state, value=value, intermediate_values=reports, constraints=constraints
    )


BEST_FIRST = [
    _trial(value=0.9),
    _trial(value=0.4, limit=0.0),
    _trial(TrialState.PRUNED, reports={1: 0.1, 3: 0.3}),
    _trial(TrialState.PRUNED, reports={1: 0.95, 2: 0.99}),
    _trial(TrialState.PRUNED, reports={2: 0.5}),
    _trial(TrialState.PRUNED, reports={2: float("nan")}),
    _trial(TrialState.PRUNED),
    _trial(TrialState.PRUNED, limit=1.0),
    _trial(value=1.0, limit=1.0, other=0.5),
    _trial(TrialState.FAIL),
]


def test_order_when_larger_is_better() -> None:
    keys = [outcome_key(trial, MAXIMIZE) for trial in BEST_FIRST]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_direction_turns_values_but_not_kinds() -> None:
    low, high = _trial(value=1.0), _trial(value=2.0)
    assert outcome_key(low, MINIMIZE) < outcome_key(high, MINIMIZE)
    assert outcome_key(high, MAXIMIZE) < outcome_key(low, MAXIMIZE)
    deep = _trial(TrialState.PRUNED, reports={9: 5.0})
    assert outcome_key(high, MINIMIZE) < outcome_key(deep, MINIMIZE)


@pytest.mark.parametrize("directions", [MAXIMIZE, MINIMIZE])
def test_equal_outcomes_have_equal_keys(directions: list[StudyDirection]) -> None:
    first, second = _trial(value=0.5, limit=-1.0), _trial(value=0.5)
    assert outcome_key(first, directions) == outcome_key(second, directions)


def test_several_objectives_are_not_ordered_but_states_and_violations_are() -> None:
    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    first, second = (optuna.create_trial(values=values) for values in ([1.0, 2.0], [3.0, 1.0]))
    pruned, infeasible = _trial(TrialState.PRUNED), optuna.create_trial(values=[9.0, 0.0])
    infeasible.set_constraint("limit", 1.0)
    assert outcome_key(first, directions) == outcome_key(second, directions)
    assert outcome_key(first, directions) < outcome_key(pruned, directions)
    assert outcome_key(pruned, directions) < outcome_key(infeasible, directions)
