"""``optuna-nas estimate``: what a search would cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from optuna_nas.cli._numbers import COUNT, EPOCHS, POSITIVE, SEED
from optuna_nas.cli._options import load_space, space_options, training_options
from optuna_nas.cli._values import DataChoice

__all__ = ["estimate"]


@click.command()
@space_options
@training_options
@click.option("--epochs", default=4, type=EPOCHS, show_default=True, help="Epochs per trial.")
@click.option("--trials", default=40, type=COUNT, show_default=True, help="Trials of the search.")
@click.option("--samples", default=30, type=POSITIVE, show_default=True, help="Networks to draw.")
@click.option(
    "--seed", default=0, type=SEED, show_default=True, help="Seed of the networks that are drawn."
)
def estimate(
    *,
    space: str | None,
    space_setting: Mapping[str, Any],
    dataset: DataChoice,
    build: Mapping[str, Any],
    recipe: Mapping[str, Any],
    epochs: int,
    trials: int,
    **options: Any,
) -> None:
    """Say what a search would cost before it starts: sizes, limits, time."""
    from optuna_nas import objectives

    if space is None or dataset.data is None:
        raise click.UsageError("give --space and --data")
    data = dataset.load()
    found = objectives.estimate(
        load_space(space, space_setting),
        data,
        build=build or None,
        recipe=dataclasses.replace(data.default_recipe, **recipe),
        **options,
    )
    click.echo(found)
    seconds = found.seconds_per_epoch * epochs * trials
    click.echo(
        f"time of the search       {_duration(seconds)} at most ({trials} trials of {epochs} "
        "epochs, none pruned)"
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
