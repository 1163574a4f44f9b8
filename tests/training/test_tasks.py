"""Tasks: losses and metrics against torch and scikit-learn, checks of outputs, identities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from own_data import OwnData
from sklearn import metrics
from torch import nn
from torch.nn import functional

from optuna_nas.training import Recipe, Task, evaluate, fit, load_data, task_from_identity

N = 60


def _noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def _integers(high: int, *size: int) -> torch.Tensor:
    return torch.randint(0, high, size, generator=torch.Generator().manual_seed(1))


class _Known(nn.Module):
    """A network that returns its inputs, which are the outputs that a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def _found(task: Task, outputs: torch.Tensor, targets: torch.Tensor, batch_size: int = 7) -> Any:
    data = OwnData(outputs, targets)
    return evaluate(_Known(), data.val, data, task=task, device="cpu", batch_size=batch_size)


LOGITS, LABELS = _noise(N, 4), _integers(4, N)
MANY = (_noise(N, 3, seed=2) > 0).long()
NUMBERS = _noise(N, seed=3) * 5 + 100
PICTURES, MASKS = _noise(N, 3, 5, 4), _integers(3, N, 5, 4)
TEXTS, NEXT = _noise(N, 6, 9), _integers(9, N, 6)
GUESSES = NUMBERS + _noise(N, seed=4)


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
    found = _found(task, outputs, targets)
    assert found.metric == pytest.approx(expected(outputs[1::2], targets[1::2]), rel=1e-5)
    assert found.count == N // 2


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
        found = _found(task, outputs, targets, batch_size)
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


def largest_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets).abs().max()


def test_metrics_of_ones_own_see_all_outputs_at_once() -> None:
    task = Task(loss=nn.L1Loss(), metric=largest_error, direction="minimize")
    assert task.metric_name == "largest_error"
    expected = float(largest_error(GUESSES[1::2], NUMBERS[1::2]))
    assert _found(task, GUESSES, NUMBERS).metric == pytest.approx(expected)


def test_a_metric_of_torchmetrics_says_its_direction_and_begins_anew() -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    metric = torchmetrics.MeanAbsoluteError()
    metric.update(torch.zeros(3), torch.full((3,), 1e6))  # somebody's earlier use of it
    task = Task(loss=nn.MSELoss(), metric=metric)
    assert task.direction == "minimize"
    expected = float(functional.l1_loss(GUESSES[1::2], NUMBERS[1::2]))
    assert _found(task, GUESSES, NUMBERS).metric == pytest.approx(expected)
    assert float(metric.compute()) == 1e6


def test_without_a_metric_it_is_the_loss() -> None:
    task = Task(loss=nn.L1Loss())
    assert (task.direction, task.metric_name, task.format(0.51454)) == (
        "minimize",
        "loss",
        "0.5145",
    )
    found = _found(task, GUESSES, NUMBERS)
    assert found.metric == found.loss


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
        _found(task, outputs, targets, 512)


def test_a_loss_that_is_no_number_is_refused() -> None:
    data = OwnData(_noise(N, 3), _noise(N, 3, seed=1))
    task = Task(loss=nn.L1Loss(reduction="none"))
    with pytest.raises(ValueError, match="must be one number, the mean of the batch, but is of"):
        fit(nn.Linear(3, 3), data, epochs=1, task=task, device="cpu")


def test_data_without_a_task_ask_for_one() -> None:
    data = OwnData(_noise(N, 3), _noise(N, 3, seed=1))
    with pytest.raises(ValueError, match=r"`task` must be given for 'own'"):
        fit(nn.Linear(3, 3), data, epochs=1, device="cpu")


def test_data_that_are_no_images_are_not_augmented() -> None:
    data = OwnData(_noise(N, 3), _noise(N, 3, seed=1))
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


def test_best_epoch_and_history_go_by_the_direction() -> None:
    data = OwnData(_noise(N, 3), _noise(N, seed=1))
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
    history = fit(model, data, epochs=6, task=Task.regression(), device="cpu")
    assert history.direction == "minimize"
    assert history.best.val_metric == min(epoch.val_metric for epoch in history.epochs)


def test_forward_of_ones_own() -> None:
    class Shifted(Task):
        def forward(self, model: Any, inputs: Any) -> Any:
            return model(inputs) + 1.0

    data = OwnData(GUESSES, NUMBERS)
    task = Shifted(loss=nn.L1Loss())
    found = evaluate(_Known(), data.val, data, task=task, device="cpu")
    expected = functional.l1_loss(GUESSES[1::2] + 1.0, NUMBERS[1::2])
    assert found.loss == pytest.approx(float(expected))


def test_classification_is_what_images_have_by_default() -> None:
    data = load_data("digits", train_size=64, val_size=50)
    assert data.default_task == Task.classification()
    assert str(data.inputs) == "1x8x8"
