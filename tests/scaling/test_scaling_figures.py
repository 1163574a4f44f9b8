"""What the figures of scaled networks show, and that they can be drawn."""

from __future__ import annotations

from collections import Counter

import optuna
import pytest
from plain_network import PlainNetwork

from optuna_nas.objectives import ScalingStudyObjective, StrategyObjective, TrainingJob
from optuna_nas.scaling import (
    Coefficients,
    ScalableNetwork,
    ScalingGrid,
    family_table,
    read_results,
    shares,
    strategy_table,
)
from optuna_nas.visualization import plot_compound, plot_scaling
from optuna_nas.visualization._scaling import _draw, _get_scaling_info, _ticks
from optuna_nas.visualization._scaling_compound import _get_compound_info

KNOWN = {"num_classes": 10, "in_channels": 1}
RULES = {"depth": Coefficients(2.0, 1.0, 1.0), "width": Coefficients(1.0, 2**0.5, 1.0)}


@pytest.fixture(scope="module")
def strategies() -> optuna.Study:
    trained: Counter[ScalableNetwork] = Counter()

    def evaluator(job: TrainingJob, **_: object) -> float:
        """A point better in each repetition."""
        trained[job.network] += 1
        return 0.49 + job.network.depth / 10 + trained[job.network] / 100

    objective = StrategyObjective(
        PlainNetwork(),
        evaluator,
        epochs=3,
        strategies=RULES,
        repetitions=2,
        latency=lambda model, size: float(len(list(model.modules()))),
        **KNOWN,
    )
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    return study


@pytest.fixture(scope="module")
def grid() -> optuna.Study:
    objective = ScalingStudyObjective(
        PlainNetwork(),
        lambda job, **_: 0.5 + job.network.depth / 100 + job.epochs / 100,
        grid=ScalingGrid(widths=(1,), depths=(1, 2), resolutions=(50, 100), regimes=(1, 2)),
        **KNOWN,
    )
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    return study


def test_strategies_have_a_colour_each_and_one_front(strategies: optuna.Study) -> None:
    info = _get_scaling_info((strategies,))
    assert [panel.metric for panel in info.panels] == ["macs", "latency_ms"]
    for panel in info.panels:
        assert [group.label for group in panel.groups] == ["base", "depth", "width"]
        assert all(len(group.cost) == 2 for group in panel.groups)
        (front,) = panel.fronts
        assert front.values == sorted(front.values)
        assert front.values[-1] == max(trial.value for trial in strategies.trials)


def test_regimes_have_a_colour_and_a_front_each(grid: optuna.Study) -> None:
    info = _get_scaling_info((grid,))
    (panel,) = info.panels  # latency was not measured
    assert [group.label for group in panel.groups] == ["1 epoch", "2 epochs"]
    assert [front.label for front in panel.fronts] == ["front, 1 epoch", "front, 2 epochs"]
    assert panel.fronts[1].values[0] == pytest.approx(0.53)
    with pytest.raises(ValueError, match="has no latency_ms"):
        plot_scaling(grid, metrics=("latency_ms",))


def test_figures_are_drawn(strategies: optuna.Study, grid: optuna.Study) -> None:
    figure = plot_scaling(strategies, grid, metrics=("macs", "params"))
    assert {trace.name for trace in figure.data} >= {"base, 3 epochs", "1 epoch"}
    assert figure.layout.xaxis.type == "log"
    assert "</html>" in figure.to_html(include_plotlyjs=False)


def test_names_are_no_markup(strategies: optuna.Study) -> None:
    """Rules and networks are called as their owners like."""
    info = _get_scaling_info((strategies,))._replace(title="<b>R&D")
    panel = info.panels[0]
    group = panel.groups[0]._replace(label="<i>rule")
    figure = _draw(info._replace(panels=[panel._replace(groups=[group])]))
    assert figure.layout.title.text == "&lt;b&gt;R&amp;D"
    assert figure.data[-1].name == "&lt;i&gt;rule"


@pytest.mark.parametrize(
    ("costs", "ticks"),
    [
        ([0.65, 2.1], [0.6, 0.8, 1, 1.2, 1.5, 2, 2.5]),
        ([250_000, 1_650_000], [3e5, 5e5, 7e5, 1e6, 1.5e6]),
        ([1e6, 9e7], [1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8]),
        ([1.0, 1.0], [1.0, 1.2]),
    ],
)
def test_axes_have_few_round_ticks(costs: list[float], ticks: list[float]) -> None:
    assert _ticks(costs) == pytest.approx(ticks)


def test_front_of_one_network_shows(strategies: optuna.Study) -> None:
    figure = plot_scaling(strategies)
    (front, _) = (trace for trace in figure.data if trace.name == "front, 3 epochs")
    assert "markers" in front.mode


def _compound(points: int) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )

    def objective(trial: optuna.Trial) -> float:
        alpha, beta, gamma = (
            trial.suggest_float(letter, 1.0, 1.4) for letter in ("alpha", "beta", "gamma")
        )
        depth, width, _ = shares(Coefficients(alpha, beta, gamma))
        return -((depth - 0.4) ** 2) - (width - 0.3) ** 2

    study.optimize(objective, n_trials=points)
    return study


@pytest.mark.filterwarnings("ignore:.*set_metric_names is experimental")
def test_compound_points_lie_where_their_shares_are() -> None:
    info = _get_compound_info(_compound(30))
    assert len(info.points) == 30
    assert all(sum(point.shares) == pytest.approx(1) for point in info.points)
    assert info.fitted is not None
    assert info.fitted.shares == pytest.approx((0.4, 0.3, 0.3), abs=0.02)
    figure = plot_compound(_compound(30))
    assert [trace.name for trace in figure.data] == ["trials", "fitted"]
    named = _compound(30)
    named.set_metric_names(["accuracy"])
    titles = [plot_compound(s).data[0].marker.colorbar.title.text for s in (_compound(30), named)]
    assert titles == ["value", "accuracy"]


def test_compound_without_a_fit_and_without_trials() -> None:
    assert _get_compound_info(_compound(3)).fitted is None
    assert len(plot_compound(_compound(3)).data) == 1
    with pytest.raises(ValueError, match="must have complete trials with alpha, beta, gamma"):
        plot_compound(optuna.create_study(direction="maximize"))


def test_tables(strategies: optuna.Study) -> None:
    lines = strategy_table(read_results(strategies)).splitlines()
    assert lines[0].split() == [
        "strategy", "accuracy", "sd", "n", "multiply-adds", "parameters", "latency", "ms",
    ]  # fmt: skip
    assert lines[1].startswith("depth")
    assert "70.50%  0.71%  2" in lines[1]
    base = PlainNetwork()
    (head, line) = family_table([("phi 0", base, base.profile(**KNOWN))]).splitlines()
    assert head.split() == ["width", "depth", "pixels", "parameters", "multiply-adds"]
    assert line.startswith("phi 0      1      1     100")


def test_rules_that_do_the_same_are_told() -> None:
    same = {"one": RULES["depth"], "two": RULES["depth"]}
    with pytest.warns(UserWarning, match=r"\['one', 'two'\] make one and the same network"):
        StrategyObjective(PlainNetwork(), lambda job, **_: 0.5, epochs=1, strategies=same, **KNOWN)
