# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What exists in one region of one account. Records are the dictionaries that describe calls answer."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Fault, invalid
from .plane import Plane
from .states import Job

if TYPE_CHECKING:
    from .server import Emulator

Record = dict[str, Any]
_IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def now() -> datetime:
    """The time, as AWS gives it: UTC, to the millisecond."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def random_id(prefix: str, length: int = 26) -> str:
    """Such as ``cluster-ABC...``: what never moves."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def identifier(text: str, what: str, *, limit: int = 63) -> str:
    """The identifier, in lower case.

    :raises Fault: it breaks the rule (first a letter; letters, digits and single hyphens; none at the end).
    """
    lower = text.lower()
    if len(lower) > limit or not _IDENTIFIER.fullmatch(lower):
        raise invalid(
            f"The parameter {what} is not a valid identifier. Identifiers must begin with a letter; must contain only "
            "ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )
    return lower


def tags(asked: list[dict[str, str]] | None, *, had: list[dict[str, str]] = []) -> list[dict[str, str]]:  # noqa: B006
    """Tags after some are added.

    :raises Fault: too many, too long, of other characters, or of a reserved prefix.
    """
    found = {tag["Key"]: tag.get("Value") or "" for tag in had}
    for tag in asked or []:
        key, value = tag["Key"], tag.get("Value") or ""
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise invalid(f"Tag key or value is too long or empty: {key}")
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise invalid(f"Tag {key} has characters that are not allowed: {value}")
        if key.lower().startswith(("aws:", "rds:")):
            raise invalid(f"Tag keys with this prefix are reserved: {key}")
        found[key] = value
    if len([key for key in found if not key.startswith("aws:")]) > 50:
        raise invalid("Tag limit exceeded: at most 50 tags")
    return [{"Key": key, "Value": value} for key, value in found.items()]


@dataclass(eq=False)
class Cluster:
    """A cluster and its server. ``ready`` is set once the data folder is there (or will never be)."""

    record: Record
    plane: Plane
    password: str = ""
    first: str = ""  # the database that the first start makes
    marked: bool = False
    #: the master's password is to be set at the next start
    reset: bool = False
    work: threading.RLock = field(default_factory=threading.RLock)
    ready: threading.Event = field(default_factory=threading.Event)
    endpoints: list[Record] = field(default_factory=list)
    backtracks: list[Record] = field(default_factory=list)
    #: what serves readers, where there are any
    reader: Plane | None = None
    #: servers before a Backtrack, and until when each served
    before: list[tuple[datetime, Plane]] = field(default_factory=list)
    #: since when there are points in time
    begun: datetime | None = None
    pending: Record = field(default_factory=dict)
    serving: bool = False
    #: what the managed secret is called in Secrets Manager
    secret: str | None = None

    @property
    def id(self) -> str:
        """Its identifier, which may change."""
        return str(self.record["DBClusterIdentifier"])

    @property
    def status(self) -> str:
        """Its status."""
        return str(self.record["Status"])

    def start(self) -> None:
        """Start the server; what was asked for while there was none is done, before any client comes."""
        self.ready.wait(60)
        with self.work:
            self.plane.start()
            if self.reset:
                self.plane.master(self.record["MasterUsername"], self.password)
                self.reset = False
            if self.first:
                self.plane.database(self.first)
                self.first = ""
            if not self.marked:
                self.plane.mark()
                self.marked, self.begun = True, now()

            if self.reader:
                self.reader.follow(self.plane)

    def stop(self) -> None:
        """Stop the servers."""
        with self.work:
            if self.reader and self.reader.running():
                self.reader.stop()
            self.plane.stop()

    def read_by(self, reader: Plane | None) -> None:
        """Have a server for readers, one for all of them; or none any more."""
        self.start()
        with self.work:
            if reader and not self.reader:
                reader.follow(self.plane)
                self.reader = reader
            elif self.reader and not reader:
                self.reader.remove()
                self.reader = None

    def plane_at(self, time: datetime) -> Plane:
        """The server that the cluster had at a time."""
        return next((plane for until, plane in self.before if time < until), self.plane)

    def must_be(self, *states: str) -> None:
        """:raises Fault: it is in another state."""
        if self.status not in (states or ("available",)):
            raise Fault(
                "InvalidDBClusterStateFault",
                f"DB cluster {self.id} is not {' or '.join(states or ('available',))}, it is {self.status}",
            )


@dataclass(eq=False)
class Instance:
    """A member of a cluster."""

    record: Record
    cluster: Cluster
    writer: bool
    #: what the cluster says of its parameter group on this member
    group: str = "in-sync"

    @property
    def id(self) -> str:
        """Its identifier, which may change."""
        return str(self.record["DBInstanceIdentifier"])


@dataclass(eq=False)
class Snapshot:
    """A snapshot: its data never change, so copies share the folder."""

    record: Record
    image: Path
    job: Job | None = None
    password: str = ""
    shared: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """Its identifier."""
        return str(self.record["DBClusterSnapshotIdentifier"])


class Region:
    """One region of one account."""

    def __init__(self, emulator: Emulator, account: str, region: str) -> None:
        self.emulator, self.account, self.name = emulator, account, region
        # in AWS it looks fixed for an account and region; an emulator has its own, so that names of two never meet
        self.hash = "c" + hashlib.sha256(f"{emulator.id}{account}{region}".encode()).hexdigest()[:11]
        self.clusters: dict[str, Cluster] = {}
        self.instances: dict[str, Instance] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.greens: dict[str, Any] = {}
        self.events: list[Record] = []
        #: identifiers that a rename under way will take
        self.taken: set[str] = set()

    def arn(self, kind: str, id: str) -> str:
        """``kind`` is cluster, cluster-snapshot, db, cluster-endpoint or deployment."""
        return f"arn:aws:rds:{self.name}:{self.account}:{kind}:{id}"

    def host(self, id: str, kind: str = "") -> str:
        """The DNS name of an endpoint; ``kind`` is cluster, cluster-ro, cluster-custom or, for an instance, nothing."""
        return f"{id}.{kind and kind + '-'}{self.hash}.{self.name}.rds.amazonaws.com"

    def cluster(self, name: str) -> Cluster:
        """By identifier or ARN. :raises Fault: there is none."""
        id = name.rpartition(":cluster:")[2].lower() if name.startswith("arn:") else name.lower()
        found = self.clusters.get(id)
        if found is None or (name.startswith("arn:") and found.record["DBClusterArn"] != name):
            raise Fault("DBClusterNotFoundFault", f"DBCluster {name} not found.")
        return found

    def instance(self, name: str) -> Instance:
        """By identifier or ARN. :raises Fault: there is none."""
        found = self.instances.get(name.rpartition(":db:")[2].lower())
        if found is None:
            raise Fault("DBInstanceNotFoundFault", f"DBInstance {name} not found.")
        return found

    def snapshot(self, name: str) -> Snapshot:
        """By identifier or ARN, also another region's or, where shared, another account's.

        :raises Fault: there is none that may be seen.
        """
        if name.startswith("arn:"):
            _, _, _, region, account, _, id = name.split(":", 6)
            there = self.emulator.region(account, region)
            found = there.snapshots.get(id.lower())
            if found is not None and (account == self.account or {self.account, "all"} & found.shared):
                return found
        else:
            found = self.snapshots.get(name.lower())
            if found is not None:
                return found
        raise Fault("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.")

    def free(self, id: str) -> None:
        """:raises Fault: a cluster has that identifier, or will have."""
        if id in self.clusters or id in self.taken:
            raise Fault("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {id}")

    def members(self, cluster: Cluster) -> list[Instance]:
        """The writer first."""
        found = [instance for instance in self.instances.values() if instance.cluster is cluster]
        return sorted(found, key=lambda instance: not instance.writer)

    def happened(self, kind: str, id: str, arn: str, number: str, message: str, *categories: str) -> None:
        """Note an event of DescribeEvents, such as ``RDS-EVENT-0075``."""
        self.events.append(
            {
                "SourceIdentifier": id,
                "SourceType": kind,
                "Message": message,
                "EventCategories": list(categories),
                "Date": now(),
                "SourceArn": arn,
                "EventID": number,
            }
        )

    def manual(self) -> int:
        """How many snapshots count towards the quota."""
        return sum(snapshot.record["SnapshotType"] == "manual" for snapshot in self.snapshots.values())

    def tagged(self, arn: str) -> Iterator[Record]:
        """The record that has an ARN: one, or none."""
        for things, key in (
            (self.clusters, "DBClusterArn"),
            (self.instances, "DBInstanceArn"),
            (self.snapshots, "DBClusterSnapshotArn"),
        ):
            for thing in things.values():
                if thing.record[key] == arn:
                    yield thing.record


def restorable(cluster: Cluster, lag: timedelta) -> tuple[datetime, datetime] | None:
    """The window of points in time, where a first backup is there."""
    earliest = cluster.record.get("EarliestRestorableTime")
    return (earliest, max(earliest, now() - lag)) if earliest else None
