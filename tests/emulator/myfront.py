# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The front of Aurora MySQL (MySQL source documentation, "Connection Phase")."""

from __future__ import annotations

import ssl
import struct
from contextlib import closing
from dataclasses import dataclass
from typing import NoReturn

import pymysql

from tests.emulator.iamfront import DOOR, Front, Refused, Session, Socket, Target, receive

_COMPRESS, _SSL, _SECURE, _LENENC, _ZSTD = 1 << 5, 1 << 11, 1 << 15, 1 << 21, 1 << 26
#: flags that go through the front
_KEPT = 0xFFFFFFFF & ~(_SSL | _COMPRESS | _ZSTD)
_FAST = b"\x01\x03"
_OK, _ERROR, _SWITCH = 0x00, 0xFF, 0xFE


@dataclass
class Packets:
    """Packets over a socket: three bytes of length, one of sequence, the payload."""

    end: Socket
    sequence: int = 0

    def read(self) -> bytes:
        """The next one's payload."""
        head = receive(self.end, 4)
        self.sequence = head[3] + 1
        return receive(self.end, int.from_bytes(head[:3], "little"))

    def write(self, payload: bytes) -> None:
        """With the sequence that is due."""
        self.end.sendall(_framed(payload, self.sequence))
        self.sequence += 1


@dataclass
class Response:
    """A client's answer to the greeting: flags, what stands before and after the proof of identity."""

    flags: int
    fixed: bytes
    user: bytes
    proof: bytes
    rest: bytes

    @classmethod
    def parse(cls, payload: bytes) -> Response:
        """Of protocol 4.1."""
        flags = struct.unpack_from("<I", payload)[0]
        user, _, rest = payload[32:].partition(b"\0")
        if not flags & (_SECURE | _LENENC):
            proof, _, rest = rest.partition(b"\0")
            return cls(flags, payload[4:32], user, proof, rest)
        length = rest[0]
        if length > 250:
            raise ConnectionResetError("a proof longer than any plugin's")
        return cls(flags, payload[4:32], user, rest[1 : 1 + length], rest[1 + length :])

    def head(self, flags: int) -> bytes:
        """What is sent alone before TLS."""
        return struct.pack("<I", flags) + self.fixed

    def payload(self, flags: int, proof: bytes) -> bytes:
        """The same answer with other flags and another proof."""
        body = proof + b"\0" if not flags & (_SECURE | _LENENC) else bytes([len(proof)]) + proof
        return self.head(flags) + self.user + b"\0" + body + self.rest


class MyFront(Front):
    """A user who exists at :data:`DOOR` shows a token."""

    def serve(self, session: Session, target: Target) -> None:
        """See :meth:`Front.serve`."""
        # from the door whoever it is: the greeting has the session's number, and clients compare
        server = Packets(session.call(target, door=True))
        greeting = server.read()
        client = Packets(session.client)
        client.write(greeting if greeting[0] == _ERROR else _offer(greeting))
        if greeting[0] == _ERROR:
            return
        payload = client.read()
        if struct.unpack_from("<I", payload)[0] & _SSL:
            session.secure(target)
            client.end = session.client
            payload = client.read()
        response = Response.parse(payload)
        user = response.user.decode()
        if self._at_door(target, user):
            if not target.iam:
                self._refuse(
                    session,
                    client.sequence,
                    1524,
                    "HY000",
                    "Plugin 'AWSAuthenticationPlugin' is not loaded",
                    "IAM is off",
                )
            denied = f"Access denied for user '{user}'@'{session.peer}' (using password: YES)"
            if not session.tls:
                self._refuse(session, client.sequence, 1045, "28000", denied, "no TLS")
            client.write(bytes([_SWITCH]) + b"mysql_clear_password\0")
            try:
                session.verify(client.read().rstrip(b"\0").decode("utf-8", "replace"), user, target)
            except Refused as err:
                self._refuse(session, client.sequence, 1045, "28000", denied, str(err))
            self._answer(server, response, b"")
            entered = _enter(client, server)
        else:
            if target.force_tls and not session.tls:
                text = "Connections using insecure transport are prohibited while --require_secure_transport=ON."
                self._refuse(session, client.sequence, 3159, "HY000", text, "no TLS")
            if session.tls and _flags(greeting) & _SSL:
                # a password in clear text, as the client sends it where it has TLS, is asked for only there
                server.write(response.head(response.flags & _KEPT | _SSL))
                server.end = session.wrap(server.end)
            self._answer(server, response, response.proof)
            entered = _relay(client, server)
        if entered:
            session.pump(server.end)

    def _answer(self, server: Packets, response: Response, proof: bytes) -> None:
        tls = _SSL if isinstance(server.end, ssl.SSLSocket) else 0
        server.write(response.payload(response.flags & _KEPT | tls, proof))

    def _at_door(self, target: Target, user: str) -> bool:
        """The user is one for tokens: the server knows it at our address, and asks for no password there."""
        host, port = target.address
        try:
            probe = pymysql.connect(host=host, port=port, user=user, bind_address=DOOR, ssl_disabled=True)
        except pymysql.err.OperationalError:
            return False
        with closing(probe), probe.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            return bool(cursor.fetchone() == (f"{user}@{DOOR}",))

    def _refuse(self, session: Session, sequence: int, number: int, state: str, text: str, why: str) -> NoReturn:
        payload = bytes([_ERROR]) + struct.pack("<H", number) + b"#" + state.encode() + text.encode()
        self.refused(why, session, _framed(payload, sequence))


def _framed(payload: bytes, sequence: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence & 0xFF]) + payload


def _relay(client: Packets, server: Packets) -> bool:
    """What the two say to each other until the server has decided; each counts its own packets."""
    while True:
        said = server.read()
        client.write(said)
        if said[0] in (_OK, _ERROR):
            return said[0] == _OK
        if said != _FAST:  # after which the server goes on by itself
            server.write(client.read())


def _enter(client: Packets, server: Packets) -> bool:
    """The server's decision on a user without a password; the client hears only that."""
    while True:
        said = server.read()
        if said[0] in (_OK, _ERROR):
            client.write(said)
            return said[0] == _OK
        if said != _FAST:
            server.write(b"")


def _place(greeting: bytes) -> int:
    """Where in a greeting the lower half of the flags is; the upper is five bytes on."""
    return greeting.index(b"\0", 1) + 1 + 4 + 8 + 1


def _flags(greeting: bytes) -> int:
    low, high = struct.unpack_from("<H3xH", greeting, _place(greeting))
    return int(low | high << 16)


def _offer(greeting: bytes) -> bytes:
    """The server's greeting, with TLS and without compression."""
    flags, at = (_flags(greeting) & _KEPT) | _SSL, _place(greeting)
    low, high = struct.pack("<H", flags & 0xFFFF), struct.pack("<H", flags >> 16)
    return greeting[:at] + low + greeting[at + 2 : at + 5] + high + greeting[at + 7 :]
