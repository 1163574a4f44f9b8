"""Conclusions from a scaling study, and their limits."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_nas.scaling._payoff import Verdict, verdict
from optuna_nas.scaling._power_law import PowerLaw, power_law
from optuna_nas.scaling._results import RESULT, ScalingResult, pareto_front, read_results
from optuna_nas.scaling._warnings import ExtrapolationWarning

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["ScalingAnalysis", "analyse"]

_FAR = 2.0  # times the largest network or the longest training that was measured


@dataclass(frozen=True)
class ScalingAnalysis:
    """The results of one or more scaling studies, and their conclusions. Print it for a report.

    Attributes:
        results: Results of all complete trials.
        pruned: Trials that were ended while they trained, and are missing therefore.
    """

    results: tuple[ScalingResult, ...]
    pruned: int = 0

    @property
    def regimes(self) -> tuple[int, ...]:
        """The numbers of epochs that networks were trained for."""
        return tuple(sorted({result.epochs for result in self.results}))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The costs that all results have."""
        measured = all(result.latency_ms is not None for result in self.results)
        return ("macs", "params", "latency_ms") if measured else ("macs", "params")

    def of(self, epochs: int) -> tuple[ScalingResult, ...]:
        """The results of one regime.

        Raises:
            ValueError: If the study has none.
        """
        found = tuple(result for result in self.results if result.epochs == epochs)
        if not found:
            raise ValueError(
                f"`epochs` must be one of the study's regimes {self.regimes}, but got "
                f"epochs={epochs}."
            )
        return found

    def pareto(self, metric: str = "macs", *, epochs: int | None = None) -> list[ScalingResult]:
        """Return the front of accuracy and a cost, from the cheapest.

        Args:
            metric: ``"macs"``, ``"params"`` or ``"latency_ms"``.
            epochs: The regime; None: the longest.
        """
        return list(pareto_front(self.of(self._regime(epochs)), metric))

    def power_law(self, metric: str = "macs", *, epochs: int | None = None) -> PowerLaw:
        """Fit a power law to the cheaper half of a regime, and check it on the other half."""
        return power_law(self.of(self._regime(epochs)), metric)

    def verdict(
        self, metric: str = "macs", *, epochs: int | None = None, macs: int | None = None
    ) -> Verdict:
        """Say which dimension pays.

        Args:
            metric: The cost that counts; measured latency is what the paper advises.
            epochs: For how long the networks will be trained; None: the longest regime measured.
            macs: How large they will be; None: as large as those measured.

        Warns:
            ExtrapolationWarning: If these are more than twice what was measured. The verdict is
                then that of the nearest regime.
        """
        for caveat in self._beyond(epochs, macs):
            warnings.warn(caveat, ExtrapolationWarning, stacklevel=2)
        asked = self._regime(epochs)
        nearest = min(self.regimes, key=lambda regime: abs(regime - asked))
        return verdict(self.of(nearest), metric)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each regime, per latency where it was measured, else per multiply-adds."""
        metric = self.metrics[-1] if "latency_ms" in self.metrics else "macs"
        return tuple(verdict(self.of(regime), metric) for regime in self.regimes)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Limits of the study's conclusions, as sentences."""
        bases = sorted({result.network for result in self.results})
        largest = max(result.macs for result in self.results)
        found = [
            f"Networks of more than {largest:,} multiply-adds and training for more than "
            f"{self.regimes[-1]} epochs were not measured; the dimension that pays can change."
        ]
        if len(bases) == 1:
            found.append(
                f"All networks grow from one base, {bases[0]}; if its own proportions are poor, "
                "so is the rule. Compare with a study of another base."
            )
        if len(self.regimes) == 1:
            found.append("There is one regime: whether short runs can stand for long is unknown.")
        if "latency_ms" not in self.metrics:
            found.append("Latency was not measured, and multiply-adds do not predict it.")
        if self.pruned:
            found.append(
                f"{self.pruned} runs were pruned in training and are missing: what learns "
                "slowly looks worse than it is, or does not appear. Use NopPruner for a grid."
            )
        return tuple(found)

    def _beyond(self, epochs: int | None, macs: int | None) -> list[str]:
        found = []
        longest = self.regimes[-1]
        largest = max(result.macs for result in self.results)
        if epochs is not None and not self.regimes[0] / _FAR <= epochs <= _FAR * longest:
            found.append(
                f"The study trained for {self.regimes[0]} to {longest} epochs, and {epochs} are "
                "asked for: which dimension pays depends on the length of training "
                "(arXiv:2103.07579). Train a few networks for the full number of epochs."
            )
        if macs is not None and macs > _FAR * largest:
            found.append(
                f"The largest network of the study has {largest:,} multiply-adds, and {macs:,} "
                "are asked for: rules found on small networks need not hold for large ones "
                "(arXiv:2103.07579)."
            )
        return found

    @property
    def _regimes_in_words(self) -> str:
        return " or ".join(map(str, self.regimes))

    def _regime(self, epochs: int | None) -> int:
        return self.regimes[-1] if epochs is None else epochs

    def __str__(self) -> str:
        lines = [f"{len(self.results)} runs of {self._regimes_in_words} epochs"]
        lines += [str(found) for found in self.verdicts]
        if len(self.of(self.regimes[-1])) >= 6:
            lines.append(str(self.power_law()))
        return "\n".join([*lines, *self.caveats])


def analyse(*studies: Study) -> ScalingAnalysis:
    """Read scaling studies, of one base network or of several.

    Args:
        studies: Studies of ``ScalingStudyObjective``; with more than one base, a verdict counts
            neighbours of each base.

    Raises:
        ValueError: If a study has no complete trial.

    Example::

        import optuna
        from optuna_nas import scaling
        from optuna_nas.objectives import ScalingStudyObjective

        base = scaling.ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", resolution=8)
        objective = ScalingStudyObjective(
            base,
            lambda network, trial, epochs: 1 - 1 / (1 + network.depth * network.width),
            grid=scaling.ScalingGrid(
                widths=(0.125, 0.25), depths=(1.0, 2.0), resolutions=(8,), regimes=(1,)
            ),
            num_classes=10,
            in_channels=1,
        )
        study = optuna.create_study(direction="maximize", sampler=objective.sampler())
        study.optimize(objective)
        print(scaling.analyse(study))
    """
    results = tuple(result for study in studies for result in read_results(study))
    pruned = sum(
        RESULT.read(trial) is not None
        for study in studies
        for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    )
    return ScalingAnalysis(results, pruned)
