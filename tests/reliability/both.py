# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scenarios of section D need of an engine: gates, sessions, locks, and children without a protection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from hgaurora.adapters.database.mysql import compose as my_compose
from hgaurora.adapters.database.mysql import ledger_sql as my_ledger
from hgaurora.adapters.database.postgresql import compose as pg_compose
from hgaurora.adapters.database.postgresql import ledger_sql as pg_ledger
from hgaurora.adapters.migrations.process import ChildSession
from tests import engines, weak
from tests.adapters.migrating import Bench
from tests.flows.test_blocking import until
from tests.world import query

Edit = tuple[str, str]


def mysql(url: str) -> bool:
    """True for MySQL and MariaDB."""
    return url.startswith("mysql")


def dbname(url: str) -> str:
    """The database that a URL names."""
    return url.rpartition("/")[2]


# -- sessions


@contextmanager
def holding(url: str, *texts: str) -> Iterator[Any]:
    """A session that has sent ``texts`` in a transaction that is open; a cursor of it."""
    if mysql(url):
        with engines.my_connection(url) as connection, connection.cursor() as cursor:
            for text in ("START TRANSACTION", *texts):
                cursor.execute(text)
                cursor.fetchall()
            yield cursor
        return
    # its own with would commit at the end, where the session may have been killed
    with closing(psycopg.connect(url, autocommit=True)) as other, other.cursor() as cursor:
        for text in ("START TRANSACTION", *texts):
            cursor.execute(text)
        yield cursor


def take_lock(url: str) -> str:
    """The statement that takes an environment's lock; its session's end lets it go."""
    return f"SELECT GET_LOCK('{my_ledger.lock_name(dbname(url))}', 0)" if mysql(url) else _PG_LOCK


_PG_LOCK = f"SELECT pg_advisory_lock({pg_ledger.LOCK_KEY})"


def own_pid(url: str) -> str:
    """The question for a session's number."""
    return "SELECT CONNECTION_ID()" if mysql(url) else "SELECT pg_backend_pid()"


def kill(url: str, pid: int) -> None:
    """End a server session; it is gone afterwards."""
    if not mysql(url):
        assert query(url, f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]
        return
    query(url, f"KILL {pid}")
    until(lambda: not query(url, f"SELECT 1 FROM information_schema.processlist WHERE id = {pid}"), "its end")


#: a script that waits here goes on when the session that has locked the row ends its transaction
GATE = "CREATE TABLE gate (n int PRIMARY KEY)", "INSERT INTO gate VALUES (1)"
CLOSED = "SELECT n FROM gate FOR UPDATE"


def gate(url: str) -> str:
    """What a script sends to wait at the gate; any number may pass at once."""
    return "SELECT n FROM gate LOCK IN SHARE MODE" if mysql(url) else "SELECT n FROM gate FOR SHARE"


def waiting(url: str, what: str) -> int:
    """How many sessions of the database wait for a lock, in a statement that begins with this text."""
    if mysql(url):
        text = (
            "SELECT COUNT(*) FROM information_schema.processlist"
            f" WHERE db = '{dbname(url)}' AND info LIKE '{what}%' AND id <> CONNECTION_ID()"
        )
    else:
        text = (
            "SELECT count(*) FROM pg_stat_activity"
            f" WHERE datname = '{dbname(url)}' AND query LIKE '{what}%' AND wait_event_type = 'Lock'"
        )
    return int(query(url, text)[0][0])


# -- protections taken out

_FILE = {True: "mysql/engine.py", False: "postgresql/engine.py"}
#: the answer of the server, that somebody else holds the lock, is not listened to
_DEAF = {
    True: ('return {"held": held == 1,', 'return {"held": True,'),
    False: ('return {"held": held == "t",', 'return {"held": True,'),
}
#: the lock is another session's than the DDL's
_APART = {
    True: (
        'held, pid = guard.ask(ledger["lock"], {})[0]\n',
        'self.apart = self.opened(pymysql.Connection, {"autocommit": True})\n'
        "        cursor = self.apart.cursor()\n"
        '        cursor.execute(ledger["lock"])\n'
        "        held, pid = cursor.fetchone()\n",
    ),
    False: (
        'held, pid = guard.ask(self.job["ledger"]["lock"])[0]\n',
        "self.apart = psycopg.connect(**{**self.job['parameters'], 'password': self.password()}, autocommit=True)\n"
        '        held, pid = self.apart.execute(self.job["ledger"]["lock"]).fetchone()\n'
        '        held = "t" if held else "f"\n',
    ),
}


def deaf(dev: Bench, *fences: str) -> type[ChildSession]:
    """A child that takes the lock for its own, whoever holds it; without some fences too."""
    return weak.child(_DEAF[dev.mysql], *_unfenced(dev, fences), file=_FILE[dev.mysql])


def apart(dev: Bench) -> type[ChildSession]:
    """A child whose lock is held by a session that does nothing else, and that is not asked for again."""
    return weak.child(_APART[dev.mysql], *_unfenced(dev, ("lock",)), file=_FILE[dev.mysql])


def unfenced(dev: Bench, *fences: str) -> type[ChildSession]:
    """A child without some of the conditions under which it writes to the ledger."""
    return weak.child(*_unfenced(dev, fences), file=_FILE[dev.mysql])


def _unfenced(dev: Bench, fences: tuple[str, ...]) -> list[Edit]:
    """Each text of the ledger that a child is sent is sent without the fence."""
    if not fences:
        return []
    replaced = "json.dumps(job)"
    for name in fences:
        old, new = _fence(dev, name)
        quoted = [json.dumps(text)[1:-1] for text in (old, new)]
        replaced += f".replace({quoted[0]!r}, {quoted[1]!r})"
    return [("        self.job = job\n", f"        import json\n        self.job = json.loads({replaced})\n")]


def _fence(dev: Bench, name: str) -> Edit:
    connection = dev.connection
    if dev.mysql:
        text = dict(my_ledger.FENCES)[name]
        names = {"database": connection.parameters["dbname"], "version_table": connection.version_table}
        return my_compose.compose(text, **names), "1 = 1"
    text = dict(pg_ledger.FENCES)[name]
    # a parameter has to have a type still
    still = {"epoch": "($1::text IS NULL OR true)", "versions": "$5::text[] IS NOT NULL"}.get(name, "true")
    return pg_compose.compose(text, schema=connection.schema, version_table=connection.version_table), still
