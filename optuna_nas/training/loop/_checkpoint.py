"""A run that was interrupted goes on after its last whole epoch, as if nothing had happened.

What a run draws is a function of (seed, epoch), so weights, optimizer, gradient scaler, average
and the results so far are all that is kept; the order of the examples and the random states
follow.
"""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from pathlib import Path
from typing import Any, Protocol, cast

from torch import nn

from optuna_nas._ground.attributes import fields, integer, list_of, mapping, number, real
from optuna_nas._ground.checks import shown
from optuna_nas.stores import DamagedFileError, read_checked, write_checked
from optuna_nas.training._distributed import processes, share
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.loop._history import EpochResult, History
from optuna_nas.training.loop._weights import packed, unpacked
from optuna_nas.training.optim import set_batch_norm

__all__ = ["CheckpointFile", "CheckpointSlot", "Checkpoints", "load_checkpoint"]


class CheckpointSlot(Protocol):
    """A place for the one checkpoint of a run."""

    def read(self) -> bytes | None:
        """Return what was written last, None if nothing was.

        Raises:
            DamagedFileError: If it is not whole.
        """

    def write(self, data: bytes) -> None:
        """Put the data in place of what was there, whole or not at all."""


class Restorable(Protocol):
    """A ``Learner``, or a group of several, with a state to keep."""

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts."""

    def state(self) -> dict[str, Any]:
        """Return all that changes while learning."""

    def restore(self, state: dict[str, Any]) -> None:
        """Become what it was when it gave its ``state``."""


class CheckpointFile:
    """A file as a place for a checkpoint.

    Args:
        path: In an existing folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> bytes | None:
        """Return what was written last, None if nothing was."""
        try:
            return read_checked(self._path)
        except FileNotFoundError:
            return None

    def write(self, data: bytes) -> None:
        """Put the data in place of what was there, whole or not at all."""
        write_checked(self._path, data)


class Checkpoints:
    """Writes and reads the state of one run; with several processes, the first one does.

    Args:
        slot: Where it is kept: a file or another place.
        run: Identity of the run, ready for JSON: a checkpoint of another run is refused.
    """

    def __init__(self, slot: str | os.PathLike[str] | CheckpointSlot, run: dict[str, Any]) -> None:
        self._slot = _slot(slot)
        self._run = run

    def save(self, learner: Restorable, results: list[EpochResult]) -> None:
        """Write the state after an epoch."""
        if processes().rank != 0:
            return
        state = {
            "run": self._run,
            "results": [_written(result) for result in results],
            "learner": learner.state(),
            "judged": learner.evaluated.state_dict(),
        }
        self._slot.write(packed(state))

    def restore(self, learner: Restorable) -> list[EpochResult]:
        """Give the learner the state that was written last, and return the results until then.

        Raises:
            ValueError: If it is the state of another run.
        """
        state = share(self._read() if processes().rank == 0 else None)
        if state is None:
            return []
        differences = [
            f"{key} was {shown(state['run'].get(key))} and is now {value!r}"
            for key, value in self._run.items()
            if not _is_equal(state["run"].get(key), value)
        ]
        if differences:
            raise ValueError(
                f"`checkpoint` must hold the same run, but {'; '.join(differences)}: go on with "
                "the settings it was created with, or give another place."
            )
        try:
            learner.restore(state["learner"])
        except Exception as e:  # whatever a foreign state can lead to
            raise ValueError(
                f"`checkpoint` must hold the same run, but it is of another network ({e}): give "
                "another place."
            ) from e
        return list(_history(state).epochs)

    def _read(self) -> dict[str, Any] | None:
        """Return the state that was written last; a damaged one is told of and passed over."""
        try:
            content = self._slot.read()
            return None if content is None else _state_in(content)
        except DamagedFileError as e:
            warnings.warn(f"{e} The training begins anew.", stacklevel=2)
            return None


