"""``optuna-nas export``: a network in forms that need nothing of this package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import (
    architecture_options,
    build_options,
    built_for,
    chosen_architecture,
)
from optuna_nas.cli._numbers import SEED
from optuna_nas.cli._options import load_space

if TYPE_CHECKING:
    from optuna_nas.profiling import InputSpec

__all__ = ["export"]


@click.command()
@click.argument(
    "run", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@architecture_options
@build_options
@click.option("--seed", type=SEED, help="Run of train to take.  [default: best by validation]")
@click.option("--onnx/--no-onnx", default=True, help="Write ONNX, with optuna-nas[onnx].")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write into.  [default: RUN/export, or export]",
)
def export(
    *,
    run: Path | None,
    build: Mapping[str, Any],
    input_size: InputSpec | None,
    seed: int | None,
    onnx: bool,
    output: Path | None,
    **named: Any,
) -> None:
    """Write a network as readable code, weights, ONNX, torch.export and a picture.

    RUN is the folder of a network that train has trained, such as nas-final/trial-17. Without it
    the options name an architecture, which is exported with random weights. Where a file cannot
    be made, the others are written, and the command fails.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the table says what went wrong
    if run is not None:
        if build or input_size:
            raise click.UsageError("RUN knows its --build and --input-size: leave them out")
        exported = _trained(run, seed, named["space"], onnx, output or run / "export")
    else:
        if seed is not None:
            raise click.UsageError("--seed names a run of train: give RUN")
        exported = _untrained(named, build, input_size, onnx, output or Path("export"))
        click.echo("random weights: the network has not been trained")
    click.echo(exported)
    if exported.failures:
        raise click.ClickException(f"not written: {', '.join(exported.failures)}")


def _trained(folder: Path, seed: int | None, space: str | None, onnx: bool, output: Path) -> Any:
    from optuna_nas import export as room
    from optuna_nas.final import architecture_of, read_card, trained_network

    own = None if space is None else load_space(space)
    card = read_card(folder)
    data = card["data"]
    model = trained_network(folder, seed=seed, space=own)
    architecture = architecture_of(card, own)
    what = card["origin"].get("network", card["name"])
    return room.export(
        model,
        output,
        inputs=data["inputs"],
        title=what if architecture is None else str(architecture),
        classes=data.get("classes", ()),
        mean=data.get("mean", ()),
        std=data.get("std", ()),
        graph=None if architecture is None else architecture.graph(),
        onnx=onnx,
    )


def _untrained(
    named: Mapping[str, Any],
    build: Mapping[str, Any],
    input_size: InputSpec | None,
    onnx: bool,
    output: Path,
) -> Any:
    from optuna_nas import export as room

    architecture, study = chosen_architecture(**named)
    inputs, arguments = built_for(architecture, study, input_size, build)
    return room.export(
        architecture.build(**arguments),
        output,
        inputs=inputs,
        title=str(architecture),
        graph=architecture.graph(),
        onnx=onnx,
    )
