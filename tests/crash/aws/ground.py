# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated cluster: its base, the calls of an undisturbed deploy, one cell after another, and what came of each."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

from hgaurora.adapters.local import files
from tests.cloud import DEPLOYER, Cloud
from tests.crash.aws.strikes import KINDS, Aim, Kind, Point
from tests.crash.mysql.picture import Copy
from tests.crash.mysql.warm import Ended, Warm
from tests.crash.mysql.wiretap import kill_tree
from tests.emulator.calls import Call
from tests.world import Repo, migration, sql

ENV, GROUP = "prod", "/hgaurora/prod"
SIDE = "tests.crash.aws.side"
DEPLOY = ("deploy", ENV, "--json")
#: revisions, oldest first: the first is there when a cell begins
REVISIONS = ("r1", "r2", "r3")
_UP = {
    "r1": ("CREATE TABLE account (id INT PRIMARY KEY, note VARCHAR(40))", "INSERT INTO account VALUES (1, 'r1')"),
    "r2": ("ALTER TABLE account ADD COLUMN seen INT", "INSERT INTO account VALUES (2, 'r2', 2)"),
    # what runs twice is seen: nothing here is a key
    "r3": ("CREATE TABLE visit (account INT, note VARCHAR(40))", "INSERT INTO visit SELECT id, 'r3' FROM account"),
}
#: exit code of what is a bug of ours
BUG = 255


class Verdict(Enum):
    """What came of a cell."""

    #: the end of an undisturbed run, at once
    SAME = "same"
    #: a non-zero exit with a message that is true and names the remedy; the next run reaches that end
    STOPPED = "stopped"
    #: killed; the next run reaches that end
    RESUMED = "resumed"
    WRONG = "wrong"
    #: the call was not made
    MISSED = "missed"


GOOD = (Verdict.SAME, Verdict.STOPPED, Verdict.RESUMED)


@dataclass(frozen=True)
class Result:
    """One cell. ``said`` is what the run said where it stopped."""

    aim: Aim
    verdict: Verdict
    problems: tuple[str, ...] = ()
    said: str = ""
    seconds: float = 0.0


@dataclass
class Seen:
    """The database, the ledger, the snapshots and the journal, as no line of what is tested sees them."""

    schema: list[Any]
    rows: dict[str, list[str]]
    versions: list[str]
    deployments: list[tuple[str, str]]
    events: list[tuple[int, str, Any]]
    snapshots: list[dict[str, Any]]
    journal: set[int]
    left: list[str] = field(default_factory=list)

    @property
    def data(self) -> tuple[list[Any], dict[str, list[str]], list[str]]:
        """What the scripts make."""
        return self.schema, self.rows, self.versions

    def of(self, kind: str) -> list[Any]:
        """Payloads of events."""
        return [payload for _, found, payload in self.events if found == kind]


