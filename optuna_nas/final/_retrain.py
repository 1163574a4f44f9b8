"""From a study to a network that can be used: the best are trained to the end, beside rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optuna_nas.final._candidate import Candidate, found
from optuna_nas.final._random import epochs_spent, random_search, random_search_pick
from optuna_nas.final._resnet import resnet_of_equal_macs
from optuna_nas.final._train import train_candidates

if TYPE_CHECKING:
    import torch
    from optuna.study import Study
    from optuna.trial import Trial

    from optuna_nas.final._comparison import Comparison, FinalRun
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import ImageData, Recipe

__all__ = ["retrain"]


class Judge(Protocol):
    """What judged the search: a ``TrainingObjective``, or a reward on one."""

    @property
    def space(self) -> SearchSpace:
        """What is searched."""

    @property
    def data(self) -> ImageData:
        """What networks are judged on."""

    @property
    def recipe(self) -> Recipe:
        """How they are trained."""

    def __call__(self, trial: Trial) -> float:
        """Judge a trial."""


def retrain(
    study: Study,
    objective: Judge,
    *,
    folder: str | Path,
    epochs: int,
    top: int = 3,
    seeds: int | Sequence[int] = 3,
    build: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    rival: Study | bool = True,
    max_rival_trials: int | None = None,
    baselines: Sequence[Candidate] | None = None,
    device: str | torch.device = "auto",
    channels_last: bool = False,
    compile: bool = False,
    on_run: Callable[[str, FinalRun], None] | None = None,
) -> Comparison:
    """Train the best architectures of a study to the end, beside what they must beat.

    All are trained alike, on ``data.train``, with the same seeds, and tested once. Beside what
    was found stand

    - the pick of a random search of equal budget: random architectures judged by the same
      objective, under ``study.pruner``, until as many epochs are spent as the search has spent
      (see :func:`random_search`). It costs as much as the search did; ``max_rival_trials`` caps
      it, a ``rival`` study that has been run already costs nothing.
    - a ResNet-20 with the width that gives it the multiply-adds of the best found network.

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
        objective: What judged it.
        folder: For weights, model cards and the table.
        epochs: Of each run.
        top: How many of the best different architectures.
        seeds: How many, or which.
        build: Other build arguments; by default the space's final size, with the recipe's drop
            path where the space takes one.
        recipe: How to train; by default as the search did.
        rival: A random search of yours to pick from instead, or False to leave it out.
        max_rival_trials: An upper limit on the random search's trials.
        baselines: Networks to stand beside; by default the ResNet-20.
        device: As for :func:`train_candidates`, and so are the three that follow.
        channels_last: See there.
        compile: See there.
        on_run: See there.

    Returns:
        The comparison; printed, it is a table. ``comparison.chosen.folder`` has the model card
        and the weights of what validation prefers.

    Raises:
        ValueError: If the study has no complete trial or several objectives, the search reported
            no epochs that a random search could spend, or a setting is out of range.
        TypeError: If the space does not take the build arguments.
    """
    space, data = objective.space, objective.data
    recipe = objective.recipe if recipe is None else recipe
    size = _size(space, build, recipe)
    candidates = found(study, space, data, top=top, build=size)
    if baselines is None:
        baselines = [resnet_of_equal_macs(data, candidates[0].size(data).macs)]
    if rival is True:
        rival = random_search(study, objective, space, max_trials=max_rival_trials)
    if rival is not False:
        budget = epochs_spent(study)
        candidates.append(random_search_pick(rival, space, data, epochs=budget, build=size))
    return train_candidates(
        [*candidates, *baselines],
        data,
        folder=folder,
        epochs=epochs,
        recipe=recipe,
        seeds=seeds,
        device=device,
        channels_last=channels_last,
        compile=compile,
        on_run=on_run,
    )


def _size(space: SearchSpace, build: Mapping[str, Any] | None, recipe: Recipe) -> dict[str, Any]:
    size = dict(build or {})
    if recipe.drop_path and "drop_path" in space.build_arguments:
        size.setdefault("drop_path", recipe.drop_path)
    return size
