"""Evaluates an architecture by training it: the multi-trial objective of a search.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578 (the
    score "max of the last five epochs").
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna.trial import Trial

from optuna_nas._ground.checks import require_int, require_seed
from optuna_nas.keys import RUN_KEY
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._data import data_of
from optuna_nas.objectives._options import ObjectiveOptions
from optuna_nas.objectives.evaluation import (
    Evaluator,
    NetworkTraining,
    TrainingJob,
    evaluator_identity,
    run_worker_loop,
    train_in_trial,
    training_seed,
)
from optuna_nas.objectives.identity import (
    StudyIdentity,
    ask_for,
    rebuilt_meter,
)
from optuna_nas.objectives.trial import Costs, ReusableRuns, Value, run_key, sampled_recipe
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.training import Data, Recipe, Task, task_of, task_settings
from optuna_nas.training.loop import load_checkpoint

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from torch import nn

__all__ = [
    "TrainingObjective",
]


def _max_last_5(metrics: list[float]) -> float:
    return max(metrics[-5:])


def _min_last_5(metrics: list[float]) -> float:
    return min(metrics[-5:])


SCORES: Mapping[str, Mapping[str, Callable[[list[float]], float]]] = {
    "maximize": {"last": operator.itemgetter(-1), "best": max, "max_last_5": _max_last_5},
    "minimize": {"last": operator.itemgetter(-1), "best": min, "max_last_5": _min_last_5},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Training of one trial.

    Attributes:
        architecture: The network.
        recipe: Settings of the training, with the hyperparameters that the trial has sampled.
        key: Hash of everything that the result depends on.
    """

    architecture: Architecture
    recipe: Recipe
    key: str


