"""Candidates of final training: networks that are made again for every seed, and their origin."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from optuna_nas._ground.checks import require_int
from optuna_nas.objectives import best_trials
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives.trial import HYPERPARAMETERS
from optuna_nas.profiling import Profile, profile
from optuna_nas.training import seeded, task_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.spaces import Architecture, SearchSpace
    from optuna_nas.training import Data, Recipe, Task

__all__ = ["FOUND", "Candidate", "found", "of_architecture", "of_trial"]

FOUND = "found"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network to be trained to the end, several times.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.final import Candidate
        >>> linear = Candidate(
        ...     name="linear",
        ...     make=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
        ...     origin={"network": "logistic regression"},
        ... )

    Attributes:
        name: Name of its row in the table and of its folder: letters, digits, ``.``, ``_`` and
            ``-``.
        make: Makes the network anew, with random weights.
        origin: Kind and source of the network, ready for JSON. A run that was
            interrupted goes on only if this is the same.
        role: "found", "random search" or "baseline".
        recipe: How it is trained; None: as those beside it.

    Raises:
        ValueError: If the name has other characters.
    """

    name: str
    make: Callable[[], nn.Module]
    origin: Mapping[str, Any]
    role: str = "baseline"
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(
                "`name` must be letters, digits, '.', '_' and '-', since a folder is called so, "
                f"but got name={self.name!r}."
            )

    def size(self, data: Data) -> Profile:
        """Count parameters and multiply-adds for an example of ``data``."""
        with seeded(0):  # the process's random state is not ours
            return profile(self.make(), inputs=data.inputs)


def of_architecture(
    architecture: Architecture,
    data: Data,
    *,
    name: str,
    task: Task | None = None,
    build: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    role: str = FOUND,
    origin: Mapping[str, Any] | None = None,
) -> Candidate:
    """Make a candidate of an architecture.

    Args:
        architecture: Such as ``published.DARTS_V2``.
        data: Data that the network is built for.
        name: See :class:`Candidate`.
        task: Task that it is built for; None: that of the data.
        build: Other build arguments; by default the space's final size.
        recipe: See :class:`Candidate`; its drop path is built in where the space has one.
        role: See :class:`Candidate`.
        origin: Further facts of its source to be kept.

    Raises:
        TypeError: If ``build`` has arguments that the space does not take.
    """
    space = architecture.space
    arguments = build_arguments(space, data, task_of(data, task), build or {})
    if recipe is not None and recipe.drop_path and "drop_path" in space.build_arguments:
        arguments.setdefault("drop_path", recipe.drop_path)
    kept = {
        "architecture": str(architecture),
        "json": architecture.to_json(),
        "digest": architecture.digest,
        "build": arguments,
        **(origin or {}),
    }
    return Candidate(
        name=name,
        make=lambda: architecture.build(**arguments),
        origin=kept,
        role=role,
        recipe=recipe,
    )


def of_trial(
    study: Study,
    trial: FrozenTrial,
    space: SearchSpace,
    data: Data,
    *,
    name: str,
    task: Task | None = None,
    build: Mapping[str, Any] | None = None,
    recipe: Callable[[FrozenTrial], Recipe] | None = None,
    role: str = FOUND,
    origin: Mapping[str, Any] | None = None,
) -> Candidate:
    """Make a candidate of a trial's architecture; see :func:`of_architecture`."""
    told = {"study": study.study_name, "trial": trial.number, "values": trial.values}
    own = None if recipe is None else recipe(trial)
    drawn = (HYPERPARAMETERS.read(trial) or {}).items()
    carried = {field: value for field, value in drawn if own and getattr(own, field) == value}
    if carried:
        told["hyperparameters"] = carried
    return of_architecture(
        space.architecture(trial),
        data,
        name=name,
        task=task,
        build=build,
        recipe=own,
        role=role,
        origin={**told, **(origin or {})},
    )


def found(
    study: Study,
    space: SearchSpace,
    data: Data,
    *,
    task: Task | None = None,
    top: int = 3,
    build: Mapping[str, Any] | None = None,
    recipe: Callable[[FrozenTrial], Recipe] | None = None,
) -> list[Candidate]:
    """Return the best different architectures of a study by its own value, best first.

    Args:
        study: With a single objective.
        space: Space that the study searches.
        data: Data on which the networks will be trained.
        task: Task for which they will be; None: that of the data.
        top: How many at most.
        build: See :func:`of_architecture`.
        recipe: How the network of a trial is trained, such as ``lambda trial: recipe_of(trial,
            objective.recipe)``; None: as those beside it.

    Raises:
        ValueError: If the study has no complete trial, or several objectives.
    """
    require_int("top", top)
    trials = best_trials(study, top)
    if not trials:
        raise ValueError(
            f"The study {study.study_name!r} must have a complete trial, but has none yet."
        )
    return [
        of_trial(
            study,
            trial,
            space,
            data,
            name=f"trial-{trial.number}",
            task=task,
            build=build,
            recipe=recipe,
        )
        for trial in trials
    ]
