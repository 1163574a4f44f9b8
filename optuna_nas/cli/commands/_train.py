"""``optuna-nas train``: the best of a study, trained to the end beside what they must beat."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._numbers import EPOCHS, POSITIVE
from optuna_nas.cli._objective import (
    SEARCH_DEFAULTS,
    make_pruner,
    read_choice,
    study_objective,
)
from optuna_nas.cli._options import (
    F,
    changes_option,
    device_option,
    files_options,
    open_study,
    recipe_option_of,
    study_options,
)
from optuna_nas.cli._own_objective import (
    objective_option,
    objective_to_train,
    refuse_beside_objective,
    train_by_function,
)
from optuna_nas.cli._values import DataChoice, FinalTraining, collected

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.final import FinalRun
    from optuna_nas.training import Task

__all__ = ["final_options", "tell_run", "train"]


BESIDE_FUNCTION = ("storage", "study_name", "top", "seeds", "build", "output")
"""Options that may stand beside a training function, which says all else itself."""


def final_options(function: F) -> F:
    """Options of final training, which the command gets as ``final``, a :class:`FinalTraining`."""
    options = [
        collected("final", FinalTraining),
        click.option(
            "--seeds", default=3, type=POSITIVE, show_default=True, help="Runs of each network."
        ),
        click.option(
            "--epochs", type=EPOCHS, help="Epochs of each run.  [default: the published recipe's]"
        ),
        click.option(
            "--published-recipe",
            metavar="NAME",
            help="A paper's recipe, such as darts_cifar.  [default: the search's own]",
        ),
        recipe_option_of("Change of the recipe, such as lr=0.05 or batch_size=128"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baselines:
    """Networks to train beside the best, as the options say it.

    Args:
        random_trials: Upper limit on trials of a random search; 0: none; None: as many epochs as
            the search.
        random_study: Name of a random search in the same storage.
        resnet: Whether a ResNet of equal FLOPs is trained, if it fits the task.
    """

    random_trials: int | None
    random_study: str | None
    resnet: bool


@click.command()
@study_options
@objective_option
@click.option(
    "--space", help="Needed for a space of your own only: module:object or file.py:object."
)
@click.option(
    "--top",
    default=3,
    type=POSITIVE,
    show_default=True,
    help="Number of the best architectures.",
)
@final_options
@changes_option("--build", "Build argument, such as channels=36", default="the final size")
@collected("baselines", Baselines)
@click.option(
    "--random-trials",
    type=click.IntRange(min=0),
    help="Trials of the random search at most; 0: leave it out.  [default: as many epochs as "
    "the search]",
)
@click.option(
    "--random-study", metavar="NAME", help="Pick from this random search in the same storage."
)
@click.option(
    "--resnet/--no-resnet", default=True, help="Train a ResNet of equal FLOPs, too, on images."
)
@click.option(
    "--validate/--no-validate",
    default=True,
    help="Keep the validation examples for choosing among what was found, or train on them too.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for weights, model cards and the table.  [default: STUDY-final]",
)
@collected("dataset", DataChoice)
@files_options
@device_option
def train(
    *,
    storage: str,
    study_name: str,
    objective: str | None,
    space: str | None,
    top: int,
    final: FinalTraining,
    build: Mapping[str, Any],
    baselines: Baselines,
    validate: bool,
    output: Path | None,
    dataset: DataChoice,
    device: str,
) -> None:
    """Train the best architectures to the end, beside random search and a ResNet.

    Beside them stands the pick of a random search that spends as many epochs as the search did
    (so it takes as long), and a ResNet-20 of the same FLOPs. A network whose trial
    sampled hyperparameters is trained with them; --recipe and --published-recipe go before. Run
    the command again after an interruption: what is finished is kept. With --objective
    the training function itself trains the best of its study again, with every seed.
    """
    import optuna

    from optuna_nas.final import retrain
    from optuna_nas.objectives import TrainingFunction, read_identity
    from optuna_nas.stores import file_name

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(storage, study_name)
    if read_identity(study) is None:
        raise click.UsageError(f"the study {study_name!r} was not created by optuna-nas search")
    folder = output or Path(file_name(study_name, "-final"))
    own = None if objective is None else objective_to_train(objective, study)
    if isinstance(own, TrainingFunction):
        refuse_beside_objective(BESIDE_FUNCTION)
        train_by_function(study, own, folder=folder, top=top, seeds=final.seeds, build=build)
        return
    chosen = read_choice(study, SEARCH_DEFAULTS)
    searched = own or study_objective(study, chosen, dataset, space=space, device=device)
    study.pruner = make_pruner(chosen["pruner"], searched.epochs)
    length = final.length
    random_search = _random_study(study, baselines, storage)
    click.echo(f"training in {folder}")
    compared = retrain(
        study,
        searched,
        folder=folder,
        epochs=length,
        top=top,
        seeds=final.seeds,
        build=build,
        recipe=final.changed_recipe(searched.data),
        random_study=random_search,
        max_random_trials=baselines.random_trials or None,
        baselines=None if baselines.resnet else [],
        validate=validate,
        device=device,
        on_run=functools.partial(tell_run, searched.task),
    )
    click.echo(f"\n{compared}")
    if compared.chosen is not None:
        click.echo(f"\nExport it:  optuna-nas export {_word(compared.chosen.folder)}")


def _word(path: Path) -> str:
    """A path as an argument of a command, which must not look like an option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def tell_run(task: Task, name: str, run: FinalRun) -> None:
    """Say how a run ended."""
    validated = f"validation {task.metric_name} {task.format(run.val_metric)}"
    told = validated if run.is_validated else "trained"
    click.echo(f"{name}, seed {run.seed}: {run.failure or told}")


def _random_study(study: Study, baselines: Baselines, storage: str) -> Study | bool:
    from optuna_nas.objectives import sampled_hyperparameters

    name = baselines.random_study
    if name is not None:
        if baselines.random_trials is not None:
            raise click.UsageError("give either --random-trials or --random-study")
        return open_study(storage, name)
    if baselines.random_trials == 0:
        return False
    if sampled_hyperparameters(study):
        raise click.UsageError(
            f"the trials of study {study.study_name!r} sampled hyperparameters by a function, "
            "which no storage keeps and a random search would need: give --random-trials 0 or "
            "--random-study, or call optuna_nas.final.retrain in Python"
        )
    return True
