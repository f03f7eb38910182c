# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration may have changed, and how far one has to look for it.

Three facts are read in the migration's own transaction, right before its commit:

- the relations that it locks more strongly than a change of rows does. Every change of a relation takes such a lock and
  keeps it until the commit, with one exception: ``GRANT`` and ``REVOKE``;
- other objects locked as strongly, which dropping and commenting do;
- the catalogues into which its transaction wrote, as the server counts them. That a function, a ``DO`` block or a
  trigger did it makes no difference. Counts of the session's transactions of the last second may be
  among them: they make the look wider, never narrower.

A row in ``pg_type`` says little, as each table has a type, and so it goes with a few more. There the command tags
decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: written only where something other than a relation is made, changed or dropped
_OTHER = frozenset({
    "pg_proc", "pg_aggregate", "pg_enum", "pg_range", "pg_namespace", "pg_event_trigger", "pg_operator",
    "pg_opclass", "pg_opfamily", "pg_amop", "pg_amproc", "pg_cast", "pg_collation", "pg_conversion",
    "pg_ts_parser", "pg_ts_template", "pg_ts_dict", "pg_ts_config", "pg_ts_config_map", "pg_language",
    "pg_transform", "pg_am", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_user_mapping",
    "pg_publication", "pg_publication_rel", "pg_publication_namespace", "pg_subscription", "pg_default_acl",
})  # fmt: skip
#: written for relations and for other things
_EITHER = frozenset({"pg_type", "pg_constraint", "pg_description", "pg_attribute", "pg_class"})
#: a role's name is in every object that it owns
_WHOLE = frozenset({"pg_extension", "pg_authid"})
WATCHED = tuple(sorted(_OTHER | _EITHER | _WHOLE | {"pg_statistic_ext"}))

#: classes of objects that hang on a relation, which is locked itself; and types, which every table has
_HANGING = frozenset(
    {"pg_class", "pg_constraint", "pg_attrdef", "pg_trigger", "pg_rewrite", "pg_policy", "pg_statistic_ext", "pg_type"}
)

#: commands that do nothing but what locks on relations show, and changes of rows
_PLAIN = frozenset({
    "COMMENT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE TABLE", "LOCK TABLE", "SET", "SHOW", "RESET",
    "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "CREATE TABLE AS", "SET CONSTRAINTS",
    "REFRESH MATERIALIZED VIEW", "REINDEX", "CLUSTER", "ANALYZE", "CREATE STATISTICS", "DROP STATISTICS",
    *(f"{word} {what}" for word in ("CREATE", "ALTER", "DROP") for what in (
        "TABLE", "INDEX", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "TRIGGER", "POLICY", "RULE", "FOREIGN TABLE")),
})  # fmt: skip
_GRANTING = frozenset({"GRANT", "REVOKE"})
#: owners are names of roles, in every object
_ROLES = frozenset({
    "REASSIGN OWNED", "DROP OWNED", *(f"{word} {what}" for word in ("ALTER", "DROP") for what in ("ROLE", "USER",
    "GROUP")),
})  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How far to look."""

    #: OIDs of relations, indexes and sequences among them
    relations: frozenset[int] = field(default_factory=frozenset)
    #: all that is no relation
    others: bool = False
    #: relations whose rows in the catalogue are as young as the migration
    granted: bool = False
    #: statistics, likewise
    statistics: bool = False
    #: types that are locked (where there still are such, other things were changed), and what hangs on relations
    objects: frozenset[int] = field(default_factory=frozenset)
    #: of the migration's transaction
    xid: str | None = None

    def __bool__(self) -> bool:
        return bool(self.relations or self.objects) or self.others or self.granted or self.statistics


def look(touched: Mapping[str, Any] | None) -> Look | None:
    """What has to be looked at; nothing (false), or everything (None)."""
    if touched is None or touched.get("catalogs") is None:
        return None
    tags, written = set(touched["tags"]), set(touched["catalogs"])
    if "*" in tags or tags & _ROLES or written & _WHOLE:
        return None
    locked = [(name.removeprefix("pg_catalog."), oid) for name, oid in touched["objects"]]
    strange = tags - _PLAIN
    return Look(
        relations=frozenset(touched["relations"]),
        others=bool(
            written & _OTHER
            or {name for name, _ in locked} - _HANGING
            or (strange and written & {"pg_type", "pg_constraint", "pg_description"})
            or (strange - _GRANTING and written & {"pg_class", "pg_attribute"})
        ),
        granted=bool(strange and written & {"pg_class", "pg_attribute"}),
        statistics="pg_statistic_ext" in written,
        objects=frozenset(oid for name, oid in locked if name in _HANGING),
        xid=touched["xid"],
    )


_WATCHED_ARRAY = "ARRAY['" + "', '".join(WATCHED) + "']"

#: as JSON, in one subselect: relations (OIDs), objects (catalogue, OID), catalogs (None: not counted), xid
TOUCHED = f"""(SELECT pg_catalog.jsonb_build_object(
    'relations', COALESCE(pg_catalog.jsonb_agg(DISTINCT l.relation::pg_catalog.int8)
        FILTER (WHERE l.locktype = 'relation'), '[]'),
    'objects', COALESCE(pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(
        l.classid::pg_catalog.regclass, l.objid::pg_catalog.int8)) FILTER (WHERE l.locktype = 'object'), '[]'),
    'catalogs', CASE WHEN pg_catalog.current_setting('track_counts')::pg_catalog.bool THEN
        (SELECT COALESCE(pg_catalog.jsonb_agg(w.name), '[]') FROM (SELECT u.name,
            pg_catalog.to_regclass('pg_catalog.' || u.name)::pg_catalog.oid AS oid
            FROM pg_catalog.unnest({_WATCHED_ARRAY}) u(name)) w
        WHERE pg_catalog.pg_stat_get_xact_tuples_inserted(w.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(w.oid)
            + pg_catalog.pg_stat_get_xact_tuples_deleted(w.oid) > 0) END,
    'xid', pg_catalog.pg_current_xact_id()::pg_catalog.xid::pg_catalog.text)
    FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype IN ('relation', 'object')
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))"""
