"""Estimates the cost of a search before anything is spent on it.

Networks are sampled at random from the space and counted on torch's meta device; the time of an
epoch is measured on a few batches of the one with the median multiply-adds.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch

from optuna_nas._ground.checks import require_int, require_seed
from optuna_nas._ground.inputs import InputSpec
from optuna_nas.objectives._build import build_arguments
from optuna_nas.objectives.trial import Limits
from optuna_nas.profiling import activation_memory, profile
from optuna_nas.spaces import Architecture, FunctionSpace, SearchSpace, sample_architectures
from optuna_nas.training import Data, Recipe, Task, evaluate, fit, seeded, task_of

__all__ = ["Estimate", "NetworkSize", "estimate"]

_MEASURED_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class NetworkSize:
    """Size of one sampled network.

    Attributes:
        params: Trainable parameters.
        macs: Multiply-adds per example.
        activations: Bytes kept for the backward pass, per example.
    """

    params: int
    macs: int
    activations: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """Result of :func:`estimate`. Printing it gives a table.

    Attributes:
        num_architectures: Size of the space; an estimate with its error for large functions.
        sizes: Sizes of the sampled networks that can take the inputs.
        unfit: Share of sampled networks that cannot take the inputs.
        within_limits: Share of sampled networks within ``max_params`` and ``max_macs``.
        seconds_per_epoch: Training and validation of the median network on this machine.
        examples: Examples per epoch.
        batch_size: Examples per step.
    """

    num_architectures: str
    sizes: tuple[NetworkSize, ...]
    unfit: float
    within_limits: float
    seconds_per_epoch: float
    examples: int
    batch_size: int

    def __str__(self) -> str:
        rows: list[tuple[str, str, list[float]]] = [
            ("parameters", "{:,.0f}", [size.params for size in self.sizes]),
            ("multiply-adds", "{:,.0f}", [size.macs for size in self.sizes]),
            (
                "activations, MB a batch",
                "{:,.1f}",
                [size.activations * self.batch_size / 1e6 for size in self.sizes],
            ),
        ]
        lines = [
            f"architectures            {self.num_architectures}",
            f"{f'of {len(self.sizes)} drawn':<25}{'smallest':>14}{'median':>14}{'largest':>14}",
        ]
        for name, form, values in rows:
            cells = (min(values), statistics.median(values), max(values))
            lines.append(f"{name:<25}" + "".join(f"{form.format(cell):>14}" for cell in cells))
        if self.unfit:
            lines.append(f"cannot take the inputs   {self.unfit:.0%}")
        lines.append(f"within the limits        {self.within_limits:.0%}")
        lines.append(
            f"time of an epoch         {self.seconds_per_epoch:.3g} s (median network, "
            f"{self.examples:,} examples)"
        )
        return "\n".join(lines)


def estimate(
    space: SearchSpace,
    data: Data,
    *,
    task: Task | None = None,
    build: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    samples: int = 30,
    seed: int = 0,
    max_params: int | None = None,
    max_macs: int | None = None,
    device: str | torch.device = "auto",
) -> Estimate:
    """Say how large a space's networks are and how long an epoch takes here.

    Args:
        space: Space that would be searched.
        data: Data that would be trained on.
        task: As for ``TrainingObjective``.
        build: As for ``TrainingObjective``.
        recipe: As for ``TrainingObjective``.
        samples: Number of networks to sample, at least 1.
        seed: Seed of the sample.
        max_params: As for ``TrainingObjective``.
        max_macs: As for ``TrainingObjective``.
        device: Device on which an epoch is measured.

    Raises:
        ValueError: If ``samples`` or a limit is below 1, or no sampled network can take the
            inputs.

    Example::

        from optuna_nas.objectives import estimate
        from optuna_nas.spaces import NASBench201Space
        from optuna_nas.training import load_data

        print(estimate(NASBench201Space(), load_data("digits"), max_params=500_000))
    """
    require_int("samples", samples)
    require_seed(seed)
    limits = Limits(max_params=max_params, max_macs=max_macs)
    task = task_of(data, task)
    arguments = build_arguments(space, data, task, build)
    sampled = sample_architectures(space, samples, seed=seed)
    sized = [
        (size, architecture)
        for architecture in sampled
        if (size := _size(architecture, arguments, data.inputs)) is not None
    ]
    if not sized:
        raise ValueError(
            f"None of {samples} networks sampled from {space} can take inputs of "
            f"{data.inputs}: load the data with larger ones, such as by image_size."
        )
    recipe = recipe or data.default_recipe
    median = sorted(sized, key=lambda pair: pair[0].macs)[len(sized) // 2][1]
    return Estimate(
        num_architectures=_space_size(space),
        sizes=tuple(size for size, _ in sized),
        unfit=1 - len(sized) / samples,
        within_limits=sum(limits.allow(s.params, s.macs) for s, _ in sized) / samples,
        seconds_per_epoch=_seconds_per_epoch(median, arguments, data, task, recipe, device),
        examples=len(data.train),
        batch_size=min(recipe.batch_size, len(data.train)),
    )


def _space_size(space: SearchSpace) -> str:
    try:
        size = space.num_architectures
    except ValueError:
        if not isinstance(space, FunctionSpace):
            raise
        try:
            return str(space.estimate_size())
        except ValueError:  # a float among the decisions
            return "without end"
    return f"{size:,}" if size < 10**12 else f"{size:.3e}"


def _size(
    architecture: Architecture, arguments: Mapping[str, Any], inputs: InputSpec
) -> NetworkSize | None:
    """Count a network, or None if it cannot take the inputs."""
    try:
        with torch.device("meta"):
            model = architecture.build(**arguments)
        counted = profile(model, inputs=inputs)
        memory = activation_memory(model, inputs=inputs)
    except ValueError:
        return None
    return NetworkSize(counted.params, counted.macs, memory)


def _seconds_per_epoch(
    architecture: Architecture,
    arguments: Mapping[str, Any],
    data: Data,
    task: Task,
    recipe: Recipe,
    device: str | torch.device,
) -> float:
    """Measure a few batches, after a warm-up, and scale to all of the data."""
    examples = min(_MEASURED_BATCHES * recipe.batch_size, len(data.train))
    validated = min(examples, len(data.val))
    part = data.holding(
        train=data.train.take(torch.arange(examples)),
        val=data.val.take(torch.arange(validated)),
    )
    with seeded(0):
        model = architecture.build(**arguments)
    warm = fit(model, part, epochs=3, task=task, recipe=recipe, device=device).epochs[1:]
    started = time.perf_counter()
    evaluate(model, part.val, part, task=task, device=device)
    validation = time.perf_counter() - started
    training = max(min(epoch.seconds for epoch in warm) - validation, 0.0)
    return training * len(data.train) / examples + validation * len(data.val) / validated
