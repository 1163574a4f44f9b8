"""An objective of one's own, written with what the package's face exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from darts_searches import DATA, SIZE, SPACE
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import FixedTrial, TrialState

from optuna_nas.keys import ACCURACY_KEY, COPY_KEY, DIGEST_KEY, INFEASIBLE_KEY, MACS_KEY, RUN_KEY
from optuna_nas.objectives import (
    MacsReward,
    Objective,
    ReusableRuns,
    StudyIdentity,
    TrialError,
    TrialRun,
    attributed_failures,
    run_key,
)
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import Architecture
from optuna_nas.training import EpochResult

CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")


class Sparsity(Objective[Architecture]):
    """Share of weights near zero: a loop of its own, reported, limited, reused and drawn."""

    def __init__(self, threshold: float, **options: Any) -> None:
        super().__init__(metric="sparsity", **options)
        self.threshold = threshold
        self.build = {**SIZE, "num_classes": 10, "in_channels": 1}
        self.costs = self.network_costs(self.build, DATA)
        self.runs = ReusableRuns(2, lambda values: values[-1], within=(0.0, 1.0))
        self.evaluated = 0

    @property
    def identity(self) -> StudyIdentity:
        told = {"objective": "sparsity", "threshold": self.threshold}
        return StudyIdentity.from_json({**SPACE.identity, **told})

    def suggest(self, run: TrialRun) -> Architecture:
        architecture = SPACE.suggest(run.trial)
        run.record(architecture)
        return architecture

    def reused(self, run: TrialRun, plan: Architecture) -> float | None:
        return self.runs.repeat(run, self._key(plan))

    def evaluate(self, run: TrialRun, plan: Architecture) -> float:
        run.admit(plan)
        run.trial.set_user_attr(RUN_KEY, self._key(plan))
        self.evaluated += 1
        report = run.reporter(last_epoch=2)
        factor = run.factor()
        with attributed_failures(run.trial, plan, DATA.input_size, "looking into"):
            torch.manual_seed(0)
            model = plan.build(**self.build)
            weights = torch.cat([p.detach().flatten() for p in model.parameters()])
            if self.threshold > 1e6:
                raise OSError("no such file")
        share = float((weights.abs() < self.threshold).float().mean())
        for epoch in (1, 2):
            run.tell(
                "evaluation",
                EpochResult(
                    epoch=epoch, train_loss=0, val_loss=0, val_metric=share, seconds=0, lr=0
                ),
            )
            if report is not None:
                report.report(factor * share, epoch)
        return share

    def format_metric(self, metric: float) -> str:
        return f"{metric:.3f}"

    def _key(self, architecture: Architecture) -> str:
        return run_key(digest=architecture.digest, threshold=self.threshold)


def study(*architectures: Architecture) -> optuna.Study:
    made = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
    for architecture in architectures:
        architecture.enqueue(made)
    return made


def test_it_is_reported_recorded_and_drawn(tmp_path: Path) -> None:
    made = study(CONV)
    told: list[str] = []
    objective = Sparsity(
        0.05,
        artifact_store=FileSystemArtifactStore(tmp_path),
        on_epoch=lambda phase, result: told.append(phase),
    )
    made.optimize(objective, n_trials=1)
    trial = made.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert list(trial.intermediate_values.values()) == [trial.value] * 2
    assert trial.user_attrs[DIGEST_KEY] == CONV.digest
    assert trial.user_attrs[MACS_KEY] > 0
    assert told == ["evaluation", "evaluation"]
    assert len(get_all_artifact_meta(trial, storage=made._storage)) == 1
    attributes = made._storage.get_study_system_attrs(made._study_id)
    (note,) = [value for key, value in attributes.items() if "note" in key and "ver" not in key]
    assert f"sparsity **{trial.value:.3f}**; " in note
    assert made.metric_names == ["sparsity"]


def test_its_limits_hold() -> None:
    made = study(CONV, SKIP)
    objective = Sparsity(0.05, max_params=7000)
    limit = objective.costs.count(CONV).params - 1
    objective = Sparsity(0.05, max_params=limit)
    made.optimize(objective, n_trials=2)
    assert [trial.state for trial in made.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
    assert f"against max_params={limit:,}" in made.trials[0].user_attrs[INFEASIBLE_KEY]
    assert objective.evaluated == 1


def test_an_equal_run_is_reused() -> None:
    made = study(CONV, CONV, SKIP)
    objective = Sparsity(0.05)
    made.optimize(objective, n_trials=3)
    assert objective.evaluated == 2
    assert made.trials[1].user_attrs[COPY_KEY] == 0
    assert made.trials[1].value == made.trials[0].value


def test_a_study_of_other_settings_is_refused() -> None:
    made = study(CONV)
    made.optimize(Sparsity(0.05), n_trials=1)
    with pytest.raises(ValueError, match="threshold was 0.05 and is now 0.1"):
        Sparsity(0.1).prepare(made)


def test_it_takes_a_reward_and_costs_as_its_value() -> None:
    made = study(CONV)
    objective = Sparsity(0.05, value=MacsReward(target_macs=1e5))
    made.optimize(objective, n_trials=1)
    trial = made.trials[0]
    factor = (trial.user_attrs[MACS_KEY] / 1e5) ** -0.07
    assert trial.value == pytest.approx(factor * trial.user_attrs[ACCURACY_KEY])
    assert trial.intermediate_values[2] == pytest.approx(trial.value)
    share, macs = Sparsity(0.05, value=("metric", "macs"))(FixedTrial(CONV.params))
    assert (share, macs) == (trial.user_attrs[ACCURACY_KEY], trial.user_attrs[MACS_KEY])


def test_what_goes_wrong_in_it_is_attributed() -> None:
    message = r"Trial 0: looking into \|.* on inputs of shape \(1, 8, 8\) failed: no such file"
    with pytest.raises(TrialError, match=message):
        Sparsity(1e7)(FixedTrial(CONV.params))


def test_what_an_objective_must_write_is_asked_for() -> None:
    class Nothing(Objective[Architecture]):
        pass

    with pytest.raises(TypeError, match="abstract.*evaluate.*identity.*suggest"):
        Nothing()  # type: ignore[abstract]
