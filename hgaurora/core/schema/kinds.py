# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of object a captured schema has, and what is kept of each: data only.

One table for all engines; a field that an engine does not have is None there. Words are the engines' own, lower case.
A new field goes to the end of its kind, so that what an older version captured can still be read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

#: what a field may hold; JSON-safe, lists as tuples
Value = str | bool | int | None | tuple["Value", ...]


class Level(StrEnum):
    """How far a field can be compared."""

    #: anywhere: it counts in both fingerprints
    STRUCTURE = "structure"
    #: text that a server made of what it parsed: within one major version, else it is not judged
    TEXT = "text"
    #: owners, grants, collations, places: only in the full fingerprint
    FULL = "full"


class Refers(StrEnum):
    """What a field's value names: a rename of that is no change of this."""

    #: columns of the relation that the object is, or hangs on; behind a name may stand a prefix length, "name(10)"
    COLUMNS = "columns"
    #: columns of the relation that the field ``references`` names
    REFERENCED = "referenced"
    #: relations, dotted
    RELATION = "relation"
    #: a column, dotted
    COLUMN = "column"


class Field(NamedTuple):
    """One fact kept of an object. ``usual`` is the value that needs no words.

    ``grants`` are pairs of grantee and privilege in order, lower case, such as ``("app", "select")``; a privilege that
    may be passed on ends in "with grant option".
    """

    name: str
    level: Level = Level.STRUCTURE
    usual: Value = None
    refers: Refers | None = None


class Kind(NamedTuple):
    """One kind of object. ``group``: kinds of one group share a name space, such as tables and views.

    ``nested`` objects hang on a relation: their path is the relation's with their own name behind it.
    """

    name: str
    group: str
    fields: tuple[Field, ...]
    nested: bool = False

    def at(self, field: str) -> int:
        """Where a field stands in the values of an object."""
        return next(i for i, one in enumerate(self.fields) if one.name == field)


def _text(name: str) -> Field:
    return Field(name, Level.TEXT)


def _full(name: str, usual: Value = None) -> Field:
    return Field(name, Level.FULL, usual)


_COMMENT = Field("comment")
_COLUMNS = Field("columns", refers=Refers.COLUMNS)
_INCLUDE = Field("include", usual=(), refers=Refers.COLUMNS)
_OWNED = (_COMMENT, _full("owner"), _full("grants", ()))


def _top(name: str, *fields: Field | str, group: str | None = None) -> Kind:
    return Kind(name, group or name, tuple(Field(f) if isinstance(f, str) else f for f in fields))


def _nested(name: str, *fields: Field | str) -> Kind:
    return Kind(name, "relation", tuple(Field(f) if isinstance(f, str) else f for f in fields), nested=True)


_RELATION = "relation"
_ROUTINE = (
    Field("arguments", usual=()),  # mode, name and type of each, as declared
    "returns",
    "language",
    "volatility",  # immutable | stable | volatile; mysql: deterministic, reads sql data, ...
    Field("strict", usual=False),
    Field("security", usual="invoker"),
    Field("parallel", usual="unsafe"),
    Field("leakproof", usual=False),
    Field("settings", usual=()),
    _text("defaults"),
    "body",  # source as it was given
    _text("definition"),  # a body that the server parsed and deparses
    _full("cost"),
    _full("rows"),
    _full("definer"),
    _full("sql_mode"),
    *_OWNED,
    Field("options", usual=()),  # window, its support function, transforms
)

