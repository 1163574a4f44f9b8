"""The usual tasks: classification, several labels, regression, segmentation, the next token.

Letters: ``B`` examples in a batch, ``K`` classes or labels, ``O`` numbers that are predicted,
``H`` x ``W`` pixels, ``T`` tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.nn import functional

from optuna_nas._ground.checks import require_choice, require_share
from optuna_nas.training.task._standard import ClassTask, StandardTask, constant
from optuna_nas.training.task._task import Task

if TYPE_CHECKING:
    from optuna_nas.training._recipe import Recipe

__all__ = [
    "Classification",
    "Multilabel",
    "NextToken",
    "Regression",
    "Segmentation",
    "task_from_identity",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classification(ClassTask):
    """See :meth:`Task.classification`."""

    name: str = "classification"
    label_smoothing: float | None = None
    kind = "multiclass"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing is not None:
            require_share("label_smoothing", self.label_smoothing)

    def bound_to(self, data: Any, recipe: Recipe | None = None) -> Self:
        bound = super().bound_to(data, recipe)
        if recipe is None or self.label_smoothing is not None:
            return bound
        return dataclasses.replace(bound, label_smoothing=recipe.label_smoothing)

    def loss_of(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(
            output,
            target,
            weight=self.weight(output),
            label_smoothing=self.label_smoothing or 0.0,
        )

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        weight = self.weight(output)
        total = functional.cross_entropy(output, target, weight=weight, reduction="sum")
        return total, target.numel() if weight is None else weight[target].sum()

    def check(self, output: Any, target: Any) -> None:
        """Check that the output is logits of shape (B, K) for the data's classes."""
        self.require_tensor(output, "logits of shape (images, classes)")
        wanted = (len(target), self.num_classes or output.shape[-1])
        if output.ndim == 2 and len(output) == wanted[0] and output.shape[1] != wanted[1]:
            raise ValueError(
                f"`model` must return one logit per class, but returned {output.shape[1]} logits "
                f"and {self.data_name!r} has {wanted[1]} classes: build it with "
                f"num_classes={wanted[1]}."
            )
        if output.shape != wanted:
            raise self.wrong(f"logits of shape {wanted}", f"shape {tuple(output.shape)}")

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, "label_smoothing": self.label_smoothing}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Multilabel(ClassTask):
    """See :meth:`Task.multilabel`."""

    name: str = "multilabel"
    kind = "multilabel"

    def told_count(self, data: Any) -> int | None:
        targets = getattr(data.train, "targets", None)
        return None if targets is None else int(targets.shape[-1])

    def balanced(self, data: Any, count: int | None) -> tuple[float, ...]:
        present = self.train_targets(data).double().mean(0)
        if bool((present == 0).any()):
            missing = int((present == 0).nonzero()[0])
            raise ValueError(
                f'`class_weights` "balanced" needs all labels in the training data, but label '
                f"{missing} is not in that of {data.name!r}."
            )
        return tuple(((1 - present) / present).clamp_min(1e-3).tolist())

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        total = functional.binary_cross_entropy_with_logits(
            output, target.to(output.dtype), pos_weight=self.weight(output), reduction="sum"
        )
        return total, target.numel()

    def check(self, output: Any, target: Any) -> None:
        """Check that the output is logits of shape (B, K), one for each label."""
        wanted = tuple(target.shape)
        self.require_tensor(output, f"logits of shape {wanted}")
        if tuple(output.shape) != wanted:
            raise self.wrong(
                f"a logit for each label, of shape {wanted}", f"shape {tuple(output.shape)}"
            )


