"""What the progressive sampler is: all small cells, then the best extensions of each size."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState
from sampler_examples import architecture
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from optuna_nas.keys import LEVEL_KEY
from optuna_nas.samplers import ProgressiveSampler, RandomSearchSampler
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.predictor._encoding import Encoding
from optuna_nas.samplers.progressive._growth import Growth
from optuna_nas.samplers.progressive._levels import MAX_CANDIDATES, Level, _choices
from optuna_nas.spaces import PNASSpace
from optuna_nas.testing import ToySpace, static_objective

TWO_OPS = PNASSpace(num_blocks=(1, 2), ops=("sep_conv_3x3", "max_pool_3x3"))
LAYERS = ToySpace(num_layers=(1, 4), num_ops=3, interaction=0.0)


class Words:
    """Words of one to ``longest`` letters; no two are equal, and it has no digest."""

    def __init__(self, letters: str = "abc", longest: int = 3) -> None:
        self.letters, self.longest = letters, longest

    def suggest(self, trial: Any) -> str:
        count = trial.suggest_int("num_letters", 1, self.longest)
        return "".join(
            trial.suggest_categorical(f"letter_{i}", tuple(self.letters)) for i in range(count)
        )


def letter_values(word: str) -> float:
    """The mean value of its letters, so that every extension is predicted exactly."""
    return sum(" abcdefgh".index(letter) for letter in word) / len(word)


def search(
    space: Any, value: Callable[[Any], float], **settings: Any
) -> tuple[optuna.Study, list[FrozenTrial]]:
    """A search from beginning to end."""
    sampler = ProgressiveSampler(space=space, **{"seed": 0, **settings})
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: value(space.suggest(trial)), n_trials=500)
    assert len(study.trials) < 500, "it did not stop"
    return study, study.trials


def record_of(study: optuna.Study, trial: optuna.Trial) -> dict[str, Any]:
    return study.trials[trial.number].system_attrs[LEVEL_KEY]


def by_level(trials: list[FrozenTrial]) -> Counter[int]:
    return Counter(trial.system_attrs[LEVEL_KEY]["level"] for trial in trials)


@pytest.mark.parametrize("beam", [1, 3])
def test_pnas_evaluates_136_cells_of_one_block_and_k_of_every_larger_size(beam: int) -> None:
    space = PNASSpace(num_blocks=(1, 5))
    _, trials = search(space, lambda cell: str(cell).count("sep"), beam_size=beam)
    assert by_level(trials) == {0: 136, **dict.fromkeys((1, 2, 3, 4), beam)}
    sizes = Counter(trial.params["num_blocks"] for trial in trials)
    assert sizes == {1: 136, **dict.fromkeys((2, 3, 4, 5), beam)}
    digests = {space.digest(trial.params) for trial in trials}
    assert len(digests) == len(trials), "a cell was evaluated twice"


def test_it_is_exhaustive_search_if_the_beam_holds_all_cells() -> None:
    _, trials = search(TWO_OPS, lambda cell: str(cell).count("max"), beam_size=10_000)
    everything = set()
    for size in (1, 2):
        names = ["input_a", "input_b", "op_a", "op_b"]
        blocks = [
            itertools.product(range(state), range(state), TWO_OPS.ops, TWO_OPS.ops)
            for state in range(2, 2 + size)
        ]
        for cell in itertools.product(*blocks):
            params = {
                f"cell_{state}_{name}": value
                for state, block in enumerate(cell, 2)
                for name, value in zip(names, block, strict=True)
            }
            everything.add(TWO_OPS.digest({"num_blocks": size, **params}))
    assert {TWO_OPS.digest(trial.params) for trial in trials} == everything
    assert len(trials) == len(everything)


def test_every_level_extends_the_one_before_and_takes_what_is_predicted_best() -> None:
    space = Words("abcdefgh", longest=3)
    _, trials = search(space, letter_values, beam_size=3, surrogate=LinearRegression())
    words = [space.suggest(FixedTrial(trial.params)) for trial in trials]
    assert set(words[:8]) == set("abcdefgh")
    assert words[8] == "hh"
    assert set(words[9:11]) == {"gh", "hg"}
    assert words[11] == "hhh"  # 3 parents times 8 letters: the best extensions of those
    assert set(words[12:14]) < {"ghh", "hgh", "hhg"}


def test_the_predictor_carries_over_from_small_cells_to_larger_ones() -> None:
    """By the paper's ensemble 40 words beat the best of 40 random ones, of 37,448."""
    space = Words("abcdefgh", longest=5)

    def value(word: str) -> float:
        return sum(map("cgahbfde".index, word)) - 2.0 * len(word) * ("ee" in word)

    for seed in range(3):
        study, trials = search(space, value, beam_size=8, seed=seed)
        random = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=seed))
        random.optimize(lambda trial: value(space.suggest(trial)), n_trials=len(trials))
        assert len(trials) == 40
        assert study.best_value > random.best_value


