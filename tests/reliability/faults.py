# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP proxies on loopback: one cuts or freezes connections at a message that is named by a part of it, one shares
sessions of MySQL among its clients."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hgaurora.ports import Connection


@dataclass
class Fault:
    """What is done to the connection that a client's message with ``text`` is seen on, once; not before one with
    ``behind`` was seen.

    ``cut``: both sides are closed, ``before`` the message is handed on or ``after`` (its answer is lost). ``freeze``:
    from then on no packet gets through in either direction, and none is acknowledged.
    """

    text: bytes
    side: str = "before"
    behind: bytes = b""
    freeze: bool = False
    struck: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Stands before a server; tells ``on_server`` what the server says, which may be changed there."""

    def __init__(self, host: str, port: int, fault: Fault | None = None) -> None:
        #: the server; what connects from now on goes to it
        self.to = (host, port)
        self.fault = fault
        self.on_server: Callable[[bytes], bytes] = lambda data: data
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def through(self, connection: Connection) -> Connection:
        """The same database, by way of here."""
        return replace(connection, parameters={**connection.parameters, "host": "127.0.0.1", "port": str(self.port)})

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listener, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self.to)
                    for one in (client, server):
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                except OSError:
                    _close(client)  # as the server itself would, where it does not run
                    continue
                self._sockets += [client, server]
                threading.Thread(target=self._clients, args=(client, server), daemon=True).start()
                threading.Thread(target=self._servers, args=(server, client), daemon=True).start()

    def _clients(self, client: socket.socket, server: socket.socket) -> None:
        behind = False
        with suppress(OSError):
            while data := client.recv(1 << 16):
                fault = self.fault
                strikes = fault is not None and behind and fault.text in data and not fault.struck.is_set()
                behind = behind or fault is None or fault.behind in data
                if fault is None or not strikes:
                    server.sendall(data)
                    continue
                if fault.freeze:
                    server.sendall(data)
                    for one in (client, server):
                        deaf(one)
                elif fault.side == "before":
                    _close(server)
                    _close(client)
                else:
                    # the client is gone before the answer; the server reads all of it, then the end
                    _close(client)
                    server.sendall(data)
                    server.shutdown(socket.SHUT_WR)
                fault.struck.set()
                return
            server.shutdown(socket.SHUT_WR)

    def _servers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            # a server that was killed ends with a reset
            with suppress(ConnectionResetError):
                while data := server.recv(1 << 16):
                    client.sendall(self.on_server(data))
            client.shutdown(socket.SHUT_WR)


def _close(one: socket.socket) -> None:
    """With a reset, as where a machine is gone."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def deaf(one: socket.socket) -> None:
    """From now on the kernel drops each packet for this socket, so that none is acknowledged: to the other side it is a
    machine that is gone, or a path that drops packets. A filter of one instruction, "return 0" (socket(7),
    SO_ATTACH_FILTER); no right is needed."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    filters = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
    one.setsockopt(socket.SOL_SOCKET, 26, filters)  # SO_ATTACH_FILTER


class Pooler(FaultProxy):
    """Shares the sessions of a MySQL or MariaDB server among its clients, as ProxySQL does where nothing pins them:
    each command goes to the first session that is free.

    Each client logs in at a session of its own, which then belongs to all. ``honest``: clients are greeted with a
    number that is the pooler's own, as poolers do; else with that of the session they logged in at.
    """

    def __init__(self, host: str, port: int, *, honest: bool = True) -> None:
        self._honest = honest
        self._free: list[socket.socket] = []
        self._some = threading.Condition()
        super().__init__(host, port)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.to)
                self._sockets += [client, server]
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, EOFError):
            self._log_in(client, server)
            self._give(server)
            while (command := _packet(client))[4:5] != b"\x01":  # COM_QUIT
                with self._some:
                    self._some.wait_for(lambda: self._free)
                    session = self._free.pop(0)
                session.sendall(command)
                answer = _answer(session)
                # before its client knows: whoever asks next, gets this one
                self._give(session)
                client.sendall(answer)
        client.close()

    def _give(self, session: socket.socket) -> None:
        """To the front: clients that take turns get the same one."""
        with self._some:
            self._free.insert(0, session)
            self._some.notify()

    def _log_in(self, client: socket.socket, server: socket.socket) -> None:
        """Hand on what both say until the server says yes."""
        greeting = bytearray(_packet(server))
        number = greeting.index(b"\0", 5) + 1
        if self._honest:
            greeting[number : number + 4] = struct.pack("<I", 1_000_000_007)
        # behind the number, eight bytes of a challenge and a zero: the low flags. CLIENT_SSL: nothing of it here
        greeting[number + 14] &= ~0x08
        client.sendall(greeting)
        login = bytearray(_packet(client))
        login[6] |= 1  # CLIENT_MULTI_STATEMENTS: what one of them may, all may
        server.sendall(login)
        while (said := _packet(server))[4:5] != b"\0":
            client.sendall(said)
            if said[4:5] == b"\xff":
                raise EOFError
            if said[4:6] != b"\x01\x03":  # fast authentication is over: OK follows
                server.sendall(_packet(client))
        client.sendall(said)


def _packet(one: socket.socket) -> bytes:
    """A packet with its header: three bytes of length, its number (MySQL's protocol, "Protocol Basics").

    :raises EOFError: the other side has hung up.
    """
    data = bytearray()
    wanted = 4
    while len(data) < wanted:
        if not (more := one.recv(wanted - len(data))):
            raise EOFError
        data += more
        if len(data) == 4:
            wanted = 4 + int.from_bytes(data[:3], "little")
    return bytes(data)


def _answer(server: socket.socket) -> bytes:
    """The whole answer to a command: results, one after the other while the server says that there are more."""
    answer = bytearray()
    more = True
    while more:
        answer += (first := _packet(server))
        if first[4] == 0xFF:
            break
        if first[4] == 0:
            _, at = _number(first, 5)
            _, at = _number(first, at)
        else:
            ends = 0  # of the columns, then of the rows
            while ends < 2:
                answer += (last := _packet(server))
                if last[4] == 0xFF:
                    return bytes(answer)
                ends += last[4] == 0xFE and len(last) < 13
            first, at = last, 7
        more = bool(int.from_bytes(first[at : at + 2], "little") & 8)  # SERVER_MORE_RESULTS_EXISTS
    return bytes(answer)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing begins."""
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(data[at], 0)
    return (int.from_bytes(data[at + 1 : at + 1 + size], "little") if size else data[at]), at + 1 + size
