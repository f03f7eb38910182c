# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The composition root: settings and history in, environments with their adapters out."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from .. import __version__
from ..core.errors import ConfigError, InputError
from ..core.model import Changeset, Snapshot, State
from ..core.settings import Environment, Settings, read_settings
from ..core.whose import Shares, shares
from ..ports import Connection, ControlPlane, Database, History, Journal, Ui
from .compose import Adapters

if TYPE_CHECKING:
    from ..adapters.aws.cluster import AuroraCluster

CONFIG = "hgaurora.toml"
T = TypeVar("T")


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Target:
    """One environment, with its adapters made at first use."""

    def __init__(self, context: Context, name: str, settings: Settings) -> None:
        self.context = context
        self.name = name
        self.project = settings.project
        self._settings = settings
        self._reading: _Background[State] | None = None

    @cached_property
    def settings(self) -> Environment:
        """What the settings say of it, its cluster found.

        :raises ConfigError: ``cluster-from`` names none.
        """
        named = self._settings.environments[self.name]
        if named.cluster_from is None:
            return named
        from .cluster_from import resolved

        return resolved(self.context, self._settings, self.name)

    @cached_property
    def together(self) -> tuple[str, ...]:
        """Every environment whose data a snapshot of this one holds: those on the same cluster, itself too."""
        source, cluster = self.settings.cluster_from, self.settings.cluster
        found = {
            name: replace(one, cluster=cluster) if source is not None and one.cluster_from == source else one
            for name, one in self._settings.environments.items()
        }
        return replace(self._settings, environments=found).on_cluster(self.name)

    @property
    def folder(self) -> Path:
        """Where what belongs to this environment on this machine is kept; made private at first use."""
        return self.context.state_folder / self.name

    @cached_property
    def control(self) -> ControlPlane:
        """Snapshots and restores; for a local environment also its server."""
        if self.settings.is_cluster:
            return self.context.adapters.control(self.folder, self.name, self.settings, user=self.context.who())
        return self.context.adapters.control(self.folder, self.name, self.settings)

    @property
    def aurora(self) -> AuroraCluster | None:
        """The control plane, where it is that of an Aurora cluster."""
        return cast("AuroraCluster", self.control) if self.settings.is_cluster else None

    @cached_property
    def database(self) -> Database:
        """The ledger, the lock and the version table."""
        return self.context.adapters.database(self._reached(), self.name)

    def _reached(self) -> Connection:
        """The connection; from now on no password that it gets is shown to anybody."""
        found = self.control.connection()

        def unseen(secret: str | None) -> str | None:
            self.context.ui.secret(secret)
            return secret

        return replace(
            found,
            password=lambda: unseen(found.password()),
            again=lambda refused: unseen(found.again(refused)),
        )

    @cached_property
    def journal(self) -> Journal:
        """The stream of events outside the database."""
        return self.context.adapters.journal(
            self.folder,
            self.name,
            self.settings,
            user=self.context.who(),
            contents=lambda hashes: self.database.contents(hashes),
            say=self.context.ui.status,
            aws=getattr(self.control, "aws", None),
        )

    def connection(self) -> Connection:
        """How the child reaches the database. It has no home and no environment, so a password that is found for this
        process (a password file, ``PGPASSWORD``, ``MYSQL_PWD``) is handed on when the child asks."""
        found = self._reached()
        if self.settings.is_cluster:
            return found  # which has one for each connection
        ask = found.password if found.password() is not None else self.database.password

        def password() -> str | None:
            secret = ask()
            self.context.ui.secret(secret)
            return secret

        return replace(found, password=password)

    def reconnected(self) -> Database:
        """A new connection: after a restore another server answers to the name."""
        self.close()
        self.__dict__.pop("database", None)
        return self.database

    def prefetch(self) -> None:
        """Begin to read the state while something else goes on."""
        if self._reading is None:
            self._reading = _Background(self._read)

    def _read(self) -> State:
        if not self.control.exists():
            return State(read=self.context.clock.now())
        return self.database.state()

    def state(self) -> State:
        """The state as the database says it now (or as a prefetch just read it)."""
        reading, self._reading = self._reading, None
        return reading.result() if reading else self._read()

    def shares(self) -> Shares:
        """The snapshots, by whose they are. The tags of a cluster's have a ledger's UUID; others are in a folder of
        this environment's own."""
        found = self.control.snapshots()
        return shares(found, self.database.uuid()) if self.settings.is_cluster else Shares(ours=tuple(found))

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Those of this ledger, newest first."""
        return self.shares().ours

    @property
    def version_table(self) -> str:
        """Alembic's version table with its schema, on MySQL with its database; without quotation marks."""
        schema = self.control.connection().schema if self.settings.is_cluster else self.settings.schema
        if self.engine == "mysql" and not self.settings.is_cluster:
            schema = self.settings.parameters["dbname"]
        return f"{schema}.alembic_version"

    @property
    def engine(self) -> str:
        """``postgresql`` or ``mysql`` (MariaDB too); of a cluster AWS knows it."""
        return self.control.connection().engine if self.settings.is_cluster else self.settings.engine

    @property
    def quote(self) -> str:
        """The engine's quotation mark for names."""
        return "`" if self.engine == "mysql" else '"'

    def where(self) -> str:
        """What the environment is, in words."""
        if self.settings.kind == "local":
            return "local PostgreSQL"
        if self.aurora is not None:
            cluster, product = self.settings.cluster, self.aurora.described().words
            return f"{cluster}, database {self.settings.database}, {product}, {self.settings.region}"
        # mysql:// is MariaDB's, too
        product = self.database.facts()["product"] if self.settings.engine == "mysql" else "PostgreSQL"
        return f"{product} at {self.settings.url}"

    def close(self) -> None:
        """Close what was opened."""
        if "database" in self.__dict__:
            self.database.close()


