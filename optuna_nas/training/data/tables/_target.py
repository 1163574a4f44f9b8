"""The target columns of a table, and the task that they are for.

Letters: ``N`` rows, ``O`` target columns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from optuna_nas._ground.checks import require_choice, shown
from optuna_nas.training.data.tables._csv import Table
from optuna_nas.training.task import Task

__all__ = ["TASKS", "Target", "target_of"]

TASKS = ("regression", "classification")
_MOST_TOLD = 20  # different whole numbers that are told to be classes


@dataclasses.dataclass(frozen=True)
class Target:
    """Targets of a table.

    Attributes:
        columns: Names of the O target columns.
        values: Of shape (N,), or (N, O) where they are several: numbers of classes, or floats.
        classes: Names of the classes; None: there are none.
        task: "regression" or "classification".
    """

    columns: list[str]
    values: np.ndarray
    classes: tuple[str, ...] | None
    task: str

    @property
    def default_task(self) -> Task:
        """Task of these targets; of several columns of 0 and 1 that of several labels."""
        if self.task == "regression":
            return Task.regression()
        return Task.classification() if self.classes is not None else Task.multilabel()


def target_of(table: Table, target: str | None, task: str | None) -> Target:
    """Return the targets of a table.

    Args:
        table: With the target among its columns.
        target: Name of a column, or several with commas between them.
        task: "regression" or "classification"; None: classification of texts, of at most 20
            different whole numbers, and of several columns of 0 and 1, else regression.

    Raises:
        ValueError: If there is no such column, or it does not fit the task.
    """
    if task is not None:
        require_choice("task", task, TASKS)
    columns = _columns(table, target)
    if len(columns) == 1:
        return _single(table, columns[0], task)
    for column in columns:
        if column in table.texts:
            raise ValueError(
                f"`target` of several columns must be numbers, but {column!r} of {table.file!r} "
                f"is text, such as {shown(str(table.texts[column][0]))}: name one column."
            )
    values = np.stack([_complete(table, column) for column in columns], axis=1)
    labels = bool(((values == 0) | (values == 1)).all())
    if task == "classification" and not labels:
        raise ValueError(
            "`target` of several columns must be 0 or 1 for classification, but those of "
            f'{table.file!r} hold other numbers: name one column, or pass task="regression".'
        )
    told = task or ("classification" if labels else "regression")
    return Target(columns, values, None, told)


def _columns(table: Table, target: str | None) -> list[str]:
    known = ", ".join(map(repr, table.names[:40]))
    if target is None:
        raise ValueError(
            f"`target` must name the column of csv:PATH that is predicted, one of {known}: pass "
            "target=... (--target)."
        )
    columns = [target] if target in table.names else [name.strip() for name in target.split(",")]
    for column in columns:
        if column not in table.names:
            raise ValueError(
                f"`target` must be a column of {table.file!r}, one of {known}, but got {column!r}."
            )
    if len({*columns}) < len(columns):
        raise ValueError(f"`target` must name different columns, but got target={target!r}.")
    if len(columns) == len(table.names):
        raise ValueError(
            f"`target` must leave other columns to predict it from, but {table.file!r} has only "
            f"{known}."
        )
    return columns


def _single(table: Table, column: str, task: str | None) -> Target:
    if column in table.texts:
        texts = table.texts[column]
        if task == "regression":
            text = next(field for field in texts.tolist() if not _is_number(field))
            raise ValueError(
                f"`target` must be a column of numbers for regression, but {column!r} of "
                f"{table.file!r} holds {shown(text)}: correct it, or pass "
                'task="classification".'
            )
        _require_complete(table, column, texts == "")
        return _classes(column, *np.unique(texts, return_inverse=True))
    values = _complete(table, column)
    different, numbers = np.unique(values, return_inverse=True)
    whole = bool((different == np.rint(different)).all())
    if task is None:
        task = "classification" if whole and len(different) <= _MOST_TOLD else "regression"
    if task == "regression":
        return Target([column], values, None, task)
    if not whole:
        fraction = different[different != np.rint(different)][0]
        raise ValueError(
            f"`target` must be a column of texts or whole numbers for classification, but "
            f'{column!r} of {table.file!r} holds {fraction:g}: pass task="regression".'
        )
    return _classes(column, different.astype(np.int64), numbers)


def _classes(column: str, names: Sequence[Any] | np.ndarray, numbers: np.ndarray) -> Target:
    if len(names) < 2:
        raise ValueError(
            f"`target` must have at least two classes, but column {column!r} is always "
            f"{names[0]}: name another column."
        )
    return Target([column], numbers, tuple(map(str, names)), "classification")


def _complete(table: Table, column: str) -> np.ndarray:
    values = table.numbers[column]
    _require_complete(table, column, np.isnan(values))
    return values


def _require_complete(table: Table, column: str, missing: np.ndarray) -> None:
    if missing.any():
        line = table.lines[int(missing.argmax())]
        raise ValueError(
            f"`target` must be there in every row, but column {column!r} is empty in line {line} "
            f"of {table.file!r}: delete that line."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""
    return True
