"""How the predictor leaves a belief that is wrong: what it does while the best is old."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_nas.samplers import PredictorSampler
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.samplers.predictor._acquisition import log_expected_improvement
from optuna_nas.samplers.predictor._encoding import Codes, Floats
from optuna_nas.samplers.predictor._evidence import Archive

OPS = [f"op_{i}" for i in range(4)]


def _letters(trial: optuna.Trial) -> float:
    """625 architectures; the best has "e" everywhere, but all that is near it is bad."""
    letters = [trial.suggest_categorical(op, "abcde") for op in OPS]
    return 10.0 if set(letters) == {"e"} else letters.count("a")


def _study(*, noisy: bool = False) -> optuna.Study:
    sampler = PredictorSampler(seed=0, noisy=noisy)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _rarest_choice(trials: list[optuna.trial.FrozenTrial]) -> tuple[str, object]:
    """The choice that these trials took least often; the first of equals."""
    taken = Counter(item for trial in trials for item in trial.params.items())
    return min(((op, letter) for op in OPS for letter in "abcde"), key=taken.__getitem__)


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("noisy", [False, True])
def test_every_third_trial_has_the_rarest_choice_while_the_best_is_old(
    noisy: bool, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise this begins 25 trials after the best one, which is known here."""
    narrowed = []
    candidates = PredictorSampler._candidates

    def noted(self: PredictorSampler, *arguments: Any) -> Any:
        rng, everything = arguments[2:]
        if len(everything) < 5**4:
            narrowed.append(rng.number)
        return candidates(self, *arguments)

    monkeypatch.setattr(PredictorSampler, "_candidates", noted)
    study = _study(noisy=noisy)
    study.optimize(_letters, n_trials=place)
    study.enqueue_trial(dict.fromkeys(OPS, "e"))
    study.optimize(_letters, n_trials=45 - place)
    assert narrowed == ([] if noisy else list(range(27 if place == 1 else 30, 45, 3)))
    trials = study.trials
    assert all(_rarest_choice(trials[:n]) in trials[n].params.items() for n in narrowed)


def test_the_rest_of_a_rare_choice_is_the_most_promising(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third trial while the best is old: what is left out of the rows changes nothing else."""
    study = _study()
    study.enqueue_trial(dict.fromkeys(OPS, "e"))
    study.optimize(_letters, n_trials=27)
    scored = []

    def noted(self: PredictorSampler, posterior: Any, best: float, rows: Codes) -> Floats:
        mean, deviation = posterior.predict(rows)
        scored.append((rows, log_expected_improvement(mean, deviation, best)))
        return scored[-1][1]

    monkeypatch.setattr(PredictorSampler, "_score", noted)
    trial = study.ask()
    _letters(trial)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    ((rows, scores),) = scored
    assert len(rows) == 5**3
    decode = Archive().evidence(replay.members, 100).encoding.decode
    in_order = [
        {name: decision.value(index) for name, (decision, index) in decode(row).items()}
        for row in rows[np.argsort(-scores, kind="stable")].tolist()
    ]
    seen = [earlier.params for earlier in study.trials[:-1]]
    assert trial.params == next(params for params in in_order if params not in seen)


def test_running_trials_count_among_the_choices() -> None:
    """Of four that begin while the best is old, the last one has what is rare beside the first."""
    study = _study()
    study.enqueue_trial(dict.fromkeys(OPS, "e"))
    study.optimize(_letters, n_trials=30)
    begun = [study.ask() for _ in range(4)]
    for trial in begun:
        _letters(trial)
    trials = study.trials
    rarest = [_rarest_choice(trials[:number]) for number in (30, 33)]
    assert rarest[0] != rarest[1]
    assert rarest[0] in trials[30].params.items()
    assert rarest[1] in trials[33].params.items()
    assert rarest[0] not in trials[33].params.items()
