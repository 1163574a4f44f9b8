"""A training loop of one's own as an objective: the life of its trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import FixedTrial, TrialState
from own_loops import CALLS, forecaster, scored, study_of, trained, tuned, width_of

from optuna_nas.keys import (
    ACCURACY_KEY,
    ARCHITECTURE_KEY,
    COPY_KEY,
    DIGEST_KEY,
    INFEASIBLE_KEY,
    LATENCY_KEY,
    MACS_KEY,
    PARAMS_KEY,
    SECONDS_KEY,
)
from optuna_nas.objectives import (
    MacsReward,
    TrainingFunction,
    TrialError,
    objective_from_study,
    training_function,
)


def own(function: Any, **settings: Any) -> TrainingFunction:
    given = {"space": forecaster, "metric": "score", "direction": "maximize", **settings}
    return training_function(**given)(function)


def test_a_trial_is_recorded_and_its_last_report_counts(tmp_path: Path) -> None:
    store = FileSystemArtifactStore(tmp_path)
    study = study_of(trained.with_options(artifact_store=store), 8)
    (trial,) = study.trials
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert trial.value == trial.intermediate_values[3] < trial.intermediate_values[1]
    assert json.loads(trial.user_attrs[ARCHITECTURE_KEY])["params"] == {"width": 8}
    assert trial.user_attrs[DIGEST_KEY] == forecaster.architecture({"width": 8}).digest
    assert trial.user_attrs[PARAMS_KEY] == 24 * 8 + 8 + 8 + 1
    assert trial.user_attrs[MACS_KEY] == 24 * 8 + 8
    assert 0 < trial.user_attrs[SECONDS_KEY] < 60
    assert study.metric_names == ["MAE"]
    assert len(get_all_artifact_meta(trial, storage=study._storage)) == 1
    attributes = study._storage.get_study_system_attrs(study._study_id)
    (note,) = [value for key, value in attributes.items() if "note" in key and "ver" not in key]
    assert f"MAE **{trial.value:.4g}**; 209 parameters, 200 multiply-adds" in note


def test_a_network_over_a_limit_is_not_trained() -> None:
    study = study_of(trained, 16, 8)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
    assert "417 parameters against max_params=300" in study.trials[0].user_attrs[INFEASIBLE_KEY]
    assert CALLS == [(1, 8)]


def test_the_pruner_stops_a_trial() -> None:
    stopped: list[int] = []

    def falling(model: Any, trial: Any, report: Any) -> None:
        for epoch in (1, 2, 3):
            report(width_of(model), epoch)
        stopped.append(trial.number)

    study = study_of(own(falling), 16, 4, pruner=optuna.pruners.MedianPruner(1, 0))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert list(study.trials[1].intermediate_values) == [1]
    assert stopped == [0]


def test_an_equal_run_is_reused_with_its_reports() -> None:
    study = study_of(trained, 8, 8, 4)
    assert CALLS == [(0, 8), (2, 4)]
    assert study.trials[1].user_attrs[COPY_KEY] == 0
    assert study.trials[1].value == study.trials[0].value
    assert study.trials[1].intermediate_values == study.trials[0].intermediate_values
    study_of(trained.with_options(reuse=False), 8, 8)
    assert CALLS == [(0, 8), (1, 8)]


def test_a_returned_metric_is_reused_without_reports() -> None:
    study = study_of(scored, 8, 8)
    assert CALLS == [(0, 8)]
    assert [trial.value for trial in study.trials] == [8.0, 8.0]


def test_what_the_function_samples_for_itself_is_part_of_the_run() -> None:
    study = study_of(tuned, 8, 8)
    assert CALLS == [(0, 8), (1, 8)]
    first, second = study.trials
    assert first.params["lr"] != second.params["lr"]
    assert COPY_KEY not in second.user_attrs


@pytest.mark.parametrize("how", ["returned", "reported"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_the_networks_fault(how: str, value: float) -> None:
    def lost(model: Any, trial: Any, report: Any) -> float:
        if width_of(model) == 4:
            return 1.0
        if how == "reported":
            report(value, 2)
        return value

    study = study_of(own(lost), 8, 4)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
    where = " in epoch 2" if how == "reported" else ""
    why = study.trials[0].user_attrs[INFEASIBLE_KEY]
    assert f"is impossible: the score must be finite, but is {value}{where}." in why
    assert study.trials[0].constraints == {"optuna_nas:failure": 1.0}
    assert study.trials[0].intermediate_values == {}


def test_a_bug_is_raised_with_what_was_done() -> None:
    def broken(model: Any, trial: Any, report: Any) -> float:
        raise KeyError("weights")

    message = r"Trial 0: training \{\"width\": 4\} on inputs of .*24.* failed: 'weights'"
    with pytest.raises(TrialError, match=message) as caught:
        own(broken, inputs=(24,))(FixedTrial({"width": 4}))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(TrialError, match=r"training \{\"width\": 4\} failed: 'weights'"):
        own(broken)(FixedTrial({"width": 4}))


def test_a_trial_that_the_function_prunes_is_pruned() -> None:
    def stops(model: Any, trial: Any, report: Any) -> float:
        raise optuna.TrialPruned("by a rule of its own")

    (trial,) = study_of(own(stops), 4).trials
    assert trial.state == TrialState.PRUNED
    assert INFEASIBLE_KEY not in trial.user_attrs


def test_weights_and_training_are_seeded_by_seed_and_trial() -> None:
    def drawn(model: Any, trial: Any, report: Any) -> float:
        return float(model[0].weight.detach().sum()) + float(torch.rand(()))

    torch.manual_seed(0)
    state = torch.get_rng_state()
    objective = own(drawn, reuse=False)
    first, second = (study_of(objective, 8, 8) for _ in range(2))
    values = [trial.value for trial in first.trials]
    assert values == [trial.value for trial in second.trials]
    assert values[0] != values[1]
    assert study_of(objective.with_options(seed=1), 8).best_value != values[0]
    assert torch.equal(torch.get_rng_state(), state)


def test_reports_are_multiplied_as_the_value_is() -> None:
    def reported(model: Any, trial: Any, report: Any) -> None:
        report(0.5)

    objective = own(reported, inputs=(24,), value=MacsReward(target_macs=100))
    (trial,) = study_of(objective, 8).trials
    factor = (200 / 100) ** -0.07
    assert trial.value == pytest.approx(0.5 * factor)
    assert trial.intermediate_values[1] == pytest.approx(trial.value)
    assert trial.user_attrs[ACCURACY_KEY] == 0.5


def test_several_objectives_take_no_reports() -> None:
    objective = trained.with_options(value=("metric", "params"))
    study = study_of(objective, 4)
    assert objective.directions == ["minimize", "minimize"]
    assert study.trials[0].values[1] == 105
    assert study.trials[0].intermediate_values == {}


def test_latency_is_measured_on_the_inputs() -> None:
    seen: list[Any] = []

    def meter(model: Any, inputs: Any) -> float:
        seen.append(inputs)
        return 5.0

    study = study_of(trained.with_options(latency=meter, max_latency_ms=4.0), 4)
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].user_attrs[LATENCY_KEY] == 5.0
    assert seen == [(24,)]


def test_a_study_goes_on_only_with_the_same_function_and_settings() -> None:
    study = study_of(trained, 8)

    def other(model: Any, trial: Any, report: Any) -> float:
        return 0.0

    trained.with_options(max_params=None, reuse=False).prepare(study)
    with pytest.raises(ValueError, match=r"training_function was 'trained' and is now .*other"):
        own(other, inputs=(24,), metric="MAE", direction="minimize").prepare(study)
    with pytest.raises(ValueError, match="inputs was '24' and is now '1x24'"):
        trained.with_options(inputs=(1, 24)).prepare(study)
    with pytest.raises(ValueError, match="task.metric was 'MAE' and is now 'RMSE'"):
        trained.with_options(metric="RMSE").prepare(study)
    with pytest.raises(ValueError, match="training function of your own .'trained'., which is"):
        objective_from_study(study)
