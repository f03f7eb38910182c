# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the docs say is there, is there; what they show, happens."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hgaurora.commands import COMMANDS, MEANINGS, Command
from tests.world import ROOT, environ

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.rst", ROOT / "CHANGES.rst", *sorted(DOCS.glob("*.rst"))]

#: a literal that names a file or folder of this repository
_FILE = re.compile(r"``((?:docs|tests|hgaurora|migrations_template|\.ci)/[\w./-]*|[A-Z]+\.rst|setup\.cfg)``")

#: what differs from run to run, and what stands for it
_VARIES = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "NODE"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\(\d\d:\d\d local\)"), "(LOCAL)"),
    # a minute may end between the two
    (re.compile(r"\b(?:between \d\d:\d\dZ and|at) \d\d:\d\dZ"), "WHEN"),
    (re.compile(r"\b\d\d:\d\dZ|\b20\d\d-\d\d-\d\d\b"), "TIME"),
    (re.compile(r"\b(?:\d+m )?\d+(?:\.\d)?s\b"), "SECONDS"),
    (re.compile(r"\b[\d.]+ [kMG]B\b"), "SIZE"),
    (re.compile(r"\b1[5-9]\.\d+\b"), "VERSION"),
    (re.compile(r" {2,}"), "  "),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_and_option_is_in_the_reference(command: Command) -> None:
    text = (DOCS / "commands.rst").read_text("utf-8")
    found = re.search(rf"^{re.escape(command.name)}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n)", text, re.M | re.S)
    assert found is not None
    for front in ("hg aurora-", "hgaurora "):
        assert command.synopsis(front) in found[1]
    for option in command.options:
        assert re.search(rf"^``.*--{option.long}\b.*``$", found[1], re.M), option.long


def test_every_exit_code_is_in_the_reference() -> None:
    text = (DOCS / "commands.rst").read_text("utf-8")
    for code, name, meaning in MEANINGS:
        assert re.search(rf"^{code} +{name or '-'} +{re.escape(meaning)}$", text, re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_it_names_exists(page: Path) -> None:
    """Names in literals that begin as files of this repository do."""
    named = _FILE.findall(page.read_text("utf-8"))
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_it_runs_exists(page: Path) -> None:
    for module in re.findall(r"python -m ((?:tests|hgaurora)[\w.]*)", page.read_text("utf-8")):
        place = ROOT.joinpath(*module.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_titles_are_underlined_in_full(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    for title, line in itertools.pairwise(lines):
        if re.fullmatch(r"=+|-+|~+", line) and title.strip() and not re.fullmatch(r"[= ]+", title):
            assert len(line) == len(title), title


def test_the_two_commands_of_the_readme() -> None:
    """Each is one line of its own, in the shape that ``.ci/run`` looks for."""
    found = re.search(r"sed -n '(.*)' README\.rst", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert found is not None
    (tests,) = subprocess.check_output(["sed", "-n", found[1], "README.rst"], cwd=ROOT, text=True).splitlines()
    assert tests.endswith("python -m tests")
    (demo,) = re.findall(r"^    (python3 -m venv .* demo)$", (ROOT / "README.rst").read_text("utf-8"), re.M)
    assert demo.split(" && ")[0] == "python3 -m venv .venv"


# ---- the tutorial ---------------------------------------------------------------------------------------------


@dataclass
class Shown:
    """A command of a literal block, with the output that the page shows."""

    command: list[str]
    output: list[str] = field(default_factory=list)

    def matches(self, came: list[str]) -> bool:
        """``...`` stands for anything: within a line, or, alone on one, for any lines."""
        parts = [
            r"(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
            for line in map(_steady, self.output)
        ]
        return re.fullmatch("".join(parts), "".join(_steady(line) + "\n" for line in came)) is not None


def _steady(line: str) -> str:
    for pattern, word in _VARIES:
        line = pattern.sub(word, line)
    return line.rstrip()


def shown(page: Path) -> Iterator[Shown]:
    """The commands of a page, in order: ``$`` begins one, ``>`` continues it, the rest of the block is output."""
    current: Shown | None = None
    for line in page.read_text("utf-8").splitlines():
        if line and not line.startswith("    "):
            if current is not None:
                yield current
            current = None
        text = line[4:]
        if text.startswith("$ "):
            if current is not None:
                yield current
            current = Shown([text[2:]])
        elif current is not None and (text.startswith("> ") or text == ">"):
            current.command.append(text[2:])
        elif current is not None and text:
            current.output.append(text)
    if current is not None:
        yield current


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder: in memory where there is room for a server and its snapshots: the disk's speed does not count."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30
    with tempfile.TemporaryDirectory(prefix="hgaurora-docs-", dir=memory if roomy else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.parametrize(("page", "repository"), [("tutorial", "shop"), ("schema", "books")])
def test_a_page_that_can_be_followed(room: Path, page: str, repository: str) -> None:
    """Every command of it, in order, in one shell; a command that fails shows ``[code]`` last."""
    steps = list(shown(DOCS / f"{page}.rst"))
    assert len(steps) > 15
    mark = "--end-of-command--"
    script = "".join("\n".join(step.command) + f'\necho "{mark}$?"\n' for step in steps)
    (room / "script").write_text(script)
    try:
        done = subprocess.run(
            ["bash", "script"],
            cwd=room,
            env=environ(HGPLAIN="", TZ="UTC"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
    finally:
        subprocess.run(["hg", "-R", repository, "aurora-engine", "stop"], cwd=room, env=environ(), capture_output=True)
    pieces = re.split(rf"{mark}(\d+)\n", done.stdout)
    for step, text, code in zip(steps, pieces[::2], pieces[1::2], strict=False):
        came = text.splitlines() + ([f"[{code}]"] if code != "0" else [])
        assert step.matches(came), "\n".join(["$ " + "\n> ".join(step.command), "came:", *came, "shown:", *step.output])
    assert len(pieces) == 2 * len(steps) + 1
