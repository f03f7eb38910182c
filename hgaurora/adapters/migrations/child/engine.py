# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between the engines, and the choice of one: a job's driver is imported here and no other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy.engine import URL


class Engine(Protocol):
    """One engine's driver, connections and session."""

    #: the driver's name in SQLAlchemy's URLs and in messages
    driver: str
    #: the base class of the driver's errors
    errors: type[Exception]

    def url(self) -> URL:
        """The database without a secret, for SQLAlchemy 2.0 and later alike."""

    def connect(self, dialect: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """SQLAlchemy's ``do_connect``: fill secret, TLS and timeouts into a physical connection of any engine in this
        process; on the environment's database it is a guarded one. None: SQLAlchemy connects by itself."""

    def guards(self, raw: Any) -> bool:
        """True for a connection that :meth:`connect` made on the environment's database."""

    def guard(self, raw: Any) -> Any:
        """The guard of such a connection, from now on in force."""

    def lock(self, guard: Any) -> dict[str, Any]:
        """Try to take the environment's lock: ``held``, ``pid`` of the server session, ``distrust`` (a finding or
        nothing)."""

    def recovered(self, guard: Any, connection: Any) -> bool:
        """Bring a connection (SQLAlchemy's is ``connection``) back out of a failed step; False where it is gone, and
        the lock with it."""

    def stands(self, guard: Any) -> str:
        """What is left of a step that failed, in words; empty: what the number of its open journal rows says."""

    def idle(self, guard: Any) -> bool:
        """True where no transaction is open."""

    def put_back(self, guard: Any) -> None:
        """The session's settings as they were before any script."""

    def unlock(self, guard: Any) -> None:
        """Let go of the lock and close, so that the next run need not wait until the server has noticed."""

    def said(self, error: Any) -> dict[str, Any]:
        """What an error of the driver says, as data: ``message``, ``sqlstate`` and others; ``again`` where the
        statement had no effect and the same step may be tried again; ``position`` (of a character in what was sent,
        from 1) where it is known."""

    def not_replaced(self, error: Any) -> bool:
        """True where ``CREATE OR REPLACE`` did not take what it was given for what is there."""


def load(job: dict[str, Any], password: Callable[..., str | None], trace: Callable[[str, str], None]) -> Engine:
    """The engine of a job.

    :param password: a connection's; with the one that the server did not take as its argument, another one to try.
    :raises ImportError: its driver is missing.
    """
    module = importlib.import_module(f".{job['engine']}.engine", __package__)
    engine: Engine = module.Engine(job, password, trace)
    return engine