#: in the order in which screens list them
_KINDS = (
    _top("database", _full("charset"), _full("collation"), _full("comment"), _full("default_privileges", ()),
         _full("grants", ())),
    _top("schema", *_OWNED, _full("default_privileges", ())),
    _top("extension", "schema", _full("version"), _COMMENT),
    _top("enum", "labels", *_OWNED, group="type"),
    _top("domain", "type", Field("not_null", usual=False), _text("default"), Field("checks", Level.TEXT, ()),
         _full("collation"), *_OWNED, group="type"),
    _top("composite type", "attributes", *_OWNED, Field("attribute_comments", usual=()), group="type"),
    _top("range type", "subtype", "options", *_OWNED, group="type"),
    _top("base type", Field("definition", usual=()), *_OWNED, group="type"),  # (word, value) in pairs
    _top(
        "sequence", "type", "start", "increment", "minimum", "maximum", "cache", Field("cycle", usual=False),
        Field("owned_by", refers=Refers.COLUMN),
        Field("persistence", usual="permanent"), *_OWNED, group=_RELATION,
    ),
    _top(
        "table",
        _COLUMNS,  # names in order
        Field("persistence", usual="permanent"),
        _text("partition_by"),
        Field("partition_of", refers=Refers.RELATION),  # the parent, dotted
        _text("bound"),
        Field("inherits", usual=(), refers=Refers.RELATION),
        "of_type",
        Field("options", usual=()),
        Field("row_security", usual="off"),  # off | on | forced
        Field("replica_identity", usual="default"),
        "engine",
        "row_format",
        _full("access_method"),
        _full("tablespace"),
        _full("charset"),
        _full("collation"),
        *_OWNED,
        group=_RELATION,
    ),
    _top(
        "foreign table", _COLUMNS, "server", Field("options", usual=()), *_OWNED,
        Field("partition_of", refers=Refers.RELATION), _text("bound"),
        Field("inherits", usual=(), refers=Refers.RELATION), group=_RELATION,
    ),
    _nested(
        "column",
        "type",
        Field("not_null", usual=False),
        _text("default"),  # of a generated column: its expression
        "identity",  # always | by default
        "generated",  # stored | virtual
        Field("auto_increment", usual=False),
        _text("on_update"),
        Field("invisible", usual=False),
        Field("options", usual=()),
        _COMMENT,
        _full("collation"),
        _full("charset"),
        _full("storage"),
        _full("compression"),
        _full("statistics"),
        _full("grants", ()),
        Field("own_declaration", usual=False),  # of an inherited column: it stays where the parent's is dropped
        # of the constraint that not null is since PostgreSQL 18; it has no name here, as there was none before
        Field("validated", usual=True),
        Field("no_inherit", usual=False),
        "not_null_comment",
    ),
    _nested(
        "partition",  # mysql: a part of a table's data, no table itself
        _text("bound"),
        "place",  # from 1
        "of",  # of a subpartition: the partition's name
        _COMMENT,
    ),
    _nested("primary key", _COLUMNS, _INCLUDE, Field("deferrable", usual="no"),
            Field("options", usual=()), _COMMENT, _full("tablespace"), Field("without_overlaps", usual=False),
            "index_comment"),  # where the constraint has one, too; else it stands for it
    _nested("unique constraint", _COLUMNS, _INCLUDE, Field("nulls_not_distinct", usual=False),
            Field("deferrable", usual="no"), Field("options", usual=()), _COMMENT, _full("tablespace"),
            Field("without_overlaps", usual=False), "index_comment"),
    _nested(
        "foreign key", _COLUMNS, Field("references", refers=Refers.RELATION),
        Field("referenced_columns", refers=Refers.REFERENCED), Field("match", usual="simple"),
        Field("on_update", usual="no action"), Field("on_delete", usual="no action"), Field("deferrable", usual="no"),
        Field("validated", usual=True), Field("enforced", usual=True), _COMMENT, Field("period", usual=False),
    ),
    _nested("check constraint", _text("expression"), Field("validated", usual=True), Field("no_inherit", usual=False),
            Field("enforced", usual=True), _COMMENT),
    _nested("exclusion constraint", _text("definition"), Field("deferrable", usual="no"), _COMMENT,
            Field("flags", usual=()), "index_comment", _full("tablespace")),  # clustered, invalid
    _nested(
        "index",
        _COLUMNS,  # a name (with a prefix length on mysql: "name(10)"), None for an expression
        Field("expressions", Level.TEXT, ()),
        Field("order", usual=()),  # one for each column where any is unusual: "", "desc", "nulls first", ...
        Field("opclass", usual=()),  # the same for operator classes
        _INCLUDE,
        Field("unique", usual=False),
        Field("nulls_not_distinct", usual=False),
        Field("method", usual="btree"),
        _text("predicate"),
        Field("valid", usual=True),
        Field("visible", usual=True),
        Field("options", usual=()),
        Field("flags", usual=()),  # clustered, replica identity, 2 attached
        "parser",
        _COMMENT,
        _full("collations", ()),
        _full("tablespace"),
    ),
    _nested("statistics", "kinds", _COLUMNS, Field("expressions", Level.TEXT, ()), _COMMENT,
            _full("owner"), _full("statistics")),
    _nested(
        "trigger", "timing", "events", "level", "function", Field("arguments", usual=()),
        Field("columns", usual=(), refers=Refers.COLUMNS),
        _text("when"), Field("enabled", usual="origin"), Field("deferrable", usual="no"), "transition", "body", "order",
        _COMMENT, _full("definer"), _full("sql_mode"), Field("constraint", usual=False), "from_table",
    ),
    _nested("policy", Field("command", usual="all"), Field("permissive", usual=True), _text("using"), _text("check"),
            _COMMENT, _full("roles", ())),
    _nested("rule", _text("definition"), Field("enabled", usual="origin"), _COMMENT),
    _top(
        "view", "columns", _text("definition"), Field("options", usual=()), "security", "check_option", "algorithm",
        _full("definer"), *_OWNED, group=_RELATION,
    ),
    _top("materialized view", "columns", _text("definition"), Field("options", usual=()), _full("populated", True),
         _full("access_method"), _full("tablespace"), *_OWNED, group=_RELATION),
    _top("function", *_ROUTINE, group="routine"),
    _top("procedure", *_ROUTINE, group="routine"),
    # mariadb, in Oracle's mode
    _top("package", "body", Field("security", usual="definer"), _full("definer"), _full("sql_mode"), *_OWNED),
    _top("package body", "body", Field("security", usual="definer"), _full("definer"), _full("sql_mode"), *_OWNED),
    _top("aggregate", "arguments", "returns", _text("definition"), *_OWNED, Field("parallel", usual="unsafe"),
         group="routine"),
    _top("event trigger", "event", Field("tags", usual=()), "function", Field("enabled", usual="origin"), _COMMENT,
         _full("owner")),
    _top(
        "event", "schedule", Field("status", usual="enabled"), "on_completion", "body", _COMMENT, _full("definer"),
        _full("sql_mode"), _full("time_zone"), _full("starts"),  # by default when it was made
    ),
    # seldom seen; what has no field of its own stands in "definition": (word, value) in pairs
    _top("operator", Field("definition", usual=()), *_OWNED),
    _top("operator class", Field("definition", usual=()), *_OWNED),
    _top("operator family", Field("definition", usual=()), *_OWNED),
    _top("cast", "method", "function", Field("context", usual="explicit"), _COMMENT),
    _top("collation", Field("definition", usual=()), *_OWNED, _full("version")),
    _top("conversion", Field("definition", usual=()), *_OWNED),
    _top("text search parser", Field("definition", usual=()), _COMMENT),
    _top("text search template", Field("definition", usual=()), _COMMENT),
    _top("text search dictionary", "template", "options", *_OWNED),
    _top("text search configuration", "parser", Field("mappings", usual=()), *_OWNED),
    _top("language", Field("definition", usual=()), *_OWNED),
    _top("transform", "from_sql", "to_sql", _COMMENT),
    _top("access method", "type", "handler", _COMMENT),
    _top("foreign-data wrapper", Field("definition", usual=()), Field("options", usual=()), *_OWNED),
    _top("server", "wrapper", "type", "version", Field("options", usual=()), *_OWNED,
         _full("user_mappings", ())),  # roles; options hold passwords, and not everybody may see them
    _top("publication", Field("tables", Level.TEXT, ()), Field("schemas", usual=()), Field("operations", usual=()),
         Field("definition", usual=()), *_OWNED),
    _top("subscription", "publications", _full("definition", ()), *_OWNED),  # without the connection
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
