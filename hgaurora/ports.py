# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the use cases need from outside, as protocols. Each has a shipped local implementation.

Driver, AWS and Mercurial errors are turned into :mod:`hgaurora.core.errors` inside the adapters, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from .core.blocking import Obstacles, Wait
from .core.journal import Reading
from .core.model import (
    Applied,
    Changeset,
    Deployment,
    Direction,
    Kind,
    LockHolder,
    Repeated,
    Script,
    Snapshot,
    State,
    StepResult,
    StepRow,
    Way,
)
from .core.repeatable import Repeatable
from .core.schema.model import Part, Schema
from .core.schema.record import AsOf, DeltaRow, Recorded
from .core.steps import Migrate, Repeat


class History(Protocol):
    """Mercurial history: in the hg process, or over a pipe to one. Text is str here, never bytes.

    Every method raises :class:`InputError` for a revision that is not there, with a hint.
    """

    @property
    def root(self) -> Path:
        """The repository's root."""

    def config(self, name: str) -> str | None:
        """A value of ``[hgaurora]`` in hgrc (only trusted files count), or None."""

    def user(self) -> str:
        """Who asks: ``ui.username``, or the login name where none is set."""

    def changeset(self, rev: str) -> Changeset:
        """The one changeset a revset names; hidden ones are found by full node."""

    def newest(self, revset: str) -> Changeset | None:
        """The newest changeset (highest revision number) in a revset, or None."""

    def contains(self, revset: str, node: str) -> bool:
        """True where the changeset is in the revset."""

    def known(self, node: str) -> bool:
        """True where the full node is in this repository, hidden or not."""

    def files(self, node: str, folders: Sequence[str]) -> dict[str, bytes]:
        """Every regular file below the folders, as of a changeset: repository path to content.

        :raises InputError: a path that is absolute, holds ``..`` or is a symlink or lies in a subrepository; or
            a narrow or shallow clone that leaves the folder out.
        """

    def file(self, node: str, path: str) -> bytes | None:
        """One file's content as of a changeset, or None."""

    def close(self) -> None:
        """End the connection to hg, where there is one."""


@dataclass(frozen=True, kw_only=True)
class NewDeployment:
    """What is known of a deployment when it begins."""

    environment: str
    kind: Kind
    way: Way | None
    target: Changeset | None
    change_request: str | None
    from_node: str | None
    from_branch: str | None
    heads_before: tuple[str, ...]
    user: str
    pusher: str | None
    host: str
    pid: int
    tool_version: str
    reverts: tuple[str, ...]
    plan: Mapping[str, object]


