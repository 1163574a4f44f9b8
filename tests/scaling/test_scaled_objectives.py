"""Studies of sizes and of strategies on known models of accuracy."""

from __future__ import annotations

import optuna
import pytest
from known_networks import BASE, KNOWN, by_regime
from optuna.trial import TrialState

from optuna_nas.keys import INFEASIBLE_KEY, LATENCY_KEY, MACS_KEY
from optuna_nas.objectives import ScalingStudyObjective, StrategyObjective
from optuna_nas.profiling import LatencyMeter
from optuna_nas.scaling import GrowingRegularisation, ScalingGrid, analyse, read_results


def test_mistyped_option() -> None:
    with pytest.raises(TypeError, match=r"not \['max_mac'\]"):
        StrategyObjective(BASE, by_regime, epochs=1, max_mac=3, **KNOWN)


def test_scaling_study_names_the_dimension_of_each_regime() -> None:
    grid = ScalingGrid(widths=(0.5, 1.0), depths=(1, 2), resolutions=(8, 16), regimes=(1, 10))
    objective = ScalingStudyObjective(BASE, by_regime, grid=grid, repetitions=2, **KNOWN)
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
            BASE, by_regime, grid=ScalingGrid(**(defaults | grid)), **options, **KNOWN
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
        StrategyObjective(BASE, by_regime, epochs=1, factor=0.5, **KNOWN)
    with pytest.raises(ValueError, match="`strategies` must have names other than 'base'"):
        StrategyObjective(BASE, by_regime, epochs=1, strategies={}, **KNOWN)


def test_study_knows_what_it_is() -> None:
    objective = StrategyObjective(BASE, by_regime, epochs=1, **KNOWN)
    other = StrategyObjective(BASE, by_regime, epochs=2, **KNOWN)
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    with pytest.raises(ValueError, match="epochs was 1 and is now 2"):
        other.prepare(study)
    with pytest.raises(ValueError, match="does not maximise one value"):
        objective.prepare(optuna.create_study())
