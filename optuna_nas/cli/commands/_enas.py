"""``optuna-nas enas``: many children on shared weights, and the best of them scored again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
from optuna_nas.cli._options import make_study, place_words, tell_password
from optuna_nas.cli._progress import PhaseBars
from optuna_nas.cli.commands._best import summary

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives import ScoredChild, SharedWeightsObjective
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import EpochResult, Task

__all__ = ["enas"]

SAMPLERS = ("controller", "random", "evolution")
WEIGHTS, CHILDREN = "weights", "children"  # what the bars count
PRETRAINED_TRIALS = 1000  # as in arXiv:1902.07638
DEFAULTS: Mapping[str, Any] = {
    "schedule": "alternate",
    "epochs": 150,
    "children_per_epoch": 300,
    "sampler": None,
    "cells": None,
    "channels": None,
    "supernet": {},
    "recipe": {},
    "pruner": "none",
    "seed": 0,
}


@click.command()
@one_shot_options
@click.option(
    "--schedule",
    type=click.Choice(("alternate", "pretrain")),
    help="Weights and children in turn (ENAS), or all weights first.  [default: alternate]",
)
@click.option("--epochs", type=EPOCHS, help="Epochs of the weights.  [default: 150]")
@click.option(
    "--children-per-epoch",
    type=click.IntRange(min=1),
    help="Trials after each epoch of alternate.  [default: 300]",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    help="Sampler of children.  [default: ENAS's controller; random for pretrain]",
)
@click.option(
    "--trials",
    type=click.IntRange(min=0),
    help="Children to add to the study.  [default: the rest of epochs x children; 1,000 in all "
    "for pretrain]",
)
@click.option(
    "--top-k",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of the best to score again, on all validation examples.",
)
@place_options("enas")
def enas(
    *,
    storage: str,
    study_name: str,
    artifacts: Path | None,
    trials: int | None,
    top_k: int,
    device: str,
    space: str | None,
    space_setting: Mapping[str, Any],
    **given: Any,
) -> None:
    """Search with weights that all children share: ENAS, random search, single-path one-shot.

    On an existing study it goes on with the study's settings and weights. Thousands of trials are
    faster with --storage journal:nas.log.
    """
    begun = begin(storage, study_name, DEFAULTS, space=space, space_setting=space_setting, **given)
    searched, data, chosen = begun.space, begun.data, begun.chosen
    count = _left(begun.study, chosen) if trials is None else trials
    with PhaseBars({WEIGHTS: chosen["epochs"], CHILDREN: count}) as bars:
        folder = folder_of(storage, artifacts)
        objective = _objective(begun, folder, device, bars)
        study = begun.study or make_study(storage, study_name, direction=objective.direction)
        make_ready(study, objective, chosen)
        study.sampler = _sampler(chosen, searched)
        _search(study, objective, chosen, count, bars)
        bars.begin(None)
        best = objective.derive(study, top_k)
    click.echo(summary(study))
    if best:
        click.echo(f"\nthe best on shared weights, on all {len(data.val)} validation {data.noun}:")
        click.echo(_table(best, begun.task))
        trial = f"--study-name {shlex.quote(study_name)} --trial {best[0].trial}"
        place = place_words(storage)
        click.echo(f"\nDraw it:           optuna-nas draw{place} {trial} -o enas.svg")
        alone = search_command(
            study,
            searched,
            data,
            str(best[0].architecture),
            given=space,
            build=sizes(chosen, {}),
            place=place,
        )
        click.echo(f"Train it alone:    {alone}")
    click.echo(f"Look at the study: optuna-nas dashboard{place_words(storage, artifacts)}")
    tell_password(storage)


def _left(study: Study | None, chosen: Mapping[str, Any]) -> int:
    """Number of trials that the schedule has left."""
    from optuna_nas.objectives.identity import was_refused

    trials = [] if study is None else study.get_trials(deepcopy=False)
    ended = sum(trial.state.is_finished() and not was_refused(trial) for trial in trials)
    alternating: int = chosen["epochs"] * chosen["children_per_epoch"]
    return max(0, (PRETRAINED_TRIALS if chosen["schedule"] == "pretrain" else alternating) - ended)


def _objective(
    begun: OneShotStudy,
    folder: Path,
    device: str,
    bars: PhaseBars,
) -> SharedWeightsObjective:
    """The objective that was chosen."""
    from optuna_nas.objectives import SharedWeightsObjective
    from optuna_nas.objectives.one_shot import published_shared_recipe

    space, data, chosen = begun.space, begun.data, begun.chosen

    def on_epoch(phase: str, result: EpochResult) -> None:
        text = f"loss of the weights {result.train_loss:.3f}"
        if chosen["schedule"] == "pretrain":
            bars.advance(WEIGHTS, text)
        else:
            bars.note(f"epoch {result.epoch} of {chosen['epochs']}: {text}")

    return SharedWeightsObjective(
        space,
        data,
        task=begun.task,
        schedule=chosen["schedule"],
        epochs=chosen["epochs"],
        children_per_epoch=chosen["children_per_epoch"],
        supernet=sizes(chosen, chosen["supernet"]),
        recipe=dataclasses.replace(published_shared_recipe(space, data), **chosen["recipe"]),
        checkpoints=folder,
        seed=chosen["seed"],
        device=device,
        on_epoch=on_epoch,
    )


def _sampler(chosen: Mapping[str, Any], space: SearchSpace) -> BaseSampler:
    from optuna_nas import samplers

    default = "controller" if chosen["schedule"] == "alternate" else "random"
    name, seed = chosen["sampler"] or default, chosen["seed"]
    if name == "random":
        return samplers.RandomSearchSampler(seed=seed, space=space)
    if name == "evolution":
        return samplers.RegularizedEvolutionSampler(seed=seed, space=space)
    controller = getattr(samplers.ReinforceSampler, space.one_shot.controller)
    made: BaseSampler = controller(seed=seed, space=space)
    return made


def _search(
    study: Study,
    objective: SharedWeightsObjective,
    chosen: Mapping[str, Any],
    trials: int,
    bars: PhaseBars,
) -> None:
    from optuna_nas.stores import optimize

    def count(study: Study, trial: FrozenTrial) -> None:
        bars.advance(CHILDREN)

    if trials:
        first = WEIGHTS if chosen["schedule"] == "pretrain" else CHILDREN
        bars.begin(first)
        optimize(study, objective, n_trials=trials, callbacks=[count])


def _table(children: Sequence[ScoredChild], task: Task) -> str:
    name = str(task.metric_name)
    width = max(8, len(name))
    rows = [
        f"{rank:>4}  {task.format(child.metric):>{width}}  {child.trial:>6}  {child.architecture}"
        for rank, child in enumerate(children, start=1)
    ]
    return "\n".join([f"      {name:>{width}}   trial  architecture", *rows])
