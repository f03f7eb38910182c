# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors, by whose move it is.

::

    HgAuroraError
    +-- InputError        10   the command line or a file in the repository is wrong
    +-- StateError        20   not possible in the state things are in now
    |   +-- LockHeld      21   another deploy or revert holds the environment
    |   +-- DriftError    22   the database is not what the ledger recorded
    +-- ConfigError       30   hgaurora.toml or hgrc is wrong
    +-- PolicyError       40   a rule refused
    +-- MigrationFailed   60   a migration failed; the state is said
    +-- RemoteError      100   a database, AWS or the network did not answer
    +-- SecurityError    150   wrong account, identity or TLS name
    +-- Interrupted      240   half way; the next run goes on
    +-- Declined         250   a person said no at a prompt

Each error says what happened (``message``), what state things are in now (``state``)
and what to do next (``hint``), and carries ``data`` for JSON. Front ends only format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class HgAuroraError(Exception):
    """Base of every foreseeable error.

    :param message: what happened; lower case, no full stop.
    :param state: what is true now, such as ``this run changed nothing``.
    :param hint: the next action, whole and ready to copy.
    :param data: fields for ``--json``; JSON-serialisable.
    """

    exit_code: ClassVar[int] = 255

    def __init__(
        self,
        message: str,
        *,
        state: str | None = None,
        hint: str | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.hint = hint
        self.data: dict[str, object] = dict(data or {})

    def as_json(self) -> dict[str, object]:
        """The object that ``--json`` prints for this error."""
        return {
            "error": type(self).__name__,
            "exit": self.exit_code,
            "message": self.message,
            "state": self.state,
            "hint": self.hint,
            "data": self.data,
        }


class InputError(HgAuroraError):
    """The command line, or a file in the repository, is wrong."""

    exit_code = 10


class StateError(HgAuroraError):
    """Not possible in the state things are in; another state would allow it."""

    exit_code = 20


class LockHeld(StateError):
    """Another deploy or revert holds the environment's lock."""

    exit_code = 21


class DriftError(StateError):
    """The database is not what the ledger last recorded."""

    exit_code = 22


class SnapshotTaken(StateError):
    """Somebody else's snapshot has the name that ours was to have."""


class SnapshotsFull(StateError):
    """There are as many snapshots as there may be; none was begun."""


class ConfigError(HgAuroraError):
    """``hgaurora.toml`` or the ``[hgaurora]`` section of hgrc is wrong."""

    exit_code = 30


class PolicyError(HgAuroraError):
    """A rule refused; ``data['findings']`` lists every finding."""

    exit_code = 40


class MigrationFailed(HgAuroraError):
    """A migration raised, or broke a rule of running; ``state`` says what is in force."""

    exit_code = 60


class RemoteError(HgAuroraError):
    """A database, AWS or the network did not do as asked."""

    exit_code = 100


class SecurityError(HgAuroraError):
    """Wrong account, identity or TLS name."""

    exit_code = 150


class Interrupted(HgAuroraError):
    """Stopped half way; the next run finishes or restores."""

    exit_code = 240


class Declined(HgAuroraError):
    """A person said no at a prompt."""

    exit_code = 250


#: name to exit code, for the documentation and for tests
EXIT_CODES: dict[str, int] = {
    cls.__name__: cls.exit_code
    for cls in (
        InputError,
        StateError,
        LockHeld,
        DriftError,
        ConfigError,
        PolicyError,
        MigrationFailed,
        RemoteError,
        SecurityError,
        Interrupted,
        Declined,
    )
}
