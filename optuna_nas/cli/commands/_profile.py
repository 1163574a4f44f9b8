"""``optuna-nas profile``: a network layer by layer, and its latency on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import (
    architecture_options,
    build_options,
    built_for,
    chosen_architecture,
    is_image,
)
from optuna_nas.cli._numbers import BATCH, SIDE, THREADS
from optuna_nas.cli._options import device_option

if TYPE_CHECKING:
    from optuna_nas.profiling import InputSpec

__all__ = ["profile"]


@click.command()
@architecture_options
@build_options
@click.option("--depth", type=click.IntRange(min=1), help="Levels to show; default: all layers.")
@click.option(
    "--resolution",
    "resolutions",
    multiple=True,
    type=SIDE,
    help="Height and width to time; repeatable.  [default: of the input size]",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    multiple=True,
    default=(1,),
    show_default=True,
    type=BATCH,
    help="Examples at once; repeatable.",
)
@click.option("--threads", default=1, type=THREADS, show_default=True, help="Threads of the CPU.")
@device_option
@click.option("--latency/--no-latency", default=True, help="Time the network on this machine.")
def profile(
    *,
    build: Mapping[str, Any],
    input_size: InputSpec | None,
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
    inputs, arguments = built_for(chosen, study, input_size, build)
    if resolutions and not is_image(inputs):
        raise click.UsageError(
            f"--resolution is of one input CxHxW, but the inputs are {inputs}: leave it out"
        )
    model = chosen.build(**arguments)
    click.echo(f"{chosen}\n\n{layer_table(model, inputs=inputs, depth=depth)}")
    if not latency:
        return
    channels = inputs.parts[0].size[:1]
    timed: list[Any] = [(*channels, side, side) for side in resolutions]
    table = measure_latencies(
        model, inputs=timed or [inputs], batch_sizes=batch_sizes, threads=threads, device=device
    )
    click.echo(f"\n{table}\n\n{table.how}")
