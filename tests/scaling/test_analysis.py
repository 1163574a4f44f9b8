"""What a scaling study concludes, on accuracy models whose truth is known."""

from __future__ import annotations

import math

import optuna
import pytest

from optuna_nas.scaling import (
    RESNET_RS_GRID,
    ExtrapolationWarning,
    GrowingRegularisation,
    ResNet,
    ScalingAnalysis,
    ScalingGrid,
    ScalingResult,
    analyse,
    pareto_front,
    power_law,
    randaugment_magnitude,
)


def _result(
    *,
    width: float = 1.0,
    depth: float = 1.0,
    resolution: int = 32,
    epochs: int = 10,
    **more: float,
) -> ScalingResult:
    """Costs as the paper takes them; by default a power law holds."""
    macs = round(1e6 * depth * width**2 * (resolution / 32) ** 2)
    facts = {"accuracy": 1 - 0.3 * (macs / 1e6) ** -0.1, "params": 100, "trial": 0, **more}
    return ScalingResult(
        network="n", width=width, depth=depth, resolution=resolution, epochs=epochs,
        **{"macs": macs, **facts},
    )  # fmt: skip


def _regime_change(grid: ScalingGrid) -> ScalingAnalysis:
    """Width pays in short training and depth in long, whatever resolution does."""
    results = []
    for epochs in grid.regimes:
        per = {"width": 0.2, "depth": 0.05} if epochs <= 10 else {"width": 0.05, "depth": 0.2}
        for width, depth, resolution in grid:
            log_error = math.log(0.3) - per["width"] * 2 * math.log(width)
            log_error -= per["depth"] * math.log(depth) + 0.1 * 2 * math.log(resolution / 32)
            results.append(
                _result(
                    width=width,
                    depth=depth,
                    resolution=resolution,
                    epochs=epochs,
                    accuracy=1 - math.exp(log_error),
                )
            )
    return ScalingAnalysis(tuple(results))


GRID = ScalingGrid(widths=(1, 1.5, 2), depths=(1, 2, 4), resolutions=(32, 48), regimes=(10, 350))


def test_the_papers_grid_has_175_points() -> None:
    assert len(RESNET_RS_GRID) == len(list(RESNET_RS_GRID)) == 175


def test_regime_change_is_named() -> None:
    short, long = _regime_change(GRID).verdicts
    assert (short.best, long.best) == ("width", "depth")
    assert short.clear
    assert long.clear
    slopes = {payoff.dimension: payoff.slope for payoff in long.payoffs}
    assert slopes == pytest.approx({"depth": 0.2, "width": 0.05, "resolution": 0.1}, abs=1e-6)


def test_verdict_counts_neighbours_and_is_modest_where_they_disagree() -> None:
    results = [
        _result(depth=1, accuracy=0.5),
        _result(depth=2, accuracy=0.7),
        _result(depth=4, accuracy=0.6),
        _result(width=2, accuracy=0.55),
    ]
    found = ScalingAnalysis(tuple(results)).verdict()
    pairs = {payoff.dimension: payoff.pairs for payoff in found.payoffs}
    assert pairs == {"depth": 2, "width": 1}
    assert not found.clear
    assert "not clearly" in str(found)


def test_other_seeds_of_a_size_are_averaged() -> None:
    results = [_result(accuracy=0.5), _result(accuracy=0.7), _result(depth=2, accuracy=0.7)]
    (payoff,) = ScalingAnalysis(tuple(results)).verdict().payoffs
    assert payoff.slope == pytest.approx(math.log(0.4 / 0.3) / math.log(2))


def test_networks_without_neighbours_say_nothing() -> None:
    results = (_result(), _result(width=2, depth=2))
    with pytest.raises(ValueError, match="differ in one dimension only"):
        ScalingAnalysis(results).verdict()


def test_conclusions_beyond_the_study_warn() -> None:
    study = _regime_change(
        ScalingGrid(widths=(1, 2), depths=(1, 2), resolutions=(32,), regimes=(10,))
    )
    assert study.verdict(epochs=20).best == "width"
    with pytest.warns(ExtrapolationWarning, match="trained for 10 to 10 epochs, and 350 are"):
        assert study.verdict(epochs=350).best == "width"
    with pytest.warns(ExtrapolationWarning, match="8,000,000 multiply-adds, and 1,000,000,000"):
        study.verdict(macs=1_000_000_000)