def test_pruned_failed_and_infeasible_cells_count_as_evaluated() -> None:
    space = TWO_OPS

    def objective(trial: optuna.Trial) -> float:
        cell = str(space.suggest(trial))
        if trial.number % 3 == 1:
            raise RuntimeError("the cell is broken")
        if trial.number % 3 == 2:
            trial.report(0.0, 0)
            raise optuna.TrialPruned
        trial.set_constraint("macs", 1.0 if trial.number % 2 else -1.0)
        return cell.count("max")

    sampler = ProgressiveSampler(space=space, beam_size=5, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=50, catch=(RuntimeError,))
    assert len(study.trials) == 10 + 5
    assert len({space.digest(trial.params) for trial in study.trials}) == 15
    assert {trial.state for trial in study.trials} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }


def test_two_spellings_of_a_cell_are_one_of_a_level() -> None:
    ranking: list[tuple[str, dict[str, Any]]] = [("ab", {}), ("ab", {}), ("c", {})]
    level = Level(1, 2, (), iter(ranking))
    assert list(level.best()) == ["ab", "c"]
    assert level.best()["ab"] is ranking[0][1]


def test_a_search_in_which_everything_fails_ends_too() -> None:
    def objective(trial: optuna.Trial) -> float:
        TWO_OPS.suggest(trial)
        raise RuntimeError("the disk is full")

    sampler = ProgressiveSampler(space=TWO_OPS, beam_size=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=50, catch=(RuntimeError,))
    assert len(study.trials) == 10 + 2


def test_workers_that_come_before_a_level_is_finished_get_the_next_best_of_it() -> None:
    space = Words("abcdef", longest=2)
    study = optuna.create_study(
        direction="maximize",
        sampler=ProgressiveSampler(space=space, beam_size=2, surrogate=LinearRegression(), seed=0),
    )
    first = [(trial := study.ask(), space.suggest(trial)) for _ in range(6)]
    waiting = study.ask()
    assert len(space.suggest(waiting)) == 2, "nothing of the first level is left"
    assert LEVEL_KEY not in study.trials[waiting.number].system_attrs
    for trial, word in first:
        study.tell(trial, letter_values(word))
    study.tell(waiting, 0.0)
    words, extra = [], []
    for _ in range(5):
        trial = study.ask()
        words.append(space.suggest(trial))
        extra.append(record_of(study, trial)["extra"])
    assert len(set(words)) == 5
    values = [letter_values(word) for word in words]
    assert values == sorted(values, reverse=True)
    assert extra == [False, False, True, True, True]


def test_with_ask_and_tell_it_goes_on_with_the_next_best() -> None:
    study, trials = search(TWO_OPS, lambda cell: str(cell).count("max"), beam_size=2)
    trial = study.ask()
    TWO_OPS.suggest(trial)
    study.tell(trial, 0.0)
    record = record_of(study, trial)
    assert record["extra"]
    assert record["level"] == 1
    assert TWO_OPS.digest(trial.params) not in {TWO_OPS.digest(t.params) for t in trials}


