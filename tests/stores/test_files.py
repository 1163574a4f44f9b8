"""Files are whole or absent, and a damaged one is never handed out."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optuna_nas.stores import DamagedFileError, read_checked, write_atomically, write_checked


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_atomically(path, b"old" * 1000)
    write_atomically(str(path), b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()

    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"a folder stands here")
    with pytest.raises(TypeError, match="bytes-like"):
        write_atomically(tmp_path / "text", "no bytes")  # type: ignore[arg-type]

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"make the folder '.*runs' first"):
        write_atomically(tmp_path / "runs" / "state.bin", b"")


@pytest.mark.parametrize("place", ["folder", "n" * 300])
def test_an_impossible_place_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    named = re.escape(str(tmp_path / place))
    with pytest.raises(OSError, match=rf"must be a place that can be written to.*{named}") as seen:
        write_atomically(tmp_path / place, b"1")
    assert seen.value.errno in (errno.EISDIR, errno.ENAMETOOLONG)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_the_mode_is_that_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "written", b"")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("data", [b"", b"x", b"content" * 10_000])
def test_a_checked_file_comes_back(data: bytes, tmp_path: Path) -> None:
    write_checked(tmp_path / "state.bin", data)
    assert read_checked(tmp_path / "state.bin") == data
    assert (tmp_path / "state.bin").stat().st_size == len(data) + 84


@example(data=bytes(200), cut=1, flip=150)
@given(data=st.binary(max_size=200), cut=st.integers(1, 400), flip=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_every_truncation_and_every_changed_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("checked") / "state.bin"
    write_checked(path, data)
    whole = path.read_bytes()

    path.write_bytes(whole[: max(0, len(whole) - cut)])
    with pytest.raises(DamagedFileError, match="must"):
        read_checked(path)

    changed = bytearray(whole)
    changed[flip % len(whole)] ^= 1
    path.write_bytes(changed)
    with pytest.raises(DamagedFileError, match="must"):
        read_checked(path)


def test_a_missing_file_is_the_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"state\.bin"):
        read_checked(tmp_path / "state.bin")


def test_the_room_does_not_import_torch() -> None:
    code = "import sys, optuna_nas.stores; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
