# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture on MariaDB and MySQL: each kind made, changed and dropped by hand; stable whatever made it."""

from __future__ import annotations

import itertools
import random
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import pymysql
import pytest

from hgaurora.adapters.database.mysql import capture_sql, spelling
from hgaurora.adapters.database.mysql.capture import Capture
from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.local import mysql_clients
from hgaurora.adapters.local.mysqld import Mysqld
from hgaurora.adapters.migrations.child.mysql.names import touched
from hgaurora.adapters.migrations.child.mysql.sql import split
from hgaurora.core.schema.form import canonical, parts
from hgaurora.core.schema.kinds import KINDS
from hgaurora.core.schema.model import Schema

BASE = (
    "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, code varchar(20) NOT NULL, total decimal(10,2),"
    " note text)",
    "CREATE TABLE items (id int PRIMARY KEY, order_id int, qty int, key by_order (order_id))",
)


@dataclass(frozen=True)
class Case:
    """One object made, changed and dropped; ``field``: what the change is seen by, with its value after."""

    kind: str
    path: str
    made: str
    changed: str
    dropped: str
    field: str
    value: Any
    before: tuple[str, ...] = ()
    #: paths of other kinds that come and go with it, or change with it
    with_it: tuple[str, ...] = ()
    only: str = ""