def test_it_stops_in_the_middle_and_goes_on_in_another_process_as_if_it_had_not(
    tmp_path: Path,
) -> None:
    def run(url: str, parts: tuple[int, ...]) -> list[Mapping[str, Any]]:
        for n_trials in parts:
            study = optuna.create_study(
                study_name="words",
                storage=url,
                direction="maximize",
                sampler=ProgressiveSampler(space=LAYERS, beam_size=3, seed=5),
                load_if_exists=True,
            )
            study.optimize(
                lambda trial: LAYERS.evaluate(LAYERS.suggest(trial).params), n_trials=n_trials
            )
        return [trial.params for trial in study.trials]

    at_once = run(f"sqlite:///{tmp_path / 'a.db'}", (50,))
    in_parts = run(f"sqlite:///{tmp_path / 'b.db'}", (2, 3, 4, 50))
    assert len(at_once) == 3 + 3 * 3
    assert at_once == in_parts


def test_a_trial_that_arrives_late_makes_the_levels_anew() -> None:
    """It finished before the first level was complete, and is seen after."""
    space = Words("abcdefgh", longest=2)

    sampler = ProgressiveSampler(space=space, beam_size=3, surrogate=LinearRegression(), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: letter_values(space.suggest(trial)), n_trials=9)
    last = study.trials[8]
    assert last.params == {"num_letters": 2, "letter_0": "h", "letter_1": "h"}
    late = optuna.create_trial(
        params={"num_letters": 2, "letter_0": "a", "letter_1": "c"},
        distributions=last.distributions,
        value=100.0,
    )
    late.datetime_start = late.datetime_complete = study.trials[0].datetime_complete
    study.add_trial(late)
    trials = [study.ask() for _ in range(3)]
    words = [space.suggest(trial) for trial in trials]
    assert set("".join(words)) == set("ac"), "the old level goes on"
    assert [record_of(study, trial)["level"] for trial in trials] == [1, 1, 1]
    assert "ac" not in words


def test_a_smallest_size_that_has_too_many_cells_is_sampled() -> None:
    space = PNASSpace(num_blocks=(2, 3))
    _, trials = search(space, lambda cell: str(cell).count("sep"), beam_size=6)
    assert by_level(trials) == {0: 6, 1: 6}
    assert len({space.digest(trial.params) for trial in trials}) == 12


