"""Figures of one-shot searches: what is drawn is what the trials kept."""

from __future__ import annotations

import json

import optuna
import plotly.graph_objects as go
import pytest
from optuna.trial import TrialState, create_trial
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.keys import ALPHAS_KEY, CHOICES_KEY, EIGENVALUE_KEY, ENTROPY_KEY, SKIP_SHARE_KEY
from optuna_nas.visualization import (
    keep_figures,
    plot_alphas,
    plot_collapse,
    plot_rank_correlation,
)


def trial(shares, eigenvalues=None, state=TrialState.COMPLETE, epochs=None):
    """A trial with a share of skip connections, or without any after so many epochs."""
    epochs = epochs or len(shares)
    attributes = {ENTROPY_KEY: [1.0] * epochs}
    if shares:
        attributes[SKIP_SHARE_KEY] = shares
    if eigenvalues:
        attributes[EIGENVALUE_KEY] = eigenvalues
    for epoch in range(1, epochs + 1):
        attributes[f"{ALPHAS_KEY}:{epoch}"] = {
            "normal_2_from_0": [0.1 * epoch, 1 - 0.1 * epoch],
            "reduce_2_from_0": [0.5, 0.25],
        }
    return create_trial(
        state=state, value=0.5 if state == TrialState.COMPLETE else None, user_attrs=attributes
    )


def study(*trials):
    made = optuna.create_study(direction="maximize")
    made.add_trials(trials)
    return made


def test_alphas():
    figure = plot_alphas(study(trial([0.0, 0.1, 0.2])).trials[0], labels=["none", "skip"])
    first, second = figure.data
    assert [list(line) for line in first.z] == [
        pytest.approx([0.1, 0.2, 0.3]),
        pytest.approx([0.9, 0.8, 0.7]),
    ]
    assert (list(first.x), list(first.y)) == ([1, 2, 3], ["none", "skip"])
    assert first.zmax == second.zmax == pytest.approx(0.9)
    assert [note.text for note in figure.layout.annotations] == [
        *("normal_2_from_0", "reduce_2_from_0", "epoch")
    ]


def test_alphas_are_named_as_the_trial_has_them():
    named = trial([0.0])
    named.set_user_attr(CHOICES_KEY, {"normal_2_from_0": ["none", "skip_connect"]})
    first, second = plot_alphas(named).data
    assert list(first.y) == ["none", "skip_connect"]
    assert list(second.y) == ["0", "1"]


def test_some_alphas():
    figure = plot_alphas(study(trial([0.0])).trials[0], only="reduce_")
    (heat,) = figure.data
    assert list(heat.y) == ["0", "1"]
    with pytest.raises(ValueError, match="`trial` must be one of DARTSObjective.*'cell_'"):
        plot_alphas(study(trial([0.0])).trials[0], only="cell_")
    with pytest.raises(ValueError, match="but trial 0 has none"):
        plot_alphas(study(create_trial(value=1.0)).trials[0])


def test_collapse():
    figure = plot_collapse(
        study(trial([0.1, 0.2]), create_trial(value=1.0), trial([0.7], state=TrialState.PRUNED))
    )
    assert [(line.name, list(line.y)) for line in figure.data] == [
        *(("trial 0, complete", [0.1, 0.2]), ("trial 2, pruned", [0.7]))
    ]
    both = plot_collapse(study(trial([0.1, 0.2], [3.0, 4.0])))
    assert [list(line.y) for line in both.data] == [[0.1, 0.2], [3.0, 4.0]]
    assert both.data[0].line.color == both.data[1].line.color, "one trial, one colour"
    two = plot_collapse(study(*[trial([0.1, 0.2], [3.0, 4.0])] * 2))
    first, second, *again = [line.line.color for line in two.data]
    assert [first, second] == again
    assert len({first, second, None}) == 3
    assert both.layout.xaxis.dtick == both.layout.xaxis2.dtick == 1, "whole epochs"
    long = plot_collapse(study(trial([0.1] * 50)))
    assert long.layout.xaxis.dtick == 7
    with pytest.raises(ValueError, match="`study` must have trials of DARTSObjective"):
        plot_collapse(study(create_trial(value=1.0)))


def test_searches_without_skip_connections():
    """Nothing is drawn of a share that is unknown, and the eigenvalue is without it."""
    figure = plot_collapse(study(trial([0.1, 0.2]), trial([], [3.0, 4.0])))
    assert [(line.name, list(line.y)) for line in figure.data] == [
        *(("trial 0, complete", [0.1, 0.2]), ("trial 1, complete", [3.0, 4.0]))
    ]
    assert all(line.showlegend for line in figure.data)
    made = study(trial([], epochs=2))
    keep_figures(made, made.trials[0])
    assert [*kept(made)] == ["darts-alphas"]
    with pytest.raises(ValueError, match="`study` must have trials of DARTSObjective"):
        plot_collapse(made)


def test_the_best_search_of_an_error_is_shown():
    made = optuna.create_study(direction="minimize")
    least = trial([0.1])
    least.value = 0.25
    made.add_trials([trial([0.2]), least])
    keep_figures(made, made.trials[0])
    assert kept(made)["darts-alphas"].layout.title.text == "Mixing weights of trial 1 by epoch"


def test_rank_correlation():
    figure = plot_rank_correlation([0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.8, 0.7], metric="MAE")
    axes = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    assert axes == ("MAE, trained from scratch", "MAE on shared weights")
    assert "4 architectures, Kendall's tau 0.67" in figure.layout.title.text
    assert list(figure.data[0].x) == [0.5, 0.6, 0.8, 0.7]
    with pytest.raises(ValueError, match="`shared` and `alone` must have a score for each"):
        plot_rank_correlation([0.1], [0.2])


def kept(made):
    """The figures of a study that optuna-dashboard shows, by their titles."""
    storage, study_id = seam.study_key(made)
    objects = get_plotly_graph_objects(storage.get_study_system_attrs(study_id))
    return {name: go.Figure(json.loads(text)) for name, text in objects.items()}


def test_the_dashboard_shows_the_best_search_and_all_curves():
    made = study(trial([0.9, 0.9, 0.9], state=TrialState.PRUNED))
    keep_figures(made, made.trials[0])
    assert kept(made)["darts-alphas"].layout.title.text == "Mixing weights of trial 0 by epoch"
    made.add_trials([trial([0.1, 0.2]), trial([0.3], state=TrialState.PRUNED)])
    keep_figures(made, made.trials[2])
    figures = kept(made)
    assert sorted(figures) == ["darts-alphas", "darts-collapse"]
    assert figures["darts-alphas"].layout.title.text == "Mixing weights of trial 1 by epoch"
    first, second = figures["darts-alphas"].data  # one decision is shown, a menu has the others
    assert (first.visible, second.visible) == (True, False)
    (menu,) = figures["darts-alphas"].layout.updatemenus
    assert [(button.label, button.args[0]["visible"]) for button in menu.buttons] == [
        ("normal_2_from_0", [True, False]),
        ("reduce_2_from_0", [False, True]),
    ]
    curves = [list(line.y) for line in figures["darts-collapse"].data]
    assert curves == [[0.9, 0.9, 0.9], [0.1, 0.2], [0.3]]


def test_other_trials_keep_no_figures():
    made = study(create_trial(value=0.5))
    keep_figures(made, made.trials[0])
    assert kept(made) == {}
