# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's tables and the statements on them, as text: data only, the standard library only.

``{db}`` stands for the quoted name of the environment's database with a dot, ``{version_table}`` for the quoted,
qualified name of Alembic's version table, ``{lock}`` for the lock's name as a literal; :mod:`.compose` fills them in.
Parameters are ``%(name)s``.

DDL commits by itself here, so a migration cannot share a transaction with its ledger rows; what goes into one
transaction is a list of statements, sent one after the other between START TRANSACTION and COMMIT.
"""

from __future__ import annotations

import hashlib

#: raised when a table changes; an older tool refuses a newer ledger
LEDGER_VERSION = 3

#: names of the ledger's tables; what begins with this is the tool's
PREFIX = "hgaurora_"
TABLES = tuple(
    PREFIX + name for name in ("event", "deployment", "step", "statement", "script", "schema", "part", "environment")
)


def lock_name(database: str) -> str:
    """The name of an environment's lock. Locks are the server's, not a database's (MySQL manual, 14.14), so the name
    carries the database, hashed because at most 64 characters are allowed. Folded: where names of databases are
    case-insensitive the same one may be spelt in two ways."""
    return PREFIX + hashlib.sha256(database.lower().encode()).hexdigest()[:40]


_END = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

#: in this order, the environment last: where that table is, all are. Arrays are JSON texts; times are UTC
CREATE = (
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_event (
    seq bigint PRIMARY KEY,
    at datetime(6) NOT NULL,
    deployment varchar(100),
    kind varchar(100) NOT NULL,
    payload longtext NOT NULL,
    hash varchar(64) NOT NULL,
    carried tinyint(1) NOT NULL DEFAULT 0,
    delivered_at datetime(6),
    KEY (deployment), KEY (kind, seq), KEY (delivered_at, seq)) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_deployment (
    id varchar(100) PRIMARY KEY,
    number integer NOT NULL UNIQUE,
    kind varchar(20) NOT NULL,
    way varchar(20),
    outcome varchar(20) NOT NULL,
    node varchar(40) NOT NULL,
    branch text NOT NULL,
    phase varchar(20) NOT NULL,
    author text NOT NULL,
    description longtext NOT NULL,
    tags longtext NOT NULL,
    change_request text,
    from_node varchar(40),
    from_branch text,
    heads_before longtext NOT NULL,
    heads_after longtext,
    asked_by text NOT NULL,
    pusher text,
    host text NOT NULL,
    pid integer NOT NULL,
    tool_version varchar(100) NOT NULL,
    started datetime(6) NOT NULL,
    ended datetime(6),
    error longtext,
    reverts longtext NOT NULL,
    plan longtext NOT NULL,
    caller text,
    KEY (outcome)) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_step (
    id bigint PRIMARY KEY,
    deployment varchar(100) NOT NULL,
    kind varchar(20) NOT NULL DEFAULT 'migration',
    ordinal integer NOT NULL,
    revision varchar(700) NOT NULL,
    direction varchar(4) NOT NULL,
    path text NOT NULL,
    message text NOT NULL,
    parents longtext NOT NULL,
    depends_on longtext NOT NULL,
    branch_labels longtext NOT NULL,
    raw varchar(64) NOT NULL,
    normal varchar(64) NOT NULL,
    normal_version varchar(20) NOT NULL,
    irreversible tinyint(1) NOT NULL,
    node varchar(40) NOT NULL,
    snapshot varchar(255),
    versions longtext NOT NULL,
    statements integer NOT NULL,
    replayed integer NOT NULL,
    touched longtext,
    adopted tinyint(1) NOT NULL DEFAULT 0,
    started datetime(6) NOT NULL,
    ended datetime(6) NOT NULL,
    carried tinyint(1) NOT NULL DEFAULT 0,
    KEY (deployment), KEY (revision, id)) {_END}""",
    # an open row has closed = 0, a closed one its id: so that only one of a statement can be open
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_statement (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    deployment varchar(100) NOT NULL,
    revision varchar(700) NOT NULL,
    direction varchar(4) NOT NULL,
    ordinal integer NOT NULL,
    sql_hash varchar(64) NOT NULL,
    params_hash varchar(64) NOT NULL,
    `sql` longtext NOT NULL,
    state varchar(10) NOT NULL,
    result longtext,
    proof longtext,
    at datetime(6) NOT NULL,
    closed bigint NOT NULL DEFAULT 0,
    UNIQUE KEY (closed, revision, direction, ordinal)) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_script (
    hash varchar(64) PRIMARY KEY,
    content longblob NOT NULL,
    event bigint NOT NULL) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_schema (
    hash varchar(64) PRIMARY KEY,
    content longblob NOT NULL,
    event bigint NOT NULL) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_part (
    id varchar(700) PRIMARY KEY,
    structure varchar(64) NOT NULL,
    `text` varchar(64) NOT NULL,
    `full` varchar(64) NOT NULL) {_END}""",
    f"""CREATE TABLE IF NOT EXISTS {{db}}hgaurora_environment (
    one tinyint(1) PRIMARY KEY DEFAULT 1,
    uuid varchar(36) NOT NULL,
    name varchar(100) NOT NULL,
    cluster_resource_id varchar(255),
    `database` varchar(255) NOT NULL,
    epoch varchar(36) NOT NULL,
    ledger_version integer NOT NULL,
    node varchar(40),
    branch text,
    deployed_by varchar(100),
    since datetime(6),
    versions longtext NOT NULL,
    tip_seq bigint NOT NULL,
    tip_at datetime(6) NOT NULL,
    tip_hash varchar(64) NOT NULL) {_END}""",
)

#: columns that came after version 2, the first there was: version, table, column, type. DDL commits by itself, so one
#: may be there already
ADDED = ((3, "hgaurora_deployment", "caller", "text"),)
#: one row where a column is there. Parameters: database, table, column
COLUMN = """
SELECT 1 FROM information_schema.columns
WHERE table_schema = %(database)s AND table_name = %(table)s AND column_name = %(column)s
"""

CREATE_ENVIRONMENT = """
INSERT INTO {db}hgaurora_environment (uuid, name, `database`, epoch, ledger_version, versions, tip_seq, tip_at,
    tip_hash)
