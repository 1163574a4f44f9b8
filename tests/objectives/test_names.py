"""What a study keeps of callables that users hand in."""

from __future__ import annotations

from pathlib import Path

from optuna_nas._ground.names import identity_of


class Meter:
    def __call__(self) -> float:
        return 1.0


class Told(Meter):
    identity = {"threads": 2}


def measure() -> float:
    return 1.0


def test_callables_are_told_apart() -> None:
    assert identity_of(Path.exists) == "pathlib.Path.exists"
    assert (
        identity_of(test_callables_are_told_apart) == f"{__name__}.test_callables_are_told_apart"
    )
    assert identity_of(Meter()) == f"{__name__}.Meter"
    assert identity_of(Told()) == {"threads": 2}
