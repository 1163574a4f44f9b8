"""What a network costs, known before it is trained: sizes are counted, latency is measured.

A figure is taken once per network: sizes by digest in this process, latencies also from the
study's other trials, where they stand in an attribute of the trial that was measured.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from optuna.trial import Trial

from optuna_nas import _optuna_seam as seam
from optuna_nas._trials import TrialReader
from optuna_nas.objectives._failures import blamed
from optuna_nas.objectives._runs import run_key
from optuna_nas.profiling import Latency, Profile, profile
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import BaseTrial
    from torch import nn

    from optuna_nas.objectives._scorer import ProxyScorer
    from optuna_nas.spaces import Architecture
    from optuna_nas.training import ImageData

__all__ = [
    "COSTS",
    "COST_KEYS",
    "LATENCY_KEY",
    "MACS_KEY",
    "MEASURED_KEY",
    "PARAMS_KEY",
    "PROXY_KEY",
    "Costs",
    "Meter",
    "meter_identity",
]

Meter: TypeAlias = "Callable[[nn.Module, tuple[int, ...]], Latency | float]"
"""Measures a network on images of a size: :class:`LatencyMeter`, or a function of yours that
returns milliseconds, such as one that asks a telephone."""

PARAMS_KEY = "optuna_nas:params"
"""User attribute of a trial: trainable parameters of the network as built for it."""

MACS_KEY = "optuna_nas:macs"
"""User attribute of a trial: multiply-adds of that network for one image."""

LATENCY_KEY = "optuna_nas:latency_ms"
"""User attribute of a trial: measured milliseconds of that network for a batch."""

MEASURED_KEY = "optuna_nas:latency"
"""User attribute of a trial: the same with what it depends on (a hash) and how it was measured."""

PROXY_KEY = "optuna_nas:proxy:{}"
"""User attribute of a trial: score of the untrained network by a proxy."""

COSTS = ("latency_ms", "macs", "params")
COST_KEYS = (PARAMS_KEY, MACS_KEY, LATENCY_KEY, MEASURED_KEY)


class Costs:
    """The costs of the networks of one objective.

    Args:
        build: Arguments for ``architecture.build``.
        data: What networks are built for.
        meter: How latency is measured.
        scorer: How proxies are computed.
    """

    def __init__(
        self,
        build: Mapping[str, Any],
        data: ImageData,
        meter: Meter,
        scorer: ProxyScorer,
    ) -> None:
        self._build = build
        self._data = data
        self._meter = meter
        self._scorer = scorer
        self._counted: dict[str, Profile] = {}
        self._measured: dict[str, dict[str, Any]] = {}
        self._scored: dict[tuple[str, str], float] = {}
        self._studies: dict[tuple[BaseStorage, int], _Measured] = {}

    @property
    def meter_identity(self) -> Any:
        """How latency is measured, ready for JSON."""
        return meter_identity(self._meter)

    def of(self, cost: str, trial: BaseTrial, architecture: Architecture) -> float:
        """One of ``COSTS``."""
        if cost == "latency_ms":
            return self.latency_ms(trial, architecture)
        counted = self.counted(trial, architecture)
        return float(counted.macs if cost == "macs" else counted.params)

    def counted(self, trial: BaseTrial, architecture: Architecture) -> Profile:
        """Parameters and multiply-adds, counted without allocating the network."""
        counted = self._counted.get(architecture.digest)
        if counted is None:
            with blamed(trial, architecture, self._data.input_size, "building"):
                with torch.device("meta"):
                    model = architecture.build(**self._build)
                counted = profile(model, self._data.input_size)
            self._counted[architecture.digest] = counted
        trial.set_user_attr(PARAMS_KEY, counted.params)
        trial.set_user_attr(MACS_KEY, counted.macs)
        return counted

    def latency_ms(self, trial: BaseTrial, architecture: Architecture) -> float:
        """Milliseconds for a batch, measured here, earlier, or by another trial of the study."""
        key = run_key(
            digest=architecture.digest,
            build=self._build,
            input_size=self._data.input_size,
            meter=self.meter_identity,
            machine=getattr(self._meter, "machine", None),
        )
        measured = self._measured.get(key)
        if measured is None and isinstance(trial, Trial):
            known = self._studies.setdefault(seam.study_key(trial.study), _Measured())
            measured = known.find(trial.study, key)
        if measured is None:
            measured = {"key": key, **self._measure(trial, architecture)}
        self._measured[key] = measured
        trial.set_user_attr(LATENCY_KEY, measured["median_ms"])
        trial.set_user_attr(MEASURED_KEY, measured)
        return float(measured["median_ms"])

    def score(self, proxy: str, trial: BaseTrial, architecture: Architecture) -> float:
        """What a proxy says of the network, untrained."""
        key = (proxy, architecture.digest)
        if key not in self._scored:
            with blamed(trial, architecture, self._data.input_size, f"scoring ({proxy})"):
                self._scored[key] = self._scorer(architecture, proxy)
        if math.isfinite(self._scored[key]):  # JSON of others knows no infinity
            trial.set_user_attr(PROXY_KEY.format(proxy), self._scored[key])
        return self._scored[key]

    def _measure(self, trial: BaseTrial, architecture: Architecture) -> dict[str, Any]:
        with blamed(trial, architecture, self._data.input_size, "measuring"):
            with seeded(0):
                model = architecture.build(**self._build)
            found = self._meter(model, self._data.input_size)
        if not isinstance(found, Latency):
            return {"median_ms": float(found)}
        machine = getattr(self._meter, "machine", None)
        return {
            "median_ms": found.median_ms,
            "iqr_ms": found.iqr_ms,
            "runs": found.runs,
            "batch_size": found.batch_size,
            "device": found.device,
            "threads": found.threads,
            "folded": f"{found.folded} of {found.norms}",
            "machine": machine,
        }


class _Measured:
    """The latencies that the trials of one study have measured, read once each."""

    def __init__(self) -> None:
        self._reader = TrialReader()
        self._by_key: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def find(self, study: Study, key: str) -> dict[str, Any] | None:
        with self._lock:
            for trial in self._reader.news(study):
                measured = trial.user_attrs.get(MEASURED_KEY)
                if measured is not None:
                    self._by_key.setdefault(measured["key"], measured)
            return self._by_key.get(key)


def meter_identity(meter: Meter) -> Any:
    """Settings of our meter, or the name of a user's function."""
    identity = getattr(meter, "identity", None)
    if identity is not None:
        return identity
    named = meter if hasattr(meter, "__qualname__") else type(meter)
    return f"{named.__module__}.{named.__qualname__}"
