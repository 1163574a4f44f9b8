"""An objective made again from its study: equal, and asking for what no storage keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from darts_searches import objective as darts
from every_objective import DATA, MAKE, SIZE, SPACE, STORED, own_meter
from optuna.trial import TrialState
from torch import nn

from optuna_nas.keys import SEARCH_KEY, STUDY_KEY
from optuna_nas.objectives import (
    DARTSObjective,
    Objective,
    ProxyObjective,
    Reward,
    ScaledTraining,
    SharedWeightsObjective,
    StrategyObjective,
    StudyIdentity,
    TrainingObjective,
    objective_from_study,
)
from optuna_nas.scaling import STRATEGIES, ResNet, ScalableCells
from optuna_nas.spaces import function_space, published
from optuna_nas.stores import open_storage
from optuna_nas.training import ImageData, Recipe, load_data


def study_of(kept: dict[str, Any], **attributes: Any) -> optuna.Study:
    study = optuna.create_study(study_name="mine", direction="maximize")
    study.set_user_attr(STUDY_KEY, kept)
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    return study


@pytest.mark.filterwarnings("ignore:The rules")
@pytest.mark.parametrize("name", MAKE)
def test_every_objective_is_made_again(name: str) -> None:
    options: dict[str, Any] = {"device": "cpu"}
    if name == "pareto":
        options["latency"] = own_meter
    made = objective_from_study(study_of(STORED[name]), **options)
    assert made.identity == StudyIdentity.from_json(STORED[name])
    assert type(made) is type(MAKE[name]())


def training(**options: Any) -> Objective[Any]:
    return TrainingObjective(
        SPACE, DATA, **{"epochs": 1, "build": SIZE, "device": "cpu"} | options
    )


def proxy() -> Objective[Any]:
    return ProxyObjective(SPACE, DATA, proxy="snip", build=SIZE, seed=3, device="cpu")


def shared() -> Objective[Any]:
    return SharedWeightsObjective(
        SPACE, DATA, epochs=1, children_per_epoch=1, supernet=SIZE, seed=2, device="cpu"
    )


def strategy() -> Objective[Any]:
    base = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=8)
    rules = {"width": STRATEGIES["width"]}
    return StrategyObjective(
        base, ScaledTraining(DATA), epochs=1, factor=2, strategies=rules, device="cpu"
    )


@pytest.mark.filterwarnings("ignore:The rules")
@pytest.mark.filterwarnings("ignore:The shared weights are trained on uniformly")
@pytest.mark.parametrize("make", [training, proxy, shared, darts, strategy])
def test_it_gives_the_same_value(make: Any, tmp_path: Path, one_thread: None) -> None:
    """Made in another process, as far as it can tell: from what the storage says alone."""
    place = open_storage(f"sqlite:///{tmp_path / 'nas.db'}")
    study = optuna.create_study(study_name="nas", storage=place, direction="maximize")
    params = {"strategy": "width", "repetition": 0} if make is strategy else SPACE_PARAMS
    objective = make()
    study.enqueue_trial(params)
    study.optimize(objective, n_trials=1)

    again = optuna.load_study(study_name="nas", storage=place)
    options: dict[str, Any] = {"device": "cpu"}
    if make is training:
        options["reuse"] = False
    made = objective_from_study(again, **options)
    assert made.identity == objective.identity
    other = optuna.create_study(direction="maximize")
    other.enqueue_trial(params)
    other.optimize(made, n_trials=1)
    assert other.trials[0].values == again.trials[0].values


SPACE_PARAMS = dict(published.NASBENCH201_RESNET.params)


def test_options_go_before_what_the_study_keeps() -> None:
    study = study_of(STORED["training"])
    assert isinstance(study, optuna.Study)
    made = objective_from_study(study, device="cpu", epochs=3, seed=4)
    with pytest.raises(ValueError, match="epochs was 2 and is now 3"):
        made.prepare(study)


def test_seed_and_limits_of_the_command_line_are_kept() -> None:
    chosen = {"sampler": "random", "seed": 7, "max_params": 5000, "max_macs": None}
    study = study_of(STORED["training"], **{SEARCH_KEY: chosen})
    study.enqueue_trial(SPACE_PARAMS)
    study.optimize(objective_from_study(study, device="cpu"), n_trials=1)
    assert "against max_params=5,000" in study.trials[0].user_attrs["optuna_nas:infeasible"]
    seeded, other = (optuna.create_study(direction="maximize") for _ in range(2))
    for target, objective in (
        (seeded, objective_from_study(study, device="cpu", max_params=None, epochs=1)),
        (other, training(seed=7)),
    ):
        target.enqueue_trial(SPACE_PARAMS)
        target.optimize(objective, n_trials=1)
    assert seeded.trials[0].value == other.trials[0].value


def images(**changes: Any) -> ImageData:
    pixels = torch.randint(0, 255, (30, 1, 4, 4), dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(pixels / 255, torch.arange(30) % 2)
    settings: dict[str, Any] = {"classes": ["a", "b"], "train_size": 20, "val_size": 10}
    return ImageData.from_datasets("own", dataset, **settings | changes)


def test_images_of_ones_own_are_asked_for() -> None:
    own = images()
    study = study_of(
        training_identity := TrainingObjective(SPACE, own, epochs=1).identity.to_json()
    )
    with pytest.raises(ValueError, match=r"`data` must be given, .*'own' cannot be loaded .*pass"):
        objective_from_study(study)
    assert objective_from_study(study, data=own).identity.to_json() == training_identity


def test_other_images_of_the_same_name_are_not_taken() -> None:
    kept = STORED["training"]
    study = study_of(kept | {"data": kept["data"] | {"content_hash": "0"}})
    message = (
        "`data` must be given, .*'digits' are not those.*content_hash was '0' and is now None"
    )
    with pytest.raises(ValueError, match=message):
        objective_from_study(study)
    made = objective_from_study(study_of(kept), data="digits", device="cpu")
    assert made.identity == StudyIdentity.from_json(kept)


@function_space
def net(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    width = trial.suggest_categorical("width", [2, 4])
    layers = [nn.Conv2d(in_channels, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


def test_a_space_of_ones_own_is_asked_for() -> None:
    objective = TrainingObjective(net, DATA, epochs=1, device="cpu")
    study = study_of(objective.identity.to_json())
    with pytest.raises(
        ValueError, match=r"`space` must be given, .*own \('net'\), which is never"
    ):
        objective_from_study(study)
    assert objective_from_study(study, space=net, device="cpu").identity == objective.identity


def test_a_meter_of_ones_own_is_asked_for() -> None:
    message = "`latency` must be given, .*'every_objective.own_meter'.*pass latency="
    with pytest.raises(ValueError, match=message):
        objective_from_study(study_of(STORED["pareto"]))
    odd = STORED["latency"] | {"reward": {"target": 1, "cost": "latency_ms", "latency": {"x": 1}}}
    with pytest.raises(ValueError, match="`latency` must be given"):
        objective_from_study(study_of(odd))


class Budget(Reward):
    cost = "macs"

    @property
    def identity(self) -> dict[str, Any]:
        return {"cost": "macs", "kind": "budget", "target": 5}

    def factor(self, cost: float) -> float:
        return 1.0


def test_a_reward_of_ones_own_is_asked_for() -> None:
    study = study_of(training(value=Budget()).identity.to_json())
    with pytest.raises(ValueError, match="must be one of this package, but got .*'budget'"):
        objective_from_study(study)
    assert objective_from_study(study, value=Budget(), device="cpu").value.reward is not None


@pytest.mark.parametrize("make", [training, darts])
def test_a_function_that_samples_hyperparameters_is_asked_for(make: Any) -> None:
    def sample(trial: optuna.Trial) -> dict[str, float]:
        return {"lr": trial.suggest_float("rate", 0.01, 0.02)}

    study = optuna.create_study(direction="maximize")
    study.optimize(make(hyperparameters=sample), n_trials=1)
    with pytest.raises(
        ValueError, match="`hyperparameters` must be given, .*pass hyperparameters"
    ):
        objective_from_study(study)
    for given in (sample, None):
        objective_from_study(study, hyperparameters=given, device="cpu").prepare(study)


def test_hyperparameters_of_pruned_searches_are_asked_for_too() -> None:
    study = study_of(STORED["darts1"])
    distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
    sampled = {"params": {"rate": 0.5}, "distributions": {"rate": distribution}}
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, **sampled))
    objective_from_study(study, device="cpu")
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED, **sampled))
    with pytest.raises(ValueError, match="`hyperparameters` must be given"):
        objective_from_study(study)


@pytest.mark.parametrize(
    ("name", "change", "argument"),
    [
        ("darts1", {"mixing": {"mixing": "Softmin", "power": 2}}, "variant"),
        ("darts1", {"mixing": {"mixing": "Dirichlet", "kl": -1, "more": 2}}, "variant"),
        ("darts2", {"selection": {"by": "hand"}}, "variant"),
        ("darts3", {"stop": {"window": 0}}, "variant"),
        ("grid", {"base": {"network": "Mine", "width": 1.0}}, "base"),
        ("grid", {"judge": "mine.judge"}, "evaluator"),
        ("grid", {"judge": STORED["grid"]["judge"] | {"evaluator": "mine.cluster"}}, "evaluator"),
        ("grid", {"judge": STORED["grid"]["judge"] | {"regularisation": 5}}, "evaluator"),
        ("training", {"evaluator": "mine.cluster"}, "evaluator"),
        (
            "darts2",
            {"judge": {"epochs": 1, "recipe": None, "evaluator": "mine.cluster"}},
            "evaluator",
        ),
    ],
)
def test_parts_of_ones_own_are_asked_for(name: str, change: Any, argument: str) -> None:
    study = study_of(STORED[name] | change)
    with pytest.raises(ValueError, match=f"`{argument}` must be given, .*pass {argument}="):
        objective_from_study(study)


def test_cells_that_scale_are_asked_for() -> None:
    cells = ScalableCells(architecture=published.NASBENCH201_RESNET, cells=1, channels=4)
    kept = STORED["grid"] | {"base": json.loads(json.dumps(cells.identity))}
    with pytest.raises(ValueError, match="`base` must be given"):
        objective_from_study(study_of(kept))
    assert (
        objective_from_study(study_of(kept), base=cells).identity.to_json()["base"] == kept["base"]
    )


def test_an_objective_of_ones_own_is_made_by_its_user() -> None:
    for kept in (
        STORED["training"] | {"mine": 1},
        SPACE.identity,
        STORED["darts"] | {"objective": "MyDARTS"},
        STORED["grid"] | {"scaled": "Mine"},
    ):
        with pytest.raises(ValueError, match="'mine' was evaluated by an objective of your own"):
            objective_from_study(study_of(kept))


def test_a_study_without_settings_is_refused() -> None:
    study = optuna.create_study(study_name="empty")
    study.add_trial(optuna.create_trial(state=TrialState.COMPLETE, value=1.0))
    with pytest.raises(
        ValueError, match="'empty' must have a trial .*: make the objective itself"
    ):
        objective_from_study(study)


def test_a_class_without_a_way_back_says_so() -> None:
    class Own(Objective[Any]):
        @classmethod
        def evaluates(cls, identity: StudyIdentity) -> bool:
            return True

    with pytest.raises(NotImplementedError, match="Own does not say how it is made of"):
        Own.from_identity(StudyIdentity())


def test_a_study_that_derives_and_trains_has_both_recipes() -> None:
    objective = darts(eval_recipe=Recipe(lr=0.3), eval_epochs=2)
    made = objective_from_study(study_of(objective.identity.to_json()), device="cpu")
    assert isinstance(made, DARTSObjective)
    assert made.identity.evaluated_alone().training_recipe() == Recipe(lr=0.3)


def test_data_that_were_moved(tmp_path: Path) -> None:
    from PIL import Image

    for folder in ("before", "after"):
        for label in ("a", "b"):
            (tmp_path / folder / label).mkdir(parents=True)
            for number in range(12):
                image = Image.new("RGB", (8, 8), (number * 9, 40 if label == "a" else 200, 0))
                image.save(tmp_path / folder / label / f"{number}.png")
    data = load_data(f"folder:{tmp_path / 'before'}", image_size=8, train_size=10, val_size=6)
    identity = TrainingObjective(SPACE, data, epochs=1, device="cpu").identity
    moved = objective_from_study(
        study_of(identity.to_json()), data=f"folder:{tmp_path / 'after'}", device="cpu"
    )
    assert moved.identity.data is not None
    assert identity.data is not None
    assert moved.identity.data.more == identity.data.more  # the same images
    assert moved.identity.data.train_size == 10
