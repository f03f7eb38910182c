# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger: what begins and ends, the chain, the outbox, and what a restore makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from hgaurora.adapters.database import ledger
from hgaurora.adapters.local import files
from hgaurora.core.errors import RemoteError, SecurityError, StateError
from hgaurora.core.model import Direction, Kind, Outcome, Way
from tests.adapters.migrating import TARGET, Bench, bench, chain, counted, migrate, new, script

MAKE = 'op.execute("CREATE TABLE t{0} (n integer)")'
DROP = 'op.execute("DROP TABLE t{0}")'


@pytest.fixture(params=["postgresql", "mysql"])
def dev(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = bench(request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database"))
    yield made
    made.database.close()


def _tables(count: int) -> list:
    return [
        script(f"r{n}", MAKE.format(n), DROP.format(n), parents=[f"r{n - 1}"] if n > 1 else [])
        for n in range(1, count + 1)
    ]


def test_before_anything(dev: Bench) -> None:
    state = dev.database.state()
    assert (state.ledger, state.versions, state.applied, state.open, state.lock) == (None, None, {}, None, None)
    dev.query("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    dev.query("INSERT INTO alembic_version VALUES ('b'), ('a')")
    assert dev.database.state().versions == ("a", "b")
    facts = dev.database.facts()
    assert facts["product"] in (["MariaDB", "MySQL"] if dev.mysql else ["PostgreSQL"])
    assert facts["read_only"] is False


def test_nothing_begins_without_the_lock(dev: Bench) -> None:
    with pytest.raises(StateError, match="is not locked"):
        dev.database.begin(new(), base_epoch=None, scripts=[])
    assert dev.database.acquire()
    assert dev.database.acquire()
    other = dev.other()
    assert not other.acquire()
    assert other.holder() == dev.database.holder() is not None
    dev.database.close()
    assert files.until(lambda: other.holder() is None, 10)
    assert other.acquire()
    other.close()


def test_a_deployment_from_begin_to_finish(dev: Bench) -> None:
    assert dev.database.acquire()
    begun, epoch = dev.database.begin(
        new(reverts=("dev-0",), kind=Kind.REVERT, way=Way.DOWNGRADE), base_epoch=None, scripts=[]
    )
    assert (begun.id, begun.number, begun.outcome, begun.reverts) == ("dev-1", 1, Outcome.RUNNING, ("dev-0",))
    state = dev.database.state()
    assert (state.epoch, state.open, state.last) == (epoch, begun, begun)
    seq = dev.database.event("dev-1", "note", {"b": 1, "a": "ä\u0000"})
    assert dev.database.events(deployment="dev-1")[-1]["payload"] == {"a": "ä\u0000", "b": 1}
    with pytest.raises(StateError, match="taken dev over"):
        dev.database.finish(
            "dev-1", epoch="0" * 8 + "-0000-0000-0000-" + "0" * 12, ok=True, heads_after=[], target=None
        )
    dev.database.finish("dev-1", epoch=epoch, ok=False, heads_after=["x"], target=TARGET, error="it broke")
    (ended,) = dev.database.deployments()
    assert (ended.outcome, ended.error, ended.heads_after, dev.database.state().node) == (
        Outcome.FAILED,
        "it broke",
        ("x",),
        None,
    )
    with pytest.raises(StateError, match="cannot be closed"):
        dev.database.finish("dev-1", epoch=epoch, ok=True, heads_after=[], target=None)
    assert [event["kind"] for event in dev.database.events()] == [
        "ledger-created",
        "deployment-started",
        "note",
        "deployment-finished",
    ]
    assert dev.database.tip() == seq + 1


def test_an_interrupted_one_is_taken_up_or_superseded(dev: Bench) -> None:
    assert dev.database.acquire()
    _, first = dev.database.begin(new(), base_epoch=None, scripts=[])
    with pytest.raises(StateError, match="changed by another run"):
        dev.database.begin(new(), base_epoch="0" * 8 + "-0000-0000-0000-" + "0" * 12, scripts=[], resume="dev-1")
    with pytest.raises(StateError, match="dev-1 is open"):
        dev.database.begin(new(), base_epoch=first, scripts=[])
    again, second = dev.database.begin(new(pid=7), base_epoch=first, scripts=[], resume="dev-1")
    assert (again.id, again.pid, first != second) == ("dev-1", 7, True)
    other, _ = dev.database.begin(new(), base_epoch=second, scripts=[], supersede="dev-1")
    assert other.id == "dev-2"
    assert [(one.id, one.outcome) for one in dev.database.deployments()] == [
        ("dev-2", Outcome.RUNNING),
        ("dev-1", Outcome.SUPERSEDED),
    ]
    assert dev.database.verify() == []


def test_a_ledger_of_another_environment_or_a_newer_program(dev: Bench) -> None:
    dev.deploy([])
    other = dev.other("prod")
    assert other.acquire()
    epoch = other.state().epoch
    with pytest.raises(StateError, match="is that of dev, not of prod"):
        other.begin(new(environment="prod"), base_epoch=epoch, scripts=[])
    other.close()
    dev.query("UPDATE hgaurora.environment SET ledger_version = 99")
    with pytest.raises(StateError, match="version 99, this program knows 3"):
        dev.database.state()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE hgaurora.event SET payload = '{}' WHERE seq = 2", "event 2 is not what its hash says"),
        ("UPDATE hgaurora.event SET at = at + interval {microsecond} WHERE seq = 3", "event 3 is not"),
        ("DELETE FROM hgaurora.event WHERE seq = 2", "event 2 is missing"),
        ("DELETE FROM hgaurora.event WHERE kind = 'deployment-finished'", "the chain ends"),
        ("UPDATE hgaurora.step SET raw = 'x'", "is not what its event says"),
        ("DELETE FROM hgaurora.step", "the step table does not have"),
        ("UPDATE hgaurora.deployment SET outcome = 'failed'", "its event says ok"),
        ("UPDATE hgaurora.step SET id = 99", "step 99 has no event"),
    ],
)
def test_every_edit_is_found(dev: Bench, harm: str, said: str) -> None:
    dev.deploy(_tables(1))
    assert dev.database.verify() == []
    dev.query(harm.replace("{microsecond}", "1 MICROSECOND" if dev.mysql else "'1 microsecond'"))
    assert said in "\n".join(dev.database.verify())


def test_the_outbox(dev: Bench) -> None:
    dev.deploy(_tables(2))
    waiting = dev.database.undelivered()
    assert [event["seq"] for event in waiting] == list(range(1, dev.database.tip() + 1))
    assert {event["environment"] for event in waiting} == {"dev"}
    json.dumps(waiting)
    dev.database.mark_delivered(3, datetime.now(UTC))
    assert dev.database.undelivered(1)[0]["seq"] == 4
    assert dev.database.state().undelivered == len(waiting) - 3
    dev.database.mark_delivered(len(waiting), datetime.now(UTC))
    assert dev.database.undelivered() == []
    assert dev.database.verify() == []


def _copy(dev: Bench) -> Bench:
    """A copy of the database as it is now: what a snapshot is."""
    dev.database.close()
    live = dev.connection.parameters["dbname"]
    name = f"{live}_copy"
    url = dev.url.replace(live, name)
    if dev.mysql:
        dev.query(f"CREATE DATABASE `{name}`")
        for (table,) in dev.query("SHOW TABLES"):
            dev.query(f"CREATE TABLE `{name}`.`{table}` LIKE `{table}`")
            dev.query(f"INSERT INTO `{name}`.`{table}` SELECT * FROM `{table}`")
        return bench(url)
    dev.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", live
    )
    with psycopg.connect(dev.url, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{live}"')
    return bench(url)


@pytest.fixture
def copies(dev: Bench) -> Iterator[list[Bench]]:
    made: list[Bench] = []
    yield made
    for one in made:
        one.database.close()
        name = one.connection.parameters["dbname"]
        if dev.mysql:
            dev.query(f"DROP DATABASE IF EXISTS `{name}`")
            continue
        with psycopg.connect(dev.url, dbname="postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_a_restore_keeps_one_chain(dev: Bench, copies: list[Bench]) -> None:
    scripts = _tables(3)
    dev.deploy(scripts[:1])
    with dev.child(scripts) as session:
        begun, epoch = dev.begin(session, scripts)
        dev.database.event(begun.id, "snapshot-intent", {"snapshot": "dev-2-1", "before": "r2"})
    copies.append(copy := _copy(dev))
    # what the live one goes through after the snapshot
    with dev.child(scripts) as session:
        begun, epoch = dev.begin(session, scripts)
        for number, one in enumerate(scripts[1:], 1):
            session.run(migrate(one), ordinal=number, snapshot="dev-2-1")
    dev.database.finish(begun.id, epoch=epoch, ok=True, heads_after=["r3"], target=TARGET)
    assert dev.database.acquire()
    revert, _ = dev.database.begin(
        new(kind=Kind.REVERT, way=Way.RESTORE), base_epoch=dev.database.state().epoch, scripts=[]
    )
    rows = json.loads(json.dumps(dev.database.export_after(copy.database.tip())))
    fresh = copy.database.rebase(rows, deployment=revert.id, node="b" * 40, branch="stable")
    assert copy.database.rebase(rows, deployment=revert.id, node="b" * 40, branch="stable") == fresh
    state = copy.database.state()
    assert (state.epoch, state.node, state.branch, list(state.applied), state.versions) == (
        fresh,
        "b" * 40,
        "stable",
        ["r1"],
        ("r1",),
    )
    assert state.open is not None
    assert state.open.id == revert.id
    assert {one.id: one.outcome.value for one in copy.database.deployments()} == {
        "dev-1": "ok",
        "dev-2": "ok",
        "dev-3": "running",
    }
    last = copy.database.events()[-1]
    assert (last["kind"], last["deployment"]) == ("rebased", revert.id)
    assert copy.database.verify() == []
    assert set(copy.database.scripts([one.raw for one in scripts])) == {one.raw for one in scripts}
    assert len(copy.database.steps(["dev-2"])) == 2
    # the restored one goes on, and knows its past
    copy.database.finish(revert.id, epoch=fresh, ok=True, heads_after=["r1"], target=replace(TARGET, node="b" * 40))
    copy.deploy([scripts[0], other := script("q2", MAKE.format("q"), parents=["r1"])], [migrate(other)])
    assert list(copy.database.state().applied) == ["r1", "q2"]
    assert list(copy.database.applied_as_of("dev-2", inclusive=True)) == ["r1", "r2", "r3"]
    assert list(copy.database.applied_as_of("dev-2", inclusive=False)) == ["r1"]
    assert list(copy.database.applied_as_of("dev-3", inclusive=True)) == ["r1"]
    assert list(copy.database.applied_as_of("dev-4", inclusive=True)) == ["r1", "q2"]
    assert copy.database.verify() == []


def test_a_copy_of_something_else_is_refused(dev: Bench, copies: list[Bench]) -> None:
    dev.deploy(_tables(1))
    copies.append(copy := _copy(dev))
    dev.deploy(_tables(2), [migrate(_tables(2)[1])])
    rows = dev.database.export_after(copy.database.tip())
    copy.database.event(None, "note", {})
    with pytest.raises(StateError, match="not the beginning of the live one's"):
        copy.database.rebase(rows, deployment="dev-3", node=None, branch=None)


def test_down_and_up_again_is_one_fold(dev: Bench) -> None:
    scripts = _tables(2)
    dev.deploy(scripts)
    dev.deploy([], [migrate(scripts[1], Direction.DOWN, recorded=True)], recorded=scripts)
    assert list(dev.database.state().applied) == ["r1"]
    dev.deploy(scripts, [migrate(scripts[1])])
    assert list(dev.database.state().applied) == ["r1", "r2"]
    assert [one.direction.value for one in dev.database.steps(["dev-1", "dev-2", "dev-3"])] == [
        "up",
        "up",
        "down",
        "up",
    ]


def test_a_thousand_applied_revisions_are_read_at_once(dev: Bench) -> None:
    """Three round trips (settings, probe, state), however many revisions are applied."""
    dev.deploy(chain("pass"))
    columns = (
        "(id, deployment, ordinal, revision, direction, path, message, parents, depends_on, branch_labels, raw, normal,"
        " normal_version, irreversible, node, versions, statements, replayed, started, ended)"
    )
    if dev.mysql:
        dev.query(
            f"INSERT INTO hgaurora.step {columns} WITH RECURSIVE g(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM g"
            " WHERE g < 1000) SELECT g + 100, 'dev-1', g, CONCAT('x', g), 'up', 'versions/x.py', 'm',"
            " JSON_ARRAY(CONCAT('x', g - 1)), '[]', '[]', REPEAT('a', 64), REPEAT('b', 64), '1', 0, REPEAT('c', 40),"
            " '[]', 1, 0, NOW(6), NOW(6) FROM g"
        )
    else:
        dev.query(
            f"INSERT INTO hgaurora.step {columns}"
            " SELECT g + 100, 'dev-1', g, 'x' || g, 'up', 'versions/x.py', 'm', ARRAY['x' || g - 1], '{}', '{}',"
            " repeat('a', 64), repeat('b', 64), '1', false, repeat('c', 40), '{}', 1, 0, now(), now()"
            " FROM generate_series(1, 1000) g"
        )
    with counted(dev.connection) as (connection, trips):
        database = replace(dev, connection=connection).other()
        database.facts()
        opening = trips()
        assert len(database.state().applied) == 1001
        assert trips() - opening <= 2
        database.close()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"port": "1"}, RemoteError),
        ({"user": "nobody_of_this_name"}, SecurityError),
        ({"sslmode": "verify-full", "ssl-mode": "verify-full"}, SecurityError),
    ],
)
def test_a_refused_connection_is_said_without_a_secret(
    dev: Bench, change: dict[str, str], kind: type[Exception]
) -> None:
    broken = dev.other(**{key: value for key, value in change.items() if key != ("sslmode", "ssl-mode")[not dev.mysql]})
    with pytest.raises(kind) as caught:
        broken.state()
    password = dev.connection.password()
    assert password is None or password not in f"{caught.value}{caught.value.data}"