CASES = (
    Case(
        "table", "notes",
        "CREATE TABLE notes (id int) ENGINE=InnoDB", "ALTER TABLE notes COMMENT 'what was said'", "DROP TABLE notes",
        "comment", "what was said", with_it=("column notes.id",),
    ),
    Case(
        "table", "notes",
        "CREATE TABLE notes (id int) ENGINE=MyISAM", "ALTER TABLE notes ENGINE=InnoDB", "DROP TABLE notes",
        "engine", "innodb", with_it=("column notes.id",),
    ),
    Case(
        "table", "notes",
        "CREATE TABLE notes (id int) STATS_PERSISTENT=1", "ALTER TABLE notes ROW_FORMAT=COMPACT", "DROP TABLE notes",
        "row_format", "compact", with_it=("column notes.id",),
    ),
    Case(
        "table", "notes",
        "CREATE TABLE notes (id int) CHARACTER SET latin1", "ALTER TABLE notes COLLATE latin1_general_ci",
        "DROP TABLE notes", "collation", "latin1_general_ci", with_it=("column notes.id",),
    ),
    Case(
        "table", "logs",
        "CREATE TABLE logs (y int NOT NULL) PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (10))",
        "ALTER TABLE logs PARTITION BY HASH (y) PARTITIONS 1", "DROP TABLE logs", "partition_by", "hash (`y`)",
        with_it=("column logs.y", "partition logs.p0"),
    ),
    Case(
        "partition", "logs.p1",
        "ALTER TABLE logs ADD PARTITION (PARTITION p1 VALUES LESS THAN (20))",
        "ALTER TABLE logs REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "ALTER TABLE logs DROP PARTITION p1", "bound", "MAXVALUE",
        before=("CREATE TABLE logs (y int NOT NULL) PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (10))",),
    ),
    Case(
        "column", "orders.vat",
        "ALTER TABLE orders ADD vat decimal(10,2) NOT NULL DEFAULT 0", "ALTER TABLE orders MODIFY vat decimal(12,2)",
        "ALTER TABLE orders DROP vat", "type", "decimal(12,2)", with_it=("table orders",),
    ),
    Case(
        "column", "orders.made",
        "ALTER TABLE orders ADD made timestamp NULL",
        "ALTER TABLE orders MODIFY made timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        "ALTER TABLE orders DROP made", "on_update", "current_timestamp", with_it=("table orders",),
    ),
    Case(
        "column", "orders.word",
        "ALTER TABLE orders ADD word varchar(9) DEFAULT 'it''s\\\\'",
        "ALTER TABLE orders MODIFY word varchar(9) DEFAULT 'other' COMMENT 'c'",
        "ALTER TABLE orders DROP word", "default", "'other'", with_it=("table orders",),
    ),
    Case(
        "column", "orders.twice",
        "ALTER TABLE orders ADD twice decimal(10,2) GENERATED ALWAYS AS (total * 2) VIRTUAL",
        "ALTER TABLE orders DROP twice, ADD twice decimal(10,2) GENERATED ALWAYS AS (total * 2) STORED",
        "ALTER TABLE orders DROP twice", "generated", "stored", with_it=("table orders",),
    ),
    Case(
        "column", "orders.doc", "ALTER TABLE orders ADD doc json", "ALTER TABLE orders MODIFY doc longtext",
        "ALTER TABLE orders DROP doc", "type", "longtext", with_it=("table orders",),
    ),
    Case(
        "column", "orders.shy", "ALTER TABLE orders ADD shy int", "ALTER TABLE orders MODIFY shy int INVISIBLE",
        "ALTER TABLE orders DROP shy", "invisible", True, with_it=("table orders",),
    ),
    Case(
        "column", "orders.name",
        "ALTER TABLE orders ADD name varchar(9) CHARACTER SET latin1",
        "ALTER TABLE orders MODIFY name varchar(9) CHARACTER SET latin1 COLLATE latin1_bin",
        "ALTER TABLE orders DROP name", "collation", "latin1_bin", with_it=("table orders",),
    ),
    Case(
        "column", "orders.packed", "ALTER TABLE orders ADD packed text",
        "ALTER TABLE orders MODIFY packed text COMPRESSED",
        "ALTER TABLE orders DROP packed", "compression", "compressed", with_it=("table orders",), only="mariadb",
    ),
    Case(
        "column", "orders.place", "ALTER TABLE orders ADD place point",
        "ALTER TABLE orders MODIFY place point SRID 4326", "ALTER TABLE orders DROP place",
        "options", ("srid 4326",), with_it=("table orders",), only="mysql",
    ),
    Case(
        "primary key", "bare.PRIMARY",
        "ALTER TABLE bare ADD PRIMARY KEY (a)", "ALTER TABLE bare DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)",
        "ALTER TABLE bare DROP PRIMARY KEY", "columns", ("b", "a"),
        before=("CREATE TABLE bare (a int NOT NULL, b int NOT NULL)",),
    ),
    Case(
        "index", "orders.one",
        "ALTER TABLE orders ADD UNIQUE KEY one (code)", "ALTER TABLE orders DROP KEY one, ADD KEY one (code)",
        "DROP INDEX one ON orders", "unique", False,
    ),
    Case(
        "index", "orders.start",
        "CREATE INDEX start ON orders (note(10))", "ALTER TABLE orders DROP KEY start, ADD KEY start (note(20), code)",
        "DROP INDEX start ON orders", "columns", ("note(20)", "code"),
    ),
    Case(
        "index", "orders.words",
        "CREATE FULLTEXT INDEX words ON orders (note)",
        "ALTER TABLE orders DROP KEY words, ADD FULLTEXT KEY words (note) COMMENT 'for the search'",
        "DROP INDEX words ON orders", "comment", "for the search",
    ),
    Case(
        "index", "places.at", "CREATE SPATIAL INDEX at ON places (p)",
        "ALTER TABLE places DROP KEY at, ADD SPATIAL KEY at (p) COMMENT 'where'", "DROP INDEX at ON places",
        "comment", "where", before=("CREATE TABLE places (p point NOT NULL)",),
    ),
    Case(
        "index", "orders.how", "CREATE FULLTEXT INDEX how ON orders (note)",
        "ALTER TABLE orders DROP KEY how, ADD KEY how (note(25))", "DROP INDEX how ON orders", "method", "btree",
    ),
    Case(
        "index", "orders.down", "CREATE INDEX down ON orders (total)",
        "ALTER TABLE orders DROP KEY down, ADD KEY down (total DESC)", "DROP INDEX down ON orders", "order", ("desc",),
    ),
    Case(
        "index", "orders.seen", "CREATE INDEX seen ON orders (total)", "ALTER TABLE orders ALTER INDEX seen IGNORED",
        "DROP INDEX seen ON orders", "visible", False, only="mariadb",
    ),
    Case(
        "index", "orders.seen", "CREATE INDEX seen ON orders (total)", "ALTER TABLE orders ALTER INDEX seen INVISIBLE",
        "DROP INDEX seen ON orders", "visible", False, only="mysql",
    ),
    Case(
        "index", "orders.worth", "CREATE INDEX worth ON orders ((total * 2))",
        "ALTER TABLE orders DROP KEY worth, ADD KEY worth ((total * 3))", "DROP INDEX worth ON orders",
        "expressions", ("`total` * 3",), only="mysql",
    ),
    Case(
        "foreign key", "items.to_order",
        "ALTER TABLE items ADD CONSTRAINT to_order FOREIGN KEY (order_id) REFERENCES orders (id)",
        "ALTER TABLE items DROP FOREIGN KEY to_order ;;"
        " ALTER TABLE items ADD CONSTRAINT to_order FOREIGN KEY (order_id) REFERENCES orders (id)"
        " ON DELETE CASCADE ON UPDATE RESTRICT",
        "ALTER TABLE items DROP FOREIGN KEY to_order", "on_delete", "cascade",
    ),
    Case(
        "check constraint", "items.some",
        "ALTER TABLE items ADD CONSTRAINT some CHECK (qty > 0)",
        "ALTER TABLE items DROP CONSTRAINT some, ADD CONSTRAINT some CHECK (qty > 1)",
        "ALTER TABLE items DROP CONSTRAINT some", "expression", "`qty` > 1",
    ),
    Case(
        "check constraint", "items.some",
        "ALTER TABLE items ADD CONSTRAINT some CHECK (qty > 0)", "ALTER TABLE items ALTER CHECK some NOT ENFORCED",
        "ALTER TABLE items DROP CHECK some", "enforced", False, only="mysql",
    ),
    Case(
        "view", "big", "CREATE VIEW big AS SELECT id FROM orders",
        "ALTER VIEW big AS SELECT id, code AS what FROM orders",
        "DROP VIEW big", "columns", ("id", "what"),
    ),
    Case(
        "view", "big", "CREATE VIEW big AS SELECT id FROM orders WHERE id > 1",
        "CREATE OR REPLACE SQL SECURITY INVOKER VIEW big AS SELECT id FROM orders WHERE id > 1 WITH LOCAL CHECK OPTION",
        "DROP VIEW big", "security", "invoker",
    ),
    Case(
        "trigger", "orders.count",
        "CREATE TRIGGER count BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 'a; b'",
        "CREATE OR REPLACE TRIGGER count BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 'c'",
        "DROP TRIGGER count", "body", "SET NEW.note = 'c'", only="mariadb",
    ),
    Case(
        "trigger", "orders.count",
        "CREATE TRIGGER count BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 'a; b'", "", "DROP TRIGGER count",
        "", None,
    ),
    Case(
        "function", "vat",
        "CREATE FUNCTION vat(a int(11), b varchar(9)) RETURNS int DETERMINISTIC RETURN a + 1",
        "ALTER FUNCTION vat SQL SECURITY INVOKER COMMENT 'much'", "DROP FUNCTION vat", "comment", "much",
    ),
    Case(
        "procedure", "clean",
        "CREATE PROCEDURE clean(IN a int, OUT b int) BEGIN DELETE FROM items; SET b = a; END",
        "ALTER PROCEDURE clean MODIFIES SQL DATA", "DROP PROCEDURE clean", "volatility", "modifies sql data",
    ),
    Case(
        "event", "nightly", "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM items",
        "ALTER EVENT nightly ON SCHEDULE EVERY 2 HOUR DISABLE", "DROP EVENT nightly", "schedule", "every 2 hour",
    ),
    Case(
        "sequence", "numbers", "CREATE SEQUENCE numbers START WITH 5", "ALTER SEQUENCE numbers MAXVALUE 99 CYCLE",
        "DROP SEQUENCE numbers", "maximum", 99, only="mariadb",
    ),
)  # fmt: skip


