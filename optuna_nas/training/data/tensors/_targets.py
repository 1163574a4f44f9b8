"""Targets of tensors: whether they fit a task, and which of them are classes.

Letters: ``N`` examples, ``K`` classes, ``T`` tokens, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import numpy as np
import torch

from optuna_nas.training.data.tensors._pools import Pools
from optuna_nas.training.data.tensors._split import TensorSplit
from optuna_nas.training.task import Task

__all__ = ["require_fitting", "strata_of"]

_FEW = 5  # examples for each different target, at least, where those may be classes


def require_fitting(pools: Pools, task: Task | None) -> None:
    """Raise unless the targets are of the form that a usual task takes.

    Raises:
        ValueError: If they are not.
    """
    for part, pool in pools.by_part.items():
        if pool is None:
            continue
        targets = pool.targets
        rule = "" if task is None else _broken_rule(targets, task.kind)
        if rule:
            assert task is not None
            got = (
                "several arrays"
                if targets is None
                else f"{str(targets.dtype).removeprefix('torch.')} {tuple(targets.shape)}"
            )
            raise ValueError(f"`{part}` targets of task {task.name!r} must be {rule}, not {got}.")
        if targets is not None and pools.classes is not None:
            _require_numbered(targets, pools.classes, part)


def strata_of(split: TensorSplit, task: Task | None, stratify: bool | None) -> np.ndarray | None:
    """Return classes (N,), from 0, whose proportions splits keep; None: there are none.

    Args:
        split: Examples.
        task: Task of the data.
        stratify: Whether to; None: if the targets are classes.

    Raises:
        ValueError: If they should be kept of something that is no class.
    """
    targets = split.targets
    is_column = targets is not None and targets.ndim == 1 and not targets.is_floating_point()
    if stratify is False or (stratify is None and not is_column):
        return None
    if targets is None or not is_column:
        raise ValueError(
            "`stratify` needs targets that are integers of shape (N,), but got stratify=True and "
            "others: pass stratify=False."
        )
    _, strata = np.unique(targets.cpu().numpy(), return_inverse=True)
    if stratify or (task is not None and task.kind == "multiclass"):
        return strata
    few = (strata.max() + 1) * _FEW <= len(strata)
    return strata if task is None and few else None


def _broken_rule(targets: torch.Tensor | None, kind: str) -> str:
    """Rule of a kind of task that the targets break; "" if none."""
    if kind not in _RULES:
        return ""
    rule, dimensions, whole = _RULES[kind]
    if targets is None or targets.ndim not in dimensions:
        return rule
    if not whole:
        return (
            rule if kind == "multilabel" and bool(((targets != 0) & (targets != 1)).any()) else ""
        )
    if targets.dtype != torch.int64:
        return rule
    return f"{rule}, numbered from 0" if bool((targets < 0).any()) else ""


_ANY = range(1, 100)
_RULES: dict[str, tuple[str, range, bool]] = {
    "multiclass": (
        "integers or texts of shape (N,), one class for each example",
        range(1, 2),
        True,
    ),
    "multilabel": ("0 or 1 for each label, of shape (N, K)", range(2, 3), False),
    "regression": ("numbers of shape (N,) or (N, O)", _ANY, False),
    "segmentation": ("integers of shape (N, H, W), a class for each pixel", range(2, 100), True),
    "tokens": ("integers of shape (N, T), a token for each", range(2, 3), True),
}


def _require_numbered(targets: torch.Tensor, classes: tuple[str, ...], part: str) -> None:
    outside = (targets < 0) | (targets >= len(classes))
    if bool(outside.any()):
        raise ValueError(
            f"`{part}` targets must lie in 0..{len(classes) - 1} for {len(classes)} `classes`, "
            f"but one is {targets[outside][0].item()}."
        )
