# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole databases of a MySQL server: made, emptied, dropped, and their tables moved from one to another.

A database has no name that could be changed and no comment that every version keeps, so what a restore has done is
written into a table of the copy, and the tables change places in one ``RENAME TABLE``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql

from ....core.errors import StateError
from ....ports import Connection
from .compose import quoted
from .connection import at, numbered, opened, translated
from .ledger_sql import PREFIX, lock_name

#: where such connections go: the database that every server has
DATABASE = "information_schema"

#: the tables that carry a restore's marker, before and after the tables changed places; and what is kept in the retired
#: database beside its tables
BEGUN, SWAPPED, KEPT = (PREFIX + name for name in ("restore", "restored", "retired"))

_NO_SUCH_THREAD, _LOCK_WAIT, _NO_SUCH_COLLATION = 1094, 1205, 1273


@dataclass(frozen=True)
class Found:
    """A copy of a restore that is not over: its database, the table that holds the marker, and the marker."""

    database: str
    table: str
    marker: Mapping[str, str]

    @property
    def swapped(self) -> bool:
        """True where its tables have taken over."""
        return self.table == SWAPPED


class Server:
    """One maintenance connection, in autocommit."""

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self._connection = connection

    @property
    def mariadb(self) -> bool:
        """True for MariaDB."""
        return "MariaDB" in self._connection.get_server_info()

    def _rows(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(text, values or None)
            return list(cursor.fetchall())

    def exists(self, database: str) -> bool:
        """True where there is a database of that name."""
        return bool(self._rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", database))

    def create(self, database: str, *, like: str) -> None:
        """Make an empty database with the character set and collation of another one, where there is none."""
        rows = self._rows(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
            " WHERE schema_name = %s",
            like,
        )
        charset, collation = rows[0]
        self._rows(f"CREATE DATABASE IF NOT EXISTS {quoted(database)} CHARACTER SET {charset} COLLATE {collation}")

    def create_with(self, database: str, collation: str | None) -> None:
        """Make an empty database with a default collation; with the server's own where it does not know that one."""
        try:
            more = f" COLLATE {quoted(collation)}" if collation else ""
            self._rows(f"CREATE DATABASE {quoted(database)}{more}")
        except pymysql.MySQLError as error:
            if numbered(error)[0] != _NO_SUCH_COLLATION:
                raise
            self._rows(f"CREATE DATABASE {quoted(database)}")

    def drop(self, database: str) -> None:
        """Drop a database, where it is there; its sessions are ended first: an open transaction holds its tables."""
        self.end_sessions(database)
        self._rows(f"DROP DATABASE IF EXISTS {quoted(database)}")

    def tables(self, database: str) -> dict[str, tuple[str, str]]:
        """Everything that is no view: name to type and engine."""
        rows = self._rows(
            "SELECT table_name, table_type, COALESCE(engine, '') FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type NOT IN ('VIEW', 'SYSTEM VIEW') ORDER BY table_name",
            database,
        )
        return {name: (kind, engine) for name, kind, engine in rows}

    def views(self, database: str) -> list[str]:
        """Names of views."""
        text = "SELECT table_name FROM information_schema.views WHERE table_schema = %s ORDER BY table_name"
        return [name for (name,) in self._rows(text, database)]

    def empty(self, database: str, *, but: str) -> bool:
        """True where nothing was made in a database, but for one table without rows."""
        tables = set(self.tables(database))
        if tables - {but} or list(self._programs(database)):
            return False
        return not tables or not self._rows(f"SELECT 1 FROM {quoted(database, but)} LIMIT 1")

    def _programs(self, database: str) -> Iterator[tuple[str, str]]:
        for kind, text in (
            ("VIEW", "SELECT table_name FROM information_schema.views WHERE table_schema = %s"),
            ("TRIGGER", "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s"),
            ("EVENT", "SELECT event_name FROM information_schema.events WHERE event_schema = %s"),
        ):
            for (name,) in self._rows(text, database):
                yield kind, name
        routines = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s"
        for kind, name in self._rows(routines, database):
            yield kind, name

    def drop_programs(self, database: str) -> None:
        """Drop views, triggers, events and routines: what cannot move with its tables."""
        for kind, name in list(self._programs(database)):
            self._rows(f"DROP {kind} IF EXISTS {quoted(database, name)}")

    def exchange(self, live: str, retired: str, copy: str) -> None:
        """The live database's tables go into the retired one, the copy's take their place; the marker's table changes
        its name with them. One statement, all of it or nothing (MySQL manual, 15.1.36; MariaDB from 10.6).

        :raises StateError: a session keeps a table from moving.
        """
        pairs = [((live, name), (retired, name)) for name in self.tables(live)]
        pairs += [((copy, name), (live, name)) for name in self.tables(copy) if name != BEGUN]
        pairs.append(((copy, BEGUN), (copy, SWAPPED)))
        try:
            self._rows("RENAME TABLE " + ", ".join(f"{quoted(*old)} TO {quoted(*new)}" for old, new in pairs))
        except pymysql.Error as error:
            if numbered(error)[0] != _LOCK_WAIT:
                raise
            raise StateError(
                f"a table of {live} is in use", state="nothing was renamed", hint="ask again in a moment"
            ) from error

    def end_sessions(self, database: str, *, but_holder_of: str | None = None) -> None:
        """End the sessions that are in a database, but for our own and (``but_holder_of`` names the database) the one
        that holds an environment's lock.

        :raises StateError: a session does not end.
        """
        keep = {int(row[0]) for row in self._rows("SELECT CONNECTION_ID()")}
        if but_holder_of is not None:
            keep |= {int(row[0]) for row in self._rows("SELECT IS_USED_LOCK(%s)", lock_name(but_holder_of)) if row[0]}
        text = "SELECT id FROM information_schema.processlist WHERE db = %s AND command <> 'Daemon'"
        for attempt in range(200):
            others = {int(pid) for (pid,) in self._rows(text, database)} - keep
            if not others:
                return
            for pid in others if attempt == 0 else ():
                try:
                    self._rows("KILL %s", pid)
                except pymysql.Error as error:
                    if numbered(error)[0] != _NO_SUCH_THREAD:
                        raise
            self._rows("SELECT SLEEP(0.025)")  # between two looks: nothing waits for a session's end
        raise StateError(
            f"sessions of {database} do not end: {', '.join(map(str, sorted(others)))}", hint="ask again in a moment"
        )

    # the marker of a restore

    def mark(self, database: str, marker: Mapping[str, str], *, table: str = BEGUN) -> None:
        """Write the marker of a restore into a database."""
        name = quoted(database, table)
        self._rows(
            f"CREATE TABLE IF NOT EXISTS {name} (one tinyint PRIMARY KEY, marker longtext NOT NULL, programs longtext)"
            " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        )
        self._rows(
            f"INSERT INTO {name} (one, marker) VALUES (1, %s) ON DUPLICATE KEY UPDATE marker = VALUES(marker)",
            json.dumps(dict(marker), sort_keys=True),
        )

    def keep(self, database: str, programs: str, *, table: str) -> None:
        """Keep the text of a database's views, triggers, routines and events beside the marker."""
        self._rows(f"UPDATE {quoted(database, table)} SET programs = %s", programs)

    def kept(self, database: str, *, table: str) -> str | None:
        """What :meth:`keep` kept."""
        rows = self._rows(f"SELECT programs FROM {quoted(database, table)}")
        return rows[0][0] if rows else None

    def marked(self, live: str) -> Found | None:
        """The copy of a restore of a database that is not over."""
        rows = self._rows(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema LIKE '%%~new-%%' AND table_name IN (%s, %s)",
            BEGUN,
            SWAPPED,
        )
        for database, table in rows:
            with suppress(pymysql.ProgrammingError):  # dropped since
                for (text,) in self._rows(f"SELECT marker FROM {quoted(database, table)}"):
                    marker = json.loads(text)
                    if marker.get("of") == live:
                        return Found(database, table, marker)
        return None

    def foreign(self, database: str) -> Sequence[str]:
        """Tables of other databases that refer to this one's: they would follow its tables into the retired one."""
        rows = self._rows(
            "SELECT DISTINCT constraint_schema, table_name FROM information_schema.referential_constraints"
            " WHERE unique_constraint_schema = %s AND constraint_schema <> %s",
            database,
            database,
        )
        return [f"{schema}.{table}" for schema, table in rows]


@contextmanager
def connect(connection: Connection) -> Iterator[Server]:
    """A maintenance connection to the server that a connection points to.

    :raises RemoteError: it does not answer, or a statement fails.
    :raises SecurityError: identity, TLS or missing rights.
    """
    with translated(connection):
        session = opened(at(connection, DATABASE), application="hgaurora maintenance")
        try:
            yield Server(session)
        finally:
            with suppress(pymysql.Error):  # ended by the server already
                session.close()
