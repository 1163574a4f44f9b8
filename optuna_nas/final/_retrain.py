"""Retraining of the best architectures of a study, beside baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from optuna_nas._ground.checks import require_options
from optuna_nas.final._candidate import Candidate, found
from optuna_nas.final._options import FinalTrainingOptions
from optuna_nas.final._random import epochs_spent, random_search, random_search_pick
from optuna_nas.final._resnet import is_task_of_resnet, resnet_of_equal_macs
from optuna_nas.final._train import train_candidates
from optuna_nas.objectives import recipe_of, sampled_hyperparameters
from optuna_nas.training import Recipe

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from optuna_nas.final._comparison import Comparison
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Task

__all__ = ["retrain"]


class SearchObjective(Protocol):
    """Objective of the search, such as a ``TrainingObjective``."""

    @property
    def space(self) -> SearchSpace:
        """Space that is searched."""

    @property
    def data(self) -> Any:
        """Data on which networks are evaluated."""

    @property
    def task(self) -> Task:
        """Loss, metric and direction."""

    @property
    def recipe(self) -> Recipe:
        """How they are trained, but for hyperparameters that a trial samples."""

    @property
    def samples_hyperparameters(self) -> bool:
        """Whether each trial samples hyperparameters beside its architecture."""

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Evaluate a trial."""


def retrain(
    study: Study,
    objective: SearchObjective,
    *,
    folder: str | Path,
    epochs: int,
    top: int = 3,
    build: Mapping[str, Any] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    random_study: Study | bool = True,
    max_random_trials: int | None = None,
    baselines: Sequence[Candidate] | None = None,
    validate: bool = True,
    **options: Unpack[FinalTrainingOptions],
) -> Comparison:
    """Train the best architectures of a study to the end, beside what they must beat.

    All are trained on ``data.train``, with the same seeds, and tested once. With
    ``validate=False`` they are trained on the validation examples as well, as papers do in the
    end; then nothing but the search itself chooses among them. A network whose trial sampled
    hyperparameters (``TrainingObjective(hyperparameters=...)``) is trained with them, unless a
    ``recipe`` is given. Beside what was found stand

    - the pick of a random search of equal budget: random architectures evaluated by the same
      objective, under ``study.pruner``, until as many epochs are spent as the search has spent
      (see :func:`random_search`), which draw hyperparameters of their own. It costs as much as
      the search did; ``max_random_trials`` caps it, a ``random_study`` that has been run already
      costs nothing.
    - for images with one row of outputs each, as classes are: a ResNet-20 with the width that
      gives it the multiply-adds of the best found network, trained as that one is.

    What was finished in ``folder`` is not trained again, so that a run that was killed goes on.

    Example::

        import optuna
        from optuna_nas.final import retrain
        from optuna_nas.objectives import TrainingObjective
        from optuna_nas.samplers import RegularizedEvolutionSampler
        from optuna_nas.spaces import NASBench201Space

        objective = TrainingObjective(
            NASBench201Space(), "digits", epochs=2, build={"cells": 1, "channels": 4}
        )
        study = optuna.create_study(
            direction="maximize", sampler=RegularizedEvolutionSampler(seed=0)
        )
        study.optimize(objective, n_trials=10)
        print(
            retrain(
                study,
                objective,
                folder="final",
                epochs=4,
                top=1,
                build={"cells": 1, "channels": 8},
            )
        )

    Args:
        study: The search.
        objective: Objective of the search.
        folder: For weights, model cards and the table.
        epochs: Epochs of each run.
        top: How many of the best different architectures.
        build: Other build arguments; by default the space's final size, with the recipe's drop
            path where the space takes one.
        recipe: How to train; by default each network as its trial was. A ``Recipe`` holds for
            all; some fields of one, such as ``{"drop_path": 0.2}``, change each one's own.
        random_study: A random search of yours to pick from instead, or False to leave it out.
        max_random_trials: An upper limit on the random search's trials.
        baselines: Networks to stand beside; by default the ResNet-20, if it fits the task. Those
            without a recipe of their own are trained as the best found network is.
        validate: Whether to keep the validation examples for choosing the best of what was found.
        **options: See :class:`FinalTrainingOptions`.

    Returns:
        The comparison; printed, it is a table. ``comparison.chosen.folder`` has the model card
        and the weights of what validation prefers.

    Raises:
        ValueError: If the study has no complete trial or several objectives, the search reported
            no epochs that a random search could spend, its trials sampled hyperparameters that
            those of a random search by this objective would not, or a setting is out of range.
        TypeError: If the space does not take the build arguments, or ``recipe`` has fields that
            a recipe has not, or an option is unknown, or validation and training examples cannot
            be merged.
    """
    require_options("retrain", options, FinalTrainingOptions)  # before a search is run
    space, data, task = objective.space, objective.data, objective.task
    trained_on = data if validate else data.merged()

    def of(trial: FrozenTrial) -> Recipe:
        if isinstance(recipe, Recipe):
            return recipe
        return dataclasses.replace(recipe_of(trial, objective.recipe), **(recipe or {}))

    candidates = found(study, space, data, task=task, top=top, build=build, recipe=of)
    if baselines is None and is_task_of_resnet(data, task):
        macs = candidates[0].size(data).macs
        baselines = [resnet_of_equal_macs(data, macs, task=task)]
    if random_study is True:
        _check_samples(study, objective)
        random_study = random_search(study, objective, space, max_trials=max_random_trials)
    if random_study is not False:
        budget = epochs_spent(study)
        candidates.append(
            random_search_pick(
                random_study, space, data, epochs=budget, task=task, build=build, recipe=of
            )
        )
    return train_candidates(
        [*candidates, *(baselines or ())],
        trained_on,
        folder=folder,
        epochs=epochs,
        task=task,
        recipe=candidates[0].recipe,
        **options,
    )


def _check_samples(study: Study, objective: SearchObjective) -> None:
    sampled = sampled_hyperparameters(study)
    if sampled and not objective.samples_hyperparameters:
        names = ", ".join(sorted({name for fields in sampled for name in fields}))
        raise ValueError(
            f"`objective` must sample hyperparameters for a random search, as the trials of "
            f"{study.study_name!r} sampled {names}: give it the same "
            "hyperparameters=..., or give retrain a random_study of your own or False."
        )
