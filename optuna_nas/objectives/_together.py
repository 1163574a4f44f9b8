"""Several processes, one for each GPU, train the network of each trial together.

The first one runs the study. Before each training it tells the others which network it is; they
build the same one and train it along, until they are told that there are no more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna_nas.stores import optimize
from optuna_nas.training import share
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from optuna_nas.training import Recipe

__all__ = ["NoSlot", "Task", "optimize_together"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What other processes must know to train along.

    Attributes:
        params: Decisions of the architecture.
        recipe: How to train.
        seed: Of weights and data.
        accumulate: Parts of a batch.
        reports: Whether the trial is reported, and may be pruned.
        keeps: Whether there are checkpoints.
    """

    params: Mapping[str, Any]
    recipe: Recipe
    seed: int
    accumulate: int
    reports: bool
    keeps: bool


class NoSlot:
    """The place of a checkpoint in a process that does not write it."""

    def read(self) -> bytes | None:
        """Return nothing: the first process reads, and shares."""
        return None

    def write(self, data: bytes) -> None:
        """Write nothing: the first process does."""


def optimize_together(
    study: Study | None, objective: Callable[[Trial], float | Sequence[float]], **options: Any
) -> None:
    """Do ``study.optimize`` with several processes for each network.

    Call it in all processes that ``torchrun`` has started, within
    :func:`optuna_nas.training.distributed`; only the first one opens the study. Without
    ``torchrun`` it is :func:`optuna_nas.stores.optimize`. Where memory runs out in one of several
    processes, or another process fails their trial, the search ends with an error: they cannot
    go on without each other.

    Example::

        # torchrun --nproc-per-node 4 search.py
        import optuna
        from optuna_nas.objectives import TrainingObjective, optimize_together
        from optuna_nas.spaces import NASBench201Space
        from optuna_nas.training import distributed

        with distributed() as processes:
            objective = TrainingObjective(NASBench201Space(), "digits", epochs=3)
            first = processes.rank == 0
            study = optuna.create_study(direction="maximize") if first else None
            optimize_together(study, objective, n_trials=20)

    Args:
        study: The study in the first process, None in the others.
        objective: Made with the same arguments in all processes: a :class:`TrainingObjective`,
            or an objective of yours with a method
            ``train_along()``, which the other processes call instead of trials.
        **options: Of ``study.optimize``; ``n_jobs`` must be 1.

    Raises:
        TypeError: If the objective cannot train in several processes. All of them raise it, like
            the next one, before anything is done.
        ValueError: If there is no study in the first process, or ``n_jobs`` is not 1.
    """
    train_along = getattr(objective, "train_along", None)
    if not callable(train_along):
        name = getattr(objective, "__name__", type(objective).__name__)
        raise TypeError(
            "`objective` must be able to train in several processes, as a TrainingObjective can, "
            f"but got {name}, which has no train_along(). "
            "Use study.optimize, with as many workers as there are GPUs and a storage that they "
            "share."
        )
    mistake = share(_mistake(study, options))  # only the first process need have a study
    if mistake is not None:
        raise ValueError(mistake)
    if processes().rank > 0:
        train_along()
        return
    assert study is not None
    options.pop("n_jobs", None)
    if processes().count == 1:
        optimize(study, objective, **options)
    else:  # the others cannot leave a network's training where a trial is lost
        study.optimize(objective, **options)
    share(None)  # the others are done


def _mistake(study: Study | None, options: Mapping[str, Any]) -> str | None:
    """What the first process was called with in vain."""
    if study is None:
        return "`study` must be a study in the first process, but got None."
    if options.get("n_jobs", 1) != 1:
        return f"`n_jobs` must be 1, but got n_jobs={options['n_jobs']}."
    return None
