# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look after a migration finds what a full capture finds, whatever the migration did."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.adapters.database.postgresql.touched import TOUCHED, look
from hgaurora.core.schema import form
from hgaurora.core.schema.model import Part
from tests.adapters.test_capture_postgresql import CHANGES, HIDDEN, run

BASE = """
CREATE ROLE {role};
CREATE SCHEMA one; CREATE SCHEMA two;
CREATE TYPE one.mood AS ENUM ('sad', 'glad');
CREATE DOMAIN one.price AS numeric CHECK (VALUE > 0);
CREATE TYPE one.place AS (street text, town text);
CREATE SEQUENCE one.numbers;
CREATE FUNCTION one.f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION one.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE one.a (id integer PRIMARY KEY, mood one.mood DEFAULT 'sad', price one.price, place one.place,
    n integer DEFAULT nextval('one.numbers'), s serial, note text, CHECK (mood <> 'glad'));
CREATE TABLE one.b (id integer PRIMARY KEY, a integer CONSTRAINT to_a REFERENCES one.a (id), n integer DEFAULT one.f(3),
    rows one.a[]);
CREATE INDEX b_expr ON one.b (one.f(n));
CREATE VIEW one.v AS SELECT a.id, a.note FROM one.a;
CREATE VIEW one.w AS SELECT v.id FROM one.v JOIN one.b USING (id);
CREATE MATERIALIZED VIEW one.m AS SELECT id FROM one.v;
CREATE TRIGGER t BEFORE UPDATE ON one.a FOR EACH ROW EXECUTE FUNCTION one.touch();
CREATE POLICY p ON one.b USING (EXISTS (SELECT FROM one.a WHERE a.id = b.a));
CREATE TABLE one.parted (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE one.part1 PARTITION OF one.parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE one.part2 (id integer, at date);
CREATE TABLE one.heir () INHERITS (one.b);
CREATE STATISTICS one.stat ON id, a FROM one.b;
CREATE FUNCTION one.rows_of(one.a) RETURNS integer LANGUAGE sql BEGIN ATOMIC
    SELECT b.n FROM one.b WHERE b.id = $1.id; END;
CREATE PUBLICATION {role} FOR TABLE one.a;
CREATE RULE r AS ON DELETE TO one.b DO ALSO UPDATE one.a SET note = 'x';
"""

