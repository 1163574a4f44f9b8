"""The objective of a study: with the settings of the options, else with those of the study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._code import refuse_function_of
from optuna_nas.cli._options import space_of_study
from optuna_nas.keys import SEARCH_KEY

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.study import Study

    from optuna_nas.cli._values import DataChoice
    from optuna_nas.objectives import Objective, Reward, StudyIdentity, TrainingObjective
    from optuna_nas.training import Data

__all__ = [
    "PRUNERS",
    "SEARCH_DEFAULTS",
    "identity_of",
    "make_pruner",
    "make_ready",
    "read_choice",
    "study_data",
    "study_objective",
]

SEARCH_DEFAULTS = {"sampler": "evolution", "pruner": "median", "seed": 0}
DEFAULT_EPOCHS = 4
PRUNERS = ("hyperband", "median", "halving", "none")


def identity_of(study: Study | None) -> StudyIdentity | None:
    """Settings of a study; None: there is no such study, or no trial has finished in it.

    Raises:
        ValueError: If they are damaged.
    """
    from optuna_nas.objectives import read_identity

    return None if study is None else read_identity(study)


def read_choice(study: Study | None, defaults: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """Settings of a search: as given, else as the study was created, else the defaults.

    What a command chose whose trials all failed is not read again.

    Raises:
        ValueError: If what the study keeps of it is damaged.
    """
    from optuna_nas.objectives.identity import SEARCH

    kept = None if study is None else SEARCH.require(study)
    if kept is None or identity_of(study) is None:
        kept = {**defaults}
    return {**kept, **{name: value for name, value in given.items() if value is not None}}


def make_ready(study: Study, objective: Objective[Any], chosen: Mapping[str, Any]) -> None:
    """Let an objective evaluate a study: keep what is chosen, queue again what was killed.

    Raises:
        ValueError: If the study was created with other settings.
    """
    from optuna_nas.objectives import fail_dead_trials
    from optuna_nas.objectives.identity import SEARCH

    objective.prepare(study)
    if SEARCH.require(study) != chosen:
        study.set_user_attr(SEARCH_KEY, chosen)
    if trials := fail_dead_trials(study):
        click.echo(f"trials {trials} were left by a killed process: failed, and queued again")


def study_data(study: Study | None, dataset: DataChoice) -> Data:
    """The data of a study: as given, else as it was created.

    Raises:
        click.UsageError: If a new study has no data.
    """
    identity = identity_of(study)
    return dataset.load(None if identity is None else identity.data)


def study_objective(
    study: Study | None,
    chosen: Mapping[str, Any],
    dataset: DataChoice,
    *,
    space: str | None = None,
    space_setting: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    target_latency_ms: float | None = None,
    **options: Any,
) -> TrainingObjective:
    """The objective that trains what a study searches; what is not given is the study's.

    Args:
        study: One that goes on; None: a new one.
        chosen: Settings from :func:`read_choice`.
        dataset: Options of the data.
        space: Value of ``--space``.
        space_setting: Value of ``--space-setting``.
        recipe: Changes of the recipe.
        target_latency_ms: Target of a latency reward; None: the value that the study has.
        options: Further arguments of ``TrainingObjective``; those that are None or empty are left
            to the study.

    Raises:
        click.UsageError: If a new study has no space or no data.
    """
    from optuna_nas.objectives import StudyIdentity, TrainingObjective
    from optuna_nas.objectives.identity import LIMITS

    found = identity_of(study)
    identity = StudyIdentity() if found is None else found.evaluated_alone()
    if study is not None:
        refuse_function_of(study, identity)
    loaded = study_data(study, dataset)
    if space is None and found is None:
        raise click.UsageError("a new study needs --space, such as --space nasbench201")
    if target_latency_ms is not None:
        options["value"] = _reward(identity.value(), target_latency_ms)
    limits = {name: chosen[name] for name in LIMITS if name in chosen}
    given = {name: value for name, value in options.items() if value not in (None, {})}
    is_new = identity.recipe is None
    kept = loaded.default_recipe if is_new else identity.training_recipe()
    new = {} if identity.epochs is not None else {"epochs": DEFAULT_EPOCHS}
    return TrainingObjective.from_identity(
        identity,
        space=space_of_study(study, space, space_setting),
        data=loaded,
        recipe=dataclasses.replace(kept, **(recipe or {})),
        seed=chosen["seed"],
        **{**new, **limits, **given},
    )


def _reward(value: object, target_ms: float) -> Reward:
    """The study's latency reward with another target, else MnasNet's."""
    from optuna_nas.objectives import LatencyReward

    if isinstance(value, LatencyReward):
        return dataclasses.replace(value, target_ms=target_ms)
    return LatencyReward(target_ms=target_ms)


def make_pruner(name: str, epochs: int | None) -> BasePruner:
    """The pruner of that name, for trials of so many epochs; None: it is not known."""
    import optuna

    makers: dict[str, Callable[[], BasePruner]] = {
        "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=epochs or "auto"),
        "median": lambda: optuna.pruners.MedianPruner(),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1),
        "none": lambda: optuna.pruners.NopPruner(),
    }
    if name not in makers:
        raise ValueError(f"The pruner must be one of {', '.join(makers)}, but is {name!r}.")
    return makers[name]()
