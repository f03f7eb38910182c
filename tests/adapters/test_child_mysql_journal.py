# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The statement journal on MySQL or MariaDB: taken up after a crash without doing anything twice, or stopped."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator, Mapping

import pytest

from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import Interrupted, MigrationFailed
from hgaurora.core.model import Script
from tests.adapters.migrating import Bench, bench, chain, migrate

#: bare Alembic does the UPDATE twice where it is killed after it, and ends with exit 0
SHAPE = """
op.execute("UPDATE acct SET n = n + 100")
op.execute("CREATE TABLE IF NOT EXISTS log (t varchar(50))")
op.execute("INSERT INTO log (t) VALUES ('one')")
"""

LONG = """
bind = op.get_bind()
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.bulk_insert(sa.table("t", sa.column("id"), sa.column("n")), [{"id": i, "n": i} for i in range(1, 11)])
op.create_index("t_n", "t", ["n"])
for one in bind.execute(sa.text("SELECT id, n FROM t WHERE n <= :top ORDER BY id"), {"top": 3}).fetchall():
    bind.execute(sa.text("UPDATE t SET n = n + 100 WHERE id = :id"), {"id": one.id})
if "m" not in [c["name"] for c in sa.inspect(bind).get_columns("t")]:
    op.add_column("t", sa.Column("m", sa.Integer))
op.rename_table("t", "u")
op.execute("CREATE TABLE t LIKE u; INSERT INTO t SELECT * FROM u; SET @n = (SELECT COUNT(*) FROM t)")
op.execute("INSERT INTO acct VALUES (@n)")
op.execute("TRUNCATE TABLE u")
op.execute("RENAME TABLE t TO x, u TO t, x TO u")
op.execute("SET @s = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE u ADD k int', 'SELECT 1') FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND table_name = 'u' AND column_name = 'k')")
op.execute("PREPARE s FROM @s; EXECUTE s; DEALLOCATE PREPARE s")
op.execute("CREATE TRIGGER trg BEFORE INSERT ON u FOR EACH ROW BEGIN SET NEW.k = 1; SET NEW.m = 2; END")
op.execute("INSERT INTO u (id, n) VALUES (50, 1)")
op.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END")
op.execute("CREATE VIEW v AS SELECT n FROM u")
op.drop_index("t_n", "u")
"""


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    fresh(made)
    yield made
    made.database.close()


def fresh(dev: Bench) -> None:
    """The database as it is before the migration."""
    name = dev.connection.parameters["dbname"]
    dev.database.close()
    dev.query(f"DROP DATABASE `{name}`")
    server = dev.url.rsplit("/", 1)[0] + "/"
    Bench(server, dev.database, dev.connection).query(f"CREATE DATABASE `{name}`")
    dev.query("CREATE TABLE acct (n int)")
    dev.query("INSERT INTO acct VALUES (1)")


def seen(dev: Bench) -> object:
    """What the migration left, without what the tool owns."""
    names = [name for name, kind in dev.query("SHOW FULL TABLES") if not name.startswith("hgaurora_")]
    made = {name: dev.query(f"SHOW CREATE TABLE `{name}`")[0][1] for name in names}
    rows = {name: sorted(dev.query(f"SELECT * FROM `{name}`"), key=repr) for name in names}
    schema = "WHERE {}_schema = DATABASE()"
    triggers = dev.query(f"SELECT trigger_name FROM information_schema.triggers {schema.format('trigger')}")
    routines = dev.query(f"SELECT routine_name FROM information_schema.routines {schema.format('routine')}")
    assert dev.query("SELECT count(*) FROM hgaurora_statement WHERE closed = 0") == [(0,)]
    assert dev.database.verify() == []
    assert list(dev.database.state().applied) == ["r1"]
    return made, rows, triggers, routines


def _both(dev: Bench, session: ChildSession, scripts: list[Script]) -> None:
    dev.begin(session, scripts)
    session.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def killed(dev: Bench, scripts: list[Script], point: int) -> None:
    """Run until the child has come to a point, and kill it there."""
    count = 0
    pids: list[int] = []

    def kill(told: Mapping[str, object]) -> None:
        nonlocal count
        if told["is"] == "trace":
            if count == point:
                os.kill(pids[0], signal.SIGKILL)
            count += 1

    dev.on_event = kill
    with dev.child(scripts, trace=True) as session:
        pids.append(session.pid)
        with pytest.raises(Interrupted):
            _both(dev, session, scripts)
    dev.on_event = None


