"""Reading what is new in a study: the same in memory, where trials are looked up, as elsewhere."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas._ground.optuna_seam import read_afresh
from optuna_nas._ground.trials import TrialReader


@pytest.fixture(params=["memory", "sqlite"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    other = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=other).ask()  # numbers and ids of the next study differ
    storage = other if request.param == "memory" else f"sqlite:///{tmp_path}/s.db"
    return optuna.create_study(storage=storage)


def _news(reader: TrialReader, study: optuna.Study) -> list[tuple[int, TrialState]]:
    read_afresh(study)
    return [(trial.number, trial.state) for trial in reader.news(study)]


def test_a_trial_is_news_until_it_has_finished(study: optuna.Study) -> None:
    running, complete, failed = TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL
    reader = TrialReader()
    assert _news(reader, study) == []
    trials = [study.ask() for _ in range(3)]
    assert _news(reader, study) == [(0, running), (1, running), (2, running)]
    study.tell(trials[1], 1.0)
    assert _news(reader, study) == [(0, running), (1, complete), (2, running)]
    study.tell(trials[0], state=failed)
    study.enqueue_trial({"a": 1})
    assert _news(reader, study) == [(0, failed), (2, running), (3, TrialState.WAITING)]
    study.ask()
    assert _news(reader, study) == [(2, running), (3, running)]


def test_a_second_reader_begins_anew(study: optuna.Study) -> None:
    study.optimize(lambda trial: 0.0, n_trials=5)
    readers = TrialReader(), TrialReader()
    first, second = (_news(reader, study) for reader in readers)
    assert first == second == [(number, TrialState.COMPLETE) for number in range(5)]
    assert _news(readers[0], study) == []


def test_a_reader_that_was_cut_off_goes_on_where_it_was(study: optuna.Study) -> None:
    study.optimize(lambda trial: 0.0, n_trials=5)
    reader = TrialReader()
    news = reader.news(study)
    assert [next(news).number for _ in range(2)] == [0, 1]
    assert [number for number, _ in _news(reader, study)] == [2, 3, 4]