class _Background(Generic[T]):
    """A value made by a thread; an error is raised where the value is asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._value: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._make()
        except BaseException as error:  # handed over to whoever asks
            self._error = error

    def result(self) -> T:
        """Wait for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._value is not None
        return self._value


@dataclass
class Context:
    """What every use case is handed."""

    history: History
    ui: Ui
    json: bool = False
    verbose: bool = False
    adapters: Adapters = field(default_factory=Adapters)

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self._targets: dict[str, Target] = {}

    @cached_property
    def state_folder(self) -> Path:
        """``.hg/hgaurora`` of the repository (of the source repository, for a share)."""
        hg = self.history.root / ".hg"
        shared = hg / "sharedpath"
        if shared.is_file():
            hg = Path(os.fsdecode(shared.read_bytes().strip()))
            if not hg.is_absolute():
                hg = self.history.root / ".hg" / hg
        return hg / "hgaurora"

    @cached_property
    def policy_from(self) -> str | None:
        """Where hgrc says the settings come from: a path, ``REV of the repository``, or None."""
        path = self.history.config("config")
        rev = self.history.config("config-rev")
        if path and rev:
            raise ConfigError(
                "hgrc sets both [hgaurora] config and config-rev",
                state="nothing was done",
                hint="keep one of the two",
            )
        return path or (f"{CONFIG}@{rev}" if rev else None)

    @cached_property
    def settings(self) -> Settings:
        """The settings in force: the ones hgrc names, else the working copy's."""
        named = self.policy_from
        if named is None:
            return self._working_copy()
        rev = self.history.config("config-rev")
        if rev:
            node = self.history.changeset(rev).node
            content = self.history.file(node, CONFIG)
            if content is None:
                raise ConfigError(
                    f"there is no {CONFIG} at {node[:12]}, which [hgaurora] config-rev names",
                    state="nothing was done",
                    hint="name a changeset that has the file",
                )
            return read_settings(_decode(content, named), source=named)
        path = self.history.root / os.path.expanduser(named)
        try:
            return read_settings(_decode(path.read_bytes(), str(path)), source=str(path))
        except OSError as error:
            raise ConfigError(
                f"{path}, which [hgaurora] config names, can not be read: {error.strerror}",
                state="nothing was done",
                hint="correct [hgaurora] config in hgrc",
            ) from error

    def _working_copy(self) -> Settings:
        path = self.history.root / CONFIG
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ConfigError(
                f"there is no {CONFIG} at the root of the repository",
                state="nothing was done",
                hint=f"{self.ui.front}init lays one down",
            ) from None
        except OSError as error:
            raise ConfigError(f"{path} can not be read: {error.strerror}", state="nothing was done") from error
        return read_settings(_decode(content, CONFIG), source=CONFIG)

    def guess(self, name: str | None) -> None:
        """Begin to read one environment's state while hg still starts.

        Only for an unprotected environment of the working copy's own file, and only kept if hgrc names no other.
        """
        path = self.history.root / CONFIG
        if name is None or not path.is_file():
            return
        settings = self._working_copy()
        environment = settings.environments.get(name)
        if environment is not None and not environment.protected and environment.kind != "cluster":
            self._targets[name] = Target(self, name, settings)
            self._targets[name].prefetch()
            if self.policy_from is not None:
                del self._targets[name]

    def target(self, name: str, *, acting: bool = False) -> Target:
        """One environment by name.

        :param acting: True where the database may be changed: a protected environment then needs settings
            that a pushed changeset can not change.
        """
        if name not in self._targets:
            self._targets[name] = Target(self, self._known(name), self.settings)
        target = self._targets[name]
        if acting and target.settings.protected and self.policy_from is None:
            raise ConfigError(
                f"{name} is protected: who may deploy to it must not come from what is deployed",
                state="nothing was done",
                hint=f"add to hgrc, under [hgaurora]: config = {self.history.root / CONFIG} "
                "(or another file you trust), or config-rev = a changeset you trust",
            )
        return target

    def _known(self, name: str) -> str:
        environments = self.settings.environments
        if name not in environments:
            raise InputError(
                f"there is no environment {name!r}",
                state="nothing was done",
                hint=f"{CONFIG} has: {', '.join(environments) or 'none'}",
            )
        return name

    def names(self) -> list[str]:
        """Every environment's name, in the order of the file."""
        return list(self.settings.environments)

    def wanted(self, target: Target, rev: str | None) -> Changeset:
        """The changeset a deploy goes to: REV, or the newest of the environment's ``deploys``, or the
        working directory's parent."""
        if rev is not None:
            return self.history.changeset(rev)
        revset = target.settings.deploys
        if revset is None:
            return self.history.changeset(".")
        newest = self.history.newest(revset)
        if newest is None:
            raise InputError(
                f"no changeset is in the revset of {target.name}: {revset}",
                state="nothing was done",
                hint="name one with -r REV",
            )
        return newest

    def who(self) -> str:
        """Who asks, as hg says it."""
        return self.history.user() or getpass.getuser()

    @property
    def host(self) -> str:
        """This machine's name."""
        return socket.gethostname()

    @property
    def version(self) -> str:
        """hgaurora's version."""
        return __version__

    def close(self) -> None:
        """Close every connection."""
        for target in self._targets.values():
            target.close()


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{source}:{line}: this is not UTF-8", state="nothing was done", hint="save the file as UTF-8"
        ) from None
