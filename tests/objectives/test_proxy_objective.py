"""Proxies as an objective, as a warm start and as a filter before training."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_nas.keys import INFEASIBLE_KEY, PARAMS_KEY, PROXY_KEY
from optuna_nas.objectives import (
    ProxyObjective,
    TrainingObjective,
    proxies,
    read_identity,
    score_architectures,
    warm_start,
)
from optuna_nas.objectives.identity import ProxyIdentity
from optuna_nas.objectives.trial._failures import FAILURE_CONSTRAINT
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, load_data, seeded

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def _study(*architectures: Any) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
    for architecture in architectures:
        architecture.enqueue(study)
    return study


def test_the_score_is_that_of_one_batch_of_training_images(data: ImageData) -> None:
    study = _study(CONV, SKIP, CONV)
    objective = ProxyObjective(SPACE, data, proxy="snip", build=TINY, batch_size=16, seed=3)
    study.optimize(objective, n_trials=3)

    chosen = torch.randperm(200, generator=torch.Generator().manual_seed(3))[:16]
    split = data.train.take(chosen)  # type: ignore[union-attr]
    images = (split.images / 255 - data.mean[0]) / data.std[0]
    with seeded(3):
        model = CONV.build(num_classes=10, in_channels=1, **TINY)
    expected = proxies.snip(model, images, split.labels)
    assert study.trials[0].value == pytest.approx(expected, rel=1e-4)
    assert study.trials[2].value == study.trials[0].value != study.trials[1].value
    assert study.trials[0].user_attrs["optuna_nas:proxy:snip"] == study.trials[0].value
    assert study.trials[0].user_attrs[PARAMS_KEY] > 1000
    assert study.metric_names == ["snip score"]
    identity = read_identity(study)
    assert identity is not None
    assert identity.proxy == ProxyIdentity(name="snip", batch_size=16, seed=3)


def test_a_score_without_end_is_infeasible(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(proxies.PROXIES, "naswot", lambda *_, loss: -math.inf)  # type: ignore[arg-type]
    study = _study(CONV, CONV)
    study.optimize(ProxyObjective(SPACE, data, proxy="naswot", build=TINY), n_trials=1)
    filtered = TrainingObjective(SPACE, data, epochs=1, build=TINY, min_proxy={"naswot": 0.0})
    other = _study(CONV)
    other.optimize(filtered, n_trials=1)
    assert study.trials[0].constraints == {FAILURE_CONSTRAINT: 1.0}
    assert other.trials[0].constraints == {"min_proxy:naswot": 1e6}
    for trial in (study.trials[0], other.trials[0]):
        assert trial.state == TrialState.PRUNED
        assert "naswot score of -inf" in trial.user_attrs[INFEASIBLE_KEY]
        assert PROXY_KEY.format("naswot") not in trial.user_attrs


def test_limits_hold_here_too(data: ImageData) -> None:
    study = _study(CONV)
    study.optimize(ProxyObjective(SPACE, data, build=TINY, max_params=100), n_trials=1)
    assert study.trials[0].state == TrialState.PRUNED
    assert "parameters against max_params=100" in study.trials[0].user_attrs[INFEASIBLE_KEY]


def test_mistakes_are_named(data: ImageData) -> None:
    message = r"`proxy` must be one of \['naswot', 'synflow', .*but got proxy='nas'"
    with pytest.raises(ValueError, match=message):
        ProxyObjective(SPACE, data, proxy="nas")
    with pytest.raises(ValueError, match=message):
        TrainingObjective(SPACE, data, epochs=1, min_proxy={"nas": 1.0})
    with pytest.raises(ValueError, match="`batch_size` must be at least 2, but got batch_size=1"):
        ProxyObjective(SPACE, data, batch_size=1)
    with pytest.raises(ValueError, match='create it with direction="maximize"'):
        ProxyObjective(SPACE, data).prepare(optuna.create_study())
    with pytest.raises(ValueError, match="`samples` must be at least 1, but got samples=0"):
        score_architectures(SPACE, data, samples=0)
    with pytest.raises(ValueError, match="`top` must be at least 1, but got top=0"):
        warm_start(_study(), SPACE, data, top=0)


def test_a_search_goes_on_with_its_proxy_only(data: ImageData) -> None:
    study = _study()
    study.optimize(ProxyObjective(SPACE, data, proxy="params", build=TINY), n_trials=1)
    with pytest.raises(ValueError, match="proxy was 'params' and is now 'flops'"):
        ProxyObjective(SPACE, data, proxy="flops", build=TINY).prepare(study)


def test_scores_are_sorted_different_and_within_limits(data: ImageData) -> None:
    scored = score_architectures(SPACE, data, proxy="params", samples=30, build=TINY)
    scores = [found.score for found in scored]
    assert scores == sorted(scores, reverse=True)
    digests = {found.architecture.digest for found in scored}
    assert len(digests) == len(scored) <= 30
    middle = int(scores[len(scores) // 2])
    within = score_architectures(
        SPACE, data, proxy="params", samples=30, build=TINY, max_params=middle
    )
    assert within == [found for found in scored if found.score <= middle]


def test_networks_that_cannot_take_the_images_are_left_out() -> None:
    images = torch.randint(0, 256, (60, 3, 2, 2), dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(images, torch.arange(60) % 2)
    data = ImageData.from_datasets("tiny", dataset)
    assert not score_architectures(SPACE, data, samples=2, build=TINY)


def test_the_best_are_evaluated_first_and_once(data: ImageData) -> None:
    study = _study()
    options: dict[str, Any] = {"proxy": "params", "samples": 20, "top": 3, "build": TINY}
    chosen = warm_start(study, SPACE, data, **options)
    assert chosen == score_architectures(SPACE, data, proxy="params", samples=20, build=TINY)[:3]
    assert not warm_start(study, SPACE, data, **options)

    objective = ProxyObjective(SPACE, data, proxy="params", build=TINY)
    study.optimize(objective, n_trials=4)
    evaluated = [SPACE.architecture(trial) for trial in study.trials]
    assert evaluated[:3] == [found.architecture for found in chosen]
    assert [trial.value for trial in study.trials[:3]] == [found.score for found in chosen]
    assert not warm_start(study, SPACE, data, **options)


def test_a_filter_before_training(data: ImageData) -> None:
    study = _study(SKIP, CONV)
    objective = TrainingObjective(
        SPACE,
        data,
        epochs=1,
        build=TINY,
        recipe=Recipe(batch_size=32),
        min_proxy={"params": 8000.0},
        device="cpu",
    )
    study.optimize(objective, n_trials=2)
    poor, good = study.trials
    assert poor.state == TrialState.PRUNED
    assert not poor.intermediate_values
    size = poor.user_attrs[PARAMS_KEY]
    assert poor.constraints == {"min_proxy:params": pytest.approx((8000 - size) / 8000)}
    assert f"a params score of {size:.4g} against min_proxy" in poor.user_attrs[INFEASIBLE_KEY]
    assert good.state == TrialState.COMPLETE
    assert good.constraints["min_proxy:params"] < 0
    assert good.user_attrs[PROXY_KEY.format("params")] == good.user_attrs[PARAMS_KEY]
