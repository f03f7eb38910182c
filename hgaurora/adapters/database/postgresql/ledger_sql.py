# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's tables and the statements on them, as text: data only, the standard library only.

Names of the ledger are fixed and schema-qualified; ``{version_table}`` stands for the quoted, qualified name of
Alembic's version table and is filled in by :func:`.compose.compose`. Functions are qualified
too: an overload in a schema of the search path could otherwise match better than the one that is meant.

Parameters are ``%(name)s`` where psycopg sends a statement, ``$1`` where the child's libpq does.
"""

from __future__ import annotations

import hashlib

from .touched import TOUCHED

#: raised when a table changes; an older tool refuses a newer ledger
LEDGER_VERSION = 3

#: the ledger's tables, and those that version 2 added
SECOND = frozenset({"schema", "part"})
TABLES = ("environment", "event", "deployment", "step", "statement", "script", *sorted(SECOND))

#: the advisory lock of an environment; advisory locks are per database (PostgreSQL manual, 13.3.5)
LOCK_KEY = int.from_bytes(hashlib.sha256(b"hgaurora").digest()[:8], "big", signed=True)
_KEY = LOCK_KEY & 0xFFFFFFFFFFFFFFFF

#: how the server shows that lock in ``pg_locks`` (same manual, 54.12): the key in two halves
LOCK_ROW = (
    f"l.locktype = 'advisory' AND l.classid = '{_KEY >> 32}'::pg_catalog.oid"
    f" AND l.objid = '{_KEY & 0xFFFFFFFF}'::pg_catalog.oid AND l.objsubid = 1 AND l.granted"
    " AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
)

TRY_LOCK = f"SELECT pg_catalog.pg_try_advisory_lock('{LOCK_KEY}'::bigint), pg_catalog.pg_backend_pid()"

#: version 1; what came later is in UPGRADES, also for a new ledger
CREATE = """
CREATE SCHEMA IF NOT EXISTS hgaurora;
CREATE TABLE hgaurora.environment (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    uuid uuid NOT NULL,
    name text NOT NULL,
    cluster_resource_id text,
    database text NOT NULL,
    epoch uuid NOT NULL,
    ledger_version integer NOT NULL,
    node text,
    branch text,
    deployed_by text,
    since timestamptz,
    versions text[] NOT NULL DEFAULT '{}',
    tip_seq bigint NOT NULL,
    tip_hash text NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE hgaurora.event (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    deployment text,
    kind text NOT NULL,
    payload text NOT NULL,
    hash text NOT NULL,
    carried boolean NOT NULL DEFAULT false,
    delivered_at timestamptz
);
CREATE INDEX ON hgaurora.event (deployment);
CREATE INDEX ON hgaurora.event (seq) WHERE delivered_at IS NULL;
CREATE TABLE hgaurora.deployment (
    id text PRIMARY KEY,
    number integer NOT NULL UNIQUE,
    kind text NOT NULL,
    way text,
    outcome text NOT NULL,
    node text NOT NULL,
    branch text NOT NULL,
    phase text NOT NULL,
    author text NOT NULL,
    description text NOT NULL,
    tags text[] NOT NULL,
    change_request text,
    from_node text,
    from_branch text,
    heads_before text[] NOT NULL,
    heads_after text[],
    asked_by text NOT NULL,
    pusher text,
    host text NOT NULL,
    pid integer NOT NULL,
    tool_version text NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,
    error text,
    reverts text[] NOT NULL,
    plan text NOT NULL
);
CREATE UNIQUE INDEX ON hgaurora.deployment (outcome) WHERE outcome = 'running';
CREATE TABLE hgaurora.step (
    id bigint PRIMARY KEY,
    deployment text NOT NULL,
    ordinal integer NOT NULL,
    revision text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    path text NOT NULL,
    message text NOT NULL,
    parents text[] NOT NULL,
    depends_on text[] NOT NULL,
    branch_labels text[] NOT NULL,
    raw text NOT NULL,
    normal text NOT NULL,
    normal_version text NOT NULL,
    irreversible boolean NOT NULL,
    node text NOT NULL,
    snapshot text,
    versions text[] NOT NULL,
    statements integer NOT NULL,
    replayed integer NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    carried boolean NOT NULL DEFAULT false
);
CREATE INDEX ON hgaurora.step (deployment);
CREATE TABLE hgaurora.statement (
    id bigserial PRIMARY KEY,
    deployment text NOT NULL,
    revision text NOT NULL,
    direction text NOT NULL,
    ordinal integer NOT NULL,
    sql_hash text NOT NULL,
    params_hash text NOT NULL,
    sql text NOT NULL,
    state text NOT NULL CHECK (state IN ('intent', 'failed', 'done')),
    result text,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    closed boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX ON hgaurora.statement (revision, direction, ordinal) WHERE NOT closed;
CREATE TABLE hgaurora.script (
    hash text PRIMARY KEY,
    content bytea NOT NULL,
    event bigint NOT NULL
);
"""

#: what makes a ledger of the version before one of this version
UPGRADES = {
    2: """
CREATE TABLE hgaurora.schema (
    hash text PRIMARY KEY,
    content bytea NOT NULL,
    event bigint NOT NULL
);
CREATE TABLE hgaurora.part (
    id text PRIMARY KEY,
    structure text NOT NULL,
    text text NOT NULL,
    "full" text NOT NULL
);
CREATE INDEX ON hgaurora.event (kind, seq);
ALTER TABLE hgaurora.step ADD COLUMN kind text NOT NULL DEFAULT 'migration',
    ADD COLUMN adopted boolean NOT NULL DEFAULT false, ADD COLUMN touched text;
UPDATE hgaurora.environment SET ledger_version = 2;
""",
    3: """
ALTER TABLE hgaurora.deployment ADD COLUMN caller text;
UPDATE hgaurora.environment SET ledger_version = 3;
""",
}

CREATE_ENVIRONMENT = """
INSERT INTO hgaurora.environment (uuid, name, database, epoch, ledger_version, tip_seq, tip_hash)
VALUES (%(uuid)s, %(name)s, pg_catalog.current_database(), %(epoch)s, %(ledger_version)s, 0, '')
"""

#: sha256 over the previous hash and what an event says; ``delivered_at`` and ``carried`` stand outside
_HASH = """pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            e.tip_hash || pg_catalog.chr(10) || (e.tip_seq + 1)::text || pg_catalog.chr(10)
            || pg_catalog.to_char(moment.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || pg_catalog.chr(10)
            || COALESCE({deployment}, '') || pg_catalog.chr(10) || {kind} || pg_catalog.chr(10) || {payload},
            'UTF8')), 'hex')"""

#: append one event; the UPDATE of the one environment row serialises writers
APPEND = f"""
WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS at),
tip AS (
    UPDATE hgaurora.environment e SET tip_seq = e.tip_seq + 1,
        tip_hash = {_HASH.format(deployment="%(deployment)s::text", kind="%(kind)s::text", payload="%(payload)s::text")}
    FROM moment
    RETURNING e.tip_seq, e.tip_hash, moment.at)
