# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same walk by hgaurora and by bare Alembic on a twin; the schemas are compared after every step.

``python -m tests.foreign.walk prefect`` (or ckan, mlflow, octavia, zenml) walks one history and prints what it found.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.core.errors import HgAuroraError
from tests import engines
from tests.foreign import histories
from tests.foreign.histories import Foreign
from tests.world import Repo, call, dump, query, server_for_command, settings, versions

_KEY = re.compile(r"  (UNIQUE )?KEY ")


@dataclass
class Found:
    """What a walk met."""

    #: the place in Alembic's order that the walk begins after; -1: an empty database
    start: int = -1
    #: revisions
    ups: int = 0
    #: deploys reverted
    downs: int = 0
    #: (revision, what bare Alembic said, what hgaurora said) where neither can go on
    stops: list[tuple[str, str, str]] = field(default_factory=list)


class Bare:
    """Bare Alembic on its own database."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        assert process.stdin is not None
        process.stdin.write(f"{url}\n")
        process.stdin.flush()
        #: revision and file name, as Alembic reads the graph
        self.files: dict[str, str] = dict(json.loads(self._line()))
        self.order = list(self.files)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "bare Alembic ended"
        return line.strip()

    def do(self, word: str) -> str:
        """``up REVISION``, ``down REVISION`` or ``tip``."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._line()


