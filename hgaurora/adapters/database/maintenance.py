# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole databases of a PostgreSQL server: made, closed, renamed, dropped, beside the one that is deployed to.

Spoken through a maintenance database (``postgres``), because a database cannot be renamed or dropped from inside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ...core.errors import RemoteError, StateError
from ...ports import Connection

#: the environment's advisory lock, one in each database
LOCK_KEY = int.from_bytes(hashlib.sha256(b"hgaurora").digest()[:8], "big", signed=True)

_IS_LOCK: LiteralString = (
    "l.locktype = 'advisory' and l.granted and l.objsubid = 1"
    " and (l.classid::bigint << 32 | l.objid::bigint) = %(key)s"
)


def from_url(url: str, *, schema: str = "public", version_table: str = "alembic_version") -> Connection:
    """A connection from libpq's URL or keywords; a password in it is kept out of the parameters."""
    parameters = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    password = parameters.pop("password", None)
    return Connection(
        parameters=parameters, schema=schema, version_table=version_table, password=lambda: password
    )


@dataclass(frozen=True)
class Found:
    """One row of ``pg_database``. ``comment`` is the object in its comment where that is one of ours."""

    name: str
    open: bool
    comment: str | None

    @property
    def marker(self) -> Mapping[str, str]:
        """What :meth:`Server.mark` wrote; empty where it is not ours."""
        try:
            value = json.loads(self.comment or "")
        except ValueError:
            return {}
        ours = value.get("hgaurora") if isinstance(value, dict) else None
        return ours if isinstance(ours, dict) else {}


class Server:
    """One maintenance connection, in autocommit."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection

    @property
    def major(self) -> int:
        """The server's major version."""
        return self._connection.info.server_version // 10000

    def databases(self) -> dict[str, Found]:
        """Every database by name."""
        rows = self._connection.execute(
            "select datname, datallowconn, pg_catalog.shobj_description(oid, 'pg_database') from pg_catalog.pg_database"
        )
        return {str(name): Found(str(name), bool(is_open), comment) for name, is_open, comment in rows}  # type: ignore[arg-type]

    def database(self, name: str) -> Found | None:
        """One database, or None."""
        return self.databases().get(name)

    def create(self, name: str, *, like: str | None = None) -> None:
        """Make an empty database; ``like`` another one in owner, encoding and locale."""
        self._do("create database {} template template0" + (self._likeness(like) if like else ""), name)

    def drop(self, name: str) -> None:
        """Drop a database with its sessions, where it is there."""
        self._do("drop database if exists {} with (force)", name)

    def allow(self, name: str, yes: bool) -> None:
        """Let a database take sessions, or no more (of anybody, superusers too)."""
        self._do("alter database {} allow_connections " + ("true" if yes else "false"), name)

    def mark(self, name: str, marker: Mapping[str, str]) -> None:
        """Write a marker of ours into a database's comment."""
        self.comment(name, json.dumps({"hgaurora": dict(marker)}, sort_keys=True))

    def comment(self, name: str, text: str | None) -> None:
        """Set or remove a database's comment."""
        query = sql.SQL("comment on database {} is {}").format(sql.Identifier(name), sql.Literal(text))
        self._connection.execute(query)

    def rename(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Rename databases one after another, all of them or none."""
        with self._connection.transaction():
            for old, new in pairs:
                query = sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new))
                self._connection.execute(query)

    def close(self, name: str, *, deployment: str | None = None) -> None:
        """No new sessions; those there are ended, but for a deployment's own: named after it, or named as ours and
        holding the environment's lock. ``deployment`` None: none is left.

        :raises StateError: a session does not end within 5 s.
        """
        self.allow(name, False)
        rows = self._connection.execute(
            "select pid, pg_catalog.pg_terminate_backend(pid, 5000) from pg_catalog.pg_stat_activity a"
            " where datname = %(name)s and pid <> pg_catalog.pg_backend_pid() and backend_type = 'client backend'"
            " and not coalesce(application_name = 'hgaurora ' || %(deployment)s::text"
            "  or %(deployment)s::text is not null and starts_with(application_name, 'hgaurora')"
            f"  and exists (select from pg_catalog.pg_locks l where l.pid = a.pid and {_IS_LOCK}), false)",
            {"name": name, "deployment": deployment, "key": LOCK_KEY},
        )
        stubborn = [str(pid) for pid, ended in rows if not ended]
        if stubborn:
            raise StateError(f"sessions of {name} do not end: process {', '.join(stubborn)}", hint="ask again")

    def held(self, name: str) -> bool:
        """True where a session holds a database's environment lock."""
        row = self._connection.execute(
            "select exists (select from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database"
            f" where d.datname = %(name)s and {_IS_LOCK})",
            {"name": name, "key": LOCK_KEY},
        ).fetchone()
        return bool(row and row[0])

    def _do(self, text: LiteralString, name: str) -> None:
        self._connection.execute(sql.SQL(text).format(sql.Identifier(name)))

    def _likeness(self, name: str) -> LiteralString:
        raise NotImplementedError(name)


@contextmanager
def connect(connection: Connection, *, database: str = "postgres") -> Iterator[Server]:
    """A maintenance connection to the server that a connection points to.

    :raises RemoteError: it does not answer, or a statement fails.
    :raises StateError: a database is in use, so that it cannot be renamed or copied.
    """
    parameters = {"connect_timeout": "10", **connection.parameters, "dbname": database}
    parameters["application_name"] = "hgaurora maintenance"
    try:
        with psycopg.connect(**parameters, password=connection.password(), autocommit=True) as opened:  # type: ignore[arg-type]
            yield Server(opened)
    except psycopg.errors.ObjectInUse as err:
        raise StateError(f"the database is in use: {_first(err)}", hint="ask again in a moment") from err
    except psycopg.Error as err:
        raise RemoteError(f"PostgreSQL: {_first(err)}", data={"sqlstate": err.sqlstate}) from err


def at(connection: Connection, database: str) -> Connection:
    """The same connection to another database of the server."""
    return replace(connection, parameters={**connection.parameters, "dbname": database})


def _first(err: psycopg.Error) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
