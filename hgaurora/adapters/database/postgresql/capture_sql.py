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
_SCHEMA = (
    "pg_catalog.left(n.nspname::pg_catalog.text, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', 'hgaurora')"
)


def _member(catalog: str, oid: str) -> str:
    """True where an object belongs to an extension."""
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = "
        f"'pg_catalog.{catalog}'::pg_catalog.regclass AND e.objid = {oid} AND e.deptype = 'e')"
    )


def _comment(catalog: str, oid: str, number: str = "0") -> str:
    """A join that gives ``d.description``."""
    return (
        f"LEFT JOIN pg_catalog.pg_description d ON d.objoid = {oid} AND d.objsubid = {number}"
        f" AND d.classoid = 'pg_catalog.{catalog}'::pg_catalog.regclass"
    )


def _grants(acl: str, letter: str, owner: str) -> str:
    """Two columns: what is granted, and what would be if nobody had said anything; null where nobody did."""
    return (
        f"{acl}::pg_catalog.text[], CASE WHEN {acl} IS NOT NULL THEN"
        f" pg_catalog.acldefault({letter}, {owner})::pg_catalog.text[] END"
    )


def _acl(acl: str, letter: str, owner: str) -> str:
    """The same as two JSON facts."""
    one, other = _grants(acl, f"'{letter}'", owner).split(", CASE", 1)
    return f"'acl', {one}, 'acl_default', CASE{other}"


def _role(oid: str) -> str:
    return f"pg_catalog.pg_get_userbyid({oid})::pg_catalog.text"


_COLLATION = (
    "(SELECT pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)"
    " FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {})"
)
#: "pg_attver" is no option but a stamp that servers of November 2026 (15.20) keep among the options of each column;
#: their pg_dump leaves it out, too
STAMP = "pg_attver="
_OWN_OPTIONS = (
    f"CASE WHEN pg_catalog.cardinality(a.attoptions) > 1 OR pg_catalog.left(a.attoptions[1], {len(STAMP)}) <> '{STAMP}'"
    " THEN a.attoptions END"
)
_SPACE = "(SELECT s.spcname::pg_catalog.text FROM pg_catalog.pg_tablespace s WHERE s.oid = {})"


RELATIONS = f"""
SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind, c.relpersistence,
    {_role("c.relowner")}, {
    _grants("c.relacl", "CASE c.relkind WHEN 'S' THEN 's'::pg_catalog.char ELSE 'r' END", "c.relowner")
},
    d.description,
    CASE WHEN c.reltablespace <> 0 THEN {_SPACE.format("c.reltablespace")} END,
    am.amname::pg_catalog.text,
    c.reloptions,
    CASE WHEN c.reltoastrelid <> 0 AND c.relkind IN ('r', 'm') THEN
        (SELECT t.reloptions FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid) END,
    c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
    CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END,
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
    c.relispartition,
    CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END,
    CASE WHEN c.relkind IN ('r', 'p', 'f') THEN (SELECT pg_catalog.array_agg(
            i.inhparent::pg_catalog.regclass::pg_catalog.text
            || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END ORDER BY i.inhseqno)
        FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) END,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
    c.relispopulated,
    CASE WHEN c.relkind = 'f' THEN (SELECT pg_catalog.json_build_array(s.srvname, ft.ftoptions)
        FROM pg_catalog.pg_foreign_table ft JOIN pg_catalog.pg_foreign_server s ON s.oid = ft.ftserver
        WHERE ft.ftrelid = c.oid) END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
{_comment("pg_class", "c.oid")}
WHERE c.oid {{of}} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_SCHEMA} AND NOT {_member("pg_class", "c.oid")}
"""

