# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading MySQL's statements: where one ends, what it is to the journal, what it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.adapters.migrations.child.mysql.names import named
from hgaurora.adapters.migrations.child.mysql.sql import Kind, assigned, kind, refusal, split

PIECES = [
    "SELECT 1",
    "INSERT INTO `a;b` VALUES ('x;''y', \"z;\\\"\", '\\';')",
    "/* a; b */ UPDATE t SET a = 1 # c; d\n",
    "-- x; y\nDELETE FROM t",
    "/*!40101 SET NAMES utf8mb4 */",
    "CREATE PROCEDURE p() BEGIN DECLARE x int; IF x THEN SET x = 1; ELSE SET x = 2; END IF; SELECT 1; END",
    "CREATE DEFINER=`a`@`b` TRIGGER t BEFORE INSERT ON x FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; END IF",
    "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN (SELECT CASE WHEN 1 THEN 2 END)",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN REPEAT SET @a = 1; UNTIL 1 END REPEAT; END",
    "CREATE PROCEDURE q(a int) l: LOOP LEAVE l; END LOOP",
    "CREATE PROCEDURE r(a int) BEGIN CASE a WHEN 1 THEN SELECT 1; END CASE; WHILE a DO SET a = 0; END WHILE; END",
    "CREATE TABLE `end` (`begin` int COMMENT ';', n int DEFAULT 1)",
    "ALTER EVENT e DO BEGIN SELECT 1; SELECT 2; END",
    "ALTER TABLE t ADD COLUMN function_name int",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.sampled_from([";", ";\n", " ; ", ";;"]))
def test_each_statement_is_told_apart(pieces: list[str], between: str) -> None:
    assert [one.text for one in split(between.join(pieces))] == [piece.strip() for piece in pieces]


@pytest.mark.parametrize(
    ("sql", "modes", "count"),
    [
        ("SELECT 'a\\'; SELECT 2; '", {}, 1),
        ("SELECT 'a\\'; SELECT 2", {"backslash": False}, 2),
        ('SELECT "a\\"; SELECT "', {}, 1),
        ('SELECT "a""; SELECT "', {"ansi": True}, 1),
        ("SELECT 1--2; SELECT 3", {}, 2),
        ("SELECT 1 --\t2; SELECT 3", {}, 1),
        (" ; ;; -- nothing\n", {}, 0),
        ("SELECT 'not closed; SELECT 2", {}, 2),
    ],
)
def test_modes_and_comments(sql: str, modes: dict[str, bool], count: int) -> None:
    assert len(split(sql, **modes)) == count


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("(SELECT 1) UNION (SELECT 2)", Kind.READ),
        ("WITH a AS (SELECT 1) SELECT * FROM a", Kind.READ),
        ("WITH a AS (SELECT 1) UPDATE t SET b = 1", Kind.DATA),
        ("SHOW CREATE TABLE t", Kind.READ),
        ("DESCRIBE t", Kind.READ),
        ("SELECT @@transaction_isolation", Kind.SESSION),
        ("SELECT DATABASE()", Kind.SESSION),
        ("SELECT count(*) FROM t LIMIT 1", Kind.READ),
        ("SET NAMES utf8mb4", Kind.SESSION),
        ("SET @@SESSION.sql_mode = ''", Kind.SESSION),
        ("SET @a = (SELECT 1), @b := 2", Kind.READ),
        ("SET PASSWORD = 'x'", Kind.DDL),
        ("SET STATEMENT max_statement_time = 1 FOR ALTER TABLE t ADD x int", Kind.DDL),
        ("SET STATEMENT max_statement_time = 1 FOR UPDATE t SET a = 1", Kind.DATA),
        ("USE other", Kind.SESSION),
        ("REPLACE INTO t VALUES (1)", Kind.DATA),
        ("LOAD DATA INFILE 'x' INTO TABLE t", Kind.DATA),
        ("LOAD INDEX INTO CACHE t", Kind.DDL),
        ("CREATE TEMPORARY TABLE t (i int)", Kind.TEMPORARY),
        ("CREATE OR REPLACE TEMPORARY TABLE t (i int)", Kind.TEMPORARY),
        ("DROP TEMPORARY TABLE t", Kind.TEMPORARY),
        ("CREATE TABLE temporary_things (i int)", Kind.DDL),
        ("ANALYZE TABLE t", Kind.DDL),
        ("ANALYZE UPDATE t SET a = 1", Kind.OPAQUE),
        ("CALL p()", Kind.OPAQUE),
        ("SELECT 1 INTO OUTFILE 'x'", Kind.OPAQUE),
        ("EXECUTE s USING @a", Kind.EXECUTE),
        ("RELEASE SAVEPOINT a", Kind.SAVEPOINT),
        ("ROLLBACK WORK TO a", Kind.SAVEPOINT),
        ("ROLLBACK", Kind.ROLLBACK),
        ("COMMIT", Kind.COMMIT),
        ("something new", Kind.OPAQUE),
    ],
)
def test_what_a_statement_is_to_the_journal(sql: str, wanted: Kind) -> None:
    (statement,) = split(sql)
    assert kind(statement) is wanted
    assert refusal(statement) == ""


