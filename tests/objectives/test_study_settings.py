"""When a study gets its settings: with the first trial that finishes, of whatever process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from optuna_nas.keys import (
    CHECKPOINT_KEY,
    REFUSED_KEY,
    SETTINGS_KEY,
    STUDY_KEY,
)
from optuna_nas.objectives import Objective, StudyIdentity, TrialRun, read_identity
from optuna_nas.objectives.identity import recorded_identity, was_refused
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import Architecture, NASBench201Space
from optuna_nas.spaces.published import NASBENCH201_RESNET
from optuna_nas.stores import open_storage, optimize

SPACE = NASBench201Space()


class Settings(Objective[Architecture]):
    """An objective of some settings, whose trials end as a function says."""

    def __init__(self, mine: Any, end: Callable[[TrialRun], float] = lambda run: 0.5) -> None:
        super().__init__()
        self.mine = mine
        self._end = end

    @property
    def identity(self) -> StudyIdentity:
        return StudyIdentity.from_json({**SPACE.identity, "mine": self.mine})

    def suggest(self, run: TrialRun) -> Architecture:
        return SPACE.suggest(run.trial)

    def evaluate(self, run: TrialRun, plan: Architecture) -> float:
        return self._end(run)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(
        study_name="s",
        storage=open_storage(f"sqlite:///{tmp_path / 'nas.db'}"),
        direction="maximize",
        sampler=RandomSearchSampler(seed=0),
    )


def fail(run: TrialRun) -> float:
    raise OSError("a mistake")


def prune(run: TrialRun) -> float:
    raise optuna.TrialPruned


def states(study: optuna.Study) -> str:
    return " ".join(trial.state.name.lower() for trial in study.trials)


def test_keys_are_pinned() -> None:
    assert (SETTINGS_KEY, REFUSED_KEY) == ("optuna_nas:worker:settings", "optuna_nas:refused")


def test_a_mistake_does_not_take_the_name_of_a_study(study: optuna.Study) -> None:
    with pytest.raises(OSError, match="a mistake"):
        study.optimize(Settings(-1, fail), n_trials=1)
    assert read_identity(study) is None
    assert study.metric_names is None
    study.optimize(Settings(1), n_trials=1)
    assert recorded_identity(study) == Settings(1).identity
    assert study.metric_names == ["metric"]
    with pytest.raises(ValueError, match="mine was 1 and is now -1"):
        Settings(-1).prepare(study)


@pytest.mark.filterwarnings("ignore:.*set_metric_names is experimental")
def test_a_name_that_the_user_gave_the_value_stays(study: optuna.Study) -> None:
    study.set_metric_names(["my accuracy"])
    study.optimize(Settings(1), n_trials=1)
    assert study.metric_names == ["my accuracy"]


@pytest.mark.parametrize("end", [lambda run: 0.5, prune])
def test_the_first_trial_that_finishes_records_its_settings(
    study: optuna.Study, end: Callable[[TrialRun], float]
) -> None:
    seen: list[Any] = []

    def watched(run: TrialRun) -> float:
        seen.append((recorded_identity(study), read_identity(study)))
        return end(run)

    study.optimize(Settings(1, watched), n_trials=2)
    identity = Settings(1).identity
    assert seen == [(None, identity), (identity, identity)]
    first, second = study.trials
    assert first.user_attrs[SETTINGS_KEY] == {"identity": identity.to_json(), "finishes": True}
    assert SETTINGS_KEY not in second.user_attrs


def test_a_trial_whose_value_is_no_number_fails_and_records_nothing(study: optuna.Study) -> None:
    study.optimize(Settings(1, lambda run: float("nan")), n_trials=1)
    assert states(study) == "fail"
    assert read_identity(study) is None


def test_nothing_is_recorded_by_asking(study: optuna.Study) -> None:
    Settings(1).prepare(study)
    Settings(2).prepare(study)
    assert study.user_attrs == {}


def test_a_refusal_before_the_search_leaves_no_trial(study: optuna.Study) -> None:
    study.optimize(Settings(1), n_trials=1)
    with pytest.raises(ValueError, match="created with other settings: mine was 1 and is now 2"):
        optimize(study, Settings(2), n_trials=1)
    assert states(study) == "complete"


def test_a_refusal_within_a_search_is_marked_and_gives_back_what_waited(
    study: optuna.Study,
) -> None:
    study.optimize(Settings(1), n_trials=1)
    study.enqueue_trial(dict(NASBENCH201_RESNET.params), user_attrs={"why": "a guess"})
    with pytest.raises(ValueError, match="mine was 1 and is now 2"):
        study.optimize(Settings(2), n_trials=3)
    assert states(study) == "complete fail waiting"
    assert [was_refused(trial) for trial in study.trials] == [False, True, False]
    assert "mine was 1 and is now 2" in study.trials[1].user_attrs[REFUSED_KEY]
    assert not study.trials[1].params
    assert study.trials[2].user_attrs == {"why": "a guess"}  # no mark of the process that refused

    study.optimize(Settings(1), n_trials=1)
    assert states(study) == "complete fail complete"
    assert study.trials[2].params == NASBENCH201_RESNET.params
    assert study.trials[2].user_attrs["why"] == "a guess"
    with pytest.raises(ValueError, match="mine was 1"):  # nothing waited
        study.optimize(Settings(2), n_trials=1)
    assert states(study) == "complete fail complete fail"


def test_other_directions_are_refused_and_marked(study: optuna.Study) -> None:
    other = optuna.create_study(direction="minimize")
    with pytest.raises(ValueError, match="does not maximise one value"):
        other.optimize(Settings(1), n_trials=1)
    assert was_refused(other.trials[0])


def test_the_slower_of_two_workers_is_refused(study: optuna.Study) -> None:
    """They start at once, with different settings; while one trains, the other finishes."""

    def while_it_runs(run: TrialRun) -> float:
        Settings(1).prepare(study)  # nothing is binding yet
        again = optuna.load_study(study_name="s", storage=study._storage)
        again.optimize(Settings(1), n_trials=1)
        return 0.9

    with pytest.raises(ValueError, match="mine was 1 and is now 2"):
        study.optimize(Settings(2, while_it_runs), n_trials=5)
    assert states(study) == "fail complete"
    assert was_refused(study.trials[0])
    assert recorded_identity(study) == Settings(1).identity


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_of_two_that_finish_at_the_same_time_not_both_pass(study: optuna.Study) -> None:
    """The other has said that it finishes, but has not recorded its settings yet."""
    other = study.ask()
    mark = {"identity": Settings(1).identity.to_json(), "finishes": True}
    other.set_user_attr(SETTINGS_KEY, mark)
    with pytest.raises(ValueError, match="mine was 1 and is now 2"):
        study.optimize(Settings(2), n_trials=1)
    assert STUDY_KEY not in study.user_attrs
    other.set_user_attr(SETTINGS_KEY, mark | {"finishes": False})
    study.optimize(Settings(2), n_trials=1)  # one that only runs is no hindrance
    assert recorded_identity(study) == Settings(2).identity


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_search_that_was_killed_in_its_first_trial_has_its_settings(
    study: optuna.Study,
) -> None:
    dead = study.ask()
    Settings(1)._studies.begin(dead, Settings(1))
    assert recorded_identity(study) is None
    assert read_identity(study) == Settings(1).identity
    study.tell(dead, state=TrialState.FAIL)
    assert read_identity(study) is None
    retried = optuna.create_trial(state=TrialState.WAITING, user_attrs=study.trials[0].user_attrs)
    study.add_trial(retried)
    assert read_identity(study) == Settings(1).identity


@pytest.mark.parametrize(("mine", "same"), [(1, True), (2, False)])
def test_a_trial_of_other_settings_leaves_its_checkpoint(
    study: optuna.Study, mine: int, same: bool
) -> None:
    """What a killed search of other settings left is not gone on with."""
    checkpoint = "checkpoint-" + "0" * 32
    settings = {"identity": Settings(1).identity.to_json(), "finishes": False}
    attributes = {SETTINGS_KEY: settings, CHECKPOINT_KEY: checkpoint}
    study.add_trial(optuna.create_trial(state=TrialState.WAITING, user_attrs=attributes))
    study.optimize(Settings(mine), n_trials=1)
    assert (study.trials[0].user_attrs[CHECKPOINT_KEY] == checkpoint) == same
    assert recorded_identity(study) == Settings(mine).identity


RACE = """
import sys, optuna
from optuna_nas.stores import open_storage
sys.path.insert(0, {folder!r})
from test_study_settings import Settings

def wait(run):
    run.trial.set_user_attr("here", True)
    while sum("here" in trial.user_attrs for trial in run.study.get_trials()) < 2:
        pass
    return 0.5

study = optuna.load_study(study_name="s", storage=open_storage(sys.argv[1]))
try:
    study.optimize(Settings(int(sys.argv[2]), wait), n_trials=1)
    study.optimize(Settings(int(sys.argv[2])), n_trials=2)
except ValueError as e:
    print(e)
"""


def test_two_processes_of_different_settings_do_not_mix(
    study: optuna.Study, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    code = RACE.format(folder=str(Path(__file__).parent))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, f"{mine}"], stdout=subprocess.PIPE, text=True
        )
        for mine in (1, 2)
    ]
    told = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    kept = {
        trial.user_attrs[SETTINGS_KEY]["identity"]["mine"]
        for trial in study.trials
        if trial.state == TrialState.COMPLETE and SETTINGS_KEY in trial.user_attrs
    }
    assert len(kept) <= 1  # at most one of them passed; both may have seen the other
    refused = [text for text in told if "created with other settings: mine was" in text]
    assert len(refused) == 2 - len(kept)
    recorded = recorded_identity(study)
    assert ({recorded.more["mine"]} if recorded is not None else set()) == kept