#: a default names no columns, so the server need not load the table for it: that is two thirds of the time
COLUMNS = f"""
SELECT a.attrelid::pg_catalog.int8, a.attnum, a.attname::pg_catalog.text,
    {{type}}, a.attnotnull,
    pg_catalog.pg_get_expr(f.adbin, CASE WHEN a.attgenerated <> '' THEN f.adrelid ELSE 0 END),
    a.attidentity, a.attgenerated, {_OWN_OPTIONS}, a.attfdwoptions, d.description,
    a.attcollation::pg_catalog.int8,
    CASE WHEN a.attcollation <> t.typcollation THEN {_COLLATION.format("a.attcollation")} END,
    CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
    a.attcompression, NULLIF(a.attstattarget, -1),
    a.attacl::pg_catalog.text[]
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
{_comment("pg_class", "a.attrelid", "a.attnum")}
WHERE a.attrelid {{of}} AND a.attnum > 0 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

#: names of columns that foreign keys of some relations point to; a full capture has them already
REFERENCED = """
SELECT a.attrelid::pg_catalog.int8, a.attnum, a.attname::pg_catalog.text
FROM pg_catalog.pg_attribute a
WHERE a.attrelid IN (SELECT k.confrelid FROM pg_catalog.pg_constraint k WHERE k.conrelid {of} AND k.contype = 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
"""

INDEXES = f"""
SELECT i.indexrelid::pg_catalog.int8, i.indrelid::pg_catalog.int8, c.relname::pg_catalog.text, am.amname::pg_catalog.text,
    i.indkey::pg_catalog.text, i.indoption::pg_catalog.text, i.indclass::pg_catalog.text,
    i.indcollation::pg_catalog.text, i.indnkeyatts,
    i.indisunique, {{nulls_not_distinct}}, i.indisvalid, i.indisclustered, i.indisreplident, c.reloptions,
    CASE WHEN c.reltablespace <> 0 THEN {_SPACE.format("c.reltablespace")} END,
    CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k.n::integer, false)
        FROM pg_catalog.generate_series(1, i.indnkeyatts) k(n) WHERE i.indkey[k.n - 1] = 0 ORDER BY k.n) END,
    CASE WHEN i.indpred IS NOT NULL THEN pg_catalog.pg_get_expr(i.indpred, i.indrelid) END,
    CASE WHEN am.amname NOT IN ('btree', 'hash') THEN (SELECT pg_catalog.json_object_agg(a.attnum, a.attoptions)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attoptions IS NOT NULL) END,
    d.description
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
{_comment("pg_class", "i.indexrelid")}
WHERE i.indrelid {{of}} AND c.relkind IN ('i', 'I')
"""

#: clones that a partitioned table's foreign keys have in and for its partitions are not things of their own
CONSTRAINTS = f"""
SELECT k.conrelid::pg_catalog.int8, k.conname::pg_catalog.text, k.contype, k.conkey::pg_catalog.text, k.confkey::pg_catalog.text,
    k.confrelid::pg_catalog.int8, CASE WHEN k.confrelid <> 0 THEN k.confrelid::pg_catalog.regclass::pg_catalog.text END,
    k.confmatchtype, k.confupdtype, k.confdeltype, {{confdelsetcols}}, k.condeferrable, k.condeferred, k.convalidated,
    {{conenforced}}, {{conperiod}}, k.connoinherit, k.conindid::pg_catalog.int8,
    CASE k.contype WHEN 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid)
        WHEN 'x' THEN pg_catalog.pg_get_constraintdef(k.oid) END,
    d.description
FROM pg_catalog.pg_constraint k
{_comment("pg_constraint", "k.oid")}
WHERE k.conrelid {{of}} AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND (k.conparentid = 0 OR k.contype <> 'f')
"""

TRIGGERS = f"""
SELECT t.tgrelid::pg_catalog.int8, t.tgname::pg_catalog.text, t.tgtype, t.tgfoid::pg_catalog.regproc::pg_catalog.text,
    CASE WHEN t.tgnargs > 0 THEN t.tgargs END, t.tgattr::pg_catalog.int2[],
    CASE WHEN t.tgqual IS NOT NULL THEN pg_catalog.pg_get_triggerdef(t.oid, false) END,
    t.tgenabled, t.tgdeferrable, t.tginitdeferred, t.tgoldtable::pg_catalog.text, t.tgnewtable::pg_catalog.text,
    t.tgconstraint <> 0,
    CASE WHEN t.tgconstrrelid <> 0 THEN t.tgconstrrelid::pg_catalog.regclass::pg_catalog.text END,
    d.description
FROM pg_catalog.pg_trigger t
{_comment("pg_trigger", "t.oid")}
WHERE t.tgrelid {{of}} AND NOT t.tgisinternal AND t.tgparentid = 0
"""

#: policies, rules and statistics: kind, OID of the relation, name, facts by the names of the fields
HANGING = f"""
SELECT 'policy', p.polrelid::pg_catalog.int8, p.polname::pg_catalog.text, pg_catalog.json_build_object(
    'command', CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
        ELSE 'delete' END,
    'permissive', p.polpermissive, 'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
    'roles', ARRAY(SELECT CASE r WHEN 0 THEN 'public' ELSE {_role("r")} END FROM pg_catalog.unnest(p.polroles) r
        ORDER BY 1), 'comment', d.description)
FROM pg_catalog.pg_policy p {_comment("pg_policy", "p.oid")} WHERE p.polrelid {{of}}
UNION ALL
SELECT 'rule', r.ev_class::pg_catalog.int8, r.rulename::pg_catalog.text, pg_catalog.json_build_object(
    'definition', pg_catalog.pg_get_ruledef(r.oid), 'enabled', {{enabled}}, 'comment', d.description)
