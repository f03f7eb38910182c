# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture of a PostgreSQL schema: every kind, every change, and the same bytes for the same schema."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.capture import captured as look
from hgaurora.adapters.database.postgresql.capture import settings
from hgaurora.adapters.database.postgresql.capture_kinds import COVERED, EXCLUDED
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.adapters.local import binaries
from hgaurora.adapters.local.engine import Engine
from hgaurora.core.schema import form
from hgaurora.core.schema.delta import Action, delta
from hgaurora.core.schema.kinds import KINDS
from hgaurora.core.schema.model import Fingerprints, Schema
from hgaurora.core.schema.words import lines
from tests import engines

SCRIPT = Path(__file__).with_name("schema_postgresql.sql").read_text()
#: what only MySQL and MariaDB have
ELSEWHERE = {"event", "package", "package body", "partition"}
#: words that older majors do not know
SINCE = {"parameter ACL": 15, "publication namespace": 15, "role membership": 16}
#: of the script's schema, on every major from 14 to 18: if it changes, every recorded structure does
STRUCTURE = "04bf43f2581ff897bc313a0dda915b72710172f9b426d89dc0f79cebae96a4ee"


def captured(url: str, **parameters: str) -> Schema:
    connection = from_url(url)
    database = PostgresDatabase(
        replace(connection, parameters={**connection.parameters, **parameters}), environment="dev"
    )
    try:
        return database.capture()
    finally:
        database.close()


def fingerprints(schema: Schema) -> Fingerprints:
    return form.fingerprints(schema.engine, schema.major, form.parts(schema))


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def everything(pg_database: str) -> Iterator[str]:
    run(pg_database, SCRIPT)
    yield pg_database
    run(pg_database, "DROP SUBSCRIPTION IF EXISTS reader")


#: to text, as databases have them that came from a release or a product where it was so
CASTS = [
    f"CREATE CAST ({name} AS text) WITH INOUT AS IMPLICIT"
    for name in ("int2", "int4", "int8", "oid", "xid", "numeric", "date", "timestamptz", "regclass", "regproc")
]


def test_casts_of_a_user_s_change_nothing_that_is_asked(everything: str) -> None:
    before = form.parts(captured(everything))
    run(everything, *CASTS)
    after = form.parts(captured(everything))
    assert {id: part for id, part in after.items() if id in before} == before
    assert len(after) == len(before) + len(CASTS)


def test_every_type_of_object_the_server_knows(everything: str) -> None:
    run(everything, "DO 'BEGIN IF current_setting(''server_version_num'')::int >= 150000 THEN"
        " EXECUTE ''CREATE PUBLICATION all_of FOR TABLES IN SCHEMA shop''; END IF; END'")  # fmt: skip
    known: set[str] = set()
    with psycopg.connect(everything, autocommit=True) as connection:
        catalogues = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'oid' AND c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'"
        ).fetchall()
        queries = [f"SELECT tableoid, oid, 0 FROM {name}" for (name,) in catalogues]
        queries.append("SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute WHERE attnum > 0")
        without = set()
        for query in queries:
            try:
                known |= {
                    one for (one,) in connection.execute(
                        f"SELECT DISTINCT (pg_identify_object(q.a, q.b, q.c)).type FROM ({query}) q(a, b, c)".encode()
                    )
                } - {None}  # fmt: skip
            except psycopg.errors.InternalError:  # unsupported object class
                without.add(query.rsplit(" ", 1)[1])
    # labels belong to their type; large objects are listed under another catalogue than they are named by
    assert without == {"pg_enum", "pg_largeobject_metadata"}
    assert known - set(COVERED) - set(EXCLUDED) == set()
    assert set(COVERED) - known <= {"publication namespace"}
    assert not set(COVERED) & set(EXCLUDED)
    schema = captured(everything)
    assert {kind for kinds in COVERED.values() for kind in kinds} | {"database"} == set(schema.objects)
    assert set(KINDS) - set(schema.objects) == ELSEWHERE


