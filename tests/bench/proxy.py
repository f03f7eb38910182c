# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP proxy that counts round trips, so that they can be told without regard to the machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Stands on a free port of the loopback before a server.

    A round trip is a turn: the client sends something where the server spoke last, or nobody yet. That it is followed
    by an answer is not waited for: a client that ends with a message of goodbye is counted for it.

    :param host: where the server is, with its port.
    :ivar trips: turns so far, of all connections.
    :ivar connections: connections so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.trips = self.connections = 0
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, url: str) -> str:
        """The same database, through here."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        at = f"127.0.0.1:{self._listener.getsockname()[1]}"
        return urlunsplit(parts._replace(netloc=f"{user}@{at}" if user else at))

    def close(self) -> None:
        """Take no more connections."""
        # a thread that waits in accept() is woken by this, not by close()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._counting:
                    self.connections += 1
                turn = _Turn(self)
                for source, sink, said in ((client, server, turn.client), (server, client, turn.server)):
                    threading.Thread(target=_pass, args=(source, sink, said), daemon=True).start()


class _Turn:
    """Who of one connection spoke last."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._spoke = "server"

    def client(self) -> None:
        with self._proxy._counting:
            self._proxy.trips += self._spoke == "server"
            self._spoke = "client"

    def server(self) -> None:
        self._spoke = "server"


def _pass(source: socket.socket, sink: socket.socket, said: Callable[[], None]) -> None:
    """Hand on what comes, until the source ends or either is gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            said()
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
