# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kind of object that people use, added, changed or dropped by hand, is found by ``drift``, and said.

That each kind of the catalogue is captured at all is tested with the capture.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.world import Repo, call, migration, query, sql


class Hand(NamedTuple):
    """What somebody does, in three steps, and what ``drift`` calls the thing."""

    kind: str
    add: str
    change: str
    drop: str
    name: str


_F = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS"
_AGG = "CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int"

HANDS = (
    Hand("schema", "CREATE SCHEMA s", "COMMENT ON SCHEMA s IS 'x'", "DROP SCHEMA s", "s"),
    Hand("enum", "CREATE TYPE e AS ENUM ('a')", "ALTER TYPE e ADD VALUE 'b'", "DROP TYPE e", "e"),
    Hand("domain", "CREATE DOMAIN d AS int", "ALTER DOMAIN d SET NOT NULL", "DROP DOMAIN d", "d"),
    Hand("composite type", "CREATE TYPE c AS (a int)", "ALTER TYPE c ADD ATTRIBUTE b int", "DROP TYPE c", "c"),
    Hand("range type", "CREATE TYPE r AS RANGE (subtype = float8)", "COMMENT ON TYPE r IS 'x'", "DROP TYPE r", "r"),
    Hand("sequence", "CREATE SEQUENCE q", "ALTER SEQUENCE q INCREMENT 2", "DROP SEQUENCE q", "q"),
    Hand("table", "CREATE TABLE n (i int)", "ALTER TABLE n SET UNLOGGED", "DROP TABLE n", "n"),
    Hand("column", "ALTER TABLE t ADD x int", "ALTER TABLE t ALTER x TYPE bigint", "ALTER TABLE t DROP x", "t.x"),
    Hand("primary key", "ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY (a)", "COMMENT ON CONSTRAINT pk ON t IS 'x'",
         "ALTER TABLE t DROP CONSTRAINT pk", "pk on t"),
    Hand("unique constraint", "ALTER TABLE t ADD CONSTRAINT un UNIQUE (b)", "COMMENT ON CONSTRAINT un ON t IS 'x'",
         "ALTER TABLE t DROP CONSTRAINT un", "un on t"),
    Hand("foreign key", "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES o",
         "ALTER TABLE t DROP CONSTRAINT fk, ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES o ON DELETE CASCADE",
         "ALTER TABLE t DROP CONSTRAINT fk", "fk on t"),
    Hand("check constraint", "ALTER TABLE t ADD CONSTRAINT ck CHECK (a > 0) NOT VALID",
         "ALTER TABLE t VALIDATE CONSTRAINT ck", "ALTER TABLE t DROP CONSTRAINT ck", "ck on t"),
    Hand("exclusion constraint", "ALTER TABLE t ADD CONSTRAINT ex EXCLUDE (b WITH =)",
         "COMMENT ON CONSTRAINT ex ON t IS 'x'", "ALTER TABLE t DROP CONSTRAINT ex", "ex on t"),
    Hand("index", "CREATE INDEX ix ON t (b)", "DROP INDEX ix; CREATE INDEX ix ON t (b) WHERE b > 0", "DROP INDEX ix",
         "ix on t"),
    Hand("statistics", "CREATE STATISTICS st ON a, b FROM t", "COMMENT ON STATISTICS st IS 'x'", "DROP STATISTICS st",
         "st on t"),
    Hand("trigger", "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf()",
         "ALTER TABLE t DISABLE TRIGGER tr", "DROP TRIGGER tr ON t", "tr on t"),
    Hand("policy", "CREATE POLICY po ON t USING (true)", "ALTER POLICY po ON t USING (a > 0)", "DROP POLICY po ON t",
         "po on t"),
    Hand("rule", "CREATE RULE ru AS ON DELETE TO t DO NOTHING", "ALTER TABLE t DISABLE RULE ru", "DROP RULE ru ON t",
         "ru on t"),
    Hand("view", "CREATE VIEW v AS SELECT 1 AS a", "CREATE OR REPLACE VIEW v AS SELECT 2 AS a", "DROP VIEW v", "v"),
    Hand("materialized view", "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a", "COMMENT ON MATERIALIZED VIEW m IS 'x'",
         "DROP MATERIALIZED VIEW m", "m"),
    Hand("function", f"{_F} 'SELECT 1'", f"{_F} 'SELECT 2'", "DROP FUNCTION f", "f()"),
    Hand("procedure", "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
         "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 2'", "DROP PROCEDURE p", "p()"),
    Hand("aggregate", f"{_AGG})", f"{_AGG}, INITCOND = '1')".replace("CREATE", "CREATE OR REPLACE"),
         "DROP AGGREGATE agg(int)", "agg(integer)"),
    Hand("event trigger", "CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION ef()",
         "ALTER EVENT TRIGGER et DISABLE", "DROP EVENT TRIGGER et", "et"),
)  # fmt: skip

BASE = """
CREATE TABLE o (id int PRIMARY KEY);
CREATE TABLE t (a int NOT NULL, b int);
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION ef() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
"""


def _found(repo: Repo) -> dict[tuple[str, str], str]:
    """Action and words by kind and name, as ``drift`` has them."""
    (found,) = call(repo, "drift", env="dev", json=True).json()
    assert found["drift"] is True
    return {(one["kind"], one["path"][-1]): one["words"] for one in found["changes"]}


def _accepted(repo: Repo) -> None:
    repo.commit({}, "no migration")
    call(repo, "deploy", env="dev", accept_drift=True)
    assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False


def test_every_kind_added_changed_and_dropped(shop: Repo, pg_database: str) -> None:
    shop.commit({"migrations/versions/r1.py": migration("r1", None, sql(BASE))})
    call(shop, "deploy", env="dev")
    for verb, of in (("added", "add"), ("changed", "change"), ("dropped", "drop")):
        for hand in HANDS:
            query(pg_database, getattr(hand, of))
        said = list(_found(shop).values())
        for hand in HANDS:
            start = f"{verb} {hand.kind} {hand.name}"
            assert [line for line in said if line.startswith(start)], (start, said)
        _accepted(shop)
