# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cluster's endpoint does before its database: TLS with the cluster's certificate, and IAM tokens as passwords.

A front listens where clients connect and stands before a real server. Who has come in by a token is let in by the
server because of the address the front calls from, :data:`DOOR`; who is such a user is the server's own word:

- PostgreSQL: ``host all +rds_iam 127.0.0.9/32 trust`` in ``pg_hba.conf``, and a role ``rds_iam`` (:data:`HBA`);
- MariaDB and MySQL: the user exists at that host, ``'deployer'@'127.0.0.9'``, without a password.

All others are passed through to the server, which asks them for a password as ever.
"""

from __future__ import annotations

import hashlib
import hmac
import select
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Protocol
from urllib.parse import parse_qsl, quote

from tests.emulator.tls import Certificate

#: the address the front calls a server from for who has shown a token
DOOR = "127.0.0.9"
#: a role for the master user, who may grant ``rds_iam`` (and so has it, for PostgreSQL) and yet has a password
MASTER = "emulator_master"
#: lines for ``pg_hba.conf``; before others
HBA = f"""\
host all +{MASTER} {DOOR}/32 reject
host all +rds_iam {DOOR}/32 trust
host all all {DOOR}/32 reject
"""
#: how long a token is good for
LIFE = 900
Socket = socket.socket | ssl.SSLSocket


@dataclass(frozen=True)
class Key:
    """What AWS knows of an access key. ``expires`` is seconds since the epoch, for a session's."""

    access_key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None
    arn: str = ""
    account: str = ""


class Keys(Protocol):
    """IAM, as far as a database asks it."""

    def key(self, access_key: str) -> Key | None:
        """The key, if it is known and active."""

    def allows(self, key: Key, action: str, resource: str) -> bool:
        """Whether its owner's policies say so."""

    def now(self) -> float:
        """Seconds since the epoch."""


@dataclass(frozen=True)
class Target:
    """What is behind an endpoint at this moment.

    :ivar address: host and port of the real server.
    :ivar names: what the endpoint is called; a token must be for one of them.
    :ivar port: that clients know; a token is for it. None: the front's own.
    :ivar resource_id: such as ``cluster-ABCDEFGHIJ``.
    :ivar iam: IAM authentication is on for the cluster.
    :ivar force_tls: password users must have TLS, too.
    """

    address: tuple[str, int]
    names: frozenset[str]
    certificate: Certificate
    region: str = "us-east-1"
    account: str = "123456789012"
    resource_id: str = "cluster-EXAMPLE"
    port: int | None = None
    iam: bool = True
    force_tls: bool = False


class Refused(Exception):
    """A connection that is not let in; the text is for the test, the client hears what Aurora says."""


