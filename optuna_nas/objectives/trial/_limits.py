"""Limits that a network must keep before anything is spent on training it.

What exceeds one is infeasible: a constraint of the trial says by how much, and the trial is
pruned, so that samplers learn from it. Counted limits come first, measured ones after them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from optuna_nas._ground.checks import is_number, shown
from optuna_nas.objectives._scorer import check_proxy
from optuna_nas.objectives.trial._failures import prune_infeasible

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from optuna_nas.objectives.trial._costs import Costs
    from optuna_nas.profiling import Profile
    from optuna_nas.spaces import Architecture

__all__ = ["Limits"]

NOUNS = {
    "max_params": "parameters",
    "max_macs": "multiply-adds",
    "max_latency_ms": "ms of latency",
}

_LARGEST_VIOLATION = 1e6  # of a proxy, whose score may be minus infinity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one objective; None is no limit.

    Args:
        max_params: Upper limit on trainable parameters.
        max_macs: Upper limit on multiply-adds of one example.
        max_latency_ms: Upper limit on the measured latency.
        min_proxy: Lower limits on scores by proxies.

    Raises:
        ValueError: If a limit is out of range, or there is no such proxy.
    """

    max_params: int | None = None
    max_macs: int | None = None
    max_latency_ms: float | None = None
    min_proxy: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("max_params", "max_macs"):
            limit = getattr(self, name)
            if limit is not None and (not is_number(limit) or limit < 1):
                raise ValueError(
                    f"`{name}` must be at least 1 or None, but got {name}={shown(limit)}."
                )
        latency = self.max_latency_ms
        if latency is not None and not (is_number(latency) and latency > 0):
            raise ValueError(
                "`max_latency_ms` must be above 0 or None, but got "
                f"max_latency_ms={shown(latency)}."
            )
        for proxy, least in self.min_proxy.items():
            check_proxy(proxy)
            if not is_number(least):
                raise ValueError(
                    f"`min_proxy` must map proxies to numbers, but got {proxy}={shown(least)}."
                )

    def allow(self, params: int, macs: int) -> bool:
        """Whether a network of these sizes keeps the counted limits."""
        sizes = ((params, self.max_params), (macs, self.max_macs))
        return all(limit is None or size <= limit for size, limit in sizes)

    def check(self, trial: BaseTrial, architecture: Architecture, costs: Costs) -> None:
        """Set the trial's constraints, and end it if one is violated.

        Raises:
            TrialPruned: If so.
        """
        self.check_counted(trial, architecture, costs.counted(trial, architecture))
        if self.max_latency_ms is not None:
            self.check_latency(trial, architecture, costs.latency_ms(trial, architecture))
        for proxy, least in self.min_proxy.items():
            score = costs.score(proxy, trial, architecture)
            self._end(trial, architecture, [_lower(trial, proxy, score, least)])

    def check_counted(self, trial: BaseTrial, network: object, counted: Profile) -> None:
        """Do the part of :meth:`check` that needs no measuring."""
        sizes = {"max_params": counted.params, "max_macs": counted.macs}
        self._end(trial, network, [self._upper(trial, name, size) for name, size in sizes.items()])

    def check_latency(self, trial: BaseTrial, network: object, latency_ms: float) -> None:
        """Do the part of :meth:`check` that is about the measured latency."""
        self._end(trial, network, [self._upper(trial, "max_latency_ms", latency_ms)])

    def _upper(self, trial: BaseTrial, name: str, size: float) -> str:
        """Set one constraint; return what is wrong, or nothing."""
        limit = getattr(self, name)
        if limit is None:
            return ""
        # Relative, so that the violations of several limits can be added up.
        trial.set_constraint(name, size / limit - 1)
        if size <= limit:
            return ""
        shown = f"{size:,}" if isinstance(size, int) else f"{size:.4g}"
        return f"{shown} {NOUNS[name]} against {name}={limit:,}"

    def _end(self, trial: BaseTrial, network: object, broken: list[str]) -> None:
        found = [text for text in broken if text]
        if found:
            why = f"Trial {trial.number}: {network} has {' and '.join(found)}."
            prune_infeasible(trial, why)


def _lower(trial: BaseTrial, proxy: str, score: float, least: float) -> str:
    """Set the constraint of a proxy, whose scores may have either sign."""
    violation = (least - score) / max(abs(least), 1.0)
    trial.set_constraint(f"min_proxy:{proxy}", min(violation, _LARGEST_VIOLATION))
    if score >= least:
        return ""
    return f"a {proxy} score of {score:.4g} against min_proxy={{{proxy!r}: {least:g}}}"
