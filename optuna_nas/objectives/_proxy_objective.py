"""Evaluates an architecture without training it: a proxy's score of the untrained network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Unpack

from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._options import ObjectiveOptions
from optuna_nas.objectives._scorer import check_proxy
from optuna_nas.objectives.identity import (
    ProxyIdentity,
    StudyIdentity,
)
from optuna_nas.objectives.trial import FAILURE_CONSTRAINT, Costs, prune_infeasible
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.training import Data, Task, load_data, task_of, task_settings

__all__ = ["ProxyObjective"]


class ProxyObjective(Objective[Architecture]):
    """An Optuna objective: the score of the suggested network by a zero-cost proxy.

    A trial takes a fraction of a second, and the same architecture always has the same score.
    When not to use it: to choose the final network. The proxies are good at telling the worst
    networks from the others, not at telling the best ones apart; search with it what a
    :class:`TrainingObjective` then trains (see :func:`warm_start`).

    Args:
        space: Space to suggest from.
        data: Name for :func:`optuna_nas.training.load_data`, or data of any kind; a batch of its
            training examples is used.
        task: As for :class:`TrainingObjective`.
        proxy: One of :data:`optuna_nas.objectives.proxies.PROXIES`.
        build: As for :class:`TrainingObjective`.
        batch_size: Examples in the batch, at least 2.
        seed: Seed of the networks' weights and of the choice of examples. Default: 0.
        options: See :class:`ObjectiveOptions`.

    Raises:
        ValueError: If a setting is out of range, or there is no such proxy.
        TypeError: If ``build`` has arguments that the space does not take, or there is no such
            option.

    Example::

        import optuna
        from optuna_nas.objectives import ProxyObjective
        from optuna_nas.samplers import RandomSearchSampler
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
        study.optimize(ProxyObjective(space, "digits", proxy="synflow"), n_trials=10)
        print(space.architecture(study.best_trial))
    """

    def __init__(
        self,
        space: SearchSpace,
        data: str | Data,
        *,
        task: Task | None = None,
        proxy: str = "naswot",
        build: Mapping[str, Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        **options: Unpack[ObjectiveOptions],
    ) -> None:
        check_proxy(proxy)
        super().__init__(metric=f"{proxy} score", **options)
        self.space = space
        self.data = load_data(data) if isinstance(data, str) else data
        self.proxy = proxy
        self.task = task_of(self.data, task)
        self.build = build_arguments(space, self.data, self.task, build)
        self.costs: Costs = self.network_costs(
            self.build, self.data, task=self.task, batch_size=batch_size, seed=seed
        )
        batch_size = min(batch_size, len(self.data.train))
        self._told = ProxyIdentity(name=proxy, batch_size=batch_size, seed=seed)

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        return StudyIdentity.of(
            self.space,
            self.data,
            **task_settings(self.task),
            build=self.build,
            proxy=self._told,
        )

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        return identity.proxy is not None and not identity.more

    @classmethod
    def kept_arguments(
        cls, identity: StudyIdentity, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the arguments that an identity tells; see :meth:`Objective.kept_arguments`."""
        assert identity.proxy is not None
        proxy = identity.proxy
        kept = {"proxy": proxy.name, "batch_size": proxy.batch_size, "seed": proxy.seed}
        return {**kept, "build": identity.build}

    def suggest(self, run: TrialRun) -> Architecture:
        architecture = self.space.suggest(run.trial)
        run.record(architecture)
        return architecture

    def evaluate(self, run: TrialRun, architecture: Architecture) -> float:
        run.admit(architecture)
        score = self.costs.score(self.proxy, run.trial, architecture)
        if not math.isfinite(score):
            run.trial.set_constraint(FAILURE_CONSTRAINT, 1.0)
            why = f"Trial {run.trial.number}: {architecture} has a {self.proxy} score of {score}."
            prune_infeasible(run.trial, why)
        return score

    def format_metric(self, metric: float) -> str:
        return f"{metric:.4g}"
