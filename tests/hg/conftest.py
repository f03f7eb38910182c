# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the transcripts (``*.t``) beside this file, as cram and Mercurial's own tests do.

``  $ `` begins a command and ``  > `` continues it; other lines indented by two are its expected output, then
``  [N]`` its exit code where that is not 0. ``(re)`` and ``(glob)`` at a line's end match by pattern. Everything else
is prose. ``HGAURORA_ACCEPT=1`` writes what came into the file, keeping patterns that matched.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import canaries

_SALT = b"--end-of-command-7f3a9d--"
_HGRC = "[extensions]\nhgaurora =\n[ui]\nusername = ana\nmerge = :merge\n[devel]\ndefault-date = 0 0\n"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Each transcript is one test."""
    return Transcript.from_parent(parent, path=file_path) if file_path.suffix == ".t" else None


class Transcript(pytest.File):
    """A ``.t`` file."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item: the commands of a file share a shell."""
        yield TranscriptItem.from_parent(self, name=self.path.stem)


class Differs(Exception):
    """The transcript is not what came; ``args[0]`` is the difference."""


class TranscriptItem(pytest.Item):
    """Runs the file and compares."""

    def runtest(self) -> None:
        """Run it in a folder of its own."""
        expected = self.path.read_text("utf-8").splitlines()
        folder = self.config._tmp_path_factory.mktemp(self.name)  # type: ignore[attr-defined]
        came = play(expected, folder, self.path.parent)
        if came != expected and os.environ.get("HGAURORA_ACCEPT"):
            self.path.write_text("\n".join(came) + "\n", "utf-8")
        elif came != expected:
            raise Differs("\n".join(difflib.unified_diff(expected, came, str(self.path), "what came", lineterm="")))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The difference alone."""
        return str(excinfo.value) if isinstance(excinfo.value, Differs) else str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is."""
        return self.path, 0, self.path.name


def environment(folder: Path, beside: Path) -> dict[str, str]:
    """Of a user with the extension switched on and nothing else."""
    (folder / "hgrc").write_text(_HGRC)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HG") or "HGAURORA" in name}
    python = Path(sys.executable)
    return {
        **kept,
        "HGRCPATH": str(folder / "hgrc"),
        "HOME": str(folder),
        "TESTTMP": str(folder),
        "TESTDIR": str(beside),
        "PATH": f"{python.parent}:{kept.get('PATH', '')}",
        "PYTHONPATH": str(beside.parents[1]),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "80",
    }


def play(lines: list[str], folder: Path, beside: Path) -> list[str]:
    """Run a transcript's commands in one shell; the transcript as it should have been."""
    script: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith("  $ "):
            script += [f'echo "{_SALT.decode()} {number} $?"', line[4:]]
        elif line.startswith("  > "):
            script.append(line[4:])
    script.append(f'echo "{_SALT.decode()} {len(lines)} $?"')
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(
        ["/bin/bash", "-c", "exec 2>&1\n" + "\n".join(script)],
        cwd=work,
        env=environment(folder, beside),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=600,
    )
    canaries.clean("the transcript", done.stdout, done.stderr)
    outputs: dict[int, list[str]] = {}
    current: int | None = None
    for raw in done.stdout.decode("utf-8", "backslashreplace").replace(str(folder), "$TESTTMP").split("\n"):
        text, salt, rest = raw.partition(_SALT.decode())
        if text and current is not None:
            outputs[current].append(text + (" (no-eol)" if salt else ""))
        elif not salt and current is not None:
            outputs[current].append("")
        if salt:
            number, code = map(int, rest.split())
            if code and current is not None:
                outputs[current].append(f"[{code}]")
            current = number
            outputs[number] = []
    return list(_merged(lines, outputs))


def _merged(lines: list[str], outputs: dict[int, list[str]]) -> Iterator[str]:
    """The transcript with each command's output as it came; a pattern that matches stays."""
    number = 0
    while number < len(lines):
        start = number
        yield lines[number]
        number += 1
        if not lines[start].startswith("  $ "):
            continue
        while number < len(lines) and lines[number].startswith("  > "):
            yield lines[number]
            number += 1
        expected: list[str] = []
        while number < len(lines) and lines[number].startswith("  ") and not lines[number].startswith("  $ "):
            expected.append(lines[number][2:])
            number += 1
        for index, came in enumerate(outputs[start]):
            pattern = expected[index] if index < len(expected) else ""
            yield "  " + (pattern if _matches(pattern, came) else came)


def _matches(pattern: str, came: str) -> bool:
    if pattern.endswith(" (re)"):
        return re.fullmatch(pattern[:-5], came) is not None
    if pattern.endswith(" (glob)"):
        return fnmatch.fnmatchcase(came, pattern[:-7].replace("[", "[[]"))
    return pattern == came
