"""``optuna-nas draw``: the picture of one architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from optuna_nas.cli._chosen import (
    architecture_of_study,
    architecture_options,
    chosen_architecture,
)
from optuna_nas.cli._options import open_study

__all__ = ["draw"]


@click.command()
@architecture_options
@click.option("--beside", metavar="TRIAL", help="Mark what differs from this trial of the study.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("architecture.svg"),
    show_default=True,
    help="File to write: .svg or .png.",
)
def draw(*, beside: str | None, output: Path, **named: Any) -> None:
    """Draw an architecture: given, published, or found by a study."""
    from optuna_nas.drawing import compare, save_picture

    chosen, study = chosen_architecture(**named)
    graph = chosen.graph()
    if beside is not None:
        study = study or open_study(named["storage"], named["study_name"])
        other = architecture_of_study(study, beside, named["space"])
        graph = compare(other.graph(), graph, titles=(f"trial {beside}", "this one"))
    save_picture(graph, output)
    click.echo(f"{chosen}\n{output}")
