"""Begins a search with the networks of the best proxy scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.attributes import Attribute, text
from optuna_nas._ground.checks import require_int
from optuna_nas._ground.inputs import InputSpec
from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives._scorer import ProxyScorer, check_proxy
from optuna_nas.objectives.trial import Limits, is_the_architectures
from optuna_nas.profiling import profile
from optuna_nas.spaces import Architecture, SearchSpace, sample_architectures
from optuna_nas.training import Data, Task, load_data, task_of

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["ScoredArchitecture", "score_architectures", "warm_start"]


ARCHITECTURE = Attribute(ARCHITECTURE_KEY, text(1_000_000))


@dataclasses.dataclass(frozen=True)
class ScoredArchitecture:
    """An architecture and its score by a proxy.

    Attributes:
        architecture: Sampled architecture.
        score: More is better.
    """

    architecture: Architecture
    score: float


def score_architectures(
    space: SearchSpace,
    data: str | Data,
    *,
    task: Task | None = None,
    proxy: str = "naswot",
    samples: int = 1000,
    build: Mapping[str, Any] | None = None,
    batch_size: int = 64,
    seed: int = 0,
    max_params: int | None = None,
    max_macs: int | None = None,
    device: str | torch.device = "auto",
) -> list[ScoredArchitecture]:
    """Sample architectures at random and score them untrained, the best first.

    Left out are networks that compute the same as an earlier one, those over a limit, those that
    cannot take the inputs, and those without a finite score.

    Args:
        space: Space to sample from.
        data: As for :class:`ProxyObjective`.
        task: As for :class:`ProxyObjective`.
        proxy: As for :class:`ProxyObjective`.
        samples: Number of architectures to sample, at least 1.
        build: As for :class:`TrainingObjective`.
        batch_size: As for :class:`ProxyObjective`.
        seed: Seed of the sample, the networks' weights and the choice of examples.
        max_params: Upper limit on trainable parameters.
        max_macs: Upper limit on multiply-adds of one example.
        device: Device to compute on.

    Raises:
        ValueError: If ``samples`` or a limit is below 1, or there is no such proxy.
    """
    require_int("samples", samples)
    check_proxy(proxy)
    loaded = load_data(data) if isinstance(data, str) else data
    task = task_of(loaded, task)
    arguments = build_arguments(space, loaded, task, build)
    scorer = ProxyScorer(
        loaded, arguments, task=task, batch_size=batch_size, seed=seed, device=device
    )
    limits = Limits(max_params=max_params, max_macs=max_macs)
    scored = []
    for architecture in _different(sample_architectures(space, samples, seed=seed)):
        score = _score(architecture, arguments, loaded.inputs, scorer, proxy, limits)
        if score is not None and math.isfinite(score):
            scored.append(ScoredArchitecture(architecture, score))
    return sorted(scored, key=lambda found: -found.score)


def warm_start(
    study: Study,
    space: SearchSpace,
    data: str | Data,
    *,
    proxy: str = "naswot",
    samples: int = 1000,
    top: int = 20,
    **options: Any,
) -> list[ScoredArchitecture]:
    """Enqueue the best of many random architectures, as an untrained network shows them.

    What the study has already, waiting trials included, is not enqueued again, so that a script
    may be run a second time.

    Example::

        import optuna
        from optuna_nas.objectives import TrainingObjective, warm_start
        from optuna_nas.samplers import RegularizedEvolutionSampler
        from optuna_nas.spaces import NASBench201Space

        space, small = NASBench201Space(), {"cells": 1, "channels": 4}
        sampler = RegularizedEvolutionSampler(seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        warm_start(study, space, "digits", samples=50, top=5, build=small)
        study.optimize(TrainingObjective(space, "digits", epochs=2, build=small), n_trials=10)

    Args:
        study: Whose objective suggests from this space.
        space: Space to sample from.
        data: As for :class:`ProxyObjective`.
        task: As for :class:`ProxyObjective`.
        proxy: As for :class:`ProxyObjective`.
        samples: Number of architectures to sample, at least 1.
        top: Number of architectures to enqueue at most, at least 1.
        options: Further ones of :func:`score_architectures`.

    Returns:
        What was enqueued, the best first.

    Raises:
        ValueError: If a number is below 1, or there is no such proxy.
    """
    require_int("top", top)
    scored = score_architectures(space, data, proxy=proxy, samples=samples, **options)
    trials = study.get_trials(deepcopy=False)
    known = {ARCHITECTURE.read(trial) for trial in trials}
    chosen = [found for found in scored[:top] if found.architecture.to_json() not in known]
    for found in chosen:
        found.architecture.enqueue(study)
    return chosen


def _different(sampled: list[Architecture]) -> Iterator[Architecture]:
    seen: set[str] = set()
    for architecture in sampled:
        if architecture.digest not in seen:
            seen.add(architecture.digest)
            yield architecture


def _score(
    architecture: Architecture,
    arguments: Mapping[str, Any],
    inputs: InputSpec,
    scorer: ProxyScorer,
    proxy: str,
    limits: Limits,
) -> float | None:
    """Score one network, or nothing if it is over a limit or cannot take the inputs."""
    try:
        if limits != Limits():
            with torch.device("meta"):
                counted = profile(architecture.build(**arguments), inputs=inputs)
            if not limits.allow(counted.params, counted.macs):
                return None
        return scorer(architecture, proxy)
    except Exception as e:
        if is_the_architectures(e):
            return None
        raise
