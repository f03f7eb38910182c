# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of snapshots in another region, or in another account by a role of it.

RDS copies by itself; nothing here waits. A copy has the name and the tags of what it was made of, so asking twice is
asking once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...core.errors import RemoteError, StateError
from ...core.settings import Environment
from .errors import NotWhole, translated
from .session import Aws
from .snapshots import ClusterSnapshots, code_of_ours
from .tags import from_aws

_EXISTS = "DBClusterSnapshotAlreadyExistsFault"


class Copies:
    """Of one environment's snapshots, where its ``snapshot-copy`` says."""

    def __init__(self, aws: Aws, settings: Environment, snapshots: ClusterSnapshots) -> None:
        self._aws = aws
        self._settings = settings
        self._snapshots = snapshots
        self._target: Aws | None = None

    @property
    def where(self) -> str:
        """In words."""
        wanted = self._settings.snapshot_copy
        return wanted["region"] if "region" in wanted else f"account {wanted['account']}"

    def _there(self) -> Aws:
        """The AWS that the copies are in."""
        if self._target is None:
            wanted = self._settings.snapshot_copy
            if "role" in wanted:
                # the other account's role is taken with the credentials that the run began with
                other = replace(self._settings, role_arn=wanted["role"], external_id=None, account=wanted["account"])
                self._target = Aws(other, environment=self._settings.name, user=self._aws.user)
            else:
                self._target = self._aws
        return self._target

    def _client(self) -> Any:
        return self._there().client("rds", self._settings.snapshot_copy.get("region"))

    def there(self, ledger: str) -> dict[str, str]:
        """The copies of the snapshots of one ledger: name to status.

        :param ledger: its UUID.
        """
        found: dict[str, str] = {}
        with translated(f"list snapshots in {self.where}", environment=self._settings.name):
            for page in self._client().get_paginator("describe_db_cluster_snapshots").paginate(SnapshotType="manual"):
                for row in page["DBClusterSnapshots"]:
                    if self._snapshots.mine(row, ledger):
                        found[str(row["DBClusterSnapshotIdentifier"])] = str(row["Status"])
        return found

    def begin(self, snapshot: str) -> None:
        """Begin one copy; returns at once. One that failed is made anew.

        :raises StateError: another snapshot has the name there.
        """
        row = self._snapshots.row(snapshot)
        if row is None or row["Status"] != "available":
            raise StateError(
                f"snapshot {snapshot} is {row['Status'] if row else 'not there'}", state="it was not copied"
            )
        wanted = self._settings.snapshot_copy
        if "account" in wanted:
            self._share(snapshot, wanted["account"])
        asked: dict[str, Any] = {
            "SourceDBClusterSnapshotIdentifier": row["DBClusterSnapshotArn"],
            "TargetDBClusterSnapshotIdentifier": snapshot,
            "Tags": [tag for tag in row.get("TagList") or () if tag["Key"].startswith("hgaurora")],
        }
        if wanted.get("key"):
            asked["KmsKeyId"] = wanted["key"]
        if "region" in wanted:
            asked["SourceRegion"] = self._settings.region
        try:
            self._copy(asked)
        except RemoteError as error:
            if code_of_ours(error) != _EXISTS:
                raise
            if self._failed(snapshot, row):
                with translated(f"delete the failed copy {snapshot}", environment=self._settings.name):
                    self._client().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot)
                self._copy(asked)

    def _copy(self, asked: Mapping[str, Any]) -> None:
        name = asked["TargetDBClusterSnapshotIdentifier"]
        with translated(f"copy snapshot {name} to {self.where}", environment=self._settings.name):
            self._client().copy_db_cluster_snapshot(**asked)

    def _share(self, snapshot: str, account: str) -> None:
        with translated(f"share snapshot {snapshot} with {account}", environment=self._settings.name):
            self._aws.client("rds").modify_db_cluster_snapshot_attribute(
                DBClusterSnapshotIdentifier=snapshot, AttributeName="restore", ValuesToAdd=[account]
            )

    def _failed(self, snapshot: str, source: Mapping[str, Any]) -> bool:
        """Whether the copy of ours that has the name there failed.

        :raises StateError: it is somebody else's.
        """
        with translated(f"describe snapshot {snapshot} in {self.where}", environment=self._settings.name):
            rows = self._client().describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)
            row = next(iter(rows["DBClusterSnapshots"]), None)
            if row is None:
                raise NotWhole("rds", "DescribeDBClusterSnapshots")
        ours = from_aws(source.get("TagList") or ())
        if not self._snapshots.mine(row) or from_aws(row.get("TagList") or ()).get("ledger") != ours.get("ledger"):
            raise StateError(
                f"there is a snapshot {snapshot} in {self.where} that is no copy of ours",
                state="it was left alone",
                hint=f"delete or rename the one in {self.where}",
            )
        return str(row["Status"]) == "failed"
