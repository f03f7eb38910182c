# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``target = "local"``: one embedded server for an environment, with real snapshots of it.

::

    <folder>/data/                   the live server's data
    <folder>/snapshots/<id>/data/    a base backup, taken with sessions open
    <folder>/restore-<deployment>/   the copy that a restore brings up, until it takes over
    <folder>/retired-<deployment>/   what was live before that restore
    <folder>/restore.json            deployment, snapshot and last action of a restore that is not over

What a restore has done is read from which of these folders exist, so it can be cut off anywhere.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ...core.errors import RemoteError, StateError
from ...ports import Connection
from ..database.postgresql import maintenance
from . import files
from .binaries import environment, runner
from .engine import SUPERUSER, Engine, Status
from .snapshots import KeepsSnapshots, Program, Snapshots


class BaseBackup:
    """Snapshots by ``pg_basebackup`` of a running engine."""

    content = "data"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def program(self, folder: Path, snapshot: str) -> Program:
        """Disturbs nobody; the checkpoint is asked for at once."""
        server = self._engine.start().parameters
        argv = [self._engine.binaries.program("pg_basebackup"), "-h", server["host"], "-p", server["port"]]
        argv += ["-U", SUPERUSER, "-D", self.content, "-c", "fast", "-X", "stream", "-l", snapshot, "-w", "-P"]
        argv += [] if self._engine.fsync else ["--no-sync"]
        return Program(tuple(argv), runner(self._engine.folder), environment())

    def verify(self, folder: Path) -> None:
        """By ``pg_verifybackup``: every file against the manifest's checksums, and the WAL it needs."""
        binaries = self._engine.binaries
        # both are written near the end: cheap to miss in a backup that was cut off
        if not all((folder / self.content / name).exists() for name in ("backup_label", "backup_manifest")):
            raise RemoteError(f"{folder.name} is not a whole base backup")
        if (binaries.folder / "pg_verifybackup").exists():
            runner(self._engine.folder).run([binaries.program("pg_verifybackup"), "-q", self.content], cwd=folder)

    def percent(self, log: str) -> int | None:
        """From ``12345/23456 kB (52%), 0/1 tablespace``."""
        found = re.findall(r"\((\d+)%\)", log)
        return min(int(found[-1]), 99) if found else None


