# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody may do by hand to a PostgreSQL database, an object of each kind, and what ``drift`` says of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hand:
    """An object of a kind made, changed and dropped; each with the lines that a person then reads.

    What is dropped and made again is as if nothing had been done. What is always there is changed alone, and
    ``dropped`` takes that back. ``;;`` stands between statements that are sent one by one.

    :ivar before: made in both databases first.
    :ivar only: the product that has it.
    """

    kind: str
    made: str
    says_made: str
    changed: str
    says_changed: str
    dropped: str
    says_dropped: str
    before: tuple[str, ...] = ()
    only: str = ""


#: what the things below hang on
GROUND = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, net numeric(10,2), during int4range, note text);
CREATE TABLE bare (a int NOT NULL, b int NOT NULL);
CREATE TABLE guarded (id int, owner text);
CREATE VIEW seen AS SELECT id, net FROM orders;
CREATE OPERATOR FAMILY whole USING btree;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FOREIGN DATA WRAPPER files;
CREATE SERVER near FOREIGN DATA WRAPPER files;
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION pair_sum(pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
"""

HANDS = (
    Hand(
        "schema",
        "CREATE SCHEMA stock",
        "added schema stock",
        "ALTER SCHEMA stock OWNER TO pg_monitor",
        "changed schema stock: owner postgres to pg_monitor",
        "DROP SCHEMA stock",
        "dropped schema stock",
    ),
    Hand(
        "extension",
        "CREATE EXTENSION pg_trgm",
        "added extension pg_trgm, schema public",
        "COMMENT ON EXTENSION pg_trgm IS 'near words'",
        "changed extension pg_trgm: comment text similarity measurement and index... to near words",
        "DROP EXTENSION pg_trgm",
        "dropped extension pg_trgm",
    ),
    Hand(
        "enum",
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "added enum mood (sad, glad)",
        "ALTER TYPE mood ADD VALUE 'fine' BEFORE 'glad'",
        "changed enum mood: labels sad, glad to sad, fine, glad",
        "DROP TYPE mood",
        "dropped enum mood",
    ),
    Hand(
        "domain",
        "CREATE DOMAIN price AS numeric(10,2) CONSTRAINT positive CHECK (VALUE > 0)",
        "added domain price numeric(10,2), checks positive CHECK ((VALUE > (0)::numeric))",
        "ALTER DOMAIN price SET NOT NULL",
        "changed domain price: not null added",
        "DROP DOMAIN price",
        "dropped domain price",
    ),
    Hand(
        "domain",
        "CREATE DOMAIN word AS varchar(20) DEFAULT 'x' NOT NULL",
        "added domain word varchar(20), not null, default 'x'::character varying",
        "ALTER DOMAIN word ADD CONSTRAINT long CHECK (length(VALUE) > 3)",
        "changed domain word: checks long CHECK ((length((VALUE)::text) > 3)) added",
        "DROP DOMAIN word",
        "dropped domain word",
    ),
    Hand(
        "composite type",
        "CREATE TYPE place AS (street text, town varchar(80))",
        "added composite type place (street text, town varchar(80))",
        "ALTER TYPE place ADD ATTRIBUTE zip text",
        "changed composite type place: attributes zip text added",
        "DROP TYPE place",
        "dropped composite type place",
    ),
    Hand(
        "range type",
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "added range type span, subtype double precision",
        "COMMENT ON TYPE span IS 'from and to'",
        "changed range type span: comment from and to added",
        "DROP TYPE span",
        "dropped range type span",
    ),
    Hand(
        "base type",
        "CREATE TYPE token; CREATE FUNCTION token_in(cstring) RETURNS token AS 'textin' LANGUAGE internal "
        "STRICT IMMUTABLE; CREATE FUNCTION token_out(token) RETURNS cstring AS 'textout' LANGUAGE internal "
        "STRICT IMMUTABLE; CREATE TYPE token (INPUT = token_in, OUTPUT = token_out, LIKE = text)",
        "added base type token\nadded function token_in(cstring), returns token, language internal, immutable,"
        " strict\nadded function token_out(token), returns cstring, language internal, immutable, strict",
        "COMMENT ON TYPE token IS 'secret'",
        "changed base type token: comment secret added",
        "DROP TYPE token CASCADE",
        "dropped base type token\ndropped function token_in(cstring)\ndropped function token_out(token)",
    ),
    Hand(
        "sequence",
        "CREATE SEQUENCE numbers START 5",
        "added sequence numbers bigint, start 5",
        "ALTER SEQUENCE numbers INCREMENT 7 CYCLE",
        "changed sequence numbers: increment 1 to 7; cycle added",
        "DROP SEQUENCE numbers",
        "dropped sequence numbers",
    ),
    Hand(
        "sequence",
        "CREATE SEQUENCE owned AS int",
        "added sequence owned integer",
        "ALTER SEQUENCE owned OWNED BY orders.id",
        "changed sequence owned: owned by orders.id added",
        "DROP SEQUENCE owned",
        "dropped sequence owned",
    ),
    Hand(
        "table",
        "CREATE TABLE invoices (id int PRIMARY KEY, total numeric(10,2), UNIQUE (total))",
        "added table invoices (2 columns, 1 primary key, 1 unique constraint)",
        "ALTER TABLE invoices OWNER TO pg_monitor",
        "changed table invoices: owner postgres to pg_monitor",
        "DROP TABLE invoices",
        "dropped table invoices (2 columns, 1 primary key, 1 unique constraint)",
    ),
    Hand(
        "table",
        "CREATE UNLOGGED TABLE sessions (id int)",
        "added table sessions (1 column)",
        "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY; ALTER TABLE sessions SET (fillfactor = 70)",
        "changed table sessions: options fillfactor=70 added; row security off to on",
        "DROP TABLE sessions",
        "dropped table sessions (1 column)",
    ),
    Hand(
        "table",
        "CREATE TABLE granted (id int)",
        "added table granted (1 column)",
        "GRANT SELECT, INSERT ON granted TO PUBLIC; GRANT UPDATE ON granted TO pg_monitor WITH GRANT OPTION",
        "granted update with grant option on granted to pg_monitor; granted insert, select on granted to public",
        "DROP TABLE granted",
        "dropped table granted (1 column)",
    ),
    Hand(
        "table",
        "CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE events_2025 PARTITION "
        "OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "added table events (1 column)\nadded table events_2025 (1 column)",
        "ALTER TABLE events DETACH PARTITION events_2025",
        "changed table events_2025: partition of events dropped; bound FOR VALUES FROM ('2025-01-01') TO "
        "('2... dropped",
        "DROP TABLE events, events_2025",
        "dropped table events (1 column)\ndropped table events_2025 (1 column)",
    ),
    Hand(
        "foreign table",
        "CREATE FOREIGN TABLE remote (a int) SERVER near",
        "added foreign table remote (1 column)",
        "ALTER FOREIGN TABLE remote OPTIONS (ADD table_name 'y')",
        "changed foreign table remote: options table_name=y added",
        "DROP FOREIGN TABLE remote",
        "dropped foreign table remote (1 column)",
    ),
    Hand(
        "column",
        "ALTER TABLE orders ADD vat numeric(10,2) NOT NULL DEFAULT 0",
        "added column orders.vat numeric(10,2) not null default 0",
        "ALTER TABLE orders ALTER vat TYPE numeric(12,2), ALTER vat DROP NOT NULL",
        "changed column orders.vat numeric(10,2) to numeric(12,2); not null dropped",
        "ALTER TABLE orders DROP vat",
        "dropped column orders.vat",
    ),
    Hand(
        "column",
        "ALTER TABLE customers ADD code varchar(20)",
        "added column customers.code varchar(20) null",
        "ALTER TABLE customers ALTER code TYPE varchar(20) COLLATE \"C\", ALTER code SET DEFAULT 'none'",
        "changed column customers.code: default 'none'::character varying added; collation pg_catalog.\"C\" added",
        "ALTER TABLE customers DROP code",
        "dropped column customers.code",
    ),
    Hand(
        "column",
        "ALTER TABLE bare ADD made timestamptz",
        "added column bare.made timestamptz null",
        "ALTER TABLE bare ALTER made SET DEFAULT now(), ALTER made SET NOT NULL; COMMENT ON COLUMN bare.made "
        "IS 'when'; GRANT SELECT (made) ON bare TO PUBLIC",
        "changed column bare.made: not null added; default now() added; comment when added; granted select to public",
        "ALTER TABLE bare DROP made",
        "dropped column bare.made",
    ),
    Hand(
        "column",
        "ALTER TABLE guarded ADD number bigint GENERATED ALWAYS AS IDENTITY",
        "added column guarded.number bigint not null generated always as identity",
        "ALTER TABLE guarded ALTER number SET GENERATED BY DEFAULT",
        "changed column guarded.number: identity always to by default",
        "ALTER TABLE guarded DROP number",
        "dropped column guarded.number",
    ),
    Hand(
        "column",
        "ALTER TABLE guarded ADD twice int GENERATED ALWAYS AS (id * 2) STORED",
        "added column guarded.twice integer null generated always as (id * 2) stored",
        "ALTER TABLE guarded ALTER twice DROP EXPRESSION",
        "changed column guarded.twice: default (id * 2) dropped; generated stored dropped",
        "ALTER TABLE guarded DROP twice",
        "dropped column guarded.twice",
    ),
    Hand(
        "primary key",
        "ALTER TABLE bare ADD CONSTRAINT bare_pkey PRIMARY KEY (a)",
        "added primary key bare_pkey on bare (a)",
        "ALTER TABLE bare DROP CONSTRAINT bare_pkey, ADD CONSTRAINT bare_pkey PRIMARY KEY (b, a)",
        "changed primary key bare_pkey on bare: columns a to b, a",
        "ALTER TABLE bare DROP CONSTRAINT bare_pkey",
        "dropped primary key bare_pkey on bare",
    ),
    Hand(
        "unique constraint",
        "ALTER TABLE customers ADD CONSTRAINT one_name UNIQUE (name)",
        "added unique constraint one_name on customers (name)",
        "ALTER TABLE customers DROP CONSTRAINT one_name, ADD CONSTRAINT one_name UNIQUE (name) INCLUDE (id) "
        "DEFERRABLE INITIALLY DEFERRED",
        "changed unique constraint one_name on customers: include id added; deferrable no to initially deferred",
        "ALTER TABLE customers DROP CONSTRAINT one_name",
        "dropped unique constraint one_name on customers",
    ),
    Hand(
        "foreign key",
        "ALTER TABLE orders ADD CONSTRAINT bought_by FOREIGN KEY (customer) REFERENCES customers (id)",
        "added foreign key bought_by on orders (customer) references customers (id)",
        "ALTER TABLE orders DROP CONSTRAINT bought_by, ADD CONSTRAINT bought_by FOREIGN KEY (customer) "
        "REFERENCES customers (id) ON DELETE CASCADE NOT VALID",
        "changed foreign key bought_by on orders: on delete no action to cascade; now not validated",
        "ALTER TABLE orders DROP CONSTRAINT bought_by",
        "dropped foreign key bought_by on orders",
    ),
    Hand(
        "check constraint",
        "ALTER TABLE orders ADD CONSTRAINT worth CHECK (net > 0)",
        "added check constraint worth on orders (net > (0)::numeric)",
        "ALTER TABLE orders DROP CONSTRAINT worth, ADD CONSTRAINT worth CHECK (net > 1) NOT VALID",
        "changed check constraint worth on orders: expression (net > (0)::numeric) to (net > (1)::numeric); "
        "now not validated",
        "ALTER TABLE orders DROP CONSTRAINT worth",
        "dropped check constraint worth on orders",
    ),
    Hand(
        "exclusion constraint",
        "ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING gist (during WITH &&)",
        "added exclusion constraint apart on orders",
        "ALTER TABLE orders DROP CONSTRAINT apart, ADD CONSTRAINT apart EXCLUDE USING gist (during WITH -|-) "
        "DEFERRABLE",
        "changed exclusion constraint apart on orders: definition changed; deferrable no to deferrable",
        "ALTER TABLE orders DROP CONSTRAINT apart",
        "dropped exclusion constraint apart on orders",
    ),
    Hand(
        "index",
        "CREATE UNIQUE INDEX orders_odd ON orders (customer DESC, (id + 1), net) INCLUDE (note) WHERE id > 7",
        "added index orders_odd on orders (customer desc, (id + 1), net), include note, unique, where (id > 7)",
        "DROP INDEX orders_odd; CREATE INDEX orders_odd ON orders (customer, (id + 2)) WHERE id > 8",
        "changed index orders_odd on orders: columns net dropped; expressions ((id + 1)) to ((id + 2)); order"
        " desc, asc, asc dropped; include note dropped; unique dropped; predicate (id > 7) to (id > 8)",
        "DROP INDEX orders_odd",
        "dropped index orders_odd on orders",
    ),
    Hand(
        "index",
        "CREATE INDEX orders_note ON orders USING gin (to_tsvector('simple', note))",
        "added index orders_note on orders (to_tsvector('simple'::regconfig, note)), using gin",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_note'::regclass",
        "changed index orders_note on orders: now not valid",
        "DROP INDEX orders_note",
        "dropped index orders_note on orders",
    ),
    Hand(
        "statistics",
        "CREATE STATISTICS together (ndistinct) ON id, customer FROM orders",
        "added statistics together on orders (customer, id), kinds ndistinct",
        "ALTER STATISTICS together SET STATISTICS 9",
        "changed statistics together on orders: statistics 9 added",
        "DROP STATISTICS together",
        "dropped statistics together on orders",
    ),
    Hand(
        "trigger",
        "CREATE TRIGGER touched BEFORE UPDATE OF net OR INSERT ON orders FOR EACH ROW WHEN (NEW.net > 3) "
        "EXECUTE FUNCTION touch('a')",
        "added trigger touched on orders before insert or update of net, for each row, runs touch(a), when "
        "(new.net > (3)::numeric)",
        "ALTER TABLE orders DISABLE TRIGGER touched",
        "changed trigger touched on orders: enabled origin to disabled",
        "DROP TRIGGER touched ON orders",
        "dropped trigger touched on orders",
    ),
    Hand(
        "policy",
        "CREATE POLICY mine ON guarded FOR UPDATE USING (owner = 'me') WITH CHECK (id > 1)",
        "added policy mine on guarded, command update, using (owner = 'me'::text), check (id > 1)",
        "ALTER POLICY mine ON guarded TO pg_monitor USING (owner = 'you')",
        "changed policy mine on guarded: using (owner = 'me'::text) to (owner = 'you'::text); roles public to"
        " pg_monitor",
        "DROP POLICY mine ON guarded",
        "dropped policy mine on guarded",
    ),
    Hand(
        "rule",
        "CREATE RULE no_writing AS ON INSERT TO seen DO INSTEAD NOTHING",
        "added rule no_writing on seen",
        "CREATE OR REPLACE RULE no_writing AS ON INSERT TO seen DO INSTEAD SELECT 1",
        "changed rule no_writing on seen: definition changed",
        "DROP RULE no_writing ON seen",
        "dropped rule no_writing on seen",
    ),
    Hand(
        "view",
        "CREATE VIEW big AS SELECT id, net FROM orders WHERE net > 100",
        "added view big (2 columns)",
        "CREATE OR REPLACE VIEW big WITH (security_barrier) AS SELECT id, net, note FROM orders WHERE net > 200",
        "added column big.note text null\nchanged view big: columns note added; definition changed; options "
        "security_barrier=true added",
        "DROP VIEW big",
        "dropped view big (2 columns)",
    ),
    Hand(
        "materialized view",
        "CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(net) AS net FROM orders GROUP BY customer; "
        "CREATE INDEX sums_net ON sums (net)",
        "added materialized view sums (2 columns, 1 index)",
        "REFRESH MATERIALIZED VIEW sums WITH NO DATA",
        "changed materialized view sums: now not populated",
        "DROP MATERIALIZED VIEW sums",
        "dropped materialized view sums (2 columns, 1 index)",
    ),
    Hand(
        "function",
        "CREATE FUNCTION vat(net numeric, rate numeric DEFAULT 0.2) RETURNS numeric LANGUAGE sql IMMUTABLE AS"
        " 'SELECT net * rate'",
        "added function vat(numeric, numeric), returns numeric, language sql, immutable, defaults 0.2",
        "CREATE OR REPLACE FUNCTION vat(net numeric, rate numeric DEFAULT 0.25) RETURNS numeric LANGUAGE sql "
        "STABLE SECURITY DEFINER SET search_path = public AS 'SELECT net * rate + 0'; REVOKE EXECUTE ON "
        "FUNCTION vat(numeric, numeric) FROM PUBLIC",
        "changed function vat(numeric, numeric): volatility immutable to stable; security invoker to definer;"
        " settings search_path=public added; defaults 0.2 to 0.25; body changed; revoked execute from public",
        "DROP FUNCTION vat(numeric, numeric)",
        "dropped function vat(numeric, numeric)",
    ),
    Hand(
        "procedure",
        "CREATE PROCEDURE clean(before date) LANGUAGE plpgsql AS 'BEGIN END'",
        "added procedure clean(date), language plpgsql",
        "ALTER PROCEDURE clean(date) SET work_mem = '2MB'",
        "changed procedure clean(date): settings work_mem=2MB added",
        "DROP PROCEDURE clean(date)",
        "dropped procedure clean(date)",
    ),
    Hand(
        "aggregate",
        "CREATE AGGREGATE total(int) (SFUNC = int4_sum, STYPE = bigint)",
        "added aggregate total(integer), returns bigint",
        "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4_sum, STYPE = bigint, INITCOND = '0')",
        "changed aggregate total(integer): definition changed",
        "DROP AGGREGATE total(int)",
        "dropped aggregate total(integer)",
    ),
    Hand(
        "event trigger",
        "CREATE EVENT TRIGGER noting ON sql_drop WHEN TAG IN ('DROP AGGREGATE', 'DROP CAST') EXECUTE FUNCTION"
        " watched()",
        "added event trigger noting, event sql_drop, tags DROP AGGREGATE, DROP CAST, runs watched",
        "ALTER EVENT TRIGGER noting DISABLE",
        "changed event trigger noting: enabled origin to disabled",
        "DROP EVENT TRIGGER noting",
        "dropped event trigger noting",
    ),
    Hand(
        "operator",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, RESTRICT = eqsel)",
        "added operator ===(integer, integer)",
        "ALTER OPERATOR === (int, int) SET (RESTRICT = NONE)",
        "changed operator ===(integer, integer): definition changed",
        "DROP OPERATOR === (int, int)",
        "dropped operator ===(integer, integer)",
    ),
    Hand(
        "operator class",
        "CREATE OPERATOR CLASS whole_ops FOR TYPE int USING btree FAMILY whole AS OPERATOR 1 <, OPERATOR 2 "
        "<=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int)",
        "added operator class whole_ops using btree\nchanged operator family whole using btree: definition changed",
        "ALTER OPERATOR CLASS whole_ops USING btree OWNER TO pg_monitor",
        "changed operator class whole_ops using btree: owner postgres to pg_monitor",
        "DROP OPERATOR CLASS whole_ops USING btree",
        "dropped operator class whole_ops using btree\nchanged operator family whole using btree: definition changed",
    ),
    Hand(
        "operator family",
        "CREATE OPERATOR FAMILY near USING btree",
        "added operator family near using btree",
        "ALTER OPERATOR FAMILY near USING btree ADD OPERATOR 1 < (int, bigint)",
        "changed operator family near using btree: definition changed",
        "DROP OPERATOR FAMILY near USING btree",
        "dropped operator family near using btree",
    ),
    Hand(
        "cast",
        "CREATE CAST (pair AS int) WITH FUNCTION pair_sum(pair)",
        "added cast pair as integer, using function, runs pair_sum(pair)",
        "DROP CAST (pair AS int); CREATE CAST (pair AS int) WITH FUNCTION pair_sum(pair) AS IMPLICIT",
        "changed cast pair as integer: context explicit to implicit",
        "DROP CAST (pair AS int)",
        "dropped cast pair as integer",
    ),
    Hand(
        "collation",
        "CREATE COLLATION plain (LOCALE = 'C')",
        "added collation plain",
        "COMMENT ON COLLATION plain IS 'by bytes'",
        "changed collation plain: comment by bytes added",
        "DROP COLLATION plain",
        "dropped collation plain",
    ),
    Hand(
        "conversion",
        "CREATE CONVERSION wide FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "added conversion wide",
        "ALTER CONVERSION wide OWNER TO pg_monitor",
        "changed conversion wide: owner postgres to pg_monitor",
        "DROP CONVERSION wide",
        "dropped conversion wide",
    ),
    Hand(
        "text search parser",
        "CREATE TEXT SEARCH PARSER parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, "
        "LEXTYPES = prsd_lextype)",
        "added text search parser parser",
        "COMMENT ON TEXT SEARCH PARSER parser IS 'as usual'",
        "changed text search parser parser: comment as usual added",
        "DROP TEXT SEARCH PARSER parser",
        "dropped text search parser parser",
    ),
    Hand(
        "text search template",
        "CREATE TEXT SEARCH TEMPLATE template (LEXIZE = dsimple_lexize, INIT = dsimple_init)",
        "added text search template template",
        "COMMENT ON TEXT SEARCH TEMPLATE template IS 'as usual'",
        "changed text search template template: comment as usual added",
        "DROP TEXT SEARCH TEMPLATE template",
        "dropped text search template template",
    ),
    Hand(
        "text search dictionary",
        "CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, ACCEPT = false)",
        "added text search dictionary words, template pg_catalog.simple",
        "ALTER TEXT SEARCH DICTIONARY words (accept = true)",
        "changed text search dictionary words: options accept = 'false' to accept = 'true'",
        "DROP TEXT SEARCH DICTIONARY words",
        "dropped text search dictionary words",
    ),
    Hand(
        "text search configuration",
        'CREATE TEXT SEARCH CONFIGURATION search (PARSER = "default")',
        'added text search configuration search, parser pg_catalog."default"',
        "ALTER TEXT SEARCH CONFIGURATION search ADD MAPPING FOR asciiword WITH simple",
        "changed text search configuration search: mappings asciiword: simple added",
        "DROP TEXT SEARCH CONFIGURATION search",
        "dropped text search configuration search",
    ),
    Hand(
        "language",
        "CREATE LANGUAGE speech HANDLER plpgsql_call_handler",
        "added language speech",
        "COMMENT ON LANGUAGE speech IS 'spoken'",
        "changed language speech: comment spoken added",
        "DROP LANGUAGE speech",
        "dropped language speech",
    ),
    Hand(
        "transform",
        "CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "added transform integer for plpgsql, from sql prsd_lextype",
        "COMMENT ON TRANSFORM FOR int LANGUAGE plpgsql IS 'odd'",
        "changed transform integer for plpgsql: comment odd added",
        "DROP TRANSFORM FOR int LANGUAGE plpgsql",
        "dropped transform integer for plpgsql",
    ),
    Hand(
        "access method",
        "CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler",
        "added access method pile, type table, handler heap_tableam_handler",
        "COMMENT ON ACCESS METHOD pile IS 'a heap'",
        "changed access method pile: comment a heap added",
        "DROP ACCESS METHOD pile",
        "dropped access method pile",
    ),
    Hand(
        "foreign-data wrapper",
        "CREATE FOREIGN DATA WRAPPER wrap",
        "added foreign-data wrapper wrap",
        "ALTER FOREIGN DATA WRAPPER wrap OPTIONS (ADD depth '3')",
        "changed foreign-data wrapper wrap: options depth=3 added",
        "DROP FOREIGN DATA WRAPPER wrap",
        "dropped foreign-data wrapper wrap",
    ),
    Hand(
        "server",
        "CREATE SERVER far TYPE 'old' VERSION '9' FOREIGN DATA WRAPPER files",
        "added server far, wrapper files, type old, version 9",
        "ALTER SERVER far VERSION '10' OPTIONS (ADD host 'far.example'); CREATE USER MAPPING FOR PUBLIC SERVER far",
        "changed server far: version 9 to 10; options host=far.example added; user mappings public added",
        "DROP SERVER far CASCADE",
        "dropped server far",
    ),
    Hand(
        "publication",
        "CREATE PUBLICATION news FOR TABLE customers, orders WITH (publish = 'insert')",
        "added publication news, tables customers, orders, operations insert",
        "ALTER PUBLICATION news DROP TABLE orders; ALTER PUBLICATION news SET (publish = 'insert, delete')",
        "changed publication news: tables orders dropped; operations delete added",
        "DROP PUBLICATION news",
        "dropped publication news",
    ),
    Hand(
        "subscription",
        "CREATE SUBSCRIPTION reader CONNECTION 'host=nowhere' PUBLICATION news WITH (connect = false, "
        "slot_name = NONE, enabled = false)",
        "added subscription reader, publications news",
        "ALTER SUBSCRIPTION reader SET (synchronous_commit = on)",
        "changed subscription reader: definition changed",
        "DROP SUBSCRIPTION reader",
        "dropped subscription reader",
    ),
    Hand(
        "database",
        "",
        "",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "changed database: default privileges postgres: no execute on functions to public added",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "",
    ),
)