def points(dev: Bench, scripts: list[Script]) -> list[str]:
    """What an undisturbed run sends."""
    told_of: list[str] = []
    dev.on_event = lambda told: told_of.append(f"{told['when']} {told['what']}") if told["is"] == "trace" else None
    dev.deploy(scripts, trace=True)
    dev.on_event = None
    return told_of


def finish(dev: Bench, scripts: list[Script]) -> None:
    """The next run."""
    state = dev.database.state()
    if "r1" not in state.applied:
        dev.deploy(scripts)
    else:
        dev.database.finish("dev-1", epoch=state.epoch or "", ok=True, heads_after=["r1"], target=None)


@pytest.mark.parametrize(
    ("body", "sample"),
    [(SHAPE, 8), (LONG, 4), *(pytest.param(one, 0, marks=pytest.mark.whole) for one in (SHAPE, LONG))],
)
def test_killed_anywhere_it_goes_on(dev: Bench, body: str, sample: int) -> None:
    """The child is killed before or after what it sends: the next run ends as an undisturbed one.

    A seeded sample of the points, all of them with ``--whole``.
    """
    scripts = chain(body)
    count = len(points(dev, scripts))
    wanted = seen(dev)
    numbers = range(count) if not sample else sorted({0, count - 1, *random.Random(3).sample(range(count), sample)})
    for point in numbers:
        fresh(dev)
        killed(dev, scripts, point)
        finish(dev, scripts)
        assert seen(dev) == wanted, f"point {point} of {count}"


def test_a_changed_script_stops_at_the_first_difference(dev: Bench) -> None:
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(SHAPE + "op.execute('SELECT * FROM nothing_there')"))
    assert dev.database.state().half == {("r1", "up"): 3}
    with pytest.raises(MigrationFailed, match=r"statement 1 is not the one .* n \+ 100.* n \+ 200") as caught:
        dev.deploy(chain(SHAPE.replace("n + 100", "n + 200")))
    assert caught.value.data["what"] == "journal"
    with pytest.raises(MigrationFailed, match="the script ends before statement 3"):
        dev.deploy(chain("\n".join(SHAPE.splitlines()[:3])))
    dev.deploy(chain(SHAPE))
    assert dev.query("SELECT n FROM acct") == [(101,)]


def test_recorded_results_come_back_with_their_types(dev: Bench) -> None:
    body = """
bind = op.get_bind()
row = bind.execute(sa.text(
    "SELECT CAST(1 AS SIGNED) AS a, 'x''%' AS b, CAST(1.50 AS DECIMAL(5,2)) AS c, TIMESTAMP '2026-01-02 03:04:05.6'"
    " AS d, DATE '2026-01-02' AS e, TIME '-10:11:12' AS f, X'00ff' AS g, NULL AS h, 1.5e0 AS i")).one()
none = bind.execute(sa.text("SELECT 1 AS a FROM acct WHERE 1 = 0")).fetchall()
raw = bind.connection.driver_connection
import pymysql.cursors
with raw.cursor(pymysql.cursors.DictCursor) as cursor:
    cursor.execute("SELECT n, n + %s AS m FROM acct", (1,))
    dicts = cursor.fetchall()
with raw.cursor(pymysql.cursors.SSCursor) as cursor:
    cursor.execute("SELECT n FROM acct")
    some = list(cursor)
op.execute("CREATE TABLE w (id int AUTO_INCREMENT PRIMARY KEY, t text)")
made = bind.execute(sa.text("INSERT INTO w (t) VALUES ('a')"))
count = bind.execute(sa.text("UPDATE w SET t = 'b'")).rowcount
said = repr((tuple(row), [type(x).__name__ for x in row], row._fields, none, dicts, some, made.lastrowid, count))
bind.execute(sa.text("INSERT INTO w (t) VALUES (:t)"), {"t": said})
op.execute("INSERT INTO w (t) VALUES (LAST_INSERT_ID())")
op.execute("SELECT 1 FROM gate")
"""
    with pytest.raises(MigrationFailed, match="gate"):
        dev.deploy(chain(body))
    dev.query("CREATE TABLE gate (n integer)")
    (result,) = dev.deploy(chain(body))
    assert (result.statements, result.replayed) == (10, 9)
    rows = dev.query("SELECT id, t FROM w ORDER BY id")
    assert [row[0] for row in rows] == [1, 2, 3]
    assert rows[2][1] == "2"
    assert "'Decimal', 'datetime', 'date', 'timedelta', 'bytes', 'NoneType', 'float']" in rows[1][1]
    assert "[{'n': 1, 'm': 2}], [(1,)], 1, 1)" in rows[1][1]