class LocalCluster(KeepsSnapshots):
    """:class:`ControlPlane` of an environment on an embedded server.

    :param folder: the environment's private folder; made when needed.
    :param port: a fixed one on 127.0.0.1; else a free one, remembered.
    :param fsync: False only where the data may be lost, in tests.
    :param trace: called with a word after each action that a crash could follow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: str,
        database: str = "app",
        schema: str = "public",
        version_table: str = "alembic_version",
        port: int | None = None,
        fsync: bool = True,
        trace: Callable[[str], None] = lambda action: None,
    ) -> None:
        self.environment = environment
        self.folder = folder.absolute()
        self._trace = trace
        self._fsync = fsync
        self._schema = schema
        self._version_table = version_table
        note = self.folder / "restore.json"
        self._live = Engine(self.folder, database=database, port=port, fsync=fsync, unless=note, trace=trace)
        self._snapshots = Snapshots(self.folder / "snapshots", environment, BaseBackup(self._live), trace=trace)

    # the server

    def connection(self) -> Connection:
        """How to reach the live database; starts the server, or makes it.

        A swap that was cut off is finished first. Where a restore was cut off while it closed the database (it is
        not noted, and nobody holds the lock), the database is opened again; the restore closes it when it goes on.
        """
        note = self.restoring()
        swapped = note is not None and self._swapped(note["deployment"])
        found = self._live.start()
        if note and note["done"] != "close" and not swapped:
            with maintenance.connect(found) as server:
                if not server.held(self._live.database):
                    server.allow(self._live.database, True)
        return self._placed(found)

    def exists(self) -> bool:
        """False where the server was never made."""
        return self._live.made() or self.restoring() is not None

    def status(self) -> Status:
        """The live server, as it is; nothing is started."""
        return self._live.status()

    def stop(self) -> bool:
        """Stop the live server, and a copy; False where none ran."""
        note = self.restoring()
        copy = self._copy(note["deployment"]).stop() if note else False
        return self._live.stop() or copy

    # restore

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        """The snapshot's data in a folder of its own, served aside; only through its socket."""
        note = self.restoring()
        if note is None:
            self._note(deployment=deployment, snapshot=snapshot, done="")
        elif (note["deployment"], note["snapshot"]) != (deployment, snapshot):
            raise StateError(
                f"{self.environment} is being restored by {note['deployment']} from {note['snapshot']}",
                hint="finish or abandon that restore first",
            )
        if self._swapped(deployment):
            return self.connection()
        copy = self._copy(deployment)
        if not copy.made():
            content = self._snapshots.content(snapshot)
            draft = self.folder / f"{copy.name}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            runner(self.folder).run(["cp", "-a", str(content), str(draft)], cwd=self.folder)
            self._trace("copied")
            # the server flushes every file when it starts on a base backup
            draft.rename(copy.data)
            files.sync(self.folder)
            self._trace("copy in place")
        return self._placed(copy.start(create=False))

    def restore_close(self, *, deployment: str) -> None:
        """No new sessions; those of others are ended."""
        if self._swapped(deployment):
            return
        with maintenance.connect(self._live.start()) as server:
            server.close(self._live.database, deployment=deployment)
        self._trace("closed")

    def restore_open(self, *, deployment: str) -> None:
        """Open the live database again; the copy is removed, the restore forgotten.

        :raises StateError: the copy has taken over already.
        """
        note = self.restoring()
        if note and note["deployment"] == deployment and self._swapped(deployment):
            raise StateError(f"the copy of {deployment} has taken over already", hint="let the restore finish")
        with maintenance.connect(self._live.start()) as server:
            server.allow(self._live.database, True)
        self._trace("opened")
        self._discard_copy(deployment)
        self._forget(deployment)

    def restore_swap(self, *, deployment: str) -> None:
        """Both stop, the copy's folder takes the name ``data``, and it starts."""
        copy = self._copy(deployment)
        if copy.made():
            copy.stop()
            self._live.replace_by(copy, retired=self._retired(deployment))
        elif not self._retired(deployment).exists():
            raise StateError(f"there is no copy of {deployment} that could take over")
        with maintenance.connect(self._live.start(create=False)) as server:
            server.allow(self._live.database, True)
        self._discard_copy(deployment)
        self._trace("swapped")

    def restoring(self) -> Mapping[str, str] | None:
        """From ``restore.json``."""
        note = files.read_json(self.folder / "restore.json")
        return None if note is None else {key: str(value) for key, value in note.items()}

    def restore_note(self, *, deployment: str, action: str) -> None:
        """:raises StateError: no such restore was begun."""
        note = self.restoring()
        if note is None or note["deployment"] != deployment:
            raise StateError(f"{self.environment} is not being restored by {deployment}")
        self._note(**{**note, "done": action})

    def restore_done(self, *, deployment: str) -> None:
        """Forget it; the retired data stay."""
        self._forget(deployment)

    def _placed(self, found: Connection) -> Connection:
        return replace(found, schema=self._schema, version_table=self._version_table)

    def _copy(self, deployment: str) -> Engine:
        return Engine(
            self.folder,
            name=f"restore-{files.name(deployment)}",
            database=self._live.database,
            fsync=self._fsync,
            tcp=False,
            trace=self._trace,
        )

    def _retired(self, deployment: str) -> Path:
        return self.folder / f"retired-{files.name(deployment)}"

    def _swapped(self, deployment: str) -> bool:
        """True where the copy has taken over. A swap that was cut off is finished: what was live is gone from its
        place, so that nothing else can be done."""
        if not self._retired(deployment).exists():
            return False
        if not self._live.made():
            self.restore_swap(deployment=deployment)
        return True

    def _discard_copy(self, deployment: str) -> None:
        copy = self._copy(deployment)
        copy.stop()
        for left in self.folder.glob(f"{copy.name}*"):
            if left.name in (copy.name, f"{copy.name}.draft"):
                shutil.rmtree(left)
            elif left.name in (f"{copy.name}.log", f"{copy.name}.lock"):
                left.unlink()
        shutil.rmtree(copy.sockets, ignore_errors=True)
        self._trace("copy removed")

    def _note(self, **note: str) -> None:
        files.private(self.folder)
        files.write_json(self.folder / "restore.json", note)
        self._trace("noted")

    def _forget(self, deployment: str) -> None:
        note = self.restoring()
        if note and note["deployment"] == deployment:
            (self.folder / "restore.json").unlink(missing_ok=True)
            files.sync(self.folder)
            self._trace("forgotten")
