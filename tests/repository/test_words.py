"""Texts of others within Python and Markdown: they are read as they were, and do nothing."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optuna_nas._ground.words import (
    counted,
    markdown,
    markdown_block,
    markdown_code,
    quoted,
    spelled,
)

TEXT = st.text(st.characters(codec=None), max_size=20) | st.text("`|\\*_<>[]# a\n", max_size=20)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 epoch"), (0, "0 epochs"), (1200, "1,200 epochs")]
)
def test_counts(count: int, text: str) -> None:
    assert counted(count, "epoch") == text


@given(TEXT)
def test_a_text_within_python(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    assert quoted(text).isprintable()


@given(TEXT)
def test_a_text_within_markdown(text: str) -> None:
    """Without its backslashes it is the text, and no mark stands without one."""
    written = markdown(text)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", written) == spelled(text)
    assert not re.search(r"[`*<>\[\]|&~#$]", re.sub(r"\\.", "", written))
    assert written.encode().decode().isprintable()


@given(TEXT)
def test_code_within_markdown(text: str) -> None:
    """A span ends at the first run of as many backticks as it begins with."""
    written = markdown_code(text)
    (fence,) = re.findall("^`+", written)
    found = re.fullmatch(rf"{fence}(?!`)(.*?)(?<!`){fence}", written)
    assert found is not None
    assert spelled(text) in (found[1], found[1][1:-1])
    assert fence not in re.findall("`+", found[1])


@given(TEXT)
def test_a_block_of_markdown(text: str) -> None:
    first, *lines, last = markdown_block(text).splitlines()
    assert first == last == "`" * len(first)
    assert lines == ([*map(spelled, text.splitlines())] or [""])
    assert not any(line.strip().startswith(first) for line in lines)


def test_plain_texts_stay_as_they_are() -> None:
    text = "lr=0.1, label_smoothing=0.05, a-b.c (d): 3 x 4"
    assert markdown(text) == text
    assert markdown_code("Recipe(lr=0.1)") == "`Recipe(lr=0.1)`"
    assert markdown_block("a  b\nc") == "```\na  b\nc\n```\n"
    assert markdown("<b>|__init__`") == r"\<b\>\|\_\_init\_\_\`"
