"""One architecture, as commands name it: by its text, as published, or as a study found it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas._ground.bounds import MAX_PIXELS, MAX_SIDE
from optuna_nas.cli._options import (
    F,
    changes_option,
    load_space,
    open_study,
    space_of_study,
    study_options,
)

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.spaces import Architecture

__all__ = [
    "architecture_of_study",
    "architecture_options",
    "best_of_study",
    "build_options",
    "built_for",
    "chosen_architecture",
    "trial_of_study",
]

IMAGENET_CLASSES, IMAGENET_SIZE, SMALL_SIZE = 1000, (3, 224, 224), (3, 32, 32)


def architecture_options(function: F) -> F:
    """``--space``, ``--architecture``, ``--published``, ``--trial`` and the study's options."""
    options = [
        click.option("--space", help="A space by name, module:object or file.py:object."),
        click.option(
            "--architecture", metavar="TEXT", help="In the field's notation; needs --space."
        ),
        click.option(
            "--published", metavar="NAME", help="A published network, such as NAS_RL_V1."
        ),
        click.option(
            "--trial", default="best", show_default=True, help="Trial of the study, or best."
        ),
    ]
    function = study_options(function)
    for option in reversed(options):
        function = option(function)
    return function


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Callback that reads 3x32x32."""
    if value is None:
        return None
    number = r"[1-9][0-9]{0,8}"
    if re.fullmatch(f"{number}x{number}x{number}", value) is None:
        raise click.BadParameter(f"write channels, height, width as 3x224x224, not {value!r}")
    size = tuple(map(int, value.split("x")))
    if max(size[1:]) > MAX_SIDE or math.prod(size) > MAX_PIXELS:
        raise click.BadParameter(
            f"an image has at most {MAX_SIDE} pixels a side and {MAX_PIXELS} numbers, not "
            f"{value!r}"
        )
    return size


def build_options(function: F) -> F:
    """``--build`` and ``--input-size``: how large the network and its images are."""
    build = changes_option(
        "--build",
        "Build argument, such as channels=8",
        default="the study's, or final size",
    )
    input_size = click.option(
        "--input-size",
        callback=_size,
        metavar="CxHxW",
        help="Image, such as 3x224x224.  [default: the study's, else 3x32x32 or 3x224x224]",
    )
    return build(input_size(function))


def chosen_architecture(
    *,
    space: str | None,
    architecture: str | None,
    published: str | None,
    trial: str,
    storage: str,
    study_name: str,
) -> tuple[Architecture, Study | None]:
    """The architecture that the options name, and the study if it comes from one.

    Raises:
        click.UsageError: If the options do not go together.
        click.BadParameter: If there is no such network, trial or space.
    """
    if architecture is not None and published is not None:
        raise click.UsageError("give either --architecture or --published")
    if published is not None:
        return _published(published), None
    if architecture is not None:
        if space is None:
            raise click.UsageError("--architecture needs --space")
        return load_space(space).parse(architecture), None
    study = open_study(storage, study_name)
    return architecture_of_study(study, trial, space), study


def architecture_of_study(study: Study, trial: str, space: str | None) -> Architecture:
    """The architecture of a trial by number, or of the best one.

    Raises:
        click.BadParameter: If there is no such trial.
    """
    found = trial_of_study(study, trial)
    return space_of_study(study, space).architecture(found)


def trial_of_study(study: Study, trial: str) -> FrozenTrial:
    """The trial by number, or the best one.

    Raises:
        click.BadParameter: If there is no such trial.
    """
    if trial == "best":
        return best_of_study(study, 1)[0]
    trials = study.get_trials(deepcopy=False)
    if re.fullmatch(r"[0-9]{1,18}", trial) is None or int(trial) >= len(trials):
        raise click.BadParameter(
            f"{trial!r} must be best or a number below {len(trials)}", param_hint="--trial"
        )
    return trials[int(trial)]


def best_of_study(study: Study, count: int) -> list[FrozenTrial]:
    """The best trials with different architectures, at least one.

    Raises:
        click.ClickException: If there is none.
    """
    from optuna_nas.objectives import best_trials

    best = best_trials(study, count)
    if not best:
        raise click.ClickException(f"the study {study.study_name!r} has no complete trial yet")
    return best


def built_for(
    architecture: Architecture,
    study: Study | None,
    input_size: tuple[int, int, int] | None,
    build: Mapping[str, Any],
) -> tuple[tuple[int, int, int], dict[str, Any]]:
    """The image, and the build arguments: as given, else the study's, else the space's."""
    from optuna_nas.objectives import StudyIdentity, read_identity

    takes = architecture.space.build_arguments
    identity = (None if study is None else read_identity(study)) or StudyIdentity()
    arguments = {**(identity.build or {}), **build}
    if input_size is None and identity.data is not None:
        input_size = identity.data.input_size
    if input_size is None:
        large = takes.get("num_classes") == IMAGENET_CLASSES
        input_size = IMAGENET_SIZE if large else SMALL_SIZE
    if "in_channels" in takes and "in_channels" not in build:
        arguments["in_channels"] = input_size[0]
    return input_size, arguments


def _published(name: str) -> Architecture:
    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces import published as networks

    found = getattr(networks, name.upper().replace("-", "_"), None)
    if not isinstance(found, Architecture):
        known = ", ".join(
            n for n in dir(networks) if isinstance(getattr(networks, n), Architecture)
        )
        raise click.BadParameter(f"{name!r} is none of {known}", param_hint="--published")
    return found
