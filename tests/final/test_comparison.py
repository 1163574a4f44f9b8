"""A comparison of finalists: which one is chosen, and the table that is printed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from optuna_nas.final import Comparison, Finalist, FinalRun, Spread


def _finalist(name: str, role: str, val: list[float], test: list[float]) -> Finalist:
    runs = tuple(
        FinalRun(seed=k, val_accuracy=v, test_accuracy=t, seconds=1.0, weights=Path("w"))
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
        test_images=357,
    )
    assert compared.chosen is compared["trial-2"]
    assert repr(compared).splitlines() == [
        "               network    parameters  multiply-adds      validation            test",
        "found          trial-1         1,234         56,789  81.00% ± 1.41%  99.00% ± 0.00%",
        "found          trial-2 *       1,234         56,789  91.00% ± 1.41%  71.00% ± 1.41%",
        "random search  random-3        1,234         56,789  95.00% ± 0.00%  71.00% ± 0.00%",
        "digits, 4 epochs, mean ± sd of 2 seeds, 357 test images",
        "* chosen by validation accuracy",
        "random-3: the best of 12 trials, 34 epochs",
    ]
    with pytest.raises(KeyError, match="none of"):
        compared["trial-9"]


def test_spread() -> None:
    assert str(Spread.over([0.5, 0.7])) == "60.00% ± 14.14%"
    assert str(Spread.over([0.5])) == "50.00%"
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
        )

    failed = finalist("failed", FinalRun(seed=0, failure="NaN"))
    whole = finalist("whole", FinalRun(seed=0, test_accuracy=0.5))
    compared = Comparison(finalists=(failed, whole), data="digits", epochs=1, test_images=9)
    assert compared.chosen is whole
    assert dataclasses.replace(compared, finalists=(failed,)).chosen is None
