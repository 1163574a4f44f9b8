"""What must hold for the repository as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import optuna_nas

ROOT = Path(__file__).parents[2]


def test_root_links_make_no_second_copy_of_a_class() -> None:
    code = """
import samplers, spaces, optuna_nas.samplers, optuna_nas.spaces
for link, package in ((samplers, optuna_nas.samplers), (spaces, optuna_nas.spaces)):
    assert link.__file__ != package.__file__
    for name in package.__all__:
        assert getattr(link, name) is getattr(package, name), name
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("link", ["samplers", "spaces"])
def test_root_links_are_relative(link: str) -> None:
    assert (ROOT / link).readlink() == Path("optuna_nas") / link


def test_sub_packages_load_on_first_use() -> None:
    code = """
import sys, optuna_nas
assert not {"torch", "optuna"} & {*sys.modules}
for name in optuna_nas.__all__:
    getattr(optuna_nas, name)
assert set(optuna_nas.__all__) <= set(dir(optuna_nas))
assert optuna_nas.samplers.PPOSampler is __import__("optuna_nas.samplers").samplers.PPOSampler
try:
    optuna_nas.sampler
except AttributeError as e:
    assert str(e) == "module 'optuna_nas' has no attribute 'sampler'"
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_package_is_named_by_the_root() -> None:
    here = {path.stem for path in (ROOT / "optuna_nas").iterdir() if not path.name.startswith("_")}
    assert here - {"cli", "py"} == {*optuna_nas.__all__} - {"__version__"}


def test_the_module_is_the_command_line() -> None:
    command = [sys.executable, "-m", "optuna_nas", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("Usage: python -m optuna_nas ")


def test_optunas_private_api_is_used_in_the_seam_only() -> None:
    private = re.compile(r"(?<!objectives\.)\b(study|trial)\._[a-z]|from optuna\.[a-z.]*\._")
    for path in (ROOT / "optuna_nas").rglob("*.py"):
        if path.name != "optuna_seam.py":
            found = private.search(path.read_text())
            assert found is None, f"{path}: {found}"


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("optuna_nas", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_version_is_in_the_changelog() -> None:
    from optuna_nas import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
