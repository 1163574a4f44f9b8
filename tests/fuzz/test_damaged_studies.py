"""Damaged attributes of trials and settings of studies."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from bounds import SIZE, SPACE, reads
from damage import damaged_value
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.cli.commands._best import describe, summary
from optuna_nas.keys import STUDY_KEY
from optuna_nas.objectives import (
    DARTSObjective,
    DARTSVariant,
    MacsReward,
    TrainingObjective,
    best_trials,
    derived_metrics,
    fail_dead_trials,
    read_alphas,
    read_identity,
    recipe_of,
    sampled_hyperparameters,
)
from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints
from optuna_nas.pruners import CollapsePruner
from optuna_nas.samplers import (
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
    best_architecture,
    parents_of,
)
from optuna_nas.training import Recipe

pytestmark = pytest.mark.slow
SAMPLERS: tuple[Callable[..., optuna.samplers.BaseSampler], ...] = (
    RandomSearchSampler,
    lambda **options: RegularizedEvolutionSampler(population_size=5, tournament_size=3, **options),
    LocalSearchSampler,
    PredictorSampler,
    lambda **options: ReinforceSampler(batch_size=5, **options),
    lambda **options: PPOSampler(batch_size=5, **options),
)


@pytest.fixture(scope="module")
def trials(data: Any, tmp_path_factory: pytest.TempPathFactory) -> list[FrozenTrial]:
    """Trials with every attribute that our objectives and samplers write."""
    folder = tmp_path_factory.mktemp("checkpoints")
    found: list[FrozenTrial] = []
    plain, rewarded = (
        TrainingObjective(
            SPACE,
            data,
            epochs=2,
            value=value,
            build=SIZE,
            device="cpu",
            checkpoints=folder,
            keep_checkpoints=1,
            latency=lambda model, size: 1.5,
            max_latency_ms=100.0,
            hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 0.01, 0.1)},
        )
        for value in ("metric", MacsReward(target_macs=1e5))
    )
    darts = DARTSObjective(
        SPACE,
        data,
        epochs=2,
        eval_epochs=1,
        supernet=SIZE,
        build=SIZE,
        recipe=Recipe(batch_size=16, nesterov=False),
        variant=DARTSVariant(watch_eigenvalue=True),
        device="cpu",
    )
    runs = (
        (rewarded, SAMPLERS[5], 3),
        (plain, SAMPLERS[1], 8),
        (darts, RandomSearchSampler, 1),
    )
    for objective, make, count in runs:
        study = optuna.create_study(direction="maximize", sampler=make(seed=0))
        study.optimize(objective, n_trials=count)
        found += study.trials
    return found


def damaged_trial(trial: FrozenTrial, rng: random.Random) -> tuple[FrozenTrial, int]:
    """A trial with some of its attributes damaged, and how many."""
    attributes = {"user_attrs": dict(trial.user_attrs), "system_attrs": dict(trial.system_attrs)}
    places = [(kind, key) for kind, of in attributes.items() for key in of]
    chosen = rng.sample(places, k=min(len(places), rng.choice((1, 2, 5, len(places)))))
    for kind, key in chosen:
        attributes[kind][key] = damaged_value(attributes[kind][key], rng)
    state = rng.choice((TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED))
    reports = {epoch: rng.choice((0.5, 99.0, float("nan"))) for epoch in range(rng.randrange(4))}
    made = optuna.create_trial(
        state=state,
        values=trial.values if state == TrialState.COMPLETE else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=reports if rng.random() < 0.5 else trial.intermediate_values,
        **attributes,
    )
    return made, len(chosen)


def test_attributes(trials: list[FrozenTrial], data: Any, tmp_path: Path) -> None:
    rng, damaged = random.Random(0), 0
    while damaged < 9_000:
        study = optuna.create_study(direction="maximize")
        for _ in range(60):
            trial, count = damaged_trial(rng.choice(trials), rng)
            study.add_trial(trial)
            damaged += count
        read_all(study, rng, tmp_path)


def read_all(study: optuna.Study, rng: random.Random, folder: Path) -> None:
    """Read a study as samplers, objectives, figures and commands do."""
    study.sampler = rng.choice(SAMPLERS)(seed=1, space=rng.choice((SPACE, None)))
    checkpoints = TrialCheckpoints.at(folder, 1)
    assert checkpoints is not None
    reads(_search, study)
    for of_study in (
        best_architecture,
        fail_dead_trials,
        sampled_hyperparameters,
        derived_metrics,
        summary,
    ):
        reads(of_study, study)
    reads(best_trials, study, 3)
    reads(checkpoints.prune, study)
    for trial in study.trials[:60]:
        for of_trial in (SPACE.architecture, read_alphas, parents_of):
            reads(of_trial, trial)
        reads(recipe_of, trial, Recipe())
        reads(describe, study, SPACE, trial)
        reads(CollapsePruner().prune, study, trial)


def _search(study: optuna.Study) -> None:
    for _ in range(2):
        trial = study.ask()
        SPACE.suggest(trial)
        study.tell(trial, 0.5)


def test_settings_of_studies(data: Any) -> None:
    rng = random.Random(1)
    objective = TrainingObjective(SPACE, data, epochs=1, build=SIZE, device="cpu")
    key, sound = STUDY_KEY, json.loads(json.dumps(objective.identity.to_json()))
    for _ in range(500):
        other = optuna.create_study(direction="maximize")
        value = damaged_value(sound, rng)
        with contextlib.suppress(ValueError, TypeError):  # of Optuna, that JSON has no such value
            other.set_user_attr(key, value)
        reads(read_identity, other, what=value)
        reads(objective.prepare, other, what=value)
