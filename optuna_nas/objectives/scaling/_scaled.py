"""Base of all objectives that scale a network: count, limit, measure, train, note."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from optuna_nas._ground.checks import require_seed
from optuna_nas._ground.names import identity_of
from optuna_nas.keys import RESULT_KEY
from optuna_nas.objectives._base import Objective
from optuna_nas.objectives._options import ObjectiveOptions, check_options
from optuna_nas.objectives.evaluation import (
    Evaluator,
    TrainingJob,
    train_in_trial,
    training_seed,
)
from optuna_nas.objectives.identity import ScaledIdentity, StudyIdentity
from optuna_nas.objectives.scaling._costs import ScaledCosts
from optuna_nas.objectives.scaling._picture import picture_of
from optuna_nas.objectives.scaling._rebuilt import rebuilt_network, rebuilt_training
from optuna_nas.objectives.scaling._scaled_training import ScaledTraining
from optuna_nas.objectives.trial import TrialRun
from optuna_nas.profiling import Profile
from optuna_nas.scaling import ScalableNetwork
from optuna_nas.training import Data, ImageData, Recipe, Task

if TYPE_CHECKING:
    from optuna_nas.drawing import Graph
    from optuna_nas.spaces import SearchSpace

__all__ = ["ScaledObjective", "ScaledOptions", "ScaledPlan"]


class ScaledOptions(ObjectiveOptions, total=False):
    """Options of every objective that scales a network; see also :class:`ObjectiveOptions`.

    Latency is measured, and kept with a trial, where ``latency`` or ``max_latency_ms`` is given.

    Args:
        num_classes: Number of classes that networks are built for; by default as the data has it.
        in_channels: Number of channels that networks are built for; likewise.
        seed: Weights and data order of trial n depend on (seed, n). Default: 0.
    """

    num_classes: int | None
    in_channels: int | None
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledPlan:
    """One size of a network, and how long it is trained.

    Attributes:
        network: The network of that size.
        epochs: Number of epochs.
        rule: Name of the rule that chose the size, if one did.
    """

    network: ScalableNetwork
    epochs: int
    rule: str = ""


class ScaledObjective(Objective[ScaledPlan]):
    """An objective whose trials are sizes of one network.

    Args:
        base: The network that is scaled.
        evaluator: Name of data or data, for :class:`ScaledTraining` on them; one with more
            settings; or an :class:`Evaluator` of yours, which finds the network and the number
            of epochs in its job.
        options: See :class:`ScaledOptions`.

    Raises:
        ValueError: If a limit is out of range, or what networks are built for is not known.
        TypeError: If there is no such option.
    """

    def __init__(
        self,
        base: ScalableNetwork,
        evaluator: str | ImageData | Evaluator,
        **options: Unpack[ScaledOptions],
    ) -> None:
        check_options(self, options, ScaledOptions)
        given = {
            "num_classes": options.pop("num_classes", None),
            "in_channels": options.pop("in_channels", None),
        }
        self.seed = options.pop("seed", 0)
        require_seed(self.seed)
        # Networks that grow by resolution are of images and their classes.
        super().__init__(task=Task.classification(), **cast(ObjectiveOptions, options))
        self.base = base
        self.evaluator: Evaluator = (
            ScaledTraining(evaluator) if isinstance(evaluator, str | ImageData) else evaluator
        )
        self._data: ImageData | None = getattr(self.evaluator, "data", None)
        self._build = _build(self._data, given)
        if self.limits.min_proxy and self._data is None:
            raise ValueError(
                "`min_proxy` needs images, but got an evaluator of your own without an attribute "
                "`data`: leave min_proxy out, or give the evaluator its data."
            )
        self.costs: ScaledCosts = ScaledCosts(
            self._build, self._meter, data=self._data, device=self.device
        )
        measured = (options.get("latency"), options.get("max_latency_ms"))
        self._measures = any(option is not None for option in measured)

    @abstractmethod
    def suggest(self, run: TrialRun) -> ScaledPlan:
        """Suggest the size of a trial, and how long it is trained."""

    @property
    @abstractmethod
    def _settings(self) -> Mapping[str, Any]:
        """Further settings that a study keeps of the objective."""

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        settings = dict(self._settings)
        return StudyIdentity(
            scaled=ScaledIdentity(
                objective=type(self).__name__,
                base=self.base.identity,
                evaluation=identity_of(self.evaluator),
            ),
            epochs=settings.pop("epochs", None),
            more=settings,
        )

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        return identity.scaled is not None and identity.scaled.objective == cls.__name__

    @classmethod
    def from_identity(
        cls,
        identity: StudyIdentity,
        *,
        space: SearchSpace | None = None,
        data: str | Data | None = None,
        **options: Any,
    ) -> Self:
        """Make the objective of an identity; see :meth:`Objective.from_identity`."""
        assert identity.scaled is not None
        scaled = identity.scaled
        base = options.pop("base", None) or rebuilt_network(scaled.base)
        evaluator = options.pop("evaluator", None) or rebuilt_training(scaled.evaluation, data)
        epochs = {} if identity.epochs is None else {"epochs": identity.epochs}
        return cls(base, evaluator, **{**epochs, **cls._kept(identity.more), **options})

    @classmethod
    def _kept(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Arguments of what :attr:`_settings` has told a study."""
        return settings

    def count(self, network: ScalableNetwork) -> Profile:
        """Count parameters and multiply-adds of a network as it is built for the data."""
        return self.costs.count(network)

    def evaluate(self, run: TrialRun, plan: ScaledPlan) -> float:
        network = plan.network
        run.admit(network, graph=self._picture(run, network))
        counted = self.costs.counted(run.trial, network)
        facts = {
            "network": network.name,
            **network.params,
            "epochs": plan.epochs,
            "rule": plan.rule,
            "macs": counted.macs,
            "params": counted.params,
            "latency_ms": run.cost("latency_ms") if self._measures else None,
        }
        run.trial.set_user_attr(RESULT_KEY, facts)
        job = TrainingJob(
            network=network,
            epochs=plan.epochs,
            build=self._build,
            data=self._data,
            recipe=getattr(self.evaluator, "recipe", Recipe()),
            seed=training_seed(self.seed, run.trial),
            device=self.device,
        )
        return train_in_trial(run, self.evaluator, job, inputs=self.costs.inputs(network))

    def _picture(self, run: TrialRun, network: ScalableNetwork) -> Graph | None:
        return None if run.pictures is None else picture_of(network, self._build)


def _build(data: ImageData | None, given: Mapping[str, int | None]) -> dict[str, int]:
    """Complete what networks are built for by what the data says."""
    build = {}
    for name, value in given.items():
        found = getattr(data, name, None) if value is None else value
        if found is None:
            raise ValueError(
                f"`{name}` must be given with an evaluator of your own that has no `data`, but "
                f"got {name}=None."
            )
        build[name] = int(found)
    return build