def capturing(url: str) -> MysqlDatabase:
    return MysqlDatabase(from_url(url), environment="dev")


@contextmanager
def session(url: str) -> Iterator[Any]:
    with engines.my_connection(url) as connection, connection.cursor() as cursor:
        yield cursor


def product(cursor: Any) -> str:
    cursor.execute("SELECT VERSION()")
    return "mariadb" if "MariaDB" in cursor.fetchone()[0] else "mysql"


def differences(before: Schema, after: Schema) -> dict[str, dict[str, Any]]:
    """By kind and path: what differs, by field; of what came or went, all that is unusual."""
    found: dict[str, dict[str, Any]] = {}
    for kind, known in KINDS.items():
        old, new = before.objects.get(kind, {}), after.objects.get(kind, {})
        usual = tuple(field.usual for field in known.fields)
        for path in old.keys() | new.keys():
            was, now = old.get(path, usual), new.get(path, usual)
            if old.get(path) != new.get(path):
                fields = zip(known.fields, was, now, strict=True)
                found[f"{kind} {'.'.join(path)}"] = {field.name: b for field, a, b in fields if a != b}
    return found


def follow(database: MysqlDatabase, before: Schema, statement: str) -> Schema:
    """The schema now; the parts that the statement names make the same of the one before it."""
    after = database.capture()
    known = parts(before)
    tags, objects = set(), []
    for one in split(statement):
        named = touched(one)
        tags.add(named.tag)
        name = database.connection.schema
        objects += [[kind, db or name, what] for kind, db, what in (*named.objects, *named.beside)]
    looked = database.capture_parts({"tags": sorted(tags), "objects": objects}, known)
    if looked is None:
        assert tags & {"*", "DROP TRIGGER", "GRANT", "REVOKE"}, statement
    else:
        found, gone = looked
        assert {**{id: part for id, part in known.items() if id not in gone}, **found} == parts(after), statement
    return after


