"""``optuna-nas profile``: a network layer by layer, and its latency on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import architecture_options, chosen_architecture
from optuna_nas.cli._options import key_values

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.spaces import Architecture

__all__ = ["profile"]

IMAGENET_CLASSES, IMAGENET_SIZE, SMALL_SIZE = 1000, (3, 224, 224), (3, 32, 32)


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Callback that reads 3x32x32."""
    if value is None:
        return None
    if re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", value) is None:
        raise click.BadParameter(f"write channels, height, width as 3x224x224, not {value!r}")
    return tuple(map(int, value.split("x")))


@click.command()
@architecture_options
@click.option(
    "--build",
    multiple=True,
    callback=key_values,
    metavar="NAME=VALUE",
    help="Build argument, such as channels=8; repeatable.  [default: the study's, or final size]",
)
@click.option(
    "--input-size",
    callback=_size,
    metavar="CxHxW",
    help="Image, such as 3x224x224.  [default: the study's, else 3x32x32 or 3x224x224]",
)
@click.option("--depth", type=click.IntRange(min=1), help="Levels to show; default: all layers.")
@click.option(
    "--resolution",
    "resolutions",
    multiple=True,
    type=click.IntRange(min=1),
    help="Height and width to time; repeatable.  [default: of the input size]",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    multiple=True,
    default=(1,),
    show_default=True,
    type=click.IntRange(min=1),
    help="Images at once; repeatable.",
)
@click.option("--threads", default=1, show_default=True, help="Threads of the CPU.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--latency/--no-latency", default=True, help="Time the network on this machine.")
def profile(
    *,
    build: Mapping[str, Any],
    input_size: tuple[int, int, int] | None,
    depth: int | None,
    resolutions: tuple[int, ...],
    batch_sizes: tuple[int, ...],
    threads: int,
    device: str,
    latency: bool,
    **named: Any,
) -> None:
    """Say what a network holds, computes and takes: given, published, or found by a study."""
    from optuna_nas.profiling import layer_table, measure_latencies

    chosen, study = chosen_architecture(**named)
    size, arguments = _built_for(chosen, study, input_size, build)
    model = chosen.build(**arguments)
    click.echo(f"{chosen}\n\n{layer_table(model, size, depth=depth)}")
    if not latency:
        return
    sizes = [(size[0], side, side) for side in resolutions] or [size]
    table = measure_latencies(
        model, sizes, batch_sizes=batch_sizes, threads=threads, device=device
    )
    click.echo(f"\n{table}\n\n{table.how}")


def _built_for(
    architecture: Architecture,
    study: Study | None,
    input_size: tuple[int, int, int] | None,
    build: Mapping[str, Any],
) -> tuple[tuple[int, int, int], dict[str, Any]]:
    """The image, and the build arguments: as given, else the study's, else the space's."""
    from optuna_nas.objectives import read_identity

    takes = architecture.space.build_arguments
    identity = (read_identity(study) if study is not None else None) or {}
    arguments = {**identity.get("build", {}), **build}
    if input_size is None and "data" in identity:
        input_size = (identity["data"]["in_channels"], *identity["data"]["image_size"])
    if input_size is None:
        large = takes.get("num_classes") == IMAGENET_CLASSES
        input_size = IMAGENET_SIZE if large else SMALL_SIZE
    if "in_channels" in takes and "in_channels" not in build:
        arguments["in_channels"] = input_size[0]
    return input_size, arguments
