"""Several processes, one for each GPU, train the network of each trial together.

The first one runs the study. Before each training it announces to the others which network it is;
they build the same one and train it too, in the distributed worker loop, until they are told that
there are no more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna import TrialPruned

from optuna_nas.objectives.evaluation._job import carry_out
from optuna_nas.stores import optimize
from optuna_nas.training import NonFiniteLossError, OptunaPruningCallback, share
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from optuna_nas.objectives.evaluation._job import Evaluator, TrainingJob
    from optuna_nas.training import EpochResult, Recipe

__all__ = ["AnnouncedJob", "announce", "distributed_optimize", "run_worker_loop"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnouncedJob:
    """Parts of a job in which it differs from other jobs of the same objective.

    Data, build arguments and evaluator are those of the objective, which every process has.

    Attributes:
        params: Decisions of the architecture.
        recipe: Settings of the training.
        seed: Seed of weights and data order.
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


class _NoSlot:
    """Place of a checkpoint in a process that does not write it."""

    def read(self) -> bytes | None:
        """Return nothing: the first process reads, and shares."""
        return None

    def write(self, data: bytes) -> None:
        """Write nothing: the first process does."""


def announce(job: TrainingJob, *, reports: bool, keeps: bool) -> None:
    """Tell the other processes, if there are any, which network is trained next.

    Args:
        job: The first process carries it out.
        reports: Whether the trial is reported.
        keeps: Whether there are checkpoints.
    """
    if processes().count > 1:
        share(
            AnnouncedJob(
                params=dict(job.network.params),
                recipe=job.recipe,
                seed=job.seed,
                accumulate=job.accumulate,
                reports=reports,
                keeps=keeps,
            )
        )


def run_worker_loop(evaluator: Evaluator, job_of: Callable[[AnnouncedJob], TrainingJob]) -> None:
    """Train the networks that the first process trains, until it has no more.

    Args:
        evaluator: As in the first process.
        job_of: Makes the whole job of an announced one.
    """
    nothing: AnnouncedJob | None = None
    while (announced := share(nothing)) is not None:
        job = dataclasses.replace(job_of(announced), accumulate=announced.accumulate)
        report = (
            OptunaPruningCallback(None, last_epoch=job.epochs) if announced.reports else _ignore
        )
        try:
            carry_out(evaluator, job, report, _NoSlot() if announced.keeps else None)
        except (TrialPruned, NonFiniteLossError):  # as in the first process
            continue


def _ignore(result: EpochResult) -> None:
    """Report nothing, where Optuna takes no reports."""


def distributed_optimize(
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
        from optuna_nas.objectives import TrainingObjective, distributed_optimize
        from optuna_nas.spaces import NASBench201Space
        from optuna_nas.training import distributed

        with distributed() as processes:
            objective = TrainingObjective(NASBench201Space(), "digits", epochs=3)
            first = processes.rank == 0
            study = optuna.create_study(direction="maximize") if first else None
            distributed_optimize(study, objective, n_trials=20)

    Args:
        study: The study in the first process, None in the others.
        objective: Created with the same arguments in all processes: a :class:`TrainingObjective`,
            or an objective of yours with a method ``distributed_worker()``, which the other
            processes call instead of trials.
        **options: Of ``study.optimize``; ``n_jobs`` must be 1.

    Raises:
        TypeError: If the objective cannot train in several processes. All of them raise it, like
            the next one, before anything is done.
        ValueError: If there is no study in the first process, or ``n_jobs`` is not 1.
    """
    worker = getattr(objective, "distributed_worker", None)
    if not callable(worker):
        name = getattr(objective, "__name__", type(objective).__name__)
        raise TypeError(
            "`objective` must be able to train in several processes, as a TrainingObjective can, "
            f"but got {name}, which has no distributed_worker(). "
            "Use study.optimize, with as many workers as there are GPUs and a storage that they "
            "share."
        )
    mistake = share(_mistake(study, options))  # only the first process need have a study
    if mistake is not None:
        raise ValueError(mistake)
    if processes().rank > 0:
        worker()
        return
    assert study is not None
    options.pop("n_jobs", None)
    if processes().count == 1:
        optimize(study, objective, **options)
    else:  # the others cannot leave a network's training where a trial is lost
        study.optimize(objective, **options)
    share(None)  # the others are done


def _mistake(study: Study | None, options: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the arguments of the first process, if anything."""
    if study is None:
        return "`study` must be a study in the first process, but got None."
    if options.get("n_jobs", 1) != 1:
        return f"`n_jobs` must be 1, but got n_jobs={options['n_jobs']}."
    return None
