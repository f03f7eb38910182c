# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What statements leave beside their rows, and write unseen: taken up after a kill, on MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hgaurora.core.errors import MigrationFailed
from hgaurora.core.model import Script
from tests.adapters.migrating import Bench, bench, chain
from tests.adapters.test_child_mysql_journal import finish, fresh, killed, points, seen

T = "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9) UNIQUE, n int DEFAULT 0)"
C = "CREATE TABLE c (n int)"


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    fresh(made)
    yield made
    made.database.close()


def script(*statements: str) -> list[Script]:
    """A migration that sends these."""
    return chain("\n".join(f"op.get_bind().exec_driver_sql({one!r})" for one in statements))


def cut_off(dev: Bench, scripts: list[Script]) -> object:
    """What an undisturbed run leaves; then the database after one that was killed when its last statement was answered,
    and not committed."""
    told = points(dev, scripts)
    wanted = seen(dev)
    kinds = ("journal", "journal done", "COMMIT", "ledger", "lock")
    ends = [at for at, one in enumerate(told) if one.startswith("after ")]
    (*_, last) = (at for at in ends if told[at].split(" ", 1)[1] not in kinds)
    fresh(dev)
    killed(dev, scripts, last)
    return wanted


@pytest.mark.parametrize(
    "statements",
    [
        ("INSERT INTO t (v) VALUES ('a')", "INSERT INTO t (id, v) VALUES (100, 'b')"),
        ("INSERT INTO t (v) VALUES ('a'), ('b')", "INSERT INTO t (v) VALUES ('a') ON DUPLICATE KEY UPDATE n = n + 1"),
        ("INSERT INTO t (v) VALUES ('a')", "REPLACE INTO t (id, v) VALUES (1, 'b')"),
        ("INSERT INTO t (v, n) VALUES ('a', 41)", "SELECT LAST_INSERT_ID(n + 1) FROM t", "UPDATE t SET n = 7"),
        ("INSERT INTO t (v) VALUES ('a'), ('b')", "UPDATE t SET n = LAST_INSERT_ID(id + 5) WHERE v = 'b'"),
        (
            "CREATE PROCEDURE p() BEGIN INSERT INTO t (v) VALUES ('x'), ('y'); INSERT INTO t (v) VALUES ('z'); END",
            "CALL p()",
        ),
    ],
)
def test_the_id_drawn_last_is_what_it_was(dev: Bench, statements: tuple[str, ...]) -> None:
    scripts = script(T, C, *statements, "INSERT INTO c VALUES (LAST_INSERT_ID())")
    wanted = cut_off(dev, scripts)
    finish(dev, scripts)
    assert seen(dev) == wanted


@pytest.mark.parametrize(
    "statements",
    [
        (
            "CREATE PROCEDURE mk(OUT o int) BEGIN INSERT INTO t (v) VALUES ('p'); SET o = LAST_INSERT_ID(); END",
            "CALL mk(@x)",
        ),
        ("CREATE PROCEDURE mk() BEGIN INSERT INTO t (v) VALUES ('p'); SET @x = 5; END", "CALL mk()"),
        (
            "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @x = NEW.id + 3",
            "INSERT INTO t (v) VALUES ('a')",
        ),
    ],
)
def test_user_variables_are_what_they_were(dev: Bench, statements: tuple[str, ...]) -> None:
    scripts = script(T, C, *statements, "INSERT INTO c VALUES (@x)")
    wanted = cut_off(dev, scripts)
    finish(dev, scripts)
    assert seen(dev) == wanted


@pytest.mark.parametrize(
    "statements",
    [
        (
            "CREATE PROCEDURE note(x int) INSERT INTO audit VALUES (x)",
            "CREATE TRIGGER tr AFTER UPDATE ON acct FOR EACH ROW CALL note(NEW.n)",
            "UPDATE acct SET n = n + 1",
        ),
        ("INSERT INTO audit VALUES (1)", "UPDATE (SELECT 1 AS one) d JOIN audit a ON a.n = d.one SET a.n = a.n + 1"),
    ],
)
def test_a_table_without_transactions_is_found_wherever_it_hides(dev: Bench, statements: tuple[str, ...]) -> None:
    scripts = script("CREATE TABLE audit (n int) ENGINE=MyISAM", *statements)
    cut_off(dev, scripts)
    before = dev.query("SELECT n FROM audit")
    with pytest.raises(MigrationFailed, match=r"nothing proves whether it took effect: .*audit \(MyISAM\)"):
        dev.deploy(scripts)
    assert dev.query("SELECT n FROM audit") == before


def test_a_view_that_writes_is_no_read(dev: Bench) -> None:
    scripts = script(
        T,
        "CREATE FUNCTION f() RETURNS int DETERMINISTIC MODIFIES SQL DATA"
        " BEGIN INSERT INTO t (v) VALUES ('f'); RETURN 1; END",
        "CREATE VIEW w AS SELECT f() AS x",
        "CREATE VIEW ww AS SELECT x FROM w",
        "SELECT * FROM ww",
        C,
        "DROP VIEW w, ww",
    )
    told = points(dev, scripts)
    wanted = seen(dev)
    for point in (told.index(f"before {C}"), told.index(f"before {C}") - 2):
        fresh(dev)
        killed(dev, scripts, point)
        finish(dev, scripts)
        assert seen(dev) == wanted, told[point]
    assert dev.query("SELECT v FROM t") == [("f",)]


@pytest.mark.parametrize("setting", ["insert_id = 500", "@@SESSION.last_insert_id = 5", "SESSION identity = 5"])
def test_what_only_the_next_statement_takes_is_refused(dev: Bench, setting: str) -> None:
    with pytest.raises(MigrationFailed, match="sets the number that the next INSERT draws"):
        dev.deploy(script(T, f"SET {setting}", "INSERT INTO t (v) VALUES ('a')"))


def test_columns_that_changed_names_are_not_changed_back(dev: Bench) -> None:
    scripts = script(
        "CREATE TABLE xy (k int PRIMARY KEY, x int, y int)",
        "INSERT INTO xy VALUES (1, 10, 20)",
        "ALTER TABLE xy CHANGE y x int AFTER k, CHANGE x y int AFTER x",
    )
    wanted = cut_off(dev, scripts)
    assert dev.query("SELECT x, y FROM xy") == [(20, 10)]
    if "MariaDB" in dev.query("SELECT version()")[0][0]:
        with pytest.raises(MigrationFailed, match="nothing proves whether it took effect") as caught:
            finish(dev, scripts)
        assert dev.query("SELECT x, y FROM xy") == [(20, 10)]
        dev.query("UPDATE" + (caught.value.hint or "").split("UPDATE")[1].split("; ")[0])
    finish(dev, scripts)
    assert seen(dev) == wanted