INSERT INTO hgaurora.event (seq, at, deployment, kind, payload, hash)
SELECT tip_seq, at, %(deployment)s::text, %(kind)s::text, %(payload)s::text, tip_hash FROM tip
RETURNING seq
"""

#: settings of a session that a script may change; compared before each commit
_SETTINGS = " || ' ' || ".join(
    f"pg_catalog.current_setting('{name}')"
    for name in [
        "search_path",
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "row_security",
        "check_function_bodies",
        "standard_conforming_strings",
        "session_replication_role",
        "default_tablespace",
        "default_transaction_isolation",
        "default_transaction_read_only",
        "client_min_messages",
        "TimeZone",
    ]
)

#: what a session is before any script ran in it
BASELINE = f"SELECT session_user::text, current_user::text, {_SETTINGS}"

#: the conditions under which a step may commit, in the order they are told: name, then SQL.
#: $1 epoch, $2 token, $3 session user, $4 current user, $5 version rows
FENCES = (
    ("epoch", "e.epoch = $1::uuid"),
    ("transaction", "pg_catalog.current_setting('hgaurora.step', true) IS NOT DISTINCT FROM $2::text"),
    (
        "lock",
        f"EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE {LOCK_ROW} AND l.pid = pg_catalog.pg_backend_pid())",
    ),
    ("role", "session_user::text = $3::text AND current_user::text = $4::text"),
    (
        "versions",
        "(SELECT COALESCE(pg_catalog.array_agg(v.version_num::text ORDER BY v.version_num::text COLLATE \"C\"), '{}')"
        " FROM {version_table} v) = $5::text[]",
    ),
)

#: the one ledger statement of a migration: it goes into the transaction of the migration, before its commit.
#: No row: a fence does not hold. $6 deployment, $7 payload, $8 command tags of its statements as a JSON list
STEP = f"""
WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS at),
tip AS (
    UPDATE hgaurora.environment e SET versions = $5::text[], tip_seq = e.tip_seq + 1,
        tip_hash = {_HASH.format(deployment="$6::text", kind="'step'", payload="$7::text")}
    FROM moment
    WHERE {" AND ".join(sql for _, sql in FENCES)}
    RETURNING e.tip_seq, e.tip_hash, moment.at),