def test_a_server_that_takes_no_writes(dev: Bench) -> None:
    dev.deploy([])
    if dev.mysql:
        reader = dev.other()
        reader._run("SET SESSION TRANSACTION READ ONLY")
    else:
        reader = dev.other(options="-c default_transaction_read_only=on")
    assert reader.facts()["read_only"] is True
    with pytest.raises(StateError, match="takes no writes"):
        reader.event(None, "note", {})
    reader.close()


def test_spans() -> None:
    assert ledger.spans([], 5) == [(0, 5)]
    assert ledger.spans([(9, 4)], 8) == [(0, 8)]
    assert ledger.spans([(9, 4), (20, 12)], 25) == [(20, 25), (9, 12), (0, 4)]


def test_the_driver_is_imported_late() -> None:
    code = (
        "import sys, hgaurora.adapters.database.postgresql.database, hgaurora.adapters.migrations.process\n"
        "import hgaurora.adapters.database.mysql.database\n"
        "print({'psycopg', 'pymysql'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("table", ["event", "statement", "script", "schema", "part"])
def test_a_ledger_with_a_table_missing(dev: Bench, table: str) -> None:
    dev.deploy([])
    name = f"hgaurora_{table}" if dev.mysql else f"hgaurora.{table}"
    dev.query(f"DROP TABLE {name}" + ("" if dev.mysql else " CASCADE"))
    with pytest.raises(StateError, match=f"is not whole: {name} is missing") as caught:
        dev.database.state()
    assert "backup" in str(caught.value.hint)


def test_the_remains_of_a_ledger(dev: Bench) -> None:
    """None is made over them, whoever asks."""
    dev.deploy([])
    dev.query(f"DROP TABLE hgaurora{'_' if dev.mysql else '.'}environment" + ("" if dev.mysql else " CASCADE"))
    with pytest.raises(StateError, match="holds the remains of a ledger") as caught:
        dev.database.state()
    assert "event" in caught.value.message
    assert "drop these tables" in str(caught.value.hint)


def test_a_database_that_does_not_exist(dev: Bench) -> None:
    connection = dev.database.connection
    parameters = {**connection.parameters, "dbname": "hgaurora_nowhere"}
    gone = type(dev.database)(replace(connection, parameters=parameters), environment="dev")
    with pytest.raises(StateError, match="hgaurora_nowhere: the database does not exist") as caught:
        gone.state()
    assert "create the database" in str(caught.value.hint)
