"""Metrics of a split: by name, of torchmetrics, or a function of the user's own.

Each gathers batch by batch, where the outputs lie, and is read once at the end. Those by name are
torchmetrics', which add up what several processes have seen; accuracy is counted here, so that
its figures are exact.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import distributed as dist
from torch import nn

from optuna_nas._ground.inputs import Inputs, join, map_tensors

__all__ = ["METRICS", "MetricState", "NamedMetric", "metric_state"]


@runtime_checkable
class MetricState(Protocol):
    """A metric as torchmetrics' have it: it takes in batches, and is computed at the end."""

    def update(self, output: Any, target: Any, /) -> Any:
        """Take in a batch of outputs and targets."""

    def compute(self) -> Any:
        """Return the metric of all batches: a number, or a tensor of one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedMetric:
    """A metric that has a name here.

    Attributes:
        words: Its name as people read it.
        direction: "maximize" or "minimize".
        make: Makes its state for a number of classes or labels, which may be unknown.
        percent: Whether it is written as a percentage.
    """

    words: str
    direction: str
    make: Callable[[str, int | None], Any]
    percent: bool = False


class Accuracy:
    """Share of targets that have the highest output: (B, K, ...) against (B, ...)."""

    def __init__(self) -> None:
        self._right: list[torch.Tensor] = []
        self._count = 0

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch, without waiting for the device."""
        self._right.append((output.argmax(1) == target).sum())
        self._count += target.numel()

    def compute(self) -> float:
        """Return the share, of all processes."""
        right = sum(torch.stack(self._right).tolist())
        if dist.is_available() and dist.is_initialized():
            sums = torch.tensor(
                [right, self._count], dtype=torch.float64, device=self._right[0].device
            )
            dist.all_reduce(sums)
            right, count = sums.tolist()
            return float(right / count)
        return float(right / self._count)


class LabelAccuracy(Accuracy):
    """Share of labels that are told right, of several that an example has: logits above 0."""

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        self._right.append(((output > 0) == (target > 0.5)).sum())
        self._count += target.numel()


class TokenAccuracy(Accuracy):
    """Share of tokens that have the highest output: (B, T, K) against (B, T)."""

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        super().update(output.movedim(-1, 1), target)


class OfFunction:
    """Metric that is a function of all outputs and targets, which are kept until then."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function
        self._outputs: list[Inputs] = []
        self._targets: list[Inputs] = []

    def update(self, output: Inputs, target: Inputs) -> None:
        """Keep a batch in the memory of the CPU."""
        self._outputs.append(map_tensors(_kept, output))
        self._targets.append(map_tensors(_kept, target))

    def compute(self) -> Any:
        """Call the function, on what all processes have kept."""
        outputs, targets = self._outputs, self._targets
        if dist.is_available() and dist.is_initialized():
            parts: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(parts, (outputs, targets))
            outputs = [batch for part in parts for batch in part[0]]
            targets = [batch for part in parts for batch in part[1]]
        return self._function(join(outputs), join(targets))


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu()


def _of_torchmetrics(
    module: str, **names: tuple[str, dict[str, Any]]
) -> Callable[[str, int | None], Any]:
    """Make a metric of torchmetrics: its class and arguments by the kind of the task."""

    def make(kind: str, count: int | None) -> Any:
        name, arguments = names.get(kind) or next(iter(names.values()))
        counted = {"multiclass": "num_classes", "segmentation": "num_classes"}
        counted["multilabel"] = "num_labels"
        if kind in counted and kind in names:
            if count is None:
                raise ValueError(
                    f"`{counted[kind]}` must be given for this metric, since the data does not "
                    f"tell it: pass {counted[kind]}=... to the task."
                )
            arguments = {**arguments, counted[kind]: count}
        # Imported here, since it takes seconds and most searches do without.
        return getattr(importlib.import_module(f"torchmetrics.{module}"), name)(**arguments)

    return make


def _accuracy(kind: str, count: int | None) -> Accuracy:
    special = {"multilabel": LabelAccuracy, "tokens": TokenAccuracy}
    return special.get(kind, Accuracy)()


_MACRO: dict[str, Any] = {"average": "macro"}

METRICS: Mapping[str, NamedMetric] = {
    "accuracy": NamedMetric(words="accuracy", direction="maximize", make=_accuracy, percent=True),
    "balanced_accuracy": NamedMetric(
        words="balanced accuracy",
        direction="maximize",
        make=_of_torchmetrics("classification", multiclass=("MulticlassAccuracy", _MACRO)),
        percent=True,
    ),
    "macro_f1": NamedMetric(
        words="macro F1",
        direction="maximize",
        make=_of_torchmetrics(
            "classification",
            multiclass=("MulticlassF1Score", _MACRO),
            multilabel=("MultilabelF1Score", _MACRO),
        ),
    ),
    "auroc": NamedMetric(
        words="AUROC",
        direction="maximize",
        make=_of_torchmetrics(
            "classification",
            multiclass=("MulticlassAUROC", _MACRO),
            multilabel=("MultilabelAUROC", _MACRO),
        ),
    ),
    "mae": NamedMetric(
        words="MAE",
        direction="minimize",
        make=_of_torchmetrics("regression", regression=("MeanAbsoluteError", {})),
    ),
    "rmse": NamedMetric(
        words="RMSE",
        direction="minimize",
        make=_of_torchmetrics("regression", regression=("MeanSquaredError", {"squared": False})),
    ),
    "r2": NamedMetric(
        words="R2",
        direction="maximize",
        make=_of_torchmetrics("regression", regression=("R2Score", {})),
    ),
    "iou": NamedMetric(
        words="IoU",
        direction="maximize",
        make=_of_torchmetrics("classification", segmentation=("MulticlassJaccardIndex", _MACRO)),
        percent=True,
    ),
    "perplexity": NamedMetric(
        words="perplexity",
        direction="minimize",
        make=_of_torchmetrics("text", tokens=("Perplexity", {})),
    ),
}
"""Metrics by name."""


def metric_state(metric: Any, kind: str, count: int | None, device: torch.device) -> MetricState:
    """Make the state of a metric for one split.

    Args:
        metric: A name, an object with ``update`` and ``compute``, or a function.
        kind: Kind of the task, by which metrics of a name differ.
        count: Number of classes or labels; None: unknown.
        device: Device of the outputs.
    """
    if isinstance(metric, str):
        state = METRICS[metric].make(kind, count)
    elif isinstance(metric, MetricState):
        state = copy.deepcopy(metric)
        if hasattr(state, "reset"):
            state.reset()
    else:
        state = OfFunction(metric)
    if isinstance(state, nn.Module):
        state.to(device)
    found: MetricState = state
    return found