event AS (
    INSERT INTO hgaurora.event (seq, at, deployment, kind, payload, hash)
    SELECT tip_seq, at, $6::text, 'step', $7::text, tip_hash FROM tip)
INSERT INTO hgaurora.step (id, deployment, ordinal, revision, direction, path, message, parents, depends_on,
    branch_labels, raw, normal, normal_version, irreversible, node, snapshot, versions, statements, replayed,
    started, ended, kind, touched)
SELECT tip.tip_seq, $6::text, p.ordinal, p.revision, p.direction, p.path, p.message, p.parents, p.depends_on,
    p.branch_labels, p.raw, p.normal, p.normal_version, p.irreversible, p.node, p.snapshot, p.versions, p.statements,
    p.replayed, pg_catalog.now(), tip.at, COALESCE(p.kind, 'migration'),
    ({TOUCHED} || pg_catalog.jsonb_build_object('tags', $8::text::pg_catalog.jsonb))::text
FROM tip, pg_catalog.jsonb_to_record($7::text::pg_catalog.jsonb) AS p(ordinal integer, revision text, direction text,
    path text, message text, parents text[], depends_on text[], branch_labels text[], raw text, normal text,
    normal_version text, irreversible boolean, node text, snapshot text, versions text[], statements integer,
    replayed integer, kind text)
RETURNING id, {_SETTINGS}, touched
"""

#: which fence it was
WHICH_FENCE = "SELECT " + ", ".join(sql for _, sql in FENCES) + " FROM hgaurora.environment e"

#: journaled statements go into the transaction they belong to, under the same fences as a step (but for the versions).
#: $5 deployment, $6 revision, $7 direction, $8 rows as JSON: ordinal, sql_hash, params_hash, sql, state, result
JOURNAL = f"""
INSERT INTO hgaurora.statement (deployment, revision, direction, ordinal, sql_hash, params_hash, sql, state, result)
SELECT $5::text, $6::text, $7::text, r.ordinal, r.sql_hash, r.params_hash, r.sql, r.state, r.result
FROM hgaurora.environment e, pg_catalog.json_to_recordset($8::text::pg_catalog.json) AS r(ordinal integer,
    sql_hash text, params_hash text, sql text, state text, result text)
