# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL through psycopg."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

from .driver import GuardedConnection, GuardedCursor
from .guard import Guard

#: a lock not granted in time, a deadlock, and a transaction that another one stood in the way of: the whole
#: transaction may be tried again (PostgreSQL manual, appendix A and 13.5)
TRY_AGAIN = frozenset({"55P03", "40P01", "40001"})

#: a view that would lose a column, a function that would return another type (PostgreSQL manual, CREATE VIEW and CREATE
#: FUNCTION; appendix A)
NOT_REPLACED = frozenset({"42P16", "42P13"})

#: others depend on what was to be dropped: the detail names them
DEPENDED_ON = "2BP01"

#: what a server says that has no room (53300; libpq hands on no SQLSTATE of a refused connection)
FULL = re.compile(r"too many clients|too many connections|connection slots are reserved")

#: what it says of a password that is not the user's
DENIED = re.compile(r"authentication failed|no pg_hba\.conf entry|no password supplied")

_PLACE = ("host", "port", "dbname", "user")
_SET = "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::json) s"


class Engine:
    """The :class:`~..engine.Engine` of PostgreSQL."""

    driver = "psycopg"
    errors = psycopg.Error

    def __init__(
        self, job: dict[str, Any], password: Callable[..., str | None], trace: Callable[[str, str], None]
    ) -> None:
        self.job = job
        self.password = password
        self.trace = trace
        #: seconds between tries of the first connection
        self.waits: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0)

    def url(self) -> URL:
        given = dict(self.job["parameters"])
        host = given.pop("host", None)
        query = {key: value for key, value in given.items() if key not in ("port", "dbname", "user")}
        if host and host.startswith("/"):
            query["host"], host = host, None
        port = given.get("port")
        return URL.create(
            "postgresql+psycopg",
            username=given.get("user"),
            host=host,
            port=int(port) if port else None,
            database=given.get("dbname"),
            query=query,
        )

    def connect(self, dialect: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        if dialect.name != "postgresql":
            return None
        ours = self.job["parameters"]
        if any(str(cparams.get(key) or ours.get(key, "")) != ours.get(key, "") for key in _PLACE):
            return None
        cparams.update({key: value for key, value in ours.items() if key not in _PLACE})
        if self.job["secret"]:
            cparams["password"] = self.password()
        if dialect.driver != "psycopg" or dialect.is_async:
            return None

        def admitted() -> GuardedConnection:
            return GuardedConnection.connect(
                *cargs, **{**cparams, "cursor_factory": GuardedCursor, "prepare_threshold": None}
            )

        try:
            connection = self.patiently(admitted)
        except psycopg.OperationalError as error:
            # it may have been rotated since it was read
            secret = cparams.get("password")
            other = self.password(secret) if secret and DENIED.search(str(error)) else None
            if other is None:
                raise
            cparams["password"] = other
            connection = self.patiently(admitted)
        values = [json.dumps(self.settings(connection)).encode()]
        Guard.rows(connection.pgconn.exec_params(_SET.encode(), values))
        os.register_at_fork(after_in_child=lambda: connection.closed or os.close(connection.fileno()))
        return connection

    def patiently(self, connect: Callable[[], GuardedConnection]) -> GuardedConnection:
        """The first connection is asked for again while the server is full; nothing was begun. Later ones are not."""
        for wait in self.waits:
            try:
                return connect()
            except psycopg.OperationalError as error:
                if not FULL.search(str(error)):
                    raise
                time.sleep(wait * random.uniform(0.5, 1.0))  # nothing tells when a session ends
        self.waits = ()
        return connect()

    def settings(self, connection: GuardedConnection) -> dict[str, Any]:
        """What a session begins with."""
        settings = dict(self.job["settings"])
        if connection.info.server_version >= 170000:
            settings |= self.job["since_17"]
        if connection.info.encoding == "ascii":
            # psycopg would give bytes for text
            settings["client_encoding"] = connection.info.parameter_status("server_encoding")
        return settings

    def guards(self, raw: Any) -> bool:
        return isinstance(raw, GuardedConnection)

    def guard(self, raw: GuardedConnection) -> Guard:
        raw.guard = Guard(raw, self.job["ledger"], self.trace, self.job["timeouts"])
        return raw.guard

    def lock(self, guard: Guard) -> dict[str, Any]:
        distrust = guard.ask(self.job["ledger"]["distrust"])[0][0]
        self.trace("before", "lock")
        held, pid = guard.ask(self.job["ledger"]["lock"])[0]
        self.trace("after", "lock")
        return {"held": held == "t", "pid": int(pid), "distrust": distrust if distrust != "{}" else ""}

    def recovered(self, guard: Guard, connection: Any) -> bool:
        raw = guard.connection
        if raw.closed or connection.closed or connection.invalidated:
            return False
        try:
            if connection.in_transaction():
                connection.rollback()
            raw.rollback()
            if raw.autocommit:
                raw.autocommit = False
            self.put_back(guard)
        except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError):
            return False
        return True

    def stands(self, guard: Guard) -> str:
        return guard.stands()

    def idle(self, guard: Guard) -> bool:
        return guard.pgconn.transaction_status == TransactionStatus.IDLE

    def put_back(self, guard: Guard) -> None:
        if guard.ask(self.job["ledger"]["baseline"])[0] != [guard.session, guard.role, guard.settings]:
            guard.ask("RESET SESSION AUTHORIZATION")
            guard.ask("RESET ALL")
            named = {"application_name": f"hgaurora {guard.deployment}"}
            guard.ask(_SET, json.dumps({**self.settings(guard.connection), **named}))

    def unlock(self, guard: Guard) -> None:
        if not guard.connection.closed:
            guard.ask("SELECT pg_catalog.pg_advisory_unlock_all()")
            guard.connection.close()

    def said(self, error: psycopg.Error) -> dict[str, Any]:
        return {
            "sqlstate": error.sqlstate,
            "message": error.diag.message_primary or str(error).strip(),
            "detail": error.diag.message_detail,
            "again": error.sqlstate in TRY_AGAIN,
            "hint": self._hint(error),
            "position": int(error.diag.statement_position or 0),
        }

    def _hint(self, error: psycopg.Error) -> str:
        if error.sqlstate == DEPENDED_ON:
            return "; ".join((error.diag.message_detail or "").splitlines())
        return "PostgreSQL does not change it into this in place: DROP it first" if self.not_replaced(error) else ""

    def not_replaced(self, error: psycopg.Error) -> bool:
        return error.sqlstate in NOT_REPLACED
