"""Searches by alphas, epoch by epoch, and how far shared weights can be trusted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from optuna.trial import TrialState
from scipy.stats import kendalltau

from optuna_nas.objectives.one_shot import CHOICES, EIGENVALUE, read_alphas
from optuna_nas.pruners._collapse import ENTROPY, SKIP_SHARE

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["keep_figures", "plot_alphas", "plot_collapse", "plot_rank_correlation"]

ALPHAS_ID, COLLAPSE_ID = "darts-alphas", "darts-collapse"  # of figures in the dashboard


class _Rows(NamedTuple):
    """The mixing weights of one decision."""

    name: str
    labels: list[str]
    weights: list[list[float]]  # by choice, then by epoch


class _Curves(NamedTuple):
    """Records of one trial after each epoch."""

    label: str
    skip_share: list[float]
    eigenvalue: list[float]


class _Ranks(NamedTuple):
    """Two scores of the same architectures."""

    shared: list[float]
    alone: list[float]
    tau: float


def plot_alphas(
    trial: FrozenTrial, *, labels: Sequence[str] | None = None, only: str = ""
) -> go.Figure:
    """Draw the mixing weights of a search over its epochs, a heat map for each decision.

    Args:
        trial: Trial of ``DARTSObjective``.
        labels: Names for what the decisions choose from, where there are as many; None: as the
            trial has them.
        only: Decisions whose name begins so, such as ``"normal_"``.

    Raises:
        ValueError: If the trial has no alphas, or none of that name.

    Example::

        from optuna_nas.visualization import plot_alphas

        plot_alphas(study.best_trial, only="normal_").show()
    """
    from plotly.subplots import make_subplots

    rows = _get_alphas_info(trial, labels, only)
    top = _largest(rows)
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        subplot_titles=[row.name for row in rows],
        horizontal_spacing=0.12,
        vertical_spacing=0.25 / lines,
        x_title="epoch",
    )
    for number, row in enumerate(rows):
        heat = _heat(row, top).update(showscale=number == 0)
        figure.add_trace(heat, row=number // columns + 1, col=number % columns + 1)
    _count_epochs(figure)
    return figure.update_layout(
        title=f"Mixing weights of trial {trial.number} by epoch",
        height=200 + 220 * lines,
        width=200 + 330 * columns,
    )


def plot_collapse(study: Study) -> go.Figure:
    """Draw the share of skip connections and the eigenvalue by epoch, as far as they are known.

    Args:
        study: Study of ``DARTSObjective``.

    Raises:
        ValueError: If no trial of it has kept them.
    """
    import plotly.graph_objects as go
    from plotly.colors import qualitative
    from plotly.subplots import make_subplots

    curves = _get_collapse_info(study)
    panels = [
        ("share of skip connections", [(c.label, c.skip_share) for c in curves]),
        ("largest eigenvalue", [(c.label, c.eigenvalue) for c in curves]),
    ]
    panels = [(name, lines) for name, lines in panels if any(values for _, values in lines)]
    figure = make_subplots(rows=1, cols=len(panels), subplot_titles=[name for name, _ in panels])
    shown: set[str] = set()
    for column, (_, lines) in enumerate(panels, start=1):
        colors = itertools.cycle(qualitative.Plotly)
        for (label, values), color in zip(lines, colors, strict=False):
            if not values:
                continue
            line = go.Scatter(
                x=list(range(1, len(values) + 1)),
                y=values,
                name=label,
                line={"color": color},
                legendgroup=label,
                showlegend=label not in shown,
            )
            shown.add(label)
            figure.add_trace(line, row=1, col=column)
    if any(curve.skip_share for curve in curves):
        figure.update_yaxes(range=[-0.05, 1.05], row=1, col=1)
    _count_epochs(figure, title_text="epoch")
    return figure.update_layout(title="Searches by alphas")


def plot_rank_correlation(
    shared: Sequence[float], alone: Sequence[float], *, metric: str = "metric"
) -> go.Figure:
    """Draw metrics on shared weights against those of the same architectures on their own.

    Args:
        shared: Such as ``[objective.weights.metric(child) for child in children]``.
        alone: Those of the same architectures, trained from scratch.
        metric: Its name, such as ``objective.task.metric_name``.

    Raises:
        ValueError: If there are fewer than two, or not as many of both.
    """
    import plotly.graph_objects as go

    ranks = _get_ranks_info(shared, alone)
    points = go.Scatter(x=ranks.alone, y=ranks.shared, mode="markers")
    figure = go.Figure(points)
    figure.update_xaxes(title_text=f"{metric}, trained from scratch")
    figure.update_yaxes(title_text=f"{metric} on shared weights")
    return figure.update_layout(
        title=f"{len(ranks.alone)} architectures, Kendall's tau {ranks.tau:.2f}"
    )


def keep_figures(study: Study, trial: FrozenTrial) -> None:
    """Keep a study's figures for optuna-dashboard; a callback for ``study.optimize``.

    They are the mixing weights of the best trial, of the latest one as long as none is complete,
    one decision at a time, and the share of skip connections of all. They stand on the study's
    first page, and are replaced after each trial.

    Args:
        study: Study of ``DARTSObjective``; others are left alone.
        trial: Trial that has just ended.

    Example::

        from optuna_nas.visualization import keep_figures

        study.optimize(objective, n_trials=3, callbacks=[keep_figures])
    """
    from optuna_dashboard import save_plotly_graph_object

    if ENTROPY.read(trial) is None:
        return
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    shown = study.best_trial if complete else trial
    if read_alphas(shown):
        save_plotly_graph_object(study, _alphas_by_menu(shown), graph_object_id=ALPHAS_ID)
    if SKIP_SHARE.read(trial) or EIGENVALUE.read(trial):
        save_plotly_graph_object(study, plot_collapse(study), graph_object_id=COLLAPSE_ID)


def _alphas_by_menu(trial: FrozenTrial) -> go.Figure:
    """The heat maps of :func:`plot_alphas`, one at a time, for a page with little room."""
    import plotly.graph_objects as go

    rows = _get_alphas_info(trial, None, "")
    figure = go.Figure([_heat(row, _largest(rows)).update(visible=row is rows[0]) for row in rows])
    buttons = [
        {
            "label": row.name,
            "method": "update",
            "args": [{"visible": [other is row for other in rows]}],
        }
        for row in rows
    ]
    menu = {"buttons": buttons, "x": 1.0, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    _count_epochs(figure, title_text="epoch")
    return figure.update_layout(
        title=f"Mixing weights of trial {trial.number} by epoch", updatemenus=[menu]
    )


def _heat(row: _Rows, top: float) -> go.Heatmap:
    import plotly.graph_objects as go

    return go.Heatmap(
        z=row.weights,
        x=list(range(1, len(row.weights[0]) + 1)),
        y=row.labels,
        zmin=0.0,
        zmax=top,
        colorscale="Viridis",
        colorbar={"title": "weight"},
    )


def _count_epochs(figure: go.Figure, **settings: str) -> None:
    """Have all horizontal axes show whole epochs only."""
    last = max(trace.x[-1] for trace in figure.data)
    figure.update_xaxes(dtick=max(1, -(-last // 8)), **settings)


def _largest(rows: Sequence[_Rows]) -> float:
    return max(weight for row in rows for line in row.weights for weight in line)


def _get_alphas_info(trial: FrozenTrial, labels: Sequence[str] | None, only: str) -> list[_Rows]:
    epochs = read_alphas(trial)
    names = [name for name in (epochs[0] if epochs else ()) if name.startswith(only)]
    if not names:
        raise ValueError(
            f"`trial` must be one of DARTSObjective with decisions that begin with {only!r}, but "
            f"trial {trial.number} has none: take another trial, or another `only`."
        )
    choices = CHOICES.read(trial) or {}
    rows = []
    for name in names:
        weights = [list(line) for line in zip(*(rows_[name] for rows_ in epochs), strict=True)]
        own = choices.get(name, [])
        if len(own) != len(weights):
            own = [str(number) for number in range(len(weights))]
        fits = labels is not None and len(labels) == len(weights)
        rows.append(_Rows(name, list(labels or ()) if fits else own, weights))
    return rows


def _get_collapse_info(study: Study) -> list[_Curves]:
    curves = [
        _Curves(
            f"trial {trial.number}, {trial.state.name.lower()}",
            SKIP_SHARE.read(trial) or [],
            EIGENVALUE.read(trial) or [],
        )
        for trial in study.get_trials(deepcopy=False)
    ]
    curves = [curve for curve in curves if curve.skip_share or curve.eigenvalue]
    if not curves:
        raise ValueError(
            f"`study` must have trials of DARTSObjective, but {study.study_name!r} has none."
        )
    return curves


def _get_ranks_info(shared: Sequence[float], alone: Sequence[float]) -> _Ranks:
    if len(shared) != len(alone) or len(shared) < 2:
        raise ValueError(
            "`shared` and `alone` must have a score for each of at least two architectures, but "
            f"have {len(shared)} and {len(alone)}."
        )
    return _Ranks(list(shared), list(alone), float(kendalltau(shared, alone).statistic))