WHERE {" AND ".join(sql for _, sql in FENCES[:4])}
RETURNING id
"""
JOURNAL_STATE = "UPDATE hgaurora.statement SET state = $2::text, result = $3::text WHERE id = $1::bigint"
JOURNAL_FORGET = "DELETE FROM hgaurora.statement WHERE id = $1::bigint"
JOURNAL_CLOSE = (
    "UPDATE hgaurora.statement SET closed = true WHERE revision = $1::text AND direction = $2::text AND NOT closed"
)
JOURNAL_OPEN = """
SELECT id, revision, direction, sql_hash, params_hash, sql, state, result
FROM hgaurora.statement WHERE NOT closed ORDER BY revision, direction, ordinal
"""

#: who may put code in front of ours: owners of what we write to, triggers, rules and row security on it.
#: A superuser and the owner of the database could do anything anyway. %(schema)s, %(version_table)s
DISTRUST = """
SELECT COALESCE(pg_catalog.array_agg(f.said), '{}') FROM (
    WITH trusted AS MATERIALIZED (
        SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname = 'pg_database_owner'
            OR pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
            OR r.oid = (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())),
    ours AS MATERIALIZED (
        SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
            c.relowner, c.relkind, c.relhasrules, c.relrowsecurity
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE (n.nspname = %(schema)s AND c.relname = %(version_table)s)
            OR (n.nspname = 'hgaurora' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))
    SELECT 'schema ' || pg_catalog.quote_ident(n.nspname) || ' belongs to '
        || pg_catalog.pg_get_userbyid(n.nspowner) AS said
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname IN (%(schema)s, 'hgaurora') AND n.nspowner NOT IN (SELECT oid FROM trusted)
    UNION ALL
    SELECT 'table ' || name || ' belongs to ' || pg_catalog.pg_get_userbyid(relowner)
    FROM ours WHERE relowner NOT IN (SELECT oid FROM trusted)
    UNION ALL SELECT name || ' is not a table' FROM ours WHERE relkind NOT IN ('r', 'p')
    UNION ALL SELECT 'table ' || name || ' has rules' FROM ours WHERE relhasrules AND relkind = 'r'
    UNION ALL SELECT 'table ' || name || ' has row security' FROM ours WHERE relrowsecurity
    UNION ALL SELECT 'table ' || name || ' has the trigger ' || pg_catalog.quote_ident(t.tgname)
    FROM ours JOIN pg_catalog.pg_trigger t ON t.tgrelid = ours.oid WHERE NOT t.tgisinternal
) f
"""

#: the first question on a connection: which of the tables are there, who holds the lock.
#: %(versions)s is the version table's qualified name
#: true on a standby and on a cluster's reader
READER = "pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('default_transaction_read_only')::boolean"

PROBE = f"""
SELECT pg_catalog.to_regclass('hgaurora.environment') IS NOT NULL, pg_catalog.to_regclass(%(versions)s) IS NOT NULL,
    ({DISTRUST}),
    (SELECT pg_catalog.json_build_array(l.pid, a.application_name, a.backend_start) FROM pg_catalog.pg_locks l
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE {LOCK_ROW} LIMIT 1),
    ARRAY(SELECT one FROM pg_catalog.unnest(ARRAY['{"', '".join(TABLES)}']) AS named(one)
        WHERE pg_catalog.to_regclass('hgaurora.' || one) IS NULL),
    {READER}
"""

HOLDER = f"""
SELECT l.pid, a.application_name, a.backend_start FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE {LOCK_ROW}
"""

VERSIONS = 'SELECT version_num::text FROM {version_table} ORDER BY version_num::text COLLATE "C"'

_APPLIED_COLUMNS = (
    "revision, parents, depends_on, branch_labels, path, message, raw, normal, normal_version, irreversible, node, "
    "deployment"
)

#: the fold over the steps of some spans of the chain: the last step of a revision says whether it is applied.
#: %(after)s and %(upto)s, arrays of equal length
APPLIED_IN = f"""
SELECT {_APPLIED_COLUMNS} FROM (
    SELECT DISTINCT ON (s.revision) s.* FROM hgaurora.step s
    JOIN ROWS FROM (pg_catalog.unnest(%(after)s::bigint[]), pg_catalog.unnest(%(upto)s::bigint[])) AS span(after, upto)
        ON s.id > span.after AND s.id <= span.upto
    ORDER BY s.revision, s.id DESC) s
