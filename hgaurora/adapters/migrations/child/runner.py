# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Serves the parent's requests: Alembic, its environment, and one step after another."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from . import engine
from .plan import planned
from .wire import SHOWN, Gone, Parent, Refused


class Child:
    """Serves the parent's requests until it closes."""

    def __init__(self, parent: Parent, job: dict[str, Any]) -> None:
        self.parent = parent
        self.job = job
        self.engine = engine.load(job, self.password, self.trace)
        self.guard: Any = None
        self.connection: Any = None
        self.pending: dict[str, Any] | None = None
        self.directories: dict[bool, ScriptDirectory] = {}
        self.statements = 0
        #: the text of the repeatable file that runs
        self.file = ""
        self.ended = False
        event.listen(Engine, "do_connect", self.connect)

    # -- connections

    def connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """For each physical connection of any SQLAlchemy engine in this process."""
        return self.engine.connect(dialect, cargs, cparams)

    def password(self, refused: str | None = None) -> str | None:
        """The password for a connection; another one, or None, where the server did not take the one before."""
        secret: str | None = self.parent.ask("password", **{"is": "password", "refused": refused})["password"]
        return secret

    def trace(self, when: str, what: str) -> None:
        if self.job["trace"]:
            self.parent.ask("go", **{"is": "trace", "when": when, "what": what})

    # -- Alembic's set-up

    def config(self) -> Config:
        path = os.path.join(self.job["folder"], "alembic.ini")
        config = Config(path)
        for name, value in self.job["options"].items():
            text = value.replace("{url}", self.engine.url().render_as_string(hide_password=False))
            config.set_main_option(name, text.replace("%", "%%"))
        config.set_main_option("script_location", os.path.join(self.job["folder"], "target"))
        return config

    def directory(self, recorded: bool) -> ScriptDirectory:
        """The scripts of the target changeset, or the recorded ones; read at first use."""
        if recorded not in self.directories:
            root = os.path.join(self.job["folder"], "recorded" if recorded else "target")
            places = [os.path.join(root, place) for place in self.job["version_locations"]]
            found = self.directories[recorded] = ScriptDirectory(root, version_locations=places)
            found.get_heads()
        return self.directories[recorded]

    def prepare(self) -> None:
        """Imports that migrations rely on, before any script is read."""
        folder = self.job["folder"]
        sys.path[:0] = [os.path.normpath(os.path.join(folder, "code", path)) for path in self.job["paths"]]
        for name in self.job["imports"]:
            importlib.import_module(name)

    def ours(self) -> None:
        engine = sqlalchemy.create_engine(self.engine.url(), poolclass=NullPool, hide_parameters=True)
        with engine.connect() as connection:
            directory = self.directory(False)
            if self.job["recorded"]:
                self.directory(True)
            with EnvironmentContext(self.config(), directory, fn=self.steps) as environment:
                self.configure(environment, environment.configure, connection=connection)
                self.loop(environment)

    def project(self) -> None:
        if not os.path.exists(os.path.join(self.job["folder"], "target", "env.py")):
            raise Refused(
                "env",
                "there is no env.py beside the migrations in the changeset",
                'commit it, or set env = "ours" in [project] of hgaurora.toml',
            )
        environment = EnvironmentContext(self.config(), self.directory(False), fn=self.steps)
        configure = environment.configure
        environment.configure = functools.partial(self.configure, environment, configure)  # type: ignore[method-assign]
        environment.run_migrations = functools.partial(self.loop, environment)  # type: ignore[method-assign]
        with environment:
            self.directory(False).run_env()

    def configure(self, environment: Any, original: Any, connection: Any = None, **options: Any) -> None:
        """``context.configure`` with what makes a migration ours: whatever else is configured stays."""
        if connection is None:
            raise Refused("env", "env.py configures Alembic without a connection", "give configure() a connection")
        for name in ("version_table", "version_table_schema"):
            given, wanted = options.get(name), self.job[name]
            if given is not None and given != wanted:
                raise Refused("env", f"env.py names {name} {given!r}, the environment's settings say {wanted!r}")
            options[name] = wanted
        connection = self.outside_transactions(connection)
        raw = connection.connection.driver_connection
        if not self.engine.guards(raw):
            raise Refused(
                "env",
                f"env.py connects with {connection.dialect.driver} to "
                f"{connection.engine.url.render_as_string(hide_password=True)}, "
                f"which is not the environment's database by {self.engine.driver}",
                'in [project.alembic-options] set sqlalchemy.url = "{url}", or let env.py read it from its config',
            )
        callbacks = options.pop("on_version_apply", None) or ()
        options["on_version_apply"] = (
            *(callbacks if isinstance(callbacks, (tuple, list)) else (callbacks,)),
            self.version,
        )
        options.update(transaction_per_migration=True, transactional_ddl=None)
        self.connection = connection
        if self.guard is None or self.guard.connection is not raw:
            self.guard = self.engine.guard(raw)
        original(connection=connection, **options)

    @staticmethod
    def outside_transactions(connection: Any) -> Any:
        """A connection that is in no transaction, because inside one Alembic leaves all commits to its owner."""
        if connection.in_transaction():
            connection.commit()
        try:
            connection.begin().rollback()
        except sqlalchemy.exc.InvalidRequestError:
            # env.py holds it in a block of its own
            options = connection.get_execution_options()
            return connection.engine.connect().execution_options(**options)
        return connection

    # -- requests

    def serve(self) -> None:
        try:
            self.prepare()
            if self.job["env"] == "project":
                self.project()
            else:
                self.ours()
            if not self.ended:
                raise Refused(
                    "env", "env.py ended without running migrations", "it has to call context.run_migrations()"
                )
        except Gone:
            raise
        except BaseException as error:
            self.refuse(error)
        if self.guard is not None:
            self.engine.unlock(self.guard)
        self.parent.send(**{"is": "final"})

    def refuse(self, error: BaseException) -> None:
        """Nothing can run: say so to whatever is asked."""
        told = {**self.described(error), "fatal": True}
        while not self.ended and self.parent.request()["do"] != "close":
            self.parent.send(**told)
        self.ended = True

    def next(self) -> dict[str, Any] | None:
        """Serve what is asked until a step is to be run; None: the end."""
        assert self.guard is not None
        while True:
            request = self.parent.request()
            if request["do"] == "run":
                return request
            if request["do"] == "close":
                self.ended = True
                return None
            try:
                if request["do"] == "lock":
                    self.parent.send(**{"is": "locked", **self.engine.lock(self.guard)})
                else:
                    self.guard.belong(request["deployment"], request["epoch"])
                    self.parent.send(**{"is": "begun"})
            except self.engine.errors as error:
                self.parent.send(**self.described(error))

    def loop(self, environment: Any, **arguments: Any) -> None:
        """``context.run_migrations``: steps as the parent asks for them, and again after one failed."""
        context = environment.get_context()
        self.pending = self.next()
        while self.pending is not None:
            try:
                with Operations.context(context):
                    context.run_migrations(**arguments)
            except Gone:
                raise
            except BaseException as error:
                told = self.described(error)
                assert self.guard is not None
                committing = self.guard.committing
                self.guard.over()
                told["state"] = self.engine.stands(self.guard)
                told["half"] = len(self.guard.open.get(self.guard.key, ()))
                told["fatal"] = dead = not self.recovered()
                if dead and committing:
                    told = {**told, "is": "unknown"}
                self.parent.send(**told)
                if dead:
                    self.ended = True
                    return
                self.pending = self.next()

    def recovered(self) -> bool:
        """Bring the connection back out of a failed step; False where it is gone, and the lock with it."""
        return self.guard is not None and self.engine.recovered(self.guard, self.connection)

    def steps(self, heads: Any, context: Any) -> Iterator[RevisionStep]:
        """What Alembic's ``run_migrations`` walks: a generator that waits for the parent between steps."""
        guard = self.guard
        assert guard is not None
        while self.pending is not None:
            if self.connection.in_transaction():
                self.connection.commit()
            asked, self.file = self.pending["step"], ""
            guard.start(asked)
            if "sql" in self.pending:
                self.repeat(self.pending["sql"], self.pending["instead"], self.pending["versions"])
            else:
                directory = self.directory(self.pending["recorded"])
                step = planned(directory, asked["revision"], asked["direction"] == "up", self.pending["versions"])
                step.migration_fn = self.watched(step.migration_fn)
                yield step
            if not self.engine.idle(guard):
                # a commit on the way made Alembic lose sight of the transaction that the ledger's row is in
                self.connection.commit()
            guard.over()
            if guard.reset:
                self.engine.put_back(guard)
            notes = ["the session's settings were put back"] if guard.reset else []
            self.parent.send(
                **{
                    "is": "done",
                    "versions": self.versions,
                    "statements": self.statements,
                    "replayed": guard.passed,
                    "notes": notes,
                    "seq": guard.seq,
                    "touched": guard.touched,
                }
            )
            self.pending = self.next()

    def repeat(self, sql: str, instead: str, versions: list[str]) -> None:
        """Run a repeatable file, past Alembic: its version rows stay as they are.

        :param instead: what is sent before it where the server does not replace what is there.
        """
        guard = self.guard
        assert guard is not None
        self.file = sql
        try:
            guard.connection.cursor().execute(sql)
        except self.engine.errors as error:
            if not (instead and self.engine.not_replaced(error)):
                raise
            guard.connection.rollback()
            guard.start(guard.step)
            self.file = ""
            guard.connection.cursor().execute(f"{instead};\n{sql}")
        self.statements = guard.count
        guard.written()
        self.version(heads=set(versions))
        guard.connection.commit()

    def watched(self, function: Any) -> Any:
        """The script's function, with the number of statements it sent noted when it returns."""

        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            function(**arguments)
            self.statements = self.guard.count if self.guard else 0
            if self.guard:
                self.guard.written()

        return run

    def version(self, *, heads: set[str], **_: Any) -> None:
        """Alembic's ``on_version_apply``: the version row is written, the transaction still open."""
        assert self.guard is not None
        self.versions = sorted(heads)
        self.guard.record(heads, self.statements)

    # -- errors

    def described(self, error: BaseException) -> dict[str, Any]:
        """An error as data: what, message, hint, SQLSTATE, statement, and the script's line where there is one."""
        driver = getattr(error, "orig", None) or error
        told: dict[str, Any] = {"is": "failed", "what": "failed", "hint": "", "message": str(error)}
        if isinstance(error, Refused):
            told.update(what=error.what, hint=error.hint, since=error.since)
        elif isinstance(driver, self.engine.errors):
            told.update(self.engine.said(driver), statement=(getattr(error, "statement", None) or "")[:SHOWN])
            if self.file and self.pending and (at := told.get("position")):
                told.update(line=self.file.count("\n", 0, at) + 1, file=self.pending["step"]["path"])
            if self.guard is None:
                told["what"] = "connection"
        elif isinstance(error, SystemExit):
            told["message"] = f"the script called sys.exit({error.code!r})"
        elif isinstance(error, ImportError):
            told.update(
                what="import",
                message=f"{sys.executable} cannot import {error.name or error}: {error}",
                hint='in [project] of hgaurora.toml name its interpreter with python = "..." '
                "or its folder with paths = [...]",
            )
        else:
            told["message"] = f"{type(error).__name__}: {error}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(self.job["folder"])]
        if frames:
            told["line"] = frames[-1].lineno
            told["file"] = os.path.relpath(frames[-1].filename, self.job["folder"]).split(os.sep, 1)[-1]
            told["source"] = frames[-1].line
        return told