@contextmanager
def _bare(foreign: Foreign, source: Path, url: str) -> Iterator[Bare]:
    python = histories.interpreter(foreign) or sys.executable
    place = str(source / foreign.migrations / foreign.version_location)
    path = str(source) if foreign.code and not foreign.made_by else ""
    address = url.replace("postgresql:", "postgresql+psycopg:").replace("mysql:", "mysql+pymysql:")
    with subprocess.Popen(
        [
            python,
            str(Path(__file__).with_name("bare.py")),
            place,
            path,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Bare(process, address)
        finally:
            process.kill()


def _committed(foreign: Foreign, source: Path, repo: Repo, url: str, ordered: dict[str, str]) -> list[str]:
    """Each revision as a changeset of its own, in Alembic's order; returns the nodes."""
    python = histories.interpreter(foreign)
    project = foreign.project + (f'\npython = "{python}"' if python else "")
    config = settings({"dev": url}, project=project).replace('"migrations"', f'"{foreign.migrations}"', 1)
    files: dict[str, str | bytes | None] = {name: (source / name).read_bytes() for name in foreign.code}
    repo.commit({"hgaurora.toml": config, **files}, "settings")
    folder = f"{foreign.migrations}/{foreign.version_location}"
    return [
        repo.commit({f"{folder}/{name}": (source / folder / name).read_bytes()}, f"migration {revision}")
        for revision, name in ordered.items()
    ]


@dataclass(kw_only=True)
class Walk:
    """A repository with one history, hgaurora's database, and the twin that bare Alembic migrates."""

    foreign: Foreign
    url: str
    twin: str
    repo: Repo
    history: HglibHistory
    bare: Bare
    nodes: list[str]
    #: after how many deploys the schemas are compared; they always are after the last
    every: int
    found: Found = field(default_factory=Found)

    def up(self, stops: list[int]) -> list[int]:
        """Deploy to each of these places in the order; returns those that both reached."""
        for count, at in enumerate(stops, 1):
            revision = self.bare.order[at]
            if not self._both(revision, f"up {revision}", "deploy", rev=self.nodes[at]):
                return stops[: count - 1]
            self.found.ups += at - (stops[count - 2] if count > 1 else self.found.start)
            self.equal(revision, compare=count % self.every == 0 or at == stops[-1])
            if revision in self.foreign.rows:
                for one in (self.url, self.twin):
                    query(one, self.foreign.rows[revision])
        return stops

    def down(self, stops: list[int], lowest: str) -> bool:
        """Revert one deploy after the other; whether all are."""
        for count, at in enumerate(reversed(stops), 1):
            below = self.bare.order[stops[-count - 1]] if count < len(stops) else lowest
            if not self._both(self.bare.order[at], f"down {below}", "revert"):
                return False
            self.found.downs = count
            self.equal(below, compare=count % self.every == 0 or count == len(stops))
        return True

    def tip(self) -> None:
        """From base to tip in one deploy."""
        assert self.bare.do("tip") == "ok"
        call(self.repo, "deploy", env="dev", rev=self.nodes[-1], history=self.history)
        self.equal("tip")

    def equal(self, where: str, *, compare: bool = True) -> None:
        """The version rows are the same, and where ``compare`` says so the schemas."""
        assert versions(self.url) == versions(self.twin), where
        if compare:
            one, other = _lines(dump(self.url)), _lines(dump(self.twin))
            differ = "\n".join(difflib.unified_diff(other, one, "bare Alembic", "hgaurora", n=1, lineterm=""))
            assert not differ, f"at {where} the schemas differ:\n{differ}"

    def _both(self, revision: str, word: str, command: str, **options: str) -> bool:
        """Both go, or neither: then what both said is kept."""
        said, ours = self.bare.do(word), ""
        try:
            call(self.repo, command, env="dev", history=self.history, **options)
        except HgAuroraError as error:
            ours = f"{type(error).__name__}: {error.message}"
        print(f"{command} {revision}: {ours or 'ok'}", file=sys.stderr)
        assert (said == "ok") is not bool(ours), (
            f"{command} {revision}: bare Alembic says {said}, hgaurora {ours or 'ok'}"
        )
        if ours:
            self.found.stops.append((revision, said, ours))
        return not ours


@contextmanager
def _beside(foreign: Foreign, url: str, twin: str, folder: Path, *, every: int = 1) -> Iterator[Walk]:
    source = histories.unpacked(foreign)
    repo = Repo(folder / foreign.name)
    history = HglibHistory(repo.root)
    try:
        with _bare(foreign, source, twin) as bare:
            nodes = _committed(foreign, source, repo, url, bare.files)
            yield Walk(
                foreign=foreign, url=url, twin=twin, repo=repo, history=history, bare=bare, nodes=nodes, every=every
            )
    finally:
        history.close()
        repo.close()


def walk(foreign: Foreign, url: str, twin: str, folder: Path, *, every: int = 1, stride: int = 1) -> Found:
    """Up some changesets at a time, down one deploy at a time, then straight to tip.

    :param every: after how many deploys the schemas are compared.
    :param stride: changesets of one deploy.
    """
    with _beside(foreign, url, twin, folder, every=every) as both:
        last = len(both.nodes) - 1
        written = (both.bare.order.index(revision) for revision in foreign.rows)
        stops = sorted({*range(stride - 1, last, stride), last, *written})
        reached = both.up(stops)
        if foreign.down and both.down(reached, "base") and reached == stops:
            both.tip()
        return both.found


def adopted(foreign: Foreign, url: str, twin: str, folder: Path, *, stride: int = 8) -> Found:
    """A database that something else made, brought half-way by bare Alembic, is adopted, deployed to tip, reverted."""
    python = histories.interpreter(foreign)
    assert python is not None
    make = (
        f"import sys\nfrom sqlalchemy import create_engine\nengine = create_engine(sys.stdin.read())\n{foreign.made_by}"
    )
    for one in (url, twin):
        address = one.replace("mysql:", "mysql+pymysql:")
        subprocess.run([python, "-c", make], input=address, text=True, check=True, stderr=subprocess.DEVNULL)
    with _beside(foreign, url, twin, folder) as both:
        half, last = len(both.nodes) // 2, len(both.nodes) - 1
        revision = both.bare.order[half]
        with _bare(foreign, histories.unpacked(foreign), url) as first:
            assert [one.do(f"up {revision}") for one in (first, both.bare)] == ["ok", "ok"]
        call(both.repo, "adopt", env="dev", rev=both.nodes[half], history=both.history)
        both.equal("adoption")
        both.found.start = half
        both.down(both.up(sorted({*range(half + stride, last, stride), last})), revision)
        both.equal("the end")
        return both.found


def _lines(text: str) -> list[str]:
    """A dump's lines; MySQL shows a table's indexes in the order they were made in, which a script may leave open."""
    lines: list[str] = []
    for is_key, run in itertools.groupby(
        (line.rstrip(",") for line in text.splitlines()), key=lambda line: _KEY.match(line) is not None
    ):
        kept = list(run)
        lines += sorted(kept) if is_key else kept
    return lines


def main() -> int:
    """One history, by name."""
    known = (histories.CKAN, histories.MLFLOW, histories.OCTAVIA, histories.PREFECT, histories.ZENML)
    foreign = {one.name: one for one in known}[sys.argv[1]]
    fresh = engines.fresh_my_database if foreign.engine == "mysql" else engines.fresh_database
    with server_for_command(foreign.engine) as (server, folder), fresh(server) as url, fresh(server) as twin:
        way = adopted if foreign.made_by else walk
        found = way(foreign, url, twin, folder, stride=foreign.stride)
    print(f"{foreign.requirement}: {found.ups} revisions up, {found.downs} deploys down, equal after every one")
    for revision, bare, ours in found.stops:
        print(f"  neither passes {revision}\n    bare Alembic: {bare}\n    hgaurora:     {ours}")
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