WHERE direction = 'up' ORDER BY id
"""

#: everything of State in one row and one consistent look. Steps that a rebase carried over do not count: see carry.py
STATE = """
SELECT pg_catalog.clock_timestamp(), e.ledger_version, e.name, e.uuid::text, e.epoch::text, e.node, e.branch, e.since,
    e.versions, e.deployed_by,
    (SELECT pg_catalog.count(*) FROM hgaurora.event WHERE delivered_at IS NULL),
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(h.revision, h.direction, h.n)) FROM (
        SELECT revision, direction, pg_catalog.count(*) FILTER (WHERE state = 'done') AS n FROM hgaurora.statement
        WHERE NOT closed GROUP BY revision, direction) h),
    (SELECT pg_catalog.array_agg(version_num::text ORDER BY version_num::text COLLATE "C") FROM {version_table}),
    (SELECT pg_catalog.json_agg(pg_catalog.row_to_json(d)) FROM (
        (SELECT * FROM hgaurora.deployment ORDER BY number DESC LIMIT 1)
        UNION (SELECT * FROM hgaurora.deployment WHERE outcome = 'running')) d),
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_array({applied}) ORDER BY a.id) FROM (
        SELECT DISTINCT ON (revision) * FROM hgaurora.step WHERE NOT carried ORDER BY revision, id DESC) a
        WHERE a.direction = 'up')
FROM hgaurora.environment e
""".replace("{applied}", ", ".join(f"a.{name}" for name in _APPLIED_COLUMNS.split(", ")))

#: what the ledger knows of the schema, in one look: the capture it recorded last, and steps whose delta is not there
RECORDED = """
SELECT d.seq, d.at, d.payload::pg_catalog.json ->> 'engine', d.payload::pg_catalog.json ->> 'major',
    d.payload::pg_catalog.json -> 'fingerprint', d.payload::pg_catalog.json ->> 'mark',
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(s.id, s.deployment, s.revision, s.direction, s.path)
        ORDER BY s.id) FROM hgaurora.step s WHERE NOT s.carried AND s.id > d.seq)
FROM hgaurora.event d WHERE d.kind = 'delta' AND NOT d.carried ORDER BY d.seq DESC LIMIT 1
"""
PARTS = 'SELECT id, structure, text, "full" FROM hgaurora.part'

#: one delta: event, contents, parts and the environment's row in one statement. No row: another epoch.
#: %(epoch)s, null for any; %(deployment)s, %(payload)s; arrays: %(hashes)s and %(contents)s, %(gone)s,
#: %(ids)s with %(structure)s, %(text)s and %(full)s
RECORD = f"""
WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS at),
tip AS (
    UPDATE hgaurora.environment e SET tip_seq = e.tip_seq + 1,
        tip_hash = {_HASH.format(deployment="%(deployment)s::text", kind="'delta'", payload="%(payload)s::text")}
    FROM moment WHERE e.epoch = COALESCE(%(epoch)s::uuid, e.epoch)
    RETURNING e.tip_seq, e.tip_hash, moment.at),
event AS (
    INSERT INTO hgaurora.event (seq, at, deployment, kind, payload, hash)
    SELECT tip_seq, at, %(deployment)s::text, 'delta', %(payload)s::text, tip_hash FROM tip),
