# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogue queries about relations and what hangs on them: texts only."""

from __future__ import annotations

from .catalogue_sql import COLLATION, OURS, OWN_OPTIONS, SPACE, comment, grants, member, role

RELATIONS = f"""
SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind, c.relpersistence,
    {role("c.relowner")}, {
    grants("c.relacl", "CASE c.relkind WHEN 'S' THEN 's'::pg_catalog.char ELSE 'r' END", "c.relowner")
},
    d.description,
    CASE WHEN c.reltablespace <> 0 THEN {SPACE.format("c.reltablespace")} END,
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
{comment("pg_class", "c.oid")}
WHERE c.oid {{of}} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {OURS} AND NOT {member("pg_class", "c.oid")}
"""

#: a default names no columns, so the server need not load the table for it: that is two thirds of the time
COLUMNS = f"""
SELECT a.attrelid::pg_catalog.int8, a.attnum, a.attname::pg_catalog.text,
    {{type}}, a.attnotnull,
    pg_catalog.pg_get_expr(f.adbin, CASE WHEN a.attgenerated <> '' THEN f.adrelid ELSE 0 END),
    a.attidentity, a.attgenerated, {OWN_OPTIONS}, a.attfdwoptions, d.description,
    a.attcollation::pg_catalog.int8,
    CASE WHEN a.attcollation <> t.typcollation THEN {COLLATION.format("a.attcollation")} END,
    CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
    a.attcompression, NULLIF(a.attstattarget, -1),
    a.attacl::pg_catalog.text[], a.attislocal AND a.attinhcount > 0
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
{comment("pg_class", "a.attrelid", "a.attnum")}
WHERE a.attrelid {{of}} AND a.attnum > 0 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

#: names of types in a full capture, where the columns come with numbers: calling it 80,000 times is dear
TYPE_NAMES = """
SELECT t.id::pg_catalog.text || ' ' || t.modifier::pg_catalog.text, pg_catalog.format_type(t.id, t.modifier)
FROM (SELECT a.atttypid, a.atttypmod
    FROM pg_catalog.pg_attribute a WHERE a.attrelid >= {first} AND a.attnum > 0 AND a.atttypid <> 0
    GROUP BY a.atttypid, a.atttypmod) t(id, modifier)
"""

#: names of columns that foreign keys of some relations point to; a full capture has them already
REFERENCED = """
SELECT a.attrelid::pg_catalog.int8, a.attnum, a.attname::pg_catalog.text
FROM pg_catalog.pg_attribute a
WHERE a.attrelid IN (SELECT k.confrelid FROM pg_catalog.pg_constraint k WHERE k.conrelid {of} AND k.contype = 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
"""

#: of a partitioned one that is not valid, how many partitions' indexes are attached: of one that is, all are
INDEXES = f"""
SELECT i.indexrelid::pg_catalog.int8, i.indrelid::pg_catalog.int8, c.relname::pg_catalog.text,
    am.amname::pg_catalog.text, i.indkey::pg_catalog.text, i.indoption::pg_catalog.text, i.indclass::pg_catalog.text,
    i.indcollation::pg_catalog.text, i.indnkeyatts,
    i.indisunique, {{nulls_not_distinct}}, i.indisvalid, i.indisclustered, i.indisreplident, c.reloptions,
    CASE WHEN c.reltablespace <> 0 THEN {SPACE.format("c.reltablespace")} END,
    CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k.n::integer, false)
        FROM pg_catalog.generate_series(1, i.indnkeyatts) k(n) WHERE i.indkey[k.n - 1] = 0 ORDER BY k.n) END,
    CASE WHEN i.indpred IS NOT NULL THEN pg_catalog.pg_get_expr(i.indpred, i.indrelid) END,
    CASE WHEN am.amname NOT IN ('btree', 'hash') THEN (SELECT pg_catalog.json_object_agg(a.attnum, a.attoptions)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attoptions IS NOT NULL) END,
    d.description,
    CASE WHEN c.relkind = 'I' AND NOT i.indisvalid THEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits h
        WHERE h.inhparent = i.indexrelid) END
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
{comment("pg_class", "i.indexrelid")}
WHERE i.indrelid {{of}} AND c.relkind IN ('i', 'I')
"""

#: one whose triggers are disabled is not enforced either. Clones that
#: a partitioned table's foreign keys have in and for its partitions are not things of their own. Of those that not null
#: is since PostgreSQL 18, only the unusual ones
CONSTRAINTS = f"""
SELECT k.conrelid::pg_catalog.int8, k.conname::pg_catalog.text, k.contype, k.conkey::pg_catalog.text,
    k.confkey::pg_catalog.text, k.confrelid::pg_catalog.int8,
    CASE WHEN k.confrelid <> 0 THEN k.confrelid::pg_catalog.regclass::pg_catalog.text END,
    k.confmatchtype, k.confupdtype, k.confdeltype, {{confdelsetcols}}, k.condeferrable, k.condeferred, k.convalidated,
    {{conenforced}} AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid
        AND t.tgenabled NOT IN ('O', 'A')), {{conperiod}}, k.connoinherit, k.conindid::pg_catalog.int8,
    CASE k.contype WHEN 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid)
        WHEN 'x' THEN pg_catalog.pg_get_constraintdef(k.oid) END,
    d.description
