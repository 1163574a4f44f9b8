"""Judges an architecture by training it: the multi-trial objective of a search.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578 (the
    score "max of the last five epochs").
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from optuna import TrialPruned
from optuna.study import StudyDirection
from optuna.trial import Trial

from optuna_nas import _optuna_seam as seam
from optuna_nas.objectives._failures import blamed, prune_infeasible
from optuna_nas.objectives._picture import attach_picture, write_note
from optuna_nas.objectives._runs import COPY_KEY, RUN_KEY, FinishedRuns, run_key, take_over
from optuna_nas.objectives._study import settle_identity
from optuna_nas.objectives._workers import WORKER_KEY, this_worker
from optuna_nas.profiling import Profile, profile
from optuna_nas.samplers import REPEAT_KEY
from optuna_nas.spaces import ARCHITECTURE_KEY, Architecture, SearchSpace
from optuna_nas.training import (
    EpochResult,
    ImageData,
    Recipe,
    fit,
    load_data,
    resolve_device,
    seeded,
)

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import BaseTrial, FrozenTrial

__all__ = [
    "DIGEST_KEY",
    "MACS_KEY",
    "PARAMS_KEY",
    "SECONDS_KEY",
    "TrainingObjective",
    "build_arguments",
]

DIGEST_KEY = "optuna_nas:digest"
"""User attribute of a trial: digest of its architecture."""

PARAMS_KEY = "optuna_nas:params"
"""User attribute of a trial: trainable parameters of the network as built for it."""

MACS_KEY = "optuna_nas:macs"
"""User attribute of a trial: multiply-adds of that network for one image."""

SECONDS_KEY = "optuna_nas:seconds"
"""User attribute of a trial: wall time of training and validation."""

SCORES: Mapping[str, Callable[[list[float]], float]] = {
    "last": lambda accuracies: accuracies[-1],
    "best": max,
    "max_last_5": lambda accuracies: max(accuracies[-5:]),
}

NOUNS = {"max_params": "parameters", "max_macs": "multiply-adds"}


class TrainingObjective:
    """An Optuna objective: build the suggested network, train it, return validation accuracy.

    Every epoch is reported, so any pruner of Optuna can stop a trial. The network's fault (a limit
    exceeded, an image too small, NaN, out of memory) makes the trial infeasible and pruned; it is
    not lost to the sampler. Anything else is raised. The test split is never touched.

    A trial records its architecture (JSON), digest, parameters, multiply-adds and seconds as user
    attributes ``optuna_nas:...``; the study records what it is, and refuses to go on with other
    settings.

    Args:
        space: What to suggest from.
        data: Name for :func:`optuna_nas.training.load_data`, or an ``ImageData``.
        epochs: Epochs per trial, at least 1.
        build: Arguments for ``architecture.build`` besides the number of classes and channels,
            which the data decides. Default: ``space.proxy``, the paper's search size.
        recipe: How to train; default ``Recipe()``.
        hyperparameters: A function of the trial that returns fields of the recipe, such as
            ``lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1.0, log=True)}``.
        score: Which epoch counts: ``"last"``, ``"best"`` or ``"max_last_5"``.
        seed: Weights and data order of trial n depend on (seed, n).
        max_params: Upper limit on trainable parameters, checked before training.
        max_macs: Upper limit on multiply-adds of one image, checked before training.
        reuse: Take over the result of a complete trial of the study that was the same run.
            Trials that the sampler wants repeated are never copied.
        artifact_store: Where each trial's picture goes (an artifact store of Optuna); None: no
            pictures and notes.
        notes: Write a note for optuna-dashboard beside each picture. Notes live in the study;
            from some thousand trials on they slow it down.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device.

    Raises:
        ValueError: If a setting is out of range.
        TypeError: If ``build`` has arguments that the space does not take.

    Example::

        import optuna
        from optuna_nas.objectives import TrainingObjective
        from optuna_nas.samplers import RegularizedEvolutionSampler
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(
            direction="maximize",
            sampler=RegularizedEvolutionSampler(),
            pruner=optuna.pruners.HyperbandPruner(),
        )
        objective = TrainingObjective(space, "digits", epochs=4, build={"cells": 1, "channels": 4})
        study.optimize(objective, n_trials=30)
        print(space.architecture(study.best_trial))
    """

    def __init__(
        self,
        space: SearchSpace,
        data: str | ImageData,
        *,
        epochs: int,
        build: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        hyperparameters: Callable[[Trial], Mapping[str, Any]] | None = None,
        score: str = "last",
        seed: int = 0,
        max_params: int | None = None,
        max_macs: int | None = None,
        reuse: bool = True,
        artifact_store: seam.ArtifactStore | None = None,
        notes: bool = True,
        device: str | torch.device = "auto",
    ) -> None:
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"`epochs` must be an integer of at least 1, but got {epochs!r}.")
        if score not in SCORES:
            raise ValueError(f"`score` must be one of {list(SCORES)}, but got {score!r}.")
        _check_limit("max_params", max_params)
        _check_limit("max_macs", max_macs)
        self.space = space
        self.data = load_data(data) if isinstance(data, str) else data
        self.epochs = epochs
        self.build = build_arguments(space, self.data, space.proxy if build is None else build)
        self.recipe = recipe or Recipe()
        self._hyperparameters = hyperparameters
        self._score = score
        self._seed = seed
        self._limits = {"max_params": max_params, "max_macs": max_macs}
        self._reuse = reuse
        self._artifact_store = artifact_store
        self._notes = notes
        self._device = resolve_device(device)
        self._on_device: ImageData | None = None
        self._counted: dict[str, Profile] = {}
        self._finished: dict[tuple[BaseStorage, int], FinishedRuns] = {}
        self._settled: set[tuple[BaseStorage, int]] = set()

    @property
    def identity(self) -> dict[str, Any]:
        """What a study keeps of this objective (``optuna_nas:study``)."""
        return {
            **self.space.identity,
            "data": self.data.identity,
            "epochs": self.epochs,
            "build": self.build,
            "score": self._score,
            "recipe": self.recipe.to_dict(),
        }

    def __call__(self, trial: Trial) -> float:
        """Judge one trial.

        Returns:
            Validation accuracy in [0, 1].

        Raises:
            TrialPruned: If the pruner stops the trial, or its architecture is infeasible.
            TrialError: If building or training fails for another reason.
            ValueError: If the study was begun with other settings, or minimises.
        """
        study = trial.study if isinstance(trial, Trial) else None
        if study is not None:
            self.prepare(study)
            trial.set_user_attr(WORKER_KEY, this_worker())
        architecture = self.space.suggest(trial)
        recipe = self._recipe_of(trial)
        trial.set_user_attr(ARCHITECTURE_KEY, architecture.to_json())
        trial.set_user_attr(DIGEST_KEY, architecture.digest)
        key = self._run_key(architecture, recipe)
        twin = self._twin(trial, key)
        if twin is not None:
            return self._copy(trial, twin)
        trial.set_user_attr(RUN_KEY, key)
        self._check_limits(trial, architecture, self._count(trial, architecture))
        return self._shown(trial, architecture, lambda: self._train(trial, architecture, recipe))

    def prepare(self, study: Study) -> None:
        """Check that this objective can judge a study, and note there what it is.

        Every trial does so; call it before ``study.optimize`` to hear of a mistake sooner.

        Raises:
            ValueError: If the study was begun with other settings, or minimises.
        """
        if seam.study_key(study) in self._settled:
            return
        if len(study.directions) == 1 and study.direction != StudyDirection.MAXIMIZE:
            raise ValueError(
                "TrainingObjective returns an accuracy, but the study minimises: create it with "
                'direction="maximize".'
            )
        settle_identity(study, self.identity)
        self._settled.add(seam.study_key(study))

    def _recipe_of(self, trial: Trial) -> Recipe:
        if self._hyperparameters is None:
            return self.recipe
        changes = self._hyperparameters(trial)
        known = {field.name for field in dataclasses.fields(Recipe)}
        unknown = sorted(changes.keys() - known)
        if unknown:
            raise ValueError(
                f"`hyperparameters` must return fields of a Recipe ({', '.join(sorted(known))}), "
                f"but returned {unknown}."
            )
        return dataclasses.replace(self.recipe, **changes)

    def _run_key(self, architecture: Architecture, recipe: Recipe) -> str:
        return run_key(
            digest=architecture.digest,
            build=self.build,
            data=self.data.identity,
            epochs=self.epochs,
            recipe=recipe.to_dict(),
            score=self._score,
        )

    def _twin(self, trial: Trial, key: str) -> FrozenTrial | None:
        """An earlier complete trial that was the same run, if its result may be taken over."""
        if not self._reuse or not _can_report(trial) or not isinstance(trial, Trial):
            return None
        if seam.trial_attributes(trial).get(REPEAT_KEY):
            return None
        runs = self._finished.setdefault(seam.study_key(trial.study), FinishedRuns())
        return runs.find(trial.study, key)

    def _copy(self, trial: Trial, twin: FrozenTrial) -> float:
        trial.set_user_attr(COPY_KEY, twin.number)
        for name, value in take_over(twin.user_attrs, (PARAMS_KEY, MACS_KEY)).items():
            trial.set_user_attr(name, value)
        accuracies = [twin.intermediate_values[e] for e in sorted(twin.intermediate_values)]
        for epoch, accuracy in enumerate(accuracies, start=1):
            trial.report(accuracy, epoch)
        return SCORES[self._score](accuracies)

    def _count(self, trial: BaseTrial, architecture: Architecture) -> Profile:
        """Parameters and multiply-adds, counted without allocating the network."""
        counted = self._counted.get(architecture.digest)
        if counted is None:
            with blamed(trial, architecture, self.data.input_size, "building"):
                with torch.device("meta"):
                    model = architecture.build(**self.build)
                counted = profile(model, self.data.input_size)
            self._counted[architecture.digest] = counted
        trial.set_user_attr(PARAMS_KEY, counted.params)
        trial.set_user_attr(MACS_KEY, counted.macs)
        return counted

    def _check_limits(
        self, trial: BaseTrial, architecture: Architecture, counted: Profile
    ) -> None:
        exceeded = []
        sizes = {"max_params": counted.params, "max_macs": counted.macs}
        for name, limit in self._limits.items():
            if limit is None:
                continue
            # Relative, so that the violations of several limits can be added up.
            trial.set_constraint(name, sizes[name] / limit - 1)
            if sizes[name] > limit:
                exceeded.append(f"{sizes[name]:,} {NOUNS[name]} against {name}={limit:,}")
        if exceeded:
            prune_infeasible(
                trial, f"Trial {trial.number}: {architecture} has {' and '.join(exceeded)}."
            )

    def _shown(self, trial: Trial, architecture: Architecture, run: Callable[[], float]) -> float:
        """Run a trial with its picture attached, and write its note however it ends."""
        if self._artifact_store is None or not isinstance(trial, Trial):
            return run()
        artifact = attach_picture(trial, architecture.graph(), self._artifact_store)
        outcome = "failed"
        try:
            value = run()
            outcome = f"validation accuracy **{value:.2%}**"
            return value
        except TrialPruned as pruned:
            outcome = f"pruned: {pruned}" if str(pruned) else "pruned"
            raise
        finally:
            if self._notes:
                size = f"{trial.user_attrs[PARAMS_KEY]:,} parameters, "
                size += f"{trial.user_attrs[MACS_KEY]:,} multiply-adds"
                write_note(trial, artifact, [f"`{architecture}`", f"{outcome}; {size}"])

    def _train(self, trial: Trial, architecture: Architecture, recipe: Recipe) -> float:
        accuracies: list[float] = []

        def on_epoch(result: EpochResult) -> None:
            accuracies.append(result.val_accuracy)
            if not _can_report(trial):
                return
            trial.report(result.val_accuracy, result.epoch)
            if result.epoch < self.epochs and trial.should_prune():
                raise TrialPruned(f"{result.val_accuracy:.2%} after epoch {result.epoch}")

        seed = run_key(seed=self._seed, trial=trial.number)
        training_seed = int(seed[:15], 16)
        started = time.perf_counter()
        try:
            with blamed(trial, architecture, self.data.input_size, "training"):
                with seeded(training_seed):
                    model = architecture.build(**self.build)
                fit(
                    model,
                    self._data_on_device(),
                    epochs=self.epochs,
                    recipe=recipe,
                    seed=training_seed,
                    device=self._device,
                    on_epoch=on_epoch,
                )
        finally:
            trial.set_user_attr(SECONDS_KEY, round(time.perf_counter() - started, 4))
        return SCORES[self._score](accuracies)

    def _data_on_device(self) -> ImageData:
        if self._on_device is None:
            self._on_device = self.data.to(self._device)
        return self._on_device


def _can_report(trial: BaseTrial) -> bool:
    """Whether Optuna takes reports of the trial: only in studies with a single objective."""
    return not isinstance(trial, Trial) or len(trial.study.directions) == 1


def build_arguments(
    space: SearchSpace, data: ImageData, build: Mapping[str, Any]
) -> dict[str, Any]:
    """Complete build arguments by what the data decides, as far as the space takes it."""
    takes = space.build_arguments
    unknown = sorted(build.keys() - takes.keys())
    if unknown:
        raise TypeError(
            f"`build` must name arguments of {space} ({sorted(takes)}), not {unknown}."
        )
    decided = {"num_classes": data.num_classes, "in_channels": data.in_channels}
    return {**{name: value for name, value in decided.items() if name in takes}, **build}


def _check_limit(name: str, limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"`{name}` must be at least 1 or None, but got {name}={limit}.")
