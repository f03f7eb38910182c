# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts that commit on the way: journaled per statement, taken up after a crash without doing anything twice."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Iterator, Mapping

import pytest

from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import Interrupted, MigrationFailed
from hgaurora.core.model import Script
from tests.adapters.migrating import Bench, bench, chain, migrate

BLOCK = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO t SELECT g, g FROM generate_series(1, 10) g")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY t_n ON t (n)")
    found = op.get_bind().execute(sa.text("SELECT id, n FROM t WHERE id <= :top ORDER BY id"), {"top": 3}).fetchall()
    for one in found:
        op.execute(sa.text("UPDATE t SET n = n + 100 WHERE id = :id").bindparams(id=one.id))
    op.execute("ALTER TYPE mood ADD VALUE 'so-so'")
op.execute("INSERT INTO t VALUES (11, 11)")
"""


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    made.query("CREATE TYPE mood AS ENUM ('bad')")
    yield made
    made.database.close()


def _end(dev: Bench) -> None:
    """What the script leaves, whatever happened on the way."""
    assert dev.query("SELECT count(*), sum(n) FROM t") == [(11, 66 + 300)]
    assert dev.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass") == [(True,)]
    assert dev.query("SELECT enumlabel::text FROM pg_enum ORDER BY 1") == [("bad",), ("so-so",)]
    assert dev.query("SELECT count(*) FROM hgaurora.statement WHERE NOT closed") == [(0,)]
    assert dev.database.verify() == []


def test_undisturbed(dev: Bench) -> None:
    (result,) = dev.deploy(chain(BLOCK))
    assert (result.statements, result.replayed) == (9, 0)
    _end(dev)


def _points(dev: Bench) -> list[str]:
    seen: list[str] = []
    dev.on_event = lambda told: seen.append(f"{told['when']} {told['what']}") if told["is"] == "trace" else None
    dev.deploy(chain(BLOCK), trace=True)
    dev.on_event = None
    return seen


def _both(dev: Bench, session: ChildSession, scripts: list[Script]) -> None:
    dev.begin(session, scripts)
    session.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def test_killed_anywhere_it_goes_on(dev: Bench) -> None:
    """The child is killed before or after what it sends: the next run ends as an undisturbed one.

    A seeded sample of the points; the first and the last are always among them.
    """
    count = len(_points(dev))
    assert count > 40
    for point in sorted({0, count - 1, *random.Random(2).sample(range(count), 8)}):
        dev.query("DROP SCHEMA hgaurora CASCADE")
        dev.query("DROP TABLE IF EXISTS t, alembic_version")
        dev.query("DROP TYPE mood")
        dev.query("CREATE TYPE mood AS ENUM ('bad')")
        seen = 0
        pids: list[int] = []

        def kill(told: Mapping[str, object], point: int = point, pids: list[int] = pids) -> None:
            nonlocal seen
            if told["is"] == "trace":
                if seen == point:
                    os.kill(pids[0], signal.SIGKILL)
                seen += 1

        dev.on_event = kill
        scripts = chain(BLOCK)
        with dev.child(scripts, trace=True) as session:
            pids.append(session.pid)
            with pytest.raises(Interrupted):
                _both(dev, session, scripts)
        dev.on_event = None
        state = dev.database.state()
        if "r1" not in state.applied:
            dev.deploy(scripts)
        else:
            dev.database.finish("dev-1", epoch=state.epoch or "", ok=True, heads_after=["r1"], target=None)
        _end(dev)


def test_a_changed_script_stops_at_the_first_difference(dev: Bench) -> None:
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(BLOCK + "op.execute('SELECT 1 / 0')"))
    assert dev.database.state().half == {("r1", "up"): 8}
    other = BLOCK.replace("n + 100", "n + 200")
    with pytest.raises(MigrationFailed, match=r"statement 5 is not the one .* n \+ 100 .* n \+ 200") as caught:
        dev.deploy(chain(other))
    assert caught.value.data["what"] == "journal"
    dev.deploy(chain(BLOCK))
    _end(dev)


def test_a_failed_step_is_taken_up_by_the_same_child(dev: Bench) -> None:
    scripts = chain(BLOCK + "op.execute('SELECT 1 / n FROM gate')")
    dev.query("CREATE TABLE gate (n integer)")
    dev.query("INSERT INTO gate VALUES (0)")
    with dev.child(scripts) as session:
        begun, epoch = dev.begin(session, scripts)
        with pytest.raises(MigrationFailed, match="division by zero"):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        dev.query("UPDATE gate SET n = 1")
        assert session.run(migrate(scripts[0]), ordinal=1, snapshot=None).replayed == 8
    dev.database.finish(begun.id, epoch=epoch, ok=True, heads_after=["r1"], target=None)
    _end(dev)


def test_an_index_left_invalid_is_built_again(dev: Bench) -> None:
    body = """
