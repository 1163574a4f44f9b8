"""Evaluates children on weights that they share: thousands of trials for one training.

References:
    [Pham2018] Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
    arXiv:1802.03268 (``schedule="alternate"``).
    [Li2019] Li, Talwalkar. Random Search and Reproducibility for Neural Architecture Search. UAI
    2019. arXiv:1902.07638 (``schedule="pretrain"``).
    [Guo2020] Guo et al. Single Path One-Shot Neural Architecture Search with Uniform Sampling.
    ECCV 2020. arXiv:1904.00420 (``schedule="pretrain"``).

Differences from the papers:
    1. Batch norms always use the statistics of the batch, as in [Pham2018].
    2. The released supernet of [Pham2018] drops paths; here that has no place in a recipe.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from optuna.trial import TrialState

from optuna_nas._ground.checks import require_seed, shown
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.keys import DERIVED_KEY, EPOCH_KEY
from optuna_nas.objectives._base import DIGEST, Objective
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._data import data_of
from optuna_nas.objectives._options import ObjectiveOptions, check_options
from optuna_nas.objectives.identity import (
    SharedWeightsIdentity,
    StudyIdentity,
)
from optuna_nas.objectives.one_shot._settings import (
    check_at_least_one,
    published_shared_recipe,
    supernet_arguments,
)
from optuna_nas.objectives.one_shot._shared_weights import SharedWeights
from optuna_nas.objectives.one_shot._supernets import make_supernet
from optuna_nas.objectives.one_shot._weights_place import WeightsPlace
from optuna_nas.objectives.trial import Limits, TrialRun, attributed_failures
from optuna_nas.spaces import Architecture, SearchSpace, sample_architectures
from optuna_nas.training import Data, Recipe, Task, task_of, task_settings

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.training import EpochResult

__all__ = ["ScoredChild", "SharedWeightsObjective"]

SCHEDULES = ("alternate", "pretrain")


class ScoredChild(NamedTuple):
    """A child, and its metric on the shared weights.

    Attributes:
        architecture: The child.
        metric: On all validation examples.
        trial: Number of its first trial.
    """

    architecture: Architecture
    metric: float
    trial: int


class SharedWeightsObjective(Objective[Architecture]):
    """An Optuna objective: the suggested child's metric on weights that all children share.

    A trial is one child on one batch of validation examples: it takes a fraction of a second, and
    its value is noisy, drifts as the weights learn, and ranks children only roughly. Score the
    best again by :meth:`derive`, and train what comes out of that from scratch.

    - ``schedule="alternate"`` is ENAS: before each block of ``children_per_epoch`` trials the
      weights are trained for one epoch, one child per batch, as the study's sampler proposes them
      (``ReinforceSampler.enas_micro()`` or ``.enas_macro()``); other samplers than ours cannot
      propose, so children are then sampled uniformly, which a warning says.
    - ``schedule="pretrain"`` is random search with weight sharing, and single-path one-shot: the
      weights are trained on uniformly sampled children first; trials only evaluate.

    Thousands of trials: keep the study in memory or a journal file. One machine per supernet.
    When not to use it: on spaces where a child trains in seconds; then ``TrainingObjective`` ranks
    better.

    Args:
        space: One with a supernet.
        data: Name for :func:`optuna_nas.training.load_data`, or data of any kind, as for
            :class:`TrainingObjective`. The weights learn from ``train``, children are evaluated
            on ``val``.
        task: Loss, metric and direction; None: that of the data.
        schedule: ``"alternate"`` or ``"pretrain"``. Default: ``"alternate"``.
        epochs: Number of epochs for which the weights are trained in all, at least 1. Default:
            150.
        children_per_epoch: Trials after an epoch of ``"alternate"``, at least 1; 300 in ENAS's
            cell search, 1,000 in its search for whole networks. Default: 300.
        supernet: As for :class:`DARTSObjective`.
        recipe: How the weights learn. Default: as published for the space.
        build: Arguments for ``architecture.build``, of the network that limits are about. Default:
            ``space.proxy``.
        seed: Seed of weights, data order and uniformly sampled children. Default: 0.
        options: See :class:`ObjectiveOptions`. With ``checkpoints``, the weights are kept there
            after every epoch, once for a study: a search that was killed goes on from them, and
            workers of this machine share them if it is a folder. Limits end the trial of a child;
            the weights are trained on all children. A picture takes longer than a child.

    Raises:
        ValueError: If a setting is out of range.
        TypeError: If the space has no supernet, or an argument or option is given that is not
            there.

    Example::

        import optuna
        from optuna_nas.objectives import SharedWeightsObjective
        from optuna_nas.samplers import ReinforceSampler
        from optuna_nas.spaces import ENASMicroSpace

        study = optuna.create_study(direction="maximize", sampler=ReinforceSampler.enas_micro())
        objective = SharedWeightsObjective(
            ENASMicroSpace(num_blocks=2),
            "digits",
            epochs=2,
            children_per_epoch=5,
            supernet={"cells": 1, "channels": 4},
        )
        study.optimize(objective, n_trials=10)
        for child in objective.derive(study, 3):
            print(f"{child.metric:.1%} {child.architecture}")
    """

    _words = "shared-weights"

    def __init__(
        self,
        space: SearchSpace,
        data: str | Data,
        *,
        task: Task | None = None,
        schedule: str = "alternate",
        epochs: int = 150,
        children_per_epoch: int = 300,
        supernet: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        build: Mapping[str, Any] | None = None,
        seed: int = 0,
        **options: Unpack[ObjectiveOptions],
    ) -> None:
        check_options(self, options)
        check_at_least_one(epochs=epochs, children_per_epoch=children_per_epoch)
        require_seed(seed)
        if schedule not in SCHEDULES:
            raise ValueError(f"`schedule` must be one of {SCHEDULES}, but got {schedule!r}.")
        if options.get("keep_checkpoints"):
            raise ValueError(
                "`keep_checkpoints` must be 0, since all trials have the weights in common, which "
                f"are kept, but got {shown(options['keep_checkpoints'])}: leave it out."
            )
        place = options.pop("checkpoints", None)
        self.data = data_of(data)
        self.task = task_of(self.data, task)
        super().__init__(task=self.task, **options)
        self.space = space
        self.epochs = epochs
        self.supernet = supernet_arguments(space, self.data, self.task, supernet)
        self.build = build_arguments(space, self.data, self.task, build)
        self.recipe = recipe or published_shared_recipe(space, self.data)
        self._schedule = schedule
        self._children_per_epoch = children_per_epoch
        self._place = None if place is None else WeightsPlace(place)
        self._seed = seed
        self._weights: SharedWeights | None = None
        self._warned = False
        if self.limits != Limits():  # else nothing is counted, since nothing depends on it
            self.costs = self.network_costs(self.build, self.data, task=self.task)

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        alternates = self._schedule == "alternate"
        return StudyIdentity.of(
            self.space,
            self.data,
            **task_settings(self.task),
            objective=type(self).__name__,
            epochs=self.epochs,
            supernet=self.supernet,
            recipe=self.recipe.to_dict(),
            shared_weights=SharedWeightsIdentity(
                schedule=self._schedule,
                seed=self._seed,
                children_per_epoch=self._children_per_epoch if alternates else None,
            ),
        )

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        return identity.shared_weights is not None and identity.objective == cls.__name__

    @classmethod
    def kept_arguments(
        cls, identity: StudyIdentity, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the arguments that an identity tells; see :meth:`Objective.kept_arguments`."""
        assert identity.shared_weights is not None
        shared = identity.shared_weights
        kept: dict[str, Any] = {
            "schedule": shared.schedule,
            "seed": shared.seed,
            "epochs": identity.epochs,
            "supernet": identity.supernet,
            "recipe": identity.training_recipe(),
        }
        if shared.children_per_epoch is not None:
            kept["children_per_epoch"] = shared.children_per_epoch
        return kept

    @property
    def weights(self) -> SharedWeights:
        """The shared weights, made when they are first asked for."""
        if self._weights is None:
            supernet = make_supernet(self.space, self.supernet, self.data, self._seed)
            self._weights = SharedWeights(
                supernet.to(self.device),
                self.data,
                self.task,
                self.recipe,
                epochs=self.epochs,
                seed=self._seed,
                device=self.device,
                run=self.identity.to_json(),
                on_epoch=self._tell,
            )
        return self._weights

    def suggest(self, run: TrialRun) -> Architecture:
        # The sampler proposes for the next epoch of the weights before it decides this trial.
        self._train(run.study, run.trial.number)
        child = self.space.suggest(run.trial)
        run.record(child)
        return child

    def evaluate(self, run: TrialRun, child: Architecture) -> float:
        trial = run.trial
        trial.set_user_attr(EPOCH_KEY, self.weights.epochs_done)
        run.admit(child)
        with attributed_failures(trial, child, self.data.inputs, "evaluating"):
            return self.weights.metric_on_batch(child, trial.number)

    def derive(self, study: Study, top_k: int = 10) -> list[ScoredChild]:
        """Score the best children of a study again, on all validation examples.

        The study keeps what is found, and ``best_trials``, ``optuna-nas best``, ``draw`` and
        ``train`` go by it.

        Args:
            study: One whose trials this objective has evaluated.
            top_k: How many different ones, at least 1; by the values of their trials.

        Returns:
            The best first.
        """
        check_at_least_one(top_k=top_k)
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1 if self.task.direction == "maximize" else 1
        best: dict[str, Any] = {}
        for trial in sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number)):
            if len(best) < top_k:
                best.setdefault(DIGEST.read(trial) or str(trial.number), trial)
        if trials:  # another process may have trained the weights further
            self._train(study, max(trial.number for trial in trials))
        scored = [
            ScoredChild(child, self.weights.metric(child), trial.number)
            for trial in best.values()
            for child in (self.space.architecture(trial),)
        ]
        scored.sort(key=lambda child: sign * child.metric)
        kept = [(child.trial, child.metric) for child in scored]
        study.set_user_attr(DERIVED_KEY, kept)
        return scored

    def _train(self, study: Study | None, number: int) -> None:
        """Bring the weights to where they must be for a trial."""
        if self._place is not None and study is not None:
            self.weights.keep_in(self._place.of(study))
        if self._schedule == "pretrain":
            self.weights.train_until(self.epochs, self._uniform)
            return

        def children(epoch: int, steps: int) -> Sequence[Architecture]:
            return self._proposed(study, epoch, steps)

        self.weights.train_until(number // self._children_per_epoch + 1, children)

    def _tell(self, result: EpochResult) -> None:
        if self._on_epoch is not None:
            self._on_epoch("shared_weights", result)

    def _uniform(self, epoch: int, steps: int) -> Sequence[Architecture]:
        seed = derived_seed(self._seed, epoch, "children")
        return sample_architectures(self.space, steps, seed=seed)

    def _proposed(self, study: Study | None, epoch: int, steps: int) -> Sequence[Architecture]:
        """Children as the sampler would propose them."""
        propose = getattr(None if study is None else study.sampler, "propose", None)
        if study is not None and propose is not None:
            children: Sequence[Architecture] = propose(
                study, self.space.suggest, steps, seed=derived_seed(self._seed, epoch, "propose")
            )
            return children
        if not self._warned:
            self._warned = True
            warnings.warn(
                "The shared weights are trained on uniformly sampled children, since the study's "
                "sampler has no `propose`: take a sampler of optuna_nas.samplers, or "
                'schedule="pretrain".',
                stacklevel=4,
            )
        return self._uniform(epoch, steps)