def _refused(cursor: Any, statement: str) -> bool:
    try:
        cursor.execute(statement)
    except pymysql.MySQLError:
        return True
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind} {case.field}")
def test_each_kind_is_seen_to_come_to_change_and_to_go(case: Case, my_database: str) -> None:
    database = capturing(my_database)
    with session(my_database) as cursor:
        for text in (*BASE, *case.before):
            cursor.execute(text)
        if case.only and product(cursor) != case.only:
            assert _refused(cursor, case.made) or _refused(cursor, case.changed)
            return
        named = f"{case.kind} {case.path}"
        empty = database.capture()
        cursor.execute(case.made)
        made = follow(database, empty, case.made)
        assert differences(empty, made).keys() == {named, *case.with_it}
        if case.changed:
            changed = made
            for text in case.changed.split(";; "):
                cursor.execute(text)
                changed = follow(database, changed, text)
            seen = differences(made, changed)
            assert seen[named][case.field] == case.value
            assert seen.keys() <= {named, *case.with_it}
            made = changed
        cursor.execute(case.dropped)
        assert canonical(follow(database, made, case.dropped)) == canonical(empty)


def test_each_kind_that_is_captured_is_among_the_cases(my_database: str) -> None:
    with session(my_database) as cursor:
        for text in (*MIXED[0], *MIXED[1]):
            cursor.execute(text)
    captured = capturing(my_database).capture().objects.keys()
    assert captured | {"sequence"} == {case.kind for case in CASES} | {"database"}


def test_the_servers_own_catalogue_is_captured_or_excluded_with_a_reason(my_server: str) -> None:
    with session(my_server) as cursor:
        mariadb = product(cursor) == "mariadb"
        cursor.execute(
            "SELECT LOWER(table_name) FROM information_schema.tables WHERE table_schema = 'information_schema'"
        )
        there = {name for (name,) in cursor.fetchall() if not name.startswith("innodb_")}
    looks = capture_sql.looks(mariadb, (10, 11) if mariadb else (9, 7))
    asked = {name for name in there for look in looks.values() if f"information_schema.{name}" in look.source}
    assert there - asked - set(" ".join(capture_sql.EXCLUDED.values()).split()) == set()


def test_packages(my_database: str) -> None:
    database = capturing(my_database)
    with session(my_database) as cursor:
        before = database.capture()
        head = "CREATE PACKAGE tax AS FUNCTION vat RETURN int; END"
        if product(cursor) == "mysql":
            assert _refused(cursor, head)
            return
        cursor.execute("SET sql_mode = 'ORACLE'")
        cursor.execute(head)
        cursor.execute("CREATE PACKAGE BODY tax AS FUNCTION vat RETURN int AS BEGIN RETURN 1; END; END")
        made = follow(database, before, head)
        assert differences(before, made).keys() == {"package tax", "package body tax"}
        cursor.execute("DROP PACKAGE tax")
        assert differences(before, database.capture()) == {}


