"""``optuna-nas scale``: how to grow a network, counted, compared or searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
from optuna_nas.cli._scaling import (
    EvaluatorChoice,
    LimitChoice,
    SizeChoice,
    base_network,
    family,
    run_scaling,
)
from optuna_nas.cli._values import collected

__all__ = ["scale"]

HOW = ("family", "strategies", "compound", "grid")


def _networks() -> list[str]:
    from optuna_nas.scaling import EFFICIENTNETS, RESNETS_RS

    own = ("resnet-18", "resnet-50", "mnasnet-a1", "mnasnet-b1", "mobilenet-v2")
    of_papers = (f"efficientnet-{name}" for name in EFFICIENTNETS)
    return [*of_papers, *(f"resnet-rs-{name}" for name in RESNETS_RS), *own]


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
@collected("training", EvaluatorChoice)
@click.option("--data", help="digits, fashion-mnist, cifar10, cifar100 or folder:PATH.")
@click.option("--train-size", type=POSITIVE, help="Examples to train with; default: all.")
@click.option("--val-size", type=POSITIVE, help="Examples to validate with.")
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
    training: EvaluatorChoice,
    limits: LimitChoice,
    figure: Path | None,
    pruner: str,
    device: str,
    storage: str,
    study_name: str,
) -> None:
    """Grow a network: count a family, compare strategies, search coefficients, run a grid.

    A study that was interrupted goes on when the same command is given again.
    """
    base = base_network(network, setting)
    if how == "family":
        if figure is not None or training.data is not None:
            raise click.UsageError(
                "--figure and --data are for strategies, compound and grid: give --how"
            )
        click.echo(family(base, sizes.phi or tuple(range(8))))
        return
    if training.data is None or sizes.epochs is None:
        raise click.UsageError(f"--how {how} trains networks: give --data and --epochs")

    study = make_study(storage, study_name)
    study.pruner = make_pruner(pruner, max(sizes.epochs))
    evaluator = training.make()
    click.echo(run_scaling(study, how, base, evaluator, sizes, limits.options(device)))
    if figure is not None:
        from optuna_nas.visualization import plot_compound, plot_scaling

        drawn = plot_compound(study) if how == "compound" else plot_scaling(study)
        drawn.write_html(figure)
        click.echo(f"{figure}")