class Ground:
    """A cluster, a repository with three migrations, and one of them deployed.

    :param engine: postgresql | mysql.
    :param cloud: it serves, and this process resolves its names.
    """

    def __init__(self, engine: str, cloud: Cloud, warm: Warm, folder: Path, *, without: str | None = None) -> None:
        self.engine, self.cloud, self._warm, self._folder = engine, cloud, warm, folder
        self.without = without
        cloud.delay("*", 0.02)
        self._made = cloud.fresh(f"aurora-{engine}")
        here = cloud.region(cloud.account, cloud.default_region)
        self._cluster, self._snapshots = here.cluster(self._made.id), here.snapshots
        # what is in a snapshot is not looked at here, and takes the most time
        self._cluster.plane.image = lambda target: target.mkdir(parents=True)  # type: ignore[method-assign]
        self._copy = Copy(())
        self._pictures: dict[tuple[str, ...], Any] = {}
        self._base = 0
        self.points: tuple[Point, ...] = ()
        self.calls: tuple[str, ...] = ()

    # the base

    def prepare(self, *, twice: bool = True) -> None:
        """Make the base, and run the deploy undisturbed. ``twice``: only calls that were made both times count."""
        self._root = self._folder / "repo"
        repo = Repo(self._root)
        nodes, before = [], None
        for name in REVISIONS:
            text = migration(name, before, "\n".join(sql(one) for one in _UP[name]))
            nodes.append(repo.commit({f"migrations/versions/{name}.py": text}, name))
            before = name
        repo.close()
        (self._root / "hgaurora.toml").write_text(self._settings())
        (self._root / ".hg" / "hgrc").write_text(f"[hgaurora]\nconfig = {self._root}/hgaurora.toml\n")
        for node in nodes:
            self._must(self.run(*DEPLOY, "-r", node, whole=True))
            seen = self.look()
            self._pictures[tuple(seen.versions)] = seen.data
            if node == nodes[0]:
                self._keep(seen)
        for number in range(1 + twice):
            self.fresh()
            self._must(self.run(*DEPLOY))
            found = [call for call in self.cloud.faults.calls() if call.attempt == 1]
            counts: Counter[str] = Counter()
            points = []
            for call in found:
                counts[call.name] += 1
                points.append(Point(call.name, counts[call.name]))
            self.points = tuple(points) if number == 0 else tuple(one for one in self.points if one in points)
            self.calls = self.calls or tuple(dict.fromkeys(point.name for point in points))
            if problems := self._done(self.look(), Ended(0, "")):
                raise AssertionError(f"{self.engine}: an undisturbed run: {'; '.join(problems)}")

    @property
    def version(self) -> str:
        """What is behind the cluster, in words."""
        with self._admin() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            said = str(cursor.fetchone()[0]).partition(" on ")[0]
        return said if re.match(r"PostgreSQL|.*MariaDB", said) else f"MySQL {said}"

    def aims(self) -> list[Aim]:
        """Each cell: every call, struck in every way."""
        return [Aim(kind, point) for point in self.points for kind in KINDS]

    def _settings(self) -> str:
        return (
            f'[project]\nmigrations = "migrations"\n\n[environments.{ENV}]\ncluster = "{self._made.id}"\n'
            f'region = "{self.cloud.default_region}"\naccount = "{self.cloud.account}"\n'
            f'database = "{self._made.database}"\nuser = "{DEPLOYER}"\nca-bundle = "{self.cloud.authority.bundle}"\n'
            f'snapshot-wait = "10s"\nlock-wait = "30s"\nlog-group = "{GROUP}"\nlog-retention = 30\n'
        )

    def _keep(self, seen: Seen) -> None:
        """This is what a cell begins with."""
        self._base = max(number for number, _, _ in seen.events)
        _copied(self._root / ".hg" / "hgaurora", self._folder / "state")
        if self.engine == "mysql":
            with self._admin() as connection:
                self._copy = Copy.of(connection)
            return
        self._end_sessions()
        with self._cluster.plane.admin("postgres") as connection:
            connection.execute("CREATE DATABASE base TEMPLATE shop")

    def fresh(self) -> None:
        """As it was when only the first revision was there: database, snapshots, log group, the machine's own files."""
        cloud = self.cloud
        self._calm()
        cloud.snapshot_quota = 100
        self._snapshots.clear()
        with cloud.lock:
            self._cluster.record["Status"] = "available"
        logs = cloud.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])
        self._end_sessions()
        if self.engine == "mysql":
            with self._cluster.plane.admin() as connection, connection.cursor() as cursor:
                cursor.execute("DROP DATABASE shop")
                cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            with self._admin() as connection:
                self._copy.lay_down(connection)
        else:
            with self._cluster.plane.admin("postgres") as connection:
                connection.execute("DROP DATABASE shop WITH (FORCE)")
                connection.execute("CREATE DATABASE shop TEMPLATE base")
                connection.execute(f"GRANT ALL ON DATABASE shop TO {DEPLOYER}")
        _copied(self._folder / "state", self._root / ".hg" / "hgaurora")

    def _calm(self) -> None:
        """No faults, nothing held, and nothing that a client gave up is still under way."""
        self.cloud.faults.clear()
        self.cloud.states.reset()
        self.cloud.delay("*", 0.02)
        if not files.until(lambda: all(call.outcome for call in self.cloud.faults.calls()), 30):
            raise AssertionError("a call does not end")
        self.cloud.states.settle()
        if self.cloud.states.errors:
            raise AssertionError(self.cloud.states.errors[0])

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        with self._cluster.plane.admin("shop") as connection:
            yield connection

    def _end_sessions(self) -> None:
        if self.engine == "mysql":
            with self._cluster.plane.admin() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (DEPLOYER,))
                for (session,) in cursor.fetchall():
                    cursor.execute(f"KILL {session}")
            return
        with self._cluster.plane.admin("postgres") as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")

    # running

    def run(self, *arguments: str, rule: Any = None, whole: bool = False) -> Ended:
        """One command of the command line. ``whole``: the protection that is to be taken out stays."""
        self.cloud.faults.restart()
        if rule is not None:
            self.cloud.faults.rules.append(rule)
        return self._warm.run(
            f"{SIDE}:run",
            arguments,
            self._root,
            env=self.cloud.as_role(),
            without=None if whole else self.without,
        )

    def _must(self, ended: Ended) -> None:
        if ended.code != 0:
            raise AssertionError(f"{self.engine}: an undisturbed run failed: {_words(ended)}")

    def cell(self, aim: Aim) -> Result:
        """Strike a run, look, run it again, look."""
        started = time.monotonic()
        self.fresh()
        verdict, problems, said = self._cell(aim)
        return Result(aim, verdict, tuple(problems), said, time.monotonic() - started)

    def _cell(self, aim: Aim) -> tuple[Verdict, list[str], str]:
        rule = aim.kind.rule(aim.point, _kill, self.cloud)
        first = self.run(*DEPLOY, rule=rule)
        unready = {_tag(one.record, "before"): one.record["Status"] for one in self._snapshots.values()}
        self._calm()
        self.cloud.snapshot_quota = 100
        said = _words(first)
        if not rule.struck:
            return Verdict.MISSED, [f"the call was never made; {said}"], said
        if first.code is None:
            return Verdict.WRONG, [f"hangs; {said}"], said
        if first.code == 0 and aim.kind.kills:
            return Verdict.WRONG, [f"the run that was killed says it is done; {said}"], said
        seen = self.look()
        if first.code == 0:
            problems, verdict = self._done(seen, first), Verdict.SAME
        elif aim.kind.kills:
            problems, verdict = self._between(seen), Verdict.RESUMED
        else:
            problems, verdict = self._between(seen) + self._stopped(seen, first, aim), Verdict.STOPPED
        for payload in seen.of("step"):
            if (status := unready.get(payload["revision"], "available")) != "available":
                problems.append(f"{payload['revision']} ran, and the snapshot before it was {status}")
        if problems:
            return Verdict.WRONG, [*problems, said], said
        if first.code != 0 or self._late(seen):
            second = self.run(*DEPLOY)
            self._calm()
            if second.code != 0:
                return Verdict.WRONG, [f"the next run does not end well: {_words(second)}", f"struck: {said}"], said
            seen = self.look()
            problems = self._done(seen, second)
            if late := self._late(seen):
                problems.append(f"the journal has not {late}")
        return (Verdict.WRONG, [*problems, said], said) if problems else (verdict, [], said)

    # judging

    def look(self) -> Seen:
        """Everything that a cell is judged by."""
        with self._admin() as connection, connection.cursor() as cursor:
            return self._look(cursor)

    def _look(self, cursor: Any) -> Seen:
        def ask(text: str) -> list[Any]:
            cursor.execute(text)
            return list(cursor.fetchall())

        own = "shop" if self.engine == "mysql" else "public"
        ledger = "hgaurora_" if self.engine == "mysql" else "hgaurora."
        schema = ask(
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            f" WHERE table_schema = '{own}' AND table_name NOT LIKE 'hgaurora%' ORDER BY 1, ordinal_position"
        )
        rows = {}
        for name in dict.fromkeys(row[0] for row in schema if row[0] != "alembic_version"):
            rows[name] = sorted(map(repr, ask(f"SELECT * FROM {name}")))
        events = [
            (number, kind, json.loads(payload))
            for number, kind, payload in ask(f"SELECT seq, kind, payload FROM {ledger}event ORDER BY seq")
        ]
        return Seen(
            schema=schema,
            rows=rows,
            versions=sorted(row[0] for row in ask("SELECT version_num FROM alembic_version")),
            deployments=ask(f"SELECT id, outcome FROM {ledger}deployment ORDER BY number"),
            events=events,
            snapshots=[dict(one.record) for one in self._snapshots.values()],
            journal=self._journal(),
        )

    def _journal(self) -> set[int]:
        """The numbers of the events that CloudWatch has."""
        logs = self.cloud.client("logs")
        found: set[int] = set()
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                found |= {json.loads(event["message"]).get("seq", 0) for event in page["events"]}
        return found

    def _late(self, seen: Seen) -> list[int]:
        """Events that are not in the journal yet."""
        if not self.calls or not any(name.startswith("logs:") for name in self.calls):
            return []
        return sorted({number for number, _, _ in seen.events if number > self._base} - seen.journal)

    def _between(self, seen: Seen) -> list[str]:
        """What must hold at any time: whole migrations, and each snapshot known to the ledger, one for a step."""
        problems = []
        if tuple(seen.versions) not in self._pictures:
            problems.append(f"the version table has {seen.versions}")
        elif seen.data != self._pictures[tuple(seen.versions)]:
            problems.append(f"what is there is not what {seen.versions} makes: {seen.schema} {seen.rows}")
        known = {payload["snapshot"] for payload in seen.of("snapshot-intent")}
        befores: Counter[str] = Counter()
        for row in seen.snapshots:
            tags = {tag["Key"]: tag["Value"] for tag in row["TagList"]}
            befores[tags.get("hgaurora:before", "nothing")] += 1
            if row["DBClusterSnapshotIdentifier"] not in known:
                problems.append(f"orphan: no event of the ledger names snapshot {row['DBClusterSnapshotIdentifier']}")
        problems += [f"twice: {count} snapshots before {name}" for name, count in befores.items() if count > 1]
        available = {payload["snapshot"] for payload in seen.of("snapshot-available")}
        there = {row["DBClusterSnapshotIdentifier"] for row in seen.snapshots if row["Status"] == "available"}
        if missing := [name for name in sorted(available - there) if name in known and name not in self._old]:
            problems.append(f"snapshot that the ledger calls available is not: {missing}")
        return problems

    @property
    def _old(self) -> set[str]:
        """Snapshots of the base; there are none, for an empty database is not snapshotted."""
        return set()

    def _done(self, seen: Seen, ended: Ended) -> list[str]:
        """How the end of a run that says all is well differs from that of an undisturbed one."""
        problems = self._between(seen)
        if seen.versions != [REVISIONS[-1]]:
            problems.append(f"done, and the version table has {seen.versions}")
        steps = [payload["revision"] for payload in seen.of("step")]
        if steps != list(REVISIONS):
            problems.append(f"the ledger has the steps {steps}")
        outcomes = [outcome for _, outcome in seen.deployments]
        if outcomes[-1] != "ok" or outcomes.count("ok") != 2 or set(outcomes) - {"ok", "failed"}:
            problems.append(f"the ledger has the deployments {seen.deployments}")
        made = sorted(
            (_tag(row, "before"), _tag(row, "heads"), row["Status"], _tag(row, "deployment") in dict(seen.deployments))
            for row in seen.snapshots
        )
        wanted = [(after, before, "available", True) for before, after in pairwise(REVISIONS)]
        if made != wanted:
            problems.append(f"the snapshots are {made}")
        if (late := self._late(seen)) and "wait in the ledger" not in " ".join(ended.said.split()):
            problems.append(f"nothing is said of the events that wait: {late}")
        return problems

    def _stopped(self, seen: Seen, ended: Ended, aim: Aim) -> list[str]:
        """What is wrong with what a run that stopped said."""
        error = _error(ended.said)
        if error is None or ended.code == BUG:
            return ["it ends without an error of ours"]
        problems = []
        text = " ".join(str(error[key] or "") for key in ("message", "state", "hint"))
        if not aim.kind.says(text, aim.point):
            problems.append(f"remedy: nothing says {aim.kind.remedy!r}")
        state = str(error["state"] or "")
        begun = len(seen.deployments) > 1
        if begun and seen.versions[0] not in state:
            problems.append(f"state: it does not say that {seen.versions[0]} is where the database is")
        if not begun and not re.match(rf"nothing was|{ENV} was not touched", state):
            problems.append("state: it does not say that nothing was done")
        return problems


def _copied(source: Path, target: Path) -> None:
    """Let a folder be a copy of another one, which need not be there."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)


def _tag(row: dict[str, Any], name: str) -> str:
    return next((tag["Value"] for tag in row["TagList"] if tag["Key"] == f"hgaurora:{name}"), "")


def _error(said: str) -> dict[str, Any] | None:
    for line in said.splitlines():
        if line.startswith("[{") and '"error"' in line:
            found: dict[str, Any] = json.loads(line)[0]
            return found
    return None


def _kill(call: Call) -> None:
    kill_tree(call.client_pid())


def _words(ended: Ended) -> str:
    return f"exit {ended.code}: {ended.said.strip()[-2000:]}"


def kinds_of(results: Sequence[Result]) -> list[Kind]:
    """Those that were tried, in their order."""
    tried = {result.aim.kind.name for result in results}
    return [kind for kind in KINDS if kind.name in tried]
