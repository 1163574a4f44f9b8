"""The pruner that sees collapse where accuracies do not."""

from __future__ import annotations

import warnings

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.keys import ENTROPY_KEY, SKIP_SHARE_KEY
from optuna_nas.pruners import CollapsePruner


def run(pruner, shares, values=None):
    """Report epochs until the trial is pruned; return the last epoch and the state."""

    def objective(trial):
        for epoch in range(1, len(shares) + 1):
            trial.set_user_attr(SKIP_SHARE_KEY, shares[:epoch])
            trial.report(0.1 * epoch if values is None else values[epoch - 1], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 1.0

    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    return trial.last_step, trial.state


def test_collapse_is_pruned_while_the_accuracy_rises():
    shares = [0.1, 0.6, 0.7, 0.2, 0.6, 0.7, 0.8, 0.9]
    assert run(CollapsePruner(max_skip=0.5, patience=3), shares) == (7, TrialState.PRUNED)
    assert run(CollapsePruner(max_skip=0.5, patience=1), shares) == (2, TrialState.PRUNED)
    assert run(CollapsePruner(max_skip=0.5, patience=5), shares) == (8, TrialState.COMPLETE)
    assert run(optuna.pruners.MedianPruner(), shares)[1] == TrialState.COMPLETE


def test_the_limit_itself_is_no_collapse():
    assert run(CollapsePruner(max_skip=0.5, patience=1), [0.5] * 4)[1] == TrialState.COMPLETE


def test_the_wrapped_pruner_is_asked_too():
    threshold = optuna.pruners.ThresholdPruner(lower=0.15)
    values = [0.3, 0.1, 0.3, 0.3]
    pruner = CollapsePruner(threshold, max_skip=0.5, patience=3)
    assert run(pruner, [0.0] * 4, values) == (2, TrialState.PRUNED)
    assert run(pruner, [0.9] * 4, [0.3] * 4) == (3, TrialState.PRUNED)
    assert run(CollapsePruner(), [0.0] * 4, values)[1] == TrialState.COMPLETE


def test_trials_of_other_objectives_are_left_alone():
    study = optuna.create_study(pruner=CollapsePruner(patience=1))
    trial = study.ask()
    trial.report(0.0, 1)
    assert not trial.should_prune()


def test_a_search_without_known_skip_connections_is_told_of_once():
    pruner = CollapsePruner(patience=1)
    trial = optuna.create_study(pruner=pruner).ask()
    trial.set_user_attr(ENTROPY_KEY, [1.0])
    trial.report(0.0, 1)
    with pytest.warns(UserWarning, match='cannot see trial 0 collapse.*call the choice "skip_c'):
        assert not trial.should_prune()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not trial.should_prune()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_skip": 1.0}, ValueError, r"`max_skip` must lie in \[0, 1\)"),
        ({"patience": 0}, ValueError, "`patience` must be at least 1"),
        ({"wrapped": "median"}, TypeError, "`wrapped` must be a pruner of Optuna"),
    ],
)
def test_settings_out_of_range(arguments, error, message):
    with pytest.raises(error, match=message):
        CollapsePruner(**arguments)
