# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the catalogue queries of a capture share: texts only, for PostgreSQL 14 to 18."""

from __future__ import annotations

from collections.abc import Mapping

#: OIDs below are those of initdb (FirstNormalObjectId, access/transam.h)
FIRST_OID = 16384

#: how the server writes what it deparses must not depend on the settings of a role or a database
SETTINGS: Mapping[str, str] = {
    "search_path": "pg_catalog, pg_temp",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "plan_cache_mode": "auto",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}

#: a schema that is looked at; n: pg_namespace
OURS = "pg_catalog.left(n.nspname::pg_catalog.text, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', 'hgaurora')"


#: what the server makes along with a range type, its constructors and the cast to its multirange; pg_dump leaves them
#: out, too
_MADE_ALONG = ("pg_proc", "pg_cast")


def member(catalog: str, oid: str) -> str:
    """True where an object belongs to an extension, or comes and goes with another one."""
    kinds = "IN ('e', 'i')" if catalog in _MADE_ALONG else "= 'e'"
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = "
        f"'pg_catalog.{catalog}'::pg_catalog.regclass AND e.objid = {oid} AND e.deptype {kinds})"
    )


def comment(catalog: str, oid: str, number: str = "0") -> str:
    """A join that gives ``d.description``."""
    return (
        f"LEFT JOIN pg_catalog.pg_description d ON d.objoid = {oid} AND d.objsubid = {number}"
        f" AND d.classoid = 'pg_catalog.{catalog}'::pg_catalog.regclass"
    )


def grants(acl: str, letter: str, owner: str) -> str:
    """Two columns: what is granted, and what would be if nobody had said anything; null where nobody did."""
    return (
        f"{acl}::pg_catalog.text[], CASE WHEN {acl} IS NOT NULL THEN"
        f" pg_catalog.acldefault({letter}, {owner})::pg_catalog.text[] END"
    )


def acl(acl: str, letter: str, owner: str) -> str:
    """The same as two JSON facts."""
    one, other = grants(acl, f"'{letter}'", owner).split(", CASE", 1)
    return f"'acl', {one}, 'acl_default', CASE{other}"


def role(oid: str) -> str:
    return f"pg_catalog.pg_get_userbyid({oid})::pg_catalog.text"


COLLATION = (
    "(SELECT pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)"
    " FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {})"
)
#: "pg_attver" is no option but a stamp that servers of November 2026 (15.20) keep among the options of each column;
#: their pg_dump leaves it out, too
STAMP = "pg_attver="
OWN_OPTIONS = (
    f"CASE WHEN pg_catalog.cardinality(a.attoptions) > 1 OR pg_catalog.left(a.attoptions[1], {len(STAMP)}) <> '{STAMP}'"
    " THEN a.attoptions END"
)
SPACE = "(SELECT s.spcname::pg_catalog.text FROM pg_catalog.pg_tablespace s WHERE s.oid = {})"


_ENABLED = "CASE {} WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END"


def subscription(version: int) -> dict[str, str]:
    """Options of a subscription (x) by what each is called; null or false where it is the usual one."""
    options = {"streaming": "CASE WHEN x.substream THEN 'on' END"}
    if version >= 180000:
        options["streaming"] = "CASE x.substream WHEN 't' THEN 'on' WHEN 'f' THEN 'off' END"
    elif version >= 160000:
        options["streaming"] = "CASE x.substream WHEN 't' THEN 'on' WHEN 'p' THEN 'parallel' END"
    if version >= 150000:
        options |= {"two_phase": "x.subtwophasestate <> 'd'", "disable_on_error": "x.subdisableonerr"}
    if version >= 160000:
        options |= {
            "origin": "NULLIF(x.suborigin, 'any')",
            "run_as_owner": "x.subrunasowner",
            "password_required": "CASE WHEN NOT x.subpasswordrequired THEN 'no' END",
        }
    if version >= 170000:
        options["failover"] = "x.subfailover"
    return options


def by_version(version: int) -> dict[str, str]:
    """What differs between majors; ``version`` as 150004."""
    tables = (
        "'tables', (SELECT pg_catalog.json_agg(r.prrelid::pg_catalog.regclass::pg_catalog.text{} ORDER BY"
        ' r.prrelid::pg_catalog.regclass::pg_catalog.text COLLATE pg_catalog."C")'
        " FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = x.oid)"
    )
    publication = tables.format("")
    if version >= 150000:
        publication = tables.format(
            " || COALESCE(' (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY"
            " a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND"
            " a.attnum = ANY (r.prattrs::pg_catalog.int2[])) || ')', '')"
            " || COALESCE(' where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), '')"
        )
        publication += (
            ", 'schemas', (SELECT pg_catalog.json_agg(pn.nspname ORDER BY pn.nspname::pg_catalog.text COLLATE"
            ' pg_catalog."C") FROM pg_catalog.pg_publication_namespace r JOIN pg_catalog.pg_namespace pn'
            " ON pn.oid = r.pnnspid WHERE r.pnpubid = x.oid)"
        )
    if version >= 180000:
        publication += ", 'generated columns', NULLIF(x.pubgencols, 'n')"
    collation = "'rules', NULL"
    if version >= 170000:
        collation = "'locale', x.colllocale, 'rules', x.collicurules"
    elif version >= 160000:
        collation = "'locale', x.colliculocale, 'rules', x.collicurules"
    elif version >= 150000:
        collation = "'locale', x.colliculocale, 'rules', NULL"
    else:
        collation = "'locale', CASE WHEN x.collprovider = 'i' THEN x.collcollate END, 'rules', NULL"
    return {
        "nulls_not_distinct": "i.indnullsnotdistinct" if version >= 150000 else "false",
        "confdelsetcols": "k.confdelsetcols::pg_catalog.text" if version >= 150000 else "NULL::pg_catalog.text",
        "conenforced": "k.conenforced" if version >= 180000 else "true",
        "conperiod": "k.conperiod" if version >= 180000 else "false",
        "collation": collation,
        "publication": publication,
        "subscription": ", ".join(f"'{word}', {value}" for word, value in subscription(version).items()),
        "enabled": _ENABLED.format("r.ev_enabled"),
        "event_enabled": _ENABLED.format("x.evtenabled"),
    }
