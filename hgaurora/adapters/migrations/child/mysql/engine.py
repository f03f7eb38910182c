# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQL and MariaDB through PyMySQL."""

from __future__ import annotations

import os
import random
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pymysql
import sqlalchemy
from pymysql.constants import CLIENT
from sqlalchemy.engine import URL

from .driver import GuardedConnection, GuardedCursor
from .guard import Guard
from .sender import TRY_AGAIN
from .sql import Kind, failed_at
from .unproven import answers

#: no room for one more session (MySQL Server Error Reference)
FULL = frozenset({1040, 1203, 1226})

#: the password is not the user's (same)
DENIED = frozenset({1045, 1698})

#: MariaDB's limit for one statement; DDL that runs into it has mostly waited
LIMIT = 1969

_PLACE = {"host": "host", "port": "port", "unix_socket": "unix_socket", "user": "user", "database": "database"}


class Engine:
    """The :class:`~..engine.Engine` of MySQL and MariaDB."""

    driver = "pymysql"
    errors = pymysql.err.MySQLError

    def __init__(
        self, job: dict[str, Any], password: Callable[..., str | None], trace: Callable[[str, str], None]
    ) -> None:
        self.job = job
        self.password = password
        self.trace = trace
        #: seconds between tries of the first connection
        self.waits: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0)
        self._guard: Guard | None = None

    def url(self) -> URL:
        given = self.job["parameters"]
        query = {"charset": given["charset"]}
        if given["unix_socket"]:
            query["unix_socket"] = given["unix_socket"]
        return URL.create(
            "mysql+pymysql",
            username=given["user"],
            host=given["host"],
            port=given["port"],
            database=given["database"],
            query=query,
        )

    def connect(self, dialect: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        if dialect.name not in ("mysql", "mariadb"):
            return None
        ours = self.job["parameters"]
        given = {**cparams, "database": cparams.get("database") or cparams.get("db")}
        if any(str(given.get(name) or ours[name]) != str(ours[name]) for name in _PLACE):
            return None
        if dialect.driver != "pymysql" or dialect.is_async:
            return None
        # what is about the data stays as env.py has it; who, where and how safely is ours
        about = ("charset", "collation", "conv", "use_unicode", "sql_mode", "init_command", "client_flag")
        connection = self.opened(GuardedConnection, {name: cparams[name] for name in about if name in cparams})
        return connection

    def patiently(self, connect: Callable[[], None]) -> None:
        """The first connection is asked for again while the server is full; nothing was begun. Later ones are not."""
        waits, self.waits = self.waits, ()
        for wait in waits:
            try:
                return connect()
            except pymysql.err.OperationalError as error:
                if error.args[0] not in FULL:
                    raise
                time.sleep(wait * random.uniform(0.5, 1.0))  # nothing tells when a session ends
        return connect()

    def opened(self, kind: type[Any], options: dict[str, Any]) -> Any:
        """A connection with the session's settings made, not in autocommit."""
        ours = dict(self.job["parameters"])
        tls = ours.pop("tls")
        secure = {"ssl": context(tls)} if tls else {"ssl_disabled": True}
        flags = options.pop("client_flag", CLIENT.FOUND_ROWS) & ~(CLIENT.MULTI_STATEMENTS | CLIENT.LOCAL_FILES)

        def admitted(secret: str | None) -> Any:
            made = kind(
                **{**ours, **options, **secure},
                # PyMySQL would send a text in latin1
                password=(secret or "").encode(),
                client_flag=flags,
                cursorclass=GuardedCursor if kind is GuardedConnection else pymysql.cursors.Cursor,
                defer_connect=True,
            )
            self.patiently(lambda: made.connect(None if ours["unix_socket"] else self.dialled()))
            return made

        secret = self.password() if self.job["secret"] else None
        try:
            try:
                connection = admitted(secret)
            except pymysql.err.OperationalError as error:
                # it may have been rotated since it was read
                other = self.password(secret) if secret and error.args[0] in DENIED else None
                if other is None:
                    raise
                connection = admitted(other)
        except RuntimeError as error:
            # PyMySQL, where caching_sha2_password would send the password over a plain connection
            raise pymysql.err.OperationalError(
                2061, f"the password cannot be sent without TLS (add ssl-mode=verify-full to the url): {error}"
            ) from error
        settings = ", ".join(f"SESSION {name} = {value:d}" for name, value in self.job["settings"].items())
        with pymysql.cursors.Cursor(connection) as cursor:  # not a guarded one: a script may be running
            cursor.execute(f"SET {settings}")
        os.register_at_fork(after_in_child=lambda: os.close(connection._sock.fileno()) if connection.open else None)
        return connection

    def dialled(self) -> socket.socket:
        """A socket that notices in seconds when its peer is gone."""
        ours = self.job["parameters"]
        try:
            made = socket.create_connection((ours["host"], ours["port"]), ours["connect_timeout"])
        except OSError as error:
            raise pymysql.err.OperationalError(2003, f"can't connect: {error.strerror or error}") from error
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in self.job["keepalive"].items():
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return made

    def guards(self, raw: Any) -> bool:
        return isinstance(raw, GuardedConnection)

    def guard(self, raw: GuardedConnection) -> Guard:
        side = self.opened(pymysql.Connection, {"autocommit": True})
        raw.guard = Guard(raw, side, self.job, self.trace)
        self._guard = GuardedConnection.main = raw.guard
        return raw.guard

    def lock(self, guard: Guard) -> dict[str, Any]:
        ledger = self.job["ledger"]
        found = guard.ask(ledger["distrust"], ledger["names"])
        self.trace("before", "lock")
        held, pid = guard.ask(ledger["lock"], {})[0]
        self.trace("after", "lock")
        return {"held": held == 1, "pid": pid, "distrust": found[0][0] if found else ""}

    def recovered(self, guard: Guard, connection: Any) -> bool:
        raw = guard.connection
        if not raw.open or not guard.side.open or connection.closed or connection.invalidated:
            return False
        try:
            if connection.in_transaction():
                connection.rollback()
            raw.rollback()
            self.put_back(guard)
        except (pymysql.err.MySQLError, sqlalchemy.exc.SQLAlchemyError):
            return False
        return True

    def stands(self, guard: Guard) -> str:
        return guard.journal.stands()

    def idle(self, guard: Guard) -> bool:
        return not guard.in_transaction

    def put_back(self, guard: Guard) -> None:
        guard.session.put_back()

    def unlock(self, guard: Guard) -> None:
        if guard.connection.open:
            guard.ask(self.job["ledger"]["unlock"], {})
            guard.connection.close()
        if guard.side.open:
            guard.side.close()

    def said(self, error: pymysql.err.MySQLError) -> dict[str, Any]:
        number, said = (*error.args, "", "")[:2]
        if not isinstance(number, int):
            number, said = None, str(error)
        flight = self._guard.sender.flight if self._guard else None
        again = (number in TRY_AGAIN and flight is not Kind.OPAQUE) or (number == LIMIT and flight is Kind.DDL)
        open_row = self._guard.journal.unproven() if self._guard else None
        return {
            "hint": answers(self.job["ledger"]["journal_table"], open_row) if open_row else "",
            "again": again,
            "errno": number,
            "sqlstate": getattr(error, "sqlstate", None),
            "message": str(said) or str(error),
            "position": failed_at(self._guard.now, str(said)) if self._guard else 0,
        }

    def not_replaced(self, error: pymysql.err.MySQLError) -> bool:
        return False


def context(tls: dict[str, Any]) -> ssl.SSLContext:
    """The one way to TLS: PyMySQL's own ``ssl_ca`` does not check the name in the certificate.

    ``mode`` is ``verify-full`` (the CA and the name), ``verify-ca`` or ``required``.
    """
    made = ssl.create_default_context(cafile=tls["ca"])
    if tls["cert"]:
        made.load_cert_chain(tls["cert"], tls["key"])
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 wants more of a certificate's form than libpq does
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.check_hostname = tls["mode"] == "verify-full"
    if tls["mode"] == "required":
        made.verify_mode = ssl.CERT_NONE
    return made
