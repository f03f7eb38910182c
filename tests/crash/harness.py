# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell: a fresh copy of a scenario's base, a run that is killed, the same command again, a look at the end."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from hgaurora.adapters.database.postgresql import maintenance
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.local import files
from hgaurora.adapters.local.cluster import LocalCluster
from hgaurora.app.compose import Adapters
from tests.crash.points import BOTH, CHILD, PARENT, Aim, Mark, Points, RecordedAdapters
from tests.crash.runner import Command, Outcome, play
from tests.crash.scenarios import ENV, Scenario
from tests.engines import with_database
from tests.world import Repo, dump, settings

#: how often a person runs the command again
TRIES = 3
MakeAdapters = Callable[[Points], Adapters]
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Place:
    """One copy of a base: a repository, and what its environment points to."""

    root: Path
    #: of the server, where the environment is one by url
    url: str | None

    @property
    def folder(self) -> Path:
        """The environment's private folder."""
        return self.root / ".hg" / "hgaurora" / ENV

    def cluster(self) -> LocalCluster:
        """The local engine."""
        return LocalCluster(self.folder, environment=ENV, fsync=False)

    def reach(self) -> str:
        """How to connect, as libpq takes it; starts a local server."""
        return self.url or conninfo.make_conninfo("", **self.cluster().connection().parameters)


@dataclass(frozen=True)
class Result:
    """What came of one cell. No problems: the end is that of an undisturbed run."""

    aim: Aim
    problems: tuple[str, ...]
    #: commands until one said that all is done
    tries: int
    seconds: float


class Ground:
    """One scenario: its base, its points, and the end of an undisturbed run."""

    def __init__(self, scenario: Scenario, server: str, folder: Path) -> None:
        self.scenario = scenario
        self.server = server
        self.folder = folder / scenario.name
        self._name = f"hgaurora_crash_{os.getpid()}_{scenario.name.replace('-', '_')}"
        self._numbers = itertools.count(1)
        self.end: dict[str, Any] = {}
        self.marks: tuple[Mark, ...] = ()

    def prepare(self, *, twice: bool = True) -> None:
        """Make the base, and run the command undisturbed. ``twice``: the end must be the same both times."""
        self.folder.mkdir(parents=True)
        repo = Repo(self.folder / "base")
        self.scenario.history(repo)
        repo.close()
        base = Place(repo.root, None if self.scenario.local else self._create(self._name, None))
        _settle(base, self.scenario)
        if self.scenario.before:
            _must(play(base.root, self.scenario.before))
        if self.scenario.local:
            base.cluster().stop()
        for number in range(1 + twice):
            with self.place() as place:
                outcome = play(place.root, [self.scenario.command, _STATUS])
                _must(outcome)
                end = look(place, outcome)
            if number == 0:
                self.end, self.marks = end, outcome.marks
            elif differing := compare(self.end, end):
                raise AssertionError(f"{self.scenario.name}: two undisturbed runs differ: {'; '.join(differing)}")

    def aims(self) -> list[Aim]:
        """Every cell: each side of each point, and whoever of parent and child runs there."""
        return [
            Aim(mark, victim) for mark in self.marks for victim in ((PARENT, CHILD, BOTH) if mark.child else (PARENT,))
        ]

    def points(self) -> int:
        """How many points the command has, each with its sides."""
        return len({(mark.label, mark.number) for mark in self.marks})

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A fresh copy of the base; whatever is left of it is removed."""
        number = next(self._numbers)
        name = f"{self._name}_{number}"
        root = self.folder / str(number)
        subprocess.run(["cp", "-a", str(self.folder / "base"), str(root)], check=True)
        place = Place(root, None if self.scenario.local else self._create(name, self._name))
        _settle(place, self.scenario)
        try:
            yield place
        finally:
            if self.scenario.local:
                _stop_all(place.folder)
            else:
                self._drop(name)
            shutil.rmtree(root)

    def close(self) -> None:
        """Drop the base."""
        if not self.scenario.local:
            self._drop(self._name)
        shutil.rmtree(self.folder)

    def cell(self, aim: Aim, adapters: MakeAdapters = RecordedAdapters, *, tries: int = TRIES) -> Result:
        """Kill a run, run it again (at most ``tries`` times, until it says that all is done), look."""
        started = time.monotonic()
        with self.place() as place:
            problems, tried = self._disturbed(place, aim, adapters, tries)
        return Result(aim, tuple(problems), tried, time.monotonic() - started)

    def _disturbed(self, place: Place, aim: Aim, adapters: MakeAdapters, limit: int) -> tuple[list[str], int]:
        first = play(place.root, [self.scenario.command], aim=aim, adapters=adapters)
        if first.hung:
            return [f"the disturbed run hangs: {first.said}"], 0
        if not first.struck:
            return [f"the point was never reached; the run said: {first.said or 'nothing'}"], 0
        said: list[str] = [] if first.code in (0, None) else [f"disturbed: {first.said}"]
        for tries in range(1, limit + 1):
            again = play(place.root, [self.scenario.command, _STATUS], adapters=adapters)
            if again.code == 0:
                return compare(self.end, look(place, again)), tries
            said.append(f"try {tries}: {again.said}")
            if again.hung:
                break
        return said, limit

    def _create(self, name: str, template: str | None) -> str:
        with psycopg.connect(self.server, autocommit=True) as connection:
            text = sql.SQL("create database {} template {}")
            connection.execute(text.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        return with_database(self.server, name)

    def _drop(self, name: str) -> None:
        """With what a restore made beside it."""
        with psycopg.connect(self.server, autocommit=True) as connection:
            rows = connection.execute(
                "select datname from pg_database where datname = %s or starts_with(datname, %s)", (name, f"{name}~")
            )
            for (found,) in rows.fetchall():
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(found)))


_STATUS: Command = ("status", {"env": ENV, "json": True})


def _must(outcome: Outcome) -> None:
    if outcome.code != 0:
        raise AssertionError(f"an undisturbed run failed: {outcome.said}")


def _settle(place: Place, scenario: Scenario) -> None:
    snapshot = f'snapshot = "{scenario.snapshot}"'
    if place.url is None:
        text = f'[project]\nmigrations = "migrations"\n\n[environments.{ENV}]\ntarget = "local"\n{snapshot}\n'
    else:
        text = settings({ENV: place.url}, extra={ENV: snapshot})
    (place.root / "hgaurora.toml").write_text(text)


def look(place: Place, outcome: Outcome) -> dict[str, Any]:
    """Where everything is: what must not differ from an undisturbed run."""
    url = place.reach()
    database = PostgresDatabase(maintenance.from_url(url), environment=ENV)
    try:
        wrong = database.verify()
        state = database.state()
        deployments = database.deployments()
        steps = database.steps([one.id for one in deployments])
        events = database.events()
    finally:
        database.close()
    control = place.cluster() if place.url is None else None
    seen: dict[str, Any] = {
        "schema": dump(url),
        "data": _data(url),
        "versions": sorted(state.versions or ()),
        "ledger": wrong,
        "at": [state.node, state.branch, state.deployed_by, sorted(state.applied)],
        "deployments": [
            [one.id, one.kind.value, one.outcome.value, one.node, list(one.heads_after or ())] for one in deployments
        ],
        "applied": sorted(
            [step.deployment, step.revision, step.direction.value, step.snapshot or ""] for step in steps
        ),
        "half": sorted(map(str, state.half)),
        "snapshots": sorted(
            [path.parent.name, *_snapshot(path)] for path in place.folder.glob("snapshots/*/snapshot.json")
        ),
        "locked": _sessions(url),
        "restoring": dict(control.restoring() or {}) if control else _beside(url),
        "left": sorted(
            path.name
            for path in place.folder.glob("*")
            if path.name.endswith(".draft") or path.name.startswith("restore-")
        ),
        "waiting": state.undelivered,
        "journal": _journal(place.folder / "journal.jsonl", [one["seq"] for one in events]),
        "status": _status(json.loads(outcome.out[0])[0]),
    }
    return seen


def compare(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is not the same, in words."""
    return [f"{key}: {found[key]!r} instead of {wanted[key]!r}" for key in wanted if wanted[key] != found[key]]


