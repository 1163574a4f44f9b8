"""``optuna-nas scale``: how to grow a network, counted, compared or searched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._lazy_choice import LazyChoice
from optuna_nas.cli._numbers import EPOCHS, PHI, POSITIVE, POSITIVE_FLOAT, SHARE, SIDE
from optuna_nas.cli._objective import PRUNERS, make_pruner
from optuna_nas.cli._options import (
    changes_option,
    device_option,
    files_options,
    make_study,
    recipe_option,
    study_options,
)
from optuna_nas.cli._values import DataChoice, collected

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives import (
        CompoundScalingObjective,
        ScaledTraining,
        ScalingStudyObjective,
        StrategyObjective,
    )
    from optuna_nas.scaling import ScalableNetwork

__all__ = ["scale"]

HOW = ("family", "strategies", "compound", "grid")


def _networks() -> list[str]:
    from optuna_nas.scaling import EFFICIENTNETS, RESNETS_RS

    own = ("resnet-18", "resnet-50", "mnasnet-a1", "mnasnet-b1", "mobilenet-v2")
    of_papers = (f"efficientnet-{name}" for name in EFFICIENTNETS)
    return [*of_papers, *(f"resnet-rs-{name}" for name in RESNETS_RS), *own]


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


def _numbers(kind: click.ParamType[Any]) -> Callable[..., tuple[Any, ...] | None]:
    """Callback that reads numbers of a kind with commas between."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        if value is None:
            return None
        try:
            return tuple(kind.convert(text, param, ctx) for text in value.split(","))
        except click.BadParameter as e:
            raise click.BadParameter(f"write numbers as 1,2,4, not {value!r}: {e.message}") from e

    return read


@click.command()
@click.option(
    "--network",
    type=LazyChoice("network", _networks),
    required=True,
    metavar="NAME",
    help="Network to grow: efficientnet-b0 to -b7, resnet-rs-50 to -420, resnet-18, resnet-50, "
    "mnasnet-a1, mnasnet-b1 or mobilenet-v2.",
)
@changes_option(
    "--setting", "Of the base network, such as width=0.25, resolution=28 or stem=cifar"
)
@click.option(
    "--how",
    type=click.Choice(HOW),
    default="family",
    show_default=True,
    help="Count a family; compare strategies at one budget; search the coefficients; or run a "
    "grid of widths, depths and resolutions.",
)
@collected("sizes", SizeChoice)
@click.option("--phi", callback=_numbers(PHI), help="Steps of a family.  [default: 0,1,...,7]")
@click.option(
    "--factor",
    default=2.0,
    type=POSITIVE_FLOAT,
    show_default=True,
    help="Budget in multiply-adds of the base.",
)
@click.option(
    "--widths",
    callback=_numbers(POSITIVE_FLOAT),
    help="Widths of a grid.  [default: half to twice the base's]",
)
@click.option(
    "--depths",
    callback=_numbers(POSITIVE_FLOAT),
    help="Depths of a grid.  [default: one to four times the base's]",
)
@click.option(
    "--resolutions", callback=_numbers(SIDE), help="Resolutions of a grid.  [default: the base's]"
)
@click.option("--epochs", callback=_numbers(EPOCHS), help="Per trial; of a grid several, as 2,8.")
@click.option(
    "--repetitions",
    default=3,
    type=POSITIVE,
    show_default=True,
    help="Seeds of a grid or strategy.",
)
@collected("images", DataChoice)
@click.option("--data", help="digits, fashion-mnist, cifar10, cifar100 or folder:PATH.")
@click.option("--train-size", type=POSITIVE, help="Images to train with; default: all.")
@click.option("--val-size", type=POSITIVE, help="Images to validate with.")
@files_options
@recipe_option
@click.option(
    "--start",
    default=1.0,
    type=SHARE,
    show_default=True,
    help="Share of the pixels to begin with.",
)
@collected("limits", LimitChoice)
@click.option("--max-macs", type=POSITIVE, help="Upper limit on multiply-adds, before training.")
@click.option(
    "--max-latency-ms", type=POSITIVE_FLOAT, help="Upper limit on latency, measured here."
)
@click.option("--latency/--no-latency", default=True, help="Measure latency on this machine.")
@click.option("--pruner", type=click.Choice(PRUNERS), default="none", show_default=True)
@click.option("--figure", type=click.Path(path_type=Path), help="HTML file for the figure.")
@device_option
@study_options
def scale(
    *,
    network: str,
    setting: Mapping[str, Any],
    how: str,
    sizes: SizeChoice,
    images: DataChoice,
    limits: LimitChoice,
    recipe: Mapping[str, Any],
    start: float,
    figure: Path | None,
    pruner: str,
    device: str,
    storage: str,
    study_name: str,
) -> None:
    """Grow a network: count a family, compare strategies, search coefficients, run a grid.

    A study that was interrupted goes on when the same command is given again.
    """
    base = _base(network, setting)
    if how == "family":
        if figure is not None or images.data is not None:
            raise click.UsageError(
                "--figure and --data are for strategies, compound and grid: give --how"
            )
        click.echo(_family(base, sizes.phi or tuple(range(8))))
        return
    if images.data is None or sizes.epochs is None:
        raise click.UsageError(f"--how {how} trains networks: give --data and --epochs")

    from optuna_nas.objectives import ScaledTraining
    from optuna_nas.training import Recipe

    study = make_study(storage, study_name)
    study.pruner = make_pruner(pruner, max(sizes.epochs))
    evaluator = ScaledTraining(images.load(), recipe=Recipe(**recipe), start=start)
    click.echo(_run(study, how, base, evaluator, sizes, limits.options(device)))
    if figure is not None:
        from optuna_nas.visualization import plot_compound, plot_scaling

        drawn = plot_compound(study) if how == "compound" else plot_scaling(study)
        drawn.write_html(figure)
        click.echo(f"{figure}")


def _base(network: str, setting: Mapping[str, Any]) -> ScalableNetwork:
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


def _family(base: ScalableNetwork, phi: tuple[float, ...]) -> str:
    """The table of the networks that EfficientNet's coefficients make of the base."""
    from optuna_nas import scaling

    networks = scaling.family(base, scaling.EFFICIENTNET, phi=phi)
    named = zip((f"phi {step:g}" for step in phi), networks, strict=True)
    return scaling.family_table((name, network, network.profile()) for name, network in named)


def _run(
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
