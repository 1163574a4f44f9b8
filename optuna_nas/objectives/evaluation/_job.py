"""One training as a value, and what carries it out: the evaluator of an objective.

A job holds everything that the result of a training depends on and nothing of the study, so that
it can be pickled and run in another process or on another machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from optuna_nas._ground.checks import require_int, require_seed
from optuna_nas._ground.names import identity_of
from optuna_nas.training import EpochResult, History, Recipe, seeded

if TYPE_CHECKING:
    import torch
    from torch import nn

    from optuna_nas.objectives._build import Buildable
    from optuna_nas.training import CheckpointSlot, Data, Task

__all__ = ["Evaluator", "TrainingJob", "carry_out", "evaluator_identity"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training, complete: equal jobs have equal results.

    Attributes:
        network: Architecture or scaled network that is built.
        epochs: Number of epochs, at least 1.
        build: Arguments for ``network.build``.
        data: Data that the network is trained on; None where the evaluator brings its own.
        task: Loss and metric; None: those of the data.
        recipe: Settings of the training.
        seed: Seed of weights and data order.
        device: ``"auto"`` or any torch device.
        accumulate: Parts in which each batch is learned, one after the other.
        image_size: Size of training examples by epoch, as for :func:`optuna_nas.training.fit`.

    Raises:
        ValueError: If ``epochs``, ``accumulate`` or ``seed`` is out of range.
    """

    network: Buildable
    epochs: int
    build: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Data | None = None
    task: Task | None = None
    recipe: Recipe = Recipe()
    seed: int = 0
    device: str | torch.device = "auto"
    accumulate: int = 1
    image_size: Callable[[int], int] | None = None

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, at_least=1)
        require_int("accumulate", self.accumulate, at_least=1)
        require_seed(self.seed)

    def model(self) -> nn.Module:
        """Build the network with the weights of the job's seed."""
        with seeded(self.seed):
            return self.network.build(**self.build)


class Evaluator(Protocol):
    """Carries out the trainings of an objective, given to it as ``evaluator=``.

    It knows networks and data and no trial: the objective reports epochs, prunes, tries again
    with smaller parts of a batch when memory runs out, and attributes failures. One that pickles
    lets the whole objective pickle.

    Where its results differ from those of :class:`NetworkTraining`, it says so by an attribute
    ``identity``, ready for JSON, which the study keeps; by default that is its name. One that
    only runs elsewhere what would be run here has ``identity = None``.

    Example::

        from concurrent.futures import ProcessPoolExecutor

        from optuna_nas.objectives import NetworkTraining

        class InAnotherProcess:
            identity = None  # as good as training here

            def __call__(self, job, *, on_epoch=None, checkpoint=None):
                with ProcessPoolExecutor(1) as pool:
                    return pool.submit(NetworkTraining(), job, checkpoint=checkpoint).result()
    """

    def __call__(
        self,
        job: TrainingJob,
        /,
        *,
        on_epoch: Callable[[EpochResult], None] | None = None,
        checkpoint: CheckpointSlot | None = None,
    ) -> History | float:
        """Carry out a job.

        Args:
            job: The training.
            on_epoch: Called after every epoch; what it raises, such as ``optuna.TrialPruned``,
                must pass through. Epochs of the returned history that it has not been called
                with are reported at the end, so that calling it is only needed to prune early.
            checkpoint: Place where the state is kept after every epoch; None: nowhere.

        Returns:
            The history of the training; or the metric alone, of which nothing is reported.
        """


def evaluator_identity(evaluator: Evaluator) -> Any:
    """Settings of an evaluator for a study, ready for JSON; None if it is as the default one."""
    if getattr(evaluator, "identity", evaluator) is None:
        return None
    return identity_of(evaluator)


def carry_out(
    evaluator: Evaluator,
    job: TrainingJob,
    on_epoch: Callable[[EpochResult], None],
    checkpoint: CheckpointSlot | None,
) -> History | float:
    """Have an evaluator carry out a job, and tell of each epoch that it has kept to itself."""
    told = 0

    def tell(result: EpochResult) -> None:
        nonlocal told
        told += 1
        on_epoch(result)

    found = evaluator(job, on_epoch=tell, checkpoint=checkpoint)
    if isinstance(found, History):
        for result in found.epochs[told:]:
            on_epoch(result)
    return found
