"""Common parts of the one-shot commands: their options, their study, their last words."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from optuna_nas.cli._numbers import SEED
from optuna_nas.cli._objective import identity_of, read_choice, study_data
from optuna_nas.cli._options import (
    F,
    artifacts_option,
    changes_option,
    data_options,
    device_option,
    find_study,
    recipe_option_of,
    space_of_study,
    space_options,
    study_options_of,
)

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.cli._values import DataChoice
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data, Task

__all__ = [
    "OneShotStudy",
    "begin",
    "folder_of",
    "one_shot_options",
    "place_options",
    "search_command",
    "sizes",
]


def one_shot_options(function: F) -> F:
    """Space, data, sizes, how the weights learn."""
    options = [
        space_options,
        data_options,
        click.option(
            "--cells", type=click.IntRange(min=1), help="Number of cells of supernet and networks."
        ),
        click.option(
            "--channels", type=click.IntRange(min=1), help="Channels of the first cells."
        ),
        changes_option("--supernet", "Argument of the supernet, such as partial=4"),
        recipe_option_of("How the weights learn, such as lr=0.05 or batch_size=32"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def place_options(study_name: str) -> Callable[[F], F]:
    """Seed, device, folder, and the study, called so by default."""
    seed = click.option("--seed", type=SEED, help="Seed of the search.  [default: 0]")
    study_options = study_options_of(study_name)

    def decorate(function: F) -> F:
        return seed(device_option(artifacts_option(study_options(function))))

    return decorate


class OneShotStudy(NamedTuple):
    """A one-shot search as it is asked for.

    Attributes:
        study: The study; None: it is yet to be made.
        space: Space that is searched.
        data: Data that it is searched on.
        task: Task of it.
        chosen: Settings: as given, else as the study was created, else the defaults.
    """

    study: Study | None
    space: SearchSpace
    data: Data
    task: Task
    chosen: dict[str, Any]


def begin(
    storage: str,
    study_name: str,
    defaults: Mapping[str, Any],
    *,
    dataset: DataChoice,
    space: str | None,
    space_setting: Mapping[str, Any],
    **given: Any,
) -> OneShotStudy:
    """Open a study, and find out what it searches, on which data, and how.

    Raises:
        click.UsageError: If a new study has no space or no data.
    """
    from optuna_nas.objectives import StudyIdentity
    from optuna_nas.objectives.identity import rebuilt_task
    from optuna_nas.training import task_of

    study = find_study(storage, study_name)
    identity = identity_of(study)
    if space is None and identity is None:
        raise click.UsageError("a new study needs --space, such as --space darts")
    data = study_data(study, dataset)
    kept = rebuilt_task(identity or StudyIdentity(), {}).get("task")
    told = {name: value for name, value in given.items() if value != {}}
    return OneShotStudy(
        study=study,
        space=space_of_study(study, space, space_setting),
        data=data,
        task=task_of(data, kept),
        chosen=read_choice(study, defaults, **told),
    )


def sizes(chosen: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any] | None:
    """``cells`` and ``channels`` as chosen, and more; None: nothing is."""
    both = {name: chosen[name] for name in ("cells", "channels") if chosen[name] is not None}
    return {**both, **more} or None


def folder_of(storage: str, artifacts: Path | None) -> Path:
    """Folder of pictures and checkpoints: as given, else beside the storage's file."""
    from optuna_nas.stores import artifact_directory

    return artifacts or artifact_directory(storage)


def search_command(
    study: Study,
    space: SearchSpace,
    data: Data,
    text: str,
    *,
    given: str | None,
    build: Mapping[str, Any] | None,
    place: str,
) -> str:
    """The command that evaluates an architecture beside others, each trained on its own.

    Args:
        study: The study that found it.
        space: Its space.
        data: Its data.
        text: The architecture.
        given: Value of ``--space``.
        build: Build arguments.
        place: Options of the storage.
    """
    from optuna_nas.spaces import SPACES

    words = ["--space", given or space.name]
    if SPACES.get(space.name) is type(space):  # else it is a user's, perhaps of the same name
        words = ["--space", space.name]
        for field in dataclasses.fields(space):
            value = getattr(space, field.name)
            if field.name in space.settings and value != field.default:
                words += ["--space-setting", f"{field.name}={value!r}"]
    words += _data_words(data)
    for name, value in (build or {}).items():
        words += ["--build", f"{name}={value!r}"]
    words += ["--enqueue", text]
    words = ["--study-name", f"{study.study_name}-alone", *words]
    return f"optuna-nas search{place} {' '.join(map(_quoted, words))}"


def _data_words(data: Data) -> list[str]:
    """Options that load the data again."""
    from optuna_nas.objectives.identity import DataIdentity

    kept = DataIdentity.from_json(data.identity)
    words = ["--data", kept.name]
    words += ["--train-size", f"{len(data.train)}", "--val-size", f"{len(data.val)}"]
    if kept.image_size is not None and len({*kept.image_size}) == 1:
        words += ["--image-size", f"{kept.image_size[0]}"]
    words += ["--split-seed", f"{kept.split_seed}"] if kept.split_seed else []
    words += ["--target", kept.target] if kept.target else []
    return words + (["--task", kept.task] if kept.task else [])


def _quoted(word: str) -> str:
    """A word for a shell, in double quotes where it has single ones, as genotypes have."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