content AS (
    INSERT INTO hgaurora.schema (hash, content, event)
    SELECT c.hash, c.content, tip.tip_seq FROM tip, ROWS FROM (pg_catalog.unnest(%(hashes)s::text[]),
        pg_catalog.unnest(%(contents)s::bytea[])) AS c(hash, content)
    ON CONFLICT (hash) DO NOTHING),
gone AS (DELETE FROM hgaurora.part p USING tip WHERE p.id = ANY (%(gone)s::text[])),
made AS (
    INSERT INTO hgaurora.part (id, structure, text, "full")
    SELECT p.* FROM tip, ROWS FROM (pg_catalog.unnest(%(ids)s::text[]), pg_catalog.unnest(%(structure)s::text[]),
        pg_catalog.unnest(%(text)s::text[]), pg_catalog.unnest(%(full)s::text[])) AS p(id, structure, text, whole)
    ON CONFLICT (id) DO UPDATE SET structure = EXCLUDED.structure, text = EXCLUDED.text, "full" = EXCLUDED."full")
SELECT tip_seq FROM tip
"""

#: hash of each part as the deltas of some spans of the chain leave it; %(after)s and %(upto)s as in APPLIED_IN.
#: A later one wins
PARTS_IN = """
SELECT id, hash FROM (
    SELECT DISTINCT ON (p.key) p.key AS id, p.value::pg_catalog.json ->> 1 AS hash
    FROM hgaurora.event e
    JOIN ROWS FROM (pg_catalog.unnest(%(after)s::bigint[]), pg_catalog.unnest(%(upto)s::bigint[])) AS span(after, upto)
        ON e.seq > span.after AND e.seq <= span.upto,
    pg_catalog.json_each(e.payload::pg_catalog.json -> 'parts') p
    WHERE e.kind = 'delta'
    ORDER BY p.key, e.seq DESC) f
WHERE hash IS NOT NULL
"""
CAPTURED_IN = """
SELECT e.seq, e.at, e.payload::pg_catalog.json ->> 'engine', e.payload::pg_catalog.json ->> 'major',
    e.payload::pg_catalog.json -> 'fingerprint'
FROM hgaurora.event e
JOIN ROWS FROM (pg_catalog.unnest(%(after)s::bigint[]), pg_catalog.unnest(%(upto)s::bigint[])) AS span(after, upto)
    ON e.seq > span.after AND e.seq <= span.upto
WHERE e.kind = 'delta' ORDER BY e.seq DESC LIMIT 1
"""

#: of a deployment: its first step; the last delta of one of its steps, which a later deployment may have recorded
STEPS_END = """
SELECT (SELECT min(s.id) FROM hgaurora.step s WHERE s.deployment = %(id)s),
    (SELECT max(e.seq) FROM hgaurora.event e WHERE e.kind = 'delta' AND (e.payload::pg_catalog.json ->> 'step')::bigint
        IN (SELECT s.id FROM hgaurora.step s WHERE s.deployment = %(id)s))
"""

#: a step that was not run here: its row; %(id)s is its event, %(payload)s as the child writes it
ADOPT = """
INSERT INTO hgaurora.step (id, deployment, ordinal, revision, direction, path, message, parents, depends_on,
    branch_labels, raw, normal, normal_version, irreversible, node, snapshot, versions, statements, replayed,
    started, ended, kind, adopted)
SELECT %(id)s, %(deployment)s, p.ordinal, p.revision, p.direction, p.path, p.message, p.parents, p.depends_on,
    p.branch_labels, p.raw, p.normal, p.normal_version, p.irreversible, p.node, NULL, p.versions, 0, 0,
    pg_catalog.now(), pg_catalog.clock_timestamp(), 'migration', true
FROM pg_catalog.jsonb_to_record(%(payload)s::pg_catalog.jsonb) AS p(ordinal integer, revision text, direction text,
    path text, message text, parents text[], depends_on text[], branch_labels text[], raw text, normal text,
    normal_version text, irreversible boolean, node text, versions text[])
"""
