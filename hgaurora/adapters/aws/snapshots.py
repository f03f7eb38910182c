# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of one Aurora cluster, as RDS makes them.

RDS has no client token: the identifier is what makes two requests one. Who calls has written it down before, so
whatever became of a request, asking again finds what the first one began, and its tags say whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...core.errors import HgAuroraError, InputError, Interrupted, RemoteError, SnapshotsFull, SnapshotTaken, StateError
from ...core.model import Snapshot
from ...ports import Clock
from .errors import THROTTLED, translated
from .session import Aws
from .tags import LONGEST, from_aws, to_aws

Row = Mapping[str, Any]
Progress = Callable[[str, int | None], None]

#: what of the tags makes a snapshot ours, where it is known
_OURS = ("snapshot", "environment", "ledger", "deployment")
_IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*", re.IGNORECASE)
_EXISTS = "DBClusterSnapshotAlreadyExistsFault"
_NOT_FOUND = ("DBClusterSnapshotNotFoundFault",)
_BUSY = ("InvalidDBClusterStateFault",)
#: the wire code, and the shape's name, which some stand-ins answer
_QUOTAS = ("SnapshotQuotaExceeded", "SnapshotQuotaExceededFault")


@dataclass(frozen=True)
class Pace:
    """How a wait goes, in seconds.

    :ivar first: the first pause between two looks; each next one is half as long again, up to ``longest``.
    :ivar limit: how long a snapshot may take.
    :ivar patience: how long AWS may not answer, or not know a snapshot that it said it began.
    """

    first: float = 0.5
    longest: float = 5.0
    limit: float = 7200.0
    patience: float = 120.0


class ClusterSnapshots:
    """The snapshots of one environment on one cluster.

    :param resource_id: asked for what never moves of the cluster, such as ``cluster-ABC...``.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        environment: str,
        cluster: str,
        resource_id: Callable[[], str],
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._aws = aws
        self._environment = environment
        self._cluster = cluster
        self._resource_id = resource_id
        self._clock = clock
        self._pace = pace
        #: tags of those begun here
        self._wanted: dict[str, Mapping[str, str]] = {}
        #: those that could not begin yet, for the cluster is at something else
        self._waiting: set[str] = set()

    # making one

    def start(self, snapshot: str, tags: Mapping[str, str]) -> None:
        """Begin one, or adopt it where it is ours. Where the cluster is busy, :meth:`wait` begins it.

        :raises SnapshotTaken: one of somebody else has the name.
        :raises SnapshotsFull: the account may have no more of them.
        :raises Interrupted: whether it was begun is not known.
        """
        self._wanted[snapshot] = {"environment": self._environment, **tags, "snapshot": snapshot}
        self._begin(snapshot)

    def _begin(self, snapshot: str, *, again: bool = True) -> None:
        self._waiting.discard(snapshot)
        try:
            with translated(f"begin snapshot {snapshot}", environment=self._environment, state="nothing was changed"):
                self._aws.client("rds").create_db_cluster_snapshot(
                    DBClusterSnapshotIdentifier=snapshot,
                    DBClusterIdentifier=self._cluster,
                    Tags=to_aws(self._wanted[snapshot]),
                )
        except HgAuroraError as error:
            self._look_after(snapshot, error, again=again)

    def _look_after(self, snapshot: str, error: HgAuroraError, *, again: bool) -> None:
        """Is it there though we were told an error? A request is tried several times, and only the last answer is seen:
        an earlier one may have been done."""
        unsure = bool(error.data.get("unknown")) or code_of_ours(error) in THROTTLED
        try:
            row = self.row(snapshot)
        except HgAuroraError as other:
            if unsure or code_of_ours(error) in (_EXISTS, *_BUSY):
                raise self._not_known(snapshot, error) from other
            raise error from other
        if row is None:
            if code_of_ours(error) in _BUSY:
                self._waiting.add(snapshot)
                return
            if code_of_ours(error) in _QUOTAS:
                raise self._too_many(snapshot, error) from error
            raise self._not_known(snapshot, error) if unsure else error
        self._must_be_ours(snapshot, row)
        if row["Status"] == "failed" and again:
            if (left := self._cleared(snapshot)) is not None:
                raise self._broken(snapshot, left)
            self._begin(snapshot, again=False)

    def wait(self, snapshot: str, progress: Progress) -> Snapshot:
        """Wait until it is available and verified.

        :raises RemoteError: it failed, and what there is of it is removed.
        :raises StateError: there is no such snapshot, or it is not ours.
        :raises Interrupted: it took too long, or AWS can not be asked any more; the next run goes on.
        """
        begun = heard = self._clock.monotonic()
        told, last, pause = -1.0, "", self._pace.first
        while True:
            now = self._clock.monotonic()
            try:
                if snapshot in self._waiting:
                    self._begin(snapshot)
                row = self.row(snapshot)
            except HgAuroraError as error:
                if not _passing(error) or now - heard >= self._pace.patience:
                    raise self._lost(snapshot, error) from error
                state, percent = "AWS does not answer", None
            else:
                state, percent = self._judged(snapshot, row, now - begun)
                if row is not None:
                    heard = now
            if state == "failed" and row is not None:
                raise self._broken(snapshot, self._cleared(snapshot))
            if state != last or now - told >= 1.0:
                progress(state, percent)
                told, last = now, state
            if state == "available" and row is not None:
                return self.shown(row)
            if now - begun >= self._pace.limit:
                raise Interrupted(
                    f"snapshot {snapshot} is not there after {self._pace.limit:.0f}s, which this run waits: {state}",
                    data={"snapshot": snapshot},
                )
            self._clock.sleep(pause)
            pause = min(pause * 1.5, self._pace.longest)

    def _judged(self, snapshot: str, row: Row | None, waited: float) -> tuple[str, int | None]:
        """What to say of it now.

        :raises StateError: it is not there, or not ours.
        """
        if row is None:
            if snapshot in self._waiting:
                return f"waits for {self._cluster}, which is busy", None
            if snapshot not in self._wanted or waited >= self._pace.patience:
                raise StateError(
                    f"there is no snapshot {snapshot}",
                    state="nothing was changed" if snapshot not in self._wanted else "somebody deleted it",
                    hint=f"the same command again takes one anew, snapshots of {self._cluster} are in RDS",
                )
            return "creating", None
        self._must_be_ours(snapshot, row)
        status = str(row["Status"])
        if status == "creating":
            return status, int(row.get("PercentProgress") or 0)
        return (status, 100) if status == "available" else ("failed" if status == "failed" else status, None)

    # looking

    def row(self, snapshot: str) -> Row | None:
        """As RDS describes it; None: there is none."""
        try:
            with translated(f"describe snapshot {snapshot}", environment=self._environment):
                found = self._aws.client("rds").describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)
        except RemoteError as error:
            if code_of_ours(error) in _NOT_FOUND:
                return None
            raise
        rows: list[Row] = found["DBClusterSnapshots"]
        return rows[0] if rows else None

    def rows(self) -> Iterator[Row]:
        """All that was made for an environment of this name on this cluster, of any ledger."""
        with translated(f"list snapshots of {self._cluster}", environment=self._environment):
            pages = self._aws.client("rds").get_paginator("describe_db_cluster_snapshots")
            for page in pages.paginate(SnapshotType="manual", DbClusterResourceId=self._resource_id()):
                for row in page["DBClusterSnapshots"]:
                    if self.mine(row):
                        yield row

    def list(self) -> list[Snapshot]:
        """Newest first."""
        return sorted(map(self.shown, self.rows()), key=lambda one: (one.created, one.id), reverse=True)

    def mine(self, row: Row, ledger: str | None = None) -> bool:
        """Whether it was made for an environment of this name, by its tags.

        :param ledger: and for this ledger, by its UUID; None: for any.
        """
        tags = from_aws(row.get("TagList") or ())
        return (
            row.get("SnapshotType") == "manual"
            and tags.get("environment") == self._environment
            and tags.get("snapshot") == row["DBClusterSnapshotIdentifier"]
            and ledger in (None, tags.get("ledger"))
        )

    def shown(self, row: Row) -> Snapshot:
        """As the rest of us knows it."""
        tags = from_aws(row.get("TagList") or ())
        size = int(row.get("AllocatedStorage") or 0)
        return Snapshot(
            id=str(row["DBClusterSnapshotIdentifier"]),
            environment=tags.get("environment", ""),
            state=str(row["Status"]),
            created=row.get("SnapshotCreateTime") or datetime.now(UTC),
            # Aurora says 1 GiB of whatever size, where it does not say the size of the volume
            bytes=size << 30 if size > 1 else None,
            deployment=tags.get("deployment"),
            node=tags.get("node"),
            heads=tuple(head for head in tags.get("heads", "").split(",") if head),
            before=tags.get("before"),
            tags={name: text for name, text in tags.items() if name != "snapshot"},
        )

    # deleting

    def delete(self, snapshot: str) -> None:
        """Delete one that this environment made; no error where it is gone.

        :raises InputError: that is no name of a snapshot.
        :raises StateError: it is somebody else's, or it is being made.
        """
        if not _IDENTIFIER.fullmatch(snapshot) or len(snapshot) > LONGEST:
            raise InputError(f"{snapshot!r} is no name of a snapshot", state="nothing was done")
        row = self.row(snapshot)
        if row is None:
            return
        if not self.mine(row):
            raise StateError(
                f"snapshot {snapshot} was not made by hgaurora for {self._environment}",
                state="it was left alone",
                hint="whoever made it may delete it",
            )
        if row["Status"] not in ("available", "failed"):
            raise StateError(
                f"snapshot {snapshot} is {row['Status']}",
                state="it was left alone",
                hint="ask again when it is available",
            )
        self._remove(snapshot)

    def _remove(self, snapshot: str) -> None:
        try:
            with translated(f"delete snapshot {snapshot}", environment=self._environment):
                self._aws.client("rds").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot)
        except RemoteError as error:
            # a lost answer that was tried again
            if code_of_ours(error) not in _NOT_FOUND:
                raise

    def _cleared(self, snapshot: str) -> HgAuroraError | None:
        """Delete what there is of one that failed; the error, where that can not be done. It is not what is wrong."""
        try:
            self._remove(snapshot)
        except HgAuroraError as error:
            return error
        return None

    # whose it is

    def _must_be_ours(self, snapshot: str, row: Row) -> None:
        tags = from_aws(row.get("TagList") or ())
        wanted = self._wanted.get(snapshot, {"snapshot": snapshot, "environment": self._environment})
        known = from_aws(to_aws({key: wanted[key] for key in _OURS if key in wanted}))
        differing = [f"{key} {tags.get(key, 'none')}" for key in known if tags.get(key) != known[key]]
        if row.get("DbClusterResourceId") not in (None, self._resource_id()):
            differing.append(f"cluster {row.get('DBClusterIdentifier')}, {row['DbClusterResourceId']}")
        if differing:
            raise SnapshotTaken(
                f"there is a snapshot {snapshot} that is not the one asked for: it says {', '.join(differing)}",
                state="it was left alone, and nothing was changed",
                hint=f"snapshot {snapshot} has to be deleted or renamed by whoever made it",
                data={"snapshot": snapshot},
            )

    # errors

    def _too_many(self, snapshot: str, error: HgAuroraError) -> SnapshotsFull:
        return SnapshotsFull(
            f"{self._environment}: there are as many manual cluster snapshots as this account may have in "
            f"{self._aws.region}, so {snapshot} can not be made",
            state="nothing was changed",
            hint=f"hgaurora snapshots {self._environment} --prune deletes those no longer needed; or ask AWS for more "
            "(Service Quotas, L-9B510759)",
            data={**error.data, "snapshot": snapshot},
        )

    def _broken(self, snapshot: str, left: HgAuroraError | None) -> RemoteError:
        """The error of one that failed.

        :param left: why what there is of it could not be deleted; None: it is deleted.
        """
        message, state = f"snapshot {snapshot} failed in RDS", "what there was of it is deleted"
        hint = f"the events of {self._cluster} in RDS say why; then the same command again"
        data: dict[str, object] = {"snapshot": snapshot, "failed": True}
        if left is not None:
            message, state = f"{message}, and what there is of it stays: {left.message}", "it is not deleted"
            hint += f"; {left.hint}" if left.hint else ""
            data |= left.data
        return RemoteError(message, state=state, hint=hint, data=data)

    def _not_known(self, snapshot: str, error: HgAuroraError) -> Interrupted:
        return Interrupted(
            f"{error.message}; whether snapshot {snapshot} was begun is not known",
            state="nothing was changed in the database",
            data={**error.data, "snapshot": snapshot, "remedy": error.hint},
        )

    def _lost(self, snapshot: str, error: HgAuroraError) -> HgAuroraError:
        """The error of a wait that can not go on."""
        if isinstance(error, StateError | Interrupted) or error.data.get("failed"):
            return error
        remedy = f"; {error.hint}" if error.hint else ""
        return Interrupted(
            f"snapshot {snapshot} could not be followed: {error.message}{remedy}",
            data={**error.data, "snapshot": snapshot, "remedy": error.hint},
        )


def code_of_ours(error: HgAuroraError) -> str:
    """AWS's code in an error that was translated; empty where it answered none."""
    aws = error.data.get("aws")
    return str(aws.get("code", "")) if isinstance(aws, Mapping) else ""


def _passing(error: HgAuroraError) -> bool:
    """Whether the next look may go well."""
    if error.data.get("failed"):
        return False
    return isinstance(error, RemoteError) and (
        bool(error.data.get("unknown")) or code_of_ours(error) in THROTTLED or not code_of_ours(error)
    )
