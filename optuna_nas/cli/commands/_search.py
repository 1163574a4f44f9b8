"""``optuna-nas search``: begin a study, or go on with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._lazy_choice import LazyChoice
from optuna_nas.cli._numbers import COUNT, EPOCHS, POSITIVE_FLOAT, SEED
from optuna_nas.cli._objective import (
    PRUNERS,
    SEARCH_DEFAULTS,
    make_pruner,
    make_ready,
    read_choice,
    study_objective,
)
from optuna_nas.cli._options import (
    artifacts_option,
    find_study,
    make_study,
    place_words,
    space_options,
    study_options,
    tell_password,
    training_options,
)
from optuna_nas.cli._own_objective import (
    configured,
    load_objective,
    objective_option,
    refuse_beside_objective,
    seed_of,
)
from optuna_nas.cli.commands._best import describe, summary

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas.cli._values import DataChoice
    from optuna_nas.spaces import SearchSpace

__all__ = ["search"]

CHOSEN = ("sampler", "pruner", "seed", "max_params", "max_macs", "max_latency_ms")
"""Options of which a study keeps what was chosen."""

BESIDE_OBJECTIVE = (
    *CHOSEN,
    *("trials", "storage", "study_name", "enqueue", "pictures", "artifacts"),
)
"""Options that may stand beside ``--objective``, which says all else itself."""

TPE = "tpe"


def _samplers() -> dict[str, Callable[..., BaseSampler]]:
    """Makers of the samplers that the package exports, by their short names."""
    from optuna_nas import samplers

    makers: dict[str, Callable[..., BaseSampler]] = {}
    for name in samplers.__all__:
        exported = getattr(samplers, name)
        if isinstance(exported, type) and issubclass(exported, samplers.ArchitectureSampler):
            for position, short in enumerate(exported.short_names):
                makers[short] = getattr(exported, short) if position else exported
    return makers


def _sampler_names() -> list[str]:
    return [*sorted(_samplers()), TPE]


@click.command()
@objective_option
@space_options
@click.option(
    "--sampler",
    type=LazyChoice("sampler", _sampler_names),
    help="Sampler of architectures.  [default: evolution]",
)
@click.option("--pruner", type=click.Choice(PRUNERS), help="Pruner of trials.  [default: median]")
@training_options
@click.option(
    "--trials", default=40, type=COUNT, show_default=True, help="Trials to add to the study."
)
@click.option("--epochs", type=EPOCHS, help="Epochs per trial.  [default: 4]")
@click.option(
    "--score", type=click.Choice(("last", "best", "max_last_5")), help="Epoch that counts."
)
@click.option(
    "--max-latency-ms", type=POSITIVE_FLOAT, help="Upper limit on latency, measured here."
)
@click.option(
    "--target-latency-ms",
    type=POSITIVE_FLOAT,
    help="Search by MnasNet's reward: metric * (latency / target) ** -0.07.",
)
@click.option("--seed", type=SEED, help="Seed of sampler and training.  [default: 0]")
@click.option(
    "--enqueue",
    multiple=True,
    metavar="TEXT",
    help="An architecture to try first, in the field's notation; repeatable.",
)
@click.option("--pictures/--no-pictures", default=True, help="Attach a picture to each trial.")
@artifacts_option
@study_options
def search(
    *,
    objective: str | None,
    dataset: DataChoice,
    trials: int,
    storage: str,
    study_name: str,
    enqueue: tuple[str, ...],
    pictures: bool,
    artifacts: Path | None,
    **settings: Any,
) -> None:
    """Search an architecture. On an existing study it goes on with the study's settings."""
    from optuna_nas.dashboard import picture_store
    from optuna_nas.objectives import best_trials, sampled_hyperparameters
    from optuna_nas.stores import optimize

    own = None if objective is None else load_objective(objective)
    if own is not None:
        refuse_beside_objective(BESIDE_OBJECTIVE)
    known = find_study(storage, study_name)
    if known is not None and sampled_hyperparameters(known):
        raise click.UsageError(
            f"the trials of study {study_name!r} sampled hyperparameters by a function, which no "
            "storage keeps: go on with it in Python, or take another --study-name"
        )
    given = {name: settings.pop(name) for name in CHOSEN}
    chosen = read_choice(known, {**SEARCH_DEFAULTS, **seed_of(own)}, **given)
    store = picture_store(storage, artifacts=artifacts) if pictures else None
    evaluated: Any = (
        study_objective(known, chosen, dataset, artifact_store=store, **settings)
        if own is None
        else configured(own, chosen, given, store)
    )
    sampler = _sampler(chosen["sampler"], chosen["seed"], evaluated.space)
    pruner = make_pruner(chosen["pruner"], getattr(evaluated, "epochs", None))
    study = known or make_study(storage, study_name, direction=evaluated.direction)
    make_ready(study, evaluated, chosen)
    study.sampler, study.pruner = sampler, pruner
    for text in enqueue:
        evaluated.space.parse(text).enqueue(study)
    optimize(study, evaluated, n_trials=trials, show_progress_bar=True)
    click.echo(summary(study))
    for trial in best_trials(study, 1):
        click.echo(describe(study, evaluated.space, trial))
    place = place_words(storage, artifacts, always=True)
    click.echo(f"\nLook at it:  optuna-nas dashboard{place}")
    tell_password(storage)


def _sampler(name: str, seed: int, space: SearchSpace) -> BaseSampler:
    if name == TPE:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed)
    makers = _samplers()
    if name not in makers:
        raise ValueError(
            f"The sampler must be one of {', '.join(_sampler_names())}, not {name!r}."
        )
    try:
        return makers[name](seed=seed, space=space)
    except ValueError as e:  # progressive search needs a size that grows
        raise click.UsageError(f"--sampler {name}: {e}") from None
