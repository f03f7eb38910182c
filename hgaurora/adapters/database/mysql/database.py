# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The :class:`~hgaurora.ports.Database` on MySQL and MariaDB: ledger, lock and version table of one environment.

PyMySQL is imported at the first connection. One connection, in autocommit; statements that belong together are in an
InnoDB transaction, and questions that belong together in one message.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ....core.blocking import Obstacles, Wait
from ....core.errors import HgAuroraError, SecurityError, StateError
from ....core.model import Applied, Changeset, Deployment, Kind, LockHolder, Outcome, Repeated, Script, State, StepRow
from ....core.repeatable import Repeatable
from ....core.schema.model import Part, Schema
from ....core.schema.record import AsOf, DeltaRow, Recorded
from ....ports import Connection, NewDeployment
from .. import ledger, refusals, seal
from . import blocking, carry, compose, ledger_sql, rows, schema_store
from .capture import Capture
from .connection import LOST, numbered, opened, password, translated, where

if TYPE_CHECKING:
    import pymysql

_NO_SUCH_THREAD = 1094
_NOW = "SELECT UTC_TIMESTAMP(6) AS `read`"


class MysqlDatabase:
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
        self._timeouts = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
        self._names = {"database": connection.parameters["dbname"], "version_table": connection.version_table}
        self._open: pymysql.Connection[Any] | None = None
        self._lost = self._locked = False

    def facts(self) -> dict[str, object]:
        """Server facts: ``product``, ``version``, ``database``, ``user``, ``host``, ``read_only``."""
        row = self._one(
            f"SELECT VERSION(), DATABASE(), CURRENT_USER(), NOT ({ledger_sql.WRITER})"
            " OR @@SESSION.{} AS reading".format("tx_read_only" if self._mariadb else "transaction_read_only")
        )
        return {
            "product": "MariaDB" if "MariaDB" in row[0] else "MySQL",
            "version": row[0],
            "database": row[1],
            "user": row[2],
            "host": self.connection.parameters.get("host", ""),
            "read_only": bool(row[3]),
        }

    def state(self) -> State:
        """Everything :class:`State` holds, in two round trips once connected.

        :raises StateError: the ledger is newer than this program.
        :raises SecurityError: a trigger, a view or a table without transactions stands where the ledger or the version
            table should.
        """
        asked = (ledger_sql.PRESENT, ledger_sql.DISTRUST, ledger_sql.HOLDER, ledger_sql.ASK_WRITER)
        present, distrust, held, writer = self._bundle(asked)
        reader = not writer[0]["writer"]
        if distrust:
            findings = [str(row["said"]) for row in distrust]
            raise SecurityError(
                f"{self.environment}: {findings[0]}",
                state="nothing was changed",
                hint="the ledger's tables and the version table must be InnoDB tables without triggers",
                data={"findings": findings},
            )
        holder = self._holder(held)
        there = {str(next(iter(row.values()))).lower() for row in present}
        versioned = self.connection.version_table.lower() in there
        missing = set(ledger_sql.TABLES) - there
        if missing and "hgaurora_environment" in there:
            raise refusals.not_whole(self.environment, missing)
        texts = list(ledger_sql.STATE) if "hgaurora_environment" in there else [_NOW]
        found = self._bundle([*texts, *([ledger_sql.VERSIONS] if versioned else [])], one_look=True)
        versions = tuple(sorted(str(row["version_num"]) for row in found.pop())) if versioned else None
        environment = rows.decoded(found[0][0]) if found[0] else None
        if environment is None or "uuid" not in environment:
            # a crash may have left tables without the environment's row: that is no ledger yet, and they are empty
            if filled := self._filled(there & set(ledger_sql.TABLES)):
                if "hgaurora_environment" in self._there() and self._rows("SELECT 1 FROM {db}hgaurora_environment"):
                    # the first run of all wrote its rows between our looks, that one with them
                    return self.state()
                raise refusals.remains(self.environment, filled)
            read = environment["read"] if environment else rows.decoded(self._bundle([_NOW])[0][0])["read"]
            return State(read=read, versions=versions, lock=holder, reader=reader)
        self._known(environment["ledger_version"])
        if not versioned and environment["versions"] and self.connection.version_table.lower() in self._there():
            # the first migration of all was committed between our looks
            return self.state()
        _, deployed, half, applied = found
        deployments = [ledger.deployment(rows.decoded(row)) for row in deployed]
        migrations, repeated = ledger.in_force(tuple(rows.decoded(row).values()) for row in applied)
        return State(
            read=environment["read"],
            ledger=environment["ledger_version"],
            environment=environment["name"],
            uuid=environment["uuid"],
            epoch=environment["epoch"],
            node=environment["node"],
            branch=environment["branch"],
            since=environment["since"],
            versions=versions,
            recorded=tuple(environment["versions"]),
            applied=migrations,
            repeated=repeated,
            last=max(deployments, key=lambda one: one.number, default=None),
            open=next((one for one in deployments if one.outcome is Outcome.RUNNING), None),
            deployed_by=environment["deployed_by"],
            half={(row["revision"], row["direction"]): int(row["n"]) for row in half},
            lock=holder,
            undelivered=environment["undelivered"],
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
        if self.facts()["read_only"]:
            # a user with all rights could write all the same, and the replica would be another database from then on
            raise StateError(
                f"{where(self.connection)} takes no writes: it is a reader",
                state="nothing was changed",
                hint="name the writer endpoint; after a failover try again",
            )
        if not self._rows(ledger_sql.HOLDER):
            raise refusals.not_locked(self.environment)
        if base_epoch is None:
            # DDL commits by itself; what a crash leaves is made whole by the next run
            for text in ledger_sql.CREATE:
                self._run(text)
        self._add_columns()
        with self._transaction() as cursor:
            row = self._environment(cursor, base_epoch)
            self._known(row["ledger_version"])
            if row["name"] != self.environment:
                raise refusals.anothers(self.environment, row["name"], where(self.connection))
            if base_epoch is not None and row["epoch"] != base_epoch:
                raise refusals.changed(self.environment)
            self._same_cluster(cursor, row["cluster_resource_id"], new)
            self._upgrade(cursor, row["ledger_version"])
            begun = self._row(cursor, new, resume, supersede)
            epoch = str(uuid.uuid4())
            self._send(cursor, "UPDATE {db}hgaurora_environment SET epoch = %(epoch)s", {"epoch": epoch})
            kind = "deployment-resumed" if resume else "deployment-started"
            sealed = seal.opening(carry.sealed(cursor, self._fill, [begun.id], opening=True))
            seq = self._append(cursor, begun.id, kind, {**ledger.started(new, begun), "seal": sealed})
            for script in scripts:
                values = {"hash": script.raw, "content": zlib.compress(script.content), "event": seq}
                rows.insert(cursor, self._fill, "script", values, ignore=True)
        return begun, epoch

    def _same_cluster(self, cursor: Any, recorded: str | None, new: NewDeployment) -> None:
        """The ledger remembers the cluster it was first written on; an adoption may take another one."""
        found = self.connection.resource_id
        if found is None or found == recorded:
            return
        if recorded is not None and new.kind is not Kind.ADOPT:
            raise refusals.another_cluster(self.environment, recorded, found)
        self._send(cursor, "UPDATE {db}hgaurora_environment SET cluster_resource_id = %(found)s", {"found": found})

    def _add_columns(self) -> None:
        """What this version has and an older ledger does not, before a transaction: DDL ends one. An older program does
        not mind it."""
        present = self._there()
        for _, table, column, kind in ledger_sql.ADDED:
            names = {"database": self._names["database"], "table": table, "column": column}
            if table in present and not self._rows(ledger_sql.COLUMN, names):
                self._run(f"ALTER TABLE {{db}}{table} ADD COLUMN {column} {kind}")

    def _upgrade(self, cursor: Any, version: int) -> None:
        """Say in the ledger that it is of this version, where it is not yet."""
        now = ledger_sql.LEDGER_VERSION
        if version < now:
            self._send(cursor, "UPDATE {db}hgaurora_environment SET ledger_version = %(now)s", {"now": now})
            self._append(cursor, None, "ledger-upgraded", {"from": version, "to": now})

    def _there(self) -> set[str]:
        """Which of the ledger's tables and the version table are there, in lower case."""
        return {str(next(iter(row.values()))).lower() for row in self._rows(ledger_sql.PRESENT, self._names)}

    def _filled(self, tables: Collection[str]) -> list[str]:
        """Which of the ledger's tables have a row."""
        names = [name for name in sorted(tables) if name != "hgaurora_environment"]
        found = self._bundle([f"SELECT 1 FROM {{db}}{name} LIMIT 1" for name in names]) if names else []
        return [name for name, rows_of in zip(names, found, strict=True) if rows_of]

    def _environment(self, cursor: Any, base_epoch: str | None) -> dict[str, Any]:
        """The environment's row, locked; made where no ledger was expected and there is none."""
        present = self._look(cursor, ledger_sql.PRESENT, self._names)
        made = "hgaurora_environment" in {str(next(iter(row.values()))) for row in present}
        found = self._look(cursor, ledger_sql.ENVIRONMENT, {}) if made else []
        if found and base_epoch is None:
            raise refusals.begun_meanwhile(self.environment)
        if not found and base_epoch is not None:
            raise refusals.lost(
                self.environment, "the tables hgaurora_... were dropped; restore a snapshot that holds them"
            )
        if found:
            return rows.decoded(found[0])
        values = {"uuid": str(uuid.uuid4()), "name": self.environment, "epoch": str(uuid.uuid4())}
        version = ledger_sql.LEDGER_VERSION
        self._send(cursor, ledger_sql.CREATE_ENVIRONMENT, {**values, "ledger_version": version})
        made_of = {"environment": self.environment, "uuid": values["uuid"], "version": version}
        self._append(cursor, None, "ledger-created", made_of)
        return rows.decoded(self._look(cursor, ledger_sql.ENVIRONMENT, {})[0])

    def _row(self, cursor: Any, new: NewDeployment, resume: str | None, supersede: str | None) -> Deployment:
        """The deployment's row: a new one, or the interrupted one with who runs it now."""
        found = self._look(cursor, "SELECT id FROM {db}hgaurora_deployment WHERE outcome = 'running'", {})
        running = found[0]["id"] if found else None
        if running != (resume or supersede):
            raise refusals.another_open(self.environment, running, resume or supersede)
        if supersede:
            text = (
                "UPDATE {db}hgaurora_deployment SET outcome = 'superseded', ended = UTC_TIMESTAMP(6) WHERE id = %(id)s"
            )
            self._send(cursor, text, {"id": supersede})
            sealed = seal.closing(carry.sealed(cursor, self._fill, [supersede]))
            self._append(cursor, supersede, "deployment-superseded", {"seal": sealed})
        if resume:
            text = (
                "UPDATE {db}hgaurora_deployment SET host = %(host)s, pid = %(pid)s, tool_version = %(tool)s,"
                " plan = %(plan)s, caller = %(caller)s WHERE id = %(id)s"
            )
            values = {"host": new.host, "pid": new.pid, "tool": new.tool_version, "id": resume}
            values["caller"] = self.connection.caller
            self._send(cursor, text, {**values, "plan": ledger.canonical(new.plan)})
            wanted = resume
        else:
            text = "SELECT COALESCE(MAX(number), 0) + 1 AS number, UTC_TIMESTAMP(6) AS at FROM {db}hgaurora_deployment"
            (next_one,) = self._look(cursor, text, {})
            wanted = f"{self.environment}-{next_one['number']}"
            row = ledger.opening(new, wanted, int(next_one["number"]), self.connection.caller)
            rows.insert(cursor, self._fill, "deployment", {**row, "started": next_one["at"]})
        text = "SELECT * FROM {db}hgaurora_deployment WHERE id = %(id)s"
        return ledger.deployment(rows.decoded(self._look(cursor, text, {"id": wanted})[0]))

    def event(self, deployment: str | None, kind: str, payload: Mapping[str, object]) -> int:
        """Append one event to the hash chain; returns its sequence number."""
        with self._transaction() as cursor:
            return self._append(cursor, deployment, kind, payload)

    def events(
        self, *, deployment: str | None = None, after: int = 0, kind: str | None = None
    ) -> list[dict[str, object]]:
        """Events in order: ``seq``, ``at`` (ISO 8601), ``deployment``, ``kind``, ``payload``, ``hash``, ``carried``."""
        text = "SELECT * FROM {db}hgaurora_event WHERE seq > %(after)s"
        text += " AND deployment = %(deployment)s" if deployment is not None else ""
        text += " AND kind = %(kind)s" if kind is not None else ""
        found = self._rows(text + " ORDER BY seq", {"after": after, "deployment": deployment, "kind": kind})
        return [ledger.event(rows.decoded(row)) for row in found]

    def undelivered(self, limit: int = 1000) -> list[dict[str, object]]:
        """Events the journal does not have yet, oldest first; same shape as :meth:`events`, with ``environment`` and
        ``uuid``."""
        text = (
            "SELECT v.*, e.uuid FROM {db}hgaurora_event v JOIN {db}hgaurora_environment e ON e.one = 1"
            " WHERE v.delivered_at IS NULL ORDER BY v.seq LIMIT %(limit)s"
        )
        return [
            {**ledger.event(rows.decoded(row)), "environment": self.environment, "uuid": row["uuid"]}
            for row in self._rows(text, {"limit": limit})
        ]

    def mark_delivered(self, upto: int, at: datetime) -> None:
        """The journal has every event up to this sequence number; ``at`` is what it says of when."""
        text = "UPDATE {db}hgaurora_event SET delivered_at = %(at)s WHERE delivered_at IS NULL AND seq <= %(upto)s"
        self._run(text, rows.encoded({"at": at, "upto": upto}))

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
        outcome = (Outcome.OK if ok else Outcome.FAILED).value
        node, branch = (target.node, target.branch) if target else (None, None)
        with self._transaction() as cursor:
            locked = self._look(cursor, ledger_sql.ENVIRONMENT, {})
            mine = bool(locked) and locked[0]["epoch"] == epoch
            values = {"outcome": outcome, "heads": rows.array(heads_after), "error": error, "id": deployment}
            closed = self._send(
                cursor,
                "UPDATE {db}hgaurora_deployment SET outcome = %(outcome)s, ended = UTC_TIMESTAMP(6),"
                " heads_after = %(heads)s, error = %(error)s WHERE id = %(id)s AND outcome = 'running'",
                values,
            )
            if not mine or closed != 1:
                raise refusals.taken_over(self.environment, deployment, closing=True)
            if ok:
                self._send(
                    cursor,
                    "UPDATE {db}hgaurora_environment SET node = %(node)s, branch = %(branch)s, deployed_by = %(id)s,"
                    " since = UTC_TIMESTAMP(6)",
                    {"node": node, "branch": branch, "id": deployment},
                )
            what = {"outcome": outcome, "heads_after": list(heads_after), "error": error, "node": node}
            sealed = seal.closing(carry.sealed(cursor, self._fill, [deployment]))
            self._append(cursor, deployment, "deployment-finished", {**what, "seal": sealed})

    def deployments(self, *, limit: int | None = None) -> list[Deployment]:
        """Newest first."""
        text = "SELECT * FROM {db}hgaurora_deployment ORDER BY number DESC"
        text += " LIMIT %(limit)s" if limit is not None else ""
        return [ledger.deployment(rows.decoded(row)) for row in self._rows(text, {"limit": limit})]

    def steps(self, deployments: Sequence[str]) -> list[StepRow]:
        """The committed migrations of some deployments, in order."""
        if not deployments:
            return []
        text = "SELECT * FROM {db}hgaurora_step WHERE deployment IN %(which)s ORDER BY id"
        return [ledger.step(rows.decoded(row)) for row in self._rows(text, {"which": list(deployments)})]

    def scripts(self, raws: Sequence[str]) -> dict[str, bytes]:
        """Script contents by raw hash; a missing one is absent from the answer."""
        if not raws:
            return {}
        text = "SELECT hash, content FROM {db}hgaurora_script WHERE hash IN %(which)s"
        return {row["hash"]: zlib.decompress(row["content"]) for row in self._rows(text, {"which": list(raws)})}

    def applied_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Applied]:
        """The applied set as it was before a deployment's first step, or after its last (``inclusive``).

        :raises StateError: no such deployment.
        """
        return self._in_force_as_of(deployment, inclusive=inclusive)[0]

    def repeated_as_of(self, deployment: str, *, inclusive: bool) -> dict[str, Repeated]:
        """The repeatable files in force then, by path; as :meth:`applied_as_of`."""
        return self._in_force_as_of(deployment, inclusive=inclusive)[1]

    def _in_force_as_of(self, deployment: str, *, inclusive: bool) -> tuple[dict[str, Applied], dict[str, Repeated]]:
        which, values = rows.within("id", self._spans(self._point(deployment, inclusive=inclusive)))
        found = self._rows(ledger_sql.APPLIED.replace("{which}", which), values)
        return ledger.in_force(tuple(rows.decoded(row).values()) for row in found)

    def _point(self, deployment: str, *, inclusive: bool) -> int:
        """The event before a deployment's first, or its last.

        :raises StateError: no such deployment.
        """
        text = "SELECT MIN(seq), MAX(seq) FROM {db}hgaurora_event WHERE deployment = %(id)s AND kind <> 'rebased'"
        first, last = self._one(text, {"id": deployment})
        if first is None:
            raise refusals.no_deployment(self.environment, deployment)
        return int(last if inclusive else first - 1)

    def _spans(self, upto: int) -> list[tuple[int, int]]:
        found = self._rows("SELECT seq, payload FROM {db}hgaurora_event WHERE kind = 'rebased'")
        return ledger.spans([(row["seq"], int(rows.payload(row)["snapshot"]["seq"])) for row in found], upto)

    def recorded(self) -> Recorded | None:
        """The schema as the ledger last recorded it; None: no ledger, or nothing recorded yet."""
        with self._transaction() as cursor:
            there = {next(iter(row.values())) for row in self._look(cursor, ledger_sql.PRESENT, self._names)}
            return schema_store.recorded(cursor, self._fill) if "hgaurora_environment" in there else None

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        """Record a delta, in one transaction: its event, the contents of its parts, the parts.

        :raises StateError: the epoch is another one.
        """
        with self._transaction() as cursor:
            if not schema_store.record(cursor, self._fill, deployment, epoch, delta, self.connection):
                raise refusals.taken_over(self.environment, deployment)

    def adopt(
        self, steps: Sequence[Mapping[str, object]], *, deployment: str, epoch: str, versions: Sequence[str]
    ) -> None:
        """Record migrations that were not run by this tool, and the version table's rows as they stand.

        :raises StateError: the epoch is another one.
        """
        with self._transaction() as cursor:
            found = self._look(cursor, "SELECT epoch FROM {db}hgaurora_environment FOR UPDATE", {})
            if [row["epoch"] for row in found] != [epoch]:
                raise refusals.taken_before(self.environment, deployment)
            text = "UPDATE {db}hgaurora_environment SET versions = %(versions)s"
            self._send(cursor, text, {"versions": json.dumps(list(versions))})
            for payload in steps:
                seq = self._append(cursor, deployment, "step", payload)
                row = {name: json.dumps(one) if isinstance(one, list) else one for name, one in payload.items()}
                self._send(cursor, ledger_sql.ADOPT, {**row, "id": seq, "deployment": deployment})

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Contents of parts by their hash; a missing one is absent from the answer."""
        with self._speaking() as cursor:
            return schema_store.contents(cursor, self._fill, hashes)

    def parts_as_of(self, seq: int) -> AsOf | None:
        """The schema as recorded at an event; None: nothing was recorded by then."""
        spans = self._spans(seq)
        with self._speaking() as cursor:
            return schema_store.as_of(cursor, self._fill, spans)

    def parts_of(self, deployment: str, *, inclusive: bool) -> AsOf | None:
        """The schema as recorded before the first migration of a deployment, or after its last (``inclusive``); None:
        nothing was recorded by then.

        :raises StateError: no such deployment.
        """
        point = self._point(deployment, inclusive=inclusive)
        steps = {row["id"] for row in self._rows(ledger_sql.STEPS_OF, {"id": deployment})}
        if inclusive:
            # the delta of the last step may have been made up by a later deployment
            deltas = self._rows(ledger_sql.DELTAS_AFTER, {"seq": min(steps, default=point)})
            late = [row["seq"] for row in deltas if rows.payload(row)["step"] in steps]
            return self.parts_as_of(max([point, *late]))
        return self.parts_as_of(min(steps) - 1 if steps else self._point(deployment, inclusive=True))

    def tip(self) -> int:
        """Sequence number of the newest event; in a copy not rebased yet, the end of what it shares with live."""
        return int(self._one("SELECT tip_seq FROM {db}hgaurora_environment")[0])

    def export_after(self, seq: int) -> dict[str, object]:
        """Every ledger row younger than an event, for :meth:`rebase` of a restored copy. JSON-safe."""
        with self._transaction() as cursor:
            return carry.export(cursor, self._fill, seq)

    def rebase(self, rows: Mapping[str, object], *, deployment: str, node: str | None, branch: str | None) -> str:
        """Make a restored copy's ledger fit to serve, in one transaction; returns the new epoch.

        :raises StateError: the rows do not continue this ledger's chain.
        """
        self._add_columns()
        with self._transaction() as cursor:
            # before the seal of a rebase: a snapshot may be older than the ledger's version, whose event is carried
            # over; and it is another cluster
            self._send(
                cursor,
                "UPDATE {db}hgaurora_environment SET ledger_version = %(version)s,"
                " cluster_resource_id = COALESCE(%(cluster)s, cluster_resource_id)",
                {"version": ledger_sql.LEDGER_VERSION, "cluster": self.connection.resource_id},
            )
            said = ledger.told({}, self.connection)
            return carry.rebase(cursor, self._fill, rows, deployment=deployment, node=node, branch=branch, more=said)

    def uuid(self) -> str | None:
        """The environment's, as its ledger has it; None: there is no ledger."""
        if "hgaurora_environment" not in self._there():
            return None
        return str(self._one("SELECT uuid FROM {db}hgaurora_environment")[0])

    def verify(self) -> list[str]:
        """Every edit of a row that the ledger itself gives away, named; empty: none."""
        from ..verify import verify

        with self._transaction() as cursor:
            found = carry.everything(cursor, self._fill)
        return verify(found)

    def capture(self, *, marked: bool = False) -> Schema:
        """The whole schema as it is now; what the tool owns is outside."""
        with self._looking() as look:
            return look.whole()

    def mark(self) -> str | None:
        """Nothing: this server's catalogue does not say who wrote its rows."""
        return None

    def unchanged(self, mark: str) -> bool:
        """Not known."""
        return False

    def capture_parts(
        self, touched: Mapping[str, object] | None, known: Collection[str]
    ) -> tuple[Mapping[str, Part], Collection[str]] | None:
        """The parts that a migration may have changed, as they are now, and which ids of ``known`` are gone.

        :param touched: what its statements name, as the step's result has it; None: anything.
        :param known: ids of the parts there were before.
        :returns: None where only :meth:`capture` can say.
        """
        with self._looking() as look:
            return look.some(touched, known)

    def holder(self) -> LockHolder | None:
        """Who holds the lock, or None."""
        return self._holder(self._rows(ledger_sql.HOLDER))

    def _holder(self, found: Sequence[Mapping[str, Any]]) -> LockHolder | None:
        """The session's name of itself where the server keeps it, else its user and host. When it began no server
        says."""
        if not found:
            return None
        row = next(iter(found))
        named: list[dict[str, Any]] = []
        if not self._mariadb:
            with suppress(HgAuroraError):  # the right to read performance_schema is not everybody's
                named = self._rows(ledger_sql.APPLICATION, {"pid": row["pid"]})
        application = named[0]["attr_value"] if named else f"{row['user'] or ''}@{row['host'] or ''}".strip("@")
        return LockHolder(pid=int(row["pid"]), application=application or "", since=None)

    def blockers(self, pid: int) -> Wait | None:
        """What a session waits for and who holds it, or may; None: it waits for no lock."""
        return blocking.blockers(self._rows, pid, self._names["database"], mariadb=self._mariadb)

    def obstacles(self, older: float) -> Obstacles:
        """Transactions open for more than ``older`` seconds, and dumps. No index here is ever invalid."""
        return blocking.obstacles(self._rows, older, self._names["database"], mariadb=self._mariadb)

    def password(self) -> str | None:
        """The password this connection is opened with, wherever it was found; None: it takes none."""
        return password(self.connection) or None

    def acquire(self) -> bool:
        """Take the lock on this connection; False where it is held."""
        self._locked = bool(self._one(ledger_sql.TRY_LOCK)[0]) or self._locked
        return self._locked

    def gone(self, pid: int, *, terminate: bool = False) -> bool:
        """True where a server session has ended; with ``terminate`` it is told to."""
        if terminate:
            import pymysql

            try:
                with self._connected().cursor() as cursor:
                    cursor.execute("KILL %s", (pid,))
            except pymysql.Error as error:
                if numbered(error)[0] != _NO_SUCH_THREAD:
                    with translated(self.connection):
                        raise
        return not self._rows(ledger_sql.SESSION, {"pid": pid})

    def close(self) -> None:
        """Close the connection; a lock taken by :meth:`acquire` goes with it."""
        if self._open is not None:
            import pymysql

            with suppress(pymysql.Error):  # closed already, by us or by the server
                self._open.close()
            self._open = None
        self._locked = self._lost = False

    def _fill(self, text: str) -> str:
        return compose.compose(text, **self._names)

    def _known(self, version: int) -> None:
        if version > ledger_sql.LEDGER_VERSION:
            raise refusals.too_new(self.environment, version, ledger_sql.LEDGER_VERSION)

    @property
    def _mariadb(self) -> bool:
        return "MariaDB" in self._connected().get_server_info()

    def _connected(self) -> pymysql.Connection[Any]:
        """The connection, made at first use, and made again where the server ended it and nothing hung on it."""
        if self._open is not None and (self._lost or not self._open.open):
            if self._locked:
                raise refusals.lock_gone(self.environment)
            self.close()
        if self._open is None:
            name = f"hgaurora {self.environment}"
            self._open = opened(self.connection, application=name, **self._timeouts)
        return self._open

    @contextmanager
    def _speaking(self) -> Iterator[Any]:
        """A cursor whose rows are mappings."""
        import pymysql
        from pymysql.cursors import DictCursor

        connection = self._connected()
        with translated(self.connection):
            try:
                with connection.cursor(DictCursor) as cursor:
                    yield cursor
            except pymysql.Error as error:
                self._lost = self._lost or numbered(error)[0] in LOST or isinstance(error, pymysql.InterfaceError)
                raise

    @contextmanager
    def _looking(self) -> Iterator[Capture]:
        with self._speaking():
            connection = self._connected()

            def ask(text: str, values: Sequence[object]) -> Sequence[tuple[Any, ...]]:
                with connection.cursor() as cursor:
                    cursor.execute(text, values or None)
                    return cursor.fetchall()

            yield Capture(ask, self.connection.schema, version_table=self.connection.version_table)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A transaction; its plain reads see one state of the database, its locking reads the newest."""
        import pymysql

        with self._speaking() as cursor:
            cursor.execute("START TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(pymysql.Error):  # where the session is gone, so is its transaction
                    cursor.execute("ROLLBACK")
                raise

    def _send(self, cursor: Any, text: str, values: Mapping[str, object]) -> int:
        """Run a statement; how many rows it changed."""
        return int(cursor.execute(self._fill(text), values))

    def _look(self, cursor: Any, text: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        cursor.execute(self._fill(text), values)
        return list(cursor.fetchall())

    def _run(self, text: str, values: Mapping[str, object] | None = None) -> None:
        with self._speaking() as cursor:
            self._send(cursor, text, values or {})

    def _rows(self, text: str, values: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        with self._speaking() as cursor:
            return self._look(cursor, text, values or {})

    def _one(self, text: str, values: Mapping[str, object] | None = None) -> Sequence[Any]:
        found = self._rows(text, values)
        if not found:
            raise refusals.no_row(self.environment)
        return tuple(found[0].values())

    def _bundle(self, texts: Sequence[str], *, one_look: bool = False) -> list[list[dict[str, Any]]]:
        """The rows of several questions, asked in one message; with ``one_look`` of one state of the database."""
        asked = [self._fill(text) for text in texts]
        frame = ("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "COMMIT") if one_look else ()
        if frame:
            asked = [frame[0], *asked, frame[1]]
        with self._speaking() as cursor:
            try:
                cursor.execute(";\n".join(asked), self._names)
                found = [list(cursor.fetchall())]
                while cursor.nextset():
                    found.append(list(cursor.fetchall()))
            except BaseException:
                # what was not read yet would be taken for the next answer
                self._lost = True
                raise
        return found[1:-1] if frame else found

    def _append(self, cursor: Any, deployment: str | None, kind: str, payload: Mapping[str, object]) -> int:
        return rows.append(cursor, self._fill, deployment, kind, ledger.told(payload, self.connection))
