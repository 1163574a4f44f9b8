"""Tables of what was scaled and what it gave."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from optuna_nas.scaling._network import ScalableNetwork
from optuna_nas.scaling._results import ScalingResult

if TYPE_CHECKING:
    from optuna_nas.profiling import Profile

__all__ = ["family_table", "strategy_table"]


def family_table(networks: Iterable[tuple[str, ScalableNetwork, Profile]]) -> str:
    """Write networks, a line each: name, width, depth, resolution, and what was counted."""
    head = ("", "width", "depth", "pixels", "parameters", "multiply-adds")
    rows = [
        (
            name,
            f"{network.width:.3g}",
            f"{network.depth:.3g}",
            str(network.resolution),
            f"{counted.params:,}",
            f"{counted.macs:,}",
        )
        for name, network, counted in networks
    ]
    return _table([head, *rows])


def strategy_table(results: Sequence[ScalingResult]) -> str:
    """Write what each strategy gave, best first: accuracy as mean, deviation and number of runs.

    Args:
        results: Results of a ``StrategyObjective``.
    """
    by_rule: dict[str, list[ScalingResult]] = {}
    for result in results:
        by_rule.setdefault(result.rule, []).append(result)
    ranked = sorted(by_rule.items(), key=lambda item: -_mean(item[1]))
    head = ("strategy", "accuracy", "sd", "n", "multiply-adds", "parameters", "latency ms")
    rows = [
        (
            rule,
            f"{_mean(runs):.2%}",
            f"{statistics.stdev(r.accuracy for r in runs):.2%}" if len(runs) > 1 else "-",
            str(len(runs)),
            f"{runs[0].macs:,}",
            f"{runs[0].params:,}",
            "-" if runs[0].latency_ms is None else f"{runs[0].latency_ms:.3g}",
        )
        for rule, runs in ranked
    ]
    return _table([head, *rows])


def _mean(runs: Sequence[ScalingResult]) -> float:
    return statistics.mean(run.accuracy for run in runs)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )
