# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The :class:`~hgaurora.ports.Database` on PostgreSQL: ledger, lock and version table of one environment.

psycopg is imported at the first connection. One connection, in autocommit; a statement is one look at the
database, several that belong together are in a transaction.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ....core.blocking import Obstacles, Wait
from ....core.errors import SecurityError
from ....core.model import Applied, Changeset, Deployment, Kind, LockHolder, Outcome, Repeated, Script, State, StepRow
from ....core.repeatable import Repeatable
from ....core.schema.model import Part, Schema
from ....core.schema.record import AsOf, DeltaRow, Recorded
from ....ports import Connection, NewDeployment
from .. import ledger, refusals, seal
from . import blocking, compose, ledger_sql, schema_store
from .connection import opened, translated, where

if TYPE_CHECKING:
    import psycopg

    from .capture import Known

#: the parent names nothing without its schema, so its own search path holds the catalogue alone
_SEARCH_PATH = "pg_catalog, pg_temp"


class PostgresDatabase:
    """One environment's database.

    :param environment: the name it has in the settings; the ledger remembers it.
    :param lock_timeout: seconds that a ledger write waits for a lock.
    :param statement_timeout: seconds for one statement of the ledger.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        environment: str,
        lock_timeout: float = 10.0,
        statement_timeout: float = 60.0,
    ) -> None:
        self.connection = connection
        self.environment = environment
        self._settings = {
            "search_path": _SEARCH_PATH,
            "lock_timeout": f"{round(lock_timeout * 1000)}ms",
            "statement_timeout": f"{round(statement_timeout * 1000)}ms",
            "idle_in_transaction_session_timeout": "60s",
        }
        self._open: psycopg.Connection[Any] | None = None
        self._locked = False
        self._catalogue: Known | None = None

    def facts(self) -> dict[str, object]:
        """Server facts: ``product``, ``version``, ``database``, ``user``, ``host``, ``read_only``."""
        row = self._one(
            "SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_database()::text,"
            f" session_user::text, {ledger_sql.READER}"
        )
        return {
            "product": "PostgreSQL",
            "version": row[0],
            "database": row[1],
            "user": row[2],
            "host": self.connection.parameters.get("host", ""),
            "read_only": row[3],
        }

    def state(self) -> State:
        """Everything :class:`State` holds, in two round trips once connected.

        :raises StateError: the ledger is newer than this program.
        :raises SecurityError: somebody else could put code in front of the ledger or the version table.
        """
        ledgered, versioned, distrust, held, missing, reader = self._one(ledger_sql.PROBE, self._names())
        if distrust:
            raise SecurityError(
                f"{self.environment}: {distrust[0]}",
                state="nothing was changed",
                hint="the schema, the version table and schema hgaurora must belong to the user of this environment, "
                "without triggers, rules or row security",
                data={"findings": list(distrust)},
            )
        holder = None if held is None else LockHolder(pid=held[0], application=held[1] or "", since=_since(held[2]))
        if not ledgered:
            if left := set(ledger_sql.TABLES) - set(missing):
                raise refusals.remains(self.environment, [f"hgaurora.{one}" for one in left])
            versions, moment = self._versions() if versioned else None, None
            (moment,) = self._one("SELECT pg_catalog.clock_timestamp()")
            return State(read=moment, versions=versions, lock=holder, reader=reader)
        if set(missing) - ledger_sql.SECOND:
            raise refusals.not_whole(self.environment, [f"hgaurora.{one}" for one in missing])
        text = self._fill(ledger_sql.STATE if versioned else _without_versions(ledger_sql.STATE))
        row = self._one(text)
        self._known(row[1])
        if not versioned and row[8] and self._one(ledger_sql.PROBE, self._names())[1]:
            # the first migration of all was committed between the two questions
            return self.state()
        if missing and row[1] > 1:
            raise refusals.not_whole(self.environment, [f"hgaurora.{one}" for one in missing])
        rows = {one["id"]: ledger.deployment(one) for one in row[13] or ()}
        applied, repeated = ledger.in_force(row[14] or ())
        return State(
            read=row[0],
            ledger=row[1],
            environment=row[2],
            uuid=row[3],
            epoch=row[4],
            node=row[5],
            branch=row[6],
            since=row[7],
            versions=tuple(row[12] or ()) if versioned else None,
            recorded=tuple(row[8]),
            applied=applied,
            repeated=repeated,
            last=max(rows.values(), key=lambda one: one.number, default=None),
            open=next((one for one in rows.values() if one.outcome is Outcome.RUNNING), None),
            deployed_by=row[9],
            half={(one[0], one[1]): one[2] for one in row[11] or ()},
            lock=holder,
            undelivered=row[10],
            reader=reader,
        )

    def begin(
        self,
        new: NewDeployment,
        *,
        base_epoch: str | None,
        scripts: Iterable[Script | Repeatable],
        resume: str | None = None,
        supersede: str | None = None,
    ) -> tuple[Deployment, str]:
        """Open a deployment, or take an interrupted one up again, and draw a new epoch.

        :raises StateError: nobody holds the lock; the epoch is not ``base_epoch``; an interrupted deployment is
            neither resumed nor superseded; the ledger belongs to another environment or a newer program.
        """
        from . import carry

        with self._transaction() as cursor:
            if cursor.execute(ledger_sql.HOLDER).fetchone() is None:
                raise refusals.not_locked(self.environment)
            self._make(cursor, base_epoch)
            upgraded = upgrade(cursor)
            row = cursor.execute(
                "SELECT name, epoch::text, ledger_version, cluster_resource_id FROM hgaurora.environment FOR UPDATE"
            ).fetchone()
            assert row is not None
            self._known(row[2])
            if row[0] != self.environment:
                raise refusals.anothers(self.environment, row[0], where(self.connection))
            if base_epoch is not None and row[1] != base_epoch:
                raise refusals.changed(self.environment)
            self._same_cluster(cursor, row[3], new)
            if upgraded is not None:
                self._append(cursor, None, "ledger-upgraded", {"from": upgraded, "to": ledger_sql.LEDGER_VERSION})
            begun = self._row(cursor, new, resume, supersede)
            epoch = str(uuid.uuid4())
            cursor.execute("UPDATE hgaurora.environment SET epoch = %s", (epoch,))
            kind = "deployment-resumed" if resume else "deployment-started"
            sealed = seal.opening(carry.sealed(cursor, [begun.id], opening=True))
            seq = self._append(cursor, begun.id, kind, {**ledger.started(new, begun), "seal": sealed})
            contents = {script.raw: zlib.compress(script.content) for script in scripts}
            if contents:
                cursor.execute(
                    "INSERT INTO hgaurora.script (hash, content, event)"
                    " SELECT s.hash, s.content, %s FROM ROWS FROM (pg_catalog.unnest(%s::text[]),"
                    " pg_catalog.unnest(%s::bytea[])) AS s(hash, content)"
                    " ON CONFLICT (hash) DO NOTHING",
                    (seq, list(contents), list(contents.values())),
                )
        return begun, epoch

    def _same_cluster(self, cursor: psycopg.Cursor[Any], recorded: str | None, new: NewDeployment) -> None:
        """The ledger remembers the cluster it was first written on; an adoption may take another one."""
        found = self.connection.resource_id
        if found is None or found == recorded:
            return
        if recorded is not None and new.kind is not Kind.ADOPT:
            raise refusals.another_cluster(self.environment, recorded, found)
        cursor.execute("UPDATE hgaurora.environment SET cluster_resource_id = %s", (found,))

    def _append(
        self, cursor: psycopg.Cursor[Any], deployment: str | None, kind: str, payload: Mapping[str, object]
    ) -> int:
        return _append(cursor, deployment, kind, ledger.told(payload, self.connection))

    def _make(self, cursor: psycopg.Cursor[Any], base_epoch: str | None) -> None:
        """Make the ledger where there is none."""
        there = cursor.execute("SELECT pg_catalog.to_regclass('hgaurora.environment') IS NOT NULL").fetchone()
        assert there is not None
        if there[0]:
            if base_epoch is None and cursor.execute("SELECT 1 FROM hgaurora.environment").fetchone():
                raise refusals.begun_meanwhile(self.environment)
            return
        if base_epoch is not None:
            raise refusals.lost(self.environment, "schema hgaurora was dropped; restore a snapshot that holds it")
        cursor.execute(ledger_sql.CREATE)
        values = {"uuid": uuid.uuid4(), "name": self.environment, "epoch": uuid.uuid4()}
        cursor.execute(ledger_sql.CREATE_ENVIRONMENT, {**values, "ledger_version": 1})
        upgrade(cursor)
        made = {"environment": self.environment, "uuid": str(values["uuid"]), "version": ledger_sql.LEDGER_VERSION}
        self._append(cursor, None, "ledger-created", made)

    def _row(
        self, cursor: psycopg.Cursor[Any], new: NewDeployment, resume: str | None, supersede: str | None
    ) -> Deployment:
        """The deployment's row: a new one, or the interrupted one with who runs it now."""
        found = cursor.execute("SELECT id FROM hgaurora.deployment WHERE outcome = 'running'").fetchone()
        running = found[0] if found else None
        if running != (resume or supersede):
            raise refusals.another_open(self.environment, running, resume or supersede)
        if supersede:
            cursor.execute(
                "UPDATE hgaurora.deployment SET outcome = 'superseded', ended = pg_catalog.clock_timestamp()"
                " WHERE id = %s",
                (supersede,),
            )
            from . import carry

            self._append(
                cursor, supersede, "deployment-superseded", {"seal": seal.closing(carry.sealed(cursor, [supersede]))}
            )
        if resume:
            cursor.execute(
                "UPDATE hgaurora.deployment SET host = %s, pid = %s, tool_version = %s, plan = %s, caller = %s"
                " WHERE id = %s",
                (new.host, new.pid, new.tool_version, ledger.canonical(new.plan), self.connection.caller, resume),
            )
            wanted = resume
        else:
            number = cursor.execute("SELECT COALESCE(max(number), 0) + 1 FROM hgaurora.deployment").fetchone()
            assert number is not None
            wanted = f"{self.environment}-{number[0]}"
            from . import carry

            # PostgreSQL reads the word as the transaction's time
            row = ledger.opening(new, wanted, number[0], self.connection.caller)
            carry.insert(cursor, "deployment", {**row, "started": "now"})
        return self._deployments(cursor, "WHERE id = %s", (wanted,))[0]

    def event(self, deployment: str | None, kind: str, payload: Mapping[str, object]) -> int:
        """Append one event to the hash chain; returns its sequence number."""
        said = ledger.canonical(ledger.told(payload, self.connection))
        row = self._one(ledger_sql.APPEND, {"deployment": deployment, "kind": kind, "payload": said})
        return int(row[0])

    def events(
        self, *, deployment: str | None = None, after: int = 0, kind: str | None = None
    ) -> list[dict[str, object]]:
        """Events in order: ``seq``, ``at`` (ISO 8601), ``deployment``, ``kind``, ``payload``, ``hash``, ``carried``."""
        return [
            ledger.event(row)
            for row in self._dicts(
                "SELECT * FROM hgaurora.event WHERE seq > %(after)s AND (%(deployment)s::text IS NULL"
                " OR deployment = %(deployment)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s) ORDER BY seq",
                {"after": after, "deployment": deployment, "kind": kind},
            )
        ]

    def undelivered(self, limit: int = 1000) -> list[dict[str, object]]:
        """Events the journal does not have yet, oldest first; same shape as :meth:`events`, with ``environment`` and
        ``uuid``."""
        text = (
            "SELECT v.*, e.uuid::text AS uuid FROM hgaurora.event v, hgaurora.environment e"
            " WHERE v.delivered_at IS NULL ORDER BY v.seq LIMIT %s"
        )
        return [
            {**ledger.event(row), "environment": self.environment, "uuid": row["uuid"]}
            for row in self._dicts(text, (limit,))
        ]

    def mark_delivered(self, upto: int, at: datetime) -> None:
        """The journal has every event up to this sequence number; ``at`` is what it says of when."""
        self._run("UPDATE hgaurora.event SET delivered_at = %s WHERE delivered_at IS NULL AND seq <= %s", (at, upto))

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
        """Close a deployment. With ``ok`` the environment is from now on at ``target``.

        :raises StateError: the epoch is another one, or the deployment is closed already.
        """
        from . import carry

        outcome = (Outcome.OK if ok else Outcome.FAILED).value
        with self._transaction() as cursor:
            moved = cursor.execute(
                "UPDATE hgaurora.environment SET (node, branch, deployed_by, since) = (SELECT"
                " CASE WHEN %(ok)s THEN %(node)s ELSE node END, CASE WHEN %(ok)s THEN %(branch)s ELSE branch END,"
                " CASE WHEN %(ok)s THEN %(id)s ELSE deployed_by END,"
                " CASE WHEN %(ok)s THEN pg_catalog.clock_timestamp() ELSE since END) WHERE epoch = %(epoch)s::uuid",
                {
                    "ok": ok,
                    "node": target.node if target else None,
                    "branch": target.branch if target else None,
                    "id": deployment,
                    "epoch": epoch,
                },
            ).rowcount
            closed = cursor.execute(
                "UPDATE hgaurora.deployment SET outcome = %s, ended = pg_catalog.clock_timestamp(), heads_after = %s,"
                " error = %s WHERE id = %s AND outcome = 'running'",
                (outcome, list(heads_after), error, deployment),
            ).rowcount
            if (moved, closed) != (1, 1):
                raise refusals.taken_over(self.environment, deployment, closing=True)
            what = {"outcome": outcome, "heads_after": list(heads_after), "error": error}
            sealed = seal.closing(carry.sealed(cursor, [deployment]))
            said = {**what, "node": target.node if target else None, "seal": sealed}
            self._append(cursor, deployment, "deployment-finished", said)

    def deployments(self, *, limit: int | None = None) -> list[Deployment]:
        """Newest first."""
        with self._reading() as cursor:
            return self._deployments(cursor, "ORDER BY number DESC LIMIT %s", (limit,))

    def steps(self, deployments: Sequence[str]) -> list[StepRow]:
        """The committed migrations of some deployments, in order."""
        text = "SELECT * FROM hgaurora.step WHERE deployment = ANY(%s) ORDER BY id"
        return [ledger.step(row) for row in self._dicts(text, (list(deployments),))]

    def scripts(self, raws: Sequence[str]) -> dict[str, bytes]:
        """Script contents by raw hash; a missing one is absent from the answer."""
        text = "SELECT hash, content FROM hgaurora.script WHERE hash = ANY(%s)"
        return {row["hash"]: zlib.decompress(row["content"]) for row in self._dicts(text, (list(raws),))}

    def applied_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Applied]:
        """The applied set as it was before a deployment's first step, or after its last (``inclusive``).

        :raises StateError: no such deployment.
        """
        return self._in_force_as_of(deployment, inclusive=inclusive)[0]

    def repeated_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Repeated]:
        """The repeatable files in force then, by path; as :meth:`applied_as_of`."""
        return self._in_force_as_of(deployment, inclusive=inclusive)[1]

    def _in_force_as_of(self, deployment: str, *, inclusive: bool) -> tuple[dict[str, Applied], dict[str, Repeated]]:
        with self._reading() as cursor:
            spans = self._spans(self._point(deployment, inclusive=inclusive))
            cursor.execute(
                ledger_sql.APPLIED_IN, {"after": [one[0] for one in spans], "upto": [one[1] for one in spans]}
            )
            return ledger.in_force(cursor)

    def _point(self, deployment: str, *, inclusive: bool) -> int:
        """The event before a deployment's first, or its last.

        :raises StateError: no such deployment.
        """
        first, last = self._one(
            "SELECT min(seq), max(seq) FROM hgaurora.event WHERE deployment = %s AND kind <> 'rebased'", (deployment,)
        )
        if first is None:
            raise refusals.no_deployment(self.environment, deployment)
        return int(last if inclusive else first - 1)

    def _spans(self, upto: int) -> list[tuple[int, int]]:
        rebases = self._dicts(
            "SELECT seq, payload::json #>> '{snapshot,seq}' AS base FROM hgaurora.event WHERE kind = 'rebased'"
        )
        return ledger.spans([(row["seq"], int(row["base"])) for row in rebases], upto)

    def capture(self, *, marked: bool = False) -> Schema:
        """The whole schema as it is now, in one consistent look; what the tool owns is outside.

        :param marked: so that :meth:`mark` knows it.
        """
        from . import capture

        with translated(self.connection):
            schema, self._catalogue = capture.capture(self._connected(), self._outside(), marked=marked)
        return schema

    def mark(self) -> str | None:
        """What :meth:`unchanged` needs, of the schema as it was last looked at; None: nothing was, or not marked."""
        return self._catalogue.mark(self._connected().info.server_version) if self._catalogue else None

    def unchanged(self, mark: str) -> bool:
        """Whether nothing that a capture reads was written since a mark was made; :meth:`capture_parts` may then be
        asked as after a capture. False says nothing: only a capture can."""
        from . import capture

        with translated(self.connection):
            known = capture.unchanged(self._connected(), self._outside(), mark)
        self._catalogue = known or self._catalogue
        return known is not None

    def capture_parts(
        self, touched: Mapping[str, object] | None, known: Collection[str]
    ) -> tuple[Mapping[str, Part], Collection[str]] | None:
        """The parts that a migration may have changed, as they are now, and which ids of ``known`` are gone.

        None where only :meth:`capture` can say: it was not asked on this object before, or too much was touched.
        """
        from . import capture_quick
        from . import touched as facts

        wanted = facts.look(touched)
        if wanted is None or self._catalogue is None:
            return None
        if not wanted:
            return {}, set()
        with translated(self.connection):
            return capture_quick.QuickLook(self._connected(), self._outside(), self._catalogue).run(wanted, known)

    def _outside(self) -> tuple[str, str]:
        return self.connection.schema, self.connection.version_table

    def recorded(self) -> Recorded | None:
        """The schema as the ledger last recorded it; None: no ledger, or nothing recorded yet."""
        with self._transaction(one_look=True) as cursor:
            there = cursor.execute("SELECT pg_catalog.to_regclass('hgaurora.part') IS NOT NULL").fetchone()
            return schema_store.recorded(cursor) if there and there[0] else None

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        """Record a delta, in one transaction: its event, the contents of its parts, the parts.

        :raises StateError: the epoch is another one.
        """
        with translated(self.connection):
            if not schema_store.record(self._connected(), deployment, epoch, delta, self.connection):
                raise refusals.taken_over(self.environment, deployment)

    def adopt(
        self, steps: Sequence[Mapping[str, object]], *, deployment: str, epoch: str, versions: Sequence[str]
    ) -> None:
        """Record migrations that were not run by this tool, and the version table's rows as they stand.

        :param steps: payloads of events, as a child writes them, with ``adopted``.
        :raises StateError: the epoch is another one.
        """
        with self._transaction() as cursor:
            text = "UPDATE hgaurora.environment SET versions = %s WHERE epoch = %s::uuid"
            if cursor.execute(text, (list(versions), epoch)).rowcount != 1:
                raise refusals.taken_before(self.environment, deployment)
            for payload in steps:
                seq = self._append(cursor, deployment, "step", payload)
                values = {"id": seq, "deployment": deployment, "payload": ledger.canonical(payload)}
                cursor.execute(ledger_sql.ADOPT, values)

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Contents of parts by their hash; a missing one is absent from the answer."""
        with self._reading() as cursor:
            return schema_store.contents(cursor, hashes)

    def parts_as_of(self, seq: int) -> AsOf | None:
        """The schema as recorded at an event; None: nothing was recorded by then."""
        with self._reading() as cursor:
            return schema_store.as_of(cursor, self._spans(seq))

    def parts_of(self, deployment: str, *, inclusive: bool) -> AsOf | None:
        """The schema as recorded before the first migration of a deployment, or after its last (``inclusive``); None:
        nothing was recorded by then.

        :raises StateError: no such deployment.
        """
        point = self._point(deployment, inclusive=inclusive)
        (step, late) = self._one(ledger_sql.STEPS_END, {"id": deployment})
        if inclusive:
            return self.parts_as_of(max(point, late or 0))
        return self.parts_as_of(step - 1 if step else self._point(deployment, inclusive=True))

    def tip(self) -> int:
        """Sequence number of the newest event; in a copy not rebased yet, the end of what it shares with live."""
        return int(self._one("SELECT tip_seq FROM hgaurora.environment")[0])

    def export_after(self, seq: int) -> dict[str, object]:
        """Every ledger row younger than an event, for :meth:`rebase` of a restored copy. JSON-safe."""
        from . import carry

        with self._transaction(one_look=True) as cursor:
            return carry.export(cursor, seq)

    def rebase(self, rows: Mapping[str, object], *, deployment: str, node: str | None, branch: str | None) -> str:
        """Make a restored copy's ledger fit to serve, in one transaction; returns the new epoch.

        :raises StateError: the rows do not continue this ledger's chain.
        """
        from . import carry

        with self._transaction() as cursor:
            # a snapshot that is older than the ledger's version; the live one's event of its upgrade is carried over
            upgrade(cursor)
            # before the seal of a rebase: the copy is another cluster
            cursor.execute(
                "UPDATE hgaurora.environment SET cluster_resource_id = COALESCE(%s, cluster_resource_id)",
                (self.connection.resource_id,),
            )
            said = ledger.told({}, self.connection)
            return carry.rebase(cursor, rows, deployment=deployment, node=node, branch=branch, more=said)

    def uuid(self) -> str | None:
        """The environment's, as its ledger has it; None: there is no ledger."""
        if not self._one("SELECT pg_catalog.to_regclass('hgaurora.environment') IS NOT NULL")[0]:
            return None
        return str(self._one("SELECT uuid FROM hgaurora.environment")[0])

    def verify(self) -> list[str]:
        """Every edit of a row that the ledger itself gives away, named; empty: none."""
        from ..verify import verify
        from . import carry

        with self._transaction(one_look=True) as cursor:
            found = carry.everything(cursor)
        return verify(found)

    def holder(self) -> LockHolder | None:
        """Who holds the lock, or None."""
        rows = self._dicts(ledger_sql.HOLDER)
        if not rows:
            return None
        return LockHolder(
            pid=rows[0]["pid"], application=rows[0]["application_name"] or "", since=rows[0]["backend_start"]
        )

    def blockers(self, pid: int) -> Wait | None:
        """What a session waits for and who holds it; None: it waits for no lock."""
        with self._reading() as cursor:
            values = {"pid": pid, "schema": self.connection.schema}
            return blocking.wait(cursor.execute(blocking.BLOCKERS, values).fetchall())

    def obstacles(self, older: float) -> Obstacles:
        """Who holds locks on tables for more than ``older`` seconds, or dumps them; indexes that were left invalid."""
        values = {"older": older, "schema": self.connection.schema}
        return blocking.obstacles(self._one(blocking.OBSTACLES, values))

    def password(self) -> str | None:
        """The password this connection was opened with, wherever libpq found it; None: it took none."""
        return self._connected().info.password or None

    def acquire(self) -> bool:
        """Take the lock on this connection; False where it is held."""
        self._locked = bool(self._one(ledger_sql.TRY_LOCK)[0]) or self._locked
        return self._locked

    def gone(self, pid: int, *, terminate: bool = False) -> bool:
        """True where a server session has ended; with ``terminate`` it is told to."""
        if terminate:
            self._one("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
        return not self._one("SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE pid = %s", (pid,))[0]

    def close(self) -> None:
        """Close the connection; a lock taken by :meth:`acquire` goes with it."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._locked = False

    def _names(self) -> dict[str, str]:
        schema, table = self.connection.schema, self.connection.version_table
        return {"schema": schema, "version_table": table, "versions": compose.quoted(schema, table)}

    def _fill(self, text: str) -> str:
        return compose.compose(text, schema=self.connection.schema, version_table=self.connection.version_table)

    def _versions(self) -> tuple[str, ...]:
        with self._reading() as cursor:
            return tuple(row[0] for row in cursor.execute(self._fill(ledger_sql.VERSIONS)))

    def _known(self, version: int) -> None:
        if version > ledger_sql.LEDGER_VERSION:
            raise refusals.too_new(self.environment, version, ledger_sql.LEDGER_VERSION)

    def _connected(self) -> psycopg.Connection[Any]:
        """The connection, made at first use, and made again where the server ended it and nothing hung on it."""
        if self._open is not None and (self._open.closed or self._open.broken):
            if self._locked:
                raise refusals.lock_gone(self.environment)
            self._open = None
        if self._open is None:
            name = f"hgaurora {self.environment}"
            self._open = opened(self.connection, application=name, settings=self._settings)
        return self._open

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Cursor[Any]]:
        with translated(self.connection), self._connected().cursor() as cursor:
            yield cursor

    @contextmanager
    def _transaction(self, *, one_look: bool = False) -> Iterator[psycopg.Cursor[Any]]:
        """A transaction; with ``one_look`` all its statements see the same state of the database."""
        connection = self._connected()
        with translated(self.connection), connection.transaction(), connection.cursor() as cursor:
            if one_look:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield cursor

    def _run(self, text: str, values: Any = None) -> None:
        with self._reading() as cursor:
            cursor.execute(text, values)

    def _one(self, text: str, values: Any = None) -> Sequence[Any]:
        with self._reading() as cursor:
            row = cursor.execute(text, values).fetchone()
        if row is None:
            raise refusals.no_row(self.environment)
        return row

    def _dicts(self, text: str, values: Any = None) -> list[dict[str, Any]]:
        from psycopg.rows import dict_row

        with translated(self.connection), self._connected().cursor(row_factory=dict_row) as cursor:
            return cursor.execute(text, values).fetchall()

    @staticmethod
    def _deployments(cursor: psycopg.Cursor[Any], rest: str, values: Sequence[object]) -> list[Deployment]:
        cursor.execute("SELECT pg_catalog.row_to_json(d) FROM hgaurora.deployment d " + rest, values)
        return [ledger.deployment(row[0]) for row in cursor]


def upgrade(cursor: psycopg.Cursor[Any]) -> int | None:
    """Bring an older ledger to this version, in the caller's transaction; the version it had, None: this one."""
    row = cursor.execute("SELECT ledger_version FROM hgaurora.environment FOR UPDATE").fetchone()
    assert row is not None
    for version in range(row[0] + 1, ledger_sql.LEDGER_VERSION + 1):
        cursor.execute(ledger_sql.UPGRADES[version])
    return row[0] if row[0] < ledger_sql.LEDGER_VERSION else None


def _append(cursor: psycopg.Cursor[Any], deployment: str | None, kind: str, payload: Mapping[str, object]) -> int:
    values = {"deployment": deployment, "kind": kind, "payload": ledger.canonical(payload)}
    row = cursor.execute(ledger_sql.APPEND, values).fetchone()
    assert row is not None
    return int(row[0])


def _since(value: Any) -> Any:
    return ledger.instant(value)


def _without_versions(text: str) -> str:
    """The statement for a database that has no version table."""
    head, rest = text.split("    (SELECT pg_catalog.array_agg(version_num", 1)
    return head + "    NULL" + rest[rest.index(",\n") :]
