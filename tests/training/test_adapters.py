"""Adapters are loaded on first use, and say which extra they need."""

from __future__ import annotations

import sys

import pytest

from optuna_nas.training import adapters


@pytest.mark.parametrize(
    ("name", "module", "library"),
    [
        ("LightningPruning", "_lightning", "lightning.pytorch"),
        ("TrainerPruning", "_trainer", "transformers"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    name: str, module: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"{adapters.__name__}.{module}", raising=False)
    monkeypatch.delattr(adapters, module, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    extra = library.partition(".")[0]
    message = (
        rf"{name} needs {extra}, which cannot be imported .*pip install optuna-nas\[{extra}\]"
    )
    with pytest.raises(ImportError, match=message):
        getattr(adapters, name)
    assert name in dir(adapters)


def test_there_is_no_other_adapter() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'KerasPruning'"):
        _ = adapters.KerasPruning