class Database(Protocol):
    """One environment's database: its ledger, its lock, its version table.

    A connection is opened at first use and kept in autocommit. Every reference is schema-qualified.
    """

    def facts(self) -> Mapping[str, object]:
        """Server facts: ``product``, ``version``, ``database``, ``user``, ``host``, ``read_only``."""

    def state(self) -> State:
        """Everything :class:`State` holds, in at most three round trips."""

    def begin(
        self,
        new: NewDeployment,
        *,
        base_epoch: str | None,
        scripts: Iterable[Script | Repeatable],
        resume: str | None = None,
        supersede: str | None = None,
    ) -> tuple[Deployment, str]:
        """Open a deployment (or take an interrupted one up again) and draw a new epoch.

        Only under the environment's lock. Creates or migrates the ledger first. ``scripts`` are stored by content.
        Returns the deployment and the new epoch.

        :raises StateError: the epoch is not ``base_epoch`` any more.
        """

    def event(self, deployment: str | None, kind: str, payload: Mapping[str, object]) -> int:
        """Append one event to the hash chain; returns its sequence number."""

    def events(
        self, *, deployment: str | None = None, after: int = 0, kind: str | None = None
    ) -> list[dict[str, object]]:
        """Events in order: ``seq``, ``at``, ``deployment``, ``kind``, ``payload``, ``hash``, ``carried``, ``delivered``
        (when the journal had it; None: not yet)."""

    def finish(
        self,
        deployment: str,
        *,
        epoch: str,
        ok: bool,
        heads_after: Sequence[str],
        target: Changeset | None,
        error: str | None = None,
    ) -> None:
        """Close a deployment. With ``ok`` the environment is from now on at ``target``."""

    def deployments(self, *, limit: int | None = None) -> list[Deployment]:
        """Newest first."""

    def steps(self, deployments: Sequence[str]) -> list[StepRow]:
        """The committed migrations of some deployments, in order."""

    def scripts(self, raws: Sequence[str]) -> dict[str, bytes]:
        """Script contents by raw hash; a missing one is absent from the answer."""

    def applied_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Applied]:
        """The applied set as it was before a deployment's first step, or after its last (``inclusive``)."""

    def capture(self, *, marked: bool = False) -> Schema:
        """The whole schema as it is now, in one consistent look; what the tool owns is outside.

        :param marked: so that :meth:`mark` knows it.
        """

    def mark(self) -> str | None:
        """What :meth:`unchanged` needs, of the schema as it was last looked at on this object; None: nothing was, or
        this server has nothing that could tell."""

    def unchanged(self, mark: str) -> bool:
        """Whether nothing that a capture reads was written since a mark was made; :meth:`capture_parts` may then be
        asked as after a capture. False says nothing: only a capture can."""

    def capture_parts(
        self, touched: Mapping[str, object] | None, known: Collection[str]
    ) -> tuple[Mapping[str, Part], Collection[str]] | None:
        """The parts that a migration may have changed, as they are now, and which ids of ``known`` are gone.

        :param touched: what its transaction locked and did, as the step's result has it; None: anything.
        :param known: ids of the parts there were before.
        :returns: None where only :meth:`capture` can say.
        """

    def recorded(self) -> Recorded | None:
        """The schema as the ledger last recorded it; None: no ledger, or nothing recorded yet."""

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        """Record a delta, in one transaction: its event, the contents of its parts, the parts.

        :param epoch: the one that the deployment drew; None: any.
        :raises StateError: the epoch is another one.
        """

    def adopt(
        self, steps: Sequence[Mapping[str, object]], *, deployment: str, epoch: str, versions: Sequence[str]
    ) -> None:
        """Record migrations that were not run by this tool, and the version table's rows as they stand.

        :param steps: payloads of events, as a child writes them, with ``adopted``.
        :raises StateError: the epoch is another one.
        """

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Contents of parts by their hash; a missing one is absent from the answer."""

    def parts_as_of(self, seq: int) -> AsOf | None:
        """The schema as recorded at an event; None: nothing was recorded by then."""

    def parts_of(self, deployment: str, *, inclusive: bool) -> AsOf | None:
        """The schema as recorded before the first migration of a deployment, or after its last (``inclusive``)."""

    def undelivered(self, limit: int = 1000) -> list[dict[str, object]]:
        """Events the journal does not have yet, oldest first; same shape as :meth:`events`, with ``environment`` and
        ``uuid``."""

    def mark_delivered(self, upto: int, at: datetime) -> None:
        """The journal has every event up to this sequence number.

        :param at: the time that stands as ``delivered`` in the journal.
        """

    def uuid(self) -> str | None:
        """The environment's, as its ledger has it; None: there is no ledger. Reads nothing else, so that it answers
        where somebody edited what :meth:`state` reads."""

    def verify(self) -> list[str]:
        """Every edit of a row that can be told from the ledger itself, named; empty: none."""

    def repeated_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Repeated]:
        """The repeatable files in force, by path, as :meth:`applied_as_of` for migrations."""

    def tip(self) -> int:
        """Sequence number of the newest event that is this database's own: what :meth:`rebase` wrote does not count."""

    def export_after(self, seq: int) -> Mapping[str, object]:
        """Every ledger row younger than an event, for :meth:`rebase` of a restored copy. JSON-safe."""

    def rebase(self, rows: Mapping[str, object], *, deployment: str, node: str | None, branch: str | None) -> str:
        """Make a restored copy's ledger fit to serve, in one transaction; returns the new epoch.

        A new epoch; the deployment that was open in the snapshot closed as what it became; younger rows carried
        over and marked; an event that names both chains' tips. The applied set stays the snapshot's.
        Asked twice for the same deployment: done once.
        """

    def holder(self) -> LockHolder | None:
        """Who holds the lock, or None."""

    def blockers(self, pid: int) -> Wait | None:
        """What a server session waits for and who holds it; None: it waits for no lock. Asked on a connection of its
        own while that session waits."""

    def obstacles(self, older: float) -> Obstacles:
        """Who holds locks on tables for more than ``older`` seconds, or dumps them; indexes that were left invalid."""

    def acquire(self) -> bool:
        """Take the lock on this connection, without waiting; False where it is held. For restores."""

    def password(self) -> str | None:
        """The password this connection was opened with, wherever it was found; None: it took none."""

    def close(self) -> None:
        """Close the connection; a lock taken by :meth:`acquire` goes with it."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach a database, without a secret in it: libpq keywords (host, port, dbname, user, ...), or the same
    words and those of :mod:`.adapters.database.mysql.connection`, where ``engine`` is mysql (MariaDB too)."""

    parameters: Mapping[str, str]
    engine: str = "postgresql"  # postgresql | mysql
    #: where the version table is, and unqualified names go; on MySQL the database itself
    schema: str = "public"
    version_table: str = "alembic_version"
    #: called for each physical connection; the answer is never stored
    password: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)
    #: the server did not take this password: another one, to try once, as after a rotation; None: there is none
    again: Callable[[str], str | None] = field(default=lambda refused: None, repr=False, compare=False)
    #: why a server may not have taken this password, and what to do; None: nothing is known of it
    flaw: Callable[[str], tuple[str, str] | None] = field(default=lambda refused: None, repr=False, compare=False)
    #: nobody answers: what is known of the server, and what to do; None: nothing is
    silent: Callable[[], tuple[str, str] | None] = field(default=lambda: None, repr=False, compare=False)
    #: who AWS says we are (an ARN), for every event; None: nobody asked AWS
    caller: str | None = field(default=None, compare=False)
    #: what AWS calls the cluster for as long as it is there, whatever its name is; None: it is none
    resource_id: str | None = field(default=None, compare=False)
    #: the environment, for messages; None: it is none's
    environment: str | None = field(default=None, compare=False)

    @property
    def named_by(self) -> str:
        """The key of the settings that names the database."""
        return "url" if self.resource_id is None else "database"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a migration child is started with."""

    environment: str
    connection: Connection
    #: what steps up come from: path relative to the migrations folder, to content
    target: Mapping[str, bytes]
    #: what steps down come from: the recorded scripts of everything applied; same shape
    recorded: Mapping[str, bytes]
    version_locations: tuple[str, ...] = ("versions",)
    env: str = "ours"  # ours | project
    #: application code that migrations import: repository path to content, put on sys.path by ``paths``
    code: Mapping[str, bytes] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    python: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    lock_timeout: float = 2.0  # seconds
    statement_timeout: float = 0.0  # seconds, for what changes the schema; 0: none
    backfill_timeout: float | None = None  # seconds, for what reads or changes data; None: statement_timeout
    wall_clock: float = 0.0  # seconds one migration may take; 0: no limit
    output_limit: int = 1 << 20  # bytes of stdout and stderr kept
    #: the child reports before and after each thing it sends, and waits until ``on_event`` returned; for tests
    trace: bool = False


class MigrationSession(Protocol):
    """One running child: it holds the lock on the connection that runs the DDL, until it is closed."""

    def lock(self) -> bool:
        """Try to take the environment's lock (never waits); False where somebody else holds it."""

    def begin(self, *, deployment: str, epoch: str) -> None:
        """Tell the child which deployment and epoch its ledger rows belong to."""

    @property
    def backend(self) -> int | None:
        """The server's number of the session that runs the DDL; None: not asked yet."""

    def run(
        self,
        step: Migrate | Repeat,
        *,
        ordinal: int,
        snapshot: str | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> StepResult:
        """Run one migration and commit it with its ledger rows.

        :param meanwhile: called again and again while it lasts, first after half a second or before a wait for a lock
            is over, on the thread that waits.
        :raises MigrationFailed: it raised, or broke a rule; ``data['sqlstate']`` where the server said one,
            and ``data['again']`` where the step had no effect but what its journal holds, and may be run again.
        :raises Interrupted: the child died; what was committed is known only from the ledger.
        """

    def close(self) -> None:
        """End the child; waits until its server session is gone."""


class Migrator(Protocol):
    """Starts migration children."""

    def start(self, job: Job, *, on_event: Callable[[Mapping[str, object]], None] | None = None) -> MigrationSession:
        """Start a child; imports and connects in the background while the caller goes on."""


class ControlPlane(Protocol):
    """Snapshots and restores of one environment.

    Identifiers are idempotency keys: asking twice for the same snapshot id is asking once.
    """

    def connection(self) -> Connection:
        """How to reach the live database; starts a local server that is stopped."""

    def exists(self) -> bool:
        """False for a local environment whose server was never made (then reading state must not make it)."""

    def mark(self) -> Mapping[str, object] | None:
        """A point in time that a restore could go back to: ``at`` (UTC, ISO 8601) and ``latest-restorable``, how far
        back-ups reach now. None: there is no such way back."""

    def snapshot_name(self, deployment: str, number: int, *, again: bool = False) -> str:
        """The id for the n-th snapshot of a deployment. ``again``: that one is taken by somebody else; another one."""

    def start_snapshot(self, snapshot: str, *, tags: Mapping[str, str]) -> None:
        """Begin a snapshot; returns at once. Known id: adopted, nothing new is begun.

        :raises SnapshotTaken: a snapshot that is not ours has the id.
        :raises SnapshotsFull: there may be no more of them.
        """

    def wait_snapshot(self, snapshot: str, *, progress: Callable[[str, int | None], None]) -> Snapshot:
        """Wait until it is available and verified; ``progress(state, percent)`` at most once a second.

        :raises RemoteError: it failed; nothing half-made is left behind.
        :raises SnapshotsFull: it could only be begun now, and there may be no more.
        """

    def snapshots(self) -> list[Snapshot]:
        """Those made for an environment of this name, newest first; on a cluster whatever ledger they are of, which
        :mod:`hgaurora.core.whose` parts."""

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete one; no error where it is gone."""

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        """Make (or find, after a crash) the copy beside the live database, running; returns how to reach it."""

    def restore_close(self, *, deployment: str) -> None:
        """Close the live database to new sessions and end those of others. Can be asked twice."""

    def restore_open(self, *, deployment: str) -> None:
        """Undo :meth:`restore_close` and remove the copy (an abandoned restore). Can be asked twice."""

    def restore_swap(self, *, deployment: str) -> None:
        """The copy takes over the name; the old one is kept under ``retired``. Found half done: finished."""

    def restoring(self) -> Mapping[str, str] | None:
        """A restore that was begun and not finished: ``deployment``, ``snapshot``, ``done`` (the last action done);
        also after :meth:`restore_swap` until :meth:`restore_done`."""

    def restore_note(self, *, deployment: str, action: str) -> None:
        """Remember durably that an action of the restore is done."""

    def restore_done(self, *, deployment: str) -> None:
        """Forget the restore; the retired database stays."""


class Journal(Protocol):
    """The stream of events outside the database."""

    @property
    def place(self) -> str:
        """What people call it: a log group, a file."""

    def prove(self) -> None:
        """Show that it can be written, by writing what is no event.

        :raises RemoteError: it can not.
        :raises OSError: it can not.
        """

    def deliver(self, events: Sequence[Mapping[str, object]]) -> int:
        """Append events (rows as :meth:`Database.undelivered` gives them, with ``delivered``); returns the last
        sequence number that is safe, with all before it. At least once, ids make it once."""

    def kept(self, events: Sequence[Mapping[str, object]]) -> Mapping[int, str]:
        """Which of some events it has already and will not write again: number to ``delivered`` as it stands there."""

    def read(self) -> Reading:
        """Everything it holds of this environment."""


class Ui(Protocol):
    """A person, or a program, in front of it."""

    @property
    def front(self) -> str:
        """``hg aurora-`` or ``hgaurora ``: the spelling of commands in hints."""

    def write(self, text: str) -> None:
        """A result line (stdout)."""

    def status(self, text: str) -> None:
        """Progress and warnings (stderr)."""

    def progress(self, topic: str, *, item: str, position: int | None, total: int | None) -> None:
        """Something that lasts; drawn as a bar, a timed line, or not at all."""

    def prompt(self, question: str) -> str | None:
        """Ask; None where nobody can answer."""

    def secret(self, value: str | None) -> None:
        """From now on this text is shown to nobody."""

    def clean(self, text: str) -> str:
        """The text as it may be shown, or kept: without secrets and control characters."""


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now(self) -> datetime:
        """UTC, aware."""

    def monotonic(self) -> float:
        """Seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


__all__ = [
    "Clock",
    "Connection",
    "ControlPlane",
    "Database",
    "Direction",
    "History",
    "Job",
    "Journal",
    "MigrationSession",
    "Migrator",
    "NewDeployment",
    "Ui",
]
