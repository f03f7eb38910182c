# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the catalogue of MySQL or MariaDB proves of a statement whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from hgaurora.adapters.migrations.child.mysql.names import named
from hgaurora.adapters.migrations.child.mysql.proof import Catalogue, provable, rest, verdict
from hgaurora.adapters.migrations.child.mysql.sql import Statement, split
from hgaurora.adapters.migrations.child.mysql.tables import Numbered, Tables
from tests.engines import my_connection

#: what every statement here is sent to
BEFORE = """
CREATE TABLE a (i int PRIMARY KEY, j int, KEY j (j));
CREATE TABLE b (i int PRIMARY KEY, j int, KEY j (j));
CREATE TABLE c (i int PRIMARY KEY, a int, CONSTRAINT c_a FOREIGN KEY (a) REFERENCES a (i));
CREATE TABLE p (i int PRIMARY KEY) PARTITION BY RANGE (i) (PARTITION p0 VALUES LESS THAN (10),
    PARTITION p1 VALUES LESS THAN (20));
CREATE TABLE q (i int PRIMARY KEY);
CREATE VIEW v AS SELECT i FROM b;
CREATE VIEW w AS SELECT i FROM b;
CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.j = 1;
CREATE PROCEDURE pr(x int) SELECT x;
CREATE FUNCTION fu(x int) RETURNS int DETERMINISTIC NO SQL RETURN x;
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO SET @x = 1;
INSERT INTO a VALUES (1, 1);
INSERT INTO p VALUES (1);
"""

#: statements that can be seen to be done
SEEN = [
    "CREATE TABLE d (i int)",
    "CREATE TABLE d LIKE a",
    "CREATE TABLE d AS SELECT * FROM a",
    "ALTER TABLE a ADD COLUMN k int",
    "ALTER TABLE a DROP COLUMN j",
    "ALTER TABLE a MODIFY j bigint",
    "ALTER TABLE a ALTER j SET DEFAULT 5",
    "ALTER TABLE a COMMENT 'x'",
    "ALTER TABLE a RENAME TO z",
    "ALTER TABLE a RENAME COLUMN j TO k",
    "ALTER TABLE a ADD INDEX (j, i)",
    "ALTER TABLE a CONVERT TO CHARACTER SET latin1",
    "ALTER TABLE c DROP FOREIGN KEY c_a",
    "ALTER TABLE c ADD CONSTRAINT chk CHECK (a > 0)",
    "ALTER TABLE p ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))",
    "ALTER TABLE p DROP PARTITION p0",
    "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE q",
    "ALTER TABLE p TRUNCATE PARTITION p0",
    "ALTER TABLE p REMOVE PARTITIONING",
    "CREATE INDEX n ON a (j)",
    "DROP INDEX j ON a",
    "DROP TABLE b",
    "DROP TABLE IF EXISTS b, nosuch",
    "DROP TABLE b, q",
    "TRUNCATE TABLE b",
    "RENAME TABLE a TO z",
    "RENAME TABLE a TO z, b TO a, z TO b",
    "RENAME TABLE b TO y, q TO x",
    "CREATE VIEW x AS SELECT 1 AS one",
    "CREATE OR REPLACE VIEW v AS SELECT i, j FROM b",
    "ALTER VIEW v AS SELECT j FROM b",
    "DROP VIEW v, w",
    "CREATE TRIGGER tr2 AFTER INSERT ON a FOR EACH ROW SET @a = 1",
    "DROP TRIGGER tr",
    "CREATE PROCEDURE pr2() SELECT 1",
    "DROP PROCEDURE pr",
    "ALTER PROCEDURE pr COMMENT 'x'",
    "DROP FUNCTION fu",
    "CREATE EVENT ev2 ON SCHEDULE EVERY 1 DAY DISABLE DO SET @x = 2",
    "ALTER EVENT ev RENAME TO ev3",
    "DROP EVENT ev",
    "ALTER DATABASE CHARACTER SET latin1",
]
#: done or not, it looks the same, and doing it again comes to the same
ALIKE = [
    "CREATE TABLE IF NOT EXISTS a (x int)",
    "DROP TABLE IF EXISTS nosuch",
    "ALTER TABLE a FORCE",
    "ALTER TABLE a ENGINE = InnoDB",
    "ALTER TABLE a AUTO_INCREMENT = 50",
    "ALTER TABLE p REBUILD PARTITION p0",
    "ANALYZE TABLE a",
    "OPTIMIZE TABLE a",
    "CREATE OR REPLACE VIEW v AS SELECT i FROM b",
    "FLUSH STATUS",
]


@pytest.fixture
def connection(my_database: str) -> Iterator[pymysql.Connection[Any]]:
    with my_connection(my_database) as made, made.cursor() as cursor:
        for one in split(BEFORE):
            cursor.execute(one.text)
        yield made


class Look:
    """Pictures of what a statement names."""

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self.connection = connection
        self.catalogue = Catalogue(self.ask, "MariaDB" in connection.get_server_info())

    def ask(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def __call__(self, statement: Statement) -> dict[str, Any]:
        return self.catalogue.picture(named(statement), statement, self.home)

    @property
    def home(self) -> str:
        """The database of names without one."""
        return str(self.ask("SELECT DATABASE()")[0][0])


@pytest.mark.parametrize(("sql", "done"), [*((sql, "done") for sql in SEEN), *((sql, "again") for sql in ALIKE)])
def test_the_catalogue_tells(connection: pymysql.Connection[Any], sql: str, done: str) -> None:
    (statement,) = split(sql)
    look = Look(connection)
    assert provable(statement)
    before = look(statement)
    assert verdict(statement, before, look(statement)) == "again"
    look.ask(sql)
    assert verdict(statement, before, look(statement)) == done
    if done == "again":
        look.ask(sql)


@pytest.mark.parametrize(
    "change",
    [
        "CHANGE y x INT AFTER k, CHANGE x y INT AFTER x",
        "RENAME COLUMN y TO x, RENAME COLUMN x TO y, MODIFY x INT AFTER k",
        "DROP COLUMN x, CHANGE COLUMN y x INT, ADD COLUMN y INT",
    ],
)
def test_columns_that_take_each_others_names(connection: pymysql.Connection[Any], change: str) -> None:
    """The definition may be the same afterwards; twice is something else. MariaDB does not show what became of it."""
    look = Look(connection)
    look.ask("CREATE TABLE xy (k INT PRIMARY KEY, x INT, y INT)")
    if look.catalogue.mariadb and "MODIFY" in change:
        change = change.replace("MODIFY x INT AFTER k", "ALGORITHM = COPY")
    (statement,) = split(f"ALTER TABLE xy {change}")
    before = look(statement)
    assert verdict(statement, before, look(statement)) == ("unknown" if look.catalogue.mariadb else "again")
    try:
        look.ask(statement.text)
    except pymysql.err.MySQLError:
        # a name may be used in one clause only, on some servers
        assert "MODIFY" in change
        return
    same = look(statement) == before
    assert verdict(statement, before, look(statement)) == ("unknown" if same else "done")
    assert look.catalogue.mariadb or not same


@pytest.mark.parametrize("sql", ["DROP TABLE b, q", "DROP VIEW v, w"])
def test_a_drop_that_came_half_way_is_brought_to_its_end(connection: pymysql.Connection[Any], sql: str) -> None:
    (statement,) = split(sql)
    look = Look(connection)
    before = look(statement)
    look.ask(sql.split(",")[0])
    assert verdict(statement, before, look(statement)) == "rest"
    look.ask(rest(statement))
    assert verdict(statement, before, look(statement)) == "done"


def test_mariadb_s_own_objects(connection: pymysql.Connection[Any]) -> None:
    look = Look(connection)
    for sql in ("CREATE SEQUENCE s", "CREATE OR REPLACE TABLE b (i int PRIMARY KEY, j int, KEY j (j))"):
        (statement,) = split(sql)
        before = look(statement)
        assert verdict(statement, before, look(statement)) == "again"
        wanted = "done"
        try:
            look.ask(sql)
        except pymysql.err.ProgrammingError:
            assert not look.catalogue.mariadb
            wanted = "again"
        assert verdict(statement, before, look(statement)) == wanted


@pytest.mark.parametrize(
    "sql",
    [
        "CALL pr(1)",
        "ALTER TABLE b DISCARD TABLESPACE",
        "ALTER SEQUENCE s RESTART 5",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h')",
        "INSTALL SONAME 'x'",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "whatever",
    ],
)
def test_what_nothing_proves(sql: str) -> None:
    assert not provable(split(sql)[0])


def test_without_the_right_to_see_numbers_a_swap_is_not_guessed(my_server: str, my_database: str) -> None:
    """Both tables look alike, so that only InnoDB's numbers tell, which the right PROCESS shows."""
    name = urlsplit(my_database).path.strip("/")
    user = f"u{name[-8:]}"
    place = urlsplit(my_server)
    with my_connection(my_database) as admin, admin.cursor() as cursor:
        for one in split(BEFORE):
            cursor.execute(one.text)
        cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")
        try:
            cursor.execute(f"GRANT ALL ON `{name}`.* TO '{user}'@'%'")
            url = f"mysql://{user}:secret@{place.hostname}:{place.port or 3306}/{name}"
            with my_connection(url) as poor:
                look = Look(poor)
                for sql, known in (
                    ("RENAME TABLE a TO z, b TO a, z TO b", "unknown"),
                    ("TRUNCATE TABLE b", "unknown"),
                    ("RENAME TABLE q TO z", "again"),
                ):
                    (statement,) = split(sql)
                    before = look(statement)
                    assert verdict(statement, before, look(statement)) == known
        finally:
            with suppress(pymysql.MySQLError):  # the user is the test's own; the server may be gone
                cursor.execute(f"DROP USER '{user}'@'%'")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("INSERT INTO a VALUES (1, 2)", ""),
        ("INSERT INTO m VALUES (1)", "m (MyISAM)"),
        ("UPDATE a JOIN m ON a.i = m.i SET m.i = 1", "m (MyISAM)"),
        ("UPDATE a x, b y SET x.j = 1", ""),
        ("DELETE m FROM m JOIN a ON a.i = m.i", "m (MyISAM)"),
        ("REPLACE b SELECT * FROM m", ""),
        ("WITH n AS (SELECT 1) UPDATE m SET i = 1", "m (MyISAM)"),
        ("INSERT INTO vm VALUES (1)", "m (MyISAM)"),
        ("INSERT INTO b VALUES (writes(), 1)", "m (MyISAM)"),
        ("INSERT INTO q VALUES (1)", "m (MyISAM)"),
        ("INSERT INTO nosuch VALUES (1)", ""),
        ("UPDATE (SELECT 1 AS one) d JOIN m ON m.i = d.one SET m.i = 2", "m (MyISAM)"),
        ("UPDATE ((SELECT 1 AS one) UNION (SELECT 2)) d JOIN m SET m.i = 2", "m (MyISAM)"),
        (
            "WITH c AS (SELECT REPLACE('a', 'a', 'b') AS s FROM a) UPDATE m JOIN (SELECT * FROM c) d SET i = 1",
            "m (MyISAM)",
        ),
        ("UPDATE a JOIN (SELECT i FROM m) d ON d.i = a.i SET j = 1", ""),
        ("UPDATE r SET i = 1", "m (MyISAM)"),
        ("CALL notes(1)", "m (MyISAM)"),
        ("INSERT INTO b SELECT i, 1 FROM vw", "m (MyISAM)"),
    ],
)
def test_tables_without_transactions(connection: pymysql.Connection[Any], sql: str, found: str) -> None:
    look = Look(connection)
    for one in (
        "CREATE TABLE m (i int) ENGINE=MyISAM",
        "CREATE VIEW vm AS SELECT * FROM m",
        "CREATE FUNCTION writes() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO m VALUES (1); RETURN 1; END",
        "CREATE TRIGGER tq AFTER INSERT ON q FOR EACH ROW BEGIN IF NEW.i THEN INSERT INTO m VALUES (1); END IF; END",
        "CREATE PROCEDURE notes(x int) BEGIN CALL note(x); END",
        "CREATE PROCEDURE note(x int) INSERT INTO m VALUES (x)",
        "CREATE TABLE r (i int)",
        "CREATE TRIGGER notes_r AFTER UPDATE ON r FOR EACH ROW CALL notes(NEW.i)",
        "CREATE VIEW vw AS SELECT i FROM (SELECT writes() AS i) x",
    ):
        look.ask(one)
    (statement,) = split(sql)
    wanted = f"{look.home}.{found} knows no transactions" if found else ""
    assert Tables(look.ask).written_by(statement, look.home, set()).unprovable == wanted


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("INSERT INTO n VALUES (1, 2)", {"n": True}),
        ("REPLACE INTO vn SET i = 1", {"n": True}),
        ("LOAD DATA INFILE 'x' INTO TABLE n", {"n": True}),
        ("UPDATE n SET i = REPLACE(i, 1, 2)", {"n": False}),
        ("DELETE FROM n", {"n": False}),
        ("INSERT INTO t VALUES (1)", {}),
        ("INSERT INTO a SELECT i, i FROM n", {}),
        ("INSERT INTO q VALUES (1)", {"n": True}),
        ("SELECT draws()", {"n": True}),
        ("UPDATE n SET i = draws()", {"n": True}),
    ],
)
def test_tables_that_number_their_rows(connection: pymysql.Connection[Any], sql: str, found: dict[str, bool]) -> None:
    look = Look(connection)
    for one in (
        "CREATE TABLE n (k int AUTO_INCREMENT PRIMARY KEY, i int)",
        "CREATE TEMPORARY TABLE t (k int AUTO_INCREMENT PRIMARY KEY)",
        "CREATE VIEW vn AS SELECT i FROM n",
        "CREATE FUNCTION draws() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO n (i) VALUES (1); RETURN 1; END",
        "CREATE TRIGGER tq AFTER INSERT ON q FOR EACH ROW UPDATE n SET i = draws()",
    ):
        look.ask(one)
    (statement,) = split(sql)
    numbered = Tables(look.ask).written_by(statement, look.home, {"t"}).numbered
    assert numbered == tuple(Numbered(f"`{look.home}`.`{table}`", "`k`", adds) for table, adds in found.items())
