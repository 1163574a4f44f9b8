"""Files of a finalist that are damaged: one error that names the file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from optuna_nas._ground.attributes import mapping, real
from optuna_nas.final._card import read_card
from optuna_nas.final._json import decoded_file


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\xfe", b'{"runs": 1, "runs": 2}'])
def test_a_card_that_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"The file '.*card\.json' is damaged: it is not JSON"):
        read_card(tmp_path)


def test_a_card_of_an_earlier_version_may_hold_nan(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"val_accuracy": NaN}')
    read = decoded_file(tmp_path / "card.json", mapping(real), way_out="")
    assert math.isnan(read["val_accuracy"])