VALUES (%(uuid)s, %(name)s, DATABASE(), %(epoch)s, %(ledger_version)s, '[]', 0, UTC_TIMESTAMP(6), '')
"""

#: the row of the environment serialises writers
ENVIRONMENT = "SELECT * FROM {db}hgaurora_environment FOR UPDATE"

#: sha256 over the previous hash and what an event says, as ``ledger.link`` has it; ``delivered_at`` and ``carried``
#: stand outside. SHA2 is on both servers (SHA1 and MD5 are not on MySQL 9.6 and later)
_HASH = (
    "SHA2(CONCAT_WS(CHAR(10 USING utf8mb4), e.tip_hash, e.tip_seq,"
    " DATE_FORMAT(e.tip_at, '%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ'), COALESCE(%(deployment)s, ''), {kind}, %(payload)s), 256)"
)


def _appended(kind: str, *, change: str = "", fences: str = "") -> tuple[str, str, str]:
    """Three statements that append one event: first the row of the environment takes the number and the time (and is
    locked by that), then the event is written with the hash over the one before, then that hash is the tip. Nothing
    hangs on the order in which one UPDATE sets its columns, which SQL modes change."""
    return (
        "UPDATE {db}hgaurora_environment e SET e.tip_seq = e.tip_seq + 1, e.tip_at = UTC_TIMESTAMP(6)"
        f"{change} WHERE e.one = 1{fences}",
        "INSERT INTO {db}hgaurora_event (seq, at, deployment, kind, payload, hash)"
        f" SELECT e.tip_seq, e.tip_at, %(deployment)s, {kind}, %(payload)s, {_HASH.format(kind=kind)}"
        " FROM {db}hgaurora_environment e",
        "UPDATE {db}hgaurora_environment e JOIN {db}hgaurora_event v ON v.seq = e.tip_seq SET e.tip_hash = v.hash",
    )


#: the server is no reader. A user with all rights may write to one, and the replica would be another database from then
#: on. As text, whatever type a version has for it
WRITER = "CONCAT(@@GLOBAL.read_only) IN ('0', 'OFF') AND @@GLOBAL.innodb_read_only = 0"
#: one column: 1 where it is so
ASK_WRITER = f"SELECT {WRITER} AS writer"

#: append one event, in a transaction, but not on a reader: then the first changes no row. Parameters: deployment, kind,
#: payload
APPEND = _appended("%(kind)s", fences=f" AND {WRITER}")

#: the conditions under which a step may be recorded, in the order they are told: name, then SQL.
#: Parameters: epoch; backend (the connection id that took the lock); versions (a JSON array of texts); heads (the same
#: as a list that PyMySQL writes in parentheses, with an empty text where it would be empty)
FENCES = (
    ("epoch", "e.epoch = %(epoch)s"),
    ("lock", "IS_USED_LOCK({lock}) <=> %(backend)s"),
    ("writer", WRITER),
    (
        "versions",
        "(SELECT COUNT(*) FROM {version_table}) = JSON_LENGTH(%(versions)s)"
        " AND NOT EXISTS (SELECT 1 FROM {version_table} v"
        " WHERE CONVERT(v.version_num USING utf8mb4) COLLATE utf8mb4_bin NOT IN %(heads)s)",
    ),
)
_HELD = " AND " + " AND ".join(sql for _, sql in FENCES)

#: the ledger's rows of one migration, in the transaction that writes Alembic's version row, after the script's last
#: statement. The first must change one row, else a fence does not hold: roll back, and ask WHICH_FENCE.
#: Parameters: those of the fences; deployment; payload (canonical JSON of the step); elapsed (microseconds since the
#: step began); and each column of the payload by name, lists as JSON texts, truths as 0 or 1
STEP = (
    *_appended("'step'", change=", e.versions = %(versions)s", fences=_HELD),
    """INSERT INTO {db}hgaurora_step (id, deployment, kind, ordinal, revision, direction, path, message, parents,
    depends_on, branch_labels, raw, normal, normal_version, irreversible, node, snapshot, versions, statements,
    replayed, touched, adopted, started, ended)
