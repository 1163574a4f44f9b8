"""Where a trial comes from, as it is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from finished_trials import alike, finished, suggest

from optuna_nas.keys import LINEAGE_KEY
from optuna_nas.samplers import (
    ArchitectureSampler,
    LocalSearchSampler,
    RegularizedEvolutionSampler,
    parents_of,
)


def _evolution() -> ArchitectureSampler:
    return RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)


def _local() -> ArchitectureSampler:
    return LocalSearchSampler(n_startup_trials=2, seed=0)


both = pytest.mark.parametrize("make", [_evolution, _local])


@both
def test_the_stored_form_is_pinned(
    make: Callable[[], ArchitectureSampler], tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(storage=storage, sampler=make())
    for choice in "ae":
        study.add_trial(finished(alike(choice), 0.0 if choice == "a" else 1.0))
    study.optimize(lambda trial: float(len(suggest(trial))), n_trials=4)
    for trial in study.trials[2:]:
        lineage = trial.system_attrs["optuna_nas:lineage"]
        assert lineage.keys() == {"parents", "mutated"}
        (parent,) = lineage["parents"]
        (name,) = lineage["mutated"]
        theirs = study.trials[parent].params
        assert [n for n in trial.params if trial.params[n] != theirs[n]] == [name]
        assert parents_of(trial) == [parent]
    assert LINEAGE_KEY == "optuna_nas:lineage"
    assert parents_of(study.trials[0]) == []


@both
def test_enqueued_values_count_as_mutated(make: Callable[[], ArchitectureSampler]) -> None:
    study = optuna.create_study(sampler=make())
    for value in (0.0, 1.0):
        study.add_trial(finished(alike("a"), value))
    study.enqueue_trial({"op_3": "d"})
    trial = study.ask()
    suggest(trial)
    stored = study.trials[-1].system_attrs[LINEAGE_KEY]["mutated"]
    assert "op_3" in stored
    assert stored == [name for name, value in trial.params.items() if value != "a"]


@both
def test_a_range_that_has_grown_keeps_its_parents_value(
    make: Callable[[], ArchitectureSampler],
) -> None:
    """The same number in a wider range is no mutation."""
    study = optuna.create_study(sampler=make())

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("width", *((2, 3) if trial.number < 4 else (1, 5)))
        suggest(trial)
        return float(trial.number)

    study.optimize(objective, n_trials=12)
    for trial in study.trials[4:]:
        lineage = trial.system_attrs.get(LINEAGE_KEY)
        if lineage is not None:
            theirs = study.trials[lineage["parents"][0]].params
            changed = [n for n in trial.params if trial.params[n] != theirs[n]]
            assert sorted(lineage["mutated"]) == sorted(changed)
