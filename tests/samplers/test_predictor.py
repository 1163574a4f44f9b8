"""What the predictor is: the greatest expected improvement next, from finished trials alone."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sampler_examples import architecture
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor

from optuna_nas.samplers import PredictorSampler, RandomSearchSampler
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.samplers.predictor import _surrogate as surrogate
from optuna_nas.samplers.predictor._acquisition import log_expected_improvement
from optuna_nas.samplers.predictor._evidence import Archive
from optuna_nas.samplers.predictor._gaussian_process import GaussianProcess, Kernel
from optuna_nas.samplers.predictor._surrogate import last_step
from optuna_nas.testing import SymmetricSpace, ToySpace, conditional_objective


def _grid(trial: optuna.Trial) -> float:
    """48 architectures; the best is a = 2, b = 3, c = 1."""
    a = trial.suggest_categorical("a", ["0", "1", "2", "3"])
    b = trial.suggest_int("b", 0, 3)
    c = trial.suggest_categorical("c", [0, 1, 2])
    return 5.0 * (a == "2") + b + 2.0 * (c == 1) * (a == "2")


def _study(sampler: PredictorSampler, direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=sampler)


def test_it_is_random_until_it_has_seen_enough() -> None:
    runs = []
    for sampler in (PredictorSampler(seed=4, n_startup_trials=8), RandomSearchSampler(seed=4)):
        study = _study(sampler)
        study.optimize(_grid, n_trials=20)
        runs.append([architecture(trial) for trial in study.trials])
    assert runs[0][:8] == runs[1][:8]
    assert runs[0][8:] != runs[1][8:]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_greatest_expected_improvement_is_next(sign: int) -> None:
    """Against a posterior made by hand, over all that is unseen."""
    study = _study(PredictorSampler(seed=0), "maximize" if sign > 0 else "minimize")
    study.optimize(lambda trial: sign * _grid(trial), n_trials=14)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    kernel = surrogate.FittedKernels(10, noisy=False).of(replay.members)
    evidence = Archive().evidence(replay.members, 100)
    process = GaussianProcess(
        evidence.encoding, kernel, evidence.codes, evidence.targets, evidence.counts
    )
    rows = evidence.encoding.everything()
    assert len(rows) == 48
    improvement = log_expected_improvement(*process.predict(rows), process.fitted.max())
    unseen = [not replay.trie.seen(evidence.encoding.decode(row)) for row in rows.tolist()]
    best = rows[np.argmax(np.where(unseen, improvement, -np.inf))]
    expected = {
        name: decision.value(index)
        for name, (decision, index) in evidence.encoding.decode(best.tolist()).items()
    }
    trial = study.ask()
    _grid(trial)
    assert trial.params == expected


def test_it_finds_the_optimum_of_a_grid_soon() -> None:
    """Of 48: random search needs 24.5 trials on average."""
    needed = []
    for seed in range(5):
        study = _study(PredictorSampler(seed=seed))
        study.optimize(_grid, n_trials=30)
        needed.append(study.best_trial.number + 1)
    assert max(needed) <= 22
    assert sum(needed) / 5 < 18


def test_it_beats_random_search_in_a_conditional_space() -> None:
    space = ToySpace(num_layers=(1, 8), num_ops=5)
    best = {}
    for make in (PredictorSampler, RandomSearchSampler):
        values = []
        for seed in range(3):
            study = _study(make(seed=seed))
            study.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=70)
            values.append(study.best_value)
        best[make] = sum(values) / 3
    optimum = space.optimum()[1]
    assert optimum - best[PredictorSampler] < 0.3 * (optimum - best[RandomSearchSampler])


@pytest.mark.parametrize("acquisition", ["ei", "thompson"])
@pytest.mark.parametrize(("objective", "size"), [(_grid, 48), (conditional_objective, 30)])
def test_every_architecture_is_proposed_once_and_then_again(objective, size, acquisition) -> None:  # type: ignore[no-untyped-def]
    study = _study(PredictorSampler(seed=1, acquisition=acquisition))
    study.optimize(objective, n_trials=size)
    assert len({architecture(trial) for trial in study.trials}) == size
    study.optimize(objective, n_trials=3)
    assert len(study.trials) == size + 3


def test_a_space_tells_equal_architectures() -> None:
    space = SymmetricSpace()
    study = _study(PredictorSampler(seed=0, space=space))
    study.optimize(lambda trial: sum(space.suggest(trial)), n_trials=21)
    assert len({space.digest(trial.params) for trial in study.trials}) == 21


@pytest.mark.parametrize("acquisition", ["ei", "thompson"])
def test_workers_never_get_the_same(acquisition: str) -> None:
    study = _study(PredictorSampler(seed=0, acquisition=acquisition))
    study.optimize(_grid, n_trials=12)
    running = [study.ask() for _ in range(36)]
    for trial in running:
        _grid(trial)
    assert len({architecture(trial) for trial in study.trials}) == 48


def test_running_trials_count_as_evaluated() -> None:
    """Two architectures are equally good and alike; having asked for one, the other is less so."""
    study = _study(PredictorSampler(seed=0))
    study.optimize(_grid, n_trials=14)
    first, second = study.ask(), study.ask()
    _grid(first), _grid(second)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    assert len(replay.pending) == 2
    model = surrogate.StudyModel(10, noisy=False)
    evidence = model.archive.evidence(replay.members, 100)
    process = model.process(evidence, replay)
    assert len(process.codes) == len(evidence.codes) + 2
    np.testing.assert_array_equal(process.codes[-2:], evidence.encoding.encode(replay.pending))


@pytest.mark.parametrize("objective", [_grid, conditional_objective])
@pytest.mark.parametrize("kwargs", [{}, {"acquisition": "thompson"}, {"noisy": True}])
def test_a_new_sampler_proposes_what_the_old_one_would(objective, kwargs, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    undisturbed = _study(PredictorSampler(seed=3, **kwargs))
    undisturbed.optimize(objective, n_trials=26)
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path / 'nas.db'}", direction="maximize", study_name="s"
    )
    for _ in range(26):
        study.sampler = PredictorSampler(seed=3, **kwargs)
        study.optimize(objective, n_trials=1)
    assert [t.params for t in study.trials] == [t.params for t in undisturbed.trials]


def test_a_late_arrival_counts_as_if_it_had_been_there() -> None:
    """A trial that finished long ago by its date, but is read last."""
    watching = PredictorSampler(seed=0)
    study = _study(watching)
    study.optimize(_grid, n_trials=25)
    late = optuna.create_trial(
        params={"a": "1", "b": 0, "c": 2}, distributions=study.trials[0].distributions, value=7.0
    )
    late.datetime_complete = study.trials[4].datetime_complete
    study.add_trial(late)
    proposals = [
        sampler.propose(study, lambda trial: (_grid(trial), trial.params), 5, seed=1)
        for sampler in (watching, PredictorSampler(seed=0))
    ]
    assert proposals[0] == proposals[1]


def test_infeasible_and_pruned_trials_are_kept_away_from() -> None:
    """All with a = "2", by far the best by value, are infeasible or pruned."""

    def objective(trial: optuna.Trial) -> float:
        value = _grid(trial)
        if trial.params["a"] == "2":
            if trial.params["c"] == 0:
                trial.report(value, 1)
                raise optuna.TrialPruned
            trial.set_constraint("max_params", 1.0)
        return value

    study = _study(PredictorSampler(seed=0))
    study.optimize(objective, n_trials=30)
    late = Counter(trial.params["a"] for trial in study.trials[10:])
    assert late["2"] <= 3


def test_it_goes_on_when_nothing_completes() -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.report(_grid(trial), 1)
        raise optuna.TrialPruned

    study = _study(PredictorSampler(seed=0))
    study.optimize(objective, n_trials=20)
    assert study.trials[-1].state == TrialState.PRUNED
    values = [trial.intermediate_values[1] for trial in study.trials]
    assert np.mean(values[10:15]) > np.mean(values[:10]) + 2.0


def test_fits_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[str, int]] = []
    study = _study(PredictorSampler(seed=0))
    space = ToySpace(num_layers=8, num_ops=5)
    random = optuna.create_study(sampler=RandomSearchSampler(seed=0), direction="maximize")
    random.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=700)
    study.add_trials(random.trials)

    def fit(encoding, codes, *args):  # type: ignore[no-untyped-def]
        sizes.append(("kernel", len(codes)))
        return Kernel.prior(encoding)

    class Process(GaussianProcess):
        def __init__(self, encoding, kernel, codes, *args):  # type: ignore[no-untyped-def]
            sizes.append(("process", len(codes)))
            super().__init__(encoding, kernel, codes, *args)

    monkeypatch.setattr(surrogate, "fit_kernel", fit)
    monkeypatch.setattr(surrogate, "GaussianProcess", Process)
    study.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=5)
    assert sizes == [("kernel", 200), *[("process", 300)] * 5]


def test_kernels_are_fitted_on_a_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []
    fit = surrogate.fit_kernel

    def counting(encoding, codes, *args):  # type: ignore[no-untyped-def]
        fits.append(len(codes))
        return fit(encoding, codes, *args)

    monkeypatch.setattr(surrogate, "fit_kernel", counting)
    study = _study(PredictorSampler(seed=0))
    study.optimize(_grid, n_trials=41)
    assert fits == [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 33, 36, 39]
    steps = sorted({last_step(count, 10) for count in range(10, 5000)})
    assert max(b - a for a, b in zip(steps, steps[1:], strict=False)) == 100


def test_the_kernel_hangs_on_the_set_of_trials_alone() -> None:
    study = _study(PredictorSampler(seed=0))
    study.optimize(_grid, n_trials=30)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    learning = surrogate.FittedKernels(10, noisy=False)
    for count in (12, 17, 30):
        kernel = learning.of(replay.members[:count])
        assert kernel == surrogate.FittedKernels(10, noisy=False).of(replay.members[:count])
    rolled_back = replay.members[3:18]
    assert learning.of(rolled_back) == surrogate.FittedKernels(10, noisy=False).of(rolled_back)


@pytest.mark.parametrize(
    "regressor", [RandomForestRegressor(n_estimators=10), KNeighborsRegressor(3)]
)
def test_regressors_of_scikit_learn(regressor: object) -> None:
    runs = []
    for _ in range(2):
        study = _study(PredictorSampler(seed=0, surrogate=regressor))
        study.optimize(_grid, n_trials=30)
        runs.append([architecture(trial) for trial in study.trials])
        assert len(set(runs[-1])) == 30
        assert study.best_value == 10.0
    assert runs[0] == runs[1]
    assert not hasattr(regressor, "n_features_in_")


def test_an_ensemble_is_as_sure_as_its_members_agree() -> None:
    study = _study(PredictorSampler(seed=0))
    study.optimize(_grid, n_trials=20)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    evidence = Archive().evidence(replay.members, 100)
    rows, hot = evidence.codes, evidence.encoding.one_hot(evidence.codes)
    forest = surrogate.RegressorPosterior(RandomForestRegressor(7), evidence, random_state=5)
    trees = RandomForestRegressor(7, random_state=5).fit(hot, evidence.targets).estimators_
    mean, deviation = forest.predict(rows)
    each = np.stack([tree.predict(hot) for tree in trees])
    np.testing.assert_allclose(mean, each.mean(axis=0))
    np.testing.assert_allclose(deviation, np.maximum(each.std(axis=0), 1e-9))


def test_hyperparameters_beside_the_architecture() -> None:
    def objective(trial: optuna.Trial) -> float:
        return _grid(trial) - (trial.suggest_float("lr", 0, 1) - 0.3) ** 2

    study = _study(PredictorSampler(seed=0))
    study.optimize(objective, n_trials=40)
    assert study.best_value > 9.9
    # The best architecture comes back with other learning rates.
    late = Counter(trial.params["a"] for trial in study.trials[20:])
    assert late["2"] >= 10


def test_draws_without_trials_vary() -> None:
    space = ToySpace(num_layers=(1, 4))
    sampler = PredictorSampler(seed=0)
    study = _study(sampler)
    study.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=30)
    drawn = sampler.propose(study, space.suggest, 20)
    assert len(set(drawn)) >= 4
    assert sampler.propose(study, space.suggest, 5, seed=3) == sampler.propose(
        study, space.suggest, 5, seed=3
    )
    mean = sum(space.evaluate(a.params) for a in drawn) / 20
    assert mean > sum(trial.value for trial in study.trials[:10]) / 10


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=PredictorSampler(seed=0)
    )
    with pytest.raises(ValueError, match="PredictorSampler searches one objective, but"):
        study.optimize(lambda t: (_grid(t), 0.0), n_trials=1)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"n_startup_trials": 1}, ValueError, "`n_startup_trials` must be 2 or more, but got n_s"),
        (
            {"acquisition": "ucb"},
            ValueError,
            "must be one of ei, thompson, but got acquisition='u",
        ),
        ({"surrogate": "forest"}, TypeError, "`surrogate` must be None or a regressor"),
        ({"surrogate": KNeighborsRegressor(), "noisy": True}, ValueError, "`noisy=True` needs a"),
    ],
)
def test_wrong_arguments(kwargs: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PredictorSampler(**kwargs)  # type: ignore[arg-type]


def test_scikit_learn_and_torch_are_imported_when_needed() -> None:
    code = (
        "import sys, optuna_nas.samplers; print({'sklearn', 'torch', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
