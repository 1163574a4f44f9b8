"""An objective of the user's own, such as a training function, as ``--objective`` names it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from optuna_nas.cli._code import load_own
from optuna_nas.cli._options import F

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.artifacts import FileSystemArtifactStore
    from optuna.study import Study

    from optuna_nas.final import FinalRun
    from optuna_nas.objectives import Objective, TrainingFunction

__all__ = [
    "configured",
    "load_objective",
    "objective_option",
    "objective_to_train",
    "refuse_beside_objective",
    "seed_of",
    "space_or_objective",
    "train_by_function",
]

OPTION = "--objective"
LIMITS = ("max_params", "max_macs", "max_latency_ms")

objective_option = click.option(
    OPTION,
    metavar="PLACE",
    help="A training function of your own, as module:object or file.py:object.",
)


def space_or_objective(function: F) -> F:
    """``--objective`` beside a ``--space`` below it: the command gets the space of either."""

    @functools.wraps(function)
    def called(*, space: str | None, objective: str | None, **options: Any) -> Any:
        if space is not None and objective is not None:
            raise click.UsageError(f"give either --space or {OPTION}, which says its space")
        own = None if objective is None else load_objective(objective).space
        return function(space=space if own is None else own, **options)

    return objective_option(called)  # type: ignore[return-value]


def load_objective(text: str) -> Any:
    """Load an objective with a space.

    Args:
        text: ``module:object`` or ``file.py:object``.

    Raises:
        click.BadParameter: If there is none.
    """
    from optuna_nas.objectives import Objective

    place, _, name = text.rpartition(":")
    if not place:
        raise click.BadParameter(
            f"write module:object or file.py:object, not {text!r}", param_hint=OPTION
        )
    found = load_own(place, name, OPTION)
    if not isinstance(found, Objective) or not hasattr(found, "space"):
        raise click.BadParameter(
            f"{name!r} in {place!r} is no objective: put @training_function above the function",
            param_hint=OPTION,
        )
    return found


def configured(
    objective: Any,
    chosen: Mapping[str, Any],
    given: Mapping[str, Any],
    store: FileSystemArtifactStore | None,
) -> Objective[Any]:
    """Return an objective with what the options of a command set.

    Args:
        objective: From :func:`load_objective`.
        chosen: Seed and limits of the study; limits that are None are left to the objective.
        given: Those of this command.
        store: Store of pictures; None: that of the objective.

    Raises:
        click.UsageError: If its trials have several values, or it takes no such options.
    """
    if len(objective.directions) > 1:
        raise click.UsageError(
            f"{OPTION} must return one value for each trial, but returns "
            f"{len(objective.directions)}: go on in Python, with study.optimize"
        )
    if not hasattr(objective, "with_options"):
        settings = [name for name in ("seed", *LIMITS) if given.get(name) is not None]
        if settings:
            raise click.UsageError(
                f"{_option(settings[0])} is set where the objective is made, which is no "
                "training function: leave it out here"
            )
        found: Objective[Any] = objective
        return found
    changes = {name: chosen[name] for name in ("seed", *LIMITS) if chosen.get(name) is not None}
    if store is not None:
        changes["artifact_store"] = store
    made: Objective[Any] = objective.with_options(**changes)
    return made


def seed_of(objective: Any) -> dict[str, int]:
    """Return the seed of an objective, if it has one."""
    return {"seed": objective.seed} if hasattr(objective, "seed") else {}


def refuse_beside_objective(allowed: Collection[str]) -> None:
    """Refuse options of the running command that say what the objective says itself.

    Args:
        allowed: Names of those that may stand beside ``--objective``.

    Raises:
        click.UsageError: If there is another one.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if given and name not in ("objective", *allowed):
            raise click.UsageError(
                f"{_option(name)} is set in the code of {OPTION}: change it there, or leave it out"
            )


def objective_to_train(text: str, study: Study) -> Any:
    """Load the objective of a study, whose networks it can train to the end.

    Args:
        text: Value of ``--objective``.
        study: The study.

    Raises:
        click.BadParameter: If it does not train networks.
        ValueError: If the study has other settings.
    """
    from optuna_nas.objectives import TrainingFunction, TrainingObjective

    objective = load_objective(text)
    if not isinstance(objective, TrainingFunction | TrainingObjective):
        raise click.BadParameter(
            f"{text!r} trains no networks: give a training function or a TrainingObjective",
            param_hint=OPTION,
        )
    objective.prepare(study)
    return objective


def train_by_function(
    study: Study,
    objective: TrainingFunction,
    *,
    folder: Path,
    top: int,
    seeds: int,
    build: Mapping[str, Any],
) -> None:
    """Let a training function train the best of its study again, and show the table.

    Args:
        study: Evaluated by the function.
        objective: The training function.
        folder: Of the results.
        top: How many of the best.
        seeds: Runs of each.
        build: Changes of the build arguments.
    """
    from optuna_nas.final import retrain_by_function

    final = objective.with_options(build={**objective.build, **build}) if build else objective

    def tell(name: str, run: FinalRun) -> None:
        figure = f"{final.metric} {final.format_metric(run.val_metric)}"
        click.echo(f"{name}, seed {run.seed}: {run.failure or figure}")

    click.echo(f"training in {folder}")
    compared = retrain_by_function(study, final, folder=folder, top=top, seeds=seeds, on_run=tell)
    click.echo(f"\n{compared}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
