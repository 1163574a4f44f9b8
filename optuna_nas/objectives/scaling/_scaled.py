"""What all objectives that scale a network share: count, limit, measure, judge, note."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack, cast

from optuna_nas._names import identity_of
from optuna_nas.keys import LATENCY_KEY, MACS_KEY, PARAMS_KEY, RESULT_KEY
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._options import ObjectiveOptions, check_options
from optuna_nas.objectives.scaling._scaled_training import ScaledJudge, ScaledTraining
from optuna_nas.objectives.trial._failures import blamed
from optuna_nas.profiling import Latency, Profile
from optuna_nas.scaling import ScalableNetwork
from optuna_nas.training import ImageData, seeded

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["ScaledObjective", "ScaledOptions"]


class ScaledOptions(ObjectiveOptions, total=False):
    """Options of every :class:`ScaledObjective`; see also :class:`ObjectiveOptions`.

    Args:
        num_classes: Number of classes that networks are built for; by default as the data has it.
        in_channels: Number of channels that networks are built for; likewise.
    """

    num_classes: int | None
    in_channels: int | None


class ScaledObjective(Objective[tuple[ScalableNetwork, int, str]]):
    """An objective whose trials are sizes of one network.

    Args:
        base: The network that is scaled.
        judge: A name of data or data, for :class:`ScaledTraining` on them; or such a judge with
            more settings; or a function ``(network, trial, epochs) -> accuracy`` of yours.
        options: See :class:`ScaledOptions`.

    Raises:
        ValueError: If a limit is out of range, or what networks are built for is not known.
        TypeError: If there is no such option.
    """

    def __init__(
        self,
        base: ScalableNetwork,
        judge: str | ImageData | ScaledJudge,
        **options: Unpack[ScaledOptions],
    ) -> None:
        check_options(self, options, ScaledOptions)
        num_classes = options.pop("num_classes", None)
        in_channels = options.pop("in_channels", None)
        super().__init__(**cast(ObjectiveOptions, options))
        self.base = base
        self.judge = ScaledTraining(judge) if isinstance(judge, str | ImageData) else judge
        data = getattr(self.judge, "data", None)
        self._build = _build(data, num_classes, in_channels)
        self._latency = options.get("latency")
        if self.limits.max_latency_ms is not None and self._latency is None:
            raise ValueError(
                "`max_latency_ms` needs `latency`, but got "
                f"max_latency_ms={self.limits.max_latency_ms} and latency=None: pass "
                "latency=LatencyMeter()."
            )
        self._counted: dict[ScalableNetwork, Profile] = {}
        self._measured: dict[ScalableNetwork, float] = {}

    @abstractmethod
    def suggest(self, run: TrialRun) -> tuple[ScalableNetwork, int, str]:
        """Return the network of a trial, its epochs, and the rule that chose its size, if one."""

    @property
    @abstractmethod
    def _settings(self) -> Mapping[str, Any]:
        """What else a study keeps of the objective."""

    def _check(self, trial: BaseTrial, network: ScalableNetwork, counted: Profile) -> None:
        """End a trial that need not be trained; objectives with a rule of their own add it."""
        self.limits.check_counted(trial, network, counted)

    @property
    def identity(self) -> dict[str, Any]:
        """What a study keeps of this objective (``optuna_nas:study``)."""
        return {
            "scaled": type(self).__name__,
            "base": self.base.identity,
            "judge": identity_of(self.judge),
            **self._settings,
        }

    def count(self, network: ScalableNetwork) -> Profile:
        """Parameters and multiply-adds of a network as it is built for the data."""
        if network not in self._counted:
            self._counted[network] = network.profile(**self._build)
        return self._counted[network]

    def evaluate(self, run: TrialRun, plan: tuple[ScalableNetwork, int, str]) -> float:
        trial, (network, epochs, rule) = run.trial, plan
        pixels = (self._build["in_channels"], network.resolution, network.resolution)
        with blamed(trial, network, pixels, "building"):
            counted = self.count(network)
        trial.set_user_attr(PARAMS_KEY, counted.params)
        trial.set_user_attr(MACS_KEY, counted.macs)
        self._check(trial, network, counted)
        latency = self._latency_ms(trial, network, pixels)
        facts = {
            "network": network.name,
            **network.params,
            "epochs": epochs,
            "rule": rule,
            "macs": counted.macs,
            "params": counted.params,
            "latency_ms": latency,
        }
        trial.set_user_attr(RESULT_KEY, facts)
        return self.judge(network, trial, epochs)

    def _latency_ms(
        self, trial: BaseTrial, network: ScalableNetwork, pixels: tuple[int, ...]
    ) -> float | None:
        if self._latency is None:
            return None
        if network not in self._measured:
            with blamed(trial, network, pixels, "measuring"):
                with seeded(0):
                    model = network.build(**self._build)
                found = self._latency(model, pixels)
            measured = found.median_ms if isinstance(found, Latency) else float(found)
            self._measured[network] = measured
        latency = self._measured[network]
        trial.set_user_attr(LATENCY_KEY, latency)
        if self.limits.max_latency_ms is not None:
            self.limits.check_latency(trial, network, latency)
        return latency


def _build(
    data: ImageData | None, num_classes: int | None, in_channels: int | None
) -> dict[str, int]:
    """What networks are built for: as given, else as the data has it."""
    given = {"num_classes": num_classes, "in_channels": in_channels}
    build = {name: getattr(data, name, None) if n is None else n for name, n in given.items()}
    unknown = [name for name, value in build.items() if value is None]
    if unknown:
        raise ValueError(
            f"`{unknown[0]}` must be given with a judge of your own, which has no data to say it."
        )
    return {name: int(value) for name, value in build.items() if value is not None}
