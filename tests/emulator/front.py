# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoints by name: each has a loopback address of its own, and a :class:`~.iamfront.Front` there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from .iamfront import Front, Session, Target


class Plain(Front):
    """No TLS, no tokens: bytes both ways to the server, which asks for a password."""

    def serve(self, session: Session, target: Target) -> None:
        """See :meth:`Front.serve`."""
        session.pump(session.call(target))


#: makes the front of an endpoint that listens there; OSError where it cannot
Maker = Callable[[tuple[str, int]], Front]


def addresses() -> Iterator[str]:
    """Loopback addresses, each process with its own range first."""
    start = os.getpid() * 61
    for number in range(64 * 250):
        there = (start + number) % (64 * 250)
        yield f"127.{64 + there // 250}.{threading.get_native_id() % 250 + 1}.{there % 250 + 1}"


class Fronts:
    """All that are open. Not for several threads at once."""

    def __init__(self) -> None:
        self._free = addresses()
        self._known: dict[str, str] = {}
        self.all: dict[str, Front] = {}

    def open(self, name: str, port: int, make: Maker) -> None:
        """Listen for a name; it keeps its address for as long as this object lives.

        :raises OSError: the port is free on no loopback address (elsewhere than on Linux there is only one).
        """
        for address in (self._known.get(name), *(next(self._free) for _ in range(20))):
            if address:
                try:
                    self.all[name] = make((address, port))
                except OSError:
                    continue
                self._known[name] = address
                return
        raise OSError(f"port {port} is free on no loopback address")

    def close(self, name: str) -> None:
        """Listen no more, and end the sessions."""
        self.all.pop(name).close()

    def drop(self, name: str) -> None:
        """End the sessions of a name."""
        self.all[name].drop()

    def names(self) -> dict[str, str]:
        """All open names, with their addresses."""
        return {name: front.host for name, front in self.all.items()}

    def stop(self) -> None:
        """Close everything."""
        for name in list(self.all):
            self.close(name)
