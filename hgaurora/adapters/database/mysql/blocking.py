# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who blocks whom on MySQL and MariaDB.

MySQL shows metadata locks and row locks in ``performance_schema`` (Reference Manual, 29.12.13); MariaDB has it off and
no other table says who holds a metadata lock, so there the transactions that are open are named, as those that may.
InnoDB's tables and sessions of other users are seen with the right PROCESS only, ``performance_schema`` with SELECT on
it: what the user may not look at is not known, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ....core.blocking import Holder, Obstacles, Wait, first_words
from ....core.errors import SecurityError

#: asks the server; rows are mappings
Ask = Callable[[str, Mapping[str, object]], Sequence[Mapping[str, Any]]]

#: what a session does, and whether it waits. %(pid)s
SESSION = "SELECT state, info FROM information_schema.processlist WHERE id = %(pid)s"

_COLUMNS = """p.id AS pid, p.user, p.command, p.info,
    TIMESTAMPDIFF(MICROSECOND, x.trx_started, NOW(6)) / 1000000 AS seconds"""

#: the metadata locks a session waits for, with those who hold one on the same object. %(pid)s
METADATA = f"""
SELECT w.object_schema AS db, w.object_name AS name, {_COLUMNS}
FROM performance_schema.metadata_locks w
JOIN performance_schema.threads t ON t.thread_id = w.owner_thread_id AND t.processlist_id = %(pid)s
JOIN performance_schema.metadata_locks g ON g.object_type = w.object_type AND g.object_schema <=> w.object_schema
    AND g.object_name <=> w.object_name AND g.lock_status = 'GRANTED' AND g.owner_thread_id <> w.owner_thread_id
JOIN performance_schema.threads h ON h.thread_id = g.owner_thread_id
JOIN information_schema.processlist p ON p.id = h.processlist_id
LEFT JOIN information_schema.innodb_trx x ON x.trx_mysql_thread_id = p.id
WHERE w.lock_status = 'PENDING' AND w.object_type = 'TABLE'
ORDER BY x.trx_started, p.id
"""

#: the row locks a session waits for, and whose they are. %(pid)s
ROWS_MYSQL = f"""
SELECT l.object_schema AS db, l.object_name AS name, {_COLUMNS}
FROM performance_schema.data_lock_waits w
JOIN performance_schema.data_locks l ON l.engine_lock_id = w.requesting_engine_lock_id
JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_engine_transaction_id
    AND r.trx_mysql_thread_id = %(pid)s
JOIN information_schema.innodb_trx x ON x.trx_id = w.blocking_engine_transaction_id
JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id
"""
ROWS_MARIADB = f"""
SELECT l.lock_table AS name, NULL AS db, {_COLUMNS}
FROM information_schema.innodb_lock_waits w
JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id
JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id AND r.trx_mysql_thread_id = %(pid)s
JOIN information_schema.innodb_trx x ON x.trx_id = w.blocking_trx_id
JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id
"""

#: transactions that are open, oldest first, but for ours; as of a tenth of a second ago, longer the server keeps none.
#: %(pid)s, %(older)s
OPEN = f"""
SELECT {_COLUMNS} FROM information_schema.innodb_trx x
JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id
WHERE p.id NOT IN (%(pid)s, CONNECTION_ID())
    AND (x.trx_started <= NOW() - INTERVAL %(older)s SECOND OR p.info LIKE 'SELECT /*!40001 SQL_NO_CACHE */%%')
ORDER BY x.trx_started, p.id
"""

#: tables of a database that sessions hold metadata locks on. %(db)s
HELD = """
SELECT DISTINCT t.processlist_id AS pid, g.object_name AS name FROM performance_schema.metadata_locks g
JOIN performance_schema.threads t ON t.thread_id = g.owner_thread_id
WHERE g.object_type = 'TABLE' AND g.lock_status = 'GRANTED' AND g.object_schema = %(db)s
    AND g.object_name NOT LIKE 'hgaurora\\_%%'
ORDER BY name
"""