def test_variables_that_a_statement_sets() -> None:
    assert assigned(split("SELECT a, b INTO @x, @`y z` FROM t WHERE c = @q")[0]) == ("x", "y z")
    assert assigned(split("SELECT @n := @n + 1, @m = 3 FROM t")[0]) == ("n",)
    assert assigned(split("SET @a = 1, @b = @c, sql_mode = ''")[0]) == ("a", "b")


@pytest.mark.parametrize(
    ("sql", "tag", "objects"),
    [
        ("CREATE TABLE IF NOT EXISTS d.`t t` (i int)", "CREATE TABLE", [("table", "d", "t t")]),
        ("ALTER ONLINE IGNORE TABLE IF EXISTS t ADD x int", "ALTER TABLE", [("table", None, "t")]),
        (
            "ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX c TO d, RENAME TO d.u",
            "ALTER TABLE",
            [("table", None, "t"), ("table", "d", "u")],
        ),
        (
            "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u",
            "ALTER TABLE",
            [("table", None, "t"), ("table", None, "u")],
        ),
        (
            "RENAME TABLE a TO t, b TO a",
            "RENAME TABLE",
            [("table", None, "a"), ("table", None, "t"), ("table", None, "b"), ("table", None, "a")],
        ),
        ("DROP TABLE IF EXISTS a, d.b CASCADE", "DROP TABLE", [("table", None, "a"), ("table", "d", "b")]),
        ("CREATE OR REPLACE ALGORITHM=MERGE DEFINER=a@b VIEW v AS SELECT 1", "CREATE VIEW", [("table", None, "v")]),
        ("CREATE SPATIAL INDEX i ON t (g)", "CREATE INDEX", [("table", None, "t")]),
        ("DROP INDEX i ON d.t", "DROP INDEX", [("table", "d", "t")]),
        ("CREATE TRIGGER x BEFORE INSERT ON d.t FOR EACH ROW SET @a = 1", "CREATE TRIGGER", [("trigger", "d", "x")]),
        ("CREATE FUNCTION f RETURNS STRING SONAME 'x.so'", "CREATE FUNCTION", []),
        ("GRANT SELECT ON d.* TO u", "GRANT", [("accounts", None, "")]),
        ("ALTER DATABASE CHARACTER SET utf8mb4", "ALTER DATABASE", [("database", None, "")]),
        ("OPTIMIZE LOCAL TABLE a, b", "OPTIMIZE TABLE", [("table", None, "a"), ("table", None, "b")]),
        ("TRUNCATE t", "TRUNCATE TABLE", [("table", None, "t")]),
        ("INSTALL SONAME 'x'", "INSTALL", []),
    ],
)
def test_what_a_statement_names(sql: str, tag: str, objects: list[tuple[str, str | None, str]]) -> None:
    found = named(split(sql)[0])
    assert (found.tag, list(found.objects)) == (tag, objects)


def test_tables_that_keys_and_triggers_refer_to() -> None:
    assert named(split("CREATE TABLE c (a int REFERENCES d.a (i))")[0]).beside == (("table", "d", "a"),)
    assert named(split("CREATE TRIGGER x AFTER DELETE ON t FOR EACH ROW SET @a = 1")[0]).beside == (
        ("table", None, "t"),
    )
