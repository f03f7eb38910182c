# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each way in which one thing shows another's name has exactly one user here, so that no other dependency hides it."""

from __future__ import annotations

import pytest

from tests.adapters.test_capture_postgresql import run
from tests.adapters.test_capture_quick import Recorded

_F = "CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE SCHEMA other;"
_T = "CREATE TABLE t (id integer, name text);"
_OPERATOR = (
    "CREATE SCHEMA other; CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';"
    "CREATE OPERATOR === (FUNCTION = same, LEFTARG = text, RIGHTARG = text);"
)
_COMPOSITE = "CREATE TYPE addr AS (street text, town text); CREATE TABLE t (id integer, a addr);"
_MEMBER = "CREATE EXTENSION pg_trgm;"
_KEYED = (
    "CREATE TABLE t (id integer CONSTRAINT one_of_each UNIQUE); CREATE TABLE u (id integer);"
    "CREATE VIEW v AS SELECT id FROM u;"
)
_SAME = "ALTER FUNCTION f(text) RENAME TO g"

#: what there is, and what a migration does to it
CASES: dict[str, tuple[str, str]] = {
    "index": (_F + _T + "CREATE INDEX i ON t (f(name))", _SAME),
    "predicate": (_F + _T + "CREATE INDEX i ON t (id) WHERE f(name) = 'x'", "ALTER FUNCTION f(text) SET SCHEMA other"),
    "unique index": (_F + _T + "CREATE UNIQUE INDEX i ON t (f(name))", _SAME),
    "exclusion": (_F + _T + "ALTER TABLE t ADD EXCLUDE USING btree (f(name) WITH =)", _SAME),
    "operator in an index": (
        _OPERATOR + _T + "CREATE INDEX i ON t ((name === 'x'))",
        "ALTER OPERATOR ===(text, text) SET SCHEMA other",
    ),
    "opclass": (
        "CREATE OPERATOR CLASS mine FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,"
        f" OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer); {_T} CREATE INDEX i ON t (id mine)",
        "ALTER OPERATOR CLASS mine USING btree RENAME TO ours",
    ),
    "collation": (
        f"CREATE COLLATION plain (locale = 'C'); {_T} CREATE INDEX i ON t (name COLLATE plain)",
        "ALTER COLLATION plain RENAME TO simple",
    ),
    "default": (_F + _T + "ALTER TABLE t ALTER name SET DEFAULT f('x')", _SAME),
    "generated": (_F + "CREATE TABLE t (name text, low text GENERATED ALWAYS AS (f(name)) STORED)", _SAME),
    "check": (_F + _T + "ALTER TABLE t ADD CHECK (f(name) <> '')", _SAME),
    "view": (_F + _T + "CREATE VIEW v AS SELECT f(name) FROM t", _SAME),
    "materialized view": (_F + _T + "CREATE MATERIALIZED VIEW v AS SELECT f(name) FROM t", _SAME),
    "policy": (_F + _T + "CREATE POLICY p ON t USING (f(name) = 'x')", _SAME),
    "rule": (_F + _T + "CREATE RULE r AS ON UPDATE TO t WHERE f(new.name) = 'x' DO INSTEAD NOTHING", _SAME),
    "statistics": (_F + _T + "CREATE STATISTICS s ON f(name), id FROM t", _SAME),
    "partition key": (_F + "CREATE TABLE t (name text) PARTITION BY LIST (f(name))", _SAME),
    "attribute in a view": (
        _COMPOSITE + "CREATE VIEW v AS SELECT (a).town AS x FROM t", "ALTER TYPE addr RENAME ATTRIBUTE town TO city"
    ),
    "attribute in a check": (
        _COMPOSITE + "ALTER TABLE t ADD CHECK ((a).town <> '')", "ALTER TYPE addr RENAME ATTRIBUTE town TO city"
    ),
    "attribute in a policy": (
        _COMPOSITE + "CREATE POLICY p ON t USING ((a).town <> '')", "ALTER TYPE addr RENAME ATTRIBUTE town TO city"
    ),
    "attribute in an index": (
        _COMPOSITE + "CREATE INDEX i ON t (((a).town))", "ALTER TYPE addr RENAME ATTRIBUTE town TO city"
    ),
    "member in a view": (
        _MEMBER + _T + "CREATE VIEW v AS SELECT similarity(name, 'x') FROM t",
        "ALTER FUNCTION similarity(text, text) RENAME TO alike",
    ),
    "member in a check": (
        _MEMBER + _T + "ALTER TABLE t ADD CHECK (similarity(name, 'x') > 0)",
        "ALTER FUNCTION similarity(text, text) RENAME TO alike",
    ),
    "constraint in a rule": (
        _KEYED + "CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO t VALUES (new.id)"
        " ON CONFLICT ON CONSTRAINT one_of_each DO NOTHING",
        "ALTER TABLE t RENAME CONSTRAINT one_of_each TO only_one",
    ),
    "constraint in a function": (
        _KEYED + "CREATE FUNCTION f(integer) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES ($1)"
        " ON CONFLICT ON CONSTRAINT one_of_each DO NOTHING; END",
        "ALTER TABLE t RENAME CONSTRAINT one_of_each TO only_one",
    ),
    "triggers of a foreign key": (
        "CREATE TABLE p (id integer PRIMARY KEY); CREATE TABLE t (id integer REFERENCES p)",
        "ALTER TABLE t DISABLE TRIGGER ALL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_only_user_is_looked_at(case: str, pg_database: str) -> None:
    made, done = CASES[case]
    run(pg_database, made)
    recorded = Recorded(pg_database, "")
    try:
        before = recorded.parts.copy()
        recorded.step([done])
        assert recorded.parts != before
        assert recorded.quick == 1
        recorded.check(case)
    finally:
        recorded.close()


def test_a_role_renamed_by_a_function(pg_database: str) -> None:
    """No tag says it; the catalogue of roles was written."""
    role = "quick_" + pg_database.rsplit("/", 1)[1]
    run(
        pg_database,
        f"CREATE ROLE {role}; CREATE TABLE t (id integer); ALTER TABLE t OWNER TO {role};"
        f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN ALTER ROLE {role} RENAME TO {role}_2; END'",
    )
    recorded = Recorded(pg_database, "")
    try:
        recorded.step(["SELECT f()"])
        recorded.check("renamed")
    finally:
        recorded.close()
        run(pg_database, f"DROP OWNED BY {role}_2", f"DROP ROLE {role}_2")
