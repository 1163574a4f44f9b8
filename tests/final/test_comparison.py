"""A comparison of finalists: which one is chosen, and the table that is printed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from optuna_nas.final import Comparison, Finalist, FinalRun, Spread
from optuna_nas.training import Task

ACCURACY = Task.classification()


def _finalist(
    name: str, role: str, val: list[float], test: list[float], task: Task = ACCURACY
) -> Finalist:
    runs = tuple(
        FinalRun(seed=k, val_metric=v, test_metric=t, seconds=1.0, weights=Path("w"))
        for k, (v, t) in enumerate(zip(val, test, strict=True))
    )
    origin = {"search_trials": 12, "search_epochs": 34} if role == "random search" else {}
    return Finalist(
        name=name,
        role=role,
        origin=origin,
        params=1234,
        macs=56789,
        runs=runs,
        folder=Path(name),
        task=task,
    )


def test_validation_chooses_and_the_table_says_all() -> None:
    compared = Comparison(
        finalists=(
            _finalist("trial-1", "found", [0.80, 0.82], [0.99, 0.99]),
            _finalist("trial-2", "found", [0.90, 0.92], [0.70, 0.72]),
            _finalist("random-3", "random search", [0.95, 0.95], [0.71, 0.71]),
        ),
        data="digits",
        epochs=4,
        test_size=357,
        task=ACCURACY,
        noun="images",
    )
    assert compared.chosen is compared["trial-2"]
    assert repr(compared).splitlines() == [
        "               network    parameters  multiply-adds  validation accuracy   test accuracy",
        "found          trial-1         1,234         56,789       81.00% ± 1.41%  99.00% ± 0.00%",
        "found          trial-2 *       1,234         56,789       91.00% ± 1.41%  71.00% ± 1.41%",
        "random search  random-3        1,234         56,789       95.00% ± 0.00%  71.00% ± 0.00%",
        "digits, 4 epochs, mean ± sd of 2 seeds, 357 test images",
        "* chosen by validation accuracy",
        "random-3: the best of 12 trials, 34 epochs",
    ]
    with pytest.raises(KeyError, match="none of"):
        compared["trial-9"]


def test_the_smallest_error_is_chosen_and_told_in_its_words() -> None:
    task = Task.regression(metric="mae")
    compared = Comparison(
        finalists=(
            _finalist("trial-1", "found", [3.5, 2.5], [0.1, 0.1], task),
            _finalist("trial-2", "found", [2.25, 1.75], [9.0, 8.0], task),
        ),
        data="houses",
        epochs=4,
        test_size=1,
        task=task,
    )
    assert compared.chosen is compared["trial-2"]
    assert [finalist.best.seed for finalist in compared.finalists] == [1, 1]
    assert repr(compared).splitlines() == [
        "       network    parameters  multiply-adds  validation MAE      test MAE",
        "found  trial-1         1,234         56,789      3 ± 0.7071       0.1 ± 0",
        "found  trial-2 *       1,234         56,789      2 ± 0.3536  8.5 ± 0.7071",
        "houses, 4 epochs, mean ± sd of 2 seeds, 1 test example",
        "the lower the MAE, the better",
        "* chosen by validation MAE",
    ]


def test_spread() -> None:
    percent = ACCURACY.format
    assert str(Spread.over([0.5, 0.7], format=percent)) == "60.00% ± 14.14%"
    assert str(Spread.over([0.5], format=percent)) == "50.00%"
    assert str(Spread.over([1.5, 2.5])) == "2 ± 0.7071"
    assert str(Spread.over([])) == "-"


def test_a_finalist_that_failed_is_not_chosen(tmp_path: Path) -> None:
    def finalist(name: str, run: FinalRun) -> Finalist:
        return Finalist(
            name=name,
            role="found",
            origin={},
            params=1,
            macs=1,
            runs=(run,),
            folder=tmp_path,
            task=ACCURACY,
        )

    failed = finalist("failed", FinalRun(seed=0, failure="NaN"))
    whole = finalist("whole", FinalRun(seed=0, test_metric=0.5))
    compared = Comparison(
        finalists=(failed, whole), data="digits", epochs=1, test_size=9, task=ACCURACY
    )
    assert compared.chosen is whole
    assert dataclasses.replace(compared, finalists=(failed,)).chosen is None