FROM pg_catalog.pg_rewrite r {_comment("pg_rewrite", "r.oid")}
WHERE r.ev_class {{of}} AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'statistics', s.stxrelid::pg_catalog.int8,
    CASE WHEN s.stxnamespace = c.relnamespace THEN s.stxname::pg_catalog.text
        ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname) END,
    pg_catalog.json_build_object('kinds', ARRAY(SELECT CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies'
        WHEN 'm' THEN 'mcv' END FROM pg_catalog.unnest(s.stxkind) k WHERE k <> 'e' ORDER BY 1),
    'columns', ARRAY(SELECT a.attname FROM pg_catalog.unnest(s.stxkeys) k JOIN pg_catalog.pg_attribute a
        ON a.attrelid = s.stxrelid AND a.attnum = k ORDER BY a.attname::pg_catalog.text COLLATE pg_catalog."C"),
    'expressions', pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), 'owner', {_role("s.stxowner")},
    'statistics', NULLIF(s.stxstattarget, -1), 'comment', d.description)
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
{_comment("pg_statistic_ext", "s.oid")}
WHERE s.stxrelid {{of}} AND NOT {_member("pg_statistic_ext", "s.oid")}
"""

SEQUENCES = f"""
SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
    pg_catalog.format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
    CASE WHEN o.refobjid IS NOT NULL THEN o.refobjid::pg_catalog.regclass::pg_catalog.text || '.'
        || pg_catalog.quote_ident((SELECT a.attname FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = o.refobjid AND a.attnum = o.refobjsubid)) END,
    o.refobjid::pg_catalog.int8, c.relpersistence, d.description, {_role("c.relowner")},
    {_grants("c.relacl", "'s'", "c.relowner")}
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = c.oid
    AND o.objsubid = 0 AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.deptype IN ('a', 'i')
{_comment("pg_class", "c.oid")}
WHERE s.seqrelid {{of}} AND {_SCHEMA} AND NOT {_member("pg_class", "c.oid")}
"""

#: operator classes by OID: name, whether it is the default one of its type
OPCLASSES = """
SELECT o.oid::pg_catalog.int8, CASE WHEN n.nspname = 'pg_catalog' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
    || pg_catalog.quote_ident(o.opcname), o.opcdefault
FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
"""

COLLATIONS = """
SELECT co.oid::pg_catalog.int8, pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
WHERE co.oid IN (SELECT u FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indcollation) u WHERE i.indrelid {of})
"""

ROUTINES = f"""
SELECT 'p', p.oid::pg_catalog.int8, n.nspname::pg_catalog.text,
    p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
    pg_catalog.json_build_object('prokind', p.prokind, 'comment', d.description, 'owner', {_role("p.proowner")},
    {_acl("p.proacl", "f", "p.proowner")},
    'returns', pg_catalog.pg_get_function_result(p.oid), 'names', p.proargnames, 'modes', p.proargmodes,
    'types', ARRAY(SELECT pg_catalog.format_type(u.t, NULL) FROM pg_catalog.unnest(COALESCE(p.proallargtypes,
        p.proargtypes::pg_catalog.oid[])) WITH ORDINALITY u(t, o) ORDER BY u.o),
    'defaults', pg_catalog.pg_get_expr(p.proargdefaults, 0), 'language', l.lanname, 'volatility', p.provolatile,
    'strict', p.proisstrict, 'definer', p.prosecdef, 'parallel', p.proparallel, 'leakproof', p.proleakproof,
    'settings', p.proconfig, 'body', CASE WHEN p.prosqlbody IS NULL THEN p.prosrc END, 'binary', p.probin,
    'definition', pg_catalog.pg_get_function_sqlbody(p.oid),
    'cost', p.procost, 'rows', p.prorows, 'returns_set', p.proretset,
    'support', CASE WHEN p.prosupport <> 0 THEN p.prosupport::pg_catalog.text END,
    'transforms', ARRAY(SELECT pg_catalog.format_type(t, NULL) FROM pg_catalog.unnest(p.protrftypes) t),
    'aggregate', CASE WHEN p.prokind = 'a' THEN (SELECT pg_catalog.json_build_object(
        'kind', g.aggkind, 'direct', g.aggnumdirectargs, 'state function', g.aggtransfn, 'final function', g.aggfinalfn,
        'combine function', g.aggcombinefn, 'serial function', g.aggserialfn, 'deserial function', g.aggdeserialfn,
        'moving state function', g.aggmtransfn, 'moving inverse function', g.aggminvtransfn,
        'moving final function', g.aggmfinalfn, 'final extra', g.aggfinalextra, 'moving final extra', g.aggmfinalextra,
        'final modify', g.aggfinalmodify, 'moving final modify', g.aggmfinalmodify,
        'sort operator', CASE WHEN g.aggsortop <> 0 THEN g.aggsortop::pg_catalog.regoperator::pg_catalog.text END,
        'state type', pg_catalog.format_type(g.aggtranstype, NULL), 'state size', g.aggtransspace,
        'moving state type', CASE WHEN g.aggmtranstype <> 0 THEN pg_catalog.format_type(g.aggmtranstype, NULL) END,
        'moving state size', g.aggmtransspace, 'initial', g.agginitval, 'moving initial', g.aggminitval)
        FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid) END)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
{_comment("pg_proc", "p.oid")}
WHERE p.oid >= {FIRST_OID} AND {_SCHEMA} AND NOT {_member("pg_proc", "p.oid")}
"""

_QUALIFIED = "CASE WHEN {0} <> 0 THEN {0}::pg_catalog.{1}::pg_catalog.text END"

TYPES = f"""
SELECT t.typtype, t.oid::pg_catalog.int8, n.nspname::pg_catalog.text, t.typname::pg_catalog.text,
    pg_catalog.json_build_object('comment', d.description, 'owner', {_role("t.typowner")},
    {_acl("t.typacl", "T", "t.typowner")},
    'labels', CASE t.typtype WHEN 'e' THEN (SELECT pg_catalog.array_agg(e.enumlabel ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) END,
    'domain', CASE t.typtype WHEN 'd' THEN pg_catalog.json_build_object(
        'type', pg_catalog.format_type(t.typbasetype, t.typtypmod), 'not_null', t.typnotnull,
        'default', COALESCE(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault),
        'collation', (SELECT CASE WHEN t.typcollation <> b.typcollation THEN {_COLLATION.format("t.typcollation")} END
            FROM pg_catalog.pg_type b WHERE b.oid = t.typbasetype),
        'checks', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(k.conname,
            pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint')) ORDER BY
            k.conname::pg_catalog.text COLLATE pg_catalog."C")
            FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) END,
    'attributes', CASE t.typtype WHEN 'c' THEN (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation <> b.typcollation
            THEN {_COLLATION.format("a.attcollation")} END, pg_catalog.col_description(a.attrelid, a.attnum))
        ORDER BY a.attnum) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type b ON b.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
    'range', CASE t.typtype WHEN 'r' THEN (SELECT pg_catalog.json_build_object(
        'subtype', pg_catalog.format_type(r.rngsubtype, NULL), 'options', pg_catalog.json_build_array(
            pg_catalog.json_build_array('multirange', r.rngmultitypid::pg_catalog.regtype::pg_catalog.text),
            pg_catalog.json_build_array('opclass', (SELECT CASE WHEN NOT o.opcdefault THEN o.opcname::pg_catalog.text
                END FROM pg_catalog.pg_opclass o WHERE o.oid = r.rngsubopc)),
            pg_catalog.json_build_array('collation', (SELECT CASE WHEN r.rngcollation <> b.typcollation
                THEN {_COLLATION.format("r.rngcollation")} END FROM pg_catalog.pg_type b WHERE b.oid = r.rngsubtype)),
            pg_catalog.json_build_array('canonical', NULLIF(r.rngcanonical::pg_catalog.text, '-')),
            pg_catalog.json_build_array('subtype_diff', NULLIF(r.rngsubdiff::pg_catalog.text, '-'))))
        FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) END,
    'base', CASE WHEN t.typtype IN ('b', 'p') THEN pg_catalog.json_build_object('defined', t.typisdefined,
        'input', t.typinput, 'output', t.typoutput, 'receive', t.typreceive, 'send', t.typsend,
        'modifier input', t.typmodin, 'modifier output', t.typmodout, 'analyze', t.typanalyze,
        'subscript', t.typsubscript, 'length', t.typlen, 'by value', t.typbyval, 'alignment', t.typalign,
        'storage', t.typstorage, 'category', t.typcategory, 'preferred', t.typispreferred, 'default', t.typdefault,
        'element', CASE WHEN t.typelem <> 0 THEN pg_catalog.format_type(t.typelem, NULL) END,
        'delimiter', t.typdelim, 'collatable', t.typcollation <> 0) END)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
{_comment("pg_type", "t.oid")}
WHERE t.oid >= {FIRST_OID} AND t.typtype <> 'm' AND (t.typrelid = 0 OR c.relkind = 'c')
    AND NOT (t.typelem <> 0 AND t.typcategory = 'A' AND EXISTS (SELECT FROM pg_catalog.pg_type el WHERE el.oid = t.typelem
        AND el.typarray = t.oid)) AND {_SCHEMA} AND NOT {_member("pg_type", "t.oid")}