def check(token: str, user: str, target: Target, port: int, keys: Keys) -> None:
    """Whether a token lets this user in here.

    :raises Refused: it does not.
    """
    place, _, query = token.partition("/?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if not query or "X-Amz-Signature" not in fields or fields.get("Action") != "connect":
        raise Refused("not a token")
    scope = fields.get("X-Amz-Credential", "").split("/")
    key = keys.key(scope[0])
    if key is None:
        raise Refused("unknown access key")
    if len(scope) != 5 or not hmac.compare_digest(_signature(place, fields, scope, key), fields["X-Amz-Signature"]):
        raise Refused("wrong signature")
    if key.token and fields.get("X-Amz-Security-Token") != key.token:
        raise Refused("wrong session token")
    host, _, number = place.rpartition(":")
    if host not in target.names:
        raise Refused(f"token for host {host}")
    if number != str(target.port or port):
        raise Refused(f"token for port {number}")
    if fields.get("DBUser") != user:
        raise Refused(f"token for user {fields.get('DBUser')}")
    if (scope[2], scope[3]) != (target.region, "rds-db"):
        raise Refused(f"token for {scope[3]} in {scope[2]}")
    made = datetime.strptime(fields.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if not made - 300 <= keys.now() <= made + min(LIFE, int(fields.get("X-Amz-Expires", "0"))):
        raise Refused("token expired")
    if key.expires is not None and keys.now() >= key.expires:
        raise Refused("session expired")
    if key.account != target.account:
        raise Refused(f"key of account {key.account}")
    resource = f"arn:aws:rds-db:{target.region}:{target.account}:dbuser:{target.resource_id}/{user}"
    if not keys.allows(key, "rds-db:connect", resource):
        raise Refused(f"no policy allows rds-db:connect on {resource}")


def _signature(place: str, fields: Mapping[str, str], scope: list[str], key: Key) -> str:
    """AWS Signature Version 4 of a presigned GET."""
    plain = sorted((quote(name, "-_.~"), quote(value, "-_.~")) for name, value in fields.items())
    query = "&".join(f"{name}={value}" for name, value in plain if name != "X-Amz-Signature")
    request = f"GET\n/\n{query}\nhost:{place}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    text = "\n".join(
        ("AWS4-HMAC-SHA256", fields.get("X-Amz-Date", ""), "/".join(scope[1:]), _hex(request.encode())),
    )
    secret = f"AWS4{key.secret}".encode()
    for part in scope[1:]:
        secret = hmac.digest(secret, part.encode(), "sha256")
    return hmac.new(secret, text.encode(), "sha256").hexdigest()


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Session:
    """One client at a front, with the connections made for it.

    :ivar client: its end; after :meth:`secure` the one with TLS.
    :ivar verify: takes token, user and target; raises :class:`Refused`.
    """

    def __init__(self, client: socket.socket, verify: Callable[[str, str, Target], None]) -> None:
        self.client: Socket = client
        self.verify = verify
        self._ends: list[Socket] = [client]

    @property
    def tls(self) -> bool:
        """The client has it."""
        return isinstance(self.client, ssl.SSLSocket)

    @property
    def peer(self) -> str:
        """The client's address, as the server sees it."""
        return str(self.client.getpeername()[0])

    def secure(self, target: Target) -> None:
        """TLS with the target's certificate.

        :raises ssl.SSLError: the client does not like it.
        """
        self.client = target.certificate.context.wrap_socket(self.client, server_side=True)
        self._ends[0] = self.client

    def call(self, target: Target, *, door: bool = False) -> socket.socket:
        """A connection to the real server; from :data:`DOOR` for who has shown a token."""
        server = socket.create_connection(target.address, source_address=(DOOR, 0) if door else None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends.append(server)
        return server

    def wrap(self, server: socket.socket) -> ssl.SSLSocket:
        """TLS to the real server, whoever it is: it is on this machine."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secured = context.wrap_socket(server)
        self._ends[self._ends.index(server)] = secured
        return secured

    def pump(self, server: Socket) -> None:
        """Bytes both ways, until one end closes. One thread does both: a TLS socket is not for two."""
        other = {self.client: server, server: self.client}
        while True:
            ready = [end for end in other if isinstance(end, ssl.SSLSocket) and end.pending()]
            for end in ready or select.select(list(other), [], [])[0]:
                end.setblocking(False)
                try:
                    data = end.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue  # not a whole record yet
                finally:
                    end.setblocking(True)
                if not data:
                    return
                other[end].sendall(data)

    def drop(self) -> None:
        """Break it, from another thread."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Its own thread is done. TLS says goodbye, and does not wait to hear it."""
        for end in self._ends:
            if isinstance(end, ssl.SSLSocket):
                end.setblocking(False)
                with suppress(OSError, ValueError):
                    end.unwrap()
            end.close()


class Front(ABC):
    """One endpoint of a cluster; a subclass speaks the engine's protocol.

    :param resolve: what is behind it now, asked for each connection; None: nothing, and connections are closed.
    :param keys: IAM.
    :param listen: where; port 0 takes a free one.
    :ivar port: where it listens.
    :ivar refusals: why connections were refused, oldest first.
    :ivar refusing: connections are closed at once while this is set.
    """

    def __init__(
        self, resolve: Callable[[], Target | None], keys: Keys, listen: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._resolve = resolve
        self.keys = keys
        self.refusals: list[str] = []
        self.refusing = False
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(listen)
        self.host, self.port = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    @abstractmethod
    def serve(self, session: Session, target: Target) -> None:
        """One connection, from its first byte to its end.

        :raises Refused: it was not let in; by :meth:`refused`.
        """

    def verify(self, token: str, user: str, target: Target) -> None:
        """:func:`check`, for this front."""
        check(token, user, target, self.port, self.keys)

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no more connections, and break those that are open."""
        # a thread that waits in accept() is woken by this, not by close()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Break every open connection, as a failover does."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.drop()

    def refused(self, why: str, session: Session, answer: bytes) -> NoReturn:
        """Note it, tell the client, and end.

        :raises Refused: always.
        """
        self.refusals.append(why)
        session.client.sendall(answer)
        raise Refused(why)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                session = Session(client, self.verify)
                with self._lock:
                    self._sessions.add(session)
                threading.Thread(target=self._one, args=(session,), daemon=True).start()

    def _one(self, session: Session) -> None:
        try:
            target = None if self.refusing else self._resolve()
            if target is not None:
                self.serve(session, target)
        except Refused:
            pass  # noted, and the client told
        except ssl.SSLError as err:
            self.refusals.append(f"tls: {err.reason}")
        except OSError:
            pass  # an end went away; the other one is closed below
        finally:
            with self._lock:
                self._sessions.discard(session)
            session.close()


def receive(end: Socket, length: int) -> bytes:
    """Exactly so many bytes.

    :raises ConnectionResetError: it ends before.
    """
    data = b""
    while len(data) < length:
        if not (part := end.recv(length - len(data))):
            raise ConnectionResetError("closed")
        data += part
    return data
