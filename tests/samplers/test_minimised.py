"""Studies that minimise: every sampler proposes as it does where the negative is maximised."""

from __future__ import annotations

import optuna
from sampler_examples import Make, architecture, every_sampler

from optuna_nas.samplers import ProgressiveSampler
from optuna_nas.testing import ToySpace, conditional_objective

TRIALS = 14


def _reported(trial: optuna.Trial, value: float, sign: float) -> float:
    """Report on the way, so that a pruner ends what does badly."""
    for step in (1, 2, 3):
        trial.report(sign * value * step / 3, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sign * value


def _trials(
    sampler: optuna.samplers.BaseSampler, sign: float, space: ToySpace | None = None
) -> list[tuple[object, str]]:
    direction = "maximize" if sign > 0 else "minimize"
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3)
    study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        if space is None:
            return _reported(trial, conditional_objective(trial), sign)
        return _reported(trial, space.evaluate(space.suggest(trial).params), sign)

    study.optimize(objective, n_trials=TRIALS)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    return [(architecture(trial), trial.state.name) for trial in study.trials]


@every_sampler
def test_an_error_is_minimised_as_its_negative_is_maximised(make: Make) -> None:
    assert _trials(make(seed=0), -1.0) == _trials(make(seed=0), 1.0)


def test_progressive_search_minimises() -> None:
    space = ToySpace(num_layers=(1, 3), num_ops=4)
    least, most = (
        _trials(ProgressiveSampler(space=space, seed=0), sign, space) for sign in (-1.0, 1.0)
    )
    assert least == most