def test_hyperparameters_are_drawn_beside_the_cells() -> None:
    sampler = ProgressiveSampler(space=TWO_OPS, beam_size=4, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        TWO_OPS.suggest(trial)
        return -abs(trial.suggest_float("lr", 0.0, 1.0) - 0.5)

    study.optimize(objective, n_trials=50)
    assert len(study.trials) == 10 + 4
    assert len({trial.params["lr"] for trial in study.trials}) == 14
    cells = [{k: v for k, v in t.params.items() if k != "lr"} for t in study.trials]
    assert len(set(map(TWO_OPS.digest, cells))) == 14


def test_proposals_come_from_the_beam() -> None:
    study, _ = search(TWO_OPS, lambda cell: str(cell).count("max"), beam_size=3)
    drawn = study.sampler.propose(study, TWO_OPS.suggest, 40, seed=1)
    assert len({cell.digest for cell in drawn}) == 3
    assert {cell.params["num_blocks"] for cell in drawn} == {2}


def test_the_papers_settings() -> None:
    sampler = ProgressiveSampler.pnas(space=PNASSpace(num_blocks=(1, 5)))
    assert sampler._beam_size == 256
    assert ProgressiveSampler.pnas(space=TWO_OPS, beam_size=3)._beam_size == 3


def test_another_objective_than_the_spaces_is_answered() -> None:
    """The plan does not fit, so the choices are free, and each call is answered."""
    study = optuna.create_study(sampler=ProgressiveSampler(space=LAYERS, beam_size=2, seed=0))
    study.optimize(static_objective, n_trials=10)
    assert len(set(map(architecture, study.trials))) > 5


class _Unrelated:
    def suggest(self, trial: Any) -> None:
        trial.suggest_categorical("a", (0, 1))


class _TwoSizes:
    def suggest(self, trial: Any) -> None:
        trial.suggest_int("num_a", 1, 2)
        trial.suggest_int("num_b", 1, 2)


class _Nested:
    def suggest(self, trial: Any) -> None:
        for i in range(trial.suggest_int("num_layers", 1, 2)):
            if trial.suggest_categorical(f"op_{i}", ("conv", "none")) == "conv":
                trial.suggest_categorical(f"kernel_{i}", (3, 5))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (_Unrelated(), "`space` must have one size that can grow, .* has none"),
        (_TwoSizes(), "has num_a, num_b"),
        (PNASSpace(num_blocks=5), "has none"),
    ],
)
def test_a_space_without_one_size_that_grows_is_refused(space: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProgressiveSampler(space=space)


def test_a_space_in_which_more_than_the_size_decides_is_refused() -> None:
    study = optuna.create_study(sampler=ProgressiveSampler(space=_Nested(), seed=0))
    with pytest.raises(ValueError, match="decisions that depend on its size 'num_layers' alone"):
        study.optimize(lambda trial: float(_Nested().suggest(trial) is None), n_trials=20)


def test_a_size_of_another_name_is_declared() -> None:
    class Depth:
        def suggest(self, trial: Any) -> int:
            return sum(
                trial.suggest_categorical(f"bit_{i}", (0, 1))
                for i in range(trial.suggest_int("depth", 1, 3))
            )

    _, trials = search(Depth(), float, beam_size=2, roles={"^depth$": "growth"})
    assert [trial.params["depth"] for trial in trials] == [1, 1, 2, 2, 3, 3]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="`beam_size` must be 1 or more, but got beam_size=0"):
        ProgressiveSampler(space=TWO_OPS, beam_size=0)
    with pytest.raises(TypeError, match="`surrogate` must be None or a regressor"):
        ProgressiveSampler(space=TWO_OPS, surrogate="mlp")
    with pytest.raises(TypeError, match="`space` must have a method suggest"):
        ProgressiveSampler(space="pnas")
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=ProgressiveSampler(space=TWO_OPS)
    )
    with pytest.raises(ValueError, match="searches one objective, but the study has 2"):
        study.optimize(lambda trial: (float(TWO_OPS.suggest(trial) is None), 0.0), n_trials=1)


def test_any_regressor_of_scikit_learn_predicts() -> None:
    neighbours = KNeighborsRegressor(n_neighbors=2)
    _, trials = search(Words(), letter_values, beam_size=2, surrogate=neighbours)
    assert len(trials) == 3 + 2 + 2


@pytest.mark.parametrize(("parents", "count"), [(1, 6), (MAX_CANDIDATES // 6, 6), (2**18, 4)])
def test_parents_are_extended_in_every_way_or_at_random_where_that_is_too_much(
    parents: int, count: int
) -> None:
    table = DecisionTable(as_decides(None))
    names = {"input": (0, 1, 2), "op": ("conv", "pool")}
    added = Encoding(
        decision
        for name, choices in names.items()
        if (decision := table.get(name, CategoricalDistribution(choices))) is not None
    )
    choices = _choices(added, parents, np.random.RandomState(0))
    assert len(choices) == parents
    first = [tuple(row) for row in choices[0].tolist()]
    assert len(first) == count
    assert set(first) <= set(itertools.product((1, 2, 3), (1, 2)))
    if count == 6:
        assert len(set(first)) == 6


def test_a_level_adds_what_the_one_before_it_has_not() -> None:
    growth = Growth(Words("ab", longest=3), DecisionTable(as_decides(None)), Roles(None))
    added = [[decision.name for decision in growth.added(level)] for level in range(3)]
    assert added == [["letter_0"], ["letter_1"], ["letter_2"]]


def test_a_size_may_add_nothing() -> None:
    class Wide:
        def suggest(self, trial: Any) -> int:
            return trial.suggest_int("num_copies", 1, 3) * trial.suggest_int("a", 0, 1)

    _, trials = search(Wide(), float, beam_size=5)
    assert sorted((t.params["num_copies"], t.params["a"]) for t in trials) == [
        (copies, a) for copies in (1, 2, 3) for a in (0, 1)
    ]
