# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole databases of a PostgreSQL server: made, closed, renamed, dropped, beside the one that is deployed to.

Spoken through a maintenance database (``postgres``), because a database cannot be renamed or dropped from inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ....core.errors import InputError, RemoteError, SecurityError, StateError
from ....ports import Connection
from .connection import opened, translated
from .ledger_sql import LOCK_KEY

#: the database that every server has for such connections
DATABASE = "postgres"
#: settings whose stored text is a list of quoted elements (GUC_LIST_QUOTE)
_LISTS = frozenset({"search_path", "temp_tablespaces"})
_IS_LOCK: LiteralString = (
    "l.locktype = 'advisory' and l.granted and l.objsubid = 1 and (l.classid::bigint << 32 | l.objid::bigint) = %(key)s"
)


def from_url(url: str, *, schema: str = "public", version_table: str = "alembic_version") -> Connection:
    """A connection from libpq's URL or keywords; a password in it is kept out of the parameters.

    :raises InputError: it cannot be read; without what libpq says, which repeats the URL with its password.
    """
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InputError(
            "the url of the database cannot be read",
            state="nothing was done",
            hint='such as "postgresql://user@host/shop" or "mysql://user@host/shop"',
        ) from None
    parameters = {key: str(value) for key, value in found.items() if value is not None}
    password = parameters.pop("password", None)
    return Connection(parameters=parameters, schema=schema, version_table=version_table, password=lambda: password)


@dataclass(frozen=True)
class Found:
    """One row of ``pg_database``."""

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

    @property
    def tls(self) -> bool:
        """True where the connection is encrypted."""
        return self._connection.pgconn.ssl_in_use

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
        """Make an empty database; ``like`` another one in owner, encoding, locale, settings and grants."""
        if like is None:
            self._do("create database {} template template0", name)
            return
        options = sql.SQL(" ").join(
            sql.SQL(f"{key} = {{}}").format(sql.Literal(value))
            for key, value in self._options(like).items()
            if value is not None
        )
        query = sql.SQL("create database {} template = template0 {}").format(sql.Identifier(name), options)
        self._connection.execute(query)
        with self._connection.transaction():
            for query in self._grants(name, like):
                self._connection.execute(query)
            self._copy_settings(name, like)

    def _options(self, name: str) -> dict[LiteralString, object]:
        """Options of ``create database``, by its keywords. Which columns there are follows from the version."""
        result = self._connection.execute(
            "select d.*, pg_catalog.pg_get_userbyid(datdba) as owner, pg_catalog.pg_encoding_to_char(encoding) as chars"
            " from pg_catalog.pg_database d where datname = %s",
            [name],
        )
        columns = [column.name for column in result.description or ()]
        row = dict(zip(columns, result.fetchone() or (), strict=True))
        provider = {"c": "libc", "i": "icu", "b": "builtin"}.get(str(row.get("datlocprovider", "")))
        locale = row.get("datlocale", row.get("daticulocale"))
        return {
            "owner": row["owner"],
            "encoding": row["chars"],
            "lc_collate": row["datcollate"],
            "lc_ctype": row["datctype"],
            "locale_provider": provider,
            "icu_locale": locale if provider == "icu" else None,
            "builtin_locale": locale if provider == "builtin" else None,
            "icu_rules": row.get("daticurules"),
            "connection limit": row["datconnlimit"],
        }

    def _copy_settings(self, name: str, like: str) -> None:
        """What ``alter database ... set`` and ``alter role ... in database ... set`` left."""
        rows = self._connection.execute(
            "select r.rolname, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)"
            " from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase"
            " left join pg_catalog.pg_roles r on r.oid = s.setrole, unnest(s.setconfig) setting where d.datname = %s",
            [like],
        )
        for role, key, value in rows.fetchall():
            whose = sql.SQL("role {} in database {}").format(sql.Identifier(str(role)), sql.Identifier(name))
            if role is None:
                whose = sql.SQL("database {}").format(sql.Identifier(name))
            what: sql.Composable = sql.SQL("to {}").format(sql.Literal(value))
            if key in _LISTS:  # as one literal it would be a list of one element
                self._connection.execute("select pg_catalog.set_config(%s, %s, true)", [key, value])
                what = sql.SQL("from current")
            names = sql.Identifier(*str(key).split("."))
            self._connection.execute(sql.SQL("alter {} set {} {}").format(whose, names, what))

    def _grants(self, name: str, like: str) -> Iterator[sql.Composed]:
        rows = self._connection.execute(
            "select r.rolname, a.privilege_type, a.is_grantable from pg_catalog.pg_database d,"
            " pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee"
            " where d.datname = %s",
            [like],
        ).fetchall()
        database = sql.Identifier(name)
        if rows:
            yield sql.SQL("revoke all on database {} from public").format(database)
        for role, privilege, grantable in rows:
            yield sql.SQL("grant {} on database {} to {}{}").format(
                sql.SQL(str(privilege)),
                database,
                sql.SQL("public") if role is None else sql.Identifier(str(role)),
                sql.SQL(" with grant option" if grantable and role is not None else ""),
            )

    def create_schema(self, name: str) -> None:
        """A schema in the database this is connected to."""
        self._do("create schema {}", name)

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

    def rename(self, pairs: Sequence[tuple[str, str]], *, opens: str) -> None:
        """Rename databases one after another and let one take sessions; all of it or nothing."""
        with self._connection.transaction():
            for old, new in pairs:
                query = sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new))
                self._connection.execute(query)
            self.allow(opens, True)

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


@contextmanager
def connect(connection: Connection, *databases: str) -> Iterator[Server]:
    """A maintenance connection to the server that a connection points to, through the first of some databases that
    takes it; ``postgres`` where none is named.

    :raises RemoteError: none answers, or a statement fails.
    :raises SecurityError: identity, TLS or missing rights.
    :raises StateError: a database is in use, so that it cannot be renamed or copied.
    """
    with translated(connection):
        try:
            with _open(connection, databases or (DATABASE,)) as session:
                yield Server(session)
        except psycopg.errors.ObjectInUse as err:
            said = f"the database is in use: {err.diag.message_primary}"
            raise StateError(said, state="nothing was renamed", hint="ask again in a moment") from err


def _open(connection: Connection, databases: Sequence[str]) -> psycopg.Connection[tuple[object, ...]]:
    # whoever owns a database may have put functions of its own in front of the server's
    settings = {"search_path": "pg_catalog"}
    first: RemoteError | SecurityError | None = None
    for database in databases:
        try:
            return opened(at(connection, database), application="hgaurora maintenance", settings=settings)
        except (RemoteError, SecurityError) as error:
            first = first or error
    assert first is not None, "one database at least is named"
    raise first


def empty(connection: Connection, database: str) -> bool:
    """True where nobody made anything in a database since it was created."""
    with _open(connection, (database,)) as session:
        row = session.execute(
            "select not exists (select from pg_catalog.pg_class where oid >= 16384)"  # FirstNormalObjectId
            " and not exists (select from pg_catalog.pg_proc where oid >= 16384)"
            " and not exists (select from pg_catalog.pg_namespace where oid >= 16384)"
        ).fetchone()
    return bool(row and row[0])


def at(connection: Connection, database: str) -> Connection:
    """The same connection to another database of the server."""
    return replace(connection, parameters={**connection.parameters, "dbname": database})
