# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection of ours to PostgreSQL: its session settings, and the driver's errors in our words, once."""

from __future__ import annotations

import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ....core.errors import ConfigError, HgAuroraError, RemoteError, SecurityError, StateError
from ....ports import Connection
from .. import tls

if TYPE_CHECKING:
    import psycopg

#: libpq: a peer that is gone is noticed in about 10 s instead of 2 hours (PostgreSQL manual, 34.1.2)
KEEPALIVES: Mapping[str, str] = {
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

#: the server's side of the same, and that it notices a dead client while a statement still runs (since PostgreSQL 14);
#: and what a database or a role may have set for every session: psycopg reads dates of ISO style alone
SESSION: Mapping[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_connection_check_interval": "500ms",
}
SINCE_17: Mapping[str, str] = {"transaction_timeout": "0"}

#: the oldest server, as libpq counts versions
OLDEST = 140000

#: seconds in which a server that is full, or starts, is asked again
PATIENCE = 15.0
#: what a server says then (53300 and 57P03; libpq hands on no SQLSTATE of a refused connection)
_LATER = re.compile(
    r"too many clients|too many connections|connection slots are reserved|the database system is starting up"
)
#: what libpq says of a server that speaks something else; MySQL's greeting comes unasked
_FOREIGN = re.compile(
    r"invalid response to SSL negotiation|expected authentication request from server|"
    r"unsupported frontend protocol|invalid response to GSSAPI negotiation"
)
#: libpq: 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'
_TRIED = re.compile(r"(?:connection (?:failed|is bad): )?connection to server .* failed: ([^:]+)")
T = TypeVar("T")

#: the server does not take who asks, or the password (Aurora says ``PAM authentication failed`` of a token)
_DENIED = re.compile(r"authentication failed|no pg_hba\.conf entry|no password supplied")

#: libpq has no SQLSTATE for a refused connection, only the server's words (C locale or not, these stay English
#: on servers with English messages; anything else is a RemoteError)
_NO_DATABASE = re.compile(r'database "[^"]*" does not exist')
#: it ends, or begins (PostgreSQL's manual, appendix A: class 08, and 57P01 to 57P03)
_GONE = frozenset({"08000", "08001", "08003", "08004", "08006", "57P01", "57P02", "57P03"})
#: data, and syntax or rules of access (the same, class 22 and 42): what was sent is wrong there
_OURS = frozenset({"22", "42"})
_IDENTITY = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role .* does not exist|certificate|SSL|no password supplied"
)


def opened(
    connection: Connection, *, application: str, settings: Mapping[str, str], connect_timeout: int = 10
) -> psycopg.Connection[tuple[object, ...]]:
    """A new connection in autocommit, its settings fixed before anything else is asked.

    :raises SecurityError: the server refused the identity, or TLS could not be verified.
    :raises ConfigError: it is too old, is none of PostgreSQL's, or a pooler stands before it.
    :raises RemoteError: it did not answer.
    """

    parameters = {"connect_timeout": str(connect_timeout), **KEEPALIVES, **connection.parameters}
    parameters["application_name"] = application
    with translated(connection):
        opened = _admitted(connection, parameters)
        try:
            if opened.info.server_version < OLDEST:
                raise ConfigError(
                    f"{where(connection)} is PostgreSQL {opened.info.parameter_status('server_version')}",
                    state="nothing was changed",
                    hint=f"hgaurora needs PostgreSQL {OLDEST // 10000} or later",
                )
            if opened.info.parameter_status("server_encoding") == "SQL_ASCII":
                raise ConfigError(
                    f"{where(connection)} is SQL_ASCII: nothing says which letters its bytes are",
                    state="nothing was changed",
                    hint="restore a dump of it into a database with an encoding (createdb -T template0 -E UTF8)",
                )
            since_17 = SINCE_17 if opened.info.server_version >= 170000 else {}
            # whatever the environment or the role has: PGCLIENTENCODING may be one that holds less
            encoding = {"client_encoding": opened.info.parameter_status("server_encoding")}
            wanted = json.dumps({**settings, **SESSION, **since_17, **encoding})
            # each row is fetched: PostgreSQL 16 and later set the first alone where nobody asks for the others
            rows = opened.execute(
                "SELECT pg_catalog.pg_backend_pid(), pg_catalog.set_config(s.key, s.value, false)"
                " FROM pg_catalog.json_each_text(%s::json) s",
                (wanted,),
            ).fetchall()
            if {pid for pid, _ in rows} != {opened.info.backend_pid}:
                raise ConfigError(
                    f"{where(connection)} is a pooler (PgBouncer, RDS Proxy): the session behind it may be another one "
                    "with each statement, and with it the lock",
                    state="nothing was changed",
                    hint="name the server itself in the environment's url",
                )
        except BaseException:
            opened.close()
            raise
    return opened