def test_an_id_drawn_before_a_crash_is_still_the_last(dev: Bench) -> None:
    body = """
op.execute("CREATE TABLE w (id int AUTO_INCREMENT PRIMARY KEY, t int)")
op.execute("INSERT INTO w VALUES (NULL, 0), (NULL, 0)")
op.execute("INSERT INTO w (t) VALUES (LAST_INSERT_ID())")
"""
    scripts = chain(body)
    told = points(dev, scripts)
    assert dev.query("SELECT t FROM w ORDER BY id") == [(0,), (0,), (1,)]
    last = max(at for at, one in enumerate(told) if "LAST_INSERT_ID" in one and one.startswith("before"))
    fresh(dev)
    killed(dev, scripts, last)
    finish(dev, scripts)
    assert dev.query("SELECT t FROM w ORDER BY id") == [(0,), (0,), (1,)]


def test_an_error_that_the_script_caught_comes_again(dev: Bench) -> None:
    body = """
bind = op.get_bind()
try:
    op.execute("INSERT INTO acct VALUES ('no number')")
except sa.exc.DBAPIError as error:
    op.execute(f"INSERT INTO acct VALUES ({error.orig.args[0]})")
try:
    op.execute("CREATE TABLE acct (x int)")
except sa.exc.DBAPIError as error:
    op.execute(f"INSERT INTO acct VALUES ({error.orig.args[0]})")
op.execute("SELECT 1 FROM gate")
"""
    with pytest.raises(MigrationFailed, match="gate"):
        dev.deploy(chain(body))
    dev.query("CREATE TABLE gate (n integer)")
    (result,) = dev.deploy(chain(body))
    assert (result.statements, result.replayed) == (5, 4)
    assert dev.query("SELECT n FROM acct ORDER BY n") == [(1,), (1050,), (1366,)]


def test_what_cannot_be_proven_stops_with_both_answers(dev: Bench) -> None:
    dev.query("CREATE TABLE done (n integer) ENGINE=MyISAM")
    scripts = chain("op.execute('INSERT INTO done VALUES (1)')")
    told = points(dev, scripts)
    assert dev.query("SELECT n FROM done") == [(1,)]
    at = told.index("after INSERT INTO done VALUES (1)")
    fresh(dev)
    for answer, rows in (("UPDATE", [(1,)]), ("DELETE", [(1,), (1,)])):
        dev.query("CREATE TABLE done (n integer) ENGINE=MyISAM")
        killed(dev, scripts, at)
        with pytest.raises(
            MigrationFailed, match=r"nothing proves whether it took effect: .*done \(MyISAM\) knows no"
        ) as caught:
            dev.deploy(scripts)
        assert dev.query("SELECT n FROM done") == [(1,)]
        assert caught.value.hint is not None
        dev.query(answer + caught.value.hint.split(answer)[1].split("; ")[0])
        dev.deploy(scripts)
        assert dev.query("SELECT n FROM done") == rows
        fresh(dev)


