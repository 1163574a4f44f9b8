"""Tasks: losses against torch, checks of outputs, and what studies keep of a task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from own_data import OwnData
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
    KnownOutputs,
    N,
    evaluated,
    largest_error,
    noise,
)
from torch import nn
from torch.nn import functional

from optuna_nas.training import Recipe, Task, evaluate, fit, load_data, task_from_identity


@pytest.mark.parametrize(
    ("task", "outputs", "targets", "expected"),
    [
        (Task.classification(label_smoothing=0.3), LOGITS, LABELS, functional.cross_entropy),
        (
            Task.classification(class_weights=[1.0, 2.0, 3.0, 0.5]),
            LOGITS,
            LABELS,
            nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 0.5])),
        ),
        (
            Task.multilabel(),
            LOGITS[:, :3],
            MANY,
            lambda o, t: functional.binary_cross_entropy_with_logits(o, t.float()),
        ),
        (
            Task.regression(),
            GUESSES,
            NUMBERS,
            lambda o, t: functional.mse_loss(o, t) / NUMBERS[::2].var(correction=0),
        ),
        (
            Task.regression(loss="mae"),
            GUESSES,
            NUMBERS,
            lambda o, t: functional.l1_loss(o, t) / NUMBERS[::2].std(correction=0),
        ),
        (Task.segmentation(), PICTURES, MASKS, functional.cross_entropy),
        (
            Task.next_token(),
            TEXTS,
            NEXT,
            lambda o, t: functional.cross_entropy(o.flatten(0, 1), t.flatten()),
        ),
        (Task(loss=nn.L1Loss()), GUESSES, NUMBERS, functional.l1_loss),
        (Task(loss=functional.huber_loss), GUESSES, NUMBERS, functional.huber_loss),
    ],
    ids=lambda value: value.name if isinstance(value, Task) else "",
)
def test_losses_are_those_of_torch_whatever_the_batches(
    task: Task, outputs: torch.Tensor, targets: torch.Tensor, expected: Any
) -> None:
    whole = float(expected(outputs[1::2], targets[1::2]))
    for batch_size in (7, 30):
        found = evaluated(task, outputs, targets, batch_size)
        assert found.loss == pytest.approx(whole, rel=1e-5)


def test_label_smoothing_is_the_tasks_else_the_recipes_and_for_training_only() -> None:
    data = OwnData(LOGITS, LABELS)
    for task, recipe, smoothing in (
        (Task.classification(), Recipe(label_smoothing=0.2), 0.2),
        (Task.classification(label_smoothing=0.1), Recipe(label_smoothing=0.2), 0.1),
    ):
        bound = task.bound_to(data, recipe)
        expected = functional.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)
        assert torch.equal(bound.losses(LOGITS, LABELS), expected)
        loss, count = bound.weighted_loss(LOGITS, LABELS)
        assert float(loss / count) == pytest.approx(
            float(functional.cross_entropy(LOGITS, LABELS))
        )


def test_an_auxiliary_head_has_its_share_of_every_usual_loss() -> None:
    data = OwnData(GUESSES, NUMBERS)
    task = Task.regression().bound_to(data, Recipe(auxiliary_weight=0.25))
    alone, other = task.losses(GUESSES, NUMBERS), task.losses(NUMBERS * 1.1, NUMBERS)
    both = task.losses((GUESSES, NUMBERS * 1.1), NUMBERS)
    assert float(both) == pytest.approx(float(alone + 0.25 * other))


def test_balanced_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0] * 30 + [1] * 20 + [2] * 10)[torch.randperm(60)]
    data = OwnData(LOGITS[:, :3], labels)
    weights = Task.classification(class_weights="balanced").bound_to(data).class_weights  # type: ignore[attr-defined]
    train = labels[::2].numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=train)
    assert weights == pytest.approx(expected)
    lacking = OwnData(LOGITS, torch.tensor([0, 3] * 30))
    with pytest.raises(ValueError, match="needs all classes in the training data, but class 1"):
        Task.classification(class_weights="balanced", num_classes=4).bound_to(lacking)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Task(loss=3), TypeError, "`loss` must be a function of output and target"),
        (lambda: Task(loss=nn.L1Loss(), metric=3), TypeError, "`metric` must be a name, a func"),
        (lambda: Task(loss=nn.L1Loss(), metric="mse"), ValueError, "`metric` must be one of"),
        (
            lambda: Task(loss=nn.L1Loss(), metric=largest_error),
            ValueError,
            "`direction` must be .* for the metric 'largest_error'.*pass direction=",
        ),
        (
            lambda: Task(loss=nn.L1Loss(), direction="up"),
            ValueError,
            "`direction` must be one of",
        ),
        (
            lambda: Task.classification(class_weights="even"),
            ValueError,
            '`class_weights` must be "balanced", positive numbers',
        ),
        (lambda: Task.classification(class_weights=[1, -1]), ValueError, "class_weights"),
        (lambda: Task.classification(label_smoothing=1.5), ValueError, "label_smoothing"),
        (lambda: Task.classification(num_classes=0), ValueError, "num_classes"),
        (lambda: Task.regression(loss="l3"), ValueError, "`loss` must be one of"),
        (
            lambda: Task.classification(class_weights=[1.0, 2.0]).bound_to(
                OwnData(LOGITS, LABELS)
            ),
            ValueError,
            "`class_weights` must be one for each of 4 classes of 'own', but are 2",
        ),
    ],
)
def test_what_is_no_task(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("task", "outputs", "targets", "message"),
    [
        (Task.classification(), LOGITS[:, :3], LABELS, "one logit per class, but returned 3"),
        (Task.classification(), PICTURES, LABELS, r"logits of shape \(30, 5\)|shape"),
        (Task.multilabel(), LOGITS, MANY, r"a logit for each label, of shape \(30, 3\)"),
        (Task.regression(), LOGITS, NUMBERS, r"a number for each target, of shape \(30, 1\)"),
        (Task.segmentation(), PICTURES[:, :, 1:], MASKS, r"logits of shape \(30, 3, 5, 4\)"),
        (Task.next_token(), TEXTS[:, 1:], NEXT, r"logits of shape \(30, 6, 9\)"),
    ],
    ids=lambda value: value.name if isinstance(value, Task) else "",
)
def test_an_output_that_does_not_fit(
    task: Task, outputs: torch.Tensor, targets: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=f"`model` must return .*{message}"):
        evaluated(task, outputs, targets, 512)


def test_a_loss_that_is_no_number_is_refused() -> None:
    data = OwnData(noise(N, 3), noise(N, 3, seed=1))
    task = Task(loss=nn.L1Loss(reduction="none"))
    with pytest.raises(ValueError, match="must be one number, the mean of the batch, but is of"):
        fit(nn.Linear(3, 3), data, epochs=1, task=task, device="cpu")


def test_data_without_a_task_ask_for_one() -> None:
    data = OwnData(noise(N, 3), noise(N, 3, seed=1))
    with pytest.raises(ValueError, match=r"`task` must be given for 'own'"):
        fit(nn.Linear(3, 3), data, epochs=1, device="cpu")


def test_data_that_are_no_images_are_not_augmented() -> None:
    data = OwnData(noise(N, 3), noise(N, 3, seed=1))
    with pytest.raises(ValueError, match="'own' are no ImageData, but sets flip, cutout"):
        fit(
            nn.Linear(3, 3),
            data,
            epochs=1,
            task=Task(loss=nn.L1Loss()),
            recipe=Recipe(flip=True, cutout=2),
            device="cpu",
        )


@pytest.mark.parametrize(
    "task",
    [
        Task.classification(),
        Task.classification(metric="macro_f1", class_weights=[1.0, 2.0], label_smoothing=0.1),
        Task.multilabel(class_weights="balanced"),
        Task.regression(loss="huber", metric="r2"),
        Task.segmentation(num_classes=3),
        Task.next_token(metric=None),
    ],
    ids=lambda task: task.name,
)
def test_a_usual_task_is_made_again_of_its_identity(task: Task) -> None:
    assert task_from_identity(task.identity) == task


def test_a_task_of_ones_own_is_known_by_name_and_source() -> None:
    def once(outputs: Any, targets: Any) -> Any:
        return (outputs - targets).abs().mean()

    def twice(outputs: Any, targets: Any) -> Any:
        return 2 * (outputs - targets).abs().mean()

    tasks = [
        Task(loss=once),
        Task(loss=twice),
        Task(loss=nn.L1Loss()),
        Task(loss=nn.SmoothL1Loss(beta=0.5)),
        Task(loss=nn.SmoothL1Loss(beta=0.7)),
        Task(loss=nn.L1Loss(), metric="r2"),
    ]
    assert all(task_from_identity(task.identity) is None for task in tasks)
    assert len({str(task.identity) for task in tasks}) == len(tasks)
    assert Task(loss=nn.SmoothL1Loss(beta=0.5)).identity == tasks[3].identity


def test_forward_of_ones_own() -> None:
    class Shifted(Task):
        def forward(self, model: Any, inputs: Any) -> Any:
            return model(inputs) + 1.0

    data = OwnData(GUESSES, NUMBERS)
    task = Shifted(loss=nn.L1Loss())
    found = evaluate(KnownOutputs(), data.val, data, task=task, device="cpu")
    expected = functional.l1_loss(GUESSES[1::2] + 1.0, NUMBERS[1::2])
    assert found.loss == pytest.approx(float(expected))


def test_classification_is_what_images_have_by_default() -> None:
    data = load_data("digits", train_size=64, val_size=50)
    assert data.default_task == Task.classification()
    assert str(data.inputs) == "1x8x8"


def _times(factor: float) -> Any:
    def loss(outputs: Any, targets: Any) -> Any:
        return factor * (outputs - targets).abs().mean()

    return loss


def test_losses_of_one_name_are_told_apart_by_their_source() -> None:
    assert Task(loss=_times(1.0)).identity == Task(loss=_times(1.0)).identity
    assert Task(loss=_times(1.0)).identity != Task(loss=_times(2.0)).identity
