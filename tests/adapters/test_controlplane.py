# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a control plane must do, asked of each one that is local: base backups of the engine, and dumps by URL of
PostgreSQL and of MySQL.

Crash points are not chosen by hand: an undisturbed run names every action, and a process is killed after some of them,
or with ``HGAURORA_TEST_CRASH=all`` after each.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import engines
import psycopg
import pymysql
import pytest

from hgaurora.adapters.database.mysql import connection as mysql
from hgaurora.adapters.database.mysql import maintenance as my_maintenance
from hgaurora.adapters.database.mysql.ledger_sql import lock_name
from hgaurora.adapters.database.postgresql import maintenance
from hgaurora.adapters.database.postgresql.ledger_sql import LOCK_KEY
from hgaurora.adapters.local import dump
from hgaurora.adapters.local.cluster import LocalCluster
from hgaurora.adapters.local.dump import DumpSnapshots
from hgaurora.adapters.local.mysql_clients import environment, option_file
from hgaurora.adapters.local.mysql_dump import MysqlSnapshots
from hgaurora.core.errors import InputError, RemoteError, StateError
from hgaurora.ports import Connection, ControlPlane

TAGS = {"environment": "dev", "deployment": "dev-1", "node": "a" * 40, "heads": "0001,0002", "before": "0003"}
ROOT = Path(__file__).parents[2]


