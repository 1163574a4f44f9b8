"""Names of folders: one place, different for different texts, as the text where that is safe."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optuna_nas.stores import file_name


@pytest.mark.parametrize(
    "text", ["nas", "my search", "größe", "a.b", "..", "", "50%", "100% of it", "x" * 249]
)
def test_a_safe_text_is_kept(text: str) -> None:
    assert file_name(text, "-final") == f"{text}-final"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../x", "..%2F..%2Fx-final"),
        ("/etc/x", "%2Fetc%2Fx-final"),
        ("a\\b", "a%5Cb-final"),
        ("a\nb", "a%0Ab-final"),
        ("-rf", "%2Drf-final"),
        ("a%2Fb", "a%252Fb-final"),
    ],
)
def test_an_unsafe_text_is_escaped(text: str, name: str) -> None:
    assert file_name(text, "-final") == name


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_lies_in_its_folder_and_can_be_made(text: str) -> None:
    path = Path("folder", file_name(text, "-final"))
    assert path.parent == Path("folder")
    assert path.name.endswith("-final")
    assert "\0" not in path.name
    assert len(path.name.encode()) <= 255


@given(st.text("%2F/a-\\\n", max_size=8))
def test_different_texts_have_different_names(text: str) -> None:
    assert unquote(file_name(text)) == text


def test_long_texts_are_cut_and_stay_different(tmp_path: Path) -> None:
    names = {file_name("ü" * 200 + end, "-final") for end in ("a", "b", "/")}
    assert len(names) == 3
    for name in names:
        (tmp_path / name).mkdir()