class TrainingObjective(Objective[TrainingPlan]):
    """An Optuna objective: build the suggested network, train it, return its validation metric.

    Every epoch is reported, so any pruner of Optuna can stop a trial. The network's fault (a limit
    exceeded, an input too small, NaN, out of memory) makes the trial infeasible and pruned; it is
    not lost to the sampler. Anything else is raised. The test split is never touched.

    A trial records its architecture (JSON), digest, parameters, multiply-adds and seconds as user
    attributes ``optuna_nas:...``; the study records what it is, and refuses to go on with other
    settings.

    Args:
        space: Space to suggest from.
        data: Name for :func:`optuna_nas.training.load_data`, an ``ImageData``, a ``TensorData`` or
            a ``LoaderData``.
        epochs: Epochs per trial, at least 1.
        task: Loss, metric and direction, such as ``Task.regression()``; None: that of the data.
        build: Arguments for ``architecture.build`` besides the number of classes and channels,
            which data and task decide. Default: ``space.proxy``, the paper's search size.
        recipe: Settings of the training. Default: ``data.default_recipe``.
        hyperparameters: A function of the trial that returns fields of the recipe, such as
            ``lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1.0, log=True)}``; see also
            :func:`recipe_of`.
        value: Value of a trial: ``"metric"``, the task's of the validation split; a reward such as
            ``LatencyReward(target_ms=80)``; or ``("metric", "latency_ms", ...)``, several
            objectives, of which costs are ``"latency_ms"``, ``"macs"`` and ``"params"``. With
            several nothing is pruned but by limits, and results are not reused.
        score: Epoch that counts: ``"last"``, ``"best"`` or ``"max_last_5"``, the best of the last
            five.
        seed: Weights and data order of trial n depend on (seed, n).
        reuse: Whether the result of a complete trial of the study that was the same run is
            reused. Trials that the sampler wants evaluated again are never copies. Default: True.
        evaluator: Carries out the training of a trial, here or elsewhere; see
            :class:`Evaluator`. Default: ``NetworkTraining()``, in this process.
        options: See :class:`ObjectiveOptions`.

    Raises:
        ValueError: If a setting is out of range.
        TypeError: If ``build`` has arguments that the space does not take, or there is no such
            option.

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

    _alone = False  # a user's function may add values of its own

    def __init__(
        self,
        space: SearchSpace,
        data: str | Data,
        *,
        epochs: int,
        task: Task | None = None,
        build: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        hyperparameters: Callable[[Trial], Mapping[str, Any]] | None = None,
        value: Value = "metric",
        score: str = "last",
        seed: int = 0,
        reuse: bool = True,
        evaluator: Evaluator | None = None,
        **options: Unpack[ObjectiveOptions],
    ) -> None:
        require_int("epochs", epochs, at_least=1)
        require_seed(seed)
        self.data = data_of(data)
        self.task = task_of(self.data, task)
        scores = SCORES[str(self.task.direction)]
        if score not in scores:
            raise ValueError(f"`score` must be one of {list(scores)}, but got {score!r}.")
        super().__init__(value=value, task=self.task, **options)
        self.space = space
        self.epochs = epochs
        self.build = build_arguments(space, self.data, self.task, build)
        self.recipe = recipe or self.data.default_recipe
        self._hyperparameters = hyperparameters
        self._score = score
        self.seed = seed
        self.evaluator: Evaluator = NetworkTraining() if evaluator is None else evaluator
        self.costs: Costs = self.network_costs(self.build, self.data, task=self.task)
        low, high = self.task.metric_range
        within = (low, high) if self.value.reward is None else (low, math.inf)
        self._scored = scores[score]
        self._reusable = ReusableRuns(epochs, self._scored, within=within) if reuse else None

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        return StudyIdentity.of(
            self.space,
            self.data,
            self.value.identity(self.costs.meter_identity),
            **task_settings(self.task),
            epochs=self.epochs,
            build=self.build,
            score=self._score,
            recipe=self.recipe.to_dict(),
            evaluator=evaluator_identity(self.evaluator),
        )

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        is_plain = identity.proxy is None and identity.objective is None and not identity.more
        return is_plain and identity.space is not None and identity.epochs is not None

    @classmethod
    def kept_arguments(
        cls, identity: StudyIdentity, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the arguments that an identity tells; see :meth:`Objective.kept_arguments`."""
        kept: dict[str, Any] = {}
        if "value" not in options:
            kept["value"] = identity.value()
        if "recipe" not in options:
            kept["recipe"] = identity.training_recipe()
        for name in ("epochs", "build", "score"):
            if getattr(identity, name) is not None:
                kept[name] = getattr(identity, name)
        if identity.evaluator is not None and "evaluator" not in options:
            ask_for("evaluator", identity.evaluator)
        return kept | rebuilt_meter(identity.measured_by, options)

    @property
    def samples_hyperparameters(self) -> bool:
        """Whether each trial samples hyperparameters beside its architecture."""
        return self._hyperparameters is not None

    def suggest(self, run: TrialRun) -> TrainingPlan:
        architecture = self.space.suggest(run.trial)
        recipe = self.recipe
        if self._hyperparameters is not None:
            recipe = sampled_recipe(run.trial, recipe, self._hyperparameters(run.trial))
        run.record(architecture)
        key = run_key(
            digest=architecture.digest,
            build=self.build,
            data=self.data.identity,
            epochs=self.epochs,
            recipe=recipe.to_dict(),
            score=self._score,
            **task_settings(self.task),
            **self._told_of_evaluator(),
        )
        return TrainingPlan(architecture=architecture, recipe=recipe, key=key)

    def reused(self, run: TrialRun, plan: TrainingPlan) -> float | None:
        return None if self._reusable is None else self._reusable.repeat(run, plan.key)

    def evaluate(self, run: TrialRun, plan: TrainingPlan) -> float:
        run.trial.set_user_attr(RUN_KEY, plan.key)
        run.admit(plan.architecture)
        job = self._job(plan.architecture, plan.recipe, training_seed(self.seed, run.trial))
        return train_in_trial(
            run,
            self.evaluator,
            job,
            inputs=self.data.inputs,
            score=self._scored,
        )

    def distributed_worker(self) -> None:
        """Train what the first of several processes trains; see :func:`distributed_optimize`."""
        run_worker_loop(
            self.evaluator,
            lambda announced: self._job(
                self.space.architecture(announced.params), announced.recipe, announced.seed
            ),
        )

    def trained_network(self, trial: FrozenTrial) -> nn.Module:
        """Return the network of a trial as it was evaluated last, from its checkpoint.

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

    def _job(self, architecture: Architecture, recipe: Recipe, seed: int) -> TrainingJob:
        return TrainingJob(
            network=architecture,
            epochs=self.epochs,
            build=self.build,
            data=self.data,
            task=self.task,
            recipe=recipe,
            seed=seed,
            device=self.device,
        )

    def _told_of_evaluator(self) -> dict[str, Any]:
        """Settings of an evaluator whose results differ from those of training here."""
        identity = evaluator_identity(self.evaluator)
        return {} if identity is None else {"evaluator": identity}