"""


def _rare(kind: str, catalog: str, path: str, facts: str, *, joins: str = "", where: str = "true") -> str:
    """Rows of one kind that is seldom seen; ``x`` is its catalogue. Not the system's, not an extension's."""
    return (
        f"SELECT '{kind}', x.oid::pg_catalog.int8, {path}, pg_catalog.json_build_object({facts}, 'comment',"
        f" d.description) FROM pg_catalog.{catalog} x {joins} {_comment(catalog, 'x.oid')}"
        f" WHERE {where} AND NOT {_member(catalog, 'x.oid')}"
    )


def _in_schema(kind: str, catalog: str, prefix: str, name: str, facts: str, *, joins: str = "") -> str:
    return _rare(
        kind,
        catalog,
        f"ARRAY[n.nspname::pg_catalog.text, {name}]",
        facts,
        joins=f"JOIN pg_catalog.pg_namespace n ON n.oid = x.{prefix}namespace {joins}",
        where=f"x.oid >= {FIRST_OID} AND {_SCHEMA}",
    )


def _regs(**words: str) -> str:
    return ", ".join(f"'{word.replace('_', ' ')}', {value}" for word, value in words.items())


def _default_privileges(schema: str) -> str:
    """Rows of pg_default_acl, the default one beside each; what the tool has is not among them."""
    return (
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array("
        f"{_role('da.defaclrole')}, da.defaclobjtype, da.defaclacl::pg_catalog.text[],"
        " CASE WHEN da.defaclnamespace = 0 THEN pg_catalog.acldefault(CASE da.defaclobjtype WHEN 'S' THEN 's'"
        " ELSE da.defaclobjtype END, da.defaclrole)::pg_catalog.text[] END))"
        f" FROM pg_catalog.pg_default_acl da WHERE da.defaclnamespace = {schema})"
    )


_FOR = "pg_catalog.format_type({}, NULL)"
_FAMILY = "pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(fa.opfname)"
_FAMILY_OPERATORS = (
    "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array('operator ' || o.amopstrategy, o.amopopr::"
    "pg_catalog.regoperator::pg_catalog.text || CASE o.amoppurpose WHEN 'o' THEN ' for order by ' || (SELECT"
    " pg_catalog.quote_ident(sf.opfname) FROM pg_catalog.pg_opfamily sf WHERE sf.oid = o.amopsortfamily) ELSE '' END)"
    ' ORDER BY o.amopstrategy, o.amopopr::pg_catalog.regoperator::pg_catalog.text COLLATE pg_catalog."C")'
    " FROM pg_catalog.pg_amop o WHERE o.amopfamily = {})"
)
_FAMILY_FUNCTIONS = (
    "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array('function ' || p.amprocnum || ' (' ||"
    " pg_catalog.format_type(p.amproclefttype, NULL) || ', ' || pg_catalog.format_type(p.amprocrighttype, NULL) || ')',"
    " p.amproc::pg_catalog.regprocedure::pg_catalog.text) ORDER BY p.amprocnum, p.amproc::pg_catalog.regprocedure"
    '::pg_catalog.text COLLATE pg_catalog."C") FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = {})'
)

#: kind, OID, path, facts: by the names of fields; those that are no field go into "definition"
RARE = "\nUNION ALL\n".join((
    "SELECT 'database', db.oid::pg_catalog.int8, '{{}}'::pg_catalog.text[], pg_catalog.json_build_object('charset',"
    " pg_catalog.pg_encoding_to_char(db.encoding), 'collation', db.datcollate, 'default_privileges',"
    f" {_default_privileges('0')}) FROM pg_catalog.pg_database db WHERE db.datname = pg_catalog.current_database()",
    "SELECT 'schema', n.oid::pg_catalog.int8, ARRAY[n.nspname::pg_catalog.text], pg_catalog.json_build_object("
    f"'owner', {_role('n.nspowner')}, {_acl('n.nspacl', 'n', 'n.nspowner')}, 'default_privileges',"
    f" {_default_privileges('n.oid')}, 'comment', d.description)"
    f" FROM pg_catalog.pg_namespace n {_comment('pg_namespace', 'n.oid')}"
    f" WHERE {_SCHEMA} AND NOT {_member('pg_namespace', 'n.oid')}",
    _rare("extension", "pg_extension", "ARRAY[x.extname::pg_catalog.text]",
          "'schema', n.nspname, 'version', x.extversion",
          joins="JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace"),
    _rare("event trigger", "pg_event_trigger", "ARRAY[x.evtname::pg_catalog.text]",
          "'event', x.evtevent, 'tags', x.evttags, 'function', x.evtfoid::pg_catalog.regproc, 'enabled',"
          f" {{event_enabled}}, 'owner', {_role('x.evtowner')}"),
    _in_schema("operator", "pg_operator", "opr", "x.oprname || '(' || CASE WHEN x.oprleft = 0 THEN 'none' ELSE"
               f" {_FOR.format('x.oprleft')} END || ', ' || {_FOR.format('x.oprright')} || ')'",
               _regs(function="x.oprcode::pg_catalog.regproc", result=f"CASE WHEN x.oprresult <> 0 THEN {_FOR.format('x.oprresult')} END",
                     commutator=_QUALIFIED.format("x.oprcom", "regoperator"),
                     negator=_QUALIFIED.format("x.oprnegate", "regoperator"),
                     restrict="NULLIF(x.oprrest::pg_catalog.text, '-')", join="NULLIF(x.oprjoin::pg_catalog.text, '-')",
                     hashes="x.oprcanhash", merges="x.oprcanmerge", owner=_role("x.oprowner"))),
    _in_schema("operator class", "pg_opclass", "opc", "x.opcname || ' using ' || am.amname",
               _regs(family=_FAMILY, type=_FOR.format("x.opcintype"), default="x.opcdefault",
                     storage=f"CASE WHEN x.opckeytype <> 0 THEN {_FOR.format('x.opckeytype')} END",
                     owner=_role("x.opcowner")),
               joins="JOIN pg_catalog.pg_am am ON am.oid = x.opcmethod JOIN pg_catalog.pg_opfamily fa ON"
               " fa.oid = x.opcfamily JOIN pg_catalog.pg_namespace fn ON fn.oid = fa.opfnamespace"),
    _in_schema("operator family", "pg_opfamily", "opf", "x.opfname || ' using ' || am.amname",
               _regs(operators=_FAMILY_OPERATORS.format("x.oid"), functions=_FAMILY_FUNCTIONS.format("x.oid"),
                     owner=_role("x.opfowner")), joins="JOIN pg_catalog.pg_am am ON am.oid = x.opfmethod"),
    _rare("cast", "pg_cast", f"ARRAY[{_FOR.format('x.castsource')} || ' as ' || {_FOR.format('x.casttarget')}]",
          "'method', CASE x.castmethod WHEN 'f' THEN 'function' WHEN 'b' THEN 'binary' ELSE 'inout' END, 'function',"
          " CASE WHEN x.castfunc <> 0 THEN x.castfunc::pg_catalog.regprocedure END, 'context', CASE x.castcontext WHEN"
          " 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END", where=f"x.oid >= {FIRST_OID}"),
    _in_schema("collation", "pg_collation", "coll", "x.collname::pg_catalog.text",
               _regs(provider="x.collprovider", deterministic="x.collisdeterministic", encoding="x.collencoding",
                     collate="x.collcollate", ctype="x.collctype", version="x.collversion", owner=_role("x.collowner"))
               + ", {collation}"),
    _in_schema("conversion", "pg_conversion", "con", "x.conname::pg_catalog.text",
               _regs(source="pg_catalog.pg_encoding_to_char(x.conforencoding)", default="x.condefault",
                     target="pg_catalog.pg_encoding_to_char(x.contoencoding)", function="x.conproc",
                     owner=_role("x.conowner"))),
    _in_schema("text search parser", "pg_ts_parser", "prs", "x.prsname::pg_catalog.text",
               _regs(start="x.prsstart", token="x.prstoken", end="x.prsend", headline="x.prsheadline",
                     lextypes="x.prslextype")),
    _in_schema("text search template", "pg_ts_template", "tmpl", "x.tmplname::pg_catalog.text",
               _regs(init="x.tmplinit", lexize="x.tmpllexize")),
    _in_schema("text search dictionary", "pg_ts_dict", "dict", "x.dictname::pg_catalog.text",
               _regs(template="pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(tt.tmplname)",
                     options="x.dictinitoption", owner=_role("x.dictowner")),
               joins="JOIN pg_catalog.pg_ts_template tt ON tt.oid = x.dicttemplate"
               " JOIN pg_catalog.pg_namespace tn ON tn.oid = tt.tmplnamespace"),
    _in_schema("text search configuration", "pg_ts_config", "cfg", "x.cfgname::pg_catalog.text",
               _regs(parser="pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(tp.prsname)",
                     mappings="(SELECT pg_catalog.json_agg(m.one ORDER BY m.one COLLATE pg_catalog.\"C\") FROM (SELECT"
                     " (SELECT tk.alias FROM pg_catalog.ts_token_type(x.cfgparser) tk WHERE tk.tokid = cm.maptokentype)"
                     " || ': ' || pg_catalog.string_agg(cm.mapdict::pg_catalog.regdictionary::pg_catalog.text, ', '"
                     " ORDER BY cm.mapseqno) AS one FROM pg_catalog.pg_ts_config_map cm WHERE cm.mapcfg = x.oid"
                     " GROUP BY cm.maptokentype) m)", owner=_role("x.cfgowner")),
               joins="JOIN pg_catalog.pg_ts_parser tp ON tp.oid = x.cfgparser"
               " JOIN pg_catalog.pg_namespace tn ON tn.oid = tp.prsnamespace"),
    _rare("language", "pg_language", "ARRAY[x.lanname::pg_catalog.text]",
          _regs(trusted="x.lanpltrusted", handler="x.lanplcallfoid::pg_catalog.regproc",
                inline="x.laninline::pg_catalog.regproc", validator="x.lanvalidator::pg_catalog.regproc",
                owner=_role("x.lanowner")) + ", " + _acl("x.lanacl", "l", "x.lanowner"), where=f"x.oid >= {FIRST_OID}"),
    _rare("transform", "pg_transform", f"ARRAY[{_FOR.format('x.trftype')} || ' for ' || l.lanname]",
          _regs(from_sql="NULL", to_sql="NULL").replace("from sql", "from_sql").replace("to sql", "to_sql")
          .replace("'from_sql', NULL", "'from_sql', NULLIF(x.trffromsql::pg_catalog.text, '-')")
          .replace("'to_sql', NULL", "'to_sql', NULLIF(x.trftosql::pg_catalog.text, '-')"),
          joins="JOIN pg_catalog.pg_language l ON l.oid = x.trflang"),
    _rare("access method", "pg_am", "ARRAY[x.amname::pg_catalog.text]",
          "'type', CASE x.amtype WHEN 'i' THEN 'index' ELSE 'table' END, 'handler', x.amhandler",
          where=f"x.oid >= {FIRST_OID}"),
    _rare("foreign-data wrapper", "pg_foreign_data_wrapper", "ARRAY[x.fdwname::pg_catalog.text]",
          _regs(handler="CASE WHEN x.fdwhandler <> 0 THEN x.fdwhandler::pg_catalog.regproc END",
                validator="CASE WHEN x.fdwvalidator <> 0 THEN x.fdwvalidator::pg_catalog.regproc END",
                options="x.fdwoptions", owner=_role("x.fdwowner")) + ", " + _acl("x.fdwacl", "F", "x.fdwowner")),
    _rare("server", "pg_foreign_server", "ARRAY[x.srvname::pg_catalog.text]",
          _regs(wrapper="w.fdwname", type="x.srvtype", version="x.srvversion", options="x.srvoptions",
                owner=_role("x.srvowner")) + ", " + _acl("x.srvacl", "S", "x.srvowner") + ", 'user_mappings',"
          " (SELECT pg_catalog.json_agg(u.usename ORDER BY u.usename::pg_catalog.text COLLATE pg_catalog.\"C\")"
          " FROM pg_catalog.pg_user_mappings u WHERE u.srvid = x.oid)",
          joins="JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = x.srvfdw"),
    _rare("publication", "pg_publication", "ARRAY[x.pubname::pg_catalog.text]",
          "{publication}, 'insert', x.pubinsert, 'update', x.pubupdate, 'delete', x.pubdelete, 'truncate', x.pubtruncate,"
          f" 'via root', x.pubviaroot, 'all tables', x.puballtables, 'owner', {_role('x.pubowner')}"),
    _rare("subscription", "pg_subscription", "ARRAY[x.subname::pg_catalog.text]",
          "'publications', x.subpublications, 'enabled', x.subenabled, 'slot', x.subslotname, 'binary', x.subbinary,"
          f" 'synchronous_commit', x.subsynccommit, 'owner', {_role('x.subowner')}",
          where="x.subdbid = (SELECT db.oid FROM pg_catalog.pg_database db WHERE db.datname ="
          " pg_catalog.current_database())"),
))  # fmt: skip

_ENABLED = "CASE {} WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END"


def _by_version(version: int) -> dict[str, str]:
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
        "enabled": _ENABLED.format("r.ev_enabled"),
        "event_enabled": _ENABLED.format("x.evtenabled"),
    }


#: in the order in which rows are read: what needs names of others comes after them
RELATION_QUERIES: Mapping[str, str] = {
    "relations": RELATIONS,
    "columns": COLUMNS,
    "collations": COLLATIONS,
    "indexes": INDEXES,
    "constraints": CONSTRAINTS,
    "triggers": TRIGGERS,
    "hanging": HANGING,
    "sequences": SEQUENCES,
}
#: names of types in a full capture, where the columns come with numbers: calling it 80,000 times is dear
TYPE_NAMES = """
SELECT t.id || ' ' || t.modifier, pg_catalog.format_type(t.id, t.modifier) FROM (SELECT a.atttypid, a.atttypmod
    FROM pg_catalog.pg_attribute a WHERE a.attrelid >= {first} AND a.attnum > 0 AND a.atttypid <> 0
    GROUP BY a.atttypid, a.atttypmod) t(id, modifier)