op.execute("CREATE TABLE IF NOT EXISTS u (n integer)")
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY u_n ON u (n)")
"""
    dev.query("CREATE TABLE u (n integer)")
    dev.query("INSERT INTO u VALUES (1), (1)")
    with pytest.raises(MigrationFailed, match="could not create unique index"):
        dev.deploy(chain(body))
    assert dev.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'u_n'::regclass") == [(False,)]
    dev.query("DELETE FROM u")
    dev.deploy(chain(body))
    assert dev.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'u_n'::regclass") == [(True,)]


def test_what_cannot_be_proven_stops(dev: Bench) -> None:
    dev.query("CREATE TABLE done (n integer)")
    dev.query("CREATE PROCEDURE work() LANGUAGE plpgsql AS $$BEGIN INSERT INTO done VALUES (1); COMMIT; END$$")
    scripts = chain('with op.get_context().autocommit_block():\n    op.execute("CALL work()")')
    pids: list[int] = []
    calls: list[object] = []

    def kill(told: Mapping[str, object]) -> None:
        if told["is"] == "trace" and told["what"] == "CALL work()" and told["when"] == "before":
            calls.append(told)
            if len(calls) == 2:
                os.kill(pids[0], signal.SIGKILL)

    dev.on_event = kill
    with dev.child(scripts, trace=True) as session:
        pids.append(session.pid)
        dev.begin(session, scripts)
        with pytest.raises(Interrupted):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    dev.on_event = None
    with pytest.raises(MigrationFailed, match="cannot prove whether it took effect") as caught:
        dev.deploy(scripts)
    assert caught.value.hint is not None
    dev.query(caught.value.hint.split("; if not, ")[1].split("; then")[0])
    dev.deploy(scripts)
    assert dev.query("SELECT count(*) FROM done") == [(1,)]


def test_a_commit_by_the_script_is_journaled(dev: Bench) -> None:
    body = """
op.execute("CREATE TABLE v (n integer)")
op.get_bind().commit()
op.execute("INSERT INTO v VALUES (1 / (SELECT n FROM gate))")
"""
    dev.query("CREATE TABLE gate (n integer)")
    dev.query("INSERT INTO gate VALUES (0)")
    with pytest.raises(MigrationFailed, match="division"):
        dev.deploy(chain(body))
    dev.query("UPDATE gate SET n = 1")
    (result,) = dev.deploy(chain(body))
    assert result.replayed == 1
    assert dev.query("SELECT n FROM v") == [(1,)]
    assert dev.query("SELECT version_num FROM alembic_version") == [("r1",)]


def test_recorded_results_come_back_with_their_types(dev: Bench) -> None:
    body = """
row = op.get_bind().execute(sa.text(
    "SELECT 1::bigint AS a, 'x'::text AS b, '{1,2}'::int[] AS c, now()::timestamptz AS d, NULL::numeric AS e, "
    "true AS f, '{\\"k\\": 1}'::jsonb AS g, 'bad'::mood AS h, "
    "'a''b%'::text AS \\"q\\"\\"%\\", current_date AS i")).one()
