"""What a network costs, known before it is trained: sizes are counted, latency is measured.

A figure is taken once per network: sizes by digest in this process, latencies also from the
study's other trials, where they stand in an attribute of the trial that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, fields, integer, number, scalar, text
from optuna_nas._names import identity_of
from optuna_nas.keys import LATENCY_KEY, MACS_KEY, MEASURED_KEY, PARAMS_KEY, PROXY_KEY
from optuna_nas.objectives.trial._failures import blamed
from optuna_nas.objectives.trial._runs import TrialsByKey, run_key
from optuna_nas.profiling import Latency, Profile, profile
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from optuna.trial import BaseTrial, FrozenTrial
    from torch import nn

    from optuna_nas.objectives._scorer import ProxyScorer
    from optuna_nas.spaces import Architecture
    from optuna_nas.training import ImageData

__all__ = [
    "COSTS",
    "COST_ATTRIBUTES",
    "LATENCY",
    "MACS",
    "PARAMS",
    "Costs",
    "Meter",
]

Meter: TypeAlias = "Callable[[nn.Module, tuple[int, ...]], Latency | float]"
"""Measures a network on images of a size: :class:`LatencyMeter`, or a function of yours that
returns milliseconds, such as one that asks a telephone."""

COSTS = ("latency_ms", "macs", "params")

PARAMS = Attribute(PARAMS_KEY, integer())
MACS = Attribute(MACS_KEY, integer())
LATENCY = Attribute(LATENCY_KEY, number(at_least=0.0))
MEASURED = Attribute(
    MEASURED_KEY,
    fields({"key": text(200), "median_ms": number(at_least=0.0)}, others=scalar),
)
COST_ATTRIBUTES: tuple[Attribute[Any], ...] = (PARAMS, MACS, LATENCY, MEASURED)


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
        self._measured_before = TrialsByKey(_measured_key)

    @property
    def meter_identity(self) -> Any:
        """Settings of our meter, or the name of a user's function; ready for JSON."""
        return identity_of(self._meter)

    @property
    def _machine(self) -> str | None:
        """Where our meter's figures can be compared."""
        return getattr(self._meter, "machine", None)

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
        _note(trial, {PARAMS_KEY: counted.params, MACS_KEY: counted.macs})
        return counted

    def latency_ms(self, trial: BaseTrial, architecture: Architecture) -> float:
        """Milliseconds for a batch, measured here, earlier, or by another trial of the study."""
        key = run_key(
            digest=architecture.digest,
            build=self._build,
            input_size=self._data.input_size,
            meter=self.meter_identity,
            machine=self._machine,
        )
        measured = self._measured.get(key)
        study = seam.study_of(trial)
        if measured is None and study is not None:
            other = self._measured_before.find(study, key)
            measured = None if other is None else MEASURED.read(other)
        if measured is None:
            measured = {"key": key, **self._measure(trial, architecture)}
        self._measured[key] = measured
        _note(trial, {LATENCY_KEY: measured["median_ms"], MEASURED_KEY: measured})
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
        return {
            "median_ms": found.median_ms,
            "iqr_ms": found.iqr_ms,
            "runs": found.runs,
            "batch_size": found.batch_size,
            "device": found.device,
            "threads": found.threads,
            "folded": f"{found.folded} of {found.norms}",
            "machine": self._machine,
        }


def _measured_key(trial: FrozenTrial) -> str | None:
    measured = MEASURED.read(trial)
    return None if measured is None else measured["key"]


def _note(trial: BaseTrial, attributes: Mapping[str, Any]) -> None:
    """Write what the trial does not say yet, since each writing is a transaction."""
    present = trial.user_attrs
    for key, value in attributes.items():
        if present.get(key) != value:
            trial.set_user_attr(key, value)
