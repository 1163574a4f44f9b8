"""Learning rate and drop path are functions of the step."""

from __future__ import annotations

import pytest

from optuna_nas.training import Recipe, recipes
from optuna_nas.training.optim._schedules import drop_path, learning_rate


def _rates(recipe: Recipe, steps_per_epoch: int, epochs: int) -> list[float]:
    steps = range(epochs * steps_per_epoch)
    return [learning_rate(recipe, step, steps_per_epoch, epochs) for step in steps]


def test_cosine_falls_from_lr_to_almost_nothing_over_all_steps() -> None:
    rates = _rates(Recipe(lr=0.2), 10, 10)
    assert rates[0] == 0.2
    assert rates[50] == pytest.approx(0.1)
    assert 0 < rates[99] < 1e-4
    assert set(_rates(Recipe(schedule="constant"), 10, 10)) == {0.1}


def test_enas_restarts_at_its_epochs() -> None:
    recipe = recipes.ENAS_MICRO_FINAL
    rates = [learning_rate(recipe, epoch, 1, 630) for epoch in range(630)]
    restarts = [e for e in range(1, 630) if rates[e] > rates[e - 1]]
    assert restarts == [10, 30, 70, 150, 310]
    assert {rates[e] for e in restarts} == {0.05}
    assert min(rates) == pytest.approx(0.0001, abs=2e-6)


def test_exponential_decay_in_steps_after_a_warm_up() -> None:
    recipe = recipes.MNASNET_IMAGENET
    rates = _rates(recipe, 10, 12)
    assert rates[0] == 0
    assert rates[25] == pytest.approx(0.128)
    assert rates[50] == rates[73] == 0.256
    assert rates[74] == rates[97] == pytest.approx(0.256 * 0.97)
    assert rates[98] == pytest.approx(0.256 * 0.97**2)


def test_drop_path_by_epochs_steps_or_constant() -> None:
    def values(schedule: str) -> list[float]:
        recipe = Recipe(drop_path=0.4, drop_path_schedule=schedule)
        return [drop_path(recipe, step, 2, 4) for step in range(8)]

    assert values("epochs") == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4])
    assert values("steps") == pytest.approx([0.05 * step for step in range(8)])
    assert values("constant") == [0.4] * 8