_LOSSES = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.smooth_l1_loss,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regression(StandardTask):
    """See :meth:`Task.regression`."""

    name: str = "regression"
    loss_name: str = "mse"
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None
    outputs: int | None = None
    kind = "regression"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("loss", self.loss_name, tuple(_LOSSES))

    def bound_to(self, data: Any, recipe: Recipe | None = None) -> Self:
        bound = super().bound_to(data, recipe)
        targets = getattr(data.train, "targets", None)
        if targets is None or not len(targets):
            return bound
        columns = targets.double().flatten(1) if targets.ndim > 1 else targets.double()[:, None]
        mean, deviation = columns.mean(0), columns.std(0, correction=0)
        # Rows of a sequence or a picture have one unit: only plain columns have one each.
        if targets.ndim > 2:
            mean, deviation = columns.mean()[None], columns.std(correction=0)[None]
        deviation = torch.where(deviation > 0, deviation, 1.0)
        return dataclasses.replace(
            bound,
            target_mean=tuple(mean.tolist()),
            target_std=tuple(deviation.tolist()),
            outputs=columns.shape[1],
        )

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        if self.outputs is None or self.target_mean is None or self.target_std is None:
            return {}
        return {
            "num_classes": self.outputs,
            "out_features": self.outputs,
            "target_mean": _rounded(self.target_mean),
            "target_std": _rounded(self.target_std),
        }

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        target = target.to(output.dtype).reshape(output.shape)
        if self.target_std is not None:
            scale = constant(self.target_std, output.dtype, output.device)
            output, target = output / scale, target / scale
        return _LOSSES[self.loss_name](output, target, reduction="sum"), output.numel()

    def check(self, output: Any, target: Any) -> None:
        """Check that there is an output for each target."""
        wanted = tuple(target.shape)
        self.require_tensor(output, f"a tensor of shape {wanted}")
        column = (*wanted, 1) if len(wanted) == 1 else wanted
        if tuple(output.shape) not in (wanted, column):
            raise self.wrong(
                f"a number for each target, of shape {column}", f"shape {tuple(output.shape)}"
            )

    def metric_state(self, device: torch.device) -> Any:
        state = super().metric_state(device)
        return state if state is None else _Reshaped(state)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"loss": self.loss_name}


def _rounded(numbers: tuple[float, ...]) -> list[float]:
    """Six digits, so that a study on another device is the same: sums differ in the last."""
    return [float(f"{number:.6g}") for number in numbers]


class _Reshaped:
    """A metric that sees outputs (B, 1) as targets (B,) are, and several columns flat."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        self._state.update(output.reshape(target.shape).flatten(), target.float().flatten())

    def compute(self) -> Any:
        return self._state.compute()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segmentation(ClassTask):
    """See :meth:`Task.segmentation`."""

    name: str = "segmentation"
    kind = "segmentation"

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        weight = self.weight(output)
        total = functional.cross_entropy(output, target, weight=weight, reduction="sum")
        return total, target.numel() if weight is None else weight[target].sum()

    def check(self, output: Any, target: Any) -> None:
        """Check that there is a logit for each class at each pixel."""
        batch, *pixels = target.shape
        classes = self.num_classes
        rule = f"logits of shape {(batch, classes or 'K', *pixels)}"
        self.require_tensor(output, rule)
        fits = output.ndim == target.ndim + 1 and output.shape[0] == batch
        if (
            not fits
            or list(output.shape[2:]) != pixels
            or output.shape[1] != (classes or output.shape[1])
        ):
            raise self.wrong(rule, f"shape {tuple(output.shape)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NextToken(ClassTask):
    """See :meth:`Task.next_token`."""

    name: str = "next_token"
    kind = "tokens"

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        total = functional.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="sum")
        return total, target.numel()

    def check(self, output: Any, target: Any) -> None:
        """Check that there are logits for each token."""
        wanted = (*target.shape, self.num_classes or "K")
        self.require_tensor(output, f"logits of shape {wanted}")
        fits = output.ndim == 3 and output.shape[:2] == target.shape
        if not fits or output.shape[2] != (self.num_classes or output.shape[2]):
            raise self.wrong(f"logits of shape {wanted}", f"shape {tuple(output.shape)}")


def task_from_identity(identity: Mapping[str, Any]) -> Task | None:
    """Return the standard task that a study keeps; None if it is the user's own.

    Raises:
        ValueError: If a setting is out of range.
    """
    make: dict[str, type[StandardTask]] = {
        task.name: task
        for task in (Classification, Multilabel, Regression, Segmentation, NextToken)
    }
    metric, name = identity.get("metric"), identity.get("name")
    if name not in make or not (metric is None or isinstance(metric, str)):
        return None
    settings = {key: value for key, value in identity.items() if key != "name"}
    if "loss" in settings:
        settings["loss_name"] = settings.pop("loss")
    known = {field.name for field in dataclasses.fields(make[name])}
    unknown = sorted(settings.keys() - known)
    if unknown:
        raise ValueError(
            f"A task {name!r} has no settings {unknown}: use the release that wrote it."
        )
    return make[name](**settings)
