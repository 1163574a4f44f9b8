"""Scaling of a network for ``optuna-nas scale``: what its options say, and how that is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._values import DataChoice

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives import (
        CompoundScalingObjective,
        ScaledTraining,
        ScalingStudyObjective,
        StrategyObjective,
    )
    from optuna_nas.scaling import ScalableNetwork

__all__ = ["EvaluatorChoice", "LimitChoice", "SizeChoice", "base_network", "family", "run_scaling"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeChoice:
    """Sizes of a network that are counted or trained, as the options say it; None: by default.

    Args:
        phi: Steps of a family.
        factor: Budget of strategies and coefficients, in multiply-adds of the base.
        widths: Widths of a grid.
        depths: Depths of a grid.
        resolutions: Resolutions of a grid, in pixels.
        epochs: Number of epochs of a trial; of a grid several.
        repetitions: Number of seeds of a grid or a strategy.
    """

    phi: tuple[float, ...] | None
    factor: float
    widths: tuple[float, ...] | None
    depths: tuple[float, ...] | None
    resolutions: tuple[int, ...] | None
    epochs: tuple[int, ...] | None
    repetitions: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LimitChoice:
    """Limits on the cost of networks, as the options say it; None: no limit.

    Args:
        max_macs: Upper limit on multiply-adds.
        max_latency_ms: Upper limit on latency, in milliseconds.
        latency: Whether latency is measured.
    """

    max_macs: int | None
    max_latency_ms: float | None
    latency: bool

    def options(self, device: str) -> dict[str, Any]:
        """Return options of an objective.

        Args:
            device: Device that trains and measures.
        """
        from optuna_nas.profiling import LatencyMeter

        meter = LatencyMeter(device=device) if self.latency else None
        limits = {"max_macs": self.max_macs, "max_latency_ms": self.max_latency_ms}
        return {**limits, "latency": meter, "device": device}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorChoice(DataChoice):
    """Training of scaled networks, as the options say it.

    Args:
        recipe: Changes of the recipe.
        start: Share of the pixels to begin with, in (0, 1].
    """

    recipe: Mapping[str, Any]
    start: float

    def make(self) -> ScaledTraining:
        """Load the data and return the evaluator."""
        from optuna_nas.objectives import ScaledTraining
        from optuna_nas.training import Recipe

        return ScaledTraining(self.load_images(), recipe=Recipe(**self.recipe), start=self.start)


def base_network(network: str, setting: Mapping[str, Any]) -> ScalableNetwork:
    """The network of that name with its settings.

    Raises:
        click.BadParameter: If it has no such setting.
    """
    from optuna_nas import scaling

    family, _, name = network.rpartition("-")
    makers: dict[str, Callable[[], ScalableNetwork]] = {
        "efficientnet": lambda: scaling.EfficientNet.named(name),
        "resnet-rs": lambda: scaling.ResNetRS.named(name),
        "mnasnet": lambda: scaling.MnasNet.named(name),
        "mobilenet": scaling.MobileNetV2,
        "resnet": lambda: (
            scaling.ResNet(blocks=(2, 2, 2, 2), kind="basic") if name == "18" else scaling.ResNet()
        ),
    }
    base = makers[family]()
    known = {field.name for field in dataclasses.fields(base)}
    unknown = sorted(setting.keys() - known)
    if unknown:
        raise click.BadParameter(
            f"{network} has no {unknown[0]!r}; it has {', '.join(sorted(known))}",
            param_hint="--setting",
        )
    return dataclasses.replace(base, **setting)


def family(base: ScalableNetwork, phi: tuple[float, ...]) -> str:
    """The table of the networks that EfficientNet's coefficients make of the base."""
    from optuna_nas import scaling

    networks = scaling.family(base, scaling.EFFICIENTNET, phi=phi)
    named = zip((f"phi {step:g}" for step in phi), networks, strict=True)
    return scaling.family_table((name, network, network.profile()) for name, network in named)


