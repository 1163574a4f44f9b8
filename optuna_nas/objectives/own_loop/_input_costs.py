"""Costs of networks whose inputs are described, where there are no data of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna_nas._ground.inputs import InputSpec
from optuna_nas.objectives.trial import Costs, Meter

__all__ = ["InputCosts"]


class InputCosts(Costs):
    """Costs of networks for given inputs.

    Args:
        build: Arguments for ``architecture.build``.
        meter: Measures latency.
        spec: Inputs of a network.
    """

    def __init__(self, build: Mapping[str, Any], meter: Meter, spec: InputSpec) -> None:
        super().__init__(build, meter)
        self.spec = spec

    def inputs(self, architecture: Any) -> InputSpec:
        return self.spec
