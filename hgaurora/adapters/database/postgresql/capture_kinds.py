# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every type of object that PostgreSQL 14 to 18 knows (``pg_identify_object``), and where a capture has it."""

from __future__ import annotations

from collections.abc import Mapping

#: type of object: the kinds that have it, each as an object or in a field
COVERED: Mapping[str, tuple[str, ...]] = {
    "access method": ("access method",),
    "aggregate": ("aggregate",),
    "cast": ("cast",),
    "collation": ("collation",),
    "composite type": ("composite type",),
    "composite type column": ("composite type",),
    "conversion": ("conversion",),
    "default acl": ("schema", "database"),
    "default value": ("column",),
    "domain constraint": ("domain",),
    "event trigger": ("event trigger",),
    "extension": ("extension",),
    "foreign table": ("foreign table",),
    "foreign table column": ("column",),
    "foreign-data wrapper": ("foreign-data wrapper",),
    "function": ("function",),
    "function of access method": ("operator family",),
    "index": ("index", "primary key", "unique constraint", "exclusion constraint"),
    "index column": ("index", "primary key", "unique constraint", "exclusion constraint"),
    "language": ("language",),
    "materialized view": ("materialized view",),
    "materialized view column": ("column",),
    "operator": ("operator",),
    "operator class": ("operator class",),
    "operator family": ("operator family",),
    "operator of access method": ("operator family",),
    "policy": ("policy",),
    "procedure": ("procedure",),
    "publication": ("publication",),
    "publication namespace": ("publication",),
    "publication relation": ("publication",),
    "rule": ("rule", "view"),
    "schema": ("schema",),
    "sequence": ("sequence",),
    "server": ("server",),
    "statistics object": ("statistics",),
    "subscription": ("subscription",),
    "table": ("table",),
    "table column": ("column",),
    "table constraint": ("primary key", "unique constraint", "foreign key", "check constraint", "exclusion constraint"),
    "text search configuration": ("text search configuration",),
    "text search dictionary": ("text search dictionary",),
    "text search parser": ("text search parser",),
    "text search template": ("text search template",),
    "transform": ("transform",),
    "trigger": ("trigger",),
    "type": ("enum", "domain", "composite type", "range type", "base type"),
    "user mapping": ("server",),
    "view": ("view",),
    "view column": ("column",),
}

#: facts that a capture does not have, and why: drift in them alone is not seen
UNTOLD: Mapping[str, str] = {
    "the comment on the database": "of the cluster; while a snapshot is restored a marker stands in its place, also "
    "when the schema is compared. MariaDB's is read",
    "whether a comment is of a primary key or unique constraint or of its index, where only one has any": "it is said "
    "of the constraint",
    "the name of a NOT NULL constraint, and comments on that of a domain": "before PostgreSQL 18 (17 for domains) "
    "there are none, and an upgrade makes up the names",
    "settings of a role or of the database (ALTER ROLE, ALTER DATABASE ... SET)": "of the cluster; sessions of a "
    "deploy set their own",
    "what an extension's members are, and grants on them": "the extension and its version stand for them",
    "grants on system columns": "as pg_dump",
    "statistics targets of an index's columns": "no plan of a migration depends on them",
    "options of user mappings, and the connection of a subscription": "they hold passwords, and not everybody may see "
    "them; a mapping's role is kept",
    "from where a subscription skips (ALTER SUBSCRIPTION ... SKIP)": "state of the replication, gone once it is past",
    "grants and comments on what the server brings along (pg_catalog, information_schema)": "nothing of the system's "
    "is captured",
    "grants and comments on the row type of a table": "the table's stand for them",
    "comments on a multirange type, and on a view's rule _RETURN": "parts of the range type and of the view",
    "that a function depends on an extension (DEPENDS ON EXTENSION)": "it changes nothing but what a later DROP "
    "EXTENSION takes along",
    "whether an heir declares an inherited constraint, too": "the constraint is the same; of columns it is kept",
    "a partition's copies of triggers: disabled one by one, or with a comment": "the trigger is its parent's",
}

#: type of object: why a capture does not have it
EXCLUDED: Mapping[str, str] = {
    "database": "of the cluster: a restored copy has another name, owner and grants; encoding and collation are kept",
    "large object": "data",
    "parameter ACL": "of the cluster",
    "role": "of the cluster; owners and grants name roles",
    "role membership": "of the cluster",
    "sequence column": "the same three in every sequence",
    "tablespace": "of the cluster; what lies in one names it",
    "toast table": "storage that a table brings along; its options are the table's",
    "toast table column": "storage that a table brings along",
}
