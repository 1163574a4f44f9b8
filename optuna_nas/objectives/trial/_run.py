"""One trial on its way through an objective: what it has to keep, and where it is told of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.keys import ACCURACY_KEY, ARCHITECTURE_KEY, DIGEST_KEY
from optuna_nas.objectives.trial._limits import Limits
from optuna_nas.objectives.trial._picture import attach_picture
from optuna_nas.objectives.trial._value import TrialValue
from optuna_nas.training import OptunaPruningCallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.study import Study

    from optuna_nas.drawing import Graph
    from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints, TrialSlot
    from optuna_nas.objectives.trial._costs import Costs
    from optuna_nas.spaces import Architecture
    from optuna_nas.training import EpochResult

__all__ = ["TrialRun"]


@dataclasses.dataclass(kw_only=True)
class TrialRun:
    """One trial on its way through an :class:`Objective`, which hands it to each hook.

    Attributes:
        trial: Live, or a ``FixedTrial`` that belongs to no study.
        value: Value of the trial.
        limits: Limits that its architecture must keep.
        costs: Costs of networks; None where the objective cannot tell them.
        pictures: Store of its picture, or None.
        checkpoints: Place of its state, or None.
        listener: The objective's ``on_epoch``, or None.
        metric: Words for the metric, for messages.
        architecture: Architecture, or scaled network, of the trial; set once one is admitted.
        artifact: Id of its picture.
    """

    trial: Any
    value: TrialValue = TrialValue()
    limits: Limits = Limits()
    costs: Costs | None = None
    pictures: seam.ArtifactStore | None = None
    checkpoints: TrialCheckpoints | None = None
    listener: Callable[[str, EpochResult], None] | None = None
    metric: str = "validation metric"
    architecture: Any = None
    artifact: str | None = None

    @property
    def study(self) -> Study | None:
        """Study of a live trial."""
        return seam.study_of(self.trial)

    @property
    def takes_reports(self) -> bool:
        """Whether Optuna takes reports: not in studies with several objectives."""
        return seam.takes_reports(self.trial)

    def record(self, architecture: Architecture) -> None:
        """Keep an architecture with the trial, as soon as it is known."""
        self.trial.set_user_attr(ARCHITECTURE_KEY, architecture.to_json())
        self.trial.set_user_attr(DIGEST_KEY, architecture.digest)

    def admit(self, architecture: Any, *, graph: Graph | None = None) -> None:
        """Check the limits of the trial's architecture, and draw it; call it before training.

        Args:
            architecture: Architecture, or another network that the objective's costs know.
            graph: Picture of it; by default ``architecture.graph()``.

        Raises:
            TrialPruned: If the architecture exceeds a limit.
            ValueError: If there are limits and the objective knows no costs.
        """
        if self.costs is not None:
            self.limits.check(self.trial, architecture, self.costs)
        elif self.limits != Limits():
            raise ValueError(
                f"Limits need to know what networks cost, but got {self.limits} and an objective "
                "without `costs`: set `self.costs` when the objective is created."
            )
        self.architecture = architecture
        if self.pictures is not None and self.study is not None:
            picture = architecture.graph() if graph is None else graph
            self.artifact = attach_picture(self.trial, picture, self.pictures)

    def costs_of_value(self) -> dict[str, float]:
        """Return the costs of the admitted architecture that the value depends on, by name."""
        return {cost: self.cost(cost) for cost in self.value.costs}

    def cost(self, name: str) -> float:
        """Return a cost of the admitted architecture.

        Args:
            name: ``"latency_ms"``, ``"macs"`` or ``"params"``.
        """
        assert self.architecture is not None
        assert self.costs is not None
        return self.costs.of(name, self.trial, self.architecture)

    def factor(self) -> float:
        """Return what reports of the metric are multiplied by, as the value is."""
        return self.value.factor(self.costs_of_value())

    def value_of(self, metric: float) -> float | tuple[float, ...]:
        """Return the value of the trial, and keep the metric where it is another."""
        if self.value.reward is not None:
            self.trial.set_user_attr(ACCURACY_KEY, metric)
        return self.value.of(metric, self.costs_of_value())

    def slot(self) -> TrialSlot | None:
        """Return the place of the trial's checkpoint; None where none is kept."""
        return None if self.checkpoints is None else self.checkpoints.slot(self.trial)

    def reporter(self, *, last_epoch: int | None = None) -> OptunaPruningCallback | None:
        """Return what reports epochs to the trial and prunes it; None where Optuna takes none.

        Args:
            last_epoch: Epoch after which the run ends anyway, so that it is not pruned after it.
        """
        if not self.takes_reports:
            return None
        return OptunaPruningCallback(self.trial, name=self.metric, last_epoch=last_epoch)

    def tell(self, phase: str, result: EpochResult) -> None:
        """Call the objective's ``on_epoch``, if it has one.

        Args:
            phase: ``"training"``, ``"search"``, ``"evaluation"`` or ``"shared_weights"``.
            result: Result of the epoch.
        """
        if self.listener is not None:
            self.listener(phase, result)
