"""One training within a trial: reported, pruned, tried again when memory runs out, attributed.

The evaluator knows nothing of it; it is handed a job, and tells of each epoch.
"""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, integer
from optuna_nas._ground.keyed import trial_seed
from optuna_nas.keys import PARTS_KEY, SECONDS_KEY
from optuna_nas.objectives.evaluation._distributed import announce
from optuna_nas.objectives.evaluation._job import carry_out
from optuna_nas.objectives.trial import attributed_failures, is_out_of_memory
from optuna_nas.training import History
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from optuna_nas._ground.inputs import InputSpec
    from optuna_nas.objectives.evaluation._job import Evaluator, TrainingJob
    from optuna_nas.objectives.trial import TrialRun
    from optuna_nas.training import EpochResult

__all__ = ["last", "train_in_trial", "training_seed"]

PARTS = Attribute(PARTS_KEY, integer(1, 2**20))


def last(values: Sequence[float]) -> float:
    """Return the value of the last epoch."""
    return values[-1]


def train_in_trial(
    run: TrialRun,
    evaluator: Evaluator,
    job: TrainingJob,
    *,
    inputs: InputSpec,
    score: Callable[[list[float]], float] = last,
) -> float:
    """Have an evaluator train the network of an admitted trial, and report every epoch.

    Args:
        run: The trial; its architecture has been admitted.
        evaluator: Carries out the job.
        job: Its ``accumulate`` is set here, as far as memory requires it.
        inputs: Sizes and types of an example, for messages.
        score: Makes the metric of those after each epoch.

    Returns:
        The metric.

    Raises:
        TrialPruned: If the pruner stops the trial, or its network cannot be trained.
        TrialError: If something else is wrong.
    """
    factor = run.factor()  # before the training: reports are multiplied as the value is
    report = run.reporter(last_epoch=job.epochs)
    results: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        results.append(result)
        run.tell("training", result)
        if report is not None:
            report(dataclasses.replace(result, val_metric=factor * result.val_metric))

    started = time.perf_counter()
    try:
        with attributed_failures(run.trial, job.network, inputs, "training"):
            found = _evaluated(run, evaluator, job, on_epoch, results)
    finally:
        before = sum(result.seconds for result in results if result.restored)
        seconds = before + time.perf_counter() - started
        run.trial.set_user_attr(SECONDS_KEY, round(seconds, 4))
    if isinstance(found, History):
        return score([result.val_metric for result in results])
    return float(found)


def training_seed(seed: int, trial: BaseTrial) -> int:
    """Hash of (seed, trial number); a trial that is tried again has the number of the first."""
    return trial_seed(seed, seam.first_number(trial))


def _evaluated(
    run: TrialRun,
    evaluator: Evaluator,
    job: TrainingJob,
    on_epoch: Callable[[EpochResult], None],
    results: list[EpochResult],
) -> History | float:
    """Carry out the job in the fewest parts of a batch that memory has room for.

    The run begins anew with more parts, so that its result depends on their number and on nothing
    else. That needs two examples in a part, and an epoch that nobody has heard of yet.
    """
    slot = run.slot()
    for parts in _doubling(PARTS.read(run.trial) or 1):
        job = dataclasses.replace(job, accumulate=parts)
        announce(job, reports=run.takes_reports, keeps=slot is not None)
        try:
            return carry_out(evaluator, job, on_epoch, slot)
        except Exception as e:
            if not is_out_of_memory(e):
                raise
            if processes().count > 1:
                raise RuntimeError(
                    "no room in one of several processes, which cannot go on without each other: "
                    "a smaller batch_size, or max_params / max_macs, would prevent it."
                ) from None
            if results or _batch(job) // (2 * parts) < 2:
                raise
        run.trial.set_user_attr(PARTS_KEY, 2 * parts)
        _free_memory()  # after the except block, whose traceback holds the network
    raise AssertionError


def _doubling(parts: int) -> Iterator[int]:
    while True:
        yield parts
        parts *= 2


def _batch(job: TrainingJob) -> int:
    size = job.recipe.batch_size
    return size if job.data is None else min(size, len(job.data.train))


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
