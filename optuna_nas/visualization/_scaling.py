"""Metric of scaled networks against what they cost, with the fronts."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from optuna_nas._ground.words import counted
from optuna_nas.scaling import ScalingAnalysis, ScalingResult, analyse

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.study import Study

__all__ = ["plot_scaling"]

TITLES = {
    "macs": "multiply-adds of an image",
    "params": "parameters",
    "latency_ms": "measured latency (ms)",
}
# Okabe and Ito's, which people with any form of colour blindness tell apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
TICKS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))
MOST_TICKS = 7


class _Group(NamedTuple):
    """Points of one colour: a strategy, or a regime."""

    label: str
    cost: list[float]
    values: list[float]
    text: list[str]


class _Front(NamedTuple):
    """The best of one regime."""

    label: str
    cost: list[float]
    values: list[float]


class _Panel(NamedTuple):
    """One metric."""

    metric: str
    groups: list[_Group]
    fronts: list[_Front]


class _ScalingInfo(NamedTuple):
    """Data of the figure."""

    title: str
    metric: str
    panels: list[_Panel]


def plot_scaling(*studies: Study, metrics: tuple[str, ...] | None = None) -> go.Figure:
    """Draw the metric against multiply-adds and against latency, with the Pareto fronts.

    Strategies have a colour each; networks of a grid that of their regime.

    Args:
        studies: Studies of ``StrategyObjective``, ``ScalingStudyObjective`` or
            ``CompoundScalingObjective``.
        metrics: Some of ``"macs"``, ``"params"``, ``"latency_ms"``; None: the first, and the last
            where all studies have measured it.

    Raises:
        ValueError: If a study has no complete trial of a scaled network, or a metric was not
            measured.

    Example::

        import optuna

        from optuna_nas.objectives import StrategyObjective
        from optuna_nas.scaling import ResNet
        from optuna_nas.visualization import plot_scaling

        base = ResNet(
            blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=8
        )
        objective = StrategyObjective(base, "digits", epochs=1, repetitions=1)
        study = optuna.create_study(direction="maximize", sampler=objective.sampler())
        study.optimize(objective)
        plot_scaling(study).write_html("scaling.html")
    """
    return _draw(_get_scaling_info(studies, metrics))


def _get_scaling_info(
    studies: tuple[Study, ...], metrics: tuple[str, ...] | None = None
) -> _ScalingInfo:
    found = analyse(*studies)
    if metrics is None:
        metrics = tuple(metric for metric in found.metrics if metric != "params")
    bases = ", ".join(sorted({result.network for result in found.results}))
    panels = [_panel(found, metric) for metric in metrics]
    return _ScalingInfo(f"Scaling of {bases}", _value_name(studies), panels)


def _value_name(studies: tuple[Study, ...]) -> str:
    """The name of the studies' values, if they have the same one."""
    names = {study.metric_names[0] for study in studies if study.metric_names is not None}
    return names.pop() if len(names) == 1 else "value"


def _panel(found: ScalingAnalysis, metric: str) -> _Panel:
    several = len(found.regimes) > 1
    labels: dict[str, list[ScalingResult]] = {}
    for result in sorted(found.results, key=lambda result: (result.epochs, result.rule)):
        regime = counted(result.epochs, "epoch")
        label = f"{result.rule}, {regime}" if result.rule and several else result.rule or regime
        labels.setdefault(label, []).append(result)
    fronts = []
    for regime_epochs in found.regimes:
        front = found.pareto(metric, epochs=regime_epochs)
        cost, values = [r.cost(metric) for r in front], [r.accuracy for r in front]
        fronts.append(_Front(f"front, {counted(regime_epochs, 'epoch')}", cost, values))
    groups = [
        _Group(
            label,
            [result.cost(metric) for result in results],
            [result.accuracy for result in results],
            [_describe(result) for result in results],
        )
        for label, results in labels.items()
    ]
    return _Panel(metric, groups, fronts)


def _describe(result: ScalingResult) -> str:
    sizes = f"width {result.width:.3g}, depth {result.depth:.3g}, {result.resolution} px"
    return f"trial {result.trial}: {sizes}<br>{result.macs:,} multiply-adds"


def _ticks(costs: Sequence[float]) -> list[float]:
    """Round numbers for a logarithmic axis, as many as have room."""
    low, high = min(costs), max(costs)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in TICKS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        within = [tick for tick in ticks if low / 1.2 <= tick <= high * 1.2]
        if len(within) <= MOST_TICKS:
            break
    return within


def _draw(info: _ScalingInfo) -> go.Figure:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    name = html.escape(info.metric, quote=False)
    figure = make_subplots(rows=1, cols=len(info.panels), shared_yaxes=True)
    for column, panel in enumerate(info.panels, start=1):
        for number, front in enumerate(panel.fronts):
            line = {"color": "#6e7781", "dash": ("solid", "dash", "dot")[number % 3]}
            trace = go.Scatter(
                x=front.cost,
                y=front.values,
                mode="lines+markers",
                name=front.label,
                line=line,
                marker={"symbol": "circle-open", "size": 13},
                hoverinfo="skip",
            )
            trace.update(legendgroup=front.label, showlegend=column == 1)
            figure.add_trace(trace, row=1, col=column)
        for number, group in enumerate(panel.groups):
            trace = go.Scatter(
                x=group.cost,
                y=group.values,
                mode="markers",
                name=html.escape(group.label, quote=False),
                text=group.text,
                hovertemplate=f"%{{text}}<br>{name} %{{y:.4f}}<extra></extra>",
                marker={"color": COLORS[number % len(COLORS)], "size": 8},
            )
            trace.update(legendgroup=group.label, showlegend=column == 1)
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(
            title_text=TITLES[panel.metric],
            type="log",
            tickvals=_ticks([cost for group in panel.groups for cost in group.cost]),
            tickformat="~g" if panel.metric == "latency_ms" else "~s",  # 500k
            row=1,
            col=column,
        )
    figure.update_yaxes(title_text=name, row=1, col=1)
    figure.update_layout(title=html.escape(info.title, quote=False), template="plotly_white")
    return figure