"""
OTHER_QUERIES: Mapping[str, str] = {"opclasses": OPCLASSES, "types": TYPES, "routines": ROUTINES, "rare": RARE}


def of_all(version: int) -> dict[str, str]:
    """The queries of a full capture."""
    words = {**_by_version(version), "of": f">= {FIRST_OID}", "type": "a.atttypid || ' ' || a.atttypmod"}
    queries = {**OTHER_QUERIES, "type_names": TYPE_NAMES.replace("{first}", str(FIRST_OID)), **RELATION_QUERIES}
    return {name: text.format(**words) for name, text in queries.items()}


def of_some(version: int) -> dict[str, str]:
    """The queries about those relations whose OIDs are in ``$1``."""
    words = {**_by_version(version), "of": "= ANY ($1)", "type": "pg_catalog.format_type(a.atttypid, a.atttypmod)"}
    queries = {"relations": RELATIONS, "columns": COLUMNS, "referenced": REFERENCED, **RELATION_QUERIES}
    return {name: text.format(**words) for name, text in queries.items()}


def of_others(version: int) -> dict[str, str]:
    """The queries about everything that is no relation."""
    return {name: text.format(**_by_version(version)) for name, text in OTHER_QUERIES.items()}


#: OIDs that a look has to take beside those of $1: the tables of indexes, sequences that belong to columns; and, as young
#: as transaction $2: with $3 every relation, with $4 those that have statistics. 0: of what is no relation. $5: OIDs of
#: locked types and of what hangs on relations (a comment on a constraint does not lock its table)
AROUND = """
SELECT i.indrelid::pg_catalog.int8 FROM pg_catalog.pg_index i WHERE i.indexrelid = ANY ($1)
UNION ALL
SELECT d.objid::pg_catalog.int8 FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjid = ANY ($1) AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
UNION ALL
SELECT 0 FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) AND c.relkind = 'c'
UNION ALL
SELECT 0 FROM pg_catalog.pg_type t WHERE t.oid = ANY ($5)
UNION ALL
SELECT k.conrelid::pg_catalog.int8 FROM pg_catalog.pg_constraint k WHERE k.oid = ANY ($5)
UNION ALL
SELECT t.tgrelid::pg_catalog.int8 FROM pg_catalog.pg_trigger t WHERE t.oid = ANY ($5)
UNION ALL
SELECT r.ev_class::pg_catalog.int8 FROM pg_catalog.pg_rewrite r WHERE r.oid = ANY ($5)
UNION ALL
SELECT p.polrelid::pg_catalog.int8 FROM pg_catalog.pg_policy p WHERE p.oid = ANY ($5)
UNION ALL
SELECT s.stxrelid::pg_catalog.int8 FROM pg_catalog.pg_statistic_ext s WHERE s.oid = ANY ($5)
UNION ALL
SELECT c.oid::pg_catalog.int8 FROM pg_catalog.pg_class c WHERE $3
    AND pg_catalog.age(c.xmin) <= pg_catalog.age($2::pg_catalog.xid)