SELECT e.tip_seq, %(deployment)s, %(kind)s, %(ordinal)s, %(revision)s, %(direction)s, %(path)s, %(message)s,
    %(parents)s, %(depends_on)s, %(branch_labels)s, %(raw)s, %(normal)s, %(normal_version)s, %(irreversible)s,
    %(node)s, %(snapshot)s, %(versions)s, %(statements)s, %(replayed)s, %(touched)s, %(adopted)s,
    e.tip_at - INTERVAL %(elapsed)s MICROSECOND, e.tip_at
FROM {db}hgaurora_environment e""",
)

#: after the first of these: the number of the step's event
SEQ = "SELECT tip_seq FROM {db}hgaurora_environment"

#: which fence it was: a column for each, 1 where it holds
WHICH_FENCE = "SELECT " + ", ".join(f"({sql})" for _, sql in FENCES) + " FROM {db}hgaurora_environment e"

#: one row of the statement journal, under the fences but for the versions: no row changed means one does not hold.
#: For a change of data it goes into that change's own transaction; for DDL, as an intent, it is committed before on a
#: connection of its own. The id is given: an INSERT that draws one would change what LAST_INSERT_ID() tells the script.
#: Parameters: id, epoch, backend, deployment, revision, direction, ordinal, sql_hash, params_hash,
#: sql, state, result, proof (what the catalogue said before the statement was sent, JSON, or NULL)
JOURNAL = f"""
INSERT INTO {{db}}hgaurora_statement (id, deployment, revision, direction, ordinal, sql_hash, params_hash, `sql`, state,
    result, proof, at)
SELECT %(id)s, %(deployment)s, %(revision)s, %(direction)s, %(ordinal)s, %(sql_hash)s, %(params_hash)s, %(sql)s,
    %(state)s, %(result)s, %(proof)s, UTC_TIMESTAMP(6)
FROM {{db}}hgaurora_environment e WHERE {" AND ".join(sql for _, sql in FENCES[:3])} LOCK IN SHARE MODE
"""
JOURNAL_LAST = "SELECT COALESCE(MAX(id), 0) FROM {db}hgaurora_statement"
JOURNAL_STATE = "UPDATE {db}hgaurora_statement SET state = %(state)s, result = %(result)s WHERE id = %(id)s"
JOURNAL_FORGET = "DELETE FROM {db}hgaurora_statement WHERE id = %(id)s"
JOURNAL_CLOSE = (
    "UPDATE {db}hgaurora_statement SET closed = id"
    " WHERE closed = 0 AND revision = %(revision)s AND direction = %(direction)s"
)
#: locking: an intent that a dead child sent is waited for; one that the server takes later has the old epoch
JOURNAL_OPEN = """
SELECT id, revision, direction, sql_hash, params_hash, `sql`, state, result, proof, at
FROM {db}hgaurora_statement WHERE closed = 0 ORDER BY revision, direction, ordinal LOCK IN SHARE MODE
"""

#: never waits; the second column is the connection's id
TRY_LOCK = "SELECT GET_LOCK({lock}, 0), CONNECTION_ID()"
UNLOCK = "SELECT RELEASE_ALL_LOCKS()"

_OURS = "('" + "', '".join(TABLES) + "')"

#: what could put code in front of the ledger or the version table, or break its transactions: one row a finding.
#: Parameters: database, version_table
DISTRUST = f"""
SELECT CONCAT('table ', t.table_name, ' has the trigger ', t.trigger_name) AS said FROM (
    SELECT event_object_table AS table_name, trigger_name FROM information_schema.triggers
    WHERE event_object_schema = %(database)s) t
WHERE t.table_name = %(version_table)s OR t.table_name IN {_OURS}
UNION ALL
SELECT CONCAT(t.table_name, CASE WHEN t.table_type <> 'BASE TABLE' THEN ' is not a table'
    ELSE CONCAT(' is a table of ', COALESCE(t.engine, 'no engine'), ', which knows no transactions') END)
FROM information_schema.tables t
WHERE t.table_schema = %(database)s AND (t.table_name = %(version_table)s OR t.table_name IN {_OURS})
    AND NOT (t.table_type = 'BASE TABLE' AND t.engine <=> 'InnoDB')