@pytest.mark.parametrize(
    "wrong",
    [
        "ALTRE TABLE t ADD x int",
        "UPDATE nosuch SET n = 1",
        "ALTER TABLE t ADD x nosuch int",
        "RENAME TABLE nosuch TO other",
        "UPDATE done SET nosuch = 1",
        "CALL nosuch(1)",
        "CREATE SERVER",
    ],
)
def test_a_typo_may_be_mended(dev: Bench, wrong: str) -> None:
    dev.query("CREATE TABLE done (n integer) ENGINE=MyISAM")
    body = """
op.execute("CREATE TABLE t (n int)")
op.execute("INSERT INTO t VALUES (1)")
op.execute("{}")
op.execute("INSERT INTO t (n) VALUES (2)")
"""
    with pytest.raises(MigrationFailed) as caught:
        dev.deploy(chain(body.format(wrong)))
    assert caught.value.state == "2 statements of it stand"
    assert caught.value.hint is None
    assert dev.query("SELECT state FROM hgaurora_statement WHERE closed = 0") == [("done",), ("done",)]
    (result,) = dev.deploy(chain(body.format("ALTER TABLE t ADD x INT")))
    assert (result.statements, result.replayed) == (4, 2)
    assert dev.query("SELECT n, x FROM t ORDER BY n") == [(1, None), (2, None)]


def test_a_call_that_failed_inside_asks_for_an_answer(dev: Bench) -> None:
    dev.query("CREATE PROCEDURE p(x int) BEGIN INSERT INTO acct VALUES (x); SELECT n FROM gate; END")
    with pytest.raises(MigrationFailed, match="gate") as caught:
        dev.deploy(chain("op.execute('CALL p(7)')"))
    assert caught.value.state == "nothing of it was done; what the one that failed did before is not known"
    first = caught.value.hint or ""
    assert "if a part of it, finish that or undo it by hand first" in first
    with pytest.raises(MigrationFailed, match=r"earlier run failed at this, and nothing proves") as caught:
        dev.deploy(chain("op.execute('CALL p(7)')"))
    assert caught.value.hint == first
    dev.query("CREATE TABLE gate (n integer)")
    with pytest.raises(MigrationFailed, match=r"journaled 'CALL p\(7\)', now 'CALL p\(8\)'") as caught:
        dev.deploy(chain("op.execute('CALL p(8)')"))
    assert caught.value.hint == first
    dev.query("DELETE FROM acct WHERE n = 7")
    dev.query("DELETE" + first.split("DELETE")[1].split("; ")[0])
    dev.deploy(chain("op.execute('CALL p(8)')"))
    assert dev.query("SELECT n FROM acct ORDER BY n") == [(1,), (8,)]


def test_an_execute_of_an_expression_is_journaled(dev: Bench) -> None:
    if "MariaDB" not in dev.query("SELECT version()")[0][0]:
        text = "SET @s = CONCAT('INSERT INTO acct ', 'VALUES (4)'); PREPARE s FROM @s; EXECUTE s"
    else:
        text = "EXECUTE IMMEDIATE CONCAT('INSERT INTO acct ', 'VALUES (4)')"
    with pytest.raises(MigrationFailed, match="gate"):
        dev.deploy(chain(f'op.execute("{text}")\nop.execute("SELECT 1 FROM gate")'))
    dev.query("CREATE TABLE gate (n integer)")
    dev.deploy(chain(f'op.execute("{text}")\nop.execute("SELECT 1 FROM gate")'))
    assert dev.query("SELECT n FROM acct ORDER BY n") == [(1,), (4,)]


def test_values_made_anew_are_told_and_can_be_written_down(dev: Bench) -> None:
    body = """
import uuid
op.execute("CREATE TABLE w (t varchar(40))")
op.get_bind().execute(sa.text("INSERT INTO w VALUES (:t)"), {{"t": {}}})
op.execute("SELECT 1 FROM gate")
"""
    with pytest.raises(MigrationFailed, match="gate"):
        dev.deploy(chain(body.format("str(uuid.uuid4())")))
    dev.query("CREATE TABLE gate (n integer)")
    with pytest.raises(MigrationFailed, match="the same text with other parameters") as caught:
        dev.deploy(chain(body.format("str(uuid.uuid4())")))
    hint = caught.value.hint or ""
    assert "another text or other values each time" in hint
    assert "snapshot" not in hint
    ((shown,),) = dev.query("SELECT" + hint.split("SELECT")[1].split(" shows")[0])
    dev.deploy(chain(body.format(repr(shown.split("'")[1]))))
    assert dev.query("SELECT count(*) FROM w") == [(1,)]