none = op.get_bind().execute(sa.text("SELECT 1 AS a WHERE false")).fetchall()
count = op.get_bind().execute(sa.text("CREATE TABLE IF NOT EXISTS w (t text)")).rowcount
op.get_bind().commit()
op.execute(sa.text("INSERT INTO w VALUES (:t)").bindparams(t=repr((tuple(row), none, [type(x).__name__ for x in row]))))
op.get_bind().commit()
op.execute("SELECT 1 / n FROM gate")
"""
    dev.query("CREATE TABLE gate (n integer)")
    dev.query("INSERT INTO gate VALUES (0)")
    with pytest.raises(MigrationFailed, match="division"):
        dev.deploy(chain(body))
    dev.query("UPDATE gate SET n = 1")
    assert dev.deploy(chain(body))[0].replayed == 4
    assert dev.query("SELECT count(*) FROM w") == [(1,)]


def test_copy_and_a_commit_do_not_go_together(dev: Bench) -> None:
    body = """
op.execute("CREATE TABLE c (n integer)")
with op.get_bind().connection.driver_connection.cursor().copy("COPY c FROM STDIN") as copy:
    copy.write_row((1,))
"""
    dev.deploy(chain(body))
    assert dev.query("SELECT n FROM c") == [(1,)]
    dev.query("DROP TABLE c, alembic_version")
    dev.query("DROP SCHEMA hgaurora CASCADE")
    with pytest.raises(MigrationFailed, match="uses COPY and then commits"):
        dev.deploy(chain(body + "op.get_bind().commit()"))
    assert dev.query("SELECT to_regclass('c')") == [(None,)]


def test_the_plain_result_is_json(dev: Bench) -> None:
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(BLOCK + "op.execute('SELECT 1 / 0')"))
    rows = dev.query("SELECT sql, state, result FROM hgaurora.statement ORDER BY id")
    assert [state for _, state, _ in rows] == ["done"] * 8
    assert json.loads(rows[1][2]) == {"count": 10}
    assert json.loads(rows[3][2])["rows"] == [["1", "1"], ["2", "2"], ["3", "3"]]
    assert threading.active_count() < 5


SETTINGS = """
op.execute("SELECT pg_catalog.set_config('search_path', 'app', false)")
with op.get_context().autocommit_block():
    op.execute("SET lock_timeout = '5s'; UPDATE acct SET n = n + 1")
    op.execute("UPDATE acct SET n = n + 100")
"""


def test_settings_come_again_and_nothing_else(dev: Bench) -> None:
    """What only sets the session is sent again; what stands in the same string is not."""
    dev.query("CREATE SCHEMA app")
    for schema in ("app", "public"):
        dev.query(f"CREATE TABLE {schema}.acct AS SELECT 0 AS n")
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(SETTINGS + "op.execute('SELECT 1 / 0')"))
    assert dev.query("SELECT n FROM app.acct") == [(101,)]
    scripts = chain(SETTINGS + "op.execute('/* on */ SET row_security = on; UPDATE acct SET n = n + 1000')")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        result = session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert (result.statements, result.replayed) == (3, 2)
    assert dev.query("SELECT (SELECT n FROM app.acct), (SELECT n FROM public.acct)") == [(1101, 0)]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE tmp (id int)",
        "SELECT 1 AS id INTO TEMPORARY tmp",
        "create local temporary table tmp (id int)",
    ],
)
def test_a_temporary_table_beside_a_block_is_refused(dev: Bench, sql: str) -> None:
    """It would be gone when the migration is taken up after a crash."""
    body = f"op.execute('CREATE TABLE made (id int)')\nop.execute({sql!r})\n"
    with pytest.raises(MigrationFailed, match="temporary table"):
        dev.deploy(chain(body + "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')"))
    assert dev.query("SELECT to_regclass('made')") == [(None,)]
    dev.query("DROP SCHEMA hgaurora CASCADE")
    dev.deploy(chain(body + "op.execute('DROP TABLE tmp')"))
    assert dev.query("SELECT to_regclass('made') IS NOT NULL") == [(True,)]
