"""Judges an architecture by training it: the multi-trial objective of a search.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578 (the
    score "max of the last five epochs").
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from optuna import TrialPruned
from optuna.trial import Trial

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, number, text
from optuna_nas._checks import require_int, require_seed
from optuna_nas._words import markdown
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._checkpoints import TrialCheckpoints
from optuna_nas.objectives._costs import (
    COST_ATTRIBUTES,
    MACS,
    MACS_KEY,
    PARAMS,
    PARAMS_KEY,
    Costs,
    Meter,
)
from optuna_nas.objectives._data import images_of
from optuna_nas.objectives._hyperparameters import settle_recipe
from optuna_nas.objectives._limits import Limits
from optuna_nas.objectives._picture import attach_picture, write_note
from optuna_nas.objectives._runs import (
    COPY_KEY,
    RUN_KEY,
    reusable_runs,
    run_key,
    take_over,
)
from optuna_nas.objectives._scorer import ProxyScorer
from optuna_nas.objectives._study import SettledStudies
from optuna_nas.objectives._trainer import SECONDS_KEY, Trainer, can_report
from optuna_nas.objectives._value import Value, trial_value
from optuna_nas.objectives._workers import WORKER_KEY, this_worker
from optuna_nas.profiling import LatencyMeter
from optuna_nas.samplers.base._sampler import REPEAT
from optuna_nas.spaces import ARCHITECTURE_KEY, Architecture, SearchSpace
from optuna_nas.training import ImageData, Recipe, load_checkpoint, resolve_device

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial
    from torch import nn

__all__ = [
    "ACCURACY_KEY",
    "DIGEST_KEY",
    "MACS_KEY",
    "PARAMS_KEY",
    "SECONDS_KEY",
    "TrainingObjective",
]

DIGEST_KEY = "optuna_nas:digest"
"""User attribute of a trial: digest of its architecture."""

DIGEST = Attribute(DIGEST_KEY, text(200))

ACCURACY_KEY = "optuna_nas:accuracy"
"""User attribute of a trial whose value is a reward: its validation accuracy."""

ACCURACY = Attribute(ACCURACY_KEY, number(0.0, 1.0))


def _max_last_5(accuracies: list[float]) -> float:
    return max(accuracies[-5:])


SCORES: Mapping[str, Callable[[list[float]], float]] = {
    "last": operator.itemgetter(-1),
    "best": max,
    "max_last_5": _max_last_5,
}


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
            ``lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1.0, log=True)}``; see also
            :func:`recipe_of`.
        value: What a trial returns: ``"metric"``, the validation accuracy; a reward, such as
            ``LatencyReward(target_ms=80)``; or ``("metric", "latency_ms", ...)``, several
            objectives, of which costs are ``"latency_ms"``, ``"macs"`` and ``"params"``. With
            several nothing is pruned but by limits, and results are not reused.
        score: Which epoch counts: ``"last"``, ``"best"`` or ``"max_last_5"``.
        seed: Weights and data order of trial n depend on (seed, n).
        max_params: Upper limit on trainable parameters, checked before training.
        max_macs: Upper limit on multiply-adds of one image, checked before training.
        max_latency_ms: Upper limit on the latency as measured, checked before training.
        min_proxy: Lower limits on scores of the untrained network, such as ``{"naswot": 150.0}``;
            :func:`score_architectures` shows which scores there are.
        latency: How latency is measured, where it is needed; by default by
            ``LatencyMeter(device=device)``. Or a function ``(model, input_size) -> milliseconds``.
        reuse: Take over the result of a complete trial of the study that was the same run.
            Trials that the sampler wants repeated are never copied.
        artifact_store: Where each trial's picture goes (an artifact store of Optuna); None: no
            pictures and notes.
        notes: Write a note for optuna-dashboard beside each picture. Notes live in the study;
            from some thousand trials on they slow it down.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device.
        channels_last: As for :func:`optuna_nas.training.fit`.
        compile: As for :func:`optuna_nas.training.fit`; every architecture is compiled anew.
        checkpoints: A folder, or an artifact store of Optuna, where each trial keeps its state
            after every epoch. A trial whose process died then goes on from there when it is
            tried again. None: it begins anew.
        keep_checkpoints: Of how many best complete trials the checkpoint is kept, for
            :meth:`trained_network`; in studies with several objectives, of all on the Pareto
            front if this is not 0. Others are removed when a later trial begins.

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

    metric = "validation accuracy"

    def __init__(
        self,
        space: SearchSpace,
        data: str | ImageData,
        *,
        epochs: int,
        build: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        hyperparameters: Callable[[Trial], Mapping[str, Any]] | None = None,
        value: Value = "metric",
        score: str = "last",
        seed: int = 0,
        max_params: int | None = None,
        max_macs: int | None = None,
        max_latency_ms: float | None = None,
        min_proxy: Mapping[str, float] | None = None,
        latency: Meter | None = None,
        reuse: bool = True,
        artifact_store: seam.ArtifactStore | None = None,
        notes: bool = True,
        device: str | torch.device = "auto",
        channels_last: bool = False,
        compile: bool = False,
        checkpoints: seam.ArtifactStore | str | Path | None = None,
        keep_checkpoints: int = 0,
    ) -> None:
        require_int("epochs", epochs, at_least=1)
        require_seed(seed)
        if score not in SCORES:
            raise ValueError(f"`score` must be one of {list(SCORES)}, but got {score!r}.")
        self.space = space
        self.data = images_of(data)
        self.epochs = epochs
        self.build = build_arguments(space, self.data, build)
        self.recipe = recipe or Recipe()
        self._hyperparameters = hyperparameters
        self._score = score
        self._limits = Limits(
            max_params=max_params,
            max_macs=max_macs,
            max_latency_ms=max_latency_ms,
            min_proxy=min_proxy or {},
        )
        self._reuse = reuse
        self._artifact_store = artifact_store
        self._notes = notes
        self._checkpoints = TrialCheckpoints.at(checkpoints, keep_checkpoints)
        self._trainer = Trainer(
            self.data,
            epochs,
            self.build,
            seed,
            resolve_device(device),
            channels_last=channels_last,
            compile=compile,
            checkpoints=self._checkpoints,
        )
        meter = LatencyMeter(device=str(device)) if latency is None else latency
        scorer = ProxyScorer(self.data, self.build, device=device)
        self.costs = Costs(self.build, self.data, meter, scorer)
        self.value = trial_value(value)
        largest = 1.0 if self.value.reward is None else math.inf
        self._finished = reusable_runs(epochs, SCORES[score], largest=largest)
        self._studies = SettledStudies(self.value)

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
            **self.value.identity(self.costs.meter_identity),
        }

    @property
    def directions(self) -> list[str]:
        """Directions of a study, for ``optuna.create_study``."""
        return self.value.directions

    @property
    def draws(self) -> bool:
        """Whether each trial draws hyperparameters for itself."""
        return self._hyperparameters is not None

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Evaluate one trial.

        Returns:
            Validation accuracy in [0, 1]; with another ``value`` its reward, or the accuracy and
            the costs.

        Raises:
            TrialPruned: If the pruner stops the trial, or its architecture is infeasible.
            TrialError: If building or training fails for another reason.
            ValueError: If the study was begun with other settings, or minimises.
        """
        study = trial.study if isinstance(trial, Trial) else None
        if study is not None:
            trial.set_user_attr(WORKER_KEY, this_worker())  # first: a death before it goes unseen
            self.prepare(study)
            self.prune_checkpoints(study)
        architecture = self.space.suggest(trial)
        recipe = self._recipe_of(trial)
        trial.set_user_attr(ARCHITECTURE_KEY, architecture.to_json())
        trial.set_user_attr(DIGEST_KEY, architecture.digest)
        key = self._run_key(architecture, recipe)
        twin = self._twin(trial, key)
        if twin is not None:
            return self._copy(trial, twin)
        trial.set_user_attr(RUN_KEY, key)
        self._limits.check(trial, architecture, self.costs)
        return self._shown(trial, architecture, lambda: self._train(trial, architecture, recipe))

    def _train(
        self, trial: Trial, architecture: Architecture, recipe: Recipe
    ) -> float | tuple[float, ...]:
        def cost_of(cost: str) -> float:
            return self.costs.of(cost, trial, architecture)

        factor = self.value.factor(cost_of)  # known first: reports are multiplied as the value is
        trained = self._trainer.train(trial, architecture, recipe, factor=factor)
        accuracy = SCORES[self._score](trained)
        if self.value.reward is not None:
            trial.set_user_attr(ACCURACY_KEY, accuracy)
        return self.value.of(accuracy, cost_of)

    def prepare(self, study: Study) -> None:
        """Check that this objective can judge a study, and note there what it is.

        Every trial does so; call it before ``study.optimize`` to hear of a mistake sooner.

        Raises:
            ValueError: If the study has other settings, or other directions.
        """
        self._studies.settle(study, self, alone=False)  # a user's function may add values

    def prune_checkpoints(self, study: Study) -> None:
        """Remove the checkpoints of finished trials that are not among the best.

        Every trial does so as it begins; call it after ``study.optimize`` for the last ones.
        """
        if self._checkpoints is not None:
            self._checkpoints.prune(study)

    def train_along(self) -> None:
        """Train along with the first of several processes; see :func:`optimize_together`."""
        self._trainer.train_along(self.space)

    def trained_network(self, trial: FrozenTrial) -> nn.Module:
        """Return the network of a trial as it was judged last, from its checkpoint.

        Args:
            trial: Such as ``study.best_trial``.

        Raises:
            ValueError: If there are no ``checkpoints``, or the trial never had one.
            FileNotFoundError: If its checkpoint was not kept.
        """
        if self._checkpoints is None:
            raise ValueError("`checkpoints` must be given to keep networks, but is None.")
        model = self.space.architecture(trial).build(**self.build)
        load_checkpoint(model, self._checkpoints.of(trial))
        return model

    def _recipe_of(self, trial: Trial) -> Recipe:
        if self._hyperparameters is None:
            return self.recipe
        return settle_recipe(trial, self.recipe, self._hyperparameters(trial))

    def _told(self, value: float | tuple[float, ...], accuracy: float | None) -> str:
        """Write the values of a trial for its note; ``accuracy`` is that behind a reward."""
        values = value if isinstance(value, tuple) else (value,)
        named = list(zip(self._studies.metrics, values, strict=True))
        if accuracy is None:
            (_, accuracy), *named = named
        others = [f"{name} {number:.4g}" for name, number in named]
        return ", ".join([f"{self.metric} **{accuracy:.2%}**", *others])

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
        if not self._reuse or not can_report(trial) or not isinstance(trial, Trial):
            return None
        if REPEAT.read_in(seam.trial_attributes(trial), trial):
            return None
        return self._finished.find(trial.study, key)

    def _copy(self, trial: Trial, twin: FrozenTrial) -> float:
        trial.set_user_attr(COPY_KEY, twin.number)
        for name, value in take_over(twin, (*COST_ATTRIBUTES, ACCURACY)).items():
            trial.set_user_attr(name, value)
        accuracies = [twin.intermediate_values[e] for e in sorted(twin.intermediate_values)]
        for epoch, accuracy in enumerate(accuracies, start=1):
            trial.report(accuracy, epoch)
        return SCORES[self._score](accuracies)

    def _shown(
        self,
        trial: Trial,
        architecture: Architecture,
        run: Callable[[], float | tuple[float, ...]],
    ) -> float | tuple[float, ...]:
        """Run a trial with its picture attached, and write its note however it ends."""
        if self._artifact_store is None or not isinstance(trial, Trial):
            return run()
        artifact = attach_picture(trial, architecture.graph(), self._artifact_store)
        outcome = "failed"
        try:
            value = run()
            outcome = self._told(value, ACCURACY.read(trial))
            return value
        except TrialPruned as pruned:
            outcome = f"pruned: {markdown(str(pruned))}" if str(pruned) else "pruned"
            raise
        finally:
            if self._notes:
                size = f"{PARAMS.read(trial):,} parameters, {MACS.read(trial):,} multiply-adds"
                write_note(trial, artifact, architecture, f"{outcome}; {size}")
