"""Judges a space by one differentiable search: a trial trains a supernet and derives a network.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.

Differences from the paper:
    1. The value of a trial is the validation accuracy of the derived network, trained from
       scratch: that of the supernet rises while what is derived from it gets worse.
    2. ``data.val`` judges both the supernet and the derived network; nothing learns from it. The
       halves that weights and alphas learn from are both of ``data.train``.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from optuna.trial import Trial

from optuna_nas import _optuna_seam as seam
from optuna_nas._checks import require_seed, require_share
from optuna_nas._keyed import derived_seed
from optuna_nas.keys import ONE_SHOT_KEY, SECONDS_KEY
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._data import images_of
from optuna_nas.objectives.evaluation import training_seed
from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.objectives.one_shot._judge import Judge
from optuna_nas.objectives.one_shot._learner import BilevelLearner, MixedNetwork
from optuna_nas.objectives.one_shot._mixing import Mixing, Softmax
from optuna_nas.objectives.one_shot._readings import keep_readings
from optuna_nas.objectives.one_shot._search import AlphaSearch, split_for_alpha
from optuna_nas.objectives.one_shot._settings import (
    changed,
    check_at_least_one,
    published_recipe,
    supernet_arguments,
)
from optuna_nas.objectives.one_shot._supernets import make_supernet
from optuna_nas.objectives.one_shot._variants import check_together
from optuna_nas.objectives.trial._failures import attributed_failures
from optuna_nas.spaces import SearchSpace
from optuna_nas.training import (
    EpochResult,
    ImageData,
    OptunaPruningCallback,
    Recipe,
    resolve_device,
)
from optuna_nas.training.loop import Checkpoints, load_checkpoint

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives.one_shot._eigenvalue import EigenvalueStop
    from optuna_nas.objectives.one_shot._perturbation import Perturbation
    from optuna_nas.objectives.trial._checkpoints import TrialSlot
    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces.base._supernet import Supernet

__all__ = ["DARTSObjective"]


class DARTSObjective(Objective[tuple[Recipe, AlphaRecipe]]):
    """An Optuna objective: search by DARTS, derive a network, train it, return its accuracy.

    A trial is one search, so a study of it tunes the search itself: learning rates, weight decay,
    the warm-up of alpha, or just the seed. Every epoch reports the validation accuracy of the
    supernet; it keeps the entropy of the mixing weights, the share of skip connections in the cell
    that would be derived, the weights themselves and, when asked for, the largest eigenvalue
    of alpha's Hessian as ``optuna_nas:darts:...`` (see :func:`read_alphas`).
    :class:`~optuna_nas.pruners.CollapsePruner` ends what collapses.

    The derived architecture is kept as ``optuna_nas:architecture``, so that
    ``space.architecture(trial)`` returns it, and ``study.enqueue_trial(architecture.params)``
    hands it on to any other study of the space.

    When not to use it: where training alone is cheap. Plain DARTS ends in skips on NAS-Bench-201.

    Args:
        space: One with a supernet: ``DARTSSpace``, ``NASBench201Space``, a function space with
            ``choice``. What it asks for is not suggested; alpha decides.
        data: Name for :func:`optuna_nas.training.load_data`, or an ``ImageData``.
        order: 1: alpha's gradient takes the weights as they are; 2: as they will be after their
            next step, at about three times the cost.
        epochs: Of the search, at least 1.
        supernet: Arguments for ``space.supernet`` besides classes and channels, such as
            ``{"cells": 5}``. Default: the paper's search size.
        recipe: How the weights of the supernet learn. Default: as published, with crops and flips.
        alpha: How alpha learns.
        mixing: From alpha to mixing weights: ``Softmax()`` (DARTS), ``HardGumbel()`` (GDAS),
            ``Sigmoid()`` (FairDARTS) or ``Dirichlet()`` (DrNAS).
        alpha_share: Share of the training images that alpha learns from, the last ones.
        value: ``"derived"``: the derived network's accuracy; ``"one_shot"``: the supernet's.
        judge_epochs: Epochs for which the derived network is trained, on all training images.
        judge_recipe: How it is trained; default as the supernet.
        build: Arguments for ``architecture.build``. Default: ``space.proxy``.
        selection: How the architecture is derived: None: by alpha; ``Perturbation()`` (DARTS-PT):
            by what the supernet loses without a candidate; not with GDAS or ``stop``.
        stop: Ends the search when the eigenvalue rises, and derives from an earlier epoch.
        watch_eigenvalue: Whether the eigenvalue is computed after each epoch; ``stop`` does so,
            too. Neither goes together with GDAS, whose alpha has no Hessian.
        hyperparameters: A function of the trial that returns fields of the recipe, and fields of
            ``AlphaRecipe`` with ``alpha_`` before them.
        recompute: Whether backward passes compute depthwise convolutions again: a fifth less
            memory at its peak, a fifth more time (``benchmarks/supernet.py``), equal results.
        seed: Of trial n is a hash of (this, n).
        artifact_store: Where the picture of the derived cell goes; None: no pictures and notes.
        notes: As for ``TrainingObjective``.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device.
        checkpoints: A folder, or an artifact store of Optuna, where each trial keeps its state
            after every epoch; a search that was killed goes on from there, to the same
            architecture as if nothing had happened (to the last bit on a CPU).
        keep_checkpoints: Of how many best trials the supernet is kept.
        on_epoch: Called with ``"search"`` after every epoch of a supernet, and with ``"judge"``
            after every epoch of a derived network.

    Raises:
        ValueError: If a setting is out of range, or settings do not go together.
        TypeError: If the space has no supernet, or an argument that it does not take is given.

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
            judge_epochs=2,
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
        data: str | ImageData,
        *,
        order: int = 1,
        epochs: int = 50,
        supernet: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        alpha: AlphaRecipe | None = None,
        mixing: Mixing | None = None,
        alpha_share: float = 0.5,
        value: str = "derived",
        judge_epochs: int = 20,
        judge_recipe: Recipe | None = None,
        build: Mapping[str, Any] | None = None,
        selection: Perturbation | None = None,
        stop: EigenvalueStop | None = None,
        watch_eigenvalue: bool = False,
        hyperparameters: Callable[[Trial], Mapping[str, Any]] | None = None,
        recompute: bool = False,
        seed: int = 0,
        artifact_store: seam.ArtifactStore | None = None,
        notes: bool = True,
        device: str | torch.device = "auto",
        checkpoints: seam.ArtifactStore | str | Path | None = None,
        keep_checkpoints: int = 0,
        on_epoch: Callable[[str, EpochResult], None] | None = None,
    ) -> None:
        check_at_least_one(epochs=epochs, judge_epochs=judge_epochs)
        require_share("alpha_share", alpha_share)
        require_seed(seed)
        if value not in ("derived", "one_shot"):
            raise ValueError(f'`value` must be "derived" or "one_shot", but got {value!r}.')
        super().__init__(
            artifact_store=artifact_store,
            notes=notes,
            checkpoints=checkpoints,
            keep_checkpoints=keep_checkpoints,
            device=device,
            on_epoch=on_epoch,
        )
        self.space = space
        self.data = images_of(data)
        self.epochs = epochs
        self.supernet = supernet_arguments(space, self.data, supernet)
        self.build = build_arguments(space, self.data, build)
        self.recipe = recipe or published_recipe(space)
        self.alpha = alpha or AlphaRecipe()
        self._order = order
        self._mixing = mixing or Softmax()
        self._alpha_share = alpha_share
        self._value = value
        self._judge_recipe = judge_recipe
        self._selection = selection
        self._stop = stop
        self._watches = watch_eigenvalue
        self._hyperparameters = hyperparameters
        self._recompute = recompute
        self._seed = seed
        self._device = resolve_device(device)
        self._judge = Judge(
            data=self.data, epochs=judge_epochs, build=self.build, device=self._device
        )
        split_for_alpha(self.data, alpha_share)
        self._settings_of(None)

    @property
    def identity(self) -> dict[str, Any]:
        """What a study keeps of this objective (``optuna_nas:study``)."""
        identity = {
            **self.space.identity,
            "objective": type(self).__name__,
            "data": self.data.identity,
            "epochs": self.epochs,
            "order": self._order,
            "supernet": self.supernet,
            "recipe": self.recipe.to_dict(),
            "alpha": self.alpha.to_dict(),
            "alpha_share": self._alpha_share,
            "mixing": self._mixing.to_dict(),
            "selection": None if self._selection is None else self._selection.to_dict(),
            "stop": None if self._stop is None else self._stop.to_dict(),
            "value": self._value,
        }
        if self._value == "one_shot":
            return identity
        recipe = None if self._judge_recipe is None else self._judge_recipe.to_dict()
        judge = {"epochs": self._judge.epochs, "recipe": recipe}
        return {**identity, "build": self.build, "judge": judge}

    @property
    def metric_of(self) -> str:  # type: ignore[override]
        """Whose accuracy it is, for the note of a trial."""
        return " of the supernet" if self._value == "one_shot" else " of the derived network"

    def suggest(self, run: TrialRun) -> tuple[Recipe, AlphaRecipe]:
        return self._settings_of(run.trial)

    def evaluate(self, run: TrialRun, plan: tuple[Recipe, AlphaRecipe]) -> float:
        trial, (recipe, alpha) = run.trial, plan
        slot = None if self._checkpoints is None else self._checkpoints.slot(trial)
        started = time.perf_counter()
        try:
            with attributed_failures(trial, self.space, self.data.input_size, "searching in"):
                architecture, accuracy = self._search(run, recipe, alpha, slot)
            run.record(architecture)
            run.admit(architecture)
            trial.set_user_attr(ONE_SHOT_KEY, accuracy)
            if self._value == "derived":
                with attributed_failures(trial, architecture, self.data.input_size, "training"):
                    accuracy = self._evaluated_alone(run, architecture, recipe, slot)
        finally:
            trial.set_user_attr(SECONDS_KEY, round(time.perf_counter() - started, 4))
        return accuracy

    def trained_supernet(self, trial: FrozenTrial) -> Supernet:
        """Return the supernet of a trial as it was judged last, from its checkpoint.

        Args:
            trial: Such as ``study.best_trial``.

        Raises:
            ValueError: If there are no ``checkpoints``, or the trial never had one.
            FileNotFoundError: If its checkpoint was not kept.
        """
        if self._checkpoints is None:
            raise ValueError("`checkpoints` must be given to keep supernets, but is None.")
        supernet = make_supernet(self.space, self.supernet, self.data, self._seed)
        network = MixedNetwork(supernet, self._mixing)
        load_checkpoint(network, self._checkpoints.of(trial))
        return network.supernet

    def _search(
        self, run: TrialRun, recipe: Recipe, alpha: AlphaRecipe, slot: TrialSlot | None
    ) -> tuple[Architecture, float]:
        """Return what is derived, and the supernet's accuracy after the last epoch."""
        seed = training_seed(self._seed, run.trial)
        supernet = make_supernet(self.space, self.supernet, self.data, seed).to(self._device)
        learner = BilevelLearner(
            supernet,
            self.data,
            recipe,
            alpha,
            self._mixing,
            order=self._order,
            device=self._device,
            recompute=self._recompute,
        )
        search = AlphaSearch(
            learner,
            self.data,
            recipe,
            epochs=self.epochs,
            warmup=alpha.warmup_epochs,
            alpha_share=self._alpha_share,
            seed=seed,
            device=self._device,
            stop=self._stop,
            watch_eigenvalue=self._watches,
        )
        report = OptunaPruningCallback(run.trial) if run.takes_reports else None
        results: list[EpochResult] = []

        def on_epoch(result: EpochResult) -> None:
            results.append(result)
            keep_readings(run.trial, learner.readings, supernet.choices)
            run.tell("search", result)
            if report is not None:
                report(result)

        settings = {"seed": seed, "recipe": recipe.to_dict(), "alpha": alpha.to_dict()}
        checkpoints = None if slot is None else Checkpoints(slot, {**self.identity, **settings})
        params = search.run(checkpoints, on_epoch)
        if self._selection is not None:
            params = search.select(self._selection)
        return self.space.architecture(params), results[-1].val_accuracy

    def _evaluated_alone(
        self, run: TrialRun, architecture: Architecture, recipe: Recipe, slot: TrialSlot | None
    ) -> float:
        """Train the derived network, which has a checkpoint of its own until it is done."""
        own = None if slot is None else slot.beside("judge")
        seed = derived_seed(training_seed(self._seed, run.trial), 0, "judge")
        accuracy = self._judge.accuracy(
            architecture,
            self._judge_recipe or recipe,
            seed,
            slot=own,
            on_epoch=functools.partial(run.tell, "judge"),
        )
        if own is not None:
            own.remove()
        return accuracy

    def _settings_of(self, trial: Trial | None) -> tuple[Recipe, AlphaRecipe]:
        """Both recipes, with what a trial changes, checked."""
        ask = self._hyperparameters
        changes = {} if ask is None or trial is None else ask(trial)
        recipe, alpha = changed(self.recipe, self.alpha, changes)
        check_together(
            order=self._order,
            epochs=self.epochs,
            recipe=recipe,
            alpha=alpha,
            mixing=self._mixing,
            selection=self._selection,
            stop=self._stop,
            watch_eigenvalue=self._watches,
        )
        return recipe, alpha
