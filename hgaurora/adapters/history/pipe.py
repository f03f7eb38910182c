# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""History from the hg process that started us, over a socket; :mod:`.inprocess` answers.

A request is one line of JSON: ``call`` and its arguments. An answer is one line of JSON, whose ``bytes`` says how much
content follows it. An answer that holds ``refused`` is a message and a hint of hg's.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...core.errors import Interrupted
from ...core.model import Changeset
from .base import BaseHistory, Entry, from_hg


class Channel:
    """Our end of the socket. Thread-safe; one request at a time."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # no child of ours must keep it open
        self._socket = socket.socket(fileno=fd)
        self._stream = self._socket.makefile("rb")
        self._lock = threading.Lock()

    def ask(self, call: str, **arguments: object) -> tuple[dict[str, Any], bytes]:
        """Send, and wait for the answer.

        :raises InputError: hg refused.
        :raises Interrupted: hg is gone.
        """
        with self._lock:
            try:
                self._send(call, arguments)
                line = self._stream.readline()
                answer = json.loads(line) if line else None
                content = self._stream.read(answer.get("bytes", 0)) if answer else b""
            except OSError as error:
                raise _gone() from error
        if answer is None:
            raise _gone()
        if "refused" in answer:
            raise from_hg(*answer["refused"])
        return answer, content

    def tell(self, call: str, **arguments: object) -> None:
        """Send; there is no answer. Nobody there to hear it is no error."""
        with self._lock:
            try:
                self._send(call, arguments)
            except OSError:
                return

    def _send(self, call: str, arguments: dict[str, object]) -> None:
        self._socket.sendall(json.dumps({"call": call, **arguments}).encode("ascii") + b"\n")


class PipeHistory(BaseHistory):
    """:class:`hgaurora.ports.History` of the repository that hg has open."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @cached_property
    def root(self) -> Path:
        """The repository's root."""
        return Path(self._channel.ask("root")[0]["root"])

    def config(self, name: str) -> str | None:
        """A value of ``[hgaurora]`` in hgrc, or None; what hg does not trust is not seen."""
        return self._channel.ask("config", name=name)[0]["value"] or None

    def user(self) -> str:
        """``HGUSER``, ``ui.username``, ``EMAIL``, or the login name: hg's own order."""
        return str(self._channel.ask("user")[0]["user"])

    def close(self) -> None:
        """Nothing: the connection is the process's, and also carries prompts."""

    def _log(self, revset: str, *, hidden: bool, typed: bool = False) -> Changeset | None:
        found = self._channel.ask("log", revset=revset, hidden=hidden, typed=typed)[0]["changeset"]
        return None if found is None else Changeset(**{**found, "tags": tuple(found["tags"])})

    def _requirements(self) -> set[str]:
        return set(self._channel.ask("requirements")[0]["requirements"])

    def _manifest(self, node: str, folders: Sequence[str]) -> list[Entry]:
        return [Entry(*row) for row in self._channel.ask("manifest", node=node, folders=list(folders))[0]["files"]]

    def _read(self, node: str, folders: Sequence[str], paths: Sequence[str], *, subrepos: bool) -> dict[str, bytes]:
        answer, content = self._channel.ask("read", node=node, paths=list(paths))
        found: dict[str, bytes] = {}
        start = 0
        for path, size in zip(paths, answer["sizes"], strict=True):
            found[path] = content[start : start + size]
            start += size
        return found


def _gone() -> Interrupted:
    return Interrupted("hg, which started this run, is gone", hint="hgaurora status shows where things stand")
