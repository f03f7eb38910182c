# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a changeset in a private folder: nothing outside it is ever written."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.adapters.migrations.materialise import Folder
from hgaurora.core.errors import InputError


def test_files_and_folders_are_private() -> None:
    with Folder() as folder:
        folder.write("target", {"env.py": b"1", "versions/a.py": b"2", "versions/deep/er/b.py": b"3"})
        assert folder.path.stat().st_mode & 0o777 == 0o700
        for path in folder.path.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
        assert (folder.path / "target/versions/deep/er/b.py").read_bytes() == b"3"
    assert not folder.path.exists()
    folder.remove()


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", "a//b", "./a", "a/", "", ".", "..", "a/\0"])
def test_a_path_that_leaves_is_refused(path: str) -> None:
    with Folder() as folder, pytest.raises(InputError, match="would leave its folder"):
        folder.write("target", {path: b""})


@pytest.mark.parametrize("files", [{"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}, {"x" * 256: b""}])
def test_files_in_each_other_s_way_are_refused(files: dict[str, bytes]) -> None:
    with Folder() as folder, pytest.raises(InputError, match="cannot be laid down"):
        folder.write("target", files)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    with Folder() as folder:
        (folder.path / "target").symlink_to(tmp_path)
        with pytest.raises(FileExistsError):
            folder.write("target", {"a": b""})
    assert list(tmp_path.iterdir()) == []


@given(st.dictionaries(st.text("./ab\\~\n", min_size=1, max_size=8), st.binary(max_size=3), max_size=4))
def test_whatever_the_names_are_all_stays_inside(files: dict[str, bytes]) -> None:
    with Folder() as folder:
        try:
            folder.write("target", files)
        except InputError:
            return
        found = {
            str(path.relative_to(folder.path / "target")): path.read_bytes()
            for path in folder.path.rglob("*")
            if path.is_file()
        }
        assert found == files


def test_a_thousand_files_take_no_time_and_no_descriptors() -> None:
    before = len(os.listdir("/proc/self/fd"))
    started = time.process_time()
    with Folder() as folder:
        folder.write("target", {f"versions/{n}.py": b"x" * 1000 for n in range(1000)})
    assert time.process_time() - started < 0.5
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_killed_process_left_is_removed_by_the_next() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, os.fsencode(Folder().path))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = Path(os.fsdecode(os.read(reading, 4096)))
    os.close(reading)
    os.close(writing)
    with Folder() as running:
        assert not left.exists()
        with Folder():
            assert running.path.exists()
