"""One architecture, as commands name it: by its text, as published, or as a study found it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from optuna_nas._ground.bounds import MAX_PIXELS
from optuna_nas._ground.checks import shown
from optuna_nas.cli._options import (
    F,
    changes_option,
    load_space,
    open_study,
    space_of_study,
    study_options,
)
from optuna_nas.cli._own_objective import space_or_objective

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives.identity import FunctionIdentity
    from optuna_nas.profiling import InputSpec
    from optuna_nas.spaces import Architecture, SearchSpace

__all__ = [
    "architecture_of_study",
    "architecture_options",
    "best_of_study",
    "build_options",
    "built_for",
    "chosen_architecture",
    "is_image",
    "trial_of_study",
]

IMAGENET_CLASSES, IMAGENET_SIZE, SMALL_SIZE = 1000, (3, 224, 224), (3, 32, 32)


def architecture_options(function: F) -> F:
    """``--space`` or ``--objective``, ``--architecture``, ``--published``, ``--trial``, study."""
    options = [
        space_or_objective,
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


def _inputs(ctx: click.Context, param: click.Parameter, value: str | None) -> InputSpec | None:
    """Read 3x32x32, 24x2, 32:int64 or image=1x64x48,table=5."""
    if value is None:
        return None
    from optuna_nas.profiling import InputSpec  # imports torch

    try:
        return InputSpec.of(value)
    except ValueError as e:
        raise click.BadParameter(
            "write sizes as 3x224x224, with a type as 32:int64, several as image=1x64x48,table=5, "
            f"each of at most {MAX_PIXELS} numbers, not {shown(value)}"
        ) from e


def build_options(function: F) -> F:
    """``--build`` and ``--input-size``: how large the network and its inputs are."""
    build = changes_option(
        "--build",
        "Build argument, such as channels=8",
        default="the study's, or final size",
    )
    input_size = click.option(
        "--input-size",
        callback=_inputs,
        metavar="SIZES",
        help="Inputs, such as 3x224x224, 24x2, 32:int64 or image=1x64x48,table=5.  "
        "[default: the study's, else 3x32x32 or 3x224x224]",
    )
    return build(input_size(function))


def chosen_architecture(
    *,
    space: str | SearchSpace | None,
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


def architecture_of_study(
    study: Study, trial: str, space: str | SearchSpace | None
) -> Architecture:
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
    inputs: InputSpec | None,
    build: Mapping[str, Any],
) -> tuple[InputSpec, dict[str, Any]]:
    """The inputs, and the build arguments: as given, else the study's, else the space's."""
    from optuna_nas.objectives import StudyIdentity, read_identity
    from optuna_nas.profiling import InputSpec

    takes = architecture.space.build_arguments
    identity = (None if study is None else read_identity(study)) or StudyIdentity()
    arguments = {**(identity.build or {}), **build}
    if inputs is None:
        kept: Any = None if identity.data is None else identity.data.inputs
        if identity.function is not None:
            kept = _inputs_of(identity.function)
        large = takes.get("num_classes") == IMAGENET_CLASSES
        inputs = InputSpec.of(kept or (IMAGENET_SIZE if large else SMALL_SIZE))
    if "in_channels" in takes and "in_channels" not in build and is_image(inputs):
        arguments["in_channels"] = inputs.input_size[0]
    return inputs, arguments


def _inputs_of(function: FunctionIdentity) -> str:
    if function.inputs is None:
        raise click.UsageError(
            f"the training function {function.name!r} does not say its inputs: give --input-size"
        )
    return function.inputs


def is_image(inputs: InputSpec) -> bool:
    """Whether there is one input, of channels, height and width."""
    return inputs.single and len(inputs.input_size) == 3


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
