"""``optuna-nas transfer``: a found cell in a larger network, on other data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import architecture_options, chosen_architecture, trial_of_study
from optuna_nas.cli._numbers import POSITIVE, SIDE
from optuna_nas.cli._options import device_option, files_options
from optuna_nas.cli._values import DataChoice, FinalTraining, collected
from optuna_nas.cli.commands._best import value_in_words
from optuna_nas.cli.commands._train import final_options, tell_run

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives import StudyIdentity
    from optuna_nas.spaces import Architecture

__all__ = ["transfer"]


@click.command()
@architecture_options
@collected("dataset", DataChoice)
@click.option("--data", required=True, help="digits, fashion-mnist, cifar10 or folder:PATH.")
@click.option("--image-size", type=SIDE, help="Pixels; default: as they are.")
@click.option("--train-size", type=POSITIVE, help="Examples to train with; default: all.")
@click.option("--val-size", type=POSITIVE, help="Examples to validate with.")
@files_options
@click.option("--cells", type=click.IntRange(min=1), help="Cells, as the space counts them.")
@click.option("--channels", type=click.IntRange(min=1), help="Channels of the first stack.")
@click.option("--size", metavar="'N @ P'", help="Both, in NASNet's notation, such as '6 @ 768'.")
@click.option("--stem", help="cifar, imagenet, ...  [default: imagenet from 96 pixels on]")
@final_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("transferred"),
    show_default=True,
    help="Folder for weights, model cards and the table.",
)
@device_option
def transfer(
    *,
    dataset: DataChoice,
    cells: int | None,
    channels: int | None,
    size: str | None,
    stem: str | None,
    final: FinalTraining,
    output: Path,
    device: str,
    **named: Any,
) -> None:
    """Train a found cell on other data, at the size of its search and larger."""
    from optuna_nas.final import transfer as run
    from optuna_nas.objectives import StudyIdentity, read_identity, recipe_of
    from optuna_nas.training import Recipe, task_of

    architecture, study = chosen_architecture(**named)
    identity = (None if study is None else read_identity(study)) or StudyIdentity()
    larger_cells, larger_channels = _size(architecture, cells, channels, size)
    loaded = dataset.load_images()
    length, changed = final.length, final.changed_recipe(loaded)
    searched = identity.training_recipe()
    if study is not None:
        trial = trial_of_study(study, named["trial"])
        searched = recipe_of(trial, searched)
        click.echo(_search_result(study, trial, identity))
    click.echo(f"{architecture}\ntraining in {output}")
    compared = run(
        architecture,
        loaded,
        searched=dict(architecture.space.proxy if identity.build is None else identity.build),
        cells=larger_cells,
        channels=larger_channels,
        folder=output,
        epochs=length,
        stem=stem,
        recipe=changed if isinstance(changed, Recipe) else replace(searched, **changed),
        seeds=final.seeds,
        origin=_origin(study, named["trial"]),
        device=device,
        on_run=partial(tell_run, task_of(loaded, None)),
    )
    click.echo(f"\n{compared}")


def _size(
    architecture: Architecture, cells: int | None, channels: int | None, size: str | None
) -> tuple[int, int]:
    from optuna_nas.scaling import parse_size

    if size is not None:
        if cells is not None or channels is not None:
            raise click.UsageError("give either --size or --cells and --channels")
        return parse_size(size, architecture)
    if cells is None or channels is None:
        raise click.UsageError("give --cells and --channels, or --size such as '6 @ 768'")
    return cells, channels


def _origin(study: Study | None, trial: str) -> dict[str, Any]:
    return {} if study is None else {"study": study.study_name, "trial": trial}


def _search_result(study: Study, found: FrozenTrial, identity: StudyIdentity) -> str:
    where = "its data" if identity.data is None else identity.data.name
    value = value_in_words(study, found)
    return f"trial {found.number} of study {study.study_name!r}: {value} on {where}"
