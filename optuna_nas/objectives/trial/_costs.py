"""Costs of a network, known before it is trained: sizes are counted, latency is measured.

A figure is taken once per network: sizes by digest in this process, latencies also from the
study's other trials, where they stand in an attribute of the trial that was measured.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, fields, integer, number, scalar, text
from optuna_nas._ground.inputs import InputSpec
from optuna_nas._ground.names import identity_of
from optuna_nas.keys import LATENCY_KEY, MACS_KEY, MEASURED_KEY, PARAMS_KEY, PROXY_KEY
from optuna_nas.objectives.trial._failures import attributed_failures
from optuna_nas.objectives.trial._runs import TrialsByKey, run_key
from optuna_nas.profiling import Latency, Profile, profile
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from optuna.trial import BaseTrial, FrozenTrial
    from torch import nn

    from optuna_nas.objectives._scorer import ProxyScorer
    from optuna_nas.training import Data

__all__ = [
    "COSTS",
    "COST_ATTRIBUTES",
    "LATENCY",
    "MACS",
    "PARAMS",
    "Costs",
    "Meter",
]

Meter: TypeAlias = "Callable[[nn.Module, Any], Latency | float]"
"""Measures a network on inputs of a size: :class:`LatencyMeter`, or a function of yours that
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
    """Costs of the networks of one objective, each of which is found once.

    A subclass for networks of another kind than architectures of a space overrides
    :meth:`inputs`, :meth:`digest`, :meth:`count_network` and :meth:`score_untrained`.

    Args:
        build: Arguments for ``architecture.build``.
        meter: Measures latency.
        data: Data that networks are built for.
        scorer: Computes proxies.
    """

    def __init__(
        self,
        build: Mapping[str, Any],
        meter: Meter,
        *,
        data: Data | None = None,
        scorer: ProxyScorer | None = None,
    ) -> None:
        self._build = build
        self._meter = meter
        self._data = data
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

    def inputs(self, architecture: Any) -> InputSpec:
        """Sizes and types of an example of what a network takes."""
        assert self._data is not None
        return self._data.inputs

    def digest(self, architecture: Any) -> str:
        """Key under which figures of a network are kept; equal networks have equal ones."""
        digest: str = architecture.digest
        return digest

    def count_network(self, architecture: Any) -> Profile:
        """Count parameters and multiply-adds without allocating the network."""
        with torch.device("meta"):
            model = architecture.build(**self._build)
        return profile(model, inputs=self.inputs(architecture))

    def score_untrained(self, proxy: str, architecture: Any) -> float:
        """Compute a proxy's score of the untrained network."""
        assert self._scorer is not None
        return self._scorer(architecture, proxy)

    def of(self, cost: str, trial: BaseTrial, architecture: Any) -> float:
        """Return one of ``COSTS`` of a network."""
        if cost == "latency_ms":
            return self.latency_ms(trial, architecture)
        counted = self.counted(trial, architecture)
        return float(counted.macs if cost == "macs" else counted.params)

    def count(self, architecture: Any) -> Profile:
        """Return parameters and multiply-adds, counted when they are first asked for."""
        digest = self.digest(architecture)
        if digest not in self._counted:
            self._counted[digest] = self.count_network(architecture)
        return self._counted[digest]

    def counted(self, trial: BaseTrial, architecture: Any) -> Profile:
        """Return parameters and multiply-adds, which the trial keeps too."""
        with self._attributed(trial, architecture, "building"):
            counted = self.count(architecture)
        _note(trial, {PARAMS_KEY: counted.params, MACS_KEY: counted.macs})
        return counted

    def latency_ms(self, trial: BaseTrial, architecture: Any) -> float:
        """Milliseconds for a batch, measured here, earlier, or by another trial of the study."""
        size = self._size(architecture)
        key = run_key(
            digest=self.digest(architecture),
            build=self._build,
            input_size=size if isinstance(size, tuple) else str(size),
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

    def score(self, proxy: str, trial: BaseTrial, architecture: Any) -> float:
        """Return a proxy's score of the untrained network, which the trial keeps too."""
        key = (proxy, self.digest(architecture))
        if key not in self._scored:
            with self._attributed(trial, architecture, f"scoring ({proxy})"):
                self._scored[key] = self.score_untrained(proxy, architecture)
        if math.isfinite(self._scored[key]):  # JSON of others knows no infinity
            trial.set_user_attr(PROXY_KEY.format(proxy), self._scored[key])
        return self._scored[key]

    def _size(self, architecture: Any) -> tuple[int, ...] | InputSpec:
        """Sizes of a single float input, as functions of users' take them; else all inputs."""
        inputs = self.inputs(architecture)
        plain = inputs.single and inputs == InputSpec.of(inputs.input_size)
        return inputs.input_size if plain else inputs

    def _attributed(
        self, trial: BaseTrial, architecture: Any, doing: str
    ) -> contextlib.AbstractContextManager[None]:
        return attributed_failures(trial, architecture, self.inputs(architecture), doing)

    def _measure(self, trial: BaseTrial, architecture: Any) -> dict[str, Any]:
        with self._attributed(trial, architecture, "measuring"):
            with seeded(0):
                model = architecture.build(**self._build)
            found = self._meter(model, self._size(architecture))
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
