"""Which trials are the best: as Optuna has it."""

from __future__ import annotations

import optuna

from optuna_nas.objectives import best_trials


def test_the_best_trial_is_optunas_own_where_some_are_infeasible():
    ours = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))

    def evaluated(trial):
        value = trial.suggest_float("x", 0, 1)
        trial.set_constraint("at most a half", value - 0.5)
        return value

    ours.optimize(evaluated, n_trials=12)
    ranked = best_trials(ours, 12)
    assert ranked[0] == ours.best_trial
    assert [t.value for t in ranked] == sorted(
        (v for v in (t.value for t in ours.trials) if v <= 0.5), reverse=True
    )
    assert 0 < len(ranked) < 12
