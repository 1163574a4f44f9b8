"""``optuna-nas search``: begin a study, or go on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._best import best_trials, describe, summary
from optuna_nas.cli._options import (
    artifacts_option,
    space_of_study,
    space_options,
    study_options,
    training_options,
)

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study

    from optuna_nas.objectives import LatencyReward, TrainingObjective
    from optuna_nas.spaces import SearchSpace

__all__ = ["search"]

SEARCH_KEY = "optuna_nas:search"
"""User attribute of a study: the sampler, pruner and seed that the command line chose."""

SAMPLERS = ("evolution", "amoebanet", "random", "tpe")
PRUNERS = ("hyperband", "median", "halving", "none")


@click.command()
@space_options
@click.option("--sampler", type=click.Choice(SAMPLERS), help="Who decides.  [default: evolution]")
@click.option("--pruner", type=click.Choice(PRUNERS), help="Who stops.  [default: median]")
@training_options
@click.option("--trials", default=40, show_default=True, help="Trials to add to the study.")
@click.option("--epochs", type=int, help="Epochs per trial.  [default: 4]")
@click.option(
    "--score", type=click.Choice(("last", "best", "max_last_5")), help="Epoch that counts."
)
@click.option("--max-latency-ms", type=float, help="Upper limit on latency, measured here.")
@click.option(
    "--target-latency-ms",
    type=float,
    help="Search by MnasNet's reward: accuracy * (latency / target) ** -0.07.",
)
@click.option("--seed", type=int, help="Seed of sampler and training.  [default: 0]")
@click.option("--pictures/--no-pictures", default=True, help="Attach a picture to each trial.")
@artifacts_option
@study_options
def search(
    *,
    sampler: str | None,
    pruner: str | None,
    seed: int | None,
    trials: int,
    storage: str,
    study_name: str,
    pictures: bool,
    artifacts: Path | None,
    **settings: Any,
) -> None:
    """Search an architecture. On an existing study it goes on with the study's settings."""
    import optuna

    from optuna_nas.dashboard import picture_store
    from optuna_nas.objectives import fail_dead_trials
    from optuna_nas.stores import open_storage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=open_storage(storage),
        study_name=study_name,
        direction="maximize",
        load_if_exists=True,
    )
    chosen = _settle_choice(study, sampler, pruner, seed)
    objective = _objective(
        study,
        artifact_store=picture_store(storage, artifacts=artifacts) if pictures else None,
        seed=chosen["seed"],
        **settings,
    )
    objective.prepare(study)
    study.sampler = _sampler(chosen["sampler"], chosen["seed"], objective.space)
    study.pruner = _pruner(chosen["pruner"], objective.epochs)
    dead = fail_dead_trials(study)
    if dead:
        click.echo(f"trials {dead} were left by a killed process: failed, and queued again")
    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    click.echo(summary(study))
    for trial in best_trials(study, 1):
        click.echo(describe(objective.space, trial))
    shown = f"--storage {storage}" + (f" --artifacts {artifacts}" if artifacts else "")
    click.echo(f"\nLook at it:  optuna-nas dashboard {shown}")


def _settle_choice(
    study: Study, sampler: str | None, pruner: str | None, seed: int | None
) -> dict[str, Any]:
    """Sampler, pruner and seed: as given, else as the study was begun, else the defaults."""
    begun = study.user_attrs.get(
        SEARCH_KEY, {"sampler": "evolution", "pruner": "median", "seed": 0}
    )
    given = {"sampler": sampler, "pruner": pruner, "seed": seed}
    chosen = {**begun, **{name: value for name, value in given.items() if value is not None}}
    if study.user_attrs.get(SEARCH_KEY) != chosen:
        study.set_user_attr(SEARCH_KEY, chosen)
    return chosen


def _objective(
    study: Study,
    *,
    space: str | None,
    space_setting: Mapping[str, Any],
    data: str | None,
    train_size: int | None,
    val_size: int | None,
    data_root: Path | None,
    download: bool,
    epochs: int | None,
    build: Mapping[str, Any],
    recipe: Mapping[str, Any],
    score: str | None,
    target_latency_ms: float | None,
    **options: Any,
) -> TrainingObjective | LatencyReward:
    """The objective of the study; what is not given comes from the study if it exists."""
    from optuna_nas.objectives import LatencyReward, TrainingObjective, read_identity
    from optuna_nas.training import Recipe, load_data

    identity = read_identity(study)
    begun = identity or {"data": {}, "epochs": 4, "build": None, "recipe": {}, "score": "last"}
    sizes = {"train_size": train_size, "val_size": val_size}
    name = data or begun["data"].get("name")
    if name is None:
        raise click.UsageError("a new study needs --data, such as --data digits")
    if space is None and identity is None:
        raise click.UsageError("a new study needs --space, such as --space nasbench201")
    kept = ("train_size", "val_size", "test_size", "split_seed", "image_size")
    loaded = load_data(
        name,
        root=data_root,
        download=download,
        **{
            **{k: _as_argument(begun["data"][k]) for k in kept if k in begun["data"]},
            **{k: v for k, v in sizes.items() if v is not None},
        },
    )
    objective = TrainingObjective(
        space_of_study(study, space, space_setting),
        loaded,
        epochs=epochs or begun["epochs"],
        build=build or begun["build"],
        recipe=Recipe(**{**begun["recipe"], **recipe}),
        score=score or begun["score"],
        **options,
    )
    reward = begun.get("reward", {"cost": "latency_ms"})
    target = target_latency_ms or reward.get("target")
    if target is None or reward["cost"] != "latency_ms":
        return objective
    shape = {name: reward[name] for name in ("exponent", "hard") if name in reward}
    return LatencyReward(objective, target_ms=target, **shape)


def _as_argument(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sampler(name: str, seed: int, space: SearchSpace) -> BaseSampler:
    import optuna

    from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler

    makers: dict[str, Callable[[], BaseSampler]] = {
        "evolution": lambda: RegularizedEvolutionSampler(seed=seed, space=space),
        "amoebanet": lambda: RegularizedEvolutionSampler.amoebanet(seed=seed, space=space),
        "random": lambda: RandomSearchSampler(seed=seed, space=space),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
    }
    return makers[name]()


def _pruner(name: str, epochs: int) -> BasePruner:
    import optuna

    makers: dict[str, Callable[[], BasePruner]] = {
        "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=epochs),
        "median": lambda: optuna.pruners.MedianPruner(),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1),
        "none": lambda: optuna.pruners.NopPruner(),
    }
    return makers[name]()
