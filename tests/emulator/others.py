# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The smaller calls: tags, quotas, events, maintenance, certificates, custom endpoints, default parameter groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moto.core.responses import ActionResult, EmptyResult

from .base import Calls
from .clusters import ENGINES, default_group, family
from .errors import Fault, contradiction, invalid
from .store import Record, identifier, now, random_id, tags

_CERTIFICATES = (("rds-ca-rsa2048-g1", 2061), ("rds-ca-rsa4096-g1", 2121), ("rds-ca-ecc384-g1", 2121))
_ENDPOINTS = 5  # custom ones of a cluster


class OtherCalls(Calls):
    """Everything else."""

    # tags

    def _tagged(self) -> Record:
        name = self.asked["ResourceName"]
        found = next(self.here.tagged(name), None)
        if found is None:
            kind = name.split(":")[5] if name.count(":") >= 6 else ""
            faults = {"cluster": "DBClusterNotFoundFault", "db": "DBInstanceNotFoundFault"}
            faults["cluster-snapshot"] = "DBClusterSnapshotNotFoundFault"
            if kind not in faults:
                raise invalid(f"Invalid resource name: {name}")
            raise Fault(faults[kind], f"{name} not found")
        return found

    def add_tags_to_resource(self) -> ActionResult:
        """Add or change."""
        record = self._tagged()
        record["TagList"] = tags(self.asked["Tags"], had=record["TagList"])
        return EmptyResult()

    def remove_tags_from_resource(self) -> ActionResult:
        """By key."""
        record = self._tagged()
        record["TagList"] = [tag for tag in record["TagList"] if tag["Key"] not in self.asked["TagKeys"]]
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        """All of one resource."""
        return ActionResult({"TagList": self._tagged()["TagList"]})

    # quotas, events, maintenance, certificates, versions

    def describe_account_attributes(self) -> ActionResult:
        """Quotas, and what is used of them."""
        here, emulator = self.here, self.emulator
        rows = (
            ("DBInstances", len(here.instances), emulator.instance_quota),
            ("DBClusters", len(here.clusters), emulator.cluster_quota),
            ("ManualClusterSnapshots", here.manual(), emulator.snapshot_quota),
            (
                "CustomEndpointsPerDBCluster",
                max((len(c.endpoints) for c in here.clusters.values()), default=0),
                _ENDPOINTS,
            ),
        )
        return ActionResult({"AccountQuotas": [dict(zip(("AccountQuotaName", "Used", "Max"), row)) for row in rows]})  # noqa: B905

    def describe_events(self) -> ActionResult:
        """Of the last hour, if no other range is asked for."""
        asked = self.asked
        if asked.get("SourceIdentifier") and not asked.get("SourceType"):
            raise contradiction("SourceType is required with SourceIdentifier")
        end = _time(asked.get("EndTime")) or now() + timedelta(seconds=1)
        start = _time(asked.get("StartTime")) or end - timedelta(minutes=asked.get("Duration") or 60)
        found = [event for event in self.here.events if start <= event["Date"] <= end]
        for word, key in (("SourceType", "SourceType"), ("SourceIdentifier", "SourceIdentifier")):
            if asked.get(word):
                found = [event for event in found if event[key] == asked[word]]
        if asked.get("EventCategories"):
            found = [event for event in found if set(event["EventCategories"]) & set(asked["EventCategories"])]
        return self.page("Events", found)

    def describe_pending_maintenance_actions(self) -> ActionResult:
        """What ``emulator.maintenance`` says, by ARN."""
        wanted = self.filters(cluster="db-cluster-id", instance="db-instance-id")
        rows = []
        for arn, actions in self.emulator.maintenance.items():
            id = arn.split(":")[6]
            names = {arn, id}
            asked = [*wanted.get("cluster", ()), *wanted.get("instance", ())]
            if self.asked.get("ResourceIdentifier") not in (None, arn) or (asked and not names & set(asked)):
                continue
            rows.append({"ResourceIdentifier": arn, "PendingMaintenanceActionDetails": actions})
        return self.page("PendingMaintenanceActions", rows)

    def describe_certificates(self) -> ActionResult:
        """Certificate authorities."""
        rows = []
        for name, year in _CERTIFICATES:
            if self.asked.get("CertificateIdentifier") in (None, name):
                row = {"CertificateIdentifier": name, "CertificateType": "CA", "Thumbprint": "0" * 40}
                row |= {"ValidFrom": datetime(2021, 5, 1, tzinfo=UTC), "ValidTill": datetime(year, 5, 1, tzinfo=UTC)}
                rows.append({**row, "CertificateArn": f"arn:aws:rds:{self.here.name}::cert:{name}"})
        if not rows:
            raise Fault("CertificateNotFoundFault", f"Certificate {self.asked['CertificateIdentifier']} not found")
        result = self.page("Certificates", rows)
        result.result["DefaultCertificateForNewLaunches"] = _CERTIFICATES[0][0]  # type: ignore[index]
        return result

    def describe_db_engine_versions(self) -> ActionResult:
        """The version that each engine has by default."""
        rows = []
        for engine in ENGINES:
            version = self.emulator.version(engine)
            if self.asked.get("Engine") in (None, engine) and self.asked.get("EngineVersion") in (None, version):
                row = {"Engine": engine, "EngineVersion": version, "DBParameterGroupFamily": family(engine, version)}
                rows.append({**row, "ValidUpgradeTarget": [], "Status": "available"})
        return self.page("DBEngineVersions", rows)

    # custom endpoints

    def create_db_cluster_endpoint(self) -> ActionResult:
        """A name of its own, of some members."""
        asked, here = self.asked, self.here
        cluster = here.cluster(asked["DBClusterIdentifier"])
        id = identifier(asked["DBClusterEndpointIdentifier"], "DBClusterEndpointIdentifier")
        if any(one["DBClusterEndpointIdentifier"] == id for c in here.clusters.values() for one in c.endpoints):
            raise Fault("DBClusterEndpointAlreadyExistsFault", f"Endpoint {id} already exists")
        if len(cluster.endpoints) >= _ENDPOINTS:
            raise Fault("DBClusterEndpointQuotaExceededFault", "Too many custom endpoints")
        if asked["EndpointType"] not in ("READER", "ANY"):
            raise invalid("EndpointType must be READER or ANY")
        row = {
            "DBClusterEndpointIdentifier": id,
            "DBClusterIdentifier": cluster.id,
            "DBClusterEndpointResourceIdentifier": random_id("cluster-endpoint-"),
            "Endpoint": here.host(id, "cluster-custom"),
            "Status": "available",
            "EndpointType": "CUSTOM",
            "CustomEndpointType": asked["EndpointType"],
            "StaticMembers": asked.get("StaticMembers") or [],
            "ExcludedMembers": asked.get("ExcludedMembers") or [],
            "DBClusterEndpointArn": here.arn("cluster-endpoint", id),
        }
        cluster.endpoints.append(row)
        cluster.record["CustomEndpoints"] = [one["Endpoint"] for one in cluster.endpoints]
        return ActionResult(row)

    def delete_db_cluster_endpoint(self) -> ActionResult:
        """A custom one."""
        id = self.asked["DBClusterEndpointIdentifier"]
        for cluster in self.here.clusters.values():
            for row in cluster.endpoints:
                if row["DBClusterEndpointIdentifier"] == id:
                    cluster.endpoints.remove(row)
                    cluster.record["CustomEndpoints"] = [one["Endpoint"] for one in cluster.endpoints]
                    return ActionResult({**row, "Status": "deleting"})
        raise Fault("DBClusterEndpointNotFoundFault", f"Endpoint {id} not found")

    def describe_db_cluster_endpoints(self) -> ActionResult:
        """Writer, reader and custom ones."""
        here = self.here
        name = self.asked.get("DBClusterIdentifier")
        wanted = self.filters(
            kind="db-cluster-endpoint-type", id="db-cluster-endpoint-id", custom="db-cluster-endpoint-custom-type"
        )
        rows = []
        for cluster in [here.cluster(name)] if name else here.clusters.values():
            for kind, key in (("WRITER", "Endpoint"), ("READER", "ReaderEndpoint")):
                row = {"DBClusterIdentifier": cluster.id, "Endpoint": cluster.record[key], "Status": "available"}
                rows.append({**row, "EndpointType": kind})
            rows += [{**row, "DBClusterIdentifier": cluster.id} for row in cluster.endpoints]
        keys = (("kind", "EndpointType"), ("id", "DBClusterEndpointIdentifier"), ("custom", "CustomEndpointType"))
        for word, key in keys:
            if word in wanted:
                rows = [row for row in rows if str(row.get(key)).lower() in wanted[word]]
        return self.page("DBClusterEndpoints", rows)

    # parameter groups: moto's, and the default ones that it does not have

    def _default_groups(self) -> list[str]:
        """Of the default versions and of those that clusters have."""
        versions = {(engine, self.emulator.version(engine)) for engine in ENGINES}
        versions |= {(c.record["Engine"], c.record["EngineVersion"]) for c in self.here.clusters.values()}
        return sorted({default_group(*version) for version in versions})

    def describe_db_cluster_parameter_groups(self) -> ActionResult:
        """Default ones too."""
        name = self.asked.get("DBClusterParameterGroupName")
        rows = []
        for default in self._default_groups():
            if name in (None, default):
                row = {"DBClusterParameterGroupName": default, "DBParameterGroupFamily": default.partition(".")[2]}
                row |= {"Description": f"Default cluster parameter group for {default.partition('.')[2]}"}
                rows.append({**row, "DBClusterParameterGroupArn": self.here.arn("cluster-pg", default)})
        if not (name and rows):
            made = self.backend.describe_db_cluster_parameter_groups(name)
            rows += [
                {
                    "DBClusterParameterGroupName": group.name,
                    "DBParameterGroupFamily": group.db_parameter_group_family,
                    "Description": group.description,
                    "DBClusterParameterGroupArn": group.arn,
                }
                for group in made
            ]
        return self.page("DBClusterParameterGroups", rows)

    def describe_db_cluster_parameters(self) -> ActionResult:
        """What was set, over what the emulator's engines have by default."""
        name = self.asked["DBClusterParameterGroupName"]
        if name in self._default_groups():
            given, kind = {}, name.partition(".")[2]
        else:
            groups = self.backend.describe_db_cluster_parameter_groups(name)
            kind = groups[0].db_parameter_group_family
            given = {row["ParameterName"]: row for row in self.backend.describe_db_cluster_parameters(name)}
        rows = []
        for parameter, value in _DEFAULTS["postgresql" if "postgresql" in kind else "mysql"].items():
            if parameter not in given:
                row = {"ParameterName": parameter, "Source": "system", "ApplyType": "dynamic", "DataType": "string"}
                rows.append({**row, "IsModifiable": True, **({} if value is None else {"ParameterValue": value})})
        rows += [{"Source": "user", "IsModifiable": True, **row} for row in given.values()]
        source = self.asked.get("Source")
        rows = [row for row in rows if source in (None, row["Source"])]
        return self.page("Parameters", sorted(rows, key=lambda row: str(row["ParameterName"])))


_DEFAULTS: dict[str, dict[str, str | None]] = {
    "postgresql": {
        "rds.force_ssl": "0",
        "rds.logical_replication": "0",
        "log_statement": None,
        "statement_timeout": None,
    },
    "mysql": {"require_secure_transport": "OFF", "binlog_format": "OFF", "server_audit_logging": "0"},
}


def _time(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
