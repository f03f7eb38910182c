# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the parent of a migration child does in a way of each database engine: how the child connects, what it sends to
the ledger, and how the end of its server session is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from ...core.errors import HgAuroraError
from ...ports import Connection, Job


class Sessions(Protocol):
    """A look at the sessions of a server."""

    def gone(self, pid: int) -> bool:
        """True where a session has ended."""

    def end(self, pid: int) -> None:
        """Tell a session to end."""


class Server(Protocol):
    """One engine."""

    #: whose what must be, where somebody could put code in front of the ledger
    distrust_hint: str
    #: what is left of a migration that was stopped
    stopped: str

    def job(self, job: Job) -> dict[str, Any]:
        """The engine's part of the job description; JSON-safe, without a secret."""

    def sessions(self, connection: Connection, application: str) -> Any:
        """A context manager that gives :class:`Sessions`, on a connection of its own."""

    def end_hint(self, pid: int) -> str:
        """How a person ends a session."""

    def refusal(
        self, answer: Mapping[str, Any], connection: Connection, *, flaw: tuple[str, str] | None = None
    ) -> HgAuroraError:
        """The error of ours for a connection of the child's that was refused."""


class Postgres:
    """PostgreSQL."""

    distrust_hint = "the schema, the version table and schema hgaurora must belong to the user of this environment"
    stopped = "its transaction was rolled back"

    def job(self, job: Job) -> dict[str, Any]:
        """libpq's keywords, and settings as ``set_config`` takes them."""
        from ..database.postgresql import compose
        from ..database.postgresql import connection as database

        connection = job.connection
        parameters = {**database.KEEPALIVES, "connect_timeout": "10", **connection.parameters}
        parameters["application_name"] = f"hgaurora {job.environment}"
        settings = {
            **database.SESSION,
            "search_path": f"{compose.quoted(connection.schema)}, pg_temp",
            "lock_timeout": _milliseconds(job.lock_timeout),
            "statement_timeout": _milliseconds(job.statement_timeout),
            "idle_in_transaction_session_timeout": "0",
        }
        # zone and dates are as the database has them: scripts may rely on it
        del settings["TimeZone"], settings["DateStyle"]
        backfill = job.statement_timeout if job.backfill_timeout is None else job.backfill_timeout
        return {
            "engine": "postgresql",
            "parameters": parameters,
            "settings": settings,
            "timeouts": {"schema": _milliseconds(job.statement_timeout), "data": _milliseconds(backfill)},
            "since_17": dict(database.SINCE_17),
            "ledger": compose.child_statements(connection.schema, connection.version_table),
        }

    @contextmanager
    def sessions(self, connection: Connection, application: str) -> Iterator[Sessions]:
        """See :class:`Server`."""
        from ..database.postgresql import connection as database

        watch = database.opened(connection, application=application, settings={"search_path": "pg_catalog"})
        with database.translated(connection), watch:
            yield _PostgresSessions(watch)

    def end_hint(self, pid: int) -> str:
        """See :class:`Server`."""
        return f"SELECT pg_terminate_backend({pid}); then run again"

    def refusal(
        self, answer: Mapping[str, Any], connection: Connection, *, flaw: tuple[str, str] | None = None
    ) -> HgAuroraError:
        """By SQLSTATE."""
        from ..database.postgresql import connection as database

        return database.refusal(str(answer["message"]).strip(), answer.get("sqlstate"), connection, flaw=flaw)


class _PostgresSessions:
    def __init__(self, watch: Any) -> None:
        self._watch = watch

    def gone(self, pid: int) -> bool:
        return (
            self._watch.execute("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = %s", (pid,)).fetchone() is None
        )

    def end(self, pid: int) -> None:
        self._watch.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))


class Mysql:
    """MySQL and MariaDB."""

    distrust_hint = "the ledger's tables and the version table must be InnoDB tables without triggers"
    stopped = "what it had done by then stands, and is in the ledger's statement journal"

    def job(self, job: Job) -> dict[str, Any]:
        """PyMySQL's arguments, with TLS apart under ``tls`` (None: plain), and system variables of the session.

        The SQL mode, the time zone and the isolation level are the database's own: scripts may rely on them. Timeouts
        are seconds, 0 for none; which variable they go into depends on the product.
        """
        from ..database.mysql import compose
        from ..database.mysql import connection as database

        connection = job.connection
        backfill = job.statement_timeout if job.backfill_timeout is None else job.backfill_timeout
        return {
            "engine": "mysql",
            "parameters": database.arguments(connection, application=f"hgaurora {job.environment}"),
            "keepalive": dict(database.KEEPALIVE),
            "settings": database.waits(job.lock_timeout),
            "timeouts": {"schema": job.statement_timeout, "data": backfill},
            "ledger": compose.child_statements(connection.parameters["dbname"], connection.version_table),
        }

    @contextmanager
    def sessions(self, connection: Connection, application: str) -> Iterator[Sessions]:
        """See :class:`Server`."""
        from ..database.mysql.database import MysqlDatabase

        watch = MysqlDatabase(connection, environment=application.removeprefix("hgaurora "))
        try:
            yield _MysqlSessions(watch)
        finally:
            watch.close()

    def end_hint(self, pid: int) -> str:
        """See :class:`Server`."""
        return f"KILL {pid}; then run again"

    def refusal(
        self, answer: Mapping[str, Any], connection: Connection, *, flaw: tuple[str, str] | None = None
    ) -> HgAuroraError:
        """By the error's number."""
        from ..database.mysql import connection as database

        return database.refusal(str(answer["message"]).strip(), answer.get("errno"), connection, flaw=flaw)


class _MysqlSessions:
    def __init__(self, watch: Any) -> None:
        self._watch = watch

    def gone(self, pid: int) -> bool:
        return bool(self._watch.gone(pid))

    def end(self, pid: int) -> None:
        self._watch.gone(pid, terminate=True)


def server(connection: Connection) -> Server:
    """The engine of a connection."""
    return Mysql() if connection.engine == "mysql" else Postgres()


def _milliseconds(seconds: float) -> str:
    """Seconds as PostgreSQL's settings take them."""
    return f"{round(seconds * 1000)}ms"
