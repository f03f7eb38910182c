# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogue queries about everything that is no relation: texts only."""

from __future__ import annotations

from .catalogue_sql import COLLATION, FIRST_OID, OURS, acl, comment, member, role

#: what extensions have, by its name: others show it
MEMBERS = """
SELECT d.classid::pg_catalog.regclass::pg_catalog.text, d.objid::pg_catalog.int8,
    (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).identity
FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
"""

#: operator classes by OID: name, whether it is the default one of its type
OPCLASSES = """
SELECT o.oid::pg_catalog.int8,
    CASE WHEN n.nspname = 'pg_catalog' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
    || pg_catalog.quote_ident(o.opcname), o.opcdefault
FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
"""

ROUTINES = f"""
SELECT 'p', p.oid::pg_catalog.int8, n.nspname::pg_catalog.text,
    p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
    pg_catalog.json_build_object('prokind', p.prokind, 'comment', d.description, 'owner', {role("p.proowner")},
    {acl("p.proacl", "f", "p.proowner")},
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
{comment("pg_proc", "p.oid")}
WHERE p.oid >= {FIRST_OID} AND {OURS} AND NOT {member("pg_proc", "p.oid")}
"""

_QUALIFIED = "CASE WHEN {0} <> 0 THEN {0}::pg_catalog.{1}::pg_catalog.text END"

TYPES = f"""
SELECT t.typtype, t.oid::pg_catalog.int8, n.nspname::pg_catalog.text, t.typname::pg_catalog.text,
    pg_catalog.json_build_object('comment', d.description, 'owner', {role("t.typowner")},
    {acl("t.typacl", "T", "t.typowner")},
    'labels', CASE t.typtype WHEN 'e' THEN (SELECT pg_catalog.array_agg(e.enumlabel ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) END,
    'domain', CASE t.typtype WHEN 'd' THEN pg_catalog.json_build_object(
        'type', pg_catalog.format_type(t.typbasetype, t.typtypmod), 'not_null', t.typnotnull,
        'default', COALESCE(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault),
        'collation', (SELECT CASE WHEN t.typcollation <> b.typcollation THEN {COLLATION.format("t.typcollation")} END
            FROM pg_catalog.pg_type b WHERE b.oid = t.typbasetype),
        'checks', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(k.conname,
            pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint')) ORDER BY
            k.conname::pg_catalog.text COLLATE pg_catalog."C")
            FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) END,
    'attributes', CASE t.typtype WHEN 'c' THEN (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation <> b.typcollation
            THEN {COLLATION.format("a.attcollation")} END, pg_catalog.col_description(a.attrelid, a.attnum))
        ORDER BY a.attnum) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type b ON b.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
    'range', CASE t.typtype WHEN 'r' THEN (SELECT pg_catalog.json_build_object(
        'subtype', pg_catalog.format_type(r.rngsubtype, NULL), 'options', pg_catalog.json_build_array(
            pg_catalog.json_build_array('multirange', r.rngmultitypid::pg_catalog.regtype::pg_catalog.text),
            pg_catalog.json_build_array('opclass', (SELECT CASE WHEN NOT o.opcdefault THEN o.opcname::pg_catalog.text
                END FROM pg_catalog.pg_opclass o WHERE o.oid = r.rngsubopc)),
            pg_catalog.json_build_array('collation', (SELECT CASE WHEN r.rngcollation <> b.typcollation
                THEN {COLLATION.format("r.rngcollation")} END FROM pg_catalog.pg_type b WHERE b.oid = r.rngsubtype)),
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
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
{comment("pg_type", "t.oid")}
WHERE t.oid >= {FIRST_OID} AND t.typtype <> 'm' AND (t.typrelid = 0 OR c.oid IS NOT NULL)
    AND NOT (t.typelem <> 0 AND t.typcategory = 'A' AND EXISTS (SELECT FROM pg_catalog.pg_type el
        WHERE el.oid = t.typelem AND el.typarray = t.oid)) AND {OURS} AND NOT {member("pg_type", "t.oid")}
"""


def _rare(kind: str, catalog: str, path: str, facts: str, *, joins: str = "", where: str = "true") -> str:
    """Rows of one kind that is seldom seen; ``x`` is its catalogue. Not the system's, not an extension's."""
    return (
        f"SELECT '{kind}', x.oid::pg_catalog.int8, {path}, pg_catalog.json_build_object({facts}, 'comment',"
        f" d.description) FROM pg_catalog.{catalog} x {joins} {comment(catalog, 'x.oid')}"
        f" WHERE {where} AND NOT {member(catalog, 'x.oid')}"
    )


def _in_schema(kind: str, catalog: str, prefix: str, name: str, facts: str, *, joins: str = "") -> str:
    return _rare(
        kind,
        catalog,
        f"ARRAY[n.nspname::pg_catalog.text, {name}]",
        facts,
        joins=f"JOIN pg_catalog.pg_namespace n ON n.oid = x.{prefix}namespace {joins}",
        where=f"x.oid >= {FIRST_OID} AND {OURS}",
    )


