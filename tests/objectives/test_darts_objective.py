"""One trial is one search: what it reports, keeps and derives, and when it ends early."""

from __future__ import annotations

import json

import optuna
import pytest
from darts_searches import DATA, RECIPE, SIZE, SPACE, objective, run
from optuna.trial import TrialState

from optuna_nas._ground.keyed import derived_seed
from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    EigenvalueStop,
    GumbelMixing,
    TrainingObjective,
    read_alphas,
    read_identity,
)
from optuna_nas.objectives.evaluation import training_seed
from optuna_nas.objectives.one_shot._learner import BilevelLearner
from optuna_nas.training import Recipe, fit, seeded

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_trial_keeps_its_search():
    study = run(objective(watch_eigenvalue=True))
    first = study.trials[0]
    attributes = first.user_attrs
    assert sorted(first.intermediate_values) == [1, 2, 3]
    architecture = SPACE.architecture(first)
    seed = derived_seed(training_seed(0, first), 0, "judge")
    with seeded(seed):
        model = architecture.build(num_classes=10, in_channels=1, **SIZE)
    alone = fit(model, DATA, epochs=1, recipe=RECIPE, seed=seed, device="cpu", channels_last=True)
    assert first.value == alone.last.val_metric
    assert json.loads(attributes["optuna_nas:architecture"])["params"] == architecture.params
    assert attributes["optuna_nas:digest"] == architecture.digest
    assert attributes["optuna_nas:one_shot_accuracy"] == first.intermediate_values[3]
    for key in ("entropy", "skip_share", "eigenvalue"):
        assert len(attributes[f"optuna_nas:darts:{key}"]) == 3
    alphas = read_alphas(first)
    assert [list(rows) for rows in alphas] == [list(SPACE.distributions())] * 3
    assert all(sum(row) == pytest.approx(1.0, abs=1e-3) for row in alphas[2].values())
    best = {name: max(range(5), key=row.__getitem__) for name, row in alphas[2].items()}
    ops = SPACE.distributions()["op_1_from_0"].choices
    assert architecture.params == {name: ops[i] for name, i in best.items()}
    assert alphas[0] != alphas[2]
    assert attributes["optuna_nas:darts:choices"] == {
        name: list(distribution.choices) for name, distribution in SPACE.distributions().items()
    }
    assert first.params == {}


def test_epochs_are_told_as_they_end():
    told = []
    study = run(objective(on_epoch=lambda *event: told.append(event), eval_epochs=2))
    assert [(phase, result.epoch) for phase, result in told] == [
        *(("search", 1), ("search", 2), ("search", 3), ("evaluation", 1), ("evaluation", 2))
    ]
    searched = [result.val_metric for phase, result in told if phase == "search"]
    assert searched == list(study.trials[0].intermediate_values.values())
    assert told[-1][1].val_metric == study.trials[0].value


def test_the_architecture_goes_to_another_study():
    derived = SPACE.architecture(run(objective()).best_trial)
    other = optuna.create_study(direction="maximize")
    other.enqueue_trial(derived.params)
    other.optimize(TrainingObjective(SPACE, DATA, epochs=1, build=SIZE), n_trials=1)
    assert SPACE.architecture(other.trials[0]) == derived


def test_the_value_may_be_that_of_the_supernet():
    trial, other = run(objective(value="one_shot"), 2).trials
    assert trial.value == trial.intermediate_values[3]
    assert read_alphas(trial)[0] != read_alphas(other)[0]  # each has a seed of its own


def test_hyperparameters_are_suggestions():
    seen = []

    def suggest(trial):
        seen.append(trial.suggest_float("alpha_lr", 1e-3, 1e-2))
        return {
            "alpha_lr": seen[-1],
            "alpha_warmup_epochs": 1,
            "lr": trial.suggest_float("lr", 0, 1),
        }

    study = run(objective(hyperparameters=suggest, value="one_shot"))
    assert study.trials[0].params.keys() == {"alpha_lr", "lr"}
    first, second, _ = read_alphas(study.trials[0])
    assert (
        max(max(row) - min(row) for row in first.values()) < 0.01
    )  # they have not begun to learn
    assert first != second
    with pytest.raises(ValueError, match=r"`hyperparameters` must return.*returned \['gamma'\]"):
        run(objective(hyperparameters=lambda trial: {"gamma": 1.0}))