#: each may fail, where another one was before it: then nothing was touched
STATEMENTS = [
    "GRANT SELECT ON one.a TO PUBLIC", "REVOKE ALL ON one.a FROM PUBLIC", "GRANT UPDATE (note) ON one.a TO PUBLIC",
    "REVOKE UPDATE (note) ON one.a FROM PUBLIC", "GRANT USAGE ON SCHEMA one TO PUBLIC",
    "GRANT SELECT ON one.v TO {role}", "GRANT USAGE ON SEQUENCE one.numbers TO PUBLIC",
    "GRANT EXECUTE ON FUNCTION one.f(integer) TO {role}", "GRANT SELECT ON ALL TABLES IN SCHEMA one TO {role}",
    "GRANT USAGE ON TYPE one.mood TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA one GRANT SELECT ON TABLES TO {role}", "COMMENT ON TABLE one.a IS 'x{n}'",
    "COMMENT ON COLUMN one.a.note IS 'x{n}'", "COMMENT ON VIEW one.v IS 'x{n}'",
    "COMMENT ON INDEX one.b_expr IS 'x{n}'", "COMMENT ON CONSTRAINT to_a ON one.b IS 'x{n}'",
    "COMMENT ON FUNCTION one.f(integer) IS 'x{n}'", "COMMENT ON TYPE one.mood IS 'x{n}'",
    "COMMENT ON COLUMN one.place.town IS 'x{n}'", "COMMENT ON SCHEMA two IS 'x{n}'",
    "COMMENT ON TRIGGER t ON one.a IS 'x{n}'", "COMMENT ON POLICY p ON one.b IS 'x{n}'",
    "COMMENT ON CONSTRAINT price_check ON DOMAIN one.price IS 'x{n}'", "COMMENT ON STATISTICS one.stat IS 'x{n}'",
    "COMMENT ON SEQUENCE one.numbers IS 'x{n}'", "COMMENT ON RULE r ON one.b IS 'x{n}'",
    "ALTER TABLE one.a RENAME TO renamed", "ALTER TABLE one.renamed RENAME TO a", "ALTER TABLE one.b RENAME TO bb",
    "ALTER TABLE one.bb RENAME TO b", "ALTER TABLE one.a RENAME COLUMN note TO remark",
    "ALTER TABLE one.a RENAME COLUMN remark TO note", "ALTER TABLE one.a RENAME COLUMN id TO key",
    "ALTER TABLE one.a RENAME COLUMN key TO id", "ALTER TABLE one.b RENAME COLUMN n TO nn",
    "ALTER TABLE one.b RENAME COLUMN nn TO n", "ALTER VIEW one.v RENAME TO vv", "ALTER VIEW one.vv RENAME TO v",
    "ALTER VIEW one.v RENAME COLUMN note TO text", "ALTER TYPE one.mood RENAME TO feeling",
    "ALTER TYPE one.feeling RENAME TO mood", "ALTER TYPE one.place RENAME TO spot",
    "ALTER TYPE one.spot RENAME TO place", "ALTER DOMAIN one.price RENAME TO cost",
    "ALTER DOMAIN one.cost RENAME TO price", "ALTER SCHEMA two RENAME TO three", "ALTER SCHEMA three RENAME TO two",
    "ALTER SCHEMA one RENAME TO eins", "ALTER SCHEMA eins RENAME TO one",
    "ALTER TABLE one.b RENAME CONSTRAINT to_a TO to_aa", "ALTER TABLE one.b RENAME CONSTRAINT to_aa TO to_a",
    "ALTER INDEX one.b_expr RENAME TO b_expr2", "ALTER INDEX one.b_expr2 RENAME TO b_expr",
    "ALTER SEQUENCE one.numbers RENAME TO numbers2", "ALTER SEQUENCE one.numbers2 RENAME TO numbers",
    "ALTER FUNCTION one.f(integer) RENAME TO g", "ALTER FUNCTION one.g(integer) RENAME TO f",
    "ALTER FUNCTION one.touch() RENAME TO touched", "ALTER FUNCTION one.touched() RENAME TO touch",
    "ALTER TRIGGER t ON one.a RENAME TO tt", "ALTER TRIGGER tt ON one.a RENAME TO t",
    "ALTER POLICY p ON one.b RENAME TO pp", "ALTER STATISTICS one.stat RENAME TO stat2",
    "ALTER STATISTICS one.stat2 RENAME TO stat", "ALTER STATISTICS one.stat SET SCHEMA two",
    "ALTER TYPE one.mood RENAME VALUE 'glad' TO 'happy'", "ALTER TYPE one.mood RENAME VALUE 'happy' TO 'glad'",
    "ALTER TYPE one.mood ADD VALUE 'v{n}'", "ALTER TYPE one.place ADD ATTRIBUTE x{n} integer CASCADE",
    "ALTER TYPE one.place RENAME ATTRIBUTE town TO city CASCADE",
    "ALTER TYPE one.place RENAME ATTRIBUTE city TO town CASCADE", "ALTER TABLE one.a OWNER TO {role}",
    "ALTER TABLE one.a OWNER TO CURRENT_USER", "ALTER VIEW one.v OWNER TO {role}",
    "ALTER FUNCTION one.f(integer) OWNER TO {role}", "ALTER TYPE one.mood OWNER TO {role}",
    "REASSIGN OWNED BY {role} TO CURRENT_USER", "ALTER SCHEMA two OWNER TO {role}",
    "ALTER TABLE one.a SET SCHEMA two", "ALTER TABLE two.a SET SCHEMA one",
    "ALTER FUNCTION one.f(integer) SET SCHEMA two", "ALTER FUNCTION two.f(integer) SET SCHEMA one",
    "ALTER TYPE one.mood SET SCHEMA two", "ALTER TYPE two.mood SET SCHEMA one", "ALTER VIEW one.v SET SCHEMA two",
    "ALTER VIEW two.v SET SCHEMA one",
    "ALTER TABLE one.parted ATTACH PARTITION one.part2 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE INDEX days ON ONLY one.parted (at)", "CREATE INDEX days1 ON one.part1 (at)",
    "ALTER INDEX one.days ATTACH PARTITION one.days1",
    "ALTER TABLE one.parted DETACH PARTITION one.part2", "ALTER TABLE one.parted DETACH PARTITION one.part1",
    "ALTER TABLE one.parted ADD COLUMN x{n} integer", "CREATE INDEX ON one.parted (id)",
    "ALTER TABLE one.parted RENAME TO split", "ALTER TABLE one.split RENAME TO parted",
    "CREATE OR REPLACE FUNCTION one.f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT {n}'",
    "CREATE OR REPLACE VIEW one.v AS SELECT a.id, a.note, {n} AS n{n} FROM one.a",
    "CREATE OR REPLACE VIEW one.w AS SELECT v.id FROM one.v WHERE v.id > {n}",
    "ALTER SEQUENCE one.numbers INCREMENT {n}", "ALTER SEQUENCE one.numbers OWNED BY one.b.id",
    "ALTER SEQUENCE one.numbers OWNED BY NONE", "SELECT nextval('one.numbers')", "SELECT setval('one.numbers', 7)",
    "DROP TABLE one.a CASCADE", "DROP VIEW one.v CASCADE", "DROP FUNCTION one.f(integer) CASCADE",
    "DROP TYPE one.mood CASCADE", "DROP SEQUENCE one.numbers CASCADE", "DROP SCHEMA two CASCADE",
    "DROP SCHEMA one CASCADE", "DROP DOMAIN one.price CASCADE", "DROP TABLE one.part1", "DROP TYPE one.place CASCADE",
    "DROP FUNCTION one.touch() CASCADE", "DROP OWNED BY {role}",
    "CREATE TABLE one.fresh{n} (id serial PRIMARY KEY, a integer REFERENCES one.a (id), mood one.mood)",
    "CREATE TABLE two.a (id integer)", "CREATE TABLE one.child{n} () INHERITS (one.heir)",
    "CREATE TABLE one.c{n} AS SELECT 1", "CREATE TABLE one.like{n} (LIKE one.a INCLUDING ALL)",
    "CREATE UNLOGGED TABLE two.u{n} (a one.a, b one.place[])", "CREATE TEMPORARY TABLE temporary{n} (a integer)",
    "ALTER TABLE one.a ADD COLUMN x{n} integer DEFAULT {n}", "ALTER TABLE one.a ADD COLUMN n{n} one.mood NOT NULL",
    "ALTER TABLE one.a DROP COLUMN note CASCADE", "ALTER TABLE one.b DROP COLUMN n CASCADE",
    "ALTER TABLE one.a ALTER COLUMN s TYPE bigint", "ALTER TABLE one.b ALTER COLUMN n SET NOT NULL",
    "ALTER TABLE one.b DISABLE TRIGGER ALL", "ALTER TABLE one.b NO INHERIT one.heir",
    "ALTER TABLE one.heir NO INHERIT one.b", "ALTER TABLE one.heir INHERIT one.b",
    "ALTER TABLE one.b ADD CONSTRAINT given NOT NULL a NOT VALID", "COMMENT ON CONSTRAINT given ON one.b IS 'x{n}'",
    "ALTER TABLE one.b ALTER CONSTRAINT given INHERIT", "ALTER TABLE one.b VALIDATE CONSTRAINT given",
    "COMMENT ON INDEX one.b_pkey IS 'x{n}'", "COMMENT ON CONSTRAINT b_pkey ON one.b IS 'x{n}'",
    "ALTER TABLE one.b ENABLE ROW LEVEL SECURITY", "ALTER TABLE one.a SET UNLOGGED",
    "ALTER TABLE one.b DROP CONSTRAINT to_a",
    "ALTER TABLE one.b ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES one.a (id)",
    "ALTER TABLE one.b ADD CHECK (id > {n})", "ALTER TABLE one.a REPLICA IDENTITY FULL",
    "CREATE INDEX i{n} ON one.b (a) WHERE n > {n}", "DROP INDEX one.b_expr", "REINDEX TABLE one.b", "ANALYZE one.b",
    "CREATE STATISTICS one.s{n} ON id, n FROM one.b", "DROP STATISTICS one.stat",
    "CREATE TRIGGER t{n} AFTER INSERT ON one.b FOR EACH ROW EXECUTE FUNCTION one.touch()", "DROP TRIGGER t ON one.a",
    "CREATE POLICY p{n} ON one.a USING (id > {n})", "DROP POLICY p ON one.b", "DROP RULE r ON one.b",
    "CREATE RULE r{n} AS ON UPDATE TO one.b DO ALSO NOTHING", "REFRESH MATERIALIZED VIEW one.m",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA two", "DROP EXTENSION IF EXISTS pg_trgm CASCADE",
    "CREATE TYPE one.e{n} AS ENUM ('a')", "CREATE DOMAIN two.d{n} AS one.mood",
    "CREATE TYPE two.c{n} AS (a one.mood, b one.a)", "ALTER DOMAIN one.price ADD CHECK (VALUE < {n})",
    "ALTER DOMAIN one.price SET NOT NULL", "CREATE SCHEMA two CREATE TABLE a (id integer)",
    "CREATE SEQUENCE two.s{n}", "ALTER PUBLICATION {role} ADD TABLE one.b",
    "ALTER PUBLICATION {role} DROP TABLE one.a", "DO 'BEGIN CREATE TABLE one.done{n} (a integer); END'",
    "DO 'BEGIN GRANT INSERT ON one.b TO PUBLIC; END'", "DO 'BEGIN EXECUTE ''CREATE DOMAIN one.did{n} AS text''; END'",
    "DO 'BEGIN ALTER TYPE one.place RENAME TO spot; END'",
    "DO 'BEGIN COMMENT ON TYPE one.place IS ''x{n}''; ALTER TABLE one.b RENAME TO bb; END'",
    "DO 'BEGIN PERFORM 1; END'", "INSERT INTO one.part2 VALUES (1, '2026-05-05')", "UPDATE one.b SET n = 1",
    "TRUNCATE one.part2", "LOCK TABLE one.b", "SELECT count(*) FROM pg_class",
]  # fmt: skip


