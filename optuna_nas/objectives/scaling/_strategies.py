"""Compares rules of scaling at one budget: depth only, width only, all at once.

References:
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946, Table 7.
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna.samplers import GridSampler

from optuna_nas._ground.checks import require_int, require_positive
from optuna_nas.objectives.scaling._scaled import ScaledObjective, ScaledOptions, ScaledPlan
from optuna_nas.scaling import STRATEGIES, Coefficients, ScalableNetwork, grown_to

if TYPE_CHECKING:
    from optuna_nas.objectives.evaluation import Evaluator
    from optuna_nas.objectives.trial import TrialRun
    from optuna_nas.training import ImageData

__all__ = ["StrategyObjective"]

BASE = "base"


class StrategyObjective(ScaledObjective):
    """An Optuna objective over rules of scaling, each with the same budget of multiply-adds.

    A trial suggests a rule and a repetition (another seed). The network of a rule is the one of
    its family whose counted multiply-adds are nearest to the budget; ``networks`` shows them.

    Args:
        base: The network that is scaled; it is evaluated as well, as the rule ``"base"``.
        evaluator: Data, a :class:`ScaledTraining`, or an :class:`Evaluator` of yours.
        epochs: Epochs per trial, at least 1.
        factor: The budget in multiply-adds of the base, at least 1.
        strategies: Rules by name; by default depth, width and resolution alone, EfficientNet's
            compound and ResNet-RS's slow resolution.
        repetitions: Trials of each rule, at least 1.
        options: See :class:`ScaledOptions` and :class:`ObjectiveOptions`.

    Raises:
        ValueError: If a setting is out of range, or the budget is under the base network.

    Example::

        import optuna

        from optuna_nas.objectives import StrategyObjective
        from optuna_nas.scaling import ResNet

        base = ResNet(
            blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=8
        )
        objective = StrategyObjective(base, "digits", epochs=1, repetitions=1)
        study = optuna.create_study(direction="maximize", sampler=objective.sampler())
        study.optimize(objective)
    """

    def __init__(
        self,
        base: ScalableNetwork,
        evaluator: str | ImageData | Evaluator,
        *,
        epochs: int,
        factor: float = 2.0,
        strategies: Mapping[str, Coefficients] = STRATEGIES,
        repetitions: int = 3,
        **options: Unpack[ScaledOptions],
    ) -> None:
        super().__init__(base, evaluator, **options)
        for name, value in (("epochs", epochs), ("repetitions", repetitions)):
            require_int(name, value)
        require_positive("factor", factor)
        if BASE in strategies or not strategies:
            raise ValueError(
                f"`strategies` must have names other than {BASE!r}, at least one, but got "
                f"{tuple(strategies)}."
            )
        self.epochs, self.factor, self.repetitions = epochs, factor, repetitions
        self.strategies = dict(strategies)
        budget = round(self.count(base).macs * factor)
        grown = {
            name: grown_to(base, rule, macs=budget, exceed=True, **self._build)
            for name, rule in self.strategies.items()
        }
        self.networks: Mapping[str, ScalableNetwork] = {BASE: base, **grown}
        self._warn_of_equal_ones()

    def _warn_of_equal_ones(self) -> None:
        """Layers, channels and pixels are whole: from a small base, rules may do the same."""
        alike: dict[tuple[int, int, int], list[str]] = {}
        for name, network in self.networks.items():
            counted = self.count(network)
            key = (counted.params, counted.macs, network.resolution)
            alike.setdefault(key, []).append(name)
        for names in alike.values():
            if len(names) > 1:
                warnings.warn(
                    f"The rules {names} make one and the same network of {self.base} at "
                    f"factor={self.factor:g}: a larger factor, or a base of more layers, would "
                    "tell them apart.",
                    stacklevel=3,
                )

    @property
    def _settings(self) -> Mapping[str, Any]:
        rules = {name: dataclasses.asdict(rule) for name, rule in self.strategies.items()}
        names = ("epochs", "factor", "repetitions")
        return {"strategies": rules, **{name: getattr(self, name) for name in names}}

    @classmethod
    def _kept(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        rules = {name: Coefficients(**rule) for name, rule in settings["strategies"].items()}
        return {**settings, "strategies": rules}

    @property
    def num_trials(self) -> int:
        """Trials of all rules and repetitions."""
        return len(self.networks) * self.repetitions

    def sampler(self, *, seed: int | None = None) -> GridSampler:
        """Return Optuna's sampler of every rule and repetition, which ends the study then."""
        repetitions = list(range(self.repetitions))
        return GridSampler({"strategy": list(self.networks), "repetition": repetitions}, seed=seed)

    def suggest(self, run: TrialRun) -> ScaledPlan:
        name = run.trial.suggest_categorical("strategy", list(self.networks))
        run.trial.suggest_int("repetition", 0, self.repetitions - 1)
        return ScaledPlan(network=self.networks[name], epochs=self.epochs, rule=name)