def test_the_eigenvalue_ends_a_search(monkeypatch):
    """Epochs are read until the average has risen; the architecture is that of an earlier one."""
    given = iter([1.0, 1.0, 5.0, 5.0, 5.0])
    monkeypatch.setattr(BilevelLearner, "_eigenvalue", lambda self, val: next(given))
    stop = EigenvalueStop(window=1, lag=1, from_epoch=0)
    ours = objective(epochs=5, stop=stop, value="one_shot")
    trial = run(ours).trials[0]
    assert trial.user_attrs["optuna_nas:darts:eigenvalue"] == [1.0, 1.0, 5.0]
    weights = read_alphas(trial)[1]
    ops = SPACE.distributions()["op_1_from_0"].choices
    expected = {n: ops[max(range(5), key=row.__getitem__)] for n, row in weights.items()}
    assert SPACE.architecture(trial).params == expected


def test_optuna_prunes():
    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.last_step == 2

    trial = run(objective(), pruner=Second()).trials[0]
    assert trial.state == TrialState.PRUNED
    assert len(trial.user_attrs["optuna_nas:darts:entropy"]) == 2


def test_what_cannot_be_trained_is_pruned():
    trial = run(objective(recipe=Recipe(lr=1e30, batch_size=16))).trials[0]
    assert trial.state == TrialState.PRUNED
    assert "searching in" in trial.user_attrs["optuna_nas:infeasible"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": 3}, ValueError, "`order` must be 1 or 2"),
        (
            {"order": 2, "mixing": GumbelMixing()},
            ValueError,
            "`order` must be 1 with GumbelMixing",
        ),
        (
            {"order": 2, "recipe": Recipe(optimizer="adamw", nesterov=False)},
            ValueError,
            "`order` must be 1 unless the weights learn by SGD",
        ),
        (
            {"alpha": AlphaRecipe(warmup_epochs=3)},
            ValueError,
            "`warmup_epochs` of alpha must be below the epochs of the search, 3",
        ),
        ({"value": "best"}, ValueError, '`value` must be "derived" or "one_shot"'),
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1"),
        ({"supernet": {"depth": 3}}, TypeError, r"`supernet` must name.*not \['depth'\]"),
        ({"keep_checkpoints": 1}, ValueError, "`keep_checkpoints` needs `checkpoints`"),
    ],
)
def test_settings_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        objective(**options)


def test_a_study_goes_on_with_the_same_settings_only():
    study = run(objective(value="one_shot"))
    assert read_identity(study).objective == "DARTSObjective"
    with pytest.raises(ValueError, match=r"order was 1 and is now 2"):
        study.optimize(objective(value="one_shot", order=2), n_trials=1)
    with pytest.raises(ValueError, match=r"direction=.maximize"):
        objective()(optuna.create_study().ask())
    with pytest.raises(ValueError, match="does not maximise one value"):
        objective()(optuna.create_study(directions=["maximize", "maximize"]).ask())


@pytest.mark.parametrize("value", ["derived", "one_shot"])
def test_limits_are_those_of_the_derived_network(value):
    plain = run(objective(value=value)).trials[0]
    assert "optuna_nas:params" not in plain.user_attrs  # nothing is counted without limits
    model = SPACE.architecture(plain).build(num_classes=10, in_channels=1, **SIZE)
    params = sum(parameter.numel() for parameter in model.parameters())
    told = []
    options = {"value": value, "on_epoch": lambda phase, result: told.append(phase)}
    small = run(objective(max_params=params - 1, **options)).trials[0]
    assert small.state == TrialState.PRUNED
    assert f"{params:,} parameters against max_params" in small.user_attrs["optuna_nas:infeasible"]
    assert set(told) == {"search"}  # it is not trained
    assert SPACE.architecture(small) == SPACE.architecture(plain)
    large = run(objective(max_params=params, **options)).trials[0]
    assert (large.state, large.value) == (TrialState.COMPLETE, plain.value)
    assert large.user_attrs["optuna_nas:params"] == params


def test_an_option_that_is_not_there():
    with pytest.raises(TypeError, match=r"DARTSObjective takes .*'recompute'.*not \['order'\]"):
        DARTSObjective(SPACE, DATA, order=2)


class Counting:
    """An evaluator that trains nothing."""

    def __init__(self) -> None:
        self.jobs = []

    def __call__(self, job, /, *, on_epoch=None, checkpoint=None):
        self.jobs.append(job)
        return 0.25


def test_an_evaluator_takes_the_derived_network():
    counting = Counting()
    study = run(objective(evaluator=counting, eval_epochs=7))
    (job,) = counting.jobs
    assert study.trials[0].value == 0.25
    assert (job.network, job.epochs) == (SPACE.architecture(study.trials[0]), 7)
    assert job.recipe == RECIPE
    with pytest.raises(ValueError, match=r"judge\.evaluator was .*Counting.* and is now None"):
        study.optimize(objective(eval_epochs=7), n_trials=1)