class Plane:
    """A control plane, and how to make another one like it, here or in a process that dies."""

    def __init__(self, kind: str, folder: Path, url: str | None) -> None:
        self.kind, self.folder, self.url = kind, folder, url

    def make(self, trace: Callable[[str], None] = lambda action: None) -> ControlPlane:
        if self.url and self.kind == "mysql":
            live = mysql.from_url(self.url)
            return MysqlSnapshots(self.folder, environment="dev", connection=live, fsync=False, trace=trace)
        if self.url:
            return DumpSnapshots(self.folder, environment="dev", url=self.url, fsync=False, trace=trace)
        return LocalCluster(self.folder, environment="dev", fsync=False, trace=trace)

    def run(self, calls: str) -> list[str]:
        """Run ``calls`` on ``control``; the actions it took."""
        actions: list[str] = []
        exec(calls, {"control": self.make(actions.append)})  # noqa: S102
        return actions

    def run_killed(self, calls: str, kill: int) -> list[str]:
        """The same in a new process, killed after its n-th action."""
        place, env = engines.told_apart(self.url or "")
        done = subprocess.run(
            [sys.executable, __file__, self.kind, str(self.folder), place, calls, str(kill)],
            env={**env, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(params=["cluster", "dump", "mysql"])
def plane(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plane]:
    if request.param == "mysql":
        with engines.fresh_my_database(request.getfixturevalue("my_server")) as url:
            yield Plane("mysql", tmp_path / "env", url)
            _drop_my_relatives(url)
        return
    if request.param == "dump":
        with engines.fresh_database(request.getfixturevalue("pg_server")) as url:
            yield Plane("dump", tmp_path / "env", url)
            _drop_relatives(url)
        return
    plane = Plane("cluster", tmp_path / "env", None)
    yield plane
    plane.make().stop()  # type: ignore[attr-defined]
    shutil.rmtree(plane.folder, ignore_errors=True)  # pytest keeps the folders of some runs


def _drop_relatives(url: str) -> None:
    connection = maintenance.from_url(url)
    with maintenance.connect(connection) as server:
        for name in server.databases():
            if name.startswith(connection.parameters["dbname"] + "~"):
                server.drop(name)


def _drop_my_relatives(url: str) -> None:
    connection = mysql.from_url(url)
    live = connection.parameters["dbname"]
    with my_maintenance.connect(connection) as server:
        for (name,) in say(connection, f"SHOW DATABASES LIKE '{live}~%'"):
            server.drop(name)


class MySession:
    """What these tests use of a connection, on MySQL."""

    def __init__(self, connection: Connection) -> None:
        self.session = mysql.opened(connection, application="shop")

    def __enter__(self) -> MySession:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(pymysql.Error):  # ended by the server
            self.session.close()

    def execute(self, query: str, values: Any = None) -> Any:
        cursor = self.session.cursor()
        cursor.execute(query, values)
        return cursor


def connect(connection: Connection, **more: str) -> Any:
    if connection.engine == "mysql":
        return MySession(connection)
    parameters: dict[str, Any] = {**connection.parameters, **more, "password": connection.password()}
    return psycopg.connect(**parameters, autocommit=True)


def say(connection: Connection, *queries: str) -> list[Any]:
    """Run queries; the rows of the last one."""
    with connect(connection) as session:
        for query in queries[:-1]:
            session.execute(query)
        return list(session.execute(queries[-1]).fetchall())


def take(control: ControlPlane, snapshot: str, tags: Mapping[str, str] = TAGS) -> list[tuple[str, int | None]]:
    seen: list[tuple[str, int | None]] = []
    control.start_snapshot(snapshot, tags=tags)
    control.wait_snapshot(snapshot, progress=lambda state, percent: seen.append((state, percent)))
    return seen


def prepare(control: ControlPlane, snapshot: str = "dev-1-1") -> None:
    """Two rows in a snapshot, a third one after it."""
    live = control.connection()
    with connect(live) as session:
        if live.engine == "postgresql":
            session.execute("create schema ledger")
        session.execute(f"create table {table(live)} as select 1 as n union select 2")
        take(control, snapshot)
        session.execute(f"insert into {table(live)} values (3)")


def table(connection: Connection) -> str:
    """The table of :func:`prepare`."""
    return "ledger_t" if connection.engine == "mysql" else "ledger.t"


def points(actions: list[str], *, seed: int = 0) -> list[int]:
    """After which actions to kill: three of them, or all."""
    numbers = range(1, len(actions) + 1)
    if os.environ.get("HGAURORA_TEST_CRASH") == "all":
        return list(numbers)
    return sorted(random.Random(seed).sample(numbers, min(3, len(numbers))))


def rows(connection: Connection) -> list[int]:
    return [n for (n,) in say(connection, f"select n from {table(connection)} order by n")]


def restore(control: ControlPlane, deployment: str, snapshot: str = "dev-1-1") -> None:
    control.restore_copy(snapshot, deployment=deployment)
    control.restore_note(deployment=deployment, action="copy")
    control.restore_close(deployment=deployment)
    control.restore_note(deployment=deployment, action="close")
    control.restore_swap(deployment=deployment)
    control.restore_note(deployment=deployment, action="swap")


def test_a_snapshot_is_taken_while_others_write(plane: Plane) -> None:
    control = plane.make()
    say(control.connection(), "create table busy (n int)", "select 1")
    stop = threading.Event()

    def write() -> None:
        with connect(control.connection()) as session:
            while not stop.is_set():
                session.execute("insert into busy values " + ", ".join(f"({n})" for n in range(100)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert take(control, "dev-1-1")[-1] == ("available", 100)
    finally:
        stop.set()
        writer.join()
    (found,) = control.snapshots()
    assert (found.id, found.state, found.environment) == ("dev-1-1", "available", "dev")
    assert (found.deployment, found.node, found.before) == ("dev-1", "a" * 40, "0003")
    assert found.heads == ("0001", "0002")
    assert found.bytes
    assert found.tags == TAGS
    whole = say(control.restore_copy("dev-1-1", deployment="dev-2"), "select count(*) from busy")[0][0]
    assert whole % 100 == 0
    control.restore_open(deployment="dev-2")


def test_snapshots_are_listed_newest_first_and_deleted_for_good(plane: Plane) -> None:
    control = plane.make()
    control.connection()
    assert control.snapshots() == []
    for name in ("dev-1-1", "dev-1-2"):
        take(control, name)
    assert [snapshot.id for snapshot in plane.make().snapshots()] == ["dev-1-2", "dev-1-1"]
    control.delete_snapshot("dev-1-2")
    control.delete_snapshot("dev-1-2")
    assert [snapshot.id for snapshot in control.snapshots()] == ["dev-1-1"]


def test_the_same_id_is_one_snapshot(plane: Plane) -> None:
    control = plane.make()
    control.connection()
    take(control, "dev-1-1")
    (first,) = control.snapshots()
    assert take(control, "dev-1-1", {}) == [("available", 100)]
    control.start_snapshot("dev-1-2", tags=TAGS)
    other = plane.make()  # another process, as far as it can tell
    assert take(other, "dev-1-2")[-1] == ("available", 100)
    assert control.wait_snapshot("dev-1-2", progress=lambda state, percent: None) == other.snapshots()[0]
    assert control.snapshots()[-1] == first


def test_a_snapshot_that_fails_leaves_nothing(plane: Plane) -> None:
    control = plane.make()
    control.connection()
    control.start_snapshot("dev-1-1", tags=TAGS)
    control.wait_snapshot("dev-1-1", progress=lambda state, percent: None)
    content = next(path for path in (plane.folder / "snapshots" / "dev-1-1").rglob("*") if _is_content(path))
    os.truncate(content, content.stat().st_size // 2)
    (plane.folder / "snapshots" / "dev-1-1" / "snapshot.json").write_text(
        '{"state": "creating", "tags": {}, "created": "2026-11-19T14:51:00+00:00", "bytes": null}'
    )
    with pytest.raises(RemoteError):
        plane.make().wait_snapshot("dev-1-1", progress=lambda state, percent: None)
    assert control.snapshots() == []
    with pytest.raises(StateError, match="no snapshot dev-1-1"):
        control.wait_snapshot("dev-1-1", progress=lambda state, percent: None)


def _is_content(path: Path) -> bool:
    return path.name in ("database.dump", "database.sql", "PG_VERSION") or (
        path.name == "1259" and path.parent.parent.name == "base"
    )


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a'b", "x" * 101])
def test_ids_that_are_not_names_are_refused(plane: Plane, name: str) -> None:
    with pytest.raises(InputError):
        plane.make().delete_snapshot(name)


def test_a_restore_takes_over_and_keeps_what_was_live(plane: Plane) -> None:
    control = plane.make()
    prepare(control)
    copy = control.restore_copy("dev-1-1", deployment="dev-2")
    assert control.restoring() == {"deployment": "dev-2", "snapshot": "dev-1-1", "done": ""}
    assert (rows(copy), rows(control.connection())) == ([1, 2], [1, 2, 3])
    assert control.restore_copy("dev-1-1", deployment="dev-2") == copy
    restore(control, "dev-2")
    assert plane.make().restoring() == {"deployment": "dev-2", "snapshot": "dev-1-1", "done": "swap"}
    assert rows(plane.make().connection()) == [1, 2]
    assert control.restore_copy("dev-1-1", deployment="dev-2") == control.connection()
    with pytest.raises(StateError, match="taken over"):
        control.restore_open(deployment="dev-2")
    control.restore_close(deployment="dev-2")
    assert rows(control.connection()) == [1, 2]
    control.restore_done(deployment="dev-2")
    control.restore_done(deployment="dev-2")
    assert control.restoring() is None
    with pytest.raises(StateError):
        control.restore_note(deployment="dev-2", action="swap")
    restore(control, "dev-3")  # and once more, from the same snapshot
    control.restore_done(deployment="dev-3")
    assert rows(control.connection()) == [1, 2]


def test_closing_ends_sessions_of_others_only(plane: Plane) -> None:
    control = plane.make()
    prepare(control)
    control.restore_copy("dev-1-1", deployment="dev-2")
    live = control.connection()
    if plane.kind == "mysql":
        _closing_on_mysql(control, live)
        return
    with (
        connect(live, application_name="hgaurora dev") as ours,
        connect(live, application_name="hgaurora dev-2") as named,
        connect(live, application_name="hgaurora dev") as idle,
        connect(live, application_name="shop") as shop,
    ):
        assert ours.execute("select pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone() == (True,)
        control.restore_close(deployment="dev-2")
        control.restore_close(deployment="dev-2")
        for session in (shop, idle):
            with pytest.raises(psycopg.OperationalError):
                session.execute("select 1")
        for session in (ours, named):
            assert session.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
            connect(control.connection()).close()
    control.restore_note(deployment="dev-2", action="close")
    with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
        connect(control.connection()).close()
    control.restore_open(deployment="dev-2")
    control.restore_open(deployment="dev-2")
    assert control.restoring() is None
    assert rows(control.connection()) == [1, 2, 3]


def _closing_on_mysql(control: ControlPlane, live: Connection) -> None:
    """No server of MySQL's keeps new sessions out of one database; what they write stays in the retired one."""
    with connect(live) as ours, connect(live) as shop:
        assert ours.execute("SELECT GET_LOCK(%s, 0)", [lock_name(live.parameters["dbname"])]).fetchone() == (1,)
        control.restore_close(deployment="dev-2")
        control.restore_close(deployment="dev-2")
        with pytest.raises(pymysql.OperationalError):
            shop.execute("select 1")
        assert ours.execute("select 1").fetchone() == (1,)
        with connect(control.connection()) as late:
            late.execute(f"insert into {table(live)} values (4)")
    control.restore_note(deployment="dev-2", action="close")
    control.restore_open(deployment="dev-2")
    control.restore_open(deployment="dev-2")
    assert control.restoring() is None
    assert rows(control.connection()) == [1, 2, 3, 4]


def test_one_restore_at_a_time(plane: Plane) -> None:
    control = plane.make()
    prepare(control)
    control.restore_copy("dev-1-1", deployment="dev-2")
    with pytest.raises(StateError, match="being restored by dev-2"):
        control.restore_copy("dev-1-1", deployment="dev-3")
    with pytest.raises(StateError):
        control.restore_note(deployment="dev-3", action="copy")
    control.restore_open(deployment="dev-2")


SNAPSHOT = """
control.connection()
control.start_snapshot("{0}", tags={{"node": "x"}})
control.wait_snapshot("{0}", progress=lambda state, percent: None)
"""
RESTORE = """
control.restore_copy("dev-1-1", deployment="{0}")
control.restore_note(deployment="{0}", action="copy")
control.restore_close(deployment="{0}")
control.restore_note(deployment="{0}", action="close")
control.restore_swap(deployment="{0}")
control.restore_note(deployment="{0}", action="swap")
"""
ABANDON = """
control.restore_copy("dev-1-1", deployment="{0}")
control.restore_close(deployment="{0}")
control.restore_open(deployment="{0}")
"""


def test_a_snapshot_killed_after_any_action_is_made_by_the_next_run(plane: Plane) -> None:
    prepare(plane.make())
    actions = plane.run(SNAPSHOT.format("s-0"))
    assert actions == ["snapshot noted", "snapshot begun", "snapshot available"]
    for kill in range(1, len(actions) + 1):
        name = f"s-{kill}"
        assert plane.run_killed(SNAPSHOT.format(name), kill) == actions[:kill]
        plane.run(SNAPSHOT.format(name))
        control = plane.make()
        assert {snapshot.id: snapshot.state for snapshot in control.snapshots()}[name] == "available"
        assert rows(control.restore_copy(name, deployment="dev-2")) == [1, 2, 3]
        control.restore_open(deployment="dev-2")
    assert not [path.name for path in (plane.folder / "snapshots").iterdir() if path.name.startswith(".gone")]


@pytest.mark.parametrize("look", [False, pytest.param(True, marks=pytest.mark.whole)], ids=["", "looked at in between"])
def test_a_restore_killed_after_any_action_is_finished_by_the_next_run(plane: Plane, look: bool) -> None:
    prepare(plane.make())
    actions = plane.run(RESTORE.format("dev-100"))
    plane.make().restore_done(deployment="dev-100")
    assert len(actions) > 8
    for kill in points(actions, seed=int(look)):
        control = plane.make()
        live = control.connection()
        say(live, f"insert into {table(live)} values ({100 + kill})", "select 1")
        deployment = f"dev-{200 + kill}"
        assert plane.run_killed(RESTORE.format(deployment), kill) == actions[:kill]
        if look:
            _look(plane.make(), 100 + kill)
        plane.run(RESTORE.format(deployment))
        assert (rows(control.connection()), control.restoring()) == (
            [1, 2],
            {"deployment": deployment, "snapshot": "dev-1-1", "done": "swap"},
        )
        control.restore_done(deployment=deployment)
        assert _retired_rows(plane, deployment) == [1, 2, 100 + kill]


def _look(control: ControlPlane, last: int) -> None:
    """What a person's ``status`` does: it must find either database whole, or one that is closed on purpose."""
    note = control.restoring()
    live = control.connection()
    if note is None or note["done"] != "close":
        assert rows(live) in ([1, 2], [1, 2, last])


def _retired_rows(plane: Plane, deployment: str) -> list[int]:
    if plane.url is None:
        from hgaurora.adapters.local.engine import Engine

        retired = Engine(plane.folder, name=f"retired-{deployment}", tcp=False, fsync=False)
        connection = retired.start(create=False)
        with maintenance.connect(connection) as server:
            server.allow("app", True)
        try:
            return rows(connection)
        finally:
            retired.stop()
            shutil.rmtree(retired.data)
    if plane.kind == "mysql":
        live = mysql.from_url(plane.url)
        return rows(mysql.at(live, dump.retired_name(live.parameters["dbname"], deployment)))
    connection = maintenance.from_url(plane.url)
    name = dump.retired_name(connection.parameters["dbname"], deployment)
    with maintenance.connect(connection) as server:
        assert not server.databases()[name].open
        server.allow(name, True)
    return rows(maintenance.at(connection, name))


def test_a_server_whose_making_is_killed_after_any_action_is_made_by_the_next_run(tmp_path: Path) -> None:
    actions = ["initialised", "created", "started", "database made"]
    for kill in points(actions):
        plane = Plane("cluster", tmp_path / str(kill), None)
        assert not plane.make().exists()
        assert plane.run_killed("control.connection()", kill) == actions[:kill]
        try:
            assert say(plane.make().connection(), "select current_database()") == [("app",)]
        finally:
            plane.make().stop()  # type: ignore[attr-defined]
            shutil.rmtree(plane.folder)


def test_a_restore_abandoned_and_killed_after_any_action_opens_the_live_database(plane: Plane) -> None:
    prepare(plane.make())
    actions = plane.run(ABANDON.format("dev-100"))
    for kill in points(actions):
        deployment = f"dev-{200 + kill}"
        plane.run_killed(ABANDON.format(deployment), kill)
        plane.run(f'control.restore_open(deployment="{deployment}")')
        control = plane.make()
        assert (rows(control.connection()), control.restoring()) == ([1, 2, 3], None)
    left = {path.name for path in plane.folder.iterdir() if "restore" in path.name or "retired" in path.name}
    assert left <= {"restore.lock"}


def test_a_dump_keeps_owner_settings_grants_and_comment(pg_server: str, tmp_path: Path) -> None:
    with engines.fresh_database(pg_server) as url:
        live = maintenance.from_url(url)
        name = live.parameters["dbname"]
        facts = (
            "select datdba, array(select unnest(datacl)::text order by 1), datconnlimit,"
            " shobj_description(d.oid, 'pg_database'),"
            " (select array_agg(setconfig::text) from pg_db_role_setting where setdatabase = d.oid)"
            " from pg_database d where datname = current_database()"
        )
        before = say(
            live,
            f"comment on database {name} is 'the shop''s'",
            f'alter database {name} set search_path = app, "$user", public',
            f"alter database {name} set statement_timeout = '5s'",
            f"alter role current_user in database {name} set work_mem = '5MB'",
            f"revoke temporary on database {name} from public",
            f"alter database {name} connection limit 17",
            "create table public.t as select 1 as n",
            facts,
        )
        control = DumpSnapshots(tmp_path, environment="dev", url=url, fsync=False)
        take(control, "dev-1-1")
        restore(control, "dev-2")
        control.restore_done(deployment="dev-2")
        assert say(live, facts) == before
        _drop_relatives(url)


def test_a_database_that_only_has_the_copys_name_is_left_alone(pg_server: str, tmp_path: Path) -> None:
    with engines.fresh_database(pg_server) as url:
        control = DumpSnapshots(tmp_path, environment="dev", url=url, fsync=False)
        take(control, "dev-1-1")
        live = maintenance.from_url(url)
        name = dump.copy_name(live.parameters["dbname"], "dev-2")
        with maintenance.connect(live) as server:
            server.create(name)
        say(maintenance.at(live, name), "create table precious (n int)", "select 1")
        with pytest.raises(StateError, match="not of a restore"):
            control.restore_copy("dev-1-1", deployment="dev-2")
        assert say(maintenance.at(live, name), "select count(*) from precious") == [(0,)]
        _drop_relatives(url)


#: what moves with no table: two views (one over the other), a trigger, routines, an event; and a foreign key
PROGRAMS = (
    "create table p (id int primary key)",
    "create table c (id int primary key, p int, g int as (p + 1), foreign key (p) references p (id))",
    "insert into p values (1)",
    "insert into c (id, p) values (1, 1)",
    "create view v2 as select id, g from c",
    "create view v1 as select v2.id from v2",
    "create trigger tr before insert on c for each row set new.p = 1",
    "create procedure pr() begin select 1; select 2; end",
    "create function f() returns int deterministic return 7",
    "create event ev on schedule every 1 day starts '2038-01-01' do delete from c",
)
EVERYTHING = (
    "select table_name, 'view' from information_schema.views where table_schema = database()"
    " union select trigger_name, 'trigger' from information_schema.triggers where trigger_schema = database()"
    " union select routine_name, 'routine' from information_schema.routines where routine_schema = database()"
    " union select event_name, 'event' from information_schema.events where event_schema = database()"
    " union select table_name, referenced_table_name from information_schema.referential_constraints"
    " where constraint_schema = database() and unique_constraint_schema = database() order by 1"
)
WHOLE = [("c", "p"), ("ev", "event"), ("f", "routine"), ("pr", "routine"), ("tr", "trigger"), ("v1", "view"),
         ("v2", "view")]  # fmt: skip


@pytest.mark.parametrize("calls", [RESTORE, ABANDON], ids=["restored", "abandoned"])
def test_views_triggers_routines_and_events_come_back_after_a_kill_at_any_action(
    my_database: str, tmp_path: Path, calls: str
) -> None:
    live = mysql.from_url(my_database)
    say(live, *PROGRAMS, "select 1")
    plane = Plane("mysql", tmp_path / "env", my_database)
    take(plane.make(), "dev-1-1")
    say(
        live,
        "drop view v1",
        "drop trigger tr",
        "create view v9 as select 9 as nine",
        "insert into p values (2)",
        "select 1",
    )
    before = say(live, EVERYTHING)
    abandoned = calls is ABANDON
    # abandoned after the live database has lost its programs, which only the swap takes away
    cut = RESTORE.split("control.restore_swap")[0]
    swap = 'control.restore_swap(deployment="{0}")\n'
    actions = plane.run((cut + swap).format("dev-100"))
    plane.make().restore_done(deployment="dev-100")
    say(
        live,
        "drop view v1",
        "drop trigger tr",
        "create view v9 as select 9 as nine",
        "insert into p values (2)",
        "select 1",
    )
    last = actions.index("swapped") if abandoned else len(actions)
    for kill in points(actions[:last], seed=3):
        deployment = f"dev-{200 + kill}"
        assert plane.run_killed((cut + swap).format(deployment), kill) == actions[:kill]
        if abandoned:
            plane.run(f'control.restore_open(deployment="{deployment}")')
            assert say(live, EVERYTHING) == before
            assert say(live, "select max(id) from p") == [(2,)]
            continue
        plane.run((cut + swap).format(deployment))
        assert [tuple(row) for row in say(live, EVERYTHING)] == WHOLE
        assert say(live, "select f(), (select max(id) from p), (select count(*) from v1)") == [(7, 1, 1)]
        plane.make().restore_done(deployment=deployment)
        retired = mysql.at(live, dump.retired_name(live.parameters["dbname"], deployment))
        ((kept,),) = say(retired, "select programs from hgaurora_retired")
        assert "VIEW" in kept
        say(live, "drop view v1", "drop trigger tr", "create view v9 as select 9 as nine", "insert into p values (2)",
            "select 1")  # fmt: skip
    _drop_my_relatives(my_database)


def test_what_no_dump_holds_is_refused(my_database: str, tmp_path: Path) -> None:
    live = mysql.from_url(my_database)
    say(live, "create table old (n int) engine = MyISAM", "select 1")
    control = MysqlSnapshots(tmp_path, environment="dev", connection=live, fsync=False)
    with pytest.raises(StateError, match="old is not InnoDB") as caught:
        control.start_snapshot("dev-1-1", tags=TAGS)
    assert "ENGINE = InnoDB" in (caught.value.hint or "")
    assert control.snapshots() == []


def test_a_foreign_key_from_another_database_is_not_led_away(my_database: str, tmp_path: Path) -> None:
    live = mysql.from_url(my_database)
    name = live.parameters["dbname"]
    say(live, "create table p (id int primary key)", f"create database `{name}~x`",
        f"create table `{name}~x`.c (p int, foreign key (p) references `{name}`.p (id))", "select 1")  # fmt: skip
    control = MysqlSnapshots(tmp_path, environment="dev", connection=live, fsync=False)
    take(control, "dev-1-1")
    with pytest.raises(StateError, match="would follow its tables away"):
        restore(control, "dev-2")
    control.restore_open(deployment="dev-2")
    say(live, f"drop database `{name}~x`", "select 1")


def test_a_mysql_database_that_only_has_the_copys_name_is_left_alone(my_database: str, tmp_path: Path) -> None:
    live = mysql.from_url(my_database)
    control = MysqlSnapshots(tmp_path, environment="dev", connection=live, fsync=False)
    take(control, "dev-1-1")
    name = dump.copy_name(live.parameters["dbname"], "dev-2")
    say(live, f"create database `{name}`", f"create table `{name}`.precious (n int)", "select 1")
    with pytest.raises(StateError, match="not of a restore"):
        control.restore_copy("dev-1-1", deployment="dev-2")
    assert say(mysql.at(live, name), "select count(*) from precious") == [(0,)]
    _drop_my_relatives(my_database)


def test_a_password_of_mysql_is_in_no_argument(tmp_path: Path) -> None:
    connection = mysql.from_url("mysql://ana:s%22e%5Ccret@db.example/shop?ssl-ca=/ca.pem")
    path = tmp_path / "my.cnf"
    for mariadb in (True, False):
        option_file(connection, path, mariadb=mariadb)
        text = path.read_text()
        assert 'password="s\\"e\\\\cret"' in text
        assert 'ssl-ca="/ca.pem"' in text
        assert ("ssl-verify-server-cert" if mariadb else 'ssl-mode="VERIFY_IDENTITY"') in text
        assert path.stat().st_mode & 0o777 == 0o600
    assert not any("cret" in value for value in environment().values())


def test_names_of_copies_fit_and_never_meet() -> None:
    databases = ["shop", "shop~new-a", "s" * 63, "s" * 62 + "t", "é" * 31, "shop~old-a"]
    deployments = ["a", "b", "prod-42", "x" * 100]
    made = [f(d, n) for f in (dump.copy_name, dump.retired_name) for d in databases for n in deployments]
    assert all(len(name.encode()) <= 63 for name in made)
    assert len(set(made)) == len(made)


def test_a_password_is_in_no_argument_and_no_variable(tmp_path: Path) -> None:
    connection = maintenance.from_url("postgresql://ana:s%3Ae%5Ccret@db.example/shop?application_name=it's")
    text = dump.conninfo(connection, tmp_path)
    assert "cret" not in text
    assert r"application_name='it\'s'" in text
    assert (tmp_path / "pgpass").read_text() == "*:*:*:*:s\\:e\\\\cret\n"
    assert (tmp_path / "pgpass").stat().st_mode & 0o777 == 0o600
    assert not any("cret" in value for value in dump.variables(connection).values())


def _main(kind: str, folder: str, url: str, calls: str, kill: str) -> None:
    left = int(kill)

    def trace(action: str) -> None:
        nonlocal left
        print(action, flush=True)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    exec(calls, {"control": Plane(kind, Path(folder), url or None).make(trace)})  # noqa: S102


if __name__ == "__main__":
    _main(*sys.argv[1:])
