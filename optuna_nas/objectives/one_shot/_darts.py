"""Evaluates a space by one differentiable search: a trial trains a supernet and derives a network.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.

Differences from the paper:
    1. The value of a trial is the validation metric of the derived network, trained from
       scratch: that of the supernet rises while what is derived from it gets worse.
    2. ``data.val`` evaluates both the supernet and the derived network; nothing learns from it.
       The halves that weights and alphas learn from are both of ``data.train``.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack, cast

from optuna.trial import Trial

from optuna_nas._ground.checks import require_seed
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.keys import ONE_SHOT_KEY, SECONDS_KEY
from optuna_nas.objectives._base import Objective
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._data import data_of
from optuna_nas.objectives._options import ObjectiveOptions, check_options
from optuna_nas.objectives.evaluation import (
    Evaluator,
    NetworkTraining,
    TrainingJob,
    carry_out,
    evaluator_identity,
    training_seed,
)
from optuna_nas.objectives.identity import (
    DARTSIdentity,
    EvaluationIdentity,
    StudyIdentity,
)
from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.objectives.one_shot._learner import BilevelLearner, MixedNetwork
from optuna_nas.objectives.one_shot._published import PublishedVariants
from optuna_nas.objectives.one_shot._readings import keep_readings
from optuna_nas.objectives.one_shot._rebuilt import kept_arguments
from optuna_nas.objectives.one_shot._search import AlphaSearch, split_for_alpha
from optuna_nas.objectives.one_shot._settings import (
    changed,
    check_at_least_one,
    published_recipe,
    supernet_arguments,
)
from optuna_nas.objectives.one_shot._supernets import make_supernet
from optuna_nas.objectives.one_shot.variants import DARTSVariant, check_variant
from optuna_nas.objectives.trial import Limits, attributed_failures
from optuna_nas.spaces import SearchSpace
from optuna_nas.training import (
    Data,
    EpochResult,
    History,
    Recipe,
    Task,
    task_of,
    task_settings,
)
from optuna_nas.training.loop import Checkpoints, load_checkpoint

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives.trial import TrialRun
    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces.base import Supernet

__all__ = ["DARTSObjective", "DARTSOptions"]

OWN_OPTIONS = ("eval_epochs", "eval_recipe", "evaluator", "recompute")
EVALUATION = "judge"  # in seeds and in names of checkpoints, from the first version on


class DARTSOptions(ObjectiveOptions, total=False):
    """Options of :class:`DARTSObjective` beside its settings; all of them may be left out.

    Args:
        recompute: Whether backward passes compute depthwise convolutions again: a fifth less
            memory at its peak, a fifth more time (``benchmarks/supernet.py``), equal results.
            Default: False.
        eval_epochs: Number of epochs for which the derived network is trained, on all training
            examples. Default: 20.
        eval_recipe: Recipe of the derived network. Default: that of the supernet.
        evaluator: Evaluator of the derived network. Default: :class:`NetworkTraining`, here.
    """

    recompute: bool
    eval_epochs: int
    eval_recipe: Recipe | None
    evaluator: Evaluator | None


class SearchPlan(NamedTuple):
    """The recipes of one trial.

    Attributes:
        recipe: Recipe of the supernet's weights, with what the trial samples for itself.
        alpha: Recipe of alpha, likewise.
    """

    recipe: Recipe
    alpha: AlphaRecipe


class DARTSObjective(Objective[SearchPlan], PublishedVariants):
    """An Optuna objective: search by DARTS, derive a network, train it, return its metric.

    A trial is one search, so a study of it tunes the search itself: learning rates, weight decay,
    the warm-up of alpha, or just the seed. Every epoch reports the validation metric of the
    supernet; it keeps the entropy of the mixing weights, the share of skip connections in the cell
    that would be derived, the weights themselves and, when asked for, the largest eigenvalue
    of alpha's Hessian as ``optuna_nas:darts:...`` (see :func:`read_alphas`).
    :class:`~optuna_nas.pruners.CollapsePruner` ends what collapses.

    The derived architecture is kept as ``optuna_nas:architecture``, so that
    ``space.architecture(trial)`` returns it, and ``study.enqueue_trial(architecture.params)``
    hands it on to any other study of the space. Limits are those of the derived network: where it
    exceeds one, the trial is pruned as infeasible.

    Published variants are constructors: :meth:`pc_darts`, :meth:`darts_es`, :meth:`darts_pt`,
    :meth:`gdas`, :meth:`fair_darts` and :meth:`drnas`.

    When not to use it: where training alone is cheap. Plain DARTS ends in skips on NAS-Bench-201.

    Args:
        space: One with a supernet: ``DARTSSpace``, ``NASBench201Space``, a function space with
            ``choice``. What it asks for is not suggested; alpha decides.
        data: Name for :func:`optuna_nas.training.load_data`, or data of any kind, as for
            :class:`TrainingObjective`.
        task: Loss, metric and direction; None: that of the data.
        variant: Difference of the search from that of DARTS. Default: ``DARTSVariant()``, not at
            all, with gradients of the first order.
        epochs: Number of epochs of the search, at least 1. Default: 50.
        supernet: Arguments for ``space.supernet`` besides classes and channels, such as
            ``{"cells": 5}``. Default: the paper's search size, and what the variant says.
        recipe: Recipe of the supernet's weights. Default: as published, with crops and flips.
        alpha: Recipe of alpha, with its share of the training examples. Default: as published with
            the variant.
        value: ``"derived"``: the derived network's metric; ``"one_shot"``: the supernet's.
            Default: ``"derived"``.
        build: Arguments for ``architecture.build``. Default: ``space.proxy``.
        hyperparameters: A function of the trial that returns fields of the recipe, and fields of
            ``AlphaRecipe`` with ``alpha_`` before them. Default: None.
        seed: That of trial n is a hash of (this, n). Default: 0.
        options: See :class:`DARTSOptions`. With ``checkpoints``, a search that was killed goes on
            to the same architecture as if nothing had happened (to the last bit on a CPU);
            ``keep_checkpoints`` says of how many best trials the supernet is kept.

    Raises:
        ValueError: If a setting is out of range, or settings do not go together.
        TypeError: If the space has no supernet, or an argument or option is given that is not
            there.

    Example::

        import optuna
        from optuna_nas.objectives import DARTSObjective
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(direction="maximize")
        objective = DARTSObjective(
            space,
            "digits",
            epochs=2,
            eval_epochs=2,
            supernet={"cells": 1, "channels": 4},
            build={"cells": 1, "channels": 4},
            hyperparameters=lambda trial: {
                "alpha_lr": trial.suggest_float("alpha_lr", 1e-4, 1e-2, log=True)
            },
        )
        study.optimize(objective, n_trials=2)
        print(space.architecture(study.best_trial))
    """

    def __init__(
        self,
        space: SearchSpace,
        data: str | Data,
        *,
        task: Task | None = None,
        variant: DARTSVariant | None = None,
        epochs: int = 50,
        supernet: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        alpha: AlphaRecipe | None = None,
        value: str = "derived",
        build: Mapping[str, Any] | None = None,
        hyperparameters: Callable[[Trial], Mapping[str, Any]] | None = None,
        seed: int = 0,
        **options: Unpack[DARTSOptions],
    ) -> None:
        check_options(self, options, DARTSOptions)
        eval_epochs = options.get("eval_epochs", 20)
        check_at_least_one(epochs=epochs, eval_epochs=eval_epochs)
        require_seed(seed)
        if value not in ("derived", "one_shot"):
            raise ValueError(f'`value` must be "derived" or "one_shot", but got {value!r}.')
        self._recompute = options.get("recompute", False)
        shared = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
        self.data = data_of(data)
        self.task = task_of(self.data, task)
        super().__init__(task=self.task, **cast("ObjectiveOptions", shared))
        self.space = space
        self.variant = DARTSVariant() if variant is None else variant
        self.epochs = epochs
        self.supernet = supernet_arguments(space, self.data, self.task, supernet, self.variant)
        self.build = build_arguments(space, self.data, self.task, build)
        self.recipe = recipe or published_recipe(space, self.data)
        self.alpha = AlphaRecipe(**self.variant.alpha) if alpha is None else alpha
        self._value = value
        self._eval_epochs = eval_epochs
        self._eval_recipe = options.get("eval_recipe")
        self._hyperparameters = hyperparameters
        self._seed = seed
        # On a CPU pools and depthwise convolutions gain by that memory format.
        default = NetworkTraining(channels_last=self.device.type == "cpu")
        self._evaluator: Evaluator = options.get("evaluator") or default
        if self.limits != Limits():  # else nothing is counted, since nothing depends on it
            self.costs = self.network_costs(self.build, self.data, task=self.task)
        split_for_alpha(self.data, self.alpha.share)
        self._plan(None)

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        is_derived = self._value == "derived"
        selection, stop = self.variant.selection, self.variant.stop
        evaluation = EvaluationIdentity(
            epochs=self._eval_epochs,
            recipe=None if self._eval_recipe is None else self._eval_recipe.to_dict(),
            evaluator=evaluator_identity(self._evaluator),
        )
        return StudyIdentity.of(
            self.space,
            self.data,
            **task_settings(self.task),
            objective=type(self).__name__,
            epochs=self.epochs,
            supernet=self.supernet,
            recipe=self.recipe.to_dict(),
            build=self.build if is_derived else None,
            darts=DARTSIdentity(
                order=self.variant.order,
                alpha=self.alpha.to_dict(),
                alpha_share=self.alpha.share,
                mixing=self.variant.mixing.to_dict(),
                selection=None if selection is None else selection.to_dict(),
                stop=None if stop is None else stop.to_dict(),
                value=self._value,
                evaluation=evaluation if is_derived else None,
            ),
        )

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        return identity.darts is not None and identity.objective == cls.__name__

    @classmethod
    def kept_arguments(
        cls, identity: StudyIdentity, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the arguments that an identity tells; see :meth:`Objective.kept_arguments`."""
        return kept_arguments(identity, options)

    @property
    def metric_of(self) -> str:  # type: ignore[override]
        """Owner of the metric, for the note of a trial."""
        return " of the supernet" if self._value == "one_shot" else " of the derived network"

    def suggest(self, run: TrialRun) -> SearchPlan:
        return self._plan(run.trial)

    def evaluate(self, run: TrialRun, plan: SearchPlan) -> float:
        trial = run.trial
        started = time.perf_counter()
        try:
            with attributed_failures(trial, self.space, self.data.inputs, "searching in"):
                architecture, metric = self._search(run, plan)
            run.record(architecture)
            run.admit(architecture)
            trial.set_user_attr(ONE_SHOT_KEY, metric)
            if self._value == "derived":
                with attributed_failures(trial, architecture, self.data.inputs, "training"):
                    metric = self._evaluate_derived(run, architecture, plan.recipe)
        finally:
            trial.set_user_attr(SECONDS_KEY, round(time.perf_counter() - started, 4))
        return metric

    def trained_supernet(self, trial: FrozenTrial) -> Supernet:
        """Return the supernet of a trial as it was evaluated last, from its checkpoint.

        Args:
            trial: Such as ``study.best_trial``.

        Raises:
            ValueError: If there are no ``checkpoints``, or the trial never had one.
            FileNotFoundError: If its checkpoint was not kept.
        """
        if self._checkpoints is None:
            raise ValueError("`checkpoints` must be given to keep supernets, but is None.")
        supernet = make_supernet(self.space, self.supernet, self.data, self._seed)
        network = MixedNetwork(supernet, self.variant.mixing)
        load_checkpoint(network, self._checkpoints.of(trial))
        return network.supernet

    def _search(self, run: TrialRun, plan: SearchPlan) -> tuple[Architecture, float]:
        """Return what is derived, and the supernet's metric after the last epoch."""
        seed = training_seed(self._seed, run.trial)
        supernet = make_supernet(self.space, self.supernet, self.data, seed).to(self.device)
        task = self.task.bound_to(self.data, plan.recipe)
        learner = BilevelLearner(
            supernet,
            task,
            plan.recipe,
            plan.alpha,
            self.variant,
            device=self.device,
            recompute=self._recompute,
        )
        search = AlphaSearch(
            learner,
            self.data,
            task,
            plan.recipe,
            plan.alpha,
            self.variant,
            epochs=self.epochs,
            seed=seed,
            device=self.device,
        )
        report = run.reporter()
        results: list[EpochResult] = []

        def on_epoch(result: EpochResult) -> None:
            results.append(result)
            keep_readings(run.trial, learner.readings, supernet)
            run.tell("search", result)
            if report is not None:
                report(result)

        params = search.run(self._place(run, plan, seed), on_epoch)
        if self.variant.selection is not None:
            params = search.select(self.variant.selection)
        return self.space.architecture(params), results[-1].val_metric

    def _place(self, run: TrialRun, plan: SearchPlan, seed: int) -> Checkpoints | None:
        """The place of a search's state, with the settings that it belongs to."""
        slot = run.slot()
        if slot is None:
            return None
        settings = {
            "seed": seed,
            "recipe": plan.recipe.to_dict(),
            "alpha": plan.alpha.to_dict(),
            "alpha_share": plan.alpha.share,
        }
        return Checkpoints(slot, self.identity.to_json() | settings)

    def _evaluate_derived(
        self, run: TrialRun, architecture: Architecture, recipe: Recipe
    ) -> float:
        """Train the derived network, which has a checkpoint of its own until it is done."""
        slot = run.slot()
        own = None if slot is None else slot.beside(EVALUATION)
        job = TrainingJob(
            network=architecture,
            epochs=self._eval_epochs,
            build=self.build,
            data=self.data,
            task=self.task,
            recipe=self._eval_recipe or recipe,
            seed=derived_seed(training_seed(self._seed, run.trial), 0, EVALUATION),
            device=self.device,
        )
        found = carry_out(self._evaluator, job, functools.partial(run.tell, "evaluation"), own)
        if own is not None:
            own.remove()
        return found.last.val_metric if isinstance(found, History) else float(found)

    def _plan(self, trial: Trial | None) -> SearchPlan:
        """Both recipes, with what a trial changes, checked."""
        ask = self._hyperparameters
        changes = {} if ask is None or trial is None else ask(trial)
        recipe, alpha = changed(self.recipe, self.alpha, changes)
        check_variant(self.variant, epochs=self.epochs, recipe=recipe, alpha=alpha)
        return SearchPlan(recipe, alpha)