def _regs(**words: str) -> str:
    return ", ".join(f"'{word.replace('_', ' ')}', {value}" for word, value in words.items())


def _default_privileges(schema: str) -> str:
    """Rows of pg_default_acl, the default one beside each; what the tool has is not among them."""
    return (
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array("
        f"{role('da.defaclrole')}, da.defaclobjtype, da.defaclacl::pg_catalog.text[],"
        " CASE WHEN da.defaclnamespace = 0 THEN pg_catalog.acldefault(CASE da.defaclobjtype WHEN 'S' THEN 's'"
        " ELSE da.defaclobjtype END, da.defaclrole)::pg_catalog.text[] END))"
        f" FROM pg_catalog.pg_default_acl da WHERE da.defaclnamespace = {schema})"
    )


_FOR = "pg_catalog.format_type({}, NULL)"
_FAMILY = "pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(fa.opfname)"
_FAMILY_OPERATORS = (
    "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array('operator ' || o.amopstrategy::pg_catalog.text,"
    " o.amopopr::pg_catalog.regoperator::pg_catalog.text || CASE o.amoppurpose WHEN 'o' THEN ' for order by ' ||"
    " (SELECT pg_catalog.quote_ident(sf.opfname) FROM pg_catalog.pg_opfamily sf WHERE sf.oid = o.amopsortfamily)"
    " ELSE '' END)"
    ' ORDER BY o.amopstrategy, o.amopopr::pg_catalog.regoperator::pg_catalog.text COLLATE pg_catalog."C")'
    " FROM pg_catalog.pg_amop o WHERE o.amopfamily = {})"
)
_FAMILY_FUNCTIONS = (
    "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array('function ' || p.amprocnum::pg_catalog.text || ' (' ||"
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
    f"'owner', {role('n.nspowner')}, {acl('n.nspacl', 'n', 'n.nspowner')}, 'default_privileges',"
    f" {_default_privileges('n.oid')}, 'comment', d.description)"
    f" FROM pg_catalog.pg_namespace n {comment('pg_namespace', 'n.oid')}"
    f" WHERE {OURS} AND NOT {member('pg_namespace', 'n.oid')}",
    _rare("extension", "pg_extension", "ARRAY[x.extname::pg_catalog.text]",
          "'schema', n.nspname, 'version', x.extversion",
          joins="JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace"),
    _rare("event trigger", "pg_event_trigger", "ARRAY[x.evtname::pg_catalog.text]",
          "'event', x.evtevent, 'tags', x.evttags, 'function', x.evtfoid::pg_catalog.regproc, 'enabled',"
          f" {{event_enabled}}, 'owner', {role('x.evtowner')}"),
    _in_schema("operator", "pg_operator", "opr", "x.oprname || '(' || CASE WHEN x.oprleft = 0 THEN 'none' ELSE"
               f" {_FOR.format('x.oprleft')} END || ', ' || {_FOR.format('x.oprright')} || ')'",
               _regs(function="x.oprcode::pg_catalog.regproc",
                     result="CASE WHEN x.oprresult <> 0 THEN pg_catalog.format_type(x.oprresult, NULL) END",
                     commutator=_QUALIFIED.format("x.oprcom", "regoperator"),
                     negator=_QUALIFIED.format("x.oprnegate", "regoperator"),
                     restrict="NULLIF(x.oprrest::pg_catalog.text, '-')", join="NULLIF(x.oprjoin::pg_catalog.text, '-')",
                     hashes="x.oprcanhash", merges="x.oprcanmerge", owner=role("x.oprowner"))),
    _in_schema("operator class", "pg_opclass", "opc", "x.opcname || ' using ' || am.amname",
               _regs(family=_FAMILY, type=_FOR.format("x.opcintype"), default="x.opcdefault",
                     storage=f"CASE WHEN x.opckeytype <> 0 THEN {_FOR.format('x.opckeytype')} END",
                     owner=role("x.opcowner")),
               joins="JOIN pg_catalog.pg_am am ON am.oid = x.opcmethod JOIN pg_catalog.pg_opfamily fa ON"
               " fa.oid = x.opcfamily JOIN pg_catalog.pg_namespace fn ON fn.oid = fa.opfnamespace"),
    _in_schema("operator family", "pg_opfamily", "opf", "x.opfname || ' using ' || am.amname",
               _regs(operators=_FAMILY_OPERATORS.format("x.oid"), functions=_FAMILY_FUNCTIONS.format("x.oid"),
                     owner=role("x.opfowner")), joins="JOIN pg_catalog.pg_am am ON am.oid = x.opfmethod"),
    _rare("cast", "pg_cast", f"ARRAY[{_FOR.format('x.castsource')} || ' as ' || {_FOR.format('x.casttarget')}]",
          "'method', CASE x.castmethod WHEN 'f' THEN 'function' WHEN 'b' THEN 'binary' ELSE 'inout' END, 'function',"
          " CASE WHEN x.castfunc <> 0 THEN x.castfunc::pg_catalog.regprocedure END, 'context', CASE x.castcontext WHEN"
          " 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END", where=f"x.oid >= {FIRST_OID}"),
    _in_schema("collation", "pg_collation", "coll", "x.collname::pg_catalog.text",
               _regs(provider="x.collprovider", deterministic="x.collisdeterministic", encoding="x.collencoding",
                     collate="CASE WHEN x.collprovider <> 'i' THEN x.collcollate END",
                     ctype="CASE WHEN x.collprovider <> 'i' THEN x.collctype END",
                     version="x.collversion", owner=role("x.collowner"))
               + ", {collation}"),
    _in_schema("conversion", "pg_conversion", "con", "x.conname::pg_catalog.text",
               _regs(source="pg_catalog.pg_encoding_to_char(x.conforencoding)", default="x.condefault",
                     target="pg_catalog.pg_encoding_to_char(x.contoencoding)", function="x.conproc",
                     owner=role("x.conowner"))),
    _in_schema("text search parser", "pg_ts_parser", "prs", "x.prsname::pg_catalog.text",
               _regs(start="x.prsstart", token="x.prstoken", end="x.prsend", headline="x.prsheadline",
                     lextypes="x.prslextype")),
    _in_schema("text search template", "pg_ts_template", "tmpl", "x.tmplname::pg_catalog.text",
               _regs(init="x.tmplinit", lexize="x.tmpllexize")),
    _in_schema("text search dictionary", "pg_ts_dict", "dict", "x.dictname::pg_catalog.text",
               _regs(template="pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(tt.tmplname)",
                     options="x.dictinitoption", owner=role("x.dictowner")),
               joins="JOIN pg_catalog.pg_ts_template tt ON tt.oid = x.dicttemplate"
               " JOIN pg_catalog.pg_namespace tn ON tn.oid = tt.tmplnamespace"),
    _in_schema("text search configuration", "pg_ts_config", "cfg", "x.cfgname::pg_catalog.text",
               _regs(parser="pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(tp.prsname)",
                     mappings="(SELECT pg_catalog.json_agg(m.one ORDER BY m.one COLLATE pg_catalog.\"C\") FROM (SELECT"
                     " (SELECT tk.alias FROM pg_catalog.ts_token_type(x.cfgparser) tk WHERE tk.tokid = cm.maptokentype)"
                     " || ': ' || pg_catalog.string_agg(cm.mapdict::pg_catalog.regdictionary::pg_catalog.text, ', '"
                     " ORDER BY cm.mapseqno) AS one FROM pg_catalog.pg_ts_config_map cm WHERE cm.mapcfg = x.oid"
                     " GROUP BY cm.maptokentype) m)", owner=role("x.cfgowner")),
               joins="JOIN pg_catalog.pg_ts_parser tp ON tp.oid = x.cfgparser"
               " JOIN pg_catalog.pg_namespace tn ON tn.oid = tp.prsnamespace"),
    _rare("language", "pg_language", "ARRAY[x.lanname::pg_catalog.text]",
          _regs(trusted="x.lanpltrusted", handler="x.lanplcallfoid::pg_catalog.regproc",
                inline="x.laninline::pg_catalog.regproc", validator="x.lanvalidator::pg_catalog.regproc",
                owner=role("x.lanowner")) + ", " + acl("x.lanacl", "l", "x.lanowner"), where=f"x.oid >= {FIRST_OID}"),
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
                options="x.fdwoptions", owner=role("x.fdwowner")) + ", " + acl("x.fdwacl", "F", "x.fdwowner")),
    _rare("server", "pg_foreign_server", "ARRAY[x.srvname::pg_catalog.text]",
          _regs(wrapper="w.fdwname", type="x.srvtype", version="x.srvversion", options="x.srvoptions",
                owner=role("x.srvowner")) + ", " + acl("x.srvacl", "S", "x.srvowner") + ", 'user_mappings',"
          " (SELECT pg_catalog.json_agg(u.usename ORDER BY u.usename::pg_catalog.text COLLATE pg_catalog.\"C\")"
          " FROM pg_catalog.pg_user_mappings u WHERE u.srvid = x.oid)",
          joins="JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = x.srvfdw"),
    _rare("publication", "pg_publication", "ARRAY[x.pubname::pg_catalog.text]",
          "{publication}, 'insert', x.pubinsert, 'update', x.pubupdate, 'delete', x.pubdelete,"
          " 'truncate', x.pubtruncate,"
          f" 'via root', x.pubviaroot, 'all tables', x.puballtables, 'owner', {role('x.pubowner')}"),
    _rare("subscription", "pg_subscription", "ARRAY[x.subname::pg_catalog.text]",
          "'publications', x.subpublications, 'enabled', x.subenabled, 'slot', x.subslotname, 'binary', x.subbinary,"
          f" 'synchronous_commit', x.subsynccommit, {{subscription}}, 'owner', {role('x.subowner')}",
          where="x.subdbid = (SELECT db.oid FROM pg_catalog.pg_database db WHERE db.datname ="
          " pg_catalog.current_database())"),
))  # fmt: skip
