"""Every block of Python in the README and the docs runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAINS_LONG = {("scaling", "python"), ("scaling", "sh"), ("guide", "sh")}  # in CI only
TUTORIALS = [page for page in PAGES if page.stem.startswith("own_")]


def _read(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def _blocks(language: str) -> list[object]:
    found = []
    for page in PAGES:
        blocks = _read(page, language)
        if page in TUTORIALS and language == "python":  # one program
            blocks = ["\n".join(blocks)]
        marks = [pytest.mark.slow] if (page.stem, language) in TRAINS_LONG else []
        found += [
            pytest.param(block, id=f"{page.stem}-{number}", marks=marks)
            for number, block in enumerate(blocks, start=1)
        ]
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_block_runs(block: str, tmp_path: Path) -> None:
    path = tmp_path / "block.py"
    path.write_text(block)
    subprocess.run([sys.executable, path.name], check=True, cwd=tmp_path, env=_environment())


@pytest.mark.parametrize("block", _blocks("sh"))
def test_commands_are_real(block: str, tmp_path: Path) -> None:
    """Commands of ours run as they stand but for fewer trials; a server is asked for help only."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or not words[0].endswith("optuna-nas"):
            continue
        words[0] = str(Path(sys.executable).with_name("optuna-nas"))
        if words[1] == "search":
            words += ["--trials", "3"]
        elif words[1] == "dashboard":
            words.append("--help")
        subprocess.run(words, check=True, cwd=tmp_path, env=_environment())


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
