# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP proxy on loopback that cuts or freezes connections, at a message that is named by a part of it."""

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
    """Stands before a server; tells ``on_server`` what the server says, which may be changed there (same length)."""

    def __init__(self, host: str, port: int, fault: Fault | None = None) -> None:
        self._to = (host, port)
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
                server = socket.create_connection(self._to)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
