"""A run is reused where it is equal in everything, and nowhere else."""

from __future__ import annotations

import optuna
import pytest
from tiny_trainings import CONV, SKIP, SPACE, objective_of, study_of

from optuna_nas.keys import COPY_KEY, HYPERPARAMETERS_KEY, MACS_KEY, PARAMS_KEY
from optuna_nas.objectives import recipe_of
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.training import ImageData, Recipe, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def test_an_equal_run_is_reused(data: ImageData) -> None:
    study = study_of()
    # The same network written differently: node 1 reaches nothing.
    equal = SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    same = SPACE.parse("|none~0|+|nor_conv_1x1~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    for architecture in (equal, same, CONV):
        architecture.enqueue(study)
    study.optimize(objective_of(data), n_trials=3)
    original, copy, other = study.trials
    assert copy.user_attrs[COPY_KEY] == 0
    assert (copy.value, copy.intermediate_values) == (original.value, original.intermediate_values)
    assert copy.user_attrs[PARAMS_KEY] == original.user_attrs[PARAMS_KEY]
    assert COPY_KEY not in original.user_attrs
    assert COPY_KEY not in other.user_attrs


def test_other_hyperparameters_are_another_run(data: ImageData) -> None:
    study = study_of()
    for lr in (0.1, 0.1, 0.2):
        CONV.enqueue(study, lr=lr)
    objective = objective_of(
        data, hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1.0, log=True)}
    )
    study.optimize(objective, n_trials=3)
    assert [COPY_KEY in trial.user_attrs for trial in study.trials] == [False, True, False]
    assert [trial.params["lr"] for trial in study.trials] == [0.1, 0.1, 0.2]
    assert HYPERPARAMETERS_KEY == "optuna_nas:hyperparameters"
    assert [trial.user_attrs[HYPERPARAMETERS_KEY]["lr"] for trial in study.trials][1:] == [
        0.1,
        0.2,
    ]
    assert recipe_of(study.trials[2], Recipe(momentum=0.8)) == Recipe(lr=0.2, momentum=0.8)


def test_repeats_that_a_sampler_wants_are_trained(data: ImageData) -> None:
    sampler = RegularizedEvolutionSampler.amoebanet(
        population_size=2, tournament_size=2, identity_probability=0.9, seed=0
    )
    study = study_of(sampler=sampler)
    study.optimize(objective_of(data, epochs=1), n_trials=8)
    architectures = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(architectures)) < 8
    assert not any(COPY_KEY in trial.user_attrs for trial in study.trials)


def test_several_objectives_with_a_wrapper(data: ImageData) -> None:
    objective = objective_of(data)

    def both(trial: optuna.Trial) -> tuple[float, int]:
        return objective(trial), trial.user_attrs[MACS_KEY]

    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=RandomSearchSampler(seed=0)
    )
    for architecture in (CONV, CONV, SKIP):  # the repetition is trained too
        architecture.enqueue(study)
    study.optimize(both, n_trials=3)
    assert all(len(trial.values) == 2 for trial in study.trials)
    assert not any(COPY_KEY in trial.user_attrs for trial in study.trials)


def test_nothing_is_reused_where_reports_are_not_taken(data: ImageData) -> None:
    """A trial of one objective that was copied into a study with two has reports to repeat."""
    one = study_of(CONV)
    one.optimize(objective_of(data, epochs=1), n_trials=1)
    (old,) = one.trials
    two = study_of(direction=None, directions=["maximize", "minimize"])
    two.add_trial(
        optuna.create_trial(
            values=[old.value, 0.0],
            user_attrs=old.user_attrs,
            params=old.params,
            distributions=old.distributions,
            intermediate_values=old.intermediate_values,
        )
    )
    CONV.enqueue(two)
    objective = objective_of(data, epochs=1)
    two.optimize(lambda trial: (objective(trial), 0.0), n_trials=1)
    assert COPY_KEY not in two.trials[1].user_attrs
    assert two.trials[1].values[0] > 0
