"""Trains scaled networks: each on images of its own resolution, regularised by its size.

References:
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946.
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579.
    - Touvron et al. Fixing the Train-Test Resolution Discrepancy. NeurIPS 2019. arXiv:1906.06423.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import is_number, require_int, shown
from optuna_nas._ground.per_process import PerProcess
from optuna_nas.objectives._data import images_of
from optuna_nas.objectives.evaluation import (
    Evaluator,
    NetworkTraining,
    TrainingJob,
    evaluator_identity,
)
from optuna_nas.scaling import GrowingRegularisation, ScalableNetwork
from optuna_nas.training import Data, ImageData, ProgressiveSize, Recipe

if TYPE_CHECKING:
    from optuna_nas.training import CheckpointSlot, EpochResult, History

__all__ = ["ScaledTraining"]


class ScaledTraining(PerProcess):
    """Evaluator that trains a scaled network; the accuracy of the last epoch counts.

    Validation is at the network's own resolution; training may see images of another one.

    Args:
        data: Name for :func:`optuna_nas.training.load_data`, or an ``ImageData``. Images are
            resized to each network's resolution.
        recipe: Settings of the training; the network's own drop path goes before the recipe's.
        regularisation: Dropout and drop path by size; None: those of the network.
        train_resolution: Share of the network's resolution that training ends with: 1.0, or less,
            since objects in random crops look larger than in the whole image.
        start: Share of that resolution that training begins with; 1.0: no growth.
        stages: Steps of that growth.
        evaluator: Trains the network on the resized images, here or elsewhere. Default:
            ``NetworkTraining()``, in this process.

    Raises:
        ValueError: If a number is out of range.

    Example::

        from optuna_nas.objectives import ScaledTraining, TrainingJob
        from optuna_nas.scaling import ResNet

        training = ScaledTraining("digits", start=0.5, stages=2)
        network = ResNet(
            blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=16
        )
        print(training(TrainingJob(network=network, epochs=2)).last.val_metric)
    """

    def __init__(
        self,
        data: str | Data,
        *,
        recipe: Recipe | None = None,
        regularisation: GrowingRegularisation | None = None,
        train_resolution: float = 1.0,
        start: float = 1.0,
        stages: int = 4,
        evaluator: Evaluator | None = None,
    ) -> None:
        for name, share in (("train_resolution", train_resolution), ("start", start)):
            if not is_number(share) or not 0 < share <= 1:
                raise ValueError(f"`{name}` must lie in (0, 1], but got {name}={shown(share)}.")
        require_int("stages", stages, at_least=1)
        self.data = images_of(data)
        self.recipe = Recipe() if recipe is None else recipe
        self._regularisation = regularisation
        self._train_resolution = train_resolution
        self._start = start
        self._stages = stages
        self._evaluator = NetworkTraining() if evaluator is None else evaluator
        self._forget()

    def _forget(self) -> None:
        self._resized: tuple[int, ImageData] | None = None  # of the last trial

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that a study keeps, ready for JSON."""
        growing = self._regularisation
        other = evaluator_identity(self._evaluator)
        return {
            "data": self.data.identity,
            "recipe": self.recipe.to_dict(),
            "regularisation": None if growing is None else dataclasses.asdict(growing),
            "train_resolution": self._train_resolution,
            "start": self._start,
            "stages": self._stages,
            **({} if other is None else {"evaluator": other}),
        }

    def __call__(
        self,
        job: TrainingJob,
        /,
        *,
        on_epoch: Callable[[EpochResult], None] | None = None,
        checkpoint: CheckpointSlot | None = None,
    ) -> History | float:
        """Train the scaled network of a job, for the images of this training.

        Raises:
            TypeError: If the network of the job is of another kind.
        """
        if not isinstance(job.network, ScalableNetwork):
            raise TypeError(
                f"`job.network` must be a ScalableNetwork, but got {job.network}: NetworkTraining "
                "trains architectures."
            )
        network = self.regularised(job.network)
        own = dataclasses.replace(
            job,
            network=network,
            build={"num_classes": self.data.num_classes, "in_channels": self.data.in_channels},
            data=self._data_of(network.resolution),
            recipe=self.recipe_of(network),
            image_size=self._sizes(network, job.epochs),
        )
        return self._evaluator(own, on_epoch=on_epoch, checkpoint=checkpoint)

    def regularised(self, network: ScalableNetwork) -> ScalableNetwork:
        """Return the network as it is trained, with the dropout and drop path of its size."""
        if self._regularisation is None:
            return network
        counted = network.profile(
            num_classes=self.data.num_classes, in_channels=self.data.in_channels
        )
        return self._regularisation.applied(network, counted.macs)

    def recipe_of(self, network: ScalableNetwork) -> Recipe:
        """Return the recipe that a network is trained with."""
        if not network.drop_path:
            return self.recipe
        return dataclasses.replace(
            self.recipe, drop_path=network.drop_path, drop_path_schedule="constant"
        )

    def _sizes(self, network: ScalableNetwork, epochs: int) -> ProgressiveSize | None:
        """The sizes of the training images; None where they are always the network's."""
        if self._start == self._train_resolution == 1.0:
            return None
        final = max(network.stride, round(self._train_resolution * network.resolution))
        start = max(network.stride / final, self._start)
        return ProgressiveSize(final=final, epochs=epochs, start=start, stages=self._stages)

    def _data_of(self, resolution: int) -> ImageData:
        if self._resized is None or self._resized[0] != resolution:
            self._resized = resolution, self.data.resized(resolution)
        return self._resized[1]
