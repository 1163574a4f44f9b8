"""Evaluators: trainings as values, carried out here, elsewhere or not at all."""

from __future__ import annotations

import dataclasses
import multiprocessing
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
import pytest
import torch
from darts_searches import DATA, SIZE, SPACE
from optuna.trial import FixedTrial, TrialState

import optuna_nas.objectives
from optuna_nas.keys import COPY_KEY, INFEASIBLE_KEY, PARTS_KEY, SECONDS_KEY, STUDY_KEY
from optuna_nas.objectives import (
    NetworkTraining,
    ScaledTraining,
    ScalingStudyObjective,
    TrainingJob,
    TrainingObjective,
    TrialError,
)
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.scaling import ResNet, ScalingGrid
from optuna_nas.training import EpochResult, History

CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")


def training(**options: Any) -> TrainingObjective:
    return TrainingObjective(
        SPACE, DATA, **{"epochs": 2, "build": SIZE, "device": "cpu"} | options
    )


def study(trials: int = 1, **options: Any) -> optuna.Study:
    made = optuna.create_study(
        direction="maximize", sampler=RandomSearchSampler(seed=0), **options
    )
    for _ in range(trials):
        CONV.enqueue(made)
    return made


def one_thread_there() -> None:
    torch.set_num_threads(1)


@dataclasses.dataclass
class Elsewhere:
    """Evaluator that has another process do what another evaluator does."""

    inner: Any
    identity = None

    @property
    def data(self) -> Any:
        return getattr(self.inner, "data", None)

    def __call__(self, job: TrainingJob, *, on_epoch: Any = None, checkpoint: Any = None) -> Any:
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawned, initializer=one_thread_there) as pool:
            return pool.submit(self.inner, job, checkpoint=checkpoint).result()


def history(job: TrainingJob, accuracies: list[float]) -> History:
    return History(
        tuple(
            EpochResult(
                epoch=epoch, train_loss=1.0, val_loss=1.0, val_metric=value, seconds=0.1, lr=0.1
            )
            for epoch, value in enumerate(accuracies, start=1)
        )
    )


def falling(job: TrainingJob, *, on_epoch: Any = None, checkpoint: Any = None) -> History:
    return history(job, [1 / epoch for epoch in range(1, job.epochs + 1)])


def test_in_another_process_the_results_are_the_same_to_the_last_bit(
    tmp_path: Path, one_thread: None
) -> None:
    found = []
    for evaluator in (NetworkTraining(), Elsewhere(NetworkTraining())):
        made = study()
        told: list[int] = []
        objective = training(
            evaluator=evaluator,
            checkpoints=tmp_path / type(evaluator).__name__,
            keep_checkpoints=1,
            on_epoch=lambda phase, result, told=told: told.append(result.epoch),
        )
        made.optimize(objective, n_trials=1)
        weights = objective.trained_network(made.trials[0]).state_dict()
        trial = made.trials[0]
        settings = made.user_attrs[STUDY_KEY]
        found.append((trial.value, trial.intermediate_values, told, settings, weights))
        assert trial.user_attrs[SECONDS_KEY] > 0
    (*here, weights), (*there, others) = found
    assert here == there
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_a_scaled_network_is_trained_in_another_process(one_thread: None) -> None:
    base = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar")
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8,), regimes=(1,))
    scaled = ScaledTraining(DATA)
    values = []
    for evaluator in (scaled, ScaledTraining(DATA, evaluator=Elsewhere(NetworkTraining()))):
        objective = ScalingStudyObjective(base, evaluator, grid=grid, device="cpu")
        made = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
        made.optimize(objective)
        values.append((made.trials[0].intermediate_values, made.user_attrs[STUDY_KEY]))
    assert values[0] == values[1]


def test_a_job_is_all_that_a_result_depends_on(one_thread: None) -> None:
    """A trial's value can be had again from its job, pickled, without the study."""
    jobs: list[TrainingJob] = []

    def noting(job: TrainingJob, **options: Any) -> History:
        jobs.append(job)
        return NetworkTraining()(job, **options)

    made = study()
    made.optimize(training(evaluator=noting), n_trials=1)
    (job,) = jobs
    again = NetworkTraining()(pickle.loads(pickle.dumps(job)))
    reports = made.trials[0].intermediate_values
    assert [epoch.val_metric for epoch in again.epochs] == list(reports.values())
    assert (job.network, job.epochs) == (CONV, 2)


def test_epochs_that_an_evaluator_keeps_to_itself_are_reported_and_pruned_at_the_end() -> None:
    pruner = optuna.pruners.ThresholdPruner(lower=0.4)
    made = study(pruner=pruner)
    made.optimize(training(evaluator=falling, epochs=4), n_trials=1)
    assert made.trials[0].state == TrialState.PRUNED
    assert made.trials[0].intermediate_values == {1: 1.0, 2: 0.5, 3: 1 / 3}
    made = study()
    made.optimize(training(evaluator=falling, epochs=4, score="best"), n_trials=1)
    assert made.trials[0].value == 1.0
    assert len(made.trials[0].intermediate_values) == 4