"""

#: which of the tables are there. Parameters: database, version_table
PRESENT = f"""
SELECT table_name FROM information_schema.tables
WHERE table_schema = %(database)s AND (table_name = %(version_table)s OR table_name IN {_OURS})
"""

#: who holds the lock: no row, nobody. Other users' sessions are shown only to who has the right PROCESS
HOLDER = """
SELECT l.pid, p.user, p.host FROM (SELECT IS_USED_LOCK({lock}) AS pid) l
LEFT JOIN information_schema.processlist p ON p.id = l.pid WHERE l.pid IS NOT NULL
"""
#: the name it gave itself, where the server keeps such names (performance_schema is on)
APPLICATION = """
SELECT attr_value FROM performance_schema.session_connect_attrs
WHERE processlist_id = %(pid)s AND attr_name = 'program_name'
"""

#: one row while a session is there. Parameter: pid
SESSION = "SELECT 1 FROM information_schema.processlist WHERE id = %(pid)s"

PARTS = "SELECT id, structure, `text`, `full` FROM {db}hgaurora_part"

VERSIONS = "SELECT version_num FROM {version_table}"

APPLIED_COLUMNS = (
    "s.revision, s.parents, s.depends_on, s.branch_labels, s.path, s.message, s.raw, s.normal, s.normal_version,"
    " s.irreversible, s.node, s.deployment"
)
#: the fold over the steps: the last step of a revision says whether it is applied; ``{which}`` are the steps that count
APPLIED = f"""
SELECT {APPLIED_COLUMNS} FROM {{db}}hgaurora_step s
JOIN (SELECT MAX(id) AS id FROM {{db}}hgaurora_step WHERE {{which}} GROUP BY revision) l ON l.id = s.id
WHERE s.direction = 'up' ORDER BY s.id
"""
#: steps that a rebase carried over do not count: see carry.py
NOT_CARRIED = "NOT carried"

#: the capture recorded last, and steps whose delta is not there. Parameter: seq, the event of that capture
LAST_DELTA = """
SELECT seq, at, payload FROM {db}hgaurora_event WHERE kind = 'delta' AND NOT carried ORDER BY seq DESC LIMIT 1
"""
PENDING = """
SELECT id, deployment, revision, direction, path FROM {db}hgaurora_step WHERE NOT carried AND id > %(seq)s ORDER BY id
"""
#: rows of one delta: contents are never replaced, a part always is
PUT_SCHEMA = """
INSERT INTO {db}hgaurora_schema (hash, content, event) VALUES (%(hash)s, %(content)s, %(event)s)
ON DUPLICATE KEY UPDATE hash = hash
"""
PUT_PART = """
INSERT INTO {db}hgaurora_part (id, structure, `text`, `full`) VALUES (%(id)s, %(structure)s, %(text)s, %(full)s)
ON DUPLICATE KEY UPDATE structure = VALUES(structure), `text` = VALUES(`text`), `full` = VALUES(`full`)
"""
#: the steps of a deployment, by id; deltas after an event, by seq
STEPS_OF = "SELECT id FROM {db}hgaurora_step WHERE deployment = %(id)s"
DELTAS_AFTER = "SELECT seq, payload FROM {db}hgaurora_event WHERE kind = 'delta' AND seq > %(seq)s"

#: one consistent look at everything of State, a result set each; the version table's is left out where there is none
STATE = (
    """SELECT UTC_TIMESTAMP(6) AS `read`, e.*,
    (SELECT COUNT(*) FROM {db}hgaurora_event WHERE delivered_at IS NULL) AS undelivered
FROM {db}hgaurora_environment e""",
    """SELECT * FROM {db}hgaurora_deployment
WHERE outcome = 'running' OR number = (SELECT MAX(number) FROM {db}hgaurora_deployment)""",
    "SELECT revision, direction, SUM(state = 'done') AS n FROM {db}hgaurora_statement"
    " WHERE closed = 0 AND state <> 'noted'"
    " GROUP BY revision, direction",
    APPLIED.replace("{which}", NOT_CARRIED),
)

#: a step that was not run here: its row; %(id)s is its event
ADOPT = """
INSERT INTO {db}hgaurora_step (id, deployment, kind, ordinal, revision, direction, path, message, parents,
    depends_on, branch_labels, raw, normal, normal_version, irreversible, node, versions, statements, replayed, adopted,
    started, ended)
VALUES (%(id)s, %(deployment)s, 'migration', %(ordinal)s, %(revision)s, %(direction)s, %(path)s, %(message)s,
    %(parents)s, %(depends_on)s, %(branch_labels)s, %(raw)s, %(normal)s, %(normal_version)s, %(irreversible)s, %(node)s,
    %(versions)s, 0, 0, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
"""
