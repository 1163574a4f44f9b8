"""Loss and metric of a network on one split.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from optuna_nas._ground.checks import require_int
from optuna_nas._ground.device import resolve_device
from optuna_nas._ground.forward import evaluating
from optuna_nas.training._distributed import Processes, sum_over_processes
from optuna_nas.training.data import Data
from optuna_nas.training.loop._precision import Precision
from optuna_nas.training.task import Task

__all__ = [
    "BATCH_SIZE",
    "Evaluation",
    "evaluate",
    "evaluate_split",
    "place",
    "task_of",
    "task_settings",
]

BATCH_SIZE = 512  # examples evaluated at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a network does on a split.

    Attributes:
        loss: Mean loss, without what is for training only, such as label smoothing.
        metric: The task's metric.
        count: Examples in the split.
    """

    loss: float
    metric: float
    count: int


def evaluate(
    model: nn.Module,
    split: Any,
    data: Data,
    *,
    task: Task | None = None,
    device: str | torch.device = "auto",
    batch_size: int = BATCH_SIZE,
) -> Evaluation:
    """Evaluate a network on a split of ``data`` in eval mode; its modes are restored.

    Example:
        >>> import torch
        >>> from optuna_nas.training import evaluate, load_data
        >>> data = load_data("digits")
        >>> constant = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> _ = torch.nn.init.zeros_(constant[1].weight), torch.nn.init.zeros_(constant[1].bias)
        >>> round(evaluate(constant, data.val, data, device="cpu").loss, 4)  # log(10)
        2.3026

    Args:
        model: Takes the data's inputs, gives what the task's loss takes. It is moved to
            ``device``.
        split: ``data.val``, or ``data.test`` after the search.
        data: It prepares the inputs, such as by mean and standard deviation.
        task: Loss and metric; None: that of the data.
        device: See :func:`resolve_device`.
        batch_size: Examples at once, at least 1.

    Raises:
        ValueError: If the split is empty, or the outputs do not fit the task.
    """
    require_int("batch_size", batch_size)
    target = place(model, device)
    bound = task_of(data, task).bound_to(data)
    return evaluate_split(model, split, data, bound, target, batch_size=batch_size)


def evaluate_split(
    model: nn.Module,
    split: Any,
    data: Data,
    task: Task,
    device: torch.device,
    precision: Precision | None = None,
    processes: Processes | None = None,
    *,
    batch_size: int = BATCH_SIZE,
) -> Evaluation:
    """Do :func:`evaluate` with a model on its device; each process takes a part of the split.

    The task is bound to the data; without a precision it is computed in float32.
    """
    if len(split) == 0:
        raise ValueError(
            f"`split` must have {data.noun}, but this one of {data.name!r} is empty: load the "
            "data with a larger size."
        )
    processes = processes or Processes()
    precision = precision or Precision(device.type, None)
    metric = task.metric_state(device)
    sums: list[torch.Tensor] = []  # read at the end: each reading would wait for the device
    counts: list[torch.Tensor | int] = []
    with evaluating(model), precision.autocast():
        for inputs, target in data.evaluation_batches(split, device, processes, batch_size):
            output = task.forward(model, inputs)
            task.check(output, target)
            output = tree_map(_in_full, output)
            loss, count = task.weighted_loss(output, target)
            sums.append(loss.detach())
            counts.append(count)
            if metric is not None:
                metric.update(output, target)
    loss, weight = sum(torch.stack(sums).tolist()), float(sum(map(float, counts)))
    if processes.count > 1:
        both = torch.tensor([loss, weight], dtype=torch.float64, device=device)
        loss, weight = sum_over_processes(both).tolist()
    mean = loss / weight
    found = mean if metric is None else float(metric.compute())
    return Evaluation(loss=mean, metric=found, count=len(split))


def _in_full(output: Any) -> Any:
    """Return float16 and bfloat16 as float32, in which losses are summed up."""
    if isinstance(output, torch.Tensor) and output.dtype in (torch.float16, torch.bfloat16):
        return output.float()
    return output


def task_of(data: Data, task: Task | None) -> Task:
    """Return the task that is given, else that of the data.

    Raises:
        ValueError: If there is neither.
    """
    found = task or data.default_task
    if found is None:
        raise ValueError(
            f"`task` must be given for {data.name!r}, which does not say it: pass "
            "task=Task.regression(), .classification(), or one of your own."
        )
    return found


def task_settings(task: Task) -> dict[str, Any]:
    """Return the identity of a task under "task", ready for JSON.

    That of plain classification is nothing: studies and checkpoints from before there were tasks
    have none.
    """
    identity = task.identity
    return {} if identity == Task.classification().identity else {"task": identity}


def place(model: nn.Module, device: str | torch.device) -> torch.device:
    """Move the model to the device, and return that.

    Raises:
        ValueError: If the model has no weights, or the machine no such device.
    """
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        raise ValueError(
            f"`model` must have weights, but {type(model).__name__} is on the meta device: build "
            "it outside of torch.device('meta')."
        )
    target = resolve_device(device)
    model.to(target)
    return target
