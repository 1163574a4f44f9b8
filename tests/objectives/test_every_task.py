"""Objectives on other tasks than classification: every one of them, minimised and maximised."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, ClassVar

import optuna
import pytest
import torch
from own_data import OwnData
from torch import nn

from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    DARTSVariant,
    LatencyReward,
    MacsReward,
    ProxyObjective,
    Selection,
    SharedWeightsObjective,
    TrainingObjective,
    best_trials,
    objective_from_study,
)
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task

F, WIDTH = 3, 8
CPU: dict[str, Any] = {"device": "cpu"}
RECIPE = Recipe(batch_size=16, lr=0.05, nesterov=False)


def table(outputs: int = 1) -> OwnData:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(96, F, generator=generator)
    y = 10 * (x[:, 0] * x[:, 1] + x[:, 2])
    return OwnData(x, y if outputs == 1 else torch.stack([y > 0, x[:, 0] > 0], 1).long())


@function_space
def network(trial: Any, out_features: int = 1) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(F, WIDTH)]
    for layer in range(2):
        ops = {
            "skip_connect": nn.Identity,
            "relu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()),
            "tanh": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()),
        }
        layers.append(choice(trial, f"layer_{layer}_op", ops))
    return nn.Sequential(*layers, nn.Linear(WIDTH, out_features))


def study(objective: Any, trials: int = 4, **options: Any) -> optuna.Study:
    sampler = options.pop("sampler", None) or RandomSearchSampler(seed=0)
    made = optuna.create_study(direction=objective.direction, sampler=sampler, **options)
    made.optimize(objective, n_trials=trials)
    return made


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs[:, 0] - targets).abs().mean()


def training(task: Task | None = None, **options: Any) -> TrainingObjective:
    settings: dict[str, Any] = {"epochs": 2, "recipe": RECIPE} | CPU | options
    return TrainingObjective(network, table(), task=task or Task.regression(), **settings)


def test_an_error_is_minimised_and_told_in_its_words() -> None:
    objective = training(Task.regression(metric="mae"))
    found = study(objective)
    values = [trial.value for trial in found.trials]
    assert (objective.direction, found.metric_names) == ("minimize", ["validation MAE"])
    assert best_trials(found, 1)[0].value == found.best_value == min(values)
    assert objective.build == {"out_features": 1}
    pruner = optuna.pruners.ThresholdPruner(upper=0.001)
    pruned = study(objective, 1, pruner=pruner)
    state = pruned.trials[0].state
    assert state == optuna.trial.TrialState.PRUNED


@pytest.mark.parametrize(("score", "index"), [("last", -1), ("best", None), ("max_last_5", None)])
def test_the_epoch_that_counts_goes_by_the_direction(score: str, index: int | None) -> None:
    found = study(training(score=score, epochs=4), 1)
    reports = list(found.trials[0].intermediate_values.values())
    assert found.best_value == (min(reports) if index is None else reports[index])


def test_equal_runs_are_reused_whatever_the_range() -> None:
    objective = training()
    made = optuna.create_study(direction="minimize", sampler=RandomSearchSampler(seed=0))
    for _ in range(2):
        made.enqueue_trial({"layer_0_op": "relu", "layer_1_op": "tanh"})
    made.optimize(objective, n_trials=2)
    first, second = made.trials
    assert second.user_attrs["optuna_nas:copy_of"] == 0
    assert (second.value, second.intermediate_values) == (first.value, first.intermediate_values)


def test_a_reward_of_an_error_grows_with_the_cost() -> None:
    objective = training(value=MacsReward(target_macs=20))
    found = study(objective, 3)
    assert objective.direction == "minimize"
    for trial in found.trials:
        plain, macs = trial.user_attrs["optuna_nas:accuracy"], trial.user_attrs["optuna_nas:macs"]
        assert trial.value == pytest.approx(plain * (macs / 20) ** 0.07)
        assert trial.value > plain
    assert training(value=LatencyReward(target_ms=1)).directions == ["minimize"]
    assert training(value=("metric", "macs")).directions == ["minimize", "minimize"]


def test_runs_of_other_tasks_are_not_equal() -> None:
    tasks = Task.regression(), Task.regression(metric="mae"), Task.regression(loss="mae")
    keys = {study(training(task), 1).trials[0].user_attrs["optuna_nas:run"] for task in tasks}
    assert len(keys) == len(tasks)


@dataclasses.dataclass(frozen=True)
class Scored(Selection):
    """Goes by alpha, and holds the score to be an error with its sign changed."""

    name: ClassVar[str] = "Scored"

    def select(self, supernet: Any) -> Any:
        assert supernet.score({}) < 0.0
        return {}


def test_selections_are_told_scores_of_which_more_is_better() -> None:
    objective = DARTSObjective(
        network,
        table(),
        task=Task.regression(),
        variant=DARTSVariant(selection=Scored()),
        epochs=1,
        value="one_shot",
        recipe=RECIPE,
        **CPU,
    )
    assert study(objective, 1).best_value > 0.0


def test_another_task_is_another_study() -> None:
    found = study(training(), 1)
    with pytest.raises(ValueError, match=r"task\.metric was 'rmse' and is now 'mae'"):
        training(Task.regression(metric="mae")).prepare(found)


def test_the_objective_is_made_again_of_the_study() -> None:
    objective = training(Task.regression(loss="huber", metric="r2"))
    found = study(objective, 1)
    again = objective_from_study(found, space=network, data=table(), device="cpu")
    assert again.identity == objective.identity
    assert again.task == objective.task
    found.optimize(again, n_trials=1)
    task = Task(loss=absolute_error)
    own = study(training(task), 1)
    with pytest.raises(ValueError, match="`task` must be given, .* has one of your own"):
        objective_from_study(own, space=network, data=table())
    given = objective_from_study(own, space=network, data=table(), task=task)
    assert given.direction == "minimize"


def test_tasks_of_the_package_pickle_with_their_objective() -> None:
    objective = training(Task.regression())
    again = pickle.loads(pickle.dumps(objective.task))
    assert again == objective.task


def test_several_labels_are_searched_by_their_f1() -> None:
    objective = TrainingObjective(
        network, table(2), task=Task.multilabel(), epochs=2, recipe=RECIPE, **CPU
    )
    found = study(objective, 2, sampler=RegularizedEvolutionSampler(seed=0))
    assert objective.build == {"out_features": 2}
    assert (objective.direction, found.metric_names) == ("maximize", ["validation macro F1"])
    assert all(0.0 <= trial.value <= 1.0 for trial in found.trials)


VARIANTS = (
    DARTSObjective,
    DARTSObjective.darts_es,
    DARTSObjective.darts_pt,
    DARTSObjective.gdas,
    DARTSObjective.fair_darts,
    DARTSObjective.drnas,
)


@pytest.mark.parametrize("make", VARIANTS, ids=lambda make: make.__name__)
def test_every_variant_of_darts_regresses(make: Any) -> None:
    objective = make(
        network,
        table(),
        task=Task.regression(),
        epochs=2,
        eval_epochs=2,
        recipe=RECIPE,
        alpha=AlphaRecipe(lr=0.1),
        **CPU,
    )
    found = study(objective, 1)
    trial = found.trials[0]
    assert objective.direction == "minimize"
    assert 0.0 < trial.value < 20.0
    assert network.architecture(trial).params.keys() == {"layer_0_op", "layer_1_op"}


def test_a_published_recipe_leaves_tables_as_they_are() -> None:
    objective = DARTSObjective(network, table(), task=Task.regression(), **CPU)
    assert (objective.recipe.flip, objective.recipe.crop_padding) == (False, 0)
    assert objective.recipe.clip_grad_norm == 5.0


def test_children_on_shared_weights_are_ranked_by_their_error() -> None:
    objective = SharedWeightsObjective(
        network,
        table(),
        task=Task.regression(metric="mae"),
        schedule="pretrain",
        epochs=2,
        recipe=RECIPE,
        **CPU,
    )
    found = study(objective, 6)
    assert (objective.direction, found.metric_names) == ("minimize", ["shared-weights MAE"])
    scored = objective.derive(found, 3)
    assert [child.metric for child in scored] == sorted(child.metric for child in scored)
    assert best_trials(found, 1)[0].number == scored[0].trial


@pytest.mark.parametrize("proxy", ["snip", "grad_norm"])
def test_proxies_go_by_the_loss_of_the_task(proxy: str) -> None:
    objective = ProxyObjective(network, table(), task=Task.regression(), proxy=proxy, **CPU)
    found = study(objective, 2)
    assert objective.direction == "maximize"
    assert all(trial.value > 0 for trial in found.trials)


def test_tensors_alone_are_no_data() -> None:
    pair = torch.zeros(4, F), torch.zeros(4)
    with pytest.raises(
        TypeError, match=r"`data` must be .* but got [^:]*: tensors and arrays go into TensorData"
    ):
        TrainingObjective(network, pair, epochs=1)  # type: ignore[arg-type]