def run_scaling(
    study: Study,
    how: str,
    base: ScalableNetwork,
    evaluator: ScaledTraining,
    sizes: SizeChoice,
    options: Mapping[str, Any],
) -> str:
    """Run the study to its end and return its table."""
    from optuna_nas import scaling

    if how == "grid":
        _run_all(study, _grid(base, evaluator, sizes, options))
        return str(scaling.analyse(study))
    if len(sizes.epochs or ()) > 1:
        raise click.UsageError(f"--how {how} takes one number of epochs")
    if how == "strategies":
        _run_all(study, _strategies(base, evaluator, sizes, options))
        return scaling.strategy_table(scaling.read_results(study))
    _run_compound(study, base, evaluator, sizes, options)
    return str(scaling.fit(study))


def _grid(
    base: ScalableNetwork,
    evaluator: ScaledTraining,
    sizes: SizeChoice,
    options: Mapping[str, Any],
) -> ScalingStudyObjective:
    from optuna_nas import scaling
    from optuna_nas.objectives import ScalingStudyObjective

    grid = scaling.ScalingGrid(
        widths=sizes.widths or tuple(base.width * factor for factor in (0.5, 1, 2)),
        depths=sizes.depths or tuple(base.depth * factor for factor in (1, 2, 4)),
        resolutions=sizes.resolutions or (base.resolution,),
        regimes=sizes.epochs or (),
    )
    return ScalingStudyObjective(
        base, evaluator, grid=grid, repetitions=sizes.repetitions, **options
    )


def _strategies(
    base: ScalableNetwork,
    evaluator: ScaledTraining,
    sizes: SizeChoice,
    options: Mapping[str, Any],
) -> StrategyObjective:
    from optuna_nas.objectives import StrategyObjective

    (epochs,) = sizes.epochs or ()
    return StrategyObjective(
        base,
        evaluator,
        epochs=epochs,
        factor=sizes.factor,
        repetitions=sizes.repetitions,
        **options,
    )


def _run_all(study: Study, objective: StrategyObjective | ScalingStudyObjective) -> None:
    """Run what is left of all networks and repetitions."""
    from optuna_nas.objectives.identity import was_refused
    from optuna_nas.stores import optimize

    objective.prepare(study)
    study.sampler = objective.sampler(seed=0)
    trials = study.get_trials(deepcopy=False)
    done = sum(trial.state.is_finished() and not was_refused(trial) for trial in trials)
    if done < objective.num_trials:
        left = objective.num_trials - done
        optimize(study, objective, n_trials=left, show_progress_bar=True)


def _run_compound(
    study: Study,
    base: ScalableNetwork,
    evaluator: ScaledTraining,
    sizes: SizeChoice,
    options: Mapping[str, Any],
) -> None:
    """Run what is left of the feasible points of the grid of coefficients."""
    from optuna_nas.objectives import CompoundScalingObjective
    from optuna_nas.stores import optimize

    (epochs,) = sizes.epochs or ()
    search = CompoundScalingObjective(
        base, evaluator, epochs=epochs, target=sizes.factor, **options
    )
    search.prepare(study)  # before the grid is queued
    _check_shares(search)
    optimize(study, search, n_trials=search.enqueue_grid(study), show_progress_bar=True)


def _check_shares(search: CompoundScalingObjective) -> None:
    """Refuse a grid from which nothing could be fitted, before anything is trained."""
    from optuna_nas import scaling

    found = scaling.different_shares(search.grid())
    if found < scaling.LEAST_SHARES:
        raise click.UsageError(
            f"--how compound needs {scaling.LEAST_SHARES} ways to grow the network, but only "
            f"{found} of its grid cost {search.target:g} times {search.base}: take another "
            "--factor or a larger network, or CompoundScalingObjective in Python with a larger "
            "tolerance"
        )
