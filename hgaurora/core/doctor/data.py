# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about what keeps the data: encryption, backups, snapshots."""

from __future__ import annotations

from .facts import Facts, Row, Unknown, flag, known, number, rows, time, word
from .rule import Found, Mend, Rule, modify

#: days of continuous backup
RETENTION = 7
#: seconds that the latest restorable time may be behind
BEHIND = 600
#: versions that hgaurora runs on, by AWS's engine
_OLDEST = {"aurora-postgresql": (14,), "aurora-mysql": (8, 0)}


def _encrypted(facts: Facts) -> Found:
    on = flag(facts.cluster, "StorageEncrypted")
    return Found(on, "is on" if on else "is off", on)


def _key(facts: Facts) -> Found | None:
    if not flag(facts.cluster, "StorageEncrypted"):
        return None  # storage-encryption says it
    key = known(facts.key)
    if key is None:
        return Found(False, "is the default one")
    state, manager = word(key, "KeyState"), word(key, "KeyManager")
    if state != "Enabled":
        mend = Mend(text=f"enable {word(key, 'KeyId')}, or cancel its deletion: without it no snapshot can be restored")
        return Found(False, f"is {state}", state, mend, "fail")
    if manager != "CUSTOMER":
        return Found(False, "is the one that AWS manages", manager)
    return Found(True, "is your own, and enabled", word(key, "KeyId"))


def _protection(facts: Facts) -> Found:
    on = flag(facts.cluster, "DeletionProtection")
    return Found(on, "is on" if on else "is off", on)


def _retention(facts: Facts) -> Found:
    days = number(facts.cluster, "BackupRetentionPeriod")
    said = f"is {days:g} {'day' if days == 1 else 'days'}"
    return Found(days >= RETENTION, said if days >= RETENTION else f"{said}, {RETENTION} or more is wanted", days)


def _restorable(facts: Facts) -> Found | Unknown:
    cluster = known(facts.cluster)
    if "LatestRestorableTime" not in cluster:
        return Found(False, "is none yet: there is no first backup")
    behind = max(0.0, (facts.now - time(cluster, "LatestRestorableTime")).total_seconds())
    return Found(behind < BEHIND, f"is {behind / 60:.0f} minutes behind", round(behind))


def _tags(facts: Facts) -> Found:
    on = flag(facts.cluster, "CopyTagsToSnapshot")
    return Found(on, "is on" if on else "is off", on)


def _backtrack(facts: Facts) -> Found | None:
    if not facts.mysql:
        return None
    cluster = known(facts.cluster)
    window = number(cluster, "BacktrackWindow") if "BacktrackWindow" in cluster else 0
    if not window:
        return Found(False, "is none", 0)
    return Found(True, f"is {window / 3600:g} hours", window)


def _quota(facts: Facts) -> Found:
    used, most = known(facts.snapshots)
    left = most - used
    said = f"has {left} of {most} left"
    if left < 1:
        return Found(False, said, [used, most], severity="graver")
    return Found(left * 5 >= most, said, [used, most])


def _version(facts: Facts) -> Found:
    engine, version = word(facts.cluster, "Engine"), word(facts.cluster, "EngineVersion")
    oldest = _OLDEST.get(engine)
    if oldest is None:
        return Found(False, f"is {engine}, which is not Aurora PostgreSQL or Aurora MySQL", engine, severity="fail")
    parts = tuple(int(part) for part in version.split(".")[: len(oldest)] if part.isdigit())
    return Found(parts >= oldest, f"is {engine} {version}", f"{engine} {version}")


def _mode(facts: Facts) -> Found:
    mode = str(known(facts.cluster).get("EngineMode", "provisioned"))
    return Found(mode == "provisioned", f"is {mode}", mode)


def _status(facts: Facts) -> Found:
    status = word(facts.cluster, "Status")
    return Found(status == "available", f"is {status}", status)


def _pending(facts: Facts) -> Found:
    waiting = [f"cluster: {name}" for name in _changes(known(facts.cluster))]
    for instance in known(facts.instances):
        waiting += [f"{word(instance, 'DBInstanceIdentifier')}: {name}" for name in _changes(instance)]
    return Found(not waiting, f"wait: {', '.join(waiting)}" if waiting else "are none", waiting)