def test_epochs_that_were_told_are_not_reported_again() -> None:
    def telling(job: TrainingJob, *, on_epoch: Any, checkpoint: Any) -> History:
        whole = history(job, [0.25, 0.5, 0.75])
        on_epoch(whole.epochs[0])
        return whole

    told: list[int] = []
    objective = training(evaluator=telling, on_epoch=lambda _, result: told.append(result.epoch))
    assert objective(FixedTrial(CONV.params)) == 0.75
    assert told == [1, 2, 3]


def test_a_metric_alone_is_the_value_and_is_not_reported() -> None:
    made = study()
    made.optimize(training(evaluator=lambda job, **_: 0.625), n_trials=1)
    assert made.trials[0].value == 0.625
    assert not made.trials[0].intermediate_values


def test_an_evaluator_with_results_of_its_own_is_part_of_the_settings() -> None:
    made = study(2)
    made.optimize(training(evaluator=falling), n_trials=1)
    assert made.user_attrs[STUDY_KEY]["evaluator"] == f"{__name__}.falling"
    message = f"evaluator was '{__name__}.falling' and is now None"
    with pytest.raises(ValueError, match=message):
        training().prepare(made)
    made.optimize(training(evaluator=falling), n_trials=1)
    assert made.trials[1].user_attrs[COPY_KEY] == 0


def test_the_default_evaluator_and_one_that_equals_it_leave_the_settings_as_they_are() -> None:
    assert "evaluator" not in training().identity.to_json()
    same = training(evaluator=Elsewhere(NetworkTraining(channels_last=True)))
    assert same.identity == training().identity


def test_an_evaluator_out_of_memory_is_given_smaller_parts() -> None:
    parts: list[int] = []

    def roomy(job: TrainingJob, **_: Any) -> History:
        parts.append(job.accumulate)
        if job.accumulate < 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return history(job, [0.5, 0.5])

    made = study()
    made.optimize(training(evaluator=roomy), n_trials=1)
    assert parts == [1, 2, 4]
    assert made.trials[0].user_attrs[PARTS_KEY] == 4
    assert made.trials[0].value == 0.5


def test_failures_of_an_evaluator_are_attributed() -> None:
    def full(job: TrainingJob, **_: Any) -> History:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def broken(job: TrainingJob, **_: Any) -> History:
        raise OSError("no such machine")

    made = study(2)
    made.optimize(training(evaluator=full), n_trials=1)
    assert made.trials[0].state == TrialState.PRUNED
    assert "is impossible: out of memory" in made.trials[0].user_attrs[INFEASIBLE_KEY]
    with pytest.raises(TrialError, match=r"training .* failed: no such machine"):
        study().optimize(training(evaluator=broken), n_trials=1)


def test_a_job_without_data_cannot_be_trained_here() -> None:
    with pytest.raises(ValueError, match="`job` must have data to train on, but got data=None"):
        NetworkTraining()(TrainingJob(network=CONV, epochs=1, build=SIZE))


def test_only_networks_that_grow_can_be_trained_by_their_size() -> None:
    with pytest.raises(TypeError, match=r"`job.network` must be a ScalableNetwork, but got \|"):
        ScaledTraining(DATA)(TrainingJob(network=CONV, epochs=1))


def test_a_call_goes_down_through_the_files_and_comes_up_once(one_thread: None) -> None:
    """No hook calls back the file of its caller: a trial can be read from top to bottom."""
    here = Path(optuna_nas.objectives.__file__).parent
    back: set[tuple[str, ...]] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).parent in (here, here / "trial"):
            files = _files(frame, here)
            if len(set(files)) < len(files):
                back.add(tuple(files))

    objective = training(max_params=10**9)
    sys.setprofile(note)
    try:
        objective(FixedTrial(CONV.params))
    finally:
        sys.setprofile(None)
    assert not back


def _files(frame: FrameType | None, folder: Path) -> list[str]:
    """Files of the callers, the outermost first, neighbours together."""
    files: list[str] = []
    while frame is not None:
        name = frame.f_code.co_filename
        if frame.f_code.co_name == "on_epoch":  # called from far below after every epoch
            return []
        if name.startswith(str(folder)) and (not files or files[-1] != name):
            files.append(name)
        frame = frame.f_back
    return [Path(name).name for name in reversed(files)]


def test_the_test_above_sees_a_hook_that_calls_back() -> None:
    source = Path(optuna_nas.objectives.__file__).parent
    frames: list[FrameType] = []

    def chain(files: list[str]) -> Callable[[], None]:
        def end() -> None:
            frames.append(sys._getframe())

        call = end
        for file in reversed(files):
            space: dict[str, Any] = {"call": call}
            exec(compile("def now(): call()", str(source / file), "exec"), space)
            call = space["now"]
        return call

    chain(["_base.py", "_training.py", "_base.py"])()
    assert _files(frames[0], source) == ["_base.py", "_training.py", "_base.py"]
