"""Judges an architecture without training it: a proxy's score of the untrained network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas import _optuna_seam as seam
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._scorer import ProxyScorer, check_proxy
from optuna_nas.objectives.trial._costs import Costs
from optuna_nas.objectives.trial._failures import FAILURE_CONSTRAINT, prune_infeasible
from optuna_nas.objectives.trial._limits import Limits
from optuna_nas.profiling import LatencyMeter
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.training import ImageData, load_data

if TYPE_CHECKING:
    pass

__all__ = ["ProxyObjective"]


class ProxyObjective(Objective[Architecture]):
    """An Optuna objective: the score of the suggested network by a zero-cost proxy.

    A trial takes a fraction of a second, and the same architecture always has the same score.
    When not to use it: to choose the final network. The proxies are good at telling the worst
    networks from the others, not at telling the best ones apart; search with it what a
    :class:`TrainingObjective` then judges (see :func:`warm_start`).

    Args:
        space: What to suggest from.
        data: Name for :func:`optuna_nas.training.load_data`, or an ``ImageData``; a batch of its
            training images is used.
        proxy: One of :data:`optuna_nas.objectives.proxies.PROXIES`.
        build: As for :class:`TrainingObjective`.
        batch_size: Images in the batch, at least 2.
        seed: Of the networks' weights and of the choice of images.
        max_params: As for :class:`TrainingObjective`.
        max_macs: As for :class:`TrainingObjective`.
        max_latency_ms: As for :class:`TrainingObjective`.
        artifact_store: As for :class:`TrainingObjective`.
        notes: As for :class:`TrainingObjective`.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device.

    Raises:
        ValueError: If a setting is out of range, or there is no such proxy.
        TypeError: If ``build`` has arguments that the space does not take.

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
        data: str | ImageData,
        *,
        proxy: str = "naswot",
        build: Mapping[str, Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        max_params: int | None = None,
        max_macs: int | None = None,
        max_latency_ms: float | None = None,
        artifact_store: seam.ArtifactStore | None = None,
        notes: bool = True,
        device: str | torch.device = "auto",
    ) -> None:
        check_proxy(proxy)
        super().__init__(metric=f"{proxy} score", artifact_store=artifact_store, notes=notes)
        self.space = space
        self.data = load_data(data) if isinstance(data, str) else data
        self.proxy = proxy
        self.build = build_arguments(space, self.data, build)
        self._limits = Limits(
            max_params=max_params, max_macs=max_macs, max_latency_ms=max_latency_ms
        )
        scorer = ProxyScorer(
            self.data, self.build, batch_size=batch_size, seed=seed, device=device
        )
        self.costs = Costs(self.build, self.data, LatencyMeter(device=str(device)), scorer)
        self._told = {"proxy": proxy, "batch_size": scorer.batch_size, "seed": seed}

    @property
    def identity(self) -> dict[str, Any]:
        """What a study keeps of this objective (``optuna_nas:study``)."""
        data = self.data.identity
        return {**self.space.identity, "data": data, "build": self.build, **self._told}

    def _suggest(self, run: TrialRun) -> Architecture:
        architecture = self.space.suggest(run.trial)
        self._record(run, architecture)
        return architecture

    def _check_limits(self, run: TrialRun, architecture: Architecture) -> None:
        self._limits.check(run.trial, architecture, self.costs)

    def _evaluate(self, run: TrialRun, architecture: Architecture) -> float:
        self._admit(run, architecture)
        score = self.costs.score(self.proxy, run.trial, architecture)
        if not math.isfinite(score):
            run.trial.set_constraint(FAILURE_CONSTRAINT, 1.0)
            why = f"Trial {run.trial.number}: {architecture} has a {self.proxy} score of {score}."
            prune_infeasible(run.trial, why)
        return score

    def _written(self, metric: float) -> str:
        return f"{metric:.4g}"