def test_grants_are_seen_where_they_are(my_database: str) -> None:
    database, user = capturing(my_database), f"hga_{secrets.token_hex(4)}"
    name = my_database.rpartition("/")[2]
    with session(my_database) as cursor:
        for text in BASE:
            cursor.execute(text)
        cursor.execute("CREATE FUNCTION vat(a int) RETURNS int DETERMINISTIC RETURN a + 1")
        cursor.execute(f"CREATE USER {user}@localhost")
        try:
            before = database.capture()
            cursor.execute(f"GRANT SELECT ON `{name}`.* TO {user}@localhost")
            cursor.execute(f"GRANT INSERT, UPDATE (code) ON orders TO {user}@localhost WITH GRANT OPTION")
            cursor.execute(f"GRANT EXECUTE ON FUNCTION vat TO {user}@localhost")
            who = f"{user}@localhost"
            assert differences(before, database.capture()) == {
                "database database": {"grants": ((who, "select"),)},
                "table orders": {"grants": ((who, "insert with grant option"),)},
                "column orders.code": {"grants": ((who, "update with grant option"),)},
                "function vat": {"grants": ((who, "execute"),)},
            }
            assert database.capture_parts({"tags": ["GRANT"], "objects": [["accounts", name, ""]]}, ()) is None
        finally:
            cursor.execute(f"DROP USER {user}@localhost")
        assert differences(before, database.capture()) == {}


def test_the_database_itself(my_database: str) -> None:
    database = capturing(my_database)
    before = database.capture()
    text = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin"
    with session(my_database) as cursor:
        cursor.execute(text)
    after = follow(database, before, text)
    assert differences(before, after) == {"database database": {"charset": "latin1", "collation": "latin1_bin"}}


def test_what_the_tool_owns_is_outside(my_database: str) -> None:
    database = capturing(my_database)
    before = canonical(database.capture())
    with session(my_database) as cursor:
        cursor.execute("CREATE TABLE hgaurora_event (id int PRIMARY KEY, n int, CHECK (n > 0)) COMMENT 'ours'")
        cursor.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)")
        cursor.execute("CREATE TRIGGER t BEFORE INSERT ON hgaurora_event FOR EACH ROW SET NEW.id = 1")
        assert canonical(database.capture()) == before
        cursor.execute("CREATE TABLE hgaurora (id int)")
        cursor.execute("CREATE TABLE alembic_versions (id int)")
    assert sorted(database.capture().objects["table"]) == [("alembic_versions",), ("hgaurora",)]


def test_what_is_data_is_outside(my_database: str) -> None:
    database = capturing(my_database)
    with session(my_database) as cursor:
        cursor.execute(BASE[0])
        if product(cursor) == "mariadb":
            cursor.execute("CREATE SEQUENCE numbers")
        before = canonical(database.capture())
        cursor.execute("INSERT INTO orders (code) VALUES ('a'), ('b')")
        cursor.execute("ALTER TABLE orders AUTO_INCREMENT = 500")
        if product(cursor) == "mariadb":
            cursor.execute("SELECT nextval(numbers)")
    assert canonical(database.capture()) == before


def test_a_view_stays_what_it_was_when_what_it_reads_has_gone(my_database: str) -> None:
    database = capturing(my_database)
    with session(my_database) as cursor:
        cursor.execute(BASE[0])
        cursor.execute("CREATE VIEW big AS SELECT id, code FROM orders")
        before = database.capture()
        cursor.execute("DROP TABLE orders")
    after = follow(database, before, "DROP TABLE orders")
    assert {key.partition(" ")[0] for key in differences(before, after)} == {"table", "column", "primary"}


def test_a_new_name_of_a_table_is_seen_in_what_refers_to_it(my_database: str) -> None:
    database = capturing(my_database)
    with session(my_database) as cursor:
        for text in (*BASE, "ALTER TABLE items ADD CONSTRAINT f FOREIGN KEY (order_id) REFERENCES orders (id)"):
            cursor.execute(text)
        before = database.capture()
        text = "RENAME TABLE orders TO purchases"
        cursor.execute(text)
        after = follow(database, before, text)
        assert differences(before, after)["foreign key items.f"] == {"references": "purchases"}
        text = "ALTER TABLE purchases RENAME COLUMN id TO number"
        cursor.execute(text)
        assert differences(after, follow(database, after, text))["foreign key items.f"] == {
            "referenced_columns": ("number",)
        }


