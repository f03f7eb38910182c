# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A proxy before MySQL that reads each command a client sends, numbers it, and strikes at one of them.

It knows nothing of who sends: ours and bare Alembic are struck in the same way. A packet is three bytes of length, one
of sequence and a payload; the first packet of a command has sequence 0, and in its payload the first byte is the
command (MySQL Internals, "Client/Server Protocol"). TLS is taken out of what the server offers.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.points import Mark

QUERY, QUIT, INIT = 0x03, 0x01, 0x02
_SSL = 0x0800

#: what is done at a point: the whole process group is killed, or the one connection is cut
KILL, CUT = "kill", "cut"
#: a statement is not sent; its answer is not handed on; it is sent, waits in the server, and goes on there by itself
BEFORE, AFTER, AMID = "before", "after", "amid"


@dataclass(frozen=True)
class Aim:
    """What is done, and where."""

    mark: Mark
    how: str = KILL

    def __str__(self) -> str:
        return f"{self.how} {self.mark}"

    @classmethod
    def parse(cls, text: str) -> Aim:
        """What :meth:`__str__` made. :raises ValueError: it is none."""
        found = re.fullmatch(r"(kill|cut) (before|amid|after) (.+) #(\d+)", text, re.DOTALL)
        if not found:
            raise ValueError(f"not a cell: {text!r}")
        return cls(Mark(found[3], int(found[4]), found[2]), found[1])


@dataclass(frozen=True)
class Said:
    """A statement as it was sent, by which of the connections, counted from 1."""

    label: str
    text: str
    link: int


def shortened(sql: str, database: str = "") -> str:
    """A statement on one line, without what is drawn anew in each run, nor the database's name."""
    text = " ".join(re.sub(rf"`?{database}`?\.", "", sql).split() if database else sql.split())
    text = re.sub(r"'[^']*'", lambda found: found[0] if len(found[0]) < 22 else "'...'", text)
    text = re.sub(r"\b[0-9a-f]{8,}(-[0-9a-f]{4,})*\b|\b\d{3,}\b|\d\d:\d\d:\d\d(\.\d+)?", "N", text)
    return text[:90].strip()


class Wiretap:
    """Stands on a free port of the loopback before a server.

    :ivar marks: the two sides of every statement so far, of all connections.
    :ivar said: the statements as they were sent, in order.
    :ivar struck: the statement that was struck at, in full.
    :ivar error: what went wrong here: the cell shows nothing.
    """

    def __init__(self, host: str, port: int, database: str) -> None:
        self._to = (host, port)
        self._database = database
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self.start(None, lambda: None)
        threading.Thread(target=self._accept, daemon=True).start()

    def start(
        self, aim: Aim | None, kill: Callable[[], None], amid: Callable[[str], Held | None] | None = None
    ) -> None:
        """Count anew. ``kill`` ends the client; ``amid`` makes a statement wait in the server."""
        with self._lock:
            self._aim, self._kill, self._amid = aim, kill, amid
            self.marks: list[Mark] = []
            self.said: list[Said] = []
            #: what the server was sent
            self.passed: list[str] = []
            self._links = 0
            self.struck: str | None = None
            self.held: Held | None = None
            self.reached = False
            self.error: Exception | None = None
            self._counts: Counter[str] = Counter()

    def close(self) -> None:
        """Take no more connections, and end those there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still = list(self._open)
        for end in still:
            _shut(end)

    def __enter__(self) -> Wiretap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def link(self) -> int:
        """The number of a new connection."""
        with self._lock:
            self._links += 1
            return self._links

    def command(self, payload: bytes, link: int) -> tuple[Mark, str] | None:
        """Number one; None for what is no statement."""
        if payload[0] != QUERY:
            return None
        # with CLIENT_QUERY_ATTRIBUTES, which PyMySQL does not set, more would stand in front
        text = payload[1:].decode(errors="replace")
        label = shortened(text, self._database)
        with self._lock:
            self._counts[label] += 1
            number = self._counts[label]
            self.said.append(Said(label, text, link))
            self.marks += [Mark(label, number, side) for side in (BEFORE, AFTER)]
        return Mark(label, number, BEFORE), text

    def strikes(self, mark: Mark, side: str, text: str) -> bool:
        """True, once, where this is the aim."""
        with self._lock:
            aim = self._aim
            if self.reached or aim is None or aim.mark.key != (mark.label, mark.number, side):
                return False
            self.reached, self.struck = True, text
        return True

    def strike(self) -> None:
        """End the client, or leave it alive without its connection."""
        assert self._aim is not None
        if self._aim.how == KILL:
            self._kill()

    def hold(self, text: str) -> None:
        """Something that the statement has to wait for."""
        assert self._amid is not None
        self.held = self._amid(text)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._to)
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {client, server}
                link = _Link(self, client, server)
                for work in (link.up, link.down):
                    threading.Thread(target=self._run, args=(work, client, server), daemon=True).start()

    def _run(self, work: Callable[[], None], client: socket.socket, server: socket.socket) -> None:
        try:
            work()
        except OSError:
            pass  # either end is gone: so is the other, below
        except Exception as error:
            self.error = error
        for end in (client, server):
            _shut(end)
        with self._lock:
            self._open -= {client, server}


@dataclass
class Held:
    """A statement that waits in the server until :meth:`release` is called."""

    let_go: Callable[[], None]
    waits: Callable[[], bool]
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let it go on; its connection is closed then."""
        self.let_go()
        self.released.set()