def test_caveats() -> None:
    found = "\n".join(_regime_change(GRID).caveats)
    assert "grow from one base, n" in found
    assert "Latency was not measured" in found
    assert "one regime" not in found
    printed = str(_regime_change(GRID))
    assert "width pays best per macs" in printed
    assert "error = " in printed


def test_power_law_is_recovered_and_its_failure_shows() -> None:
    depths = [2.0**i for i in range(10)]
    law = power_law([_result(depth=depth) for depth in depths])
    assert law.b == pytest.approx(0.1)
    assert law.error(1e6) == pytest.approx(0.3)
    assert law.residual_large == pytest.approx(0.0, abs=1e-9)
    stalled = [_result(depth=d, accuracy=1 - 0.3 * min(d, 16) ** -0.1) for d in depths]
    law = power_law(stalled)
    assert law.b == pytest.approx(0.1)
    assert law.residual_small == pytest.approx(0.0, abs=1e-9)
    off = [0.1 * math.log(d / 16) for d in depths[5:]]
    assert law.residual_large == pytest.approx(math.sqrt(sum(x * x for x in off) / 5))
    assert (law.n_small, law.n_large) == (5, 5)
    assert "5 more expensive ones" in str(law)
    with pytest.raises(ValueError, match="at least 6 of different cost, but got 3"):
        power_law([_result(depth=depth) for depth in depths[:3]])


def test_pareto_front() -> None:
    def timed(accuracy: float, latency_ms: float, trial: int) -> ScalingResult:
        return _result(accuracy=accuracy, latency_ms=latency_ms, trial=trial)

    results = [timed(0.752, 78, 0), timed(0.740, 183, 1), timed(0.72, 100, 2), timed(0.7, 70, 3)]
    results += [timed(0.6, 70, 4), timed(0.9, 300, 5)]
    assert [result.trial for result in pareto_front(results, "latency_ms")] == [3, 0, 5]
    with pytest.raises(ValueError, match="has no latency_ms"):
        pareto_front([_result()], "latency_ms")
    with pytest.raises(ValueError, match="`metric` must be one of"):
        pareto_front([_result()], "watts")


def test_unknown_regime() -> None:
    with pytest.raises(ValueError, match=r"regimes \(10, 350\), but got epochs=11"):
        _regime_change(GRID).pareto(epochs=11)


def test_study_without_scaled_networks() -> None:
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="must have complete trials of scaled networks"):
        analyse(study)
    with pytest.raises(ValueError, match="must maximise"):
        analyse(optuna.create_study())


def test_regularisation_grows_with_the_logarithm() -> None:
    growing = GrowingRegularisation(smallest=100, largest=10_000, dropout=(0.1, 0.5))
    network = ResNet()
    rates = [growing.applied(network, macs).dropout for macs in (10, 100, 1_000, 10_000, 10**6)]
    assert rates == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])
    assert growing.applied(network, 1_000).drop_path == pytest.approx(0.1)
    with pytest.raises(ValueError, match="`smallest` must be above 0 and below"):
        GrowingRegularisation(smallest=10, largest=10)
    with pytest.raises(ValueError, match="`dropout` must be two rates"):
        GrowingRegularisation(smallest=1, largest=10, dropout=(0.1, 1.0))


def test_strength_of_randaugment() -> None:
    sizes = (160, 224, 260, 320, 380)
    assert [randaugment_magnitude(size) for size in sizes] == [10, 10, 15, 15, 20]


def test_grids_are_checked() -> None:
    with pytest.raises(ValueError, match="`widths` must be different numbers above 0"):
        ScalingGrid(widths=(), depths=(1,), resolutions=(32,), regimes=(1,))
    with pytest.raises(ValueError, match="`depths` must be different"):
        ScalingGrid(widths=(1,), depths=(1, 1), resolutions=(32,), regimes=(1,))
