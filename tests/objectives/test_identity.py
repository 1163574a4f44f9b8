"""What a study keeps of each objective: stored for ever, read with care, compared in words."""

from __future__ import annotations

import json
from typing import Any

import optuna
import pytest
from every_objective import DATA, MAKE, SPACE, STORED

from optuna_nas.objectives import MacsReward, StudyIdentity, read_identity
from optuna_nas.objectives.identity import (
    DataIdentity,
    EvaluationIdentity,
    ProxyIdentity,
    RewardIdentity,
    SharedWeightsIdentity,
    SpaceIdentity,
)
from optuna_nas.spaces import function_space
from optuna_nas.training import Recipe


@pytest.mark.filterwarnings("ignore:The rules")
@pytest.mark.parametrize("name", MAKE)
def test_what_is_stored_stays_the_same(name: str) -> None:
    """Studies of earlier versions go on: a key more or less is a refusal."""
    identity = MAKE[name]().identity
    assert json.loads(json.dumps(identity.to_json())) == STORED[name]
    assert StudyIdentity.from_json(STORED[name]) == identity
    assert StudyIdentity.from_json(STORED[name]).to_json() == STORED[name]


def test_readers_find_its_parts() -> None:
    read = {name: StudyIdentity.from_json(kept) for name, kept in STORED.items()}
    training, reward = read["training"], read["latency"].reward
    assert training.space == SpaceIdentity(name="nasbench201", version=1, settings={"prefix": ""})
    assert training.data is not None
    assert (training.data.name, training.data.input_size) == ("digits", (1, 8, 8))
    assert training.data.more == {"num_classes": 10}
    assert training.build == {"cells": 1, "channels": 4, "num_classes": 10, "in_channels": 1}
    assert (training.epochs, training.score, training.value()) == (2, "last", "metric")
    assert isinstance(reward, RewardIdentity)
    assert (reward.cost, reward.target, reward.exponent) == ("latency_ms", 3, -0.07)
    assert read["latency"].measured_by["batch_size"] == 4
    assert read["hard"].value() == MacsReward(target_macs=3, hard=True)
    assert read["pareto"].value() == ("metric", "latency_ms", "macs")
    assert read["pareto"].measured_by == "every_objective.own_meter"
    assert read["proxy"].proxy == ProxyIdentity(name="synflow", batch_size=64, seed=3)
    darts = read["darts2"].darts
    assert darts is not None
    assert darts.evaluation == EvaluationIdentity(epochs=20, recipe=Recipe(lr=0.2).to_dict())
    assert (darts.order, darts.stop, darts.mixing) == (1, None, {"mixing": "Softmax"})
    one_shot = read["darts1"].darts
    assert one_shot is not None
    assert one_shot.evaluation is None
    assert read["shared"].shared_weights == SharedWeightsIdentity(
        schedule="alternate", seed=4, children_per_epoch=3
    )
    scaled = read["strategy"].scaled
    assert scaled is not None
    assert (scaled.objective, read["strategy"].space) == ("StrategyObjective", None)


@pytest.mark.parametrize("name", ["training", "proxy", "darts2", "shared", "pareto"])
def test_searches_tell_how_what_they_find_is_trained_alone(name: str) -> None:
    identity = StudyIdentity.from_json(STORED[name])
    alone = identity.evaluated_alone()
    if name == "darts2":
        assert (alone.epochs, alone.training_recipe()) == (20, Recipe(lr=0.2))
        assert alone.build == identity.build
    elif name == "shared":
        assert (alone.epochs, alone.build) == (3, None)
        assert alone.recipe == identity.recipe
    else:
        assert alone is identity
    assert alone.darts is alone.shared_weights is None


def test_all_differences_are_said_in_words() -> None:
    first = StudyIdentity.from_json(STORED["training"])
    other = STORED["training"] | {"epochs": 3, "data": {"name": "folder"}, "mine": [1]}
    assert first.differences(first) == []
    told = first.differences(StudyIdentity.from_json(other))
    assert "epochs was 2 and is now 3" in told
    assert "data.name was 'digits' and is now 'folder'" in told
    assert "data.train_size was 128 and is now None" in told
    assert "mine was None and is now [1]" in told
    assert first != StudyIdentity.from_json(other)
    assert first != "training"


def test_a_recipe_of_before_is_completed_and_one_of_later_is_refused() -> None:
    old = StudyIdentity.from_json(STORED["training"] | {"recipe": {"lr": 0.1}})
    assert old.recipe == {"lr": 0.1}  # kept as it was
    assert old.training_recipe() == Recipe()
    assert old.training_recipe(momentum=0.5) == Recipe(momentum=0.5)
    assert old.differences(StudyIdentity.from_json(STORED["training"])) == []
    new = StudyIdentity.from_json(STORED["training"] | {"recipe": {"magic": 1}})
    with pytest.raises(ValueError, match=r"fields of this version's Recipe, but has \['magic'\]"):
        new.training_recipe()


def test_tuples_are_what_a_storage_makes_of_them() -> None:
    given = StudyIdentity.of(SPACE, DATA, build={"concat": (1, 2)}, epochs=1)
    study = optuna.create_study()
    study.set_user_attr("optuna_nas:study", given.to_json())
    read = read_identity(study)
    assert read == given
    assert given.differences(read) == []


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("space", 5, "has 'space', which must be a text"),
        ("settings", None, "has 'settings', which must be a mapping"),
        ("data", {"name": "x", "image_size": [8]}, "'image_size', which must be a list of 2 to 2"),
        ("reward", {"target": "1"}, "has 'reward', which has 'target', which must be a finite"),
        ("costs", "macs", "has 'costs', which must be a list"),
        ("epochs", 0, r"has 'epochs', which must be an integer in \[1,"),
        ("recipe", [1], "has 'recipe', which must be a mapping"),
        ("batch_size", 0, r"has 'batch_size', which must be an integer in \[1,"),
        ("order", 3, r"has 'order', which must be an integer in \[1, 2\]"),
        ("judge", {"epochs": 1}, "has 'judge', which must be a mapping with recipe"),
        ("children_per_epoch", -1, "has 'children_per_epoch', which must be an integer"),
    ],
)
def test_every_part_is_checked(part: str, value: object, words: str) -> None:
    kept: dict[str, Any] = next(k for k in STORED.values() if part in k and "scaled" not in k)
    with pytest.raises(ValueError, match=words):
        StudyIdentity.from_json(kept | {part: value})


@pytest.mark.parametrize("value", [None, 5, [], {}, {"space": "x"}, {"scaled": 1}])
def test_what_is_no_identity_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a"):
        StudyIdentity.from_json(value)


def test_settings_of_ones_own_are_kept_though_they_look_like_ours() -> None:
    kept = {**SPACE.identity, "alpha": 0.5, "proxy": "mine", "schedule": 1}
    identity = StudyIdentity.from_json(kept)
    assert identity.to_json() == kept
    assert identity.more == {"alpha": 0.5, "proxy": "mine", "schedule": 1}


@function_space
def net(trial: Any) -> Any: ...


def test_a_space_of_ones_own_is_asked_for() -> None:
    identity = SpaceIdentity.from_json(net.identity)
    assert (identity.is_ours, identity.shown_name) == (False, "net")
    with pytest.raises(ValueError, match=r"`space` must be given, .*\('net'\).*: pass space="):
        identity.make()


def test_data_without_a_size_has_no_input_size() -> None:
    assert DataIdentity(name="x").input_size is None
    assert DataIdentity(name="x", split_seed=3, image_size=[4, 5]).arguments == {
        "split_seed": 3,
        "image_size": (4, 5),
    }
