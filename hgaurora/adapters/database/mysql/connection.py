# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection of ours to MySQL or MariaDB: its session settings, and the driver's errors in our words, once.

Parameters of a :class:`~hgaurora.ports.Connection` with ``engine="mysql"``: ``host``, ``port``, ``user``, ``dbname``,
``socket``, ``connect-timeout`` (seconds), and for TLS ``ssl-mode``, ``ssl-ca``, ``ssl-cert``, ``ssl-key``.
"""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import itertools
import os
import random
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ....core.errors import ConfigError, HgAuroraError, RemoteError, SecurityError, StateError
from ....ports import Connection
from .. import tls as transport

if TYPE_CHECKING:
    import pymysql

PORT = 3306

#: the kernel notices a peer that is gone in about 10 s instead of 2 hours (tcp(7)); seconds, but for the last: ms
KEEPALIVE: Mapping[str, int] = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 10_000,
}

#: how the parent's own statements are read, whatever the server's default is: a value that does not fit is an error and
#: never cut (a cut payload would break the chain), InnoDB is InnoDB, and with ANSI_QUOTES, PIPES_AS_CONCAT,
#: NO_BACKSLASH_ESCAPES and PAD_CHAR_TO_FULL_LENGTH off there is one way to read a text. The child keeps the
#: database's own mode: scripts may rely on it
SQL_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"

#: errors of the server by number (MySQL Server Error Reference; MariaDB Error Codes): who may connect, who may do what,
#: what takes no writes, what waited in vain for a lock, what was cut off
IDENTITY = frozenset({1044, 1045, 1130, 1131, 1132, 1133, 1251, 1275, 1524, 1698, 1820, 1862, 2026, 2059, 2061, 3118})
#: of these, the ones that another password may mend
DENIED = frozenset({1045, 1698})
#: nobody answers, it ends, or the connection was lost (2000 and more are the client's own)
GONE = frozenset({1053, 1077, 1079, 1080, 2002, 2003, 2005, 2006, 2013, 2055})
RIGHTS = frozenset({1095, 1142, 1143, 1227, 1370})
_NO_DATABASE, _NO_TABLE = 1049, 1146
#: of a database: it need not be there, for who has no rights on it is not told
_NO_ACCESS = 1044
READ_ONLY = frozenset({1290, 1792, 1836, 1874})
TRY_AGAIN = frozenset({1205, 1213})
#: no room for one more session, of the server's or of this user's; asked again for so many seconds
FULL = frozenset({1040, 1203, 1226})
PATIENCE = 15.0
#: the oldest servers: from these on one statement of DDL is atomic
OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}
#: eight bytes, then the code 80877103
_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
LOST = frozenset({1053, 1077, 1152, 1317, 1927, 2006, 2013, 2055, 3169, 4031})


def from_url(url: str, *, version_table: str = "alembic_version") -> Connection:
    """A connection from ``mysql://[user[:password]@]host[:port]/database[?key=value]``; the password is kept out of the
    parameters. The settings allow no password in a url; tests have one."""
    parts = urlsplit(url)
    known = {
        "host": unquote(parts.hostname or ""),
        "port": str(parts.port or ""),
        "user": unquote(parts.username or ""),
        "dbname": unquote(parts.path[1:]),
        **dict(parse_qsl(parts.query)),
    }
    secret = None if parts.password is None else unquote(parts.password)
    parameters = {name: value for name, value in known.items() if value}
    return from_parameters(parameters, password=secret, version_table=version_table)


def from_parameters(
    parameters: Mapping[str, str], *, password: str | None = None, version_table: str = "alembic_version"
) -> Connection:
    """A connection from keywords. The version table is named with its database, so that a script's ``USE`` does not
    lead away from it."""
    return Connection(
        engine="mysql",
        parameters=dict(parameters),
        schema=parameters["dbname"],
        version_table=version_table,
        password=lambda: password,
    )


def at(connection: Connection, database: str) -> Connection:
    """The same connection to another database of the server."""
    parameters = {**connection.parameters, "dbname": database}
    return replace(connection, parameters=parameters, schema=database)


def where(connection: Connection) -> str:
    """``prod: host:port/database`` for messages; never a secret."""
    given = connection.parameters
    of = f"{connection.environment}: " if connection.environment else ""
    server = given.get("socket") or f"{given.get('host', 'localhost')}:{given.get('port', PORT)}"
    return f"{of}{server}/{given.get('dbname', '')}"


def _client(name: str) -> str | None:
    """A word of group ``[client]`` in ``~/.my.cnf``, which MySQL's own clients read."""
    from pymysql.optionfile import Parser

    path = Path("~/.my.cnf").expanduser()
    if not path.is_file():
        return None
    found = Parser(strict=False, allow_no_value=True, interpolation=None)
    try:
        found.read(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", state="nothing was done") from error
    return found.get("client", name) if found.has_option("client", name) else None


def password(connection: Connection) -> str | None:
    """The password for a connection: its own, else that of group ``[client]`` in ``~/.my.cnf``, else ``MYSQL_PWD``: the
    order of MySQL's own clients. None: there is none."""
    own = connection.password()
    if own is not None:
        return own
    in_file = _client("password")
    return in_file if in_file is not None else os.environ.get("MYSQL_PWD")


def local(parameters: Mapping[str, str]) -> bool:
    """True where the way to the server does not leave the machine."""
    host = parameters.get("host", "localhost")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return bool(parameters.get("socket")) or host == "localhost"


def tls(parameters: Mapping[str, str]) -> dict[str, Any] | None:
    """What an ``SSLContext`` is made from: ``mode`` (``required``, ``verify-ca``, ``verify-full``), ``ca``, ``cert``,
    ``key`` (paths or None). None: no TLS, which only a server on this machine, or ``ssl-mode=disabled``, goes with.

    PyMySQL's own ``ssl_ca`` does not check the name in the certificate, so it is never used.
    """
    named = {key for key in parameters if key.startswith("ssl-")}
    mode = parameters.get("ssl-mode", "verify-full")
    if mode == "disabled" or (not named and local(parameters)):
        return None
    return {"mode": mode, **{key: parameters.get(f"ssl-{key}") for key in ("ca", "cert", "key")}}


def context(given: Mapping[str, Any]) -> ssl.SSLContext:
    """The context for what :func:`tls` gave: TLS 1.2 at least; the CA is the file's, else the machine's.

    :raises SecurityError: a file is missing or holds no certificate.
    """
    try:
        made = ssl.create_default_context(cafile=given["ca"])
        if given["cert"]:
            made.load_cert_chain(given["cert"], given["key"])
    except OSError as error:  # SSLError is one
        raise SecurityError(
            f"the files for TLS cannot be read: {error}",
            state="nothing was changed",
            hint="ssl-ca, ssl-cert and ssl-key in the url name PEM files",
        ) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 wants more of a certificate's form than libpq does; both engines are to be judged alike
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.check_hostname = given["mode"] == "verify-full"
    if given["mode"] == "required":
        made.verify_mode = ssl.CERT_NONE
    return made


def arguments(connection: Connection, *, application: str) -> dict[str, Any]:
    """What ``pymysql.connect`` is called with, JSON-safe, without the secret and with TLS apart under ``tls``."""
    given = connection.parameters
    return {
        "host": given.get("host", "localhost"),
        "port": int(given.get("port", PORT)),
        "unix_socket": given.get("socket"),
        "user": given.get("user") or _client("user") or getpass.getuser(),
        "database": given["dbname"],
        "charset": "utf8mb4",
        "connect_timeout": int(given.get("connect-timeout", 10)),
        "program_name": application,
        "tls": tls(given),
    }


def opened(
    connection: Connection,
    *,
    application: str,
    lock_timeout: float = 10.0,
    statement_timeout: float = 60.0,
) -> pymysql.Connection[Any]:
    """A new connection in autocommit, its settings fixed before anything else is asked. One message may hold several
    statements.

    :param lock_timeout: seconds one statement waits for a lock, on rows or on a table's definition.
    :param statement_timeout: seconds one statement may take; MySQL holds only SELECT to it.
    :raises SecurityError: the server refused the identity, or TLS could not be verified.
    :raises ConfigError: it is too old, or a pooler stands before it.
    :raises RemoteError: it did not answer.
    """
    import pymysql
    from pymysql.constants import CLIENT

    wanted = arguments(connection, application=application)
    secure = wanted.pop("tls")
    if secure is None:
        wanted["ssl_disabled"] = True
    else:
        wanted["ssl"] = context(secure)

    def admitted(secret: str | None) -> pymysql.Connection[Any]:
        made: pymysql.Connection[Any] = pymysql.connect(
            **wanted,
            # PyMySQL would send a text in latin1
            password=(secret or "").encode(),
            autocommit=True,
            defer_connect=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        _patiently(
            lambda: made.connect(
                dialled(wanted["host"], wanted["port"], wanted["unix_socket"], wanted["connect_timeout"])
            )
        )
        return made

    with translated(connection):
        made = _admitted(connection, admitted)
        try:
            version = made.get_server_info()
            _new_enough(version, connection)
            limits = session(version, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
            with made.cursor() as cursor:
                # repeatable reads: a look at the ledger is one look. The variable's name depends on the version
                cursor.execute(
                    f"{settings_text(limits)}; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; {_BACKEND}"
                )
                while cursor.nextset():
                    pass
                ((backend,),) = cursor.fetchall()
            # the greeting has four bytes for it
            if backend & 0xFFFFFFFF != made.thread_id():
                raise ConfigError(
                    f"{where(connection)} is a pooler (ProxySQL, MaxScale, RDS Proxy): the session behind it may be "
                    "another one with each statement, and with it the lock",
                    state="nothing was changed",
                    hint="name the server itself in the environment's url",
                )
        except BaseException:
            if made.open:
                made.close()
            raise
    return made


def _admitted(
    connection: Connection, connect: Callable[[str | None], pymysql.Connection[Any]]
) -> pymysql.Connection[Any]:
    """A connection with the password, or with another one where the first was rotated meanwhile."""
    import pymysql

    secret = password(connection)
    try:
        return connect(secret)
    except pymysql.OperationalError as error:
        if secret is None or numbered(error)[0] not in DENIED:
            raise
        refused = error
    other = connection.again(secret)
    if other is not None:
        secret = other
        try:
            return connect(secret)
        except pymysql.OperationalError as error:
            refused = error
    number, said = numbered(refused)
    raise refusal(said, number, connection, flaw=connection.flaw(secret)) from refused


#: ProxySQL answers ``SELECT CONNECTION_ID()``, exactly so, by itself with the number that it greeted with
_BACKEND = "SELECT CONNECTION_ID() AS backend"


def _new_enough(version: str, connection: Connection) -> None:
    """Refuse a server whose DDL is not atomic: nothing could prove what a crash left.

    :param version: as the server says it in its greeting; a MariaDB may lead with what old replicas want to hear.
    """
    said = version.removeprefix("5.5.5-")
    product = "MariaDB" if "MariaDB" in version else "MySQL"
    numbers = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if numbers < OLDEST[product]:
        raise ConfigError(
            f"{where(connection)} is {product} {said.split('-')[0]}",
            state="nothing was changed",
            hint="hgaurora needs "
            + " or ".join(f"{name} {'.'.join(map(str, oldest))}" for name, oldest in OLDEST.items())
            + " or later",
        )


def _patiently(connect: Callable[[], None]) -> None:
    """Connect, asked for again while the server has no room for one more session; see PostgreSQL's."""
    import pymysql

    deadline = time.monotonic() + PATIENCE
    for attempt in itertools.count():
        try:
            connect()
        except pymysql.OperationalError as error:
            wait = min(0.1 * 2**attempt, 2.0) * random.uniform(0.5, 1.0)
            if numbered(error)[0] not in FULL or time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)  # between two tries: nothing tells when a session ends
        else:
            return


def dialled(host: str, port: int, path: str | None, timeout: float) -> socket.socket:
    """A connected socket that notices when its peer is gone; its server has begun to greet.

    :raises pymysql.OperationalError: 2003, nobody answers.
    :raises ConfigError: it is no server of MySQL's.
    """
    import pymysql

    try:
        if path:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(timeout)
            made.connect(path)
            return _greeted(made, path, timeout)
        made = socket.create_connection((host, port), timeout)
    except OSError as error:
        raise pymysql.OperationalError(2003, f"can't connect: {error.strerror or error}") from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        for name, value in KEEPALIVE.items():
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return _greeted(made, f"{host}:{port}", timeout)


def _greeted(made: socket.socket, at: str, timeout: float) -> socket.socket:
    """The same socket, when its server has begun to speak: MySQL's does so first, and PyMySQL waits for it for good.

    Who says nothing is asked as a client of PostgreSQL begins (SSLRequest, section "Message Formats" of its manual):
    only such a server answers that with one letter.
    """
    import pymysql

    made.settimeout(timeout)
    try:
        try:
            made.recv(1, socket.MSG_PEEK)
            return made
        except TimeoutError:
            made.sendall(_SSL_REQUEST)
            if made.recv(1) in (b"S", b"N"):
                raise ConfigError(
                    f"{at} is a server of PostgreSQL",
                    state="nothing was changed",
                    hint="begin the environment's url with postgresql://, or name a server of MySQL or MariaDB",
                ) from None
            raise pymysql.OperationalError(2003, "it does not speak MySQL's protocol") from None
    except OSError as error:
        made.close()
        said = f"connected, but no greeting in {timeout:g} s" if isinstance(error, TimeoutError) else str(error)
        raise pymysql.OperationalError(2003, said) from error
    except BaseException:
        made.close()
        raise


def waits(lock_timeout: float) -> dict[str, int]:
    """System variables that bound waiting, by name.

    ``lock_wait_timeout`` (a table's definition) is a year on MySQL and a day on MariaDB by default; both kinds of wait
    count whole seconds. ``wait_timeout`` is a day: whoever holds the lock may be idle while a snapshot is taken.
    """
    seconds = max(1, round(lock_timeout))
    return {
        "lock_wait_timeout": seconds,
        "innodb_lock_wait_timeout": seconds,
        "wait_timeout": 86400,
        "net_write_timeout": 60,
    }


def session(version: str, *, lock_timeout: float, statement_timeout: float) -> dict[str, str | int | float]:
    """System variables of a session of the parent's, by name."""
    if "MariaDB" in version:
        limit: dict[str, str | int | float] = {"max_statement_time": statement_timeout}
    else:
        limit = {"max_execution_time": round(statement_timeout * 1000)}
    return {**waits(lock_timeout), **limit, "time_zone": "+00:00", "sql_mode": SQL_MODE}


def settings_text(settings: Mapping[str, str | int | float]) -> str:
    """One SET for them all; names and values are ours."""
    values = {name: f"'{value}'" if isinstance(value, str) else str(value) for name, value in settings.items()}
    return "SET SESSION " + ", SESSION ".join(f"{name} = {value}" for name, value in values.items())


@contextmanager
def translated(connection: Connection) -> Iterator[None]:
    """Errors of the driver become ours.

    :raises SecurityError: identity, TLS or missing rights.
    :raises StateError: the server takes no writes.
    :raises RemoteError: everything else.
    """
    import pymysql

    try:
        yield
    except pymysql.Error as error:
        raise mapped(error, connection) from error
    except RuntimeError as error:
        # PyMySQL, where a password goes over an unencrypted connection by caching_sha2_password
        if "cryptography" not in str(error):
            raise
        raise SecurityError(
            f"{where(connection)}: the password cannot be sent without TLS",
            state="nothing was changed",
            hint="add ?ssl-mode=verify-full to the url, or: pip install cryptography",
        ) from error


def mapped(error: pymysql.Error, connection: Connection) -> HgAuroraError:
    """The error of ours for one of the driver's."""
    number, said = numbered(error)
    return refusal(said, number, connection)


def numbered(error: BaseException) -> tuple[int | None, str]:
    """The error's number, where it has one, and its words."""
    if error.args and isinstance(error.args[0], int):
        return error.args[0] or None, str(error.args[1]) if len(error.args) > 1 else type(error).__name__
    return None, str(error) or type(error).__name__


def refusal(
    said: str, number: int | None, connection: Connection, *, flaw: tuple[str, str] | None = None
) -> HgAuroraError:
    """The error of ours for what a server or the driver said, with its number where there is one.

    :param flaw: what is known of the password, and what to do, where it was that.
    """
    at = where(connection)
    said = said.splitlines()[-1].strip() if said else "no answer"
    data: dict[str, object] = {"errno": number, "where": at}
    if number in (2003, 2026, None) and (
        found := transport.refusal(said, at, connection.parameters.get("ssl-ca"), data)
    ):
        return found
    if flaw is not None and number in DENIED:
        return SecurityError(f"{at} refused {flaw[0]}: {said}", state="nothing was changed", hint=flaw[1], data=data)
    if number == _NO_ACCESS and connection.resource_id is not None:
        user, database = connection.parameters.get("user", ""), connection.parameters.get("dbname", "")
        return SecurityError(
            f"{at} refused the connection: {said}",
            state="nothing was changed",
            hint=f"mend the environment's database, or GRANT ALL ON {database}.* TO {user}",
            data=data,
        )
    if number in IDENTITY or (number == 2003 and re.search(r"certificate|\bSSL\b|\bTLS\b", said, re.I)):
        return SecurityError(
            f"{at} refused the connection: {said}",
            state="nothing was changed",
            hint="check the environment's user, its password (~/.my.cnf, MYSQL_PWD) and the TLS settings"
            if connection.resource_id is None
            else "check the environment's user: it has to sign in by IAM, or by secret",
            data=data,
        )
    if number in RIGHTS:
        return SecurityError(
            f"{at}: {said}",
            state="the statement was not run",
            hint="the user needs all rights on the database of this environment",
            data=data,
        )
    if number == _NO_DATABASE:
        return StateError(
            f"{at}: the database does not exist",
            state="nothing was changed",
            hint=f"create the database, or mend the environment's {connection.named_by}",
            data=data,
        )
    if number == _NO_TABLE and "hgaurora_" in said:
        return StateError(
            f"{at}: a table of the ledger is missing: {said}",
            state="the statement was not run",
            hint="bring it back from a backup that holds it, such as the dump of a snapshot",
            data=data,
        )
    if number in READ_ONLY:
        return StateError(
            f"{at} takes no writes: {said}",
            state="nothing was changed",
            hint="name the writer endpoint, not a reader; after a failover try again",
            data=data,
        )
    if (number is None or number in GONE) and (known := connection.silent()) is not None:
        return RemoteError(f"{at}: {said}; {known[0]}", hint=known[1], data=data)
    return RemoteError(f"{at}: {said}", hint="see that the server runs and answers, then try again", data=data)
