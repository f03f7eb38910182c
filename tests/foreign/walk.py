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
from tests.world import Repo, call, dump, server_for_command, settings, versions

_KEY = re.compile(r"  (UNIQUE )?KEY ")


@dataclass
class Found:
    """What a walk met."""

    ups: int = 0
    downs: int = 0
    #: (revision, what bare Alembic said, what hgaurora said) where neither can go on
    stops: list[tuple[str, str, str]] = field(default_factory=list)


class Bare:
    """Bare Alembic on its own database."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
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
            address,
            place,
            path,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Bare(process)
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


def walk(foreign: Foreign, url: str, twin: str, folder: Path, *, every: int = 1, stride: int = 1) -> Found:
    """Up some changesets at a time, down one deploy at a time, then straight to tip.

    :param every: after how many deploys the schemas are compared.
    :param stride: changesets of one deploy.
    """
    source = histories.unpacked(foreign)
    repo = Repo(folder / foreign.name)
    found = Found()
    history = HglibHistory(repo.root)
    try:
        with _bare(foreign, source, twin) as bare:
            nodes = _committed(foreign, source, repo, url, bare.files)
            stops = sorted({*range(stride - 1, len(nodes), stride), len(nodes) - 1})
            for count, at in enumerate(stops, 1):
                revision, node = bare.order[at], nodes[at]
                if not _both(found, revision, bare.do(f"up {revision}"), repo, history, "deploy", rev=node):
                    break
                found.ups = at + 1
                _equal(url, twin, revision, compare=count % every == 0)
            below_of = {bare.order[b]: bare.order[a] for a, b in itertools.pairwise(stops)}
            for at in reversed([at for at in stops if at < found.ups] if foreign.down else []):
                revision = bare.order[at]
                below = below_of.get(revision, "base")
                if not _both(found, revision, bare.do(f"down {below}"), repo, history, "revert"):
                    break
                found.downs += 1
                _equal(url, twin, revision, compare=found.downs % every == 0)
            if found.ups == len(bare.order) and foreign.down:
                assert bare.do("tip") == "ok"
                call(repo, "deploy", env="dev", rev=nodes[-1], history=history)
                _equal(url, twin, "tip", compare=True)
        return found
    finally:
        history.close()
        repo.close()


def adopted(foreign: Foreign, url: str, twin: str, folder: Path, *, stride: int = 8) -> Found:
    """A database that something else made, brought half-way by bare Alembic, is adopted and deployed to tip."""
    source = histories.unpacked(foreign)
    python = histories.interpreter(foreign)
    assert python is not None
    repo, found = Repo(folder / foreign.name), Found()
    history = HglibHistory(repo.root)
    make = f"import sys\nfrom sqlalchemy import create_engine\nengine = create_engine(sys.argv[1])\n{foreign.made_by}"
    for one in (url, twin):
        address = one.replace("mysql:", "mysql+pymysql:")
        subprocess.run([python, "-c", make, address], check=True, stderr=subprocess.DEVNULL)
    try:
        with _bare(foreign, source, url) as first, _bare(foreign, source, twin) as bare:
            half = len(bare.order) // 2
            nodes = _committed(foreign, source, repo, url, bare.files)
            assert [one.do(f"up {bare.order[half]}") for one in (first, bare)] == ["ok", "ok"]
            call(repo, "adopt", env="dev", rev=nodes[half], history=history)
            _equal(url, twin, "adoption", compare=True)
            for at in sorted({*range(half + stride, len(nodes), stride), len(nodes) - 1}):
                revision = bare.order[at]
                if not _both(found, revision, bare.do(f"up {revision}"), repo, history, "deploy", rev=nodes[at]):
                    break
                found.ups = at - half
                _equal(url, twin, revision, compare=True)
        return found
    finally:
        history.close()
        repo.close()


def _both(
    found: Found, revision: str, said: str, repo: Repo, history: HglibHistory, command: str, **options: str
) -> bool:
    """Both go, or neither: then what both said is kept."""
    ours = ""
    try:
        call(repo, command, env="dev", history=history, **options)
    except HgAuroraError as error:
        ours = f"{type(error).__name__}: {error.message}"
    assert (said == "ok") is not bool(ours), f"{command} {revision}: bare Alembic says {said}, hgaurora {ours or 'ok'}"
    if ours:
        found.stops.append((revision, said, ours))
    return not ours


def _equal(url: str, twin: str, where: str, *, compare: bool) -> None:
    assert versions(url) == versions(twin), where
    if compare:
        one, other = _lines(dump(url)), _lines(dump(twin))
        differ = "\n".join(difflib.unified_diff(other, one, "bare Alembic", "hgaurora", n=1, lineterm=""))
        assert not differ, f"after {where} the schemas differ:\n{differ}"


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
        found = adopted(foreign, url, twin, folder) if foreign.made_by else walk(foreign, url, twin, folder)
    print(f"{foreign.requirement}: {found.ups} up, {found.downs} down, equal after every step")
    for revision, bare, ours in found.stops:
        print(f"  neither passes {revision}\n    bare Alembic: {bare}\n    hgaurora:     {ours}")
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
