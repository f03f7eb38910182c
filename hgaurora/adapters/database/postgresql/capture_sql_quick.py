# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a quick look asks beside the queries of a capture, to find what it has to take: texts only."""

from __future__ import annotations

#: the setting by which queries of one message know of which relations they are
FOUND = "hgaurora.look"

#: OIDs of relations that a look has to take: those of $1, the tables of indexes, sequences that belong to columns; and,
#: as young as transaction $2: with $3 every relation, with $4 those that have statistics. $5: OIDs of locked types and
#: of what hangs on relations (a comment on a constraint does not lock its table). What names a constraint (ON CONFLICT
#: ON CONSTRAINT, in rules and functions) is taken along with its table, or with its index, which gives it its name; the
#: table of a foreign key with that of its triggers. Then, whether there is something around them
#: that is no relation (0 here)
AROUND = f"""
SELECT found.oids, found.others, pg_catalog.set_config('{FOUND}', found.oids::pg_catalog.text, true)
FROM (SELECT COALESCE(pg_catalog.array_agg(DISTINCT o.oid) FILTER (WHERE o.oid <> 0), '{{}}') AS oids,
    COALESCE(pg_catalog.bool_or(o.oid = 0), false) AS others
FROM (
SELECT u.oid::pg_catalog.int8 FROM pg_catalog.unnest($1) u(oid)
UNION ALL
SELECT i.indrelid::pg_catalog.int8 FROM pg_catalog.pg_index i WHERE i.indexrelid = ANY ($1)
UNION ALL
SELECT d.objid::pg_catalog.int8 FROM pg_catalog.pg_depend d
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1)
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
UNION ALL
SELECT CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN
        (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = d.objid) ELSE 0 END::pg_catalog.int8
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend d
    ON d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.refobjid = k.oid AND d.deptype = 'n'
        AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
WHERE k.conrelid = ANY ($1)
UNION ALL
SELECT CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN
        (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = d.objid) ELSE 0 END::pg_catalog.int8
FROM pg_catalog.pg_depend i JOIN pg_catalog.pg_depend d
    ON d.refclassid = i.refclassid AND d.refobjid = i.refobjid AND d.deptype = 'n'
        AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
WHERE i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objid = ANY ($1) AND i.deptype = 'i'
    AND i.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
UNION ALL
SELECT t.tgconstrrelid::pg_catalog.int8 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY ($1)
    AND t.tgconstrrelid <> 0 AND pg_catalog.age(t.xmin) <= pg_catalog.age($2::pg_catalog.xid)
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
) o(oid)) found
"""

#: what shows the names of others: relations by their OIDs; 0 where it is no relation. $1 and $2: catalogues and
#: OIDs, with the types that these have, and types of types; $3: true where names were only added, which only
#: rules show (a join may need aliases then)
DEPENDENTS = """
WITH RECURSIVE given(classid, objid, added) AS (
    SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))
        u(classid, objid, added)),
named(classid, objid, added) AS (
    (SELECT * FROM given
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.typrelid, g.added FROM given g
    JOIN pg_catalog.pg_type t ON t.oid = g.objid AND t.typrelid <> 0
    WHERE g.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
    UNION
    SELECT d.classid, d.objid, n.added FROM named n
    JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) = (n.classid, n.objid)
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
)
SELECT DISTINCT CASE d.classid
    WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN
        (SELECT CASE WHEN c.relkind = 'c' THEN 0 WHEN c.relkind IN ('i', 'I') THEN (SELECT i.indrelid
            FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid) ELSE c.oid END
        FROM pg_catalog.pg_class c WHERE c.oid = d.objid)
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
