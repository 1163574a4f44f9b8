"""Loss and accuracy of a network on one split.

Letters: ``B`` images in a batch, ``K`` classes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from optuna_nas._ground.checks import require_int
from optuna_nas._ground.device import resolve_device
from optuna_nas._ground.forward import evaluating
from optuna_nas.training._distributed import Processes, sum_over_processes
from optuna_nas.training.data import AnySplit, ImageData, Normaliser
from optuna_nas.training.loop._precision import Precision

__all__ = ["BATCH_SIZE", "Evaluation", "checked_logits", "evaluate", "evaluate_split", "place"]

BATCH_SIZE = 512  # images evaluated at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a network does on a split.

    Attributes:
        loss: Mean cross entropy in nats, without label smoothing.
        accuracy: Share of images whose class is right, in [0, 1].
        count: Images in the split.
    """

    loss: float
    accuracy: float
    count: int


def evaluate(
    model: nn.Module,
    split: AnySplit,
    data: ImageData,
    *,
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
        model: Takes float images (B, C, H, W), gives logits (B, K). It is moved to ``device``.
        split: ``data.val``, or ``data.test`` after the search.
        data: Its mean and standard deviation normalise the images.
        device: See :func:`resolve_device`.
        batch_size: Images at once, at least 1.

    Raises:
        ValueError: If the split is empty or the logits have another shape.
    """
    require_int("batch_size", batch_size)
    target = place(model, device)
    return evaluate_split(
        model, split, data, target, Precision(target.type, None), batch_size=batch_size
    )


def evaluate_split(
    model: nn.Module,
    split: AnySplit,
    data: ImageData,
    device: torch.device,
    precision: Precision,
    processes: Processes | None = None,
    *,
    batch_size: int = BATCH_SIZE,
) -> Evaluation:
    """Do :func:`evaluate` with a model on its device; each process takes a part of the images."""
    if len(split) == 0:
        raise ValueError(
            f"`split` must have images, but this one of {data.name!r} is empty: load the data "
            "with a larger size."
        )
    processes = processes or Processes()
    normalise = Normaliser(data.mean, data.std, device)
    order = torch.arange(processes.rank, len(split), processes.count)
    loss, correct = 0.0, 0
    with evaluating(model), precision.autocast():
        for images, labels in split.to(device).batches(torch.split(order, batch_size)):
            here = labels.to(device, non_blocking=True)
            output = model(normalise(images.to(device, non_blocking=True)))
            logits = checked_logits(output, len(labels), data).float()
            loss += functional.cross_entropy(logits, here, reduction="sum").item()
            correct += int((logits.argmax(1) == here).sum())
    if processes.count > 1:
        sums = torch.tensor([loss, correct], dtype=torch.float64, device=device)
        loss, correct = sum_over_processes(sums).tolist()
    return Evaluation(loss=loss / len(split), accuracy=correct / len(split), count=len(split))


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


def checked_logits(output: Any, batch: int, data: ImageData) -> torch.Tensor:
    """Return the output of a network if it is logits of shape (B, K) for the data's classes."""
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            f"`model` must return logits of shape (images, classes), but returned a "
            f"{type(output).__name__}."
        )
    if output.ndim == 2 and len(output) == batch and output.shape[1] != data.num_classes:
        raise ValueError(
            f"`model` must return one logit per class, but returned {output.shape[1]} logits and "
            f"{data.name!r} has {data.num_classes} classes: build it with "
            f"num_classes={data.num_classes}."
        )
    if output.shape != (batch, data.num_classes):
        raise ValueError(
            f"`model` must return logits of shape {(batch, data.num_classes)}, but returned "
            f"shape {tuple(output.shape)}."
        )
    return output
