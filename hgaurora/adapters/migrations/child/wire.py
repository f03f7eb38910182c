# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The socket to the parent, and the two ways to stop."""

from __future__ import annotations

import collections
import json
import os
import socket
import threading
from typing import Any

#: how much of a statement's text is kept for showing, in characters
SHOWN = 4000


class Gone(BaseException):
    """The parent is gone, or told us to end."""


class Refused(Exception):
    """A script broke a rule of running; ``what`` names the rule for programs."""

    def __init__(self, what: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.what = what
        self.hint = hint
        #: when an earlier run began the step, where this is about what that did (ISO 8601)
        self.since = ""


class Parent:
    """The socket to the parent. Answers to our questions may come between its requests."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self._waiting: collections.deque[dict[str, Any]] = collections.deque()
        self._asking = threading.Lock()
        # a process that a script forks has no business with the parent
        os.register_at_fork(after_in_child=lambda: os.close(fd))

    def send(self, **message: Any) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Gone from error

    def request(self) -> dict[str, Any]:
        """The next request, in order."""
        return self._waiting.popleft() if self._waiting else self._read()

    def ask(self, answer: str, **question: Any) -> dict[str, Any]:
        """Ask, and wait for the message that answers."""
        with self._asking:
            self.send(**question)
            while (message := self._read()).get("do") != answer:
                self._waiting.append(message)
            return message

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise Gone from error
        if not line.endswith(b"\n"):
            raise Gone
        message: dict[str, Any] = json.loads(line)
        return message