#: independent of each other, then what hangs on them
MIXED = (
    (
        "CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, code varchar(20) NOT NULL DEFAULT 'x''y\\\\',"
        " total decimal(10,2) DEFAULT 0.5, flags bit(3) DEFAULT b'101', made datetime(6) DEFAULT CURRENT_TIMESTAMP(6),"
        " state enum('new','it''s') NOT NULL DEFAULT 'new', doc json, twice int GENERATED ALWAYS AS (total * 2) STORED,"
        " born year, filled int(5) ZEROFILL, yes tinyint(1) NOT NULL DEFAULT 1, note text COMMENT 'a\\nb')"
        " COMMENT = 'what was ordered' ROW_FORMAT=COMPRESSED",
        "CREATE TABLE items (id int unsigned PRIMARY KEY, order_id bigint, qty int CHECK (qty > 0),"
        " CONSTRAINT odd CHECK (qty <> 7 AND qty < 100)) CHARACTER SET latin1",
        "CREATE TABLE `we``ird %s` (`sel ect` int, `%` varchar(9) DEFAULT '100%')",
        "CREATE TABLE logs (y int NOT NULL, k int NOT NULL) PARTITION BY RANGE (y) SUBPARTITION BY HASH (k)"
        " SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'old', PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "CREATE TABLE old (id int) ENGINE=MyISAM CHECKSUM=1",
        "CREATE FUNCTION vat(a decimal(10,2)) RETURNS decimal(10,2) DETERMINISTIC RETURN a * 1.2",
        "CREATE PROCEDURE clean(INOUT a int) READS SQL DATA SQL SECURITY INVOKER SELECT COUNT(*) INTO a FROM items",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 02:00:00' DISABLE DO DELETE FROM items",
    ),
    (
        "ALTER TABLE items ADD CONSTRAINT to_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE SET NULL",
        "CREATE UNIQUE INDEX u ON orders (code, total)",
        "CREATE INDEX pre ON orders (note(10))",
        "CREATE FULLTEXT INDEX words ON orders (note)",
        "CREATE VIEW big AS SELECT o.id, COUNT(*) AS n FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id",
        "CREATE VIEW named AS WITH q AS (SELECT 'orders`.' AS lit) SELECT lit FROM q",
        "CREATE TRIGGER first BEFORE INSERT ON items FOR EACH ROW SET NEW.qty = 1",
        "CREATE TRIGGER later AFTER INSERT ON orders FOR EACH ROW BEGIN DELETE FROM old; DELETE FROM logs; END",
    ),
)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_things_were_made_is_not_seen(seed: int, my_server: str) -> None:
    rng, seen = random.Random(seed), []
    for shuffled in (False, True):
        with engines.fresh_my_database(my_server) as url:
            with session(url) as cursor:
                for texts in MIXED:
                    for text in rng.sample(texts, len(texts)) if shuffled else texts:
                        cursor.execute(text)
            seen.append(capturing(url).capture())
    assert differences(*seen) == {}
    assert canonical(seen[0]) == canonical(seen[1])


def test_a_dump_and_a_restore_into_another_database_are_not_seen(my_server: str, tmp_path: Path) -> None:
    with engines.fresh_my_database(my_server) as url, engines.fresh_my_database(my_server, prefix="hga-odd_x") as copy:
        with session(url) as cursor:
            for text in (*MIXED[0], *MIXED[1]):
                cursor.execute(text)
            mariadb = product(cursor) == "mariadb"
            if mariadb:
                cursor.execute("CREATE SEQUENCE numbers START WITH 7")
        programs = mysql_clients.clients(mariadb)
        source, target = from_url(url), from_url(copy)
        text = mysql_clients.dumped(
            programs, source, tmp_path, ["--no-data", "--routines", "--events", "--triggers", source.schema]
        )
        with mysql_clients.options(target, tmp_path, mariadb=mariadb) as first:
            subprocess.run([programs.client, first, target.schema], input=text, text=True, check=True)
        before, after = capturing(url).capture(), capturing(copy).capture()
    assert differences(before, after) == {}


