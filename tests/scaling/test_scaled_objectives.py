"""Objectives over the sizes of a network: on known models of accuracy, and on real digits."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState
from plain_network import PlainNetwork
from torch import nn

from optuna_nas import scaling
from optuna_nas.keys import INFEASIBLE_KEY, LATENCY_KEY, MACS_KEY
from optuna_nas.objectives import (
    CompoundScalingObjective,
    Evaluator,
    ScaledTraining,
    ScalingStudyObjective,
    StrategyObjective,
    TrainingJob,
    proxies,
)
from optuna_nas.objectives.scaling._picture import picture_of
from optuna_nas.profiling import LatencyMeter
from optuna_nas.scaling import (
    Coefficients,
    GrowingRegularisation,
    ResNet,
    ScalableNetwork,
    ScalingGrid,
    analyse,
    fit,
    read_results,
)
from optuna_nas.training import EpochResult, Recipe, load_data

BASE = PlainNetwork()
TINY = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=8)
KNOWN = {"num_classes": 10, "in_channels": 1}


def _known(optimum: tuple[float, float, float]) -> Evaluator:
    """An accuracy whose best shares of depth, width and resolution are those of ``optimum``."""
    best = scaling.shares(Coefficients(*optimum))

    def evaluator(job: TrainingJob, **_: Any) -> float:
        network = job.network
        assert isinstance(network, ScalableNetwork)
        logs = [
            math.log(network.depth / BASE.depth),
            2 * math.log(network.width / BASE.width),
            2 * math.log(network.resolution / BASE.resolution),
        ]
        shares = [part / sum(logs) for part in logs]
        gain = 0.05 * math.log(network.profile(**KNOWN).macs)
        return gain - sum((a - b) ** 2 for a, b in zip(shares, best, strict=True))

    return evaluator


@pytest.fixture(scope="module")
def compound() -> CompoundScalingObjective:
    return CompoundScalingObjective(
        BASE, _known((1.3, 1.1, 1.1)), epochs=1, tolerance=0.06, largest=1.6, step=0.1, **KNOWN
    )


def test_compound_search_recovers_known_coefficients(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(direction="maximize")
    points = compound.enqueue_grid(study)
    study.optimize(compound, n_trials=points)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    found = fit(study)
    for letter, true in (("alpha", 1.3), ("beta", 1.1), ("gamma", 1.1)):
        assert getattr(found.coefficients, letter) == pytest.approx(true, abs=compound.step)
    for result in read_results(study):
        ratio = result.macs / compound.base_macs
        assert ratio == pytest.approx(2.0, rel=compound.tolerance)


def test_compound_counts_and_does_not_assume(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"alpha": 1.6, "beta": 1.6, "gamma": 1.6})
    study.optimize(compound, n_trials=1)
    (trial,) = study.trials
    assert trial.state == TrialState.PRUNED
    assert "times the base network, not about 2 times" in trial.user_attrs[INFEASIBLE_KEY]
    assert trial.constraints["growth"] > 0
    assert compound.factors == [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]


def test_compound_takes_any_sampler(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(compound, n_trials=8)
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_macs": 1_000}, r"`max_macs` must be at least the [\d,]+ .* max_macs=1,000"),
        ({"target": 1.0}, "`target` must be above 1"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"num_classes": None}, "`num_classes` must be given with an evaluator of your own"),
        ({"min_proxy": {"naswot": 1.0}}, "`min_proxy` needs images, but got an evaluator of your"),
        ({"seed": -1.5}, "`seed` must be"),
    ],
)
def test_impossible_compound_requests(options: dict[str, object], match: str) -> None:
    defaults = {"epochs": 1, **KNOWN}
    with pytest.raises(ValueError, match=match):
        CompoundScalingObjective(BASE, _known((1.2, 1.1, 1.15)), **(defaults | options))


def test_mistyped_option() -> None:
    with pytest.raises(TypeError, match=r"not \['max_mac'\]"):
        StrategyObjective(BASE, _by_regime, epochs=1, max_mac=3, **KNOWN)


def test_grid_without_feasible_points() -> None:
    objective = CompoundScalingObjective(
        BASE, _known((1.2, 1.1, 1.15)), epochs=1, tolerance=1e-9, largest=1.1, step=0.1, **KNOWN
    )
    with pytest.raises(ValueError, match="`tolerance` must leave a point of the grid"):
        objective.grid()


def _by_regime(job: TrainingJob, **_: Any) -> float:
    """Width takes away more error in one epoch, depth in ten."""
    network = job.network
    assert isinstance(network, ScalableNetwork)
    width, depth = (0.3, 0.1) if job.epochs == 1 else (0.1, 0.5)
    return 1 - 0.5 * network.width ** (-2 * width) * network.depth**-depth / 10


def test_scaling_study_names_the_dimension_of_each_regime() -> None:
    grid = ScalingGrid(widths=(0.5, 1.0), depths=(1, 2), resolutions=(8, 16), regimes=(1, 10))
    objective = ScalingStudyObjective(BASE, _by_regime, grid=grid, repetitions=2, **KNOWN)
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    assert len(study.trials) == 32
    short, long = analyse(study).verdicts
    assert (short.epochs, short.best) == (1, "width")
    assert (long.epochs, long.best) == (10, "depth")


def test_scaling_study_measures_and_limits_before_training() -> None:
    grid = ScalingGrid(widths=(0.125, 1.0), depths=(1,), resolutions=(8,), regimes=(1,))
    limit = BASE.at(width=0.5, resolution=8).profile(**KNOWN).macs
    objective = ScalingStudyObjective(
        BASE,
        lambda job, **_: 0.5,
        grid=grid,
        max_macs=limit,
        latency=LatencyMeter(device="cpu"),
        **KNOWN,
    )
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    states = {trial.params["width"]: trial.state for trial in study.trials}
    assert states == {0.125: TrialState.COMPLETE, 1.0: TrialState.PRUNED}
    (result,) = read_results(study)
    assert result.latency_ms is not None
    assert result.latency_ms > 0
    assert {LATENCY_KEY, MACS_KEY} <= study.trials[result.trial].user_attrs.keys()


def test_latency_limit_prunes() -> None:
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8,), regimes=(1,))
    objective = ScalingStudyObjective(
        BASE,
        lambda job, **_: 0.5,
        grid=grid,
        max_latency_ms=3.0,
        latency=lambda model, size: 4.0,
        **KNOWN,
    )
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    assert "4 ms of latency against max_latency_ms=3" in study.trials[0].user_attrs[INFEASIBLE_KEY]


@pytest.mark.parametrize(
    ("grid", "options", "match"),
    [
        ({"resolutions": (4, 8)}, {}, "at least 8 pixels, the stride of PlainNetwork"),
        ({}, {"repetitions": 0}, "`repetitions` must be at least 1"),
        ({}, {"max_macs": 10}, "of the smallest network of the grid, but got max_macs=10"),
    ],
)
def test_impossible_studies(
    grid: dict[str, tuple[int, ...]], options: dict[str, int], match: str
) -> None:
    defaults = {"widths": (0.5,), "depths": (1,), "resolutions": (8,), "regimes": (1,)}
    with pytest.raises(ValueError, match=match):
        ScalingStudyObjective(
            BASE, _by_regime, grid=ScalingGrid(**(defaults | grid)), **options, **KNOWN
        )


def test_regularisation_spans_the_grid() -> None:
    grid = ScalingGrid(widths=(0.25, 0.125), depths=(1, 2), resolutions=(8,), regimes=(1,))
    growing = GrowingRegularisation.over(BASE, grid, dropout=(0.0, 0.5), **KNOWN)
    assert growing.smallest == BASE.at(width=0.125, resolution=8).profile(**KNOWN).macs
    assert growing.largest == BASE.at(width=0.25, depth=2, resolution=8).profile(**KNOWN).macs


def test_strategies_keep_one_budget() -> None:
    objective = StrategyObjective(BASE, lambda job, **_: 0.5, epochs=1, repetitions=2, **KNOWN)
    assert list(objective.networks) == ["base", "depth", "width", "resolution", "compound",
                                        "resnet_rs"]  # fmt: skip
    base = objective.count(BASE).macs
    ratios = {name: objective.count(n).macs / base for name, n in objective.networks.items()}
    assert ratios.pop("base") == 1
    assert all(1.7 < ratio < 2.5 for ratio in ratios.values()), ratios
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    assert len(study.trials) == 12
    assert {result.rule for result in read_results(study)} == set(objective.networks)


def test_impossible_strategies() -> None:
    with pytest.raises(ValueError, match="`macs` must be at least .* of the base network"):
        StrategyObjective(BASE, _by_regime, epochs=1, factor=0.5, **KNOWN)
    with pytest.raises(ValueError, match="`strategies` must have names other than 'base'"):
        StrategyObjective(BASE, _by_regime, epochs=1, strategies={}, **KNOWN)


def test_study_knows_what_it_is() -> None:
    objective = StrategyObjective(BASE, _by_regime, epochs=1, **KNOWN)
    other = StrategyObjective(BASE, _by_regime, epochs=2, **KNOWN)
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    with pytest.raises(ValueError, match="epochs was 1 and is now 2"):
        other.prepare(study)
    with pytest.raises(ValueError, match="does not maximise one value"):
        objective.prepare(optuna.create_study())


def test_networks_are_trained_for_real_and_pruned() -> None:
    training = ScaledTraining(
        load_data("digits", train_size=600, val_size=128), recipe=Recipe(batch_size=32)
    )
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8, 12), regimes=(2,))
    objective = ScalingStudyObjective(TINY, training, grid=grid, device="cpu")
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    assert all(0.3 < trial.value <= 1 for trial in study.trials)
    assert all(sorted(trial.intermediate_values) == [1, 2] for trial in study.trials)
    pruned = optuna.create_study(
        direction="maximize",
        sampler=objective.sampler(seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=1.1),
    )
    pruned.optimize(objective)
    assert {trial.state for trial in pruned.trials} == {TrialState.PRUNED}
    pruned.add_trial(study.trials[0])
    assert "2 runs were pruned in training" in analyse(pruned).caveats[-1]


def test_what_a_network_is_trained_with() -> None:
    data = load_data("digits", train_size=64, val_size=64)
    training = ScaledTraining(
        data,
        recipe=Recipe(drop_path=0.5, lr=0.05),
        regularisation=GrowingRegularisation(smallest=1, largest=2, drop_path=(0.0, 0.3)),
    )
    grown = training.regularised(TINY)
    assert (grown.dropout, grown.drop_path) == (0.4, 0.3)
    recipe = training.recipe_of(grown)
    assert (recipe.drop_path, recipe.drop_path_schedule, recipe.lr) == (0.3, "constant", 0.05)
    assert ScaledTraining(data).recipe_of(TINY) == Recipe()


def test_resolution_changes_between_training_and_validation() -> None:
    seen: list[tuple[bool, int]] = []

    class Watched(ResNet):
        def _build(self, num_classes: int, in_channels: int) -> nn.Module:
            model = super()._build(num_classes, in_channels)
            model.register_forward_pre_hook(
                lambda module, inputs: seen.append((module.training, inputs[0].shape[-1]))
            )
            return model

    training = ScaledTraining(
        load_data("digits", train_size=64, val_size=64),
        train_resolution=0.75,
        start=0.5,
        stages=2,
    )
    network = Watched(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=32)
    training(TrainingJob(network=network, epochs=2, device="cpu"))
    assert [size for trains, size in seen if trains] == [12, 24]
    assert {size for trains, size in seen if not trains} == {32}
    with pytest.raises(ValueError, match=r"`start` must lie in \(0, 1\]"):
        ScaledTraining("digits", start=0.0)


def one_size(evaluator: Any = None, **options: Any) -> ScalingStudyObjective:
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(12,), regimes=(2,))
    data = load_data("digits", train_size=64, val_size=64)
    base = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar")
    return ScalingStudyObjective(
        base, ScaledTraining(data) if evaluator is None else evaluator, grid=grid,
        **{"device": "cpu"} | options,
    )  # fmt: skip


def run(objective: ScalingStudyObjective) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    return study


def test_a_trial_has_a_picture_and_a_note_of_its_network(tmp_path: Path) -> None:
    study = run(one_size(artifact_store=FileSystemArtifactStore(tmp_path)))
    (artifact,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert "stages 1" in (tmp_path / artifact.artifact_id).read_text()
    attributes = study._storage.get_study_system_attrs(study._study_id)
    (note,) = [value for key, value in attributes.items() if "note" in key and "ver" not in key]
    assert "ResNet (width 0.125, depth 1, 12 px)" in note
    assert re.search(r"validation accuracy \*\*\d+\.\d\d%\*\*; [\d,]+ parameters", note)


def test_a_trial_that_died_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    def end(phase: str, result: EpochResult) -> None:
        if result.epoch == 1:
            raise KeyboardInterrupt

    whole = run(one_size()).trials[0]
    objective = one_size(checkpoints=tmp_path, on_epoch=end)
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective)
    assert len(list(tmp_path.iterdir())) == 1
    told: list[tuple[str, bool]] = []
    again = one_size(
        checkpoints=tmp_path, on_epoch=lambda *of: told.append((of[0], of[1].restored))
    )
    attributes = study.trials[0].user_attrs
    study.add_trial(optuna.create_trial(
        state=TrialState.WAITING, user_attrs=attributes,
        system_attrs={"fixed_params": study.trials[0].params, "failed_trial": 0},
    ))  # fmt: skip
    study.optimize(again, n_trials=1)
    assert study.trials[1].intermediate_values == whole.intermediate_values
    assert told == [("training", True), ("training", False)]


def test_the_latency_of_equal_networks_is_measured_once(tmp_path: Path) -> None:
    measured: list[tuple[int, ...]] = []

    def meter(model: nn.Module, size: tuple[int, ...]) -> float:
        measured.append(size)
        return 4.0

    objective = one_size(lambda job, **_: 0.5, latency=meter, repetitions=3, **KNOWN)
    study = run(objective)
    assert measured == [(1, 12, 12)]
    assert [trial.user_attrs[LATENCY_KEY] for trial in study.trials] == [4.0] * 3
    run_again = one_size(lambda job, **_: 0.5, latency=meter, repetitions=3, **KNOWN)
    run_again(study.ask())
    assert len(measured) == 1  # another process reads it from the study


def test_a_limit_on_latency_needs_no_meter() -> None:
    study = run(one_size(lambda job, **_: 0.5, max_latency_ms=1e-6, **KNOWN))
    assert (
        "ms of latency against max_latency_ms=1e-06" in study.trials[0].user_attrs[INFEASIBLE_KEY]
    )
    kept = run(one_size(lambda job, **_: 0.5, max_latency_ms=1e9, **KNOWN))
    assert read_results(kept)[0].latency_ms == kept.trials[0].user_attrs[LATENCY_KEY]


def test_a_limit_on_a_proxy_is_computed_at_the_resolution() -> None:
    study = run(one_size(min_proxy={"synflow": 1e300}))
    assert study.trials[0].state == TrialState.PRUNED
    score = study.trials[0].user_attrs["optuna_nas:proxy:synflow"]
    network = one_size().base.at(width=0.125, depth=1, resolution=12)
    torch.manual_seed(0)
    model = network.build(**KNOWN)
    images = torch.ones(2, 1, 12, 12)
    assert score == pytest.approx(proxies.synflow(model, images, torch.zeros(2)), rel=1e-6)


def test_a_picture_shows_the_stages_of_any_network() -> None:
    graph = picture_of(TINY, KNOWN)
    labels = [node.label for node in graph.nodes]
    assert labels[0] == "1 x 8 x 8"
    assert labels[2].startswith("stages 1: ")
    assert labels[-1] == "10 classes"
    total = TINY.profile(**KNOWN).params
    drawn = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters", " ".join(labels))]
    assert sum(drawn) == total
    assert picture_of(BASE.at(depth=30), KNOWN).title.startswith("PlainNetwork")


class Many(PlainNetwork):
    def _build(self, num_classes: int, in_channels: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(30)))


def test_a_picture_of_many_parts_stays_small() -> None:
    labels = [node.label for node in picture_of(Many(), KNOWN).nodes]
    assert len(labels) == 14
    assert labels[-2] == "19 more parts\n76 parameters"
