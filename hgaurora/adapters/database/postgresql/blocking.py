# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who blocks whom on PostgreSQL: ``pg_locks`` (manual, 54.12), ``pg_stat_activity`` (28.2), ``pg_blocking_pids``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....core.blocking import Holder, InvalidIndex, Obstacles, Wait, first_words

#: a table's name as messages have it: without the environment's own schema. %(schema)s
_NAME = (
    "CASE WHEN n.nspname = %(schema)s THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END"
    " || pg_catalog.quote_ident(c.relname)"
)

#: of a session: what a holder is. Another role's activity is hidden from a plain user; then the columns are null
_SESSION = (
    "COALESCE(NULLIF(a.application_name, ''), NULLIF(a.backend_type, 'client backend')), a.usename::text, a.state,"
    " pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start), pg_catalog.left(a.query, 400)"
)

#: what one session waits for and who holds it, a row for each holder. pg_blocking_pids stops the lock manager for a
#: moment, so it is asked only where the session does wait. %(pid)s
BLOCKERS = f"""
SELECT w.locktype, r.name, b.pid, {_SESSION}
FROM pg_catalog.pg_stat_activity s
CROSS JOIN LATERAL (SELECT l.locktype, l.relation FROM pg_catalog.pg_locks l
    WHERE l.pid = s.pid AND NOT l.granted LIMIT 1) w
LEFT JOIN LATERAL (SELECT {_NAME} AS name FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = COALESCE(w.relation, (SELECT t.relation FROM pg_catalog.pg_locks t
        WHERE t.pid = s.pid AND t.locktype = 'tuple' LIMIT 1))) r ON true
LEFT JOIN LATERAL (SELECT DISTINCT x.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(s.pid)) x(pid)) b ON true
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
WHERE s.pid = %(pid)s AND s.wait_event_type = 'Lock'
ORDER BY a.xact_start NULLS LAST, b.pid
"""

#: transactions older than %(older)s seconds, and running pg_dumps, that hold locks on tables of this database
LONG = f"""
SELECT pg_catalog.json_agg(
    pg_catalog.json_build_array(f.pid, f.application, f.who, f.state, f.seconds, f.query, f.names)
    ORDER BY f.seconds DESC NULLS LAST) FROM (
    SELECT a.pid, COALESCE(NULLIF(a.application_name, ''), NULLIF(a.backend_type, 'client backend')) AS application,
        a.usename::text AS who, a.state,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds,
        pg_catalog.left(a.query, 400) AS query, pg_catalog.array_agg(DISTINCT {_NAME}) AS names
    FROM pg_catalog.pg_stat_activity a
    JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'relation' AND l.granted
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'f', 'S', 'v')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'hgaurora')
    WHERE a.pid <> pg_catalog.pg_backend_pid()
        AND (a.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(older)s)
            OR a.application_name = 'pg_dump')
    GROUP BY a.pid, a.application_name, a.backend_type, a.usename, a.state, a.xact_start, a.query) f
"""

#: indexes that are invalid and that nobody builds now (a build that this user cannot see counts for all of them).
#: Of a partitioned table's, which is invalid until each partition has its own, nothing is said
INVALID = f"""
SELECT pg_catalog.json_agg(pg_catalog.json_build_array(f.name, f.on_table, f.again) ORDER BY f.name) FROM (
    SELECT {_NAME} AS name, t.relname AS on_table, c.relname ~ '_cc(new|old)[0-9]*$' AS again
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'hgaurora'
    WHERE NOT i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.datname = pg_catalog.current_database()
            AND (p.index_relid = i.indexrelid OR p.index_relid IS NULL))) f
"""

#: both in one look
OBSTACLES = f"SELECT ({LONG}), ({INVALID})"

_KINDS = {"relation": "table", "transactionid": "row", "tuple": "row", "virtualxid": "transaction"}


def holder(pid: int | None, cells: Sequence[Any], relations: Sequence[str] = ()) -> Holder:
    """A session as the statements above describe it. A prepared transaction has the number 0 there."""
    application, user, state, seconds, query = cells
    return Holder(
        pid=pid or None,
        application=application or None,
        user=user,
        state=state,
        seconds=None if seconds is None else max(0.0, float(seconds)),
        query=None if query == "<insufficient privilege>" else first_words(query),
        relations=tuple(relations),
    )


def wait(rows: Sequence[Sequence[Any]]) -> Wait | None:
    """The rows of :data:`BLOCKERS`; None: it does not wait."""
    if not rows:
        return None
    return Wait(
        relation=rows[0][1],
        kind=_KINDS.get(rows[0][0], "other"),
        holders=tuple(holder(row[2], row[3:]) for row in rows if row[2] is not None),
    )


def obstacles(row: Sequence[Any]) -> Obstacles:
    """The row of :data:`OBSTACLES`."""
    return Obstacles(
        holders=tuple(holder(one[0], one[1:6], one[6]) for one in row[0] or ()),
        invalid=tuple(
            InvalidIndex(
                name=name, table=table, left_by="REINDEX CONCURRENTLY" if again else "CREATE INDEX CONCURRENTLY"
            )
            for name, table, again in row[1] or ()
        ),
    )