def test_the_server_knows_each_of_these_words(pg_database: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as connection:
        younger = {word for word, major in SINCE.items() if connection.info.server_version < major * 10000}
        for word in sorted({*COVERED, *EXCLUDED} - {"index column", "toast table column"} - younger):
            with pytest.raises(psycopg.Error) as error:
                connection.execute("SELECT pg_get_object_address(%s, '{}', '{}')", (word,))
            assert "unrecognized object type" not in str(error.value), word


def test_secrets_are_not_captured(everything: str) -> None:
    assert b"secret-of" not in form.canonical(captured(everything))


def test_the_same_structure_on_every_major(everything: str) -> None:
    """The suite's own server, whatever it is: so each run of the suite on another one compares them all."""
    assert fingerprints(captured(everything)).structure == STRUCTURE


def test_the_tools_own_and_the_systems_are_outside(pg_database: str) -> None:
    before = captured(pg_database)
    run(
        pg_database,
        "CREATE SCHEMA hgaurora",
        "CREATE TABLE hgaurora.event (seq bigint PRIMARY KEY)",
        "CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)",
        "CREATE INDEX ON public.alembic_version (lower(version_num))",
        "COMMENT ON TABLE public.alembic_version IS 'not ours'",
        "GRANT SELECT ON public.alembic_version TO PUBLIC",
    )
    assert captured(pg_database) == before
    run(pg_database, "CREATE TABLE public.alembic_version2 (version_num varchar(32) PRIMARY KEY)")
    assert captured(pg_database) != before


def test_dump_and_restore(everything: str, pg_server: str) -> None:
    before = captured(everything)
    with engines.fresh_database(pg_server) as other:
        with psycopg.connect(pg_server) as connection:
            programs = binaries.for_dump(connection.info.server_version // 10000, tls=False)
        place, env = engines.told_apart(everything)
        argv = [programs.program("pg_dump"), "--schema-only", "--dbname", place]
        dumped = subprocess.run(argv, env=env, check=True, capture_output=True).stdout
        text = "\n".join(
            line for line in dumped.decode().splitlines() if not line.startswith(("\\", "CREATE SCHEMA public"))
        )
        run(other, text)
        after = captured(other)
        run(other, "DROP SUBSCRIPTION reader")
    assert list(delta(before, after).changes) == []
    assert fingerprints(after) == fingerprints(before)


def test_the_order_in_which_things_were_made(pg_server: str) -> None:
    statements = [
        "CREATE TABLE a (x integer, y integer)",
        "CREATE TABLE b (x integer, y text)",
        "CREATE SEQUENCE s",
        "CREATE TYPE t AS ENUM ('b', 'a')",
        "CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ]
    later = [
        "CREATE INDEX i ON a (x)",
        "CREATE INDEX j ON a (y)",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0)",
        "ALTER TABLE a ADD CONSTRAINT d CHECK (y > 0)",
        "GRANT SELECT ON a TO PUBLIC",
        "GRANT INSERT ON a TO PUBLIC",
    ]
    found = []
    for order in (1, -1):
        with engines.fresh_database(pg_server) as url:
            run(url, *statements[::order], *later[::order])
            found.append(captured(url))
    assert found[0] == found[1]
    assert form.canonical(found[0]) == form.canonical(found[1])


def test_catalogues_written_anew_and_a_restart(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", fsync=False)
    engine.start()
    try:
        url = engines.own_url(engine)
        run(url, SCRIPT)
        before = captured(url)
        run(
            url,
            *(f"VACUUM FULL pg_catalog.{name}" for name in ("pg_class", "pg_attribute", "pg_proc", "pg_constraint")),
        )
        engine.stop()
        engine.start()
        assert captured(engines.own_url(engine)) == before
    finally:
        engine.stop()


def test_a_column_dropped_and_made_again(pg_database: str) -> None:
    run(
        pg_database,
        'CREATE TABLE t (a integer, b text COLLATE "C", c integer)',
        "CREATE INDEX i ON t (b, c)",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (c)",
    )
    before = captured(pg_database)
    run(
        pg_database,
        "ALTER TABLE t DROP COLUMN b, DROP COLUMN c",
        'ALTER TABLE t ADD COLUMN b text COLLATE "C", ADD COLUMN c integer',
        "CREATE INDEX i ON t (b, c)",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (c)",
    )
    assert captured(pg_database) == before


def test_whoever_may_connect_sees_the_same(everything: str) -> None:
    with psycopg.connect(everything, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_special")
        try:
            assert captured(everything, options="-c role=nobody_special") == captured(everything)
        finally:
            connection.execute("DROP ROLE nobody_special")


def test_settings_of_the_database_change_nothing(everything: str) -> None:
    before = captured(everything)
    with psycopg.connect(everything, autocommit=True) as connection:
        for setting in ("quote_all_identifiers = on", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'iso_8601'",
                        "search_path = shop", "extra_float_digits = -3", "bytea_output = escape"):  # fmt: skip
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting}".encode())
    assert captured(everything) == before


def test_while_others_change_things(pg_database: str) -> None:
    """Views and tables made and dropped all the time: a look begins anew, or has them, or has them not."""
    stop = threading.Event()

    def work() -> None:
        with psycopg.connect(pg_database, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(
                    "BEGIN; CREATE TABLE t (a integer DEFAULT 3, CHECK (a > 2)); CREATE VIEW v AS SELECT a FROM t;"
                    "COMMIT; DROP TABLE t CASCADE"
                )

    worker = threading.Thread(target=work)
    worker.start()
    try:
        database = PostgresDatabase(from_url(pg_database), environment="dev")
        sizes = {len(database.capture().objects.get("view", ())) for _ in range(60)}
        database.close()
    finally:
        stop.set()
        worker.join()
    assert sizes <= {0, 1}


def test_a_subscription_with_no_options_says_none(everything: str) -> None:
    """Those that younger majors know are as they were before."""
    ((_, definition, *_),) = captured(everything).objects["subscription"].values()
    assert definition == (("synchronous_commit", "off"),)


def test_what_newer_majors_have(pg_database: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as connection:
        version = connection.info.server_version // 10000
        connection.execute("CREATE TABLE t (a integer NOT NULL, b integer, CONSTRAINT c UNIQUE (a))")
        if version >= 15:
            connection.execute("CREATE UNIQUE INDEX i ON t (b) NULLS NOT DISTINCT")
        if version >= 18:
            connection.execute("ALTER TABLE t ADD COLUMN v integer GENERATED ALWAYS AS (a * 2) VIRTUAL")
            connection.execute("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES t (a) NOT ENFORCED")
            connection.execute("CREATE TABLE s (k int4range, r int4range, PRIMARY KEY (k, r WITHOUT OVERLAPS))")
            connection.execute(
                "CREATE TABLE u (k int4range, r int4range,"
                " CONSTRAINT p FOREIGN KEY (k, PERIOD r) REFERENCES s (k, PERIOD r))"
            )
    schema = captured(pg_database)

    def fact(kind: str, path: tuple[str, ...], field: str) -> object:
        return schema.objects[kind]["public", *path][KINDS[kind].at(field)]

    assert fact("column", ("t", "a"), "not_null") is True
    assert "not null" not in str(schema.objects.get("check constraint"))
    assert fact("unique constraint", ("t", "c"), "nulls_not_distinct") is False
    if version >= 15:
        assert fact("index", ("t", "i"), "nulls_not_distinct") is True
    if version >= 18:
        assert (fact("column", ("t", "v"), "generated"), fact("column", ("t", "v"), "default")) == (
            "virtual",
            "(a * 2)",
        )
        assert fact("foreign key", ("t", "f"), "enforced") is False
        assert fact("primary key", ("s", "s_pkey"), "without_overlaps") is True
        assert fact("foreign key", ("u", "p"), "period") is True


#: statements; kind, end of the path, action
CHANGES: list[tuple[str, str, str, Action]] = [
    ("CREATE TABLE shop.fresh (a integer)", "table", "fresh", "added"),
    ("DROP TABLE shop.heir", "table", "heir", "dropped"),
    ("ALTER TABLE shop.orders ADD COLUMN fresh integer", "column", "fresh", "added"),
    ("ALTER TABLE shop.orders DROP COLUMN body", "column", "body", "dropped"),
    ("ALTER TABLE shop.parent ALTER COLUMN a TYPE bigint", "column", "a", "changed"),
    ("ALTER TABLE shop.orders ALTER COLUMN part SET DEFAULT 4", "column", "part", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN name DROP NOT NULL", "column", "name", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN id SET GENERATED BY DEFAULT", "column", "id", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN twice DROP EXPRESSION", "column", "twice", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN name SET STORAGE MAIN", "column", "name", "changed"),
    ("ALTER TABLE shop.events ALTER COLUMN what TYPE text COLLATE \"C\"", "column", "what", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN name SET STATISTICS 7", "column", "name", "changed"),
    ("ALTER TABLE shop.customers ALTER COLUMN home SET COMPRESSION pglz", "column", "home", "changed"),
    ("COMMENT ON COLUMN shop.customers.name IS 'x'", "column", "name", "changed"),
    ("GRANT SELECT (name) ON shop.customers TO PUBLIC", "column", "name", "changed"),
    ("ALTER TABLE shop.orders SET (fillfactor = 50)", "table", "orders", "changed"),
    ("ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY", "table", "orders", "changed"),
    ("ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY", "table", "orders", "changed"),
    ("ALTER TABLE shop.heir SET LOGGED", "table", "heir", "changed"),
    ("ALTER TABLE shop.heir NO INHERIT shop.parent", "table", "heir", "changed"),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_2025", "table", "events_2025", "changed"),
    ("ALTER TABLE shop.orders OWNER TO pg_monitor", "table", "orders", "changed"),
    ("REVOKE INSERT ON shop.orders FROM PUBLIC", "table", "orders", "changed"),
    ("COMMENT ON TABLE shop.orders IS 'x'", "table", "orders", "changed"),
    ("ALTER TABLE shop.places DROP CONSTRAINT places_pkey", "primary key", "places_pkey", "dropped"),
    ("ALTER TABLE shop.customers DROP CONSTRAINT named", "unique constraint", "named", "dropped"),
    ("ALTER TABLE shop.orders DROP CONSTRAINT later", "foreign key", "later", "dropped"),
    ("ALTER TABLE shop.orders VALIDATE CONSTRAINT later", "foreign key", "later", "changed"),
    ("ALTER TABLE shop.orders ALTER CONSTRAINT orders_customer_fkey NOT DEFERRABLE", "foreign key",
     "orders_customer_fkey", "changed"),
    ("ALTER TABLE shop.orders ADD CHECK (id > 3) NOT VALID", "check constraint", "orders_id_check", "added"),
    ("ALTER TABLE shop.orders DROP CONSTRAINT apart", "exclusion constraint", "apart", "dropped"),
    ("CREATE INDEX fresh ON shop.orders (id) WHERE part > 3", "index", "fresh", "added"),
    ("DROP INDEX shop.orders_odd", "index", "orders_odd", "dropped"),
    ("DROP INDEX shop.orders_odd; CREATE UNIQUE INDEX orders_odd ON shop.orders (part DESC, (id + 1), customer NULLS"
     " FIRST) INCLUDE (during) WHERE id > 8", "index", "orders_odd", "changed"),
    ("DROP INDEX shop.orders_odd; CREATE UNIQUE INDEX orders_odd ON shop.orders (part DESC, (id + 1), customer NULLS"
     " FIRST) WHERE id > 7", "index", "orders_odd", "changed"),
    ("DROP INDEX shop.orders_odd; CREATE UNIQUE INDEX orders_odd ON shop.orders (part, (id + 1), customer NULLS"
     " FIRST) INCLUDE (during) WHERE id > 7", "index", "orders_odd", "changed"),
    ("DROP INDEX shop.orders_odd; CREATE UNIQUE INDEX orders_odd ON shop.orders (part DESC, (id + 2), customer NULLS"
     " FIRST) INCLUDE (during) WHERE id > 7", "index", "orders_odd", "changed"),
    ("DROP INDEX shop.sums_part; CREATE INDEX sums_part ON shop.sums USING hash (part)", "index", "sums_part",
     "changed"),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.orders_odd'::regclass", "index", "orders_odd",
     "changed"),
    ("COMMENT ON INDEX shop.orders_odd IS 'x'", "index", "orders_odd", "changed"),
    ("ALTER STATISTICS shop.together SET STATISTICS 9", "statistics", "together", "changed"),
    ("DROP STATISTICS shop.expressed", "statistics", "expressed", "dropped"),
    ("ALTER TABLE shop.orders ENABLE TRIGGER counted", "trigger", "counted", "changed"),
    ("DROP TRIGGER touched ON shop.orders", "trigger", "touched", "dropped"),
    ("ALTER POLICY mine ON shop.orders USING (part > 7)", "policy", "mine", "changed"),
    ("DROP POLICY mine ON shop.orders", "policy", "mine", "dropped"),
    ("DROP RULE no_writing ON shop.buyers", "rule", "no_writing", "dropped"),
    ("CREATE OR REPLACE VIEW shop.buyers_of_buyers AS SELECT * FROM shop.buyers WHERE id > 3", "view",
     "buyers_of_buyers", "changed"),
    ("ALTER VIEW shop.buyers RESET (security_barrier)", "view", "buyers", "changed"),
    ("REFRESH MATERIALIZED VIEW shop.sums", "materialized view", "sums", "changed"),
    ("ALTER SEQUENCE shop.numbers INCREMENT 7", "sequence", "numbers", "changed"),
    ("ALTER SEQUENCE shop.numbers OWNED BY shop.orders.id", "sequence", "numbers", "changed"),
    ("CREATE OR REPLACE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN OLD;"
     " END'", "function", "touch()", "changed"),
    ("ALTER FUNCTION shop.touch() SECURITY INVOKER", "function", "touch()", "changed"),
    ("ALTER FUNCTION shop.many(integer[]) COST 9", "function", "many(integer[])", "changed"),
    ("REVOKE EXECUTE ON FUNCTION shop.touch() FROM PUBLIC", "function", "touch()", "changed"),
    ("ALTER PROCEDURE shop.clear(integer) SET work_mem = '2MB'", "procedure", "clear(integer)", "changed"),
    ("COMMENT ON AGGREGATE shop.total(integer) IS 'x'", "aggregate", "total(integer)", "changed"),
    ("ALTER TYPE shop.mood ADD VALUE 'soso' BEFORE 'fine'", "enum", "mood", "changed"),
    ("ALTER DOMAIN shop.price DROP CONSTRAINT positive", "domain", "price", "changed"),
    ("ALTER DOMAIN shop.price SET DEFAULT 3", "domain", "price", "changed"),
    ("CREATE TYPE shop.fresh AS (a integer)", "composite type", "fresh", "added"),
    ("DROP TYPE shop.span", "range type", "span", "dropped"),
    ("DROP TYPE shop.unmade", "base type", "unmade", "dropped"),
    ("ALTER SCHEMA shop OWNER TO pg_monitor", "schema", "shop", "changed"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT INSERT ON TABLES TO PUBLIC", "schema", "shop", "changed"),
    ("DROP EXTENSION pg_trgm", "extension", "pg_trgm", "dropped"),
    ("ALTER EVENT TRIGGER noting ENABLE", "event trigger", "noting", "changed"),
    ("ALTER OPERATOR shop.=== (integer, integer) SET (RESTRICT = NONE)", "operator", "===(integer, integer)",
     "changed"),
    ("DROP INDEX shop.orders_whole; DROP OPERATOR CLASS shop.whole_ops USING btree", "operator class",
     "whole_ops using btree", "dropped"),
    ("ALTER OPERATOR FAMILY shop.whole USING btree ADD OPERATOR 1 < (integer, bigint)", "operator family",
     "whole using btree", "changed"),
    ("DROP CAST (shop.place AS integer)", "cast", "shop.place as integer", "dropped"),
    ("COMMENT ON COLLATION shop.plain IS 'x'", "collation", "plain", "changed"),
    ("DROP CONVERSION shop.convert", "conversion", "convert", "dropped"),
    ("COMMENT ON TEXT SEARCH PARSER shop.parser IS 'x'", "text search parser", "parser", "changed"),
    ("COMMENT ON TEXT SEARCH TEMPLATE shop.template IS 'x'", "text search template", "template", "changed"),
    ("ALTER TEXT SEARCH DICTIONARY shop.dictionary (accept = true)", "text search dictionary", "dictionary",
     "changed"),
    ("ALTER TEXT SEARCH CONFIGURATION shop.search DROP MAPPING FOR asciiword", "text search configuration", "search",
     "changed"),
    ("COMMENT ON LANGUAGE speech IS 'x'", "language", "speech", "changed"),
    ("DROP TRANSFORM FOR integer LANGUAGE speech", "transform", "integer for speech", "dropped"),
    ("DROP ACCESS METHOD pile", "access method", "pile", "dropped"),
    ("ALTER FOREIGN DATA WRAPPER wrap OPTIONS (SET depth '4')", "foreign-data wrapper", "wrap", "changed"),
    ("DROP USER MAPPING FOR PUBLIC SERVER far", "server", "far", "changed"),
    ("ALTER FOREIGN TABLE shop.remote OPTIONS (SET table_name 'y')", "foreign table", "remote", "changed"),
    ("ALTER PUBLICATION news DROP TABLE shop.orders", "publication", "news", "changed"),
    ("ALTER SUBSCRIPTION reader SET (synchronous_commit = on)", "subscription", "reader", "changed"),
]  # fmt: skip


def test_each_change_by_hand_is_found(everything: str) -> None:
    """Each alone, in a transaction that is rolled back; and each changes the full fingerprint."""
    before = captured(everything)
    with psycopg.connect(everything) as connection:
        for statement, kind, name, action in CHANGES:
            with connection.cursor() as cursor:
                cursor.execute(statement.encode())
                cursor.execute(settings().encode())
                after, _ = look(cursor, ("public", "alembic_version"))
            connection.rollback()
            found = {(one.action, one.kind, one.path[-1]) for one in delta(before, after).changes}
            assert (action, kind, name) in found, (statement, found)
            assert fingerprints(after).full != fingerprints(before).full, statement
    assert {kind for _, kind, _, _ in CHANGES} == set(before.objects) - {"database"}


#: one after the other: statements, and what a delta says of them, empty where that is no matter; the first major that
#: knows them. What is changed here is in none of the first facts that one thinks of
HIDDEN: list[tuple[str, str, int]] = [
    ("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE TABLE parts (a integer)"
     " PARTITION BY RANGE (a); CREATE TABLE plain (a integer); CREATE FOREIGN TABLE far (a integer) SERVER s", "", 14),
    ("ALTER TABLE parts ATTACH PARTITION far FOR VALUES FROM (1) TO (2)",
     "changed foreign table far: partition of parts added; bound FOR VALUES FROM (1) TO (2) added", 14),
    ("ALTER TABLE parts DETACH PARTITION far; ALTER TABLE parts ATTACH PARTITION far FOR VALUES FROM (1) TO (3)",
     "changed foreign table far: bound FOR VALUES FROM (1) TO (2) to FOR VALUES FROM (1) TO (3)", 14),
    ("ALTER TABLE parts RENAME TO pieces", "", 14),
    ("ALTER TABLE pieces RENAME TO parts", "", 14),
    ("ALTER TABLE parts DETACH PARTITION far",
     "changed foreign table far: partition of parts dropped; bound FOR VALUES FROM (1) TO (3) dropped", 14),
    ("ALTER FOREIGN TABLE far INHERIT plain", "changed foreign table far: inherits plain added\n"
     "changed column far.a: own declaration added", 14),
    ("CREATE TABLE heir () INHERITS (plain)", "", 14),
    ("ALTER TABLE heir NO INHERIT plain; ALTER TABLE heir INHERIT plain",
     "changed column heir.a: own declaration added", 14),
    ("ALTER TABLE ONLY plain DROP COLUMN a", "dropped column plain.a\n"
     "changed column far.a: own declaration dropped\nchanged column heir.a: own declaration dropped", 14),
    ("CREATE TABLE strict (a integer, b integer NOT NULL)", "", 14),
    ("ALTER TABLE strict ADD CONSTRAINT nn NOT NULL a NOT VALID",
     "changed column strict.a: not null added; now not validated", 18),
    ("COMMENT ON CONSTRAINT nn ON strict IS 'why'", "changed column strict.a: not null comment why added", 18),
    ("ALTER TABLE strict VALIDATE CONSTRAINT nn", "changed column strict.a: now validated", 18),
    ("ALTER TABLE strict ALTER CONSTRAINT nn NO INHERIT", "changed column strict.a: no inherit added", 18),
    ("ALTER TABLE strict RENAME CONSTRAINT nn TO nn2", "", 18),
    ("ALTER TABLE strict ALTER a DROP NOT NULL",
     "changed column strict.a: not null dropped; no inherit dropped; not null comment why dropped", 18),
    ("CREATE TABLE booked (during int4range, a integer, b integer, CONSTRAINT apart EXCLUDE USING gist (during WITH"
     " &&), CONSTRAINT one PRIMARY KEY (a), CONSTRAINT two UNIQUE (b))", "", 14),
    ("ALTER TABLE booked CLUSTER ON apart", "changed exclusion constraint apart on booked: flags clustered added", 14),
    ("ALTER TABLE booked SET WITHOUT CLUSTER",
     "changed exclusion constraint apart on booked: flags clustered dropped", 14),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'apart'::regclass",
     "changed exclusion constraint apart on booked: flags invalid added", 14),
    ("REINDEX INDEX apart", "changed exclusion constraint apart on booked: flags invalid dropped", 14),
    ("UPDATE pg_class SET reltablespace = 1663 WHERE oid = 'apart'::regclass",
     "changed exclusion constraint apart on booked: tablespace pg_default added", 14),
    ("COMMENT ON INDEX apart IS 'i'", "changed exclusion constraint apart on booked: index comment i added", 14),
    ("COMMENT ON CONSTRAINT apart ON booked IS 'c'",
     "changed exclusion constraint apart on booked: comment c added", 14),
    ("COMMENT ON CONSTRAINT one ON booked IS 'c'; COMMENT ON CONSTRAINT two ON booked IS 'c'", "", 14),
    ("COMMENT ON INDEX one IS 'i'", "changed primary key one on booked: index comment i added", 14),
    ("COMMENT ON INDEX two IS 'i'", "changed unique constraint two on booked: index comment i added", 14),
    ("COMMENT ON INDEX two IS NULL", "changed unique constraint two on booked: index comment i dropped", 14),
    ("CREATE AGGREGATE total(integer) (SFUNC = int4_sum, STYPE = bigint)", "", 14),
    ("CREATE OR REPLACE AGGREGATE total(integer) (SFUNC = int4_sum, STYPE = bigint, PARALLEL = SAFE)",
     "changed aggregate total(integer): parallel unsafe to safe", 14),
    ("CREATE TABLE split (a integer) PARTITION BY LIST (a); CREATE TABLE split1 PARTITION OF split FOR VALUES IN (1);"
     " CREATE TABLE split2 PARTITION OF split FOR VALUES IN (2); CREATE INDEX one1 ON split1 (a); CREATE INDEX one2 ON"
     " split2 (a); CREATE INDEX ones ON ONLY split (a)", "", 14),
    ("ALTER INDEX ones ATTACH PARTITION one1", "changed index ones on split: flags 1 attached added", 14),
    ("CREATE TABLE split3 PARTITION OF split FOR VALUES IN (3)",
     "added table split3 (1 column, 1 index)\nchanged index ones on split: flags 1 attached to 2 attached", 14),
    ("ALTER INDEX ones ATTACH PARTITION one2",
     "changed index ones on split: now valid; flags 2 attached dropped", 14),
    ("CREATE TABLE keyed (a integer) PARTITION BY LIST (a); CREATE TABLE keyed1 PARTITION OF keyed FOR VALUES IN (1);"
     " CREATE TABLE keyed2 PARTITION OF keyed FOR VALUES IN (2); ALTER TABLE ONLY keyed ADD CONSTRAINT every UNIQUE"
     " (a); ALTER TABLE keyed1 ADD CONSTRAINT every1 UNIQUE (a)", "", 14),
    ("ALTER INDEX every ATTACH PARTITION every1",
     "changed unique constraint every on keyed: options invalid to 1 attached, invalid", 14),
    ("DROP TABLE keyed1", "dropped table keyed1 (1 column, 1 unique constraint)\n"
     "changed unique constraint every on keyed: options 1 attached, invalid to invalid", 14),
    ("CREATE SUBSCRIPTION reader CONNECTION 'host=nowhere' PUBLICATION news WITH (connect = false, slot_name = NONE,"
     " enabled = false)", "added subscription reader, publications news", 14),
    ("ALTER SUBSCRIPTION reader SET (streaming = on)", "changed subscription reader: definition changed", 14),
    ("ALTER SUBSCRIPTION reader SET (disable_on_error = true)", "changed subscription reader: definition changed", 15),
    ("ALTER SUBSCRIPTION reader SET (origin = none)", "changed subscription reader: definition changed", 16),
    ("ALTER SUBSCRIPTION reader SET (run_as_owner = true)", "changed subscription reader: definition changed", 16),
    ("ALTER SUBSCRIPTION reader SET (password_required = false)",
     "changed subscription reader: definition changed", 16),
    # these two want a server to read from
    ("UPDATE pg_subscription SET subtwophasestate = 'p'", "changed subscription reader: definition changed", 15),
    ("UPDATE pg_subscription SET subfailover = true", "changed subscription reader: definition changed", 17),
    # a database that has one is not dropped
    ("DROP SUBSCRIPTION reader", "dropped subscription reader", 14),
]  # fmt: skip


def test_what_hides(pg_database: str) -> None:
    before = captured(pg_database)
    for statement, words, since in HIDDEN:
        if since <= int(before.major):
            run(pg_database, statement)
            after = captured(pg_database)
            if words:
                assert "\n".join(lines(delta(before, after), width=999)) == words, statement
            before = after