def load_checkpoint(
    model: nn.Module, checkpoint: str | os.PathLike[str] | CheckpointSlot
) -> History:
    """Load the weights that :func:`fit` evaluated last, and return the epochs until then.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from optuna_nas.training import fit, load_checkpoint, load_data
        >>> data, path = load_data("digits"), tempfile.mkdtemp() + "/run.pt"
        >>> layers = torch.nn.Flatten(), torch.nn.Linear(64, 10)
        >>> history = fit(torch.nn.Sequential(*layers), data, epochs=2, checkpoint=path)
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> load_checkpoint(model, path).last.val_loss == history.last.val_loss
        True

    Args:
        model: Built like the one that was trained; it is left in eval mode.
        checkpoint: The file or other place that ``fit`` was given.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        DamagedFileError: If it is damaged.
        ValueError: If it is of another network.
    """
    content = _slot(checkpoint).read()
    if content is None:
        raise FileNotFoundError(f"There must be a checkpoint in {checkpoint}, but there is none.")
    state = _state_in(content)
    try:
        model.load_state_dict(state["judged"])
        set_batch_norm(model, Recipe(**state["run"]["recipe"]))
    except Exception as e:  # whatever a foreign state can lead to
        raise ValueError(
            f"`checkpoint` must be of a network built like `model`, but is not ({e}): build the "
            "one that was trained."
        ) from e
    model.eval()
    return _history(state)


def _slot(checkpoint: str | os.PathLike[str] | CheckpointSlot) -> CheckpointSlot:
    if isinstance(checkpoint, str | os.PathLike):
        return CheckpointFile(checkpoint)
    return checkpoint


def _history(state: dict[str, Any]) -> History:
    results = (
        EpochResult(**{_FIELDS.get(name, name): item for name, item in result.items()})
        for result in state["results"]
    )
    task = state["run"].get("task")
    direction = task.get("direction") if isinstance(task, dict) else None
    return History(
        tuple(dataclasses.replace(result, restored=True) for result in results),
        "minimize" if direction == "minimize" else "maximize",
    )


_FIELDS = {"val_accuracy": "val_metric"}  # in files that name a field as it was once called


def _written(result: EpochResult) -> dict[str, Any]:
    """Return the fields of a result by their names in files."""
    names = {field: name for name, field in _FIELDS.items()}
    return {names.get(name, name): item for name, item in dataclasses.asdict(result).items()}


def _state_in(content: bytes) -> dict[str, Any]:
    """Return a checkpoint's state with its tensors on the CPU, without running code from it.

    Raises:
        DamagedFileError: If it holds something else.
    """
    error = "A checkpoint must hold the state of a run, but does not."
    state = unpacked(content, "cpu", error)
    try:
        read = _STATE(state)
        if "task" not in read["run"]:  # plain classification, whose metric is a share
            for result in read["results"]:
                _share(result["val_accuracy"])
        return read
    except ValueError as e:
        raise DamagedFileError(f"{error} It {e}.") from e


def _in_order(value: object) -> list[dict[str, Any]]:
    """Decode the results of the epochs from the first one on.

    Raises:
        ValueError: If they are others.
    """
    results = list_of(_RESULT, at_least=1)(value)
    if [result["epoch"] for result in results] != list(range(1, len(results) + 1)):
        raise ValueError("must be of the epochs 1, 2, ... in order, but is not")
    return results


def _share(value: float) -> float:
    """Check a share, NaN where there was nothing to validate on."""
    return value if math.isnan(value) else number(0.0, 1.0)(value)


def _metric(value: object) -> float:
    """Decode a metric, NaN where there was nothing to validate on."""
    return value if isinstance(value, float) and math.isnan(value) else number()(value)


def _table(value: object) -> dict[str, Any]:
    """Decode a mapping of names to whatever torch keeps.

    The mapping itself is returned: a ``state_dict`` carries the versions of its modules with it.
    """
    mapping(lambda item: item)(value)
    return cast("dict[str, Any]", value)


_RESULT = fields(
    {
        "epoch": integer(1),
        "train_loss": real,
        "val_loss": real,
        "val_accuracy": _metric,
        "seconds": number(at_least=0.0),
        "lr": number(),
    }
)
_STATE = fields({"run": _table, "results": _in_order, "learner": _table, "judged": _table})


def _is_equal(theirs: object, ours: object) -> bool:
    """Whether a setting is the same; a tensor in its place, which has no truth, is not."""
    try:
        return bool(theirs == ours)
    except (RuntimeError, ValueError):
        return False
