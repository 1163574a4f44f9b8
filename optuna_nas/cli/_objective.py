"""How a study of the command line judges: its settings as they were given, or as it was begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas._attributes import (
    Attribute,
    fields,
    integer,
    json_value,
    number,
    optional,
    text,
)
from optuna_nas.cli._options import space_of_study
from optuna_nas.keys import SEARCH_KEY

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.study import Study

    from optuna_nas.objectives import (
        DARTSObjective,
        SharedWeightsObjective,
        TrainingObjective,
    )
    from optuna_nas.training import ImageData

__all__ = [
    "PRUNERS",
    "SEARCH_DEFAULTS",
    "make_pruner",
    "make_ready",
    "read_choice",
    "study_data",
    "study_objective",
]

SEARCH = Attribute(
    SEARCH_KEY,
    fields(
        {},
        {
            "sampler": optional(text()),
            "pruner": text(),
            "seed": integer(),
            **dict.fromkeys(("max_params", "max_macs", "max_latency_ms"), optional(number())),
        },
        others=json_value,
    ),
)

SEARCH_DEFAULTS = {"sampler": "evolution", "pruner": "median", "seed": 0}
PRUNERS = ("hyperband", "median", "halving", "none")
LIMITS = ("max_params", "max_macs", "max_latency_ms")


def read_choice(study: Study, defaults: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """What is chosen: as given, else as the study was begun, else the defaults.

    Raises:
        ValueError: If what the study keeps of it is damaged.
    """
    kept = SEARCH.require(study)
    begun = defaults if kept is None else kept
    return {**begun, **{name: value for name, value in given.items() if value is not None}}


def make_ready(
    study: Study,
    objective: TrainingObjective | DARTSObjective | SharedWeightsObjective,
    chosen: Mapping[str, Any],
) -> None:
    """Let an objective judge a study: keep what is chosen, queue again what was killed.

    Raises:
        ValueError: If the study was begun with other settings.
    """
    from optuna_nas.objectives import fail_dead_trials

    objective.prepare(study)
    if SEARCH.require(study) != chosen:
        study.set_user_attr(SEARCH_KEY, chosen)
    if trials := fail_dead_trials(study):
        click.echo(f"trials {trials} were left by a killed process: failed, and queued again")


def study_data(
    study: Study,
    *,
    data: str | None = None,
    data_root: Path | None = None,
    download: bool = False,
    **sizes: int | None,
) -> ImageData:
    """The images of a study: as given, else as it was begun.

    Raises:
        click.UsageError: If a new study has no data.
    """
    from optuna_nas.objectives import read_identity
    from optuna_nas.training import load_data

    begun = (read_identity(study) or {}).get("data", {})
    name = data or begun.get("name")
    if name is None:
        raise click.UsageError("a new study needs --data, such as --data digits")
    kept = ("train_size", "val_size", "test_size", "split_seed", "image_size")
    return load_data(
        name,
        root=data_root,
        download=download,
        **{
            **{k: _as_argument(begun[k]) for k in kept if k in begun},
            **{k: v for k, v in sizes.items() if v is not None},
        },
    )


def study_objective(
    study: Study,
    chosen: Mapping[str, Any],
    *,
    space: str | None = None,
    space_setting: Mapping[str, Any] | None = None,
    data: str | None = None,
    train_size: int | None = None,
    val_size: int | None = None,
    image_size: int | None = None,
    split_seed: int | None = None,
    data_root: Path | None = None,
    download: bool = False,
    epochs: int | None = None,
    build: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    score: str | None = None,
    target_latency_ms: float | None = None,
    **options: Any,
) -> TrainingObjective:
    """The objective of the study; what is not given comes from the study if it exists."""
    from optuna_nas.objectives import TrainingObjective, read_identity
    from optuna_nas.objectives.trial._value import value_from_identity
    from optuna_nas.training import Recipe

    identity = read_identity(study)
    begun = {"epochs": 4, "build": None, "recipe": {}, "score": "last", **_alone(identity or {})}
    loaded = study_data(
        study,
        data=data,
        train_size=train_size,
        val_size=val_size,
        image_size=image_size,
        split_seed=split_seed,
        data_root=data_root,
        download=download,
    )
    if space is None and identity is None:
        raise click.UsageError("a new study needs --space, such as --space nasbench201")
    if target_latency_ms is not None:
        reward = {"cost": "latency_ms", **begun.get("reward", {}), "target": target_latency_ms}
        begun = {**begun, "reward": reward}
    return TrainingObjective(
        space_of_study(study, space, space_setting),
        loaded,
        epochs=begun["epochs"] if epochs is None else epochs,
        build=build or begun["build"],
        recipe=Recipe(**{**begun["recipe"], **(recipe or {})}),
        value=value_from_identity(begun),
        score=score or begun["score"],
        seed=chosen["seed"],
        **{name: chosen[name] for name in LIMITS if name in chosen},
        **options,
    )


def _alone(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a study is, where networks of a one-shot search are trained on their own."""
    judge = identity.get("judge")
    if not isinstance(judge, Mapping) or "epochs" not in judge:
        return identity
    return {
        **identity,
        "epochs": judge["epochs"],
        "recipe": judge.get("recipe") or identity.get("recipe", {}),
    }


def _as_argument(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def make_pruner(name: str, epochs: int) -> BasePruner:
    """The pruner of that name, for trials of so many epochs."""
    import optuna

    makers: dict[str, Callable[[], BasePruner]] = {
        "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=epochs),
        "median": lambda: optuna.pruners.MedianPruner(),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1),
        "none": lambda: optuna.pruners.NopPruner(),
    }
    if name not in makers:
        raise ValueError(f"The pruner must be one of {', '.join(makers)}, but is {name!r}.")
    return makers[name]()