def test_what_a_script_made_anew_did_can_be_taken_back(dev: Bench) -> None:
    made = "op.execute('CREATE TABLE w (n int)')\n"
    body = made + "op.execute('INSERT INTO w VALUES ({})')\nop.execute('SELECT 1 FROM gate')"
    with pytest.raises(MigrationFailed, match="gate"):
        dev.deploy(chain(body.format(1)))
    dev.query("CREATE TABLE gate (n integer)")
    with pytest.raises(MigrationFailed, match="statement 2 is not the one") as caught:
        dev.deploy(chain(body.format(2)))
    dev.query("DELETE FROM w")
    dev.query("DELETE FROM" + (caught.value.hint or "").split("DELETE FROM")[1])
    (result,) = dev.deploy(chain(body.format(2)))
    assert (result.statements, result.replayed) == (3, 1)
    assert dev.query("SELECT n FROM w") == [(2,)]


def test_a_trigger_into_a_table_without_transactions_is_seen(dev: Bench) -> None:
    dev.query("CREATE TABLE done (n integer) ENGINE=MyISAM")
    dev.query("CREATE TRIGGER tr AFTER UPDATE ON acct FOR EACH ROW BEGIN INSERT INTO done VALUES (NEW.n); END")
    dev.query("CREATE VIEW v AS SELECT n FROM acct")
    with pytest.raises(MigrationFailed):
        dev.deploy(chain("op.execute('UPDATE v SET n = 2')\nop.execute('SELECT 1 FROM nothing_there')"))
    ((state, proof, result),) = dev.query("SELECT state, proof, result FROM hgaurora_statement")
    assert (state, json.loads(result)["count"]) == ("done", 1)
    assert "done (MyISAM) knows no transactions" in json.loads(proof)["why"]


def test_settings_come_again(dev: Bench) -> None:
    body = "op.execute(\"SET SESSION sql_mode = 'ANSI_QUOTES'\")\nop.execute('INSERT INTO \"acct\" VALUES (5)')\n"
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(body + "op.execute('SELECT 1 FROM gate')"))
    dev.query("CREATE TABLE gate (n integer)")
    scripts = chain(body + "op.execute('SELECT 1 FROM gate')\nop.execute('UPDATE \"acct\" SET n = n + 1')", "pass")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        result = session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert (result.statements, result.replayed) == (3, 1)
        assert result.notes == ("the session's settings were put back",)
        assert session.run(migrate(scripts[1]), ordinal=2, snapshot=None).notes == ()
    assert dev.query("SELECT n FROM acct ORDER BY n") == [(2,), (6,)]


def test_a_temporary_table_is_gone_after_a_crash_and_that_is_said(dev: Bench) -> None:
    body = """
op.execute("CREATE TEMPORARY TABLE tmp (n int)")
op.execute("DROP TEMPORARY TABLE tmp")
op.execute("CREATE TEMPORARY TABLE tmp AS SELECT n FROM acct")
op.execute("UPDATE acct SET n = n + 1")
op.execute("INSERT INTO acct SELECT n + 50 FROM tmp")
op.execute("DROP TABLE tmp")
op.execute("CREATE TABLE IF NOT EXISTS last (n int)")
"""
    scripts = chain(body)
    told = points(dev, scripts)
    wanted = seen(dev)
    assert dev.query("SELECT n FROM acct ORDER BY n") == [(2,), (51,)]
    outcomes = []
    for point in range(0, len(told), 5):
        fresh(dev)
        killed(dev, scripts, point)
        try:
            finish(dev, scripts)
        except MigrationFailed as stopped:
            outcomes.append(stopped.message)
            rows = dev.query("SELECT n FROM acct ORDER BY n")
        else:
            outcomes.append("")
            rows = [(2,)]
            assert seen(dev) == wanted
        assert rows == [(2,)]
    assert set(map(bool, outcomes)) == {True, False}
    assert all("the temporary table tmp, which an earlier run made" in said for said in outcomes if said)
