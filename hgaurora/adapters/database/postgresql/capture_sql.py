# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogue queries of a captured schema: texts only, for PostgreSQL 14 to 18.

Each reads every object of its kinds at once. Two forms of the queries about relations: of all that is not the
system's, and of some OIDs (``$1``). What the server would deparse is asked for only where there is an expression:
``pg_get_indexdef`` is the dearest of all (0.8 of 1.9 s for 10,000 tables). Numbers of columns stay numbers, and are
made names by whoever reads the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import capture_sql_others as others
from . import capture_sql_quick as quick
from . import capture_sql_relations as relations
from .catalogue_sql import FIRST_OID, by_version

#: in the order in which rows are read: what needs names of others comes after them
RELATION_QUERIES: Mapping[str, str] = {
    "relations": relations.RELATIONS,
    "columns": relations.COLUMNS,
    "collations": relations.COLLATIONS,
    "indexes": relations.INDEXES,
    "constraints": relations.CONSTRAINTS,
    "triggers": relations.TRIGGERS,
    "hanging": relations.HANGING,
    "sequences": relations.SEQUENCES,
}
OTHER_QUERIES: Mapping[str, str] = {
    "opclasses": others.OPCLASSES,
    "types": others.TYPES,
    "routines": others.ROUTINES,
    "rare": others.RARE,
    "members": others.MEMBERS,
}


def of_all(version: int) -> dict[str, str]:
    """The queries of a full capture."""
    words = {
        **by_version(version),
        "of": f">= {FIRST_OID}",
        "type": "a.atttypid::pg_catalog.text || ' ' || a.atttypmod::pg_catalog.text",
    }
    queries = {
        **OTHER_QUERIES,
        "type_names": relations.TYPE_NAMES.replace("{first}", str(FIRST_OID)),
        **RELATION_QUERIES,
    }
    return {name: text.format(**words) for name, text in queries.items()}


def of_some(version: int) -> dict[str, str]:
    """The queries about those relations whose OIDs are in ``$1``."""
    words = {**by_version(version), "of": "= ANY ($1)", "type": "pg_catalog.format_type(a.atttypid, a.atttypmod)"}
    queries = {
        "relations": relations.RELATIONS,
        "columns": relations.COLUMNS,
        "referenced": relations.REFERENCED,
        **RELATION_QUERIES,
    }
    return {name: text.format(**words) for name, text in queries.items()}


def of_others(version: int) -> dict[str, str]:
    """The queries about everything that is no relation."""
    return {name: text.format(**by_version(version)) for name, text in OTHER_QUERIES.items()}


#: types of the parameters of what is prepared
PARAMETERS: Mapping[str, str] = {
    "around": "(pg_catalog.oid[], pg_catalog.text, pg_catalog.bool, pg_catalog.bool, pg_catalog.oid[])",
    "dependents": "(pg_catalog.oid[], pg_catalog.oid[], pg_catalog.bool[])",
    **dict.fromkeys(("captured", "referenced", *RELATION_QUERIES, "row_versions"), "(pg_catalog.oid[])"),
}


def of_quick_look(version: int) -> dict[str, str]:
    """All that a quick look asks, to be prepared."""
    return {"around": quick.AROUND, "dependents": quick.DEPENDENTS, **of_some(version), **of_others(version)}
