"""Metrics of tasks against scikit-learn, metrics of one's own, and what goes by them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from own_data import OwnData
from sklearn import metrics
from task_examples import (
    GUESSES,
    LABELS,
    LOGITS,
    MANY,
    MASKS,
    NEXT,
    NUMBERS,
    PICTURES,
    TEXTS,
    N,
    evaluated,
    largest_error,
    noise,
)
from torch import nn
from torch.nn import functional

from optuna_nas.training import Task, fit


def _softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.double().softmax(1).numpy()


@pytest.mark.parametrize(
    ("task", "outputs", "targets", "expected"),
    [
        (
            Task.classification(),
            LOGITS,
            LABELS,
            lambda o, t: metrics.accuracy_score(t, o.argmax(1)),
        ),
        (
            Task.classification(metric="macro_f1"),
            LOGITS,
            LABELS,
            lambda o, t: metrics.f1_score(t, o.argmax(1), average="macro"),
        ),
        (
            Task.classification(metric="balanced_accuracy"),
            LOGITS,
            LABELS,
            lambda o, t: metrics.balanced_accuracy_score(t, o.argmax(1)),
        ),
        (
            Task.classification(metric="auroc"),
            LOGITS,
            LABELS,
            lambda o, t: metrics.roc_auc_score(t, _softmax(o), multi_class="ovr"),
        ),
        (
            Task.multilabel(),
            LOGITS[:, :3],
            MANY,
            lambda o, t: metrics.f1_score(t, o > 0, average="macro"),
        ),
        (
            Task.multilabel(metric="accuracy"),
            LOGITS[:, :3],
            MANY,
            lambda o, t: ((o > 0) == (t > 0)).double().mean().item(),
        ),
        (
            Task.regression(metric="mae"),
            GUESSES[:, None],
            NUMBERS,
            lambda o, t: metrics.mean_absolute_error(t, o[:, 0]),
        ),
        (
            Task.regression(),
            GUESSES,
            NUMBERS,
            lambda o, t: metrics.root_mean_squared_error(t, o),
        ),
        (
            Task.regression(metric="r2"),
            GUESSES,
            NUMBERS,
            lambda o, t: metrics.r2_score(t, o),
        ),
        (
            Task.segmentation(),
            PICTURES,
            MASKS,
            lambda o, t: metrics.jaccard_score(
                t.flatten(), o.argmax(1).flatten(), average="macro"
            ),
        ),
        (
            Task.segmentation(metric="accuracy"),
            PICTURES,
            MASKS,
            lambda o, t: (o.argmax(1) == t).double().mean().item(),
        ),
        (
            Task.next_token(),
            TEXTS,
            NEXT,
            lambda o, t: math.exp(functional.cross_entropy(o.flatten(0, 1), t.flatten())),
        ),
        (
            Task.next_token(metric="accuracy"),
            TEXTS,
            NEXT,
            lambda o, t: (o.argmax(-1) == t).double().mean().item(),
        ),
    ],
    ids=lambda value: f"{value.name}-{value.metric}" if isinstance(value, Task) else "",
)
def test_metrics_are_those_of_scikit_learn(
    task: Task, outputs: torch.Tensor, targets: torch.Tensor, expected: Any
) -> None:
    found = evaluated(task, outputs, targets)
    assert found.metric == pytest.approx(expected(outputs[1::2], targets[1::2]), rel=1e-5)
    assert found.count == N // 2


def test_metrics_of_ones_own_see_all_outputs_at_once() -> None:
    task = Task(loss=nn.L1Loss(), metric=largest_error, direction="minimize")
    assert task.metric_name == "largest_error"
    expected = float(largest_error(GUESSES[1::2], NUMBERS[1::2]))
    assert evaluated(task, GUESSES, NUMBERS).metric == pytest.approx(expected)


def test_a_metric_of_torchmetrics_says_its_direction_and_begins_anew() -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    metric = torchmetrics.MeanAbsoluteError()
    metric.update(torch.zeros(3), torch.full((3,), 1e6))  # somebody's earlier use of it
    task = Task(loss=nn.MSELoss(), metric=metric)
    assert task.direction == "minimize"
    expected = float(functional.l1_loss(GUESSES[1::2], NUMBERS[1::2]))
    assert evaluated(task, GUESSES, NUMBERS).metric == pytest.approx(expected)
    assert float(metric.compute()) == 1e6


def test_without_a_metric_it_is_the_loss() -> None:
    task = Task(loss=nn.L1Loss())
    assert (task.direction, task.metric_name, task.format(0.51454)) == (
        "minimize",
        "loss",
        "0.5145",
    )
    found = evaluated(task, GUESSES, NUMBERS)
    assert found.metric == found.loss


def test_best_epoch_and_history_go_by_the_direction() -> None:
    data = OwnData(noise(N, 3), noise(N, seed=1))
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
    history = fit(model, data, epochs=6, task=Task.regression(), device="cpu")
    assert history.direction == "minimize"
    assert history.best.val_metric == min(epoch.val_metric for epoch in history.epochs)