FROM pg_catalog.pg_constraint k
{comment("pg_constraint", "k.oid")}
WHERE k.conrelid {{of}} AND (k.contype IN ('p', 'u', 'c', 'x') OR k.contype = 'f' AND k.conparentid = 0
    OR k.contype = 'n' AND (NOT k.convalidated OR k.connoinherit OR d.description IS NOT NULL))
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
{comment("pg_trigger", "t.oid")}
WHERE t.tgrelid {{of}} AND NOT t.tgisinternal AND t.tgparentid = 0
"""

#: policies, rules and statistics: kind, OID of the relation, name, facts by the names of the fields
HANGING = f"""
SELECT 'policy', p.polrelid::pg_catalog.int8, p.polname::pg_catalog.text, pg_catalog.json_build_object(
    'command', CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
        ELSE 'delete' END,
    'permissive', p.polpermissive, 'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
    'roles', ARRAY(SELECT CASE r WHEN 0 THEN 'public' ELSE {role("r")} END FROM pg_catalog.unnest(p.polroles) r
        ORDER BY 1), 'comment', d.description)
FROM pg_catalog.pg_policy p {comment("pg_policy", "p.oid")} WHERE p.polrelid {{of}}
UNION ALL
SELECT 'rule', r.ev_class::pg_catalog.int8, r.rulename::pg_catalog.text, pg_catalog.json_build_object(
    'definition', pg_catalog.pg_get_ruledef(r.oid), 'enabled', {{enabled}}, 'comment', d.description)
FROM pg_catalog.pg_rewrite r {comment("pg_rewrite", "r.oid")}
WHERE r.ev_class {{of}} AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'statistics', s.stxrelid::pg_catalog.int8,
    CASE WHEN s.stxnamespace = c.relnamespace THEN s.stxname::pg_catalog.text
        ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname) END,
    pg_catalog.json_build_object('kinds', ARRAY(SELECT CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies'
        WHEN 'm' THEN 'mcv' END FROM pg_catalog.unnest(s.stxkind) k WHERE k <> 'e' ORDER BY 1),
    'columns', ARRAY(SELECT a.attname FROM pg_catalog.unnest(s.stxkeys) k JOIN pg_catalog.pg_attribute a
        ON a.attrelid = s.stxrelid AND a.attnum = k ORDER BY a.attname::pg_catalog.text COLLATE pg_catalog."C"),
    'expressions', pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), 'owner', {role("s.stxowner")},
    'statistics', NULLIF(s.stxstattarget, -1), 'comment', d.description)
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
{comment("pg_statistic_ext", "s.oid")}
WHERE s.stxrelid {{of}} AND NOT {member("pg_statistic_ext", "s.oid")}
"""

SEQUENCES = f"""
SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
    pg_catalog.format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
    CASE WHEN o.refobjid IS NOT NULL THEN o.refobjid::pg_catalog.regclass::pg_catalog.text || '.'
        || pg_catalog.quote_ident((SELECT a.attname FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = o.refobjid AND a.attnum = o.refobjsubid)) END,
    o.refobjid::pg_catalog.int8, c.relpersistence, d.description, {role("c.relowner")},
    {grants("c.relacl", "'s'", "c.relowner")}
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = c.oid
    AND o.objsubid = 0 AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.deptype IN ('a', 'i')
{comment("pg_class", "c.oid")}
WHERE s.seqrelid {{of}} AND {OURS} AND NOT {member("pg_class", "c.oid")}
"""

COLLATIONS = """
SELECT co.oid::pg_catalog.int8, pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
WHERE co.oid IN (SELECT u FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indcollation) u WHERE i.indrelid {of})
"""