def _data(url: str) -> dict[str, Any]:
    """Every row of every table of the scripts."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
            " and c.relname <> 'alembic_version' order by 1"
        ).fetchall()
        return {
            name: [
                row[0]
                for row in connection.execute(
                    sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(name))
                )
            ]
            for (name,) in tables
        }


def _sessions(url: str) -> list[str]:
    """Who still holds the lock, or is connected as us."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select a.application_name || coalesce(' ' || l.locktype, '') from pg_stat_activity a"
            " left join pg_locks l on l.pid = a.pid and l.locktype = 'advisory'"
            " where a.datname = current_database() and a.application_name like 'hgaurora%'"
        )
        return [row[0] for row in rows]


def _beside(url: str) -> list[Any]:
    """The copies that restores made beside a database, whether it takes sessions, and its comment."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select replace(datname, current_database(), ''), datallowconn, shobj_description(oid, 'pg_database')"
            " from pg_database where datname = current_database()"
            " or starts_with(datname, current_database() || '~') order by 1"
        )
        return [list(row) for row in rows]


def _snapshot(path: Path) -> list[Any]:
    record = json.loads(path.read_text())
    return [path.parent.name, record["state"], record["tags"].get("before"), record["tags"].get("heads")]


def _journal(path: Path, events: Sequence[object]) -> str:
    """That the file has each event of the ledger, in order, each once."""
    there = [json.loads(line)["seq"] for line in path.read_text().splitlines()] if path.exists() else []
    return "whole" if there == list(events) else f"{there} of {list(events)}"


def _status(found: dict[str, Any]) -> dict[str, Any]:
    return {
        key: found.get(key)
        for key in ("state", "node", "heads", "pending", "running", "interrupted", "journal_waiting")
    }


def _stop_all(folder: Path) -> None:
    """End every server on data in a folder."""
    for pidfile in folder.glob("*/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pidfile.read_text().splitlines()[0])
            if os.path.samefile(f"/proc/{pid}/cwd", pidfile.parent):
                os.kill(pid, signal.SIGQUIT)
                files.until(lambda pidfile=pidfile: not pidfile.exists(), 30)


@contextmanager
def room() -> Iterator[Path]:
    """A folder for many small copies: in memory where there is such a place."""
    with tempfile.TemporaryDirectory(prefix="hgcrash-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)