def _admitted(connection: Connection, parameters: Mapping[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    """A connection with the password, or with another one where the first was rotated meanwhile."""
    import psycopg

    def connect(password: str | None) -> psycopg.Connection[tuple[object, ...]]:
        secret = {} if password is None else {"password": password}
        return patiently(
            lambda: psycopg.connect(autocommit=True, prepare_threshold=None, **parameters, **secret)  # type: ignore[arg-type]
        )

    password = connection.password()
    try:
        return connect(password)
    except psycopg.OperationalError as error:
        if password is None or not _DENIED.search(str(error)):
            raise
        refused = error
    other = connection.again(password)
    if other is not None:
        password = other
        try:
            return connect(password)
        except psycopg.OperationalError as error:
            refused = error
    raise refusal(str(refused), refused.sqlstate, connection, flaw=connection.flaw(password)) from refused


def patiently(connect: Callable[[], T]) -> T:
    """A connection, asked for again (about :data:`PATIENCE` seconds in all) while the server has no room for one more
    session, or is starting up. Only for the first connection of something: in its midst a lost one is an error."""
    import psycopg

    deadline = time.monotonic() + PATIENCE
    for attempt in itertools.count():
        try:
            return connect()
        except psycopg.OperationalError as error:
            wait = min(0.1 * 2**attempt, 2.0) * random.uniform(0.5, 1.0)
            if not _LATER.search(str(error)) or time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)  # between two tries: nothing tells when a session ends
    raise AssertionError("the loop returns or raises")


def where(connection: Connection) -> str:
    """``prod: host:port/database`` for messages; never a secret."""
    given = connection.parameters
    host = given.get("host") or given.get("hostaddr") or "local socket"
    of = f"{connection.environment}: " if connection.environment else ""
    return f"{of}{host}:{given.get('port', '5432')}/{given.get('dbname', given.get('user', ''))}"


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Errors of the driver become ours.

    :raises SecurityError: identity, TLS or missing rights.
    :raises StateError: the server takes no writes.
    :raises RemoteError: everything else.
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise mapped(error, connection) from error
    except UnicodeEncodeError as error:
        raise unencodable(error.object[error.start : error.end], error.encoding, connection) from error


def unencodable(text: str, encoding: str, connection: Connection) -> HgAuroraError:
    """The error for what a database cannot hold, a letter of an author's name for example."""
    return ConfigError(
        f"{where(connection)}: {text!r} is not in the database's encoding, {encoding}",
        state="the statement was not sent",
        hint="what is deployed, with its message and author, has to be in it; a database in UTF8 takes everything",
    )


def mapped(error: psycopg.Error, connection: Connection) -> HgAuroraError:
    """The error of ours for one of the driver's."""
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    return refusal(said, error.sqlstate, connection)


def _reason(said: str) -> str:
    """The line of a message that says why. libpq puts questions behind it, and where it tried before it."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.strip().endswith("?")]
    if not lines:
        return "no answer"
    tried = _TRIED.fullmatch(lines[-1])
    return tried[1][:1].lower() + tried[1][1:] if tried else lines[-1]


def refusal(
    said: str, sqlstate: str | None, connection: Connection, *, flaw: tuple[str, str] | None = None
) -> HgAuroraError:
    """The error of ours for what a server said, with its SQLSTATE where there is one.

    :param flaw: what is known of the password, and what to do, where it was that.
    """
    at, state = where(connection), sqlstate or ""
    said = _reason(said)
    data: dict[str, object] = {"sqlstate": sqlstate, "where": at}
    if not state and _FOREIGN.search(said):
        return ConfigError(
            f"{at} does not speak PostgreSQL's protocol: {said}",
            state="nothing was changed",
            hint="a MySQL or MariaDB server has a url that begins with mysql:// or mariadb://",
            data=data,
        )
    if not state and (found := tls.refusal(said, at, connection.parameters.get("sslrootcert"), data)):
        return found
    if flaw is not None and (state.startswith("28") or _DENIED.search(said)):
        return SecurityError(f"{at} refused {flaw[0]}: {said}", state="nothing was changed", hint=flaw[1], data=data)
    if state.startswith("28") or (not state and _IDENTITY.search(said)):
        return SecurityError(
            f"{at} refused the connection: {said}",
            state="nothing was changed",
            hint="check the environment's user, its password or token, and the TLS settings",
            data=data,
        )
    if state == "42501":
        return SecurityError(
            f"{at}: {said}",
            state="the statement was rolled back",
            hint="to look, the user needs USAGE on schema hgaurora and SELECT on its tables; to deploy, rights to "
            "write there too, and CREATE on the database",
            data=data,
        )
    if state == "3D000" or (not state and _NO_DATABASE.search(said)):
        return StateError(
            f"{at}: the database does not exist",
            state="nothing was changed",
            hint=f"create the database, or mend the environment's {connection.named_by}",
            data=data,
        )
    if state == "42P01" and "hgaurora." in said:
        return StateError(
            f"{at}: a table of the ledger is missing: {said}",
            state="the statement was rolled back",
            hint="bring it back from a backup that holds it, such as the dump of a snapshot",
            data=data,
        )
    if state == "25006":
        return StateError(
            f"{at} takes no writes: {said}",
            state="nothing was changed",
            hint="name the writer endpoint, not a reader; after a failover try again; where it is the writer, "
            "default_transaction_read_only is on for the database or the user",
            data=data,
        )
    if state[:2] in _OURS:
        return RemoteError(
            f"{at}: {said}",
            hint="the server does not take a statement of hgaurora's own: report it, with the server's version",
            data=data,
        )
    if (not state or state in _GONE) and (known := connection.silent()) is not None:
        return RemoteError(f"{at}: {said}; {known[0]}", hint=known[1], data=data)
    return RemoteError(f"{at}: {said}", hint="see that the server runs and answers, then try again", data=data)
