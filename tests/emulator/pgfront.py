# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The front of Aurora PostgreSQL (PostgreSQL manual, "Frontend/Backend Protocol")."""

from __future__ import annotations

import struct
from typing import NoReturn

from tests.emulator.iamfront import Front, Refused, Session, Socket, Target, receive

_TLS, _GSS, _CANCEL = 80877103, 80877104, 80877102
_AUTHORIZATION = "28000"


class PgFront(Front):
    """A user who has the role ``rds_iam`` shows a token; the server's ``pg_hba.conf`` says who has it."""

    def serve(self, session: Session, target: Target) -> None:
        """See :meth:`Front.serve`."""
        while True:
            length, code = struct.unpack("!II", receive(session.client, 8))
            rest = receive(session.client, length - 8)
            if code == _TLS:
                session.client.sendall(b"S")
                session.secure(target)
            elif code == _GSS:
                session.client.sendall(b"N")
            else:
                break
        start = struct.pack("!II", length, code) + rest
        if code == _CANCEL:
            server = session.call(target)
            server.sendall(start)
            server.recv(1)  # it closes when it has done so
            return
        words = rest.split(b"\0")
        settings = {name.decode(): value.decode() for name, value in zip(words[::2], words[1::2], strict=False)}
        user = settings["user"]
        who = f'host "{session.peer}", user "{user}", database "{settings.get("database", user)}", no encryption'
        if target.iam and (found := self._door(session, target, start)):
            server, said = found
            if not session.tls:
                self._refuse(session, f"pg_hba.conf rejects connection for {who}", "no TLS")
            session.client.sendall(_message(b"R", struct.pack("!I", 3)))
            kind, password = _read(session.client)
            if kind != b"p":
                raise ConnectionResetError("no password")
            try:
                session.verify(password.rstrip(b"\0").decode(), user, target)
            except Refused as err:
                self._refuse(session, f'PAM authentication failed for user "{user}"', str(err))
            session.client.sendall(said)
        else:
            if target.force_tls and not session.tls:
                self._refuse(session, f"no pg_hba.conf entry for {who}", "no TLS")
            server = session.call(target)
            server.sendall(start)
        session.pump(server)

    def _door(self, session: Session, target: Target, start: bytes) -> tuple[Socket, bytes] | None:
        """The connection of a user with ``rds_iam``, and what the server has said; None for others."""
        server = session.call(target, door=True)
        server.sendall(start)
        said = b""
        while True:
            kind, payload = _read(server)
            said += _message(kind, payload)
            if kind == b"R":
                return (server, said) if payload == b"\0\0\0\0" else None
            if kind == b"E":
                return None

    def _refuse(self, session: Session, text: str, why: str) -> NoReturn:
        fields = {b"S": "FATAL", b"V": "FATAL", b"C": _AUTHORIZATION, b"M": text, b"R": "ClientAuthentication"}
        payload = b"".join(kind + value.encode() + b"\0" for kind, value in fields.items()) + b"\0"
        self.refused(why, session, _message(b"E", payload))


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


def _read(end: Socket) -> tuple[bytes, bytes]:
    head = receive(end, 5)
    return head[:1], receive(end, int.from_bytes(head[1:]) - 4)