#: whether ``metadata_locks`` is filled here
INSTRUMENTED = """
SELECT COUNT(*) AS n FROM performance_schema.setup_instruments
WHERE name = 'wait/lock/metadata/sql/mdl' AND enabled = 'YES' AND @@performance_schema
"""

_NAME = r"((?:`[^`]+`|[\w$]+)(?:\.(?:`[^`]+`|[\w$]+))?)"
_TABLE = re.compile(
    rf"\s*(?:(?:ALTER|DROP|TRUNCATE|RENAME)\s+(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}"
    rf"|CREATE\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX\s+\S+\s+ON\s+{_NAME}"
    rf"|DROP\s+INDEX\s+\S+\s+ON\s+{_NAME})",
    re.I,
)


def blockers(ask: Ask, pid: int, database: str, *, mariadb: bool) -> Wait | None:
    """What a session waits for; None: for no lock."""
    doing = next(iter(ask(SESSION, {"pid": pid})), None)
    if doing is None:
        return None
    state = str(doing["state"] or "")
    if "metadata lock" in state:
        if _instrumented(ask, mariadb):
            found = _allowed(ask, METADATA, {"pid": pid})
            if found:
                return Wait(relation=_name(found[0], database), holders=_holders(found))
        table = _TABLE.match(str(doing["info"] or ""))
        name = next((one for one in table.groups() if one), None) if table else None
        relation = name.replace("`", "").removeprefix(f"{database}.") if name else None
        may = _holders(_allowed(ask, OPEN, {"pid": pid, "older": 0}) or ())
        return Wait(relation=relation, holders=may, certain=False)
    rows = _allowed(ask, ROWS_MARIADB if mariadb else ROWS_MYSQL, {"pid": pid})
    return Wait(relation=_name(rows[0], database), kind="row", holders=_holders(rows)) if rows else None


def obstacles(ask: Ask, older: float, database: str, *, mariadb: bool) -> Obstacles:
    """Transactions that are open for long, and dumps. Which tables they hold is known on MySQL only; there, who holds
    none of this database's is left out."""
    opened = _allowed(ask, OPEN, {"pid": 0, "older": older})
    if opened is None:
        return Obstacles(unseen="PROCESS")
    found = _holders(opened)
    tables = _allowed(ask, HELD, {"db": database}) if found and _instrumented(ask, mariadb) else None
    if tables is None:
        return Obstacles(holders=found)
    held: dict[int, list[str]] = {}
    for row in tables:
        held.setdefault(int(row["pid"]), []).append(str(row["name"]))
    return Obstacles(
        holders=tuple(
            Holder(
                pid=one.pid,
                user=one.user,
                state=one.state,
                seconds=one.seconds,
                query=one.query,
                relations=tuple(held[one.pid]),
            )
            for one in found
            if one.pid in held
        )
    )


def _instrumented(ask: Ask, mariadb: bool) -> bool:
    found = None if mariadb else _allowed(ask, INSTRUMENTED, {})
    return bool(found and found[0]["n"])


def _allowed(ask: Ask, text: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]] | None:
    """The rows; None: the user may not ask."""
    try:
        return ask(text, values)
    except SecurityError:
        return None


def _name(row: Mapping[str, Any], database: str) -> str:
    """A table's name, without the environment's own database. MariaDB quotes both names in one text."""
    parts = [str(row["db"]), str(row["name"])] if row["db"] else str(row["name"]).replace("`", "").split(".", 1)
    return parts[-1] if parts[0] == database else ".".join(parts)


def _holders(rows: Sequence[Mapping[str, Any]]) -> tuple[Holder, ...]:
    seen: dict[int, Holder] = {}
    for row in rows:
        seconds = row["seconds"]
        seen.setdefault(
            int(row["pid"]),
            Holder(
                pid=int(row["pid"]),
                user=row["user"],
                # Sleep inside a transaction: the client does something else
                state="idle in transaction" if row["command"] == "Sleep" else str(row["command"]).lower(),
                seconds=None if seconds is None else max(0.0, float(seconds)),
                query=first_words(row["info"]),
            ),
        )
    return tuple(seen.values())