class _Link:
    """One connection."""

    def __init__(self, tap: Wiretap, client: socket.socket, server: socket.socket) -> None:
        self._tap, self._client, self._server = tap, client, server
        self._number = tap.link()
        self._pending: tuple[Mark, str] | None = None
        self._cut = False

    def up(self) -> None:
        """What the client says."""
        data = b""
        while part := self._client.recv(1 << 16):
            data += part
            while len(data) >= 4 and len(data) >= (size := 4 + int.from_bytes(data[:3], "little")):
                packet, data = data[:size], data[size:]
                if packet[3] == 0 and size > 4 and not self._sent(packet):
                    return
                if packet[3] != 0:
                    self._server.sendall(packet)

    def _sent(self, packet: bytes) -> bool:
        """Hand a command on; False where the connection is over."""
        named = self._tap.command(packet[4:], self._number)
        if named is None:
            self._server.sendall(packet)
            return True
        mark, text = named
        if self._tap.strikes(mark, BEFORE, text):
            self._cut = True
            self._tap.strike()
            return False
        if self._tap.strikes(mark, AMID, text):
            self._tap.hold(text)
            self._cut = True
            self._tap.passed.append(text)
            self._server.sendall(packet)
            held = self._tap.held
            if held is not None:
                held.waits()
            self._tap.strike()
            if held is not None:
                # as where the client's machine is gone: no packet says so, else the server ends what waits in a second
                held.released.wait(60)
            return False
        self._pending = named
        self._tap.passed.append(text)
        self._server.sendall(packet)
        return True

    def down(self) -> None:
        """What the server says."""
        part = self._server.recv(1 << 16)
        self._client.sendall(_without_tls(part))
        while part := self._server.recv(1 << 16):
            pending, self._pending = self._pending, None
            if pending is not None and self._tap.strikes(pending[0], AFTER, pending[1]):
                self._cut = True
                self._tap.strike()
                return
            if not self._cut:
                self._client.sendall(part)


def _without_tls(greeting: bytes) -> bytes:
    """A server's first packet without its offer of TLS; an error packet as it is."""
    if len(greeting) < 5 or greeting[4] != 10:
        return greeting
    # protocol 1, version until NUL, thread 4, first part of the challenge 8, filler 1, then capabilities
    at = greeting.index(0, 5) + 1 + 4 + 8 + 1
    (flags,) = struct.unpack_from("<H", greeting, at)
    return greeting[:at] + struct.pack("<H", flags & ~_SSL) + greeting[at + 2 :]


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def kill_tree(pid: int) -> None:
    """``kill -9`` for a process and all that it started; the first is stopped, so that it starts nothing more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    for one in [pid, *_below(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for one in (task / "children").read_text().split():
                found += [int(one), *_below(int(one))]
    return found