class Recorded:
    """Parts as a ledger would have them: made once, then kept up by quick looks alone."""

    def __init__(self, url: str, role: str) -> None:
        self.database = PostgresDatabase(from_url(url), environment="dev")
        self.other = PostgresDatabase(self.database.connection, environment="dev")
        self.role = role
        self.parts: dict[str, Part] = form.parts(self.database.capture(marked=True))
        self.migrations = psycopg.connect(url, autocommit=True)
        #: looks of either kind, and how often the mark was that of a new look: where it is not, the next run captures
        self.quick = self.full = self.same = 0

    def step(self, statements: Sequence[str]) -> None:
        tags = []
        connection = self.migrations
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute("SAVEPOINT s")
            try:
                cursor = connection.execute(statement.encode())
                tags.append((cursor.statusmessage or "").rstrip(" 0123456789"))
                connection.execute("RELEASE s")
            except psycopg.Error:
                connection.execute("ROLLBACK TO s")
        row = connection.execute(f"SELECT {TOUCHED}::text".encode()).fetchone()
        connection.execute("COMMIT")
        assert row is not None
        touched = {**json.loads(row[0]), "tags": tags}
        said = self.database.capture_parts(touched, self.parts.keys())
        if said is None:
            self.full += 1
            self.parts = form.parts(self.database.capture(marked=True))
            return
        self.quick += 1
        found, gone = said
        for one in gone:
            del self.parts[one]
        self.parts.update(found)

    def check(self, said: object) -> None:
        whole = form.parts(self.other.capture(marked=True))
        wrong = {one for one in whole.keys() | self.parts.keys() if whole.get(one) != self.parts.get(one)}
        assert not wrong, (said, {one: (self.parts.get(one), whole.get(one)) for one in sorted(wrong)})
        self.same += self.database.mark() == self.other.mark()

    def close(self) -> None:
        self.database.close()
        self.other.close()
        self.migrations.close()


