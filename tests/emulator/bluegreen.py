# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Blue/green deployments: green is a copy that follows; a switchover exchanges names, and who takes writes."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass, field

from moto.core.responses import ActionResult

from .clusters import ClusterCalls
from .errors import Fault, contradiction, invalid
from .replication import Pair, pair
from .store import Cluster, Instance, Record, Region, now, random_id, tags

_TASKS = ("CREATING_READ_REPLICA_OF_SOURCE", "CONFIGURE_BACKUPS", "CREATE_DB_INSTANCES_FOR_CLUSTER")


@dataclass(eq=False)
class Deployment:
    """One pair of clusters; ``members`` are blue's and green's instances, side by side."""

    record: Record
    blue: Cluster
    green: Cluster
    pair: Pair
    members: list[tuple[Instance, Instance]] = field(default_factory=list)
    details: str = ""


class BlueGreenCalls(ClusterCalls):
    """Of clusters; not of single instances, which are not Aurora's."""

    def create_blue_green_deployment(self) -> ActionResult:
        """PROVISIONING until green follows."""
        asked, here, emulator = self.asked, self.here, self.emulator
        name = asked["BlueGreenDeploymentName"]
        if not re.fullmatch(r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*", name) or len(name) > 60:
            raise invalid(f"Invalid BlueGreenDeploymentName: {name}")
        if any(one.record["BlueGreenDeploymentName"] == name for one in here.greens.values()):
            raise Fault(
                "BlueGreenDeploymentAlreadyExistsFault", f"A blue/green deployment named {name} already exists."
            )
        blue = here.cluster(asked["Source"])
        blue.must_be()
        members = here.members(blue)
        if not members:
            raise Fault("InvalidDBClusterStateFault", f"DB cluster {blue.id} has no instance")
        if any(blue in (one.blue, one.green) for one in here.greens.values()):
            raise Fault("SourceClusterNotSupportedFault", f"DB cluster {blue.id} is in a blue/green deployment already")
        if "MasterUserSecret" in blue.record:
            raise Fault(
                "SourceClusterNotSupportedFault", "Blue/green deployments do not support a managed master password"
            )
        if blue.record["DBClusterParameterGroup"].startswith("default."):
            text = "Blue/green deployments need a cluster parameter group of one's own, with replication on"
            raise Fault("SourceClusterNotSupportedFault", text)
        suffix = "-green-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
        green = self._green(blue, suffix)
        pairs = [(member, self._member(member, green, suffix)) for member in members]
        record: Record = {
            "BlueGreenDeploymentIdentifier": random_id("bgd-", 16).lower(),
            "BlueGreenDeploymentName": name,
            "Source": blue.record["DBClusterArn"],
            "Target": green.record["DBClusterArn"],
            "Status": "PROVISIONING",
            "CreateTime": now(),
            "TagList": tags(asked.get("Tags")),
        }
        deployment = Deployment(record, blue, green, pair(blue.plane, green.plane), pairs)
        here.greens[record["BlueGreenDeploymentIdentifier"]] = deployment

        def work() -> None:
            with blue.work, green.work:
                deployment.pair.begin()
                green.plane.mark()
                if len(pairs) > 1:
                    green.reader = emulator.plane(green.record["Engine"])
                    green.reader.follow(green.plane)
                green.marked, green.begun = True, now()

        def done() -> None:
            record["Status"] = "AVAILABLE"
            green.record.update(Status="available", EarliestRestorableTime=now())
            green.serving = True
            green.ready.set()
            for _, member in pairs:
                member.record["DBInstanceStatus"] = "available"
            self._event(here, record, "RDS-EVENT-0244", "Blue/green deployment tasks completed.")
            emulator.sync()

        def failed() -> None:
            record["Status"] = "INVALID_CONFIGURATION"
            green.ready.set()
            self._event(here, record, "RDS-EVENT-0245", "Creation of blue/green deployment failed.")

        emulator.states.start("bluegreen", blue.id, work, done, failed)
        return ActionResult({"BlueGreenDeployment": self._deployment(deployment)})

    def _green(self, blue: Cluster, suffix: str) -> Cluster:
        here = self.here
        id = f"{blue.id}{suffix}"
        here.free(id)
        record = {
            **blue.record,
            "DBClusterIdentifier": id,
            "DBClusterArn": here.arn("cluster", id),
            "DbClusterResourceId": random_id("cluster-"),
            "Endpoint": here.host(id, "cluster"),
            "ReaderEndpoint": here.host(id, "cluster-ro"),
            "Status": "creating",
            "ClusterCreateTime": now(),
            "DBClusterParameterGroup": self.asked.get("TargetDBClusterParameterGroupName")
            or blue.record["DBClusterParameterGroup"],
            "EngineVersion": self.asked.get("TargetEngineVersion") or blue.record["EngineVersion"],
            "TagList": list(blue.record["TagList"]),
            "EarliestRestorableTime": None,
            "CustomEndpoints": [],
        }
        if "BacktrackWindow" in record:
            record["BacktrackWindow"] = 0
        green = Cluster(record, self.emulator.plane(record["Engine"]), password=blue.password)
        here.clusters[id] = green
        return green

    def _member(self, of: Instance, green: Cluster, suffix: str) -> Instance:
        here = self.here
        id = f"{of.id}{suffix}"
        record = {
            **of.record,
            "DBInstanceIdentifier": id,
            "DBInstanceArn": here.arn("db", id),
            "DbiResourceId": random_id("db-"),
            "DBClusterIdentifier": green.id,
            "DBInstanceStatus": "creating",
            "InstanceCreateTime": now(),
        }
        here.instances[id] = Instance(record, green, of.writer)
        return here.instances[id]

    def _found(self) -> Deployment:
        id = self.asked["BlueGreenDeploymentIdentifier"]
        found = self.here.greens.get(id)
        if found is None:
            raise Fault("BlueGreenDeploymentNotFoundFault", f"Blue/green deployment {id} not found.")
        assert isinstance(found, Deployment)
        return found

    def _deployment(self, of: Deployment) -> Record:
        status = of.record["Status"]
        rows = [{"SourceMember": of.record["Source"], "TargetMember": of.record["Target"], "Status": status}]
        for blue, green in of.members:
            arns = (blue.record["DBInstanceArn"], green.record["DBInstanceArn"])
            rows.append({"SourceMember": arns[0], "TargetMember": arns[1], "Status": status})
        task = {"PROVISIONING": "IN_PROGRESS", "INVALID_CONFIGURATION": "FAILED"}.get(status, "COMPLETED")
        tasks = [{"Name": name, "Status": task} for name in _TASKS]
        details = {"StatusDetails": of.details} if of.details else {}
        return {**of.record, "SwitchoverDetails": rows, "Tasks": tasks, **details}

    def _event(self, here: Region, record: Record, number: str, message: str) -> None:
        id = record["BlueGreenDeploymentIdentifier"]
        arn = here.arn("deployment", id)
        here.happened("blue-green-deployment", record["BlueGreenDeploymentName"], arn, number, message, "notification")

    def describe_blue_green_deployments(self) -> ActionResult:
        """One, or all."""
        wanted = self.filters(
            id="blue-green-deployment-identifier", name="blue-green-deployment-name", source="source", target="target"
        )
        found = [self._found()] if self.asked.get("BlueGreenDeploymentIdentifier") else list(self.here.greens.values())
        keys = {"id": "BlueGreenDeploymentIdentifier", "name": "BlueGreenDeploymentName"}
        for word, values in wanted.items():
            found = [one for one in found if one.record[keys.get(word, word.title())].lower() in values]
        return self.page("BlueGreenDeployments", map(self._deployment, found))

    def switchover_blue_green_deployment(self) -> ActionResult:
        """Writes stop, green catches up, names are exchanged; or, in time, all is as it was."""
        here, emulator, of = self.here, self.emulator, self._found()
        timeout = self.asked.get("SwitchoverTimeout") or 300
        if not 30 <= timeout <= 3600:
            raise invalid("SwitchoverTimeout must be from 30 to 3600 seconds")
        if of.record["Status"] not in ("AVAILABLE", "SWITCHOVER_FAILED"):
            message = f"Blue/green deployment is in state {of.record['Status']}"
            raise Fault("InvalidBlueGreenDeploymentStateFault", message)
        blue, green, record = of.blue, of.green, of.record
        for cluster in (blue, green):
            cluster.must_be()
        old = f"{blue.id}-old1"
        here.free(old)
        here.taken.add(old)
        record["Status"], of.details = "SWITCHOVER_IN_PROGRESS", ""
        blue.serving = green.serving = False
        self._event(here, record, "RDS-EVENT-0247", "Switchover started.")
        emulator.sync()

        def work() -> None:
            with blue.work, green.work:
                of.pair.writable(blue.plane, False)
                try:
                    of.pair.catch_up(min(timeout, emulator.switchover_patience))
                except BaseException as err:
                    of.details = f"Switchover timed out: {err}"
                    of.pair.writable(blue.plane, True)
                    raise
                of.pair.part()
                of.pair.writable(green.plane, True)

        def done() -> None:
            here.taken.discard(old)
            green_id, name = green.id, blue.id
            del here.clusters[green_id]
            here.clusters[old] = blue
            here.clusters[name] = green
            for cluster, id in ((blue, old), (green, name)):
                cluster.record.update(
                    DBClusterIdentifier=id,
                    DBClusterArn=here.arn("cluster", id),
                    Endpoint=here.host(id, "cluster"),
                    ReaderEndpoint=here.host(id, "cluster-ro"),
                )
            green.record["TagList"] = list(blue.record["TagList"])
            for of_blue, of_green in of.members:
                here.instances.pop(of_green.id)
                first = of_blue.id
                here.instances[f"{first}-old1"] = of_blue
                here.instances[first] = of_green
                for instance, id in ((of_blue, f"{first}-old1"), (of_green, first)):
                    arn = here.arn("db", id)
                    instance.record.update(
                        DBInstanceIdentifier=id, DBInstanceArn=arn, DBClusterIdentifier=instance.cluster.id
                    )
            record.update(
                Source=blue.record["DBClusterArn"], Target=green.record["DBClusterArn"], Status="SWITCHOVER_COMPLETED"
            )
            blue.serving = green.serving = True
            self._event(here, record, "RDS-EVENT-0248", "Switchover completed on blue/green deployment.")
            emulator.sync()

        def failed() -> None:
            here.taken.discard(old)
            record["Status"] = "SWITCHOVER_FAILED"
            blue.serving = green.serving = True
            self._event(here, record, "RDS-EVENT-0249", "Switchover canceled on blue/green deployment.")
            emulator.sync()

        emulator.states.start("switchover", blue.id, work, done, failed)
        return ActionResult({"BlueGreenDeployment": self._deployment(of)})

    def delete_blue_green_deployment(self) -> ActionResult:
        """With green, or without; never with the old blue, which takes writes again."""
        here, emulator, of = self.here, self.emulator, self._found()
        completed, target = of.record["Status"] == "SWITCHOVER_COMPLETED", bool(self.asked.get("DeleteTarget"))
        if of.record["Status"] in ("PROVISIONING", "SWITCHOVER_IN_PROGRESS", "DELETING"):
            message = f"Blue/green deployment is in state {of.record['Status']}"
            raise Fault("InvalidBlueGreenDeploymentStateFault", message)
        if completed and target:
            raise contradiction("DeleteTarget cannot be specified after the switchover")
        if target and of.green.record["DeletionProtection"]:
            raise contradiction("Cannot delete protected Cluster, please disable deletion protection and try again.")
        of.record["Status"] = "DELETING"
        of.record["DeleteTime"] = now()
        green = of.green
        if target:
            green.record["Status"] = "deleting"
            green.serving = False
            emulator.sync()

        def work() -> None:
            with of.blue.work, green.work:
                if not completed and green.plane.running():
                    of.pair.part()
                    of.pair.writable(green.plane, True)
                if completed:
                    of.pair.writable(of.blue.plane, True)
                if target:
                    if green.reader:
                        green.reader.remove()
                    green.plane.remove()

        def done() -> None:
            del here.greens[of.record["BlueGreenDeploymentIdentifier"]]
            if target:
                del here.clusters[green.id]
                for _, member in of.members:
                    here.instances.pop(member.id, None)
            self._event(here, of.record, "RDS-EVENT-0246", "Blue/green deployment deleted.")
            emulator.sync()

        shown = self._deployment(of)
        emulator.states.start("bluegreen", of.record["BlueGreenDeploymentName"], work, done, done)
        return ActionResult({"BlueGreenDeployment": shown})
