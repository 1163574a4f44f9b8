"""The simplex of compound coefficients: how a step of growth was shared out, and what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas.scaling import Coefficients, fit, shares

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.study import Study

__all__ = ["plot_compound"]

LETTERS = ("alpha", "beta", "gamma")


class _Point(NamedTuple):
    """A trial, or the fitted optimum."""

    shares: tuple[float, float, float]
    value: float
    text: str


class _CompoundInfo(NamedTuple):
    """Data of the figure; ``fitted`` is None where too few trials are there to fit."""

    metric: str
    points: list[_Point]
    fitted: _Point | None


def plot_compound(study: Study) -> go.Figure:
    """Draw the trials of a compound search by the shares of depth, width and resolution.

    A corner is growth in one dimension only, the middle in all three alike; the colour is the
    value. The cross is the fitted optimum, where there are trials enough to fit one.

    Args:
        study: Study of a ``CompoundScalingObjective``.

    Raises:
        ValueError: If the study has no complete trial with alpha, beta and gamma.

    Example::

        import optuna

        from optuna_nas.visualization import plot_compound

        def objective(trial):
            a, b, c = (trial.suggest_float(x, 1.0, 1.4) for x in ("alpha", "beta", "gamma"))
            return -((a - 1.2) ** 2) - (b - 1.1) ** 2 - (c - 1.15) ** 2

        study = optuna.create_study(direction="maximize")
        study.optimize(objective, n_trials=20)
        plot_compound(study).write_html("compound.html")
    """
    return _draw(_get_compound_info(study))


def _get_compound_info(study: Study) -> _CompoundInfo:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    points = []
    for trial in complete:
        if not {*LETTERS} <= trial.params.keys() or max(trial.params[x] for x in LETTERS) == 1:
            continue
        tried = Coefficients(*(trial.params[letter] for letter in LETTERS))
        points.append(_point(tried, trial.values[0], f"trial {trial.number}"))
    if not points:
        raise ValueError(
            f"`study` must have complete trials with {', '.join(LETTERS)}, but "
            f"{study.study_name!r} has none: run a CompoundScalingObjective."
        )
    metric = study.metric_names[0] if study.metric_names else "value"
    try:
        found = fit(study).coefficients
    except ValueError:  # too few different trials
        return _CompoundInfo(metric, points, None)
    values = [point.value for point in points]
    best = max(values) if study.direction == StudyDirection.MAXIMIZE else min(values)
    return _CompoundInfo(metric, points, _point(found, best, "fitted"))


def _point(tried: Coefficients, value: float, label: str) -> _Point:
    factors = ", ".join(f"{letter} {getattr(tried, letter):.3f}" for letter in LETTERS)
    return _Point(shares(tried), value, f"{label}: {factors}")


def _draw(info: _CompoundInfo) -> go.Figure:
    import plotly.graph_objects as go

    depth, width, resolution = zip(*(point.shares for point in info.points), strict=True)
    trials = go.Scatterternary(
        a=depth,
        b=width,
        c=resolution,
        mode="markers",
        name="trials",
        text=[f"{point.text}<br>{point.value:.4f}" for point in info.points],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "color": [point.value for point in info.points],
            "colorscale": "Viridis",
            "colorbar": {"title": info.metric},
            "size": 11,
        },
    )
    figure = go.Figure(trials)
    if info.fitted is not None:
        a, b, c = info.fitted.shares
        figure.add_trace(
            go.Scatterternary(
                a=[a],
                b=[b],
                c=[c],
                mode="markers",
                name="fitted",
                text=[info.fitted.text],
                hovertemplate="%{text}<extra></extra>",
                marker={"color": "#cf222e", "symbol": "cross-open", "size": 16},
            )
        )
    names = {"aaxis": "depth", "baxis": "width", "caxis": "resolution"}
    ticks = [0.2, 0.4, 0.6, 0.8]  # those of the corners would lie upon one another
    axes = {axis: {"title": {"text": name}, "tickvals": ticks} for axis, name in names.items()}
    figure.update_layout(
        title="Shares of depth, width and resolution in the growth",
        template="plotly_white",
        legend={"x": 0, "y": 1},
        ternary={"sum": 1, **axes},
    )
    return figure
