"""``optuna-nas darts``: a search by alphas in one trial, and what it derives."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._lazy_choice import LazyChoice
from optuna_nas.cli._numbers import EPOCHS
from optuna_nas.cli._objective import make_ready
from optuna_nas.cli._one_shot import (
    OneShotStudy,
    begin,
    folder_of,
    one_shot_options,
    place_options,
    search_command,
    sizes,
)
from optuna_nas.cli._options import changes_option, make_study, place_words, tell_password
from optuna_nas.cli._progress import PhaseBars
from optuna_nas.cli.commands._best import describe, summary

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from optuna_nas.objectives import DARTSObjective, DARTSVariant
    from optuna_nas.training import EpochResult

    _Text = click.ParamType[str]
else:  # before click 8.2 it is not generic
    _Text = click.ParamType

__all__ = ["darts"]

NONE = "none"
VARIANTS, EVAL_EPOCHS = "remedy", "judge_epochs"  # keys in studies, from the first version on
DEFAULTS: Mapping[str, Any] = {
    "order": 1,
    "epochs": 50,
    EVAL_EPOCHS: 20,
    VARIANTS: [],
    "cells": None,
    "channels": None,
    "supernet": {},
    "build": {},
    "recipe": {},
    "alpha": {},
    "watch_eigenvalue": False,
    "prune_collapse": False,
    "recompute": False,
    "pruner": "none",
    "seed": 0,
}


def _variant_names() -> tuple[str, ...]:
    from optuna_nas.objectives.one_shot import VARIANTS

    return NONE, *VARIANTS


def _variants(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[str] | None:
    """Callback that refuses what does not go together."""
    if len(values) > 1 and NONE in values:
        other = next((name for name in values if name != NONE), NONE)
        raise click.BadParameter(f"{NONE} and {other} do not go together: take one")
    names = [name for name in values if name != NONE]
    try:
        _combined(names)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return names if values else None


def _combined(names: Sequence[str], **more: Any) -> DARTSVariant:
    """Published variants as one, with more settings."""
    from optuna_nas.objectives.one_shot import VARIANTS, combine_variants

    combined = combine_variants([VARIANTS[name] for name in names])
    return dataclasses.replace(combined, **more)


@click.command()
@one_shot_options
@click.option(
    "--order", type=click.IntRange(1, 2), help="Order of alpha's gradient.  [default: 1]"
)
@click.option("--epochs", type=EPOCHS, help="Epochs of a search.  [default: 50]")
@click.option(
    "--eval-epochs",
    EVAL_EPOCHS,
    type=EPOCHS,
    help="Epochs of the derived network, trained on its own.  [default: 20]",
)
@click.option(
    "--trials",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="Searches to add to the study.",
)
@click.option(
    "--variant",
    VARIANTS,
    type=LazyChoice("variant", _variant_names),
    multiple=True,
    callback=_variants,
    help="Published variant; repeatable where they go together.  [default: none]",
)
@changes_option("--alpha", "How alpha learns, such as lr=0.01 or warmup_epochs=5")
@changes_option("--build", "Argument of the derived network")
@click.option(
    "--watch-eigenvalue/--no-watch-eigenvalue",
    default=None,
    help="Keep the largest eigenvalue of alpha's Hessian after each epoch.",
)
@click.option(
    "--prune-collapse/--no-prune-collapse",
    default=None,
    help="End searches whose cell turns into skip connections.",
)
@click.option(
    "--recompute/--no-recompute",
    default=None,
    help="Save memory: compute depthwise results again instead of keeping them.",
)
@place_options("darts")
def darts(
    *,
    storage: str,
    study_name: str,
    artifacts: Path | None,
    trials: int,
    device: str,
    space: str | None,
    space_setting: Mapping[str, Any],
    **given: Any,
) -> None:
    """Search by DARTS: train a supernet, derive a network, train that on its own.

    On an existing study it goes on with the study's settings, and with a search that was killed.
    """
    from optuna_nas.objectives import best_trials
    from optuna_nas.stores import file_name

    begun = begin(storage, study_name, DEFAULTS, space=space, space_setting=space_setting, **given)
    searched, chosen = begun.space, begun.chosen
    with PhaseBars({"search": chosen["epochs"], "evaluation": chosen[EVAL_EPOCHS]}) as bars:
        objective = _objective(begun, storage, artifacts, device, bars)
        study = begun.study or make_study(storage, study_name, direction=objective.direction)
        make_ready(study, objective, chosen)
        _search(study, objective, trials, bars, prune_collapse=chosen["prune_collapse"])
    click.echo(summary(study))
    for trial in best_trials(study, 1):
        click.echo(describe(study, searched, trial))
        named = f"{place_words(storage)} --study-name {shlex.quote(study_name)}"
        picture = shlex.quote(file_name(study_name, ".svg"))
        click.echo(f"\nDraw it:             optuna-nas draw{named} -o {picture}")
        click.echo(f"Train it to the end: optuna-nas train{named} --epochs 100")
        alone = search_command(
            study,
            searched,
            begun.data,
            str(searched.architecture(trial)),
            given=space,
            build=sizes(chosen, chosen["build"]),
            place=place_words(storage),
        )
        click.echo(f"Search around it:    {alone}")
    click.echo(f"Look at the study:   optuna-nas dashboard{place_words(storage, artifacts)}")
    tell_password(storage)


def _objective(
    begun: OneShotStudy,
    storage: str,
    artifacts: Path | None,
    device: str,
    bars: PhaseBars,
) -> DARTSObjective:
    """The objective that was chosen."""
    from optuna_nas.dashboard import picture_store
    from optuna_nas.objectives import AlphaRecipe, DARTSObjective
    from optuna_nas.objectives.one_shot import published_recipe

    space, data, task, chosen = begun.space, begun.data, begun.task, begun.chosen

    def on_epoch(phase: str, result: EpochResult) -> None:
        bars.advance(phase, f"{task.metric_name} {task.format(result.val_metric)}")

    variant = _combined(
        chosen[VARIANTS], order=chosen["order"], watch_eigenvalue=chosen["watch_eigenvalue"]
    )
    store = picture_store(storage, artifacts=artifacts)
    return DARTSObjective(
        space,
        data,
        task=task,
        variant=variant,
        epochs=chosen["epochs"],
        supernet=sizes(chosen, chosen["supernet"]),
        recipe=dataclasses.replace(published_recipe(space, data), **chosen["recipe"]),
        alpha=AlphaRecipe(**{**variant.alpha, **chosen["alpha"]}),
        eval_epochs=chosen[EVAL_EPOCHS],
        build=sizes(chosen, chosen["build"]),
        recompute=chosen["recompute"],
        seed=chosen["seed"],
        artifact_store=store,
        device=device,
        checkpoints=folder_of(storage, artifacts),
        keep_checkpoints=1,
        on_epoch=on_epoch,
    )


def _search(
    study: Study, objective: DARTSObjective, trials: int, bars: PhaseBars, *, prune_collapse: bool
) -> None:
    from optuna.pruners import NopPruner

    from optuna_nas.pruners import CollapsePruner
    from optuna_nas.stores import optimize
    from optuna_nas.visualization import keep_figures

    def evaluated(trial: Trial) -> float | tuple[float, ...]:
        bars.begin("search")
        return objective(trial)

    study.pruner = CollapsePruner() if prune_collapse else NopPruner()
    optimize(study, evaluated, n_trials=trials, callbacks=[keep_figures])
    objective.prune_checkpoints(study)