def test_a_restart_is_not_seen(tmp_path: Path) -> None:
    server = Mysqld(tmp_path / "my", durable=False)
    try:
        with session(f"mysql://root@127.0.0.1:{server.start()}/") as cursor:
            cursor.execute("CREATE DATABASE shop")
        with session(f"mysql://root@127.0.0.1:{server.port()}/shop") as cursor:
            for text in (*MIXED[0], *MIXED[1]):
                cursor.execute(text)
        before = capturing(f"mysql://root@127.0.0.1:{server.port()}/shop").capture()
        server.stop()
        assert capturing(f"mysql://root@127.0.0.1:{server.start()}/shop").capture() == before
    finally:
        server.stop()


def test_a_user_who_may_see_less_is_not_refused(my_database: str) -> None:
    user, name = f"hga_{secrets.token_hex(4)}", my_database.rpartition("/")[2]
    with session(my_database) as cursor:
        for text in (*BASE, "ALTER TABLE items ADD CONSTRAINT f FOREIGN KEY (order_id) REFERENCES orders (id)"):
            cursor.execute(text)
        cursor.execute(f"CREATE USER {user}@'127.0.0.1'")
        cursor.execute(f"CREATE USER {user}@localhost")
        try:
            for host in ("'127.0.0.1'", "localhost"):
                cursor.execute(f"GRANT ALL ON `{name}`.* TO {user}@{host}")
            address = my_database.rpartition("@")[2]
            limited, full = capturing(f"mysql://{user}@{address}"), capturing(my_database)
            seen, all_seen = limited.capture(), full.capture()
            assert set(differences(all_seen, seen)) <= {"database database"}  # others' grants
            # without PROCESS the tables that refer to one are found the slow way
            for database in (limited, full):
                found = database.capture_parts({"tags": ["ALTER TABLE"], "objects": [["table", name, "orders"]]}, ())
                assert found is not None
                assert sorted(found[0]) == ['["relation","items"]', '["relation","orders"]']
        finally:
            for host in ("'127.0.0.1'", "localhost"):
                cursor.execute(f"DROP USER {user}@{host}")


def test_names_that_do_not_say_it_are_for_a_whole_look(my_database: str) -> None:
    database = capturing(my_database)
    assert database.capture_parts(None, ()) is None
    assert database.capture_parts({"tags": ["*"], "objects": []}, ()) is None
    many = [["table", database.connection.schema, f"t{i}"] for i in range(50)]
    assert database.capture_parts({"tags": ["DROP TABLE"], "objects": many}, ()) is None
    elsewhere = {"tags": ["CREATE TABLE", "CREATE DATABASE"], "objects": [["table", "other", "t"]]}
    assert database.capture_parts(elsewhere, ()) == ({}, [])


def test_a_whole_capture_asks_as_often_for_any_number_of_tables(my_database: str) -> None:
    asked = []
    for tables in (1, 30):
        with session(my_database) as cursor:
            for number in range(tables):
                cursor.execute(f"CREATE TABLE t{tables}_{number} (id int PRIMARY KEY, n int, KEY (n))")
        with engines.my_connection(my_database) as connection:
            count = itertools.count()

            def ask(text: str, values: Any, connection: Any = connection, count: Any = count) -> Any:
                next(count)
                with connection.cursor() as cursor:
                    cursor.execute(text, values or None)
                    return cursor.fetchall()

            Capture(ask, my_database.rpartition("/")[2]).whole()
            asked.append(next(count))
    assert asked[0] == asked[1] <= 20


@pytest.mark.parametrize(
    ("given", "mysql", "expected"),
    [
        ("NULL", None, None),
        ("'x''y\\\\'", "x'y\\", "'x''y\\\\'"),
        ("0.50", "0.50", "0.50"),
        ("current_timestamp(3)", "CURRENT_TIMESTAMP(3)", "current_timestamp(3)"),
    ],
)
def test_a_default_reads_the_same_on_both(given: str, mysql: str | None, expected: str | None) -> None:
    kind = "decimal(10,2)" if expected == "0.50" else "datetime(3)" if "current" in given else "varchar(9)"
    assert spelling.default(given, kind, "", True) == spelling.default(mysql, kind, "", False) == expected


def test_a_string_that_looks_like_the_time_stays_a_string() -> None:
    assert spelling.default("CURRENT_TIMESTAMP", "varchar(20)", "", False) == "'CURRENT_TIMESTAMP'"
    assert spelling.default("'current_timestamp()'", "varchar(20)", "", True) == "'current_timestamp()'"