@pytest.fixture
def recorded(pg_database: str) -> Iterator[Recorded]:
    role = pg_database.rsplit("/", 1)[1].replace("test", "role")
    run(pg_database, BASE.replace("{role}", role))
    made = Recorded(pg_database, role)
    yield made
    made.close()
    run(pg_database, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def _filled(recorded: Recorded, statement: str, number: int) -> str:
    return statement.replace("{role}", recorded.role).replace("{n}", str(number))


def test_each_statement_alone(recorded: Recorded) -> None:
    """In the order of the table, where what breaks much comes behind what is more delicate."""
    for number, statement in enumerate(STATEMENTS, 3):
        recorded.step([_filled(recorded, statement, number)])
        recorded.check(statement)
    assert recorded.quick > 10 * recorded.full
    assert recorded.same > 0.8 * len(STATEMENTS)


#: migrations after which a name means another thing, or a thing elsewhere is another one
ELSEWHERE = [
    ["ALTER TABLE one.a ADD id_new bigint", "ALTER TABLE one.a RENAME id TO id_old",
     "ALTER TABLE one.a RENAME id_new TO id"],
    ["ALTER TABLE one.b RENAME a TO t", "ALTER TABLE one.b RENAME n TO a", "ALTER TABLE one.b RENAME t TO n"],
    ["ALTER TYPE one.mood RENAME VALUE 'sad' TO 'so'", "ALTER TYPE one.mood RENAME VALUE 'glad' TO 'sad'",
     "ALTER TYPE one.mood RENAME VALUE 'so' TO 'glad'"],
    ["ALTER TYPE one.mood ADD VALUE 'first' BEFORE 'sad'"],
    ["ALTER TYPE one.place RENAME ATTRIBUTE town TO t", "ALTER TYPE one.place RENAME ATTRIBUTE street TO town",
     "ALTER TYPE one.place RENAME ATTRIBUTE t TO street"],
    ["ALTER TABLE one.a DISABLE TRIGGER ALL"],
    ["ALTER TABLE one.a ENABLE TRIGGER ALL"],
    ["CREATE RULE once AS ON INSERT TO one.part2 DO ALSO INSERT INTO one.b (id) VALUES (1)"
     " ON CONFLICT ON CONSTRAINT b_pkey DO NOTHING",
     "CREATE FUNCTION one.once() RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO one.b (id) VALUES (1)"
     " ON CONFLICT ON CONSTRAINT b_pkey DO NOTHING; END"],
    ["ALTER INDEX one.b_pkey RENAME TO bb"],
]  # fmt: skip


def test_names_that_mean_another_thing(recorded: Recorded) -> None:
    for statements in ELSEWHERE:
        recorded.step(statements)
        recorded.check(statements)
    assert recorded.full == 0


@pytest.mark.parametrize("seed", range(3))
def test_random_migrations(recorded: Recorded, seed: int) -> None:
    """Some statements each, in any order."""
    chosen = random.Random(seed)
    mild = [one for one in STATEMENTS if not one.startswith(("DROP SCHEMA", "DROP TABLE one.a", "DROP OWNED"))]
    for number in range(3, 28):
        statements = [_filled(recorded, one, number) for one in chosen.sample(mild, chosen.randint(1, 4))]
        recorded.step(statements)
        recorded.check(statements)


def test_changes_of_every_kind(pg_database: str) -> None:
    from tests.adapters.test_capture_postgresql import SCRIPT

    run(pg_database, SCRIPT)
    recorded = Recorded(pg_database, "")
    try:
        for statement in (one for one, *_ in CHANGES if "UPDATE pg_" not in one):
            recorded.step([one for one in statement.split("; ") if "END'" not in statement] or [statement])
            recorded.check(statement)
    finally:
        recorded.close()
        run(pg_database, "DROP SUBSCRIPTION reader")


def test_what_hides(pg_database: str) -> None:
    recorded = Recorded(pg_database, "")
    try:
        for statement, _, since in HIDDEN:
            if since <= recorded.migrations.info.server_version // 10000 and "UPDATE pg_" not in statement:
                recorded.step(statement.split("; "))
                recorded.check(statement)
        assert recorded.same
    finally:
        recorded.close()


def test_rows_alone_are_no_reason_to_look(recorded: Recorded) -> None:
    assert not look({"relations": [], "objects": [], "catalogs": [], "xid": "3", "tags": ["SELECT", "DO", "UPDATE"]})


def test_where_nothing_is_known_everything_is_looked_at() -> None:
    told = {"relations": [], "objects": [], "catalogs": [], "xid": "3", "tags": []}
    assert look(None) is None
    assert look({**told, "catalogs": None}) is None
    assert look({**told, "tags": ["*"]}) is None
    assert look({**told, "catalogs": ["pg_extension"]}) is None
