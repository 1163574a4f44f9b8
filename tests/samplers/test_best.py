"""The best architecture of a noisy study."""

from __future__ import annotations

import statistics

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.samplers import best_architecture

CHOICES = tuple("abcde")
NAMES = tuple(f"op_{i}" for i in range(4))


def _trial(ops: str, value: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    return optuna.create_trial(
        params=dict(zip(NAMES, ops, strict=True)),
        distributions=dict.fromkeys(NAMES, CategoricalDistribution(CHOICES)),
        value=value,
        state=state,
    )


def _study(*trials: FrozenTrial, direction: str = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    study.add_trials(trials)
    return study


def test_without_noise_it_is_the_best_feasible_trial() -> None:
    infeasible = _trial("eeee", 9.0)
    infeasible.set_constraint("max_params", 1.0)
    study = _study(
        _trial("aaaa", 1.0), _trial("bbbb", 3.0), _trial("cccc", 3.0), infeasible,
        _trial("dddd", 8.0, TrialState.PRUNED),
    )  # fmt: skip
    assert best_architecture(study, noisy=False).number == 1
    assert best_architecture(study, noisy=False).params == study.trials[1].params
    minimized = _study(_trial("aaaa", 1.0), _trial("bbbb", 3.0), direction="minimize")
    assert best_architecture(minimized, noisy=False).number == 0


def test_repeats_are_averaged() -> None:
    """One lucky result of "aaaa" is the highest; "bbbb" is better on average."""
    rng = np.random.RandomState(0)
    others = [_trial("".join(rng.choice(list("cde"), 4)), 0.3 * rng.normal()) for _ in range(20)]
    lucky = [_trial("aaaa", value) for value in (3.0, 0.1, -0.2, 0.3, 0.0, 0.2)]
    steady = [_trial("bbbb", value) for value in (1.9, 2.1, 2.0, 2.2, 1.8)]
    study = _study(*others, *lucky, *steady)
    assert study.best_trial.params == lucky[0].params
    best = best_architecture(study)
    assert best.params == steady[0].params
    assert best.value == 2.2
    assert study.trials[best.number] == best


def test_the_winners_curse_is_lifted() -> None:
    """Noise as large as the spread of what decisions contribute: similar architectures help."""
    rng = np.random.RandomState(0)
    regret: dict[str, list[float]] = {"trial": [], "architecture": []}
    for _ in range(8):
        effects = rng.normal(size=(4, 5))
        study = optuna.create_study(direction="maximize")

        def worth(trial: FrozenTrial, effects: np.ndarray = effects) -> float:
            return sum(effects[i, CHOICES.index(trial.params[n])] for i, n in enumerate(NAMES))

        for _ in range(80):
            trial = _trial("".join(rng.choice(CHOICES, 4)), 0.0)
            trial.values = [worth(trial) + rng.normal(scale=2.0)]
            study.add_trial(trial)
        top = max(map(worth, study.trials))
        regret["trial"].append(top - worth(study.best_trial))
        regret["architecture"].append(top - worth(best_architecture(study)))
    assert statistics.mean(regret["architecture"]) < 0.5 * statistics.mean(regret["trial"])


def test_infeasible_and_pruned_trials_are_never_the_best() -> None:
    bad = [_trial("eeee", 9.0) for _ in range(3)]
    for trial in bad:
        trial.set_constraint("max_params", 1.0)
    pruned = [_trial("dddd", 9.0, TrialState.PRUNED) for _ in range(3)]
    study = _study(*bad, *pruned, _trial("aaaa", 1.0), _trial("bbbb", 1.1))
    assert best_architecture(study).params["op_0"] in "ab"


def test_it_says_what_it_cannot_do() -> None:
    several = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="one objective, but the study has 2"):
        best_architecture(several)
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(ValueError, match="no complete and feasible trial with architecture"):
        best_architecture(study)


def test_it_returns_a_copy() -> None:
    study = _study(_trial("aaaa", 1.0))
    best_architecture(study).params["op_0"] = "x"
    assert study.trials[0].params["op_0"] == "a"