def _changes(row: Row) -> list[str]:
    pending = row.get("PendingModifiedValues")
    return sorted(pending) if isinstance(pending, dict) else []


def _maintenance(facts: Facts) -> Found:
    actions = []
    for row in known(facts.maintenance):
        actions += [str(one.get("Action")) for one in rows(row, "PendingMaintenanceActionDetails")]
    return Found(not actions, f"waits: {', '.join(sorted(actions))}" if actions else "is none", sorted(actions))


RULES: tuple[Rule, ...] = (
    Rule(
        "status",
        "graver",
        "nothing can be deployed, and no snapshot made, until it is available",
        _status,
        Mend(
            (
                "aws rds describe-events",
                "--source-type db-cluster",
                "--source-identifier {cluster}",
                "--region {region}",
            )
        ),
    ),
    Rule(
        "engine-version",
        "fail",
        "hgaurora is made for Aurora PostgreSQL 14 and later, and for Aurora MySQL 3",
        _version,
        modify("--engine-version VERSION", "--allow-major-version-upgrade", attribute="version", value="VERSION"),
    ),
    Rule(
        "engine-mode",
        "graver",
        "Serverless v1 has no writer that keeps a session, and is not sold any more",
        _mode,
        Mend(text="restore a snapshot as a provisioned cluster; its instances may be db.serverless"),
    ),
    Rule(
        "storage-encryption",
        "graver",
        "without it the storage, its snapshots and copies can be read by whoever gets at them",
        _encrypted,
        Mend(
            attribute=("encrypted", True),
            text="it can not be switched on: restore a snapshot with --kms-key-id KEY, and let that take over",
        ),
    ),
    Rule(
        "encryption-key",
        "warning",
        "snapshots under AWS's own key can not be shared with or copied to another account",
        _key,
        Mend(
            attribute=("key", "KEY"),
            text="it can not be changed: copy a snapshot with --kms-key-id KEY, and restore the copy",
        ),
    ),
    Rule(
        "deletion-protection",
        "graver",
        "one mistaken call deletes the cluster",
        _protection,
        modify("--deletion-protection", attribute="deletion-protection"),
    ),
    Rule(
        "backup-retention",
        "warning",
        "restore to a point in time reaches no further back",
        _retention,
        modify(f"--backup-retention-period {RETENTION}", attribute="retention", value=RETENTION),
    ),
    Rule(
        "latest-restorable",
        "warning",
        "what was written after it can not be restored",
        _restorable,
        Mend(
            (
                "aws rds describe-events",
                "--source-type db-cluster",
                "--source-identifier {cluster}",
                "--region {region}",
            )
        ),
    ),
    Rule(
        "copied-tags",
        "warning",
        "backups without the cluster's tags are found by no rule and billed to nobody",
        _tags,
        modify("--copy-tags-to-snapshot", attribute="copy-tags"),
    ),
    Rule(
        "backtrack-window",
        "warning",
        "Backtrack is the fastest way back that Aurora MySQL has, and only of clusters made with a window",
        _backtrack,
        Mend(
            attribute=("backtrack", 86400),
            text="it can not be switched on: restore a snapshot with --backtrack-window 86400, and let that take over",
        ),
    ),
    Rule(
        "snapshot-quota",
        "warning",
        "a deploy takes a snapshot before each migration, and stops where there is no room for one",
        _quota,
        Mend(
            ("aws service-quotas list-service-quotas", "--service-code rds"),
            text="hgaurora snapshots {name} --prune -n",
        ),
    ),
    Rule(
        "pending-changes",
        "warning",
        "they are applied at a restart, which may come in the middle of a deploy",
        _pending,
        Mend(("aws rds reboot-db-instance", "--db-instance-identifier INSTANCE", "--region {region}")),
    ),
    Rule(
        "pending-maintenance",
        "warning",
        "AWS applies it in the maintenance window, and restarts the writer",
        _maintenance,
        Mend(
            (
                "aws rds apply-pending-maintenance-action",
                "--resource-identifier ARN",
                "--apply-action ACTION",
                "--opt-in-type immediate",
            )
        ),
    ),
)