UNION ALL
SELECT a.attrelid::pg_catalog.int8 FROM pg_catalog.pg_attribute a WHERE $3
    AND pg_catalog.age(a.xmin) <= pg_catalog.age($2::pg_catalog.xid)
UNION ALL
SELECT s.stxrelid::pg_catalog.int8 FROM pg_catalog.pg_statistic_ext s WHERE $4
    AND pg_catalog.age(s.xmin) <= pg_catalog.age($2::pg_catalog.xid)
"""

#: what shows the names of others: relations by their OIDs; 0 where it is no relation. $1 and $2: catalogues and
#: OIDs, with the types that these have, and types of types; $3: true where names were only added, which rules show alone
#: (a join may need aliases then)
DEPENDENTS = """
WITH RECURSIVE named(classid, objid, added) AS (
    SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) u(classid, objid, added)
    UNION
    SELECT d.classid, d.objid, n.added FROM named n JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) = (n.classid, n.objid)
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
)
SELECT DISTINCT CASE d.classid
    WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN
        (SELECT CASE WHEN c.relkind = 'c' THEN 0 ELSE c.oid END FROM pg_catalog.pg_class c WHERE c.oid = d.objid)
    WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN
        (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = d.objid)
    WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN
        (SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid)
    WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN
        (SELECT f.adrelid FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid)
    WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN
        (SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid)
    WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN
        (SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid = d.objid)
    WHEN 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass THEN
        (SELECT s.stxrelid FROM pg_catalog.pg_statistic_ext s WHERE s.oid = d.objid)
    ELSE 0 END::pg_catalog.int8,
    d.classid::pg_catalog.regclass::pg_catalog.text NOT IN ('pg_class', 'pg_rewrite', 'pg_attrdef', 'pg_trigger',
        'pg_policy', 'pg_statistic_ext', 'pg_type', 'pg_constraint')
        OR (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype <> 'i')
FROM named n JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) = (n.classid, n.objid)
WHERE NOT n.added OR d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
"""

#: types of the parameters of what is prepared
PARAMETERS: Mapping[str, str] = {
    "around": "(pg_catalog.oid[], pg_catalog.text, pg_catalog.bool, pg_catalog.bool, pg_catalog.oid[])",
    "dependents": "(pg_catalog.oid[], pg_catalog.oid[], pg_catalog.bool[])",
    **dict.fromkeys(("referenced", *RELATION_QUERIES), "(pg_catalog.oid[])"),
}


def of_quick_look(version: int) -> dict[str, str]:
    """All that a quick look asks, to be prepared."""
    return {"around": AROUND, "dependents": DEPENDENTS, **of_some(version), **of_others(version)}
