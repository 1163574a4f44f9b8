"""A worker outlives its trial: another process failed it while it ran."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.stores import open_storage, optimize

Objective = Callable[[optuna.Trial], float]
End = Callable[[optuna.Trial], float]


def _returns(trial: optuna.Trial) -> float:
    return 0.5


def _reports(trial: optuna.Trial) -> float:
    trial.report(0.5, 1)
    return 0.5


def _wraps(trial: optuna.Trial) -> float:
    try:
        return _reports(trial)
    except RuntimeError as e:
        raise TypeError("Trial 1: training failed") from e


def _writes(trial: optuna.Trial) -> float:
    trial.set_user_attr("x", 1)
    return 0.5


def _prunes(trial: optuna.Trial) -> float:
    raise optuna.TrialPruned


def _fails_elsewhere(url: str, end: End) -> Objective:
    """An objective whose trial 1 is failed through a second connection while it runs."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            other = optuna.load_study(study_name="s", storage=open_storage(url))
            other.tell(1, state=TrialState.FAIL)
        return end(trial)

    return objective


@pytest.fixture(params=["sqlite:///{}/nas.db", "journal:{}/nas.log"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def _study(url: str) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=open_storage(url))


@pytest.mark.parametrize("end", [_returns, _reports, _wraps, _writes, _prunes])
def test_a_lost_trial_is_one_warning_and_the_search_goes_on(end: End, url: str) -> None:
    study, told = _study(url), []
    with pytest.warns(UserWarning, match="Trial 1 was failed by another process") as caught:
        optimize(
            study,
            _fails_elsewhere(url, end),
            n_trials=4,
            callbacks=[lambda study, trial: told.append(trial.number)],
        )
    assert len(caught) == 1
    states = [trial.state for trial in study.trials]
    other = TrialState.PRUNED if end is _prunes else TrialState.COMPLETE
    assert states == [other, TrialState.FAIL, other, other]
    assert told == [0, 2, 3]


def test_a_search_without_an_end_goes_on_until_it_is_stopped(url: str) -> None:
    study = _study(url)

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if trial.number == 3:
            study.stop()

    with pytest.warns(UserWarning, match="Trial 1 was failed"):
        optimize(study, _fails_elsewhere(url, _returns), callbacks=[stop])
    assert len(study.trials) == 4


def test_a_bug_ends_the_search_whether_its_trial_is_lost_or_not(url: str) -> None:
    def bug(trial: optuna.Trial) -> float:
        raise KeyError("a bug") if trial.number == 1 else optuna.TrialPruned

    for objective in (_fails_elsewhere(url, bug), bug):
        with pytest.raises(KeyError, match="a bug"):
            optimize(_new(url), objective, n_trials=3)


def _new(url: str) -> optuna.Study:
    storage = open_storage(url)
    if optuna.get_all_study_names(storage):
        optuna.delete_study(study_name="s", storage=storage)
    return _study(url)


class _Sampler(optuna.samplers.RandomSampler):
    def after_trial(self, *arguments: object) -> None:
        raise ValueError("a sampler's bug")


def test_a_samplers_bug_is_not_taken_for_a_lost_trial(url: str) -> None:
    study = _study(url)
    study.sampler = _Sampler()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="a sampler's bug"):
            optimize(study, _returns, n_trials=2)


def test_a_storage_that_fails_after_a_lost_trial_ends_the_search(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, asked = _study(url), []

    def ask() -> optuna.Trial:
        asked.append(1)
        if len(asked) > 2:
            raise ValueError("no trial")
        return optuna.Study.ask(study)

    monkeypatch.setattr(study, "ask", ask)
    with (
        pytest.warns(UserWarning, match="Trial 1 was failed"),
        pytest.raises(ValueError, match="no trial"),
    ):
        optimize(study, _fails_elsewhere(url, _returns), n_trials=4)
    assert len(asked) == 3


def test_a_failed_callback_is_raised(url: str) -> None:
    def fail(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        raise ValueError("a callback's bug")

    with pytest.raises(ValueError, match="a callback's bug"):
        optimize(_study(url), _returns, n_trials=2, callbacks=[fail])
