"""Base of the usual tasks: networks that return one tensor, of classes or of numbers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch

from optuna_nas._ground.bounds import MAX_CLASSES
from optuna_nas._ground.checks import require_int, require_positive, shown
from optuna_nas.training.task._task import Task

if TYPE_CHECKING:
    from optuna_nas.training._recipe import Recipe

__all__ = ["ClassTask", "StandardTask", "constant"]


@functools.lru_cache(maxsize=64)  # a new copy to the device at each step would be waited for
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return numbers that do not change as a tensor, which nobody may write to."""
    return torch.tensor(values, dtype=dtype, device=device)


def _weights(class_weights: Sequence[float] | str | None) -> tuple[float, ...] | str | None:
    if class_weights is None:
        return None
    if isinstance(class_weights, str) and class_weights == "balanced":
        return class_weights
    if isinstance(class_weights, str) or not isinstance(class_weights, Sequence):
        raise ValueError(
            '`class_weights` must be "balanced", positive numbers, or None, but got '
            f"{shown(class_weights)}."
        )
    for weight in class_weights:
        require_positive("class_weights", weight)
    return tuple(map(float, class_weights))


def _own_loss(output: Any, target: Any) -> torch.Tensor:
    raise NotImplementedError  # the tasks below have their loss as a method


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardTask(Task):
    """A task whose networks return one tensor, or in training also that of an auxiliary head."""

    loss: Any = _own_loss
    auxiliary_weight: float = 0.4
    data_name: str = ""

    def loss_of(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch in training."""
        total, weight = self.weighted_loss(output, target)
        return total / weight

    def losses(self, output: Any, target: Any) -> torch.Tensor:
        if not (isinstance(output, tuple) and len(output) == 2):
            return self._checked_loss(output, target)
        output, auxiliary = output
        loss = self._checked_loss(output, target)
        if auxiliary is None:
            return loss
        return loss + self.auxiliary_weight * self._checked_loss(auxiliary, target)

    def _checked_loss(self, output: Any, target: Any) -> torch.Tensor:
        self.check(output, target)
        return self.loss_of(output, target)

    def bound_to(self, data: Any, recipe: Recipe | None = None) -> Self:
        changes = {"data_name": data.name}
        if recipe is not None:
            changes["auxiliary_weight"] = recipe.auxiliary_weight
        return dataclasses.replace(self, **changes)

    @property
    def identity(self) -> dict[str, Any]:
        identity = {"name": self.name, "metric": super().identity["metric"]}
        identity["direction"] = self.direction
        return identity | {key: value for key, value in self.settings.items() if value is not None}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of its own, ready for JSON."""
        return {}

    def wrong(self, rule: str, got: str) -> ValueError:
        return ValueError(f"`model` must return {rule}, but returned {got}.")

    def require_tensor(self, output: Any, rule: str) -> None:
        if not isinstance(output, torch.Tensor):
            raise self.wrong(rule, f"a {type(output).__name__}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassTask(StandardTask):
    """A task with classes or labels that are counted."""

    class_weights: Sequence[float] | str | None = None
    num_classes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "class_weights", _weights(self.class_weights))
        if self.num_classes is not None:
            require_int("num_classes", self.num_classes, at_most=MAX_CLASSES)

    @property
    def count(self) -> int | None:
        return self.num_classes

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        if self.num_classes is None:
            return {}
        return {"num_classes": self.num_classes, "out_features": self.num_classes}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "class_weights": list(self.class_weights)
            if isinstance(self.class_weights, tuple)
            else self.class_weights,
            "num_classes": self.num_classes,
        }

    def bound_to(self, data: Any, recipe: Recipe | None = None) -> Self:
        bound = super().bound_to(data, recipe)
        count = bound.num_classes
        if count is None:
            count = self.told_count(data)
            bound = dataclasses.replace(bound, num_classes=count)
        if isinstance(bound.class_weights, tuple) and len(bound.class_weights) != count:
            raise ValueError(
                f"`class_weights` must be one for each of {count} classes of {data.name!r}, but "
                f"are {len(bound.class_weights)}."
            )
        if bound.class_weights == "balanced":
            bound = dataclasses.replace(bound, class_weights=self.balanced(data, count))
        return bound

    def told_count(self, data: Any) -> int | None:
        """Number of classes as the data says it, or has it in its targets."""
        told: int | None = getattr(data, "num_classes", None)
        if told is not None:
            return told
        highest = [
            int(targets.max())
            for split in (data.train, data.val, data.test)
            if (targets := getattr(split, "targets", None)) is not None and len(targets)
        ]
        return max(highest) + 1 if highest else None

    def balanced(self, data: Any, count: int | None) -> tuple[float, ...]:
        targets = self.train_targets(data)
        counts = torch.bincount(targets.flatten().cpu(), minlength=count or 0)
        if bool((counts == 0).any()):
            missing = int((counts == 0).nonzero()[0])
            raise ValueError(
                f'`class_weights` "balanced" needs all classes in the training data, but class '
                f"{missing} is not in that of {data.name!r}."
            )
        return tuple((counts.sum() / (len(counts) * counts.double())).tolist())

    def train_targets(self, data: Any) -> torch.Tensor:
        targets: torch.Tensor | None = getattr(data.train, "targets", None)
        if targets is None:
            raise ValueError(
                f'`class_weights` cannot be "balanced" for {data.name!r}, whose targets are not '
                "in memory: give a number for each class."
            )
        return targets

    def weight(self, like: torch.Tensor) -> torch.Tensor | None:
        if not isinstance(self.class_weights, tuple):
            return None
        return constant(self.class_weights, like.dtype, like.device)
