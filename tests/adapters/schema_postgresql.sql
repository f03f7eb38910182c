-- one of each kind of object; what a newer major alone has is in the test
CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'the shop';
CREATE EXTENSION pg_trgm SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'fine', 'glad');
COMMENT ON TYPE shop.mood IS 'how it is';
CREATE DOMAIN shop.price AS numeric(10,2) DEFAULT 1 NOT NULL CONSTRAINT positive CHECK (VALUE > 0);
COMMENT ON CONSTRAINT positive ON DOMAIN shop.price IS 'not given away';
CREATE TYPE shop.place AS (street text, town text COLLATE "C");
COMMENT ON COLUMN shop.place.town IS 'where it is';
CREATE TYPE shop.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE shop.shell;
CREATE FUNCTION shop.word_in(cstring) RETURNS shop.shell AS 'textin' LANGUAGE internal STRICT IMMUTABLE;
CREATE FUNCTION shop.word_out(shop.shell) RETURNS cstring AS 'textout' LANGUAGE internal STRICT IMMUTABLE;
CREATE TYPE shop.shell (INPUT = shop.word_in, OUTPUT = shop.word_out, LIKE = text);
CREATE TYPE shop.unmade;
CREATE SEQUENCE shop.numbers AS integer START 5 INCREMENT 5 MINVALUE 5 MAXVALUE 5000 CACHE 7 CYCLE;
COMMENT ON SEQUENCE shop.numbers IS 'fives';
CREATE FUNCTION shop.twice(n integer, OUT m integer, INOUT note text DEFAULT 'x') LANGUAGE sql IMMUTABLE STRICT
    PARALLEL SAFE COST 7 SET work_mem = '1MB' AS 'SELECT n * 2, note';
COMMENT ON FUNCTION shop.twice(integer, text) IS 'two times';
CREATE FUNCTION shop.many(VARIADIC n integer[]) RETURNS SETOF integer LANGUAGE sql ROWS 5 BEGIN ATOMIC
    SELECT unnest(n); END;
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION shop.rows_of() RETURNS TABLE (a integer, b text) LANGUAGE sql AS 'SELECT 1, ''x''';
CREATE PROCEDURE shop.clear(INOUT n integer) LANGUAGE plpgsql AS 'BEGIN n := 0; END';
CREATE AGGREGATE shop.total(integer) (SFUNC = int4_sum, STYPE = bigint, INITCOND = '0');
COMMENT ON AGGREGATE shop.total(integer) IS 'all of it';
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY (START 10) PRIMARY KEY,
    serial serial,
    name text COLLATE "C" NOT NULL DEFAULT 'nobody',
    mood shop.mood,
    home shop.place,
    price shop.price,
    "Odd name" integer DEFAULT nextval('shop.numbers'),
    twice numeric GENERATED ALWAYS AS (length(name) * 2) STORED,
    gone integer,
    CONSTRAINT named UNIQUE (name, mood) INCLUDE (price) WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT short CHECK (length(name) < 80) NO INHERIT
) WITH (fillfactor = 80, toast.autovacuum_enabled = false);
ALTER TABLE shop.customers DROP COLUMN gone;
ALTER TABLE shop.customers ALTER COLUMN name SET STORAGE EXTERNAL, ALTER COLUMN name SET STATISTICS 300;
ALTER TABLE shop.customers ALTER COLUMN name SET (n_distinct = 5);
COMMENT ON TABLE shop.customers IS 'who buys';
COMMENT ON COLUMN shop.customers.name IS 'as written';
COMMENT ON CONSTRAINT named ON shop.customers IS 'one of each';
CREATE TABLE shop.orders (
    id integer NOT NULL,
    part integer NOT NULL DEFAULT 3,
    customer bigint REFERENCES shop.customers ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE,
    during int4range,
    body tsvector,
    PRIMARY KEY (id, part),
    CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (id > 0)
);
ALTER TABLE shop.orders ADD CONSTRAINT later FOREIGN KEY (part) REFERENCES shop.customers (id) MATCH FULL NOT VALID;
CREATE UNIQUE INDEX orders_odd ON shop.orders (part DESC, (id + 1), customer NULLS FIRST) INCLUDE (during)
    WHERE id > 7;
CREATE INDEX orders_body ON shop.orders USING gist (body tsvector_ops (siglen = 100));
CREATE INDEX customers_pattern ON shop.customers (name text_pattern_ops, name COLLATE "POSIX");
COMMENT ON INDEX shop.orders_odd IS 'odd';
ALTER TABLE shop.customers CLUSTER ON customers_pkey;
ALTER TABLE shop.customers REPLICA IDENTITY FULL;
CREATE STATISTICS shop.together (ndistinct, dependencies) ON id, part FROM shop.orders;
CREATE STATISTICS shop.expressed ON (id + part), (id * 2) FROM shop.orders;
COMMENT ON STATISTICS shop.together IS 'they go together';
CREATE TRIGGER touched BEFORE UPDATE OF part OR INSERT ON shop.orders FOR EACH ROW WHEN (NEW.part > 3)
    EXECUTE FUNCTION shop.touch('a', 'it''s');
CREATE TRIGGER counted AFTER INSERT ON shop.orders REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
    EXECUTE FUNCTION shop.touch();
CREATE CONSTRAINT TRIGGER checked AFTER DELETE ON shop.orders FROM shop.customers DEFERRABLE FOR EACH ROW
    EXECUTE FUNCTION shop.touch();
COMMENT ON TRIGGER touched ON shop.orders IS 'before';
ALTER TABLE shop.orders DISABLE TRIGGER counted;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.orders AS RESTRICTIVE FOR UPDATE TO PUBLIC USING (part > 0) WITH CHECK (part > 1);
COMMENT ON POLICY mine ON shop.orders IS 'mine alone';
CREATE VIEW shop.buyers WITH (security_barrier = true) AS SELECT c.id, c.name FROM shop.customers c JOIN shop.orders o
    ON o.customer = c.id;
COMMENT ON VIEW shop.buyers IS 'who bought';
COMMENT ON COLUMN shop.buyers.name IS 'of the buyer';
ALTER VIEW shop.buyers ALTER COLUMN name SET DEFAULT 'x';
CREATE VIEW shop.buyers_of_buyers AS SELECT * FROM shop.buyers;
CREATE RULE no_writing AS ON INSERT TO shop.buyers DO INSTEAD NOTHING;
COMMENT ON RULE no_writing ON shop.buyers IS 'none';
CREATE MATERIALIZED VIEW shop.sums AS SELECT part, count(*) AS n FROM shop.orders GROUP BY part WITH NO DATA;
CREATE INDEX sums_part ON shop.sums (part);
CREATE TABLE shop.events (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
CREATE INDEX events_what ON shop.events (what);
CREATE TABLE shop.events_2025 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.events_rest PARTITION OF shop.events DEFAULT;
CREATE TABLE shop.parent (a integer CHECK (a > 0));
CREATE UNLOGGED TABLE shop.heir (b integer) INHERITS (shop.parent);
CREATE TABLE shop.places OF shop.place (PRIMARY KEY (town));
CREATE OPERATOR shop.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq, COMMUTATOR = OPERATOR(shop.===),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
COMMENT ON OPERATOR shop.=== (integer, integer) IS 'the same';
CREATE OPERATOR FAMILY shop.whole USING btree;
CREATE OPERATOR CLASS shop.whole_ops FOR TYPE integer USING btree FAMILY shop.whole AS OPERATOR 1 <, OPERATOR 2 <=,
    OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
CREATE INDEX orders_whole ON shop.orders (id shop.whole_ops);
CREATE FUNCTION shop.as_price(shop.place) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (shop.place AS integer) WITH FUNCTION shop.as_price(shop.place) AS ASSIGNMENT;
COMMENT ON CAST (shop.place AS integer) IS 'odd';
CREATE COLLATION shop.plain (LOCALE = 'C');
CREATE CONVERSION shop.convert FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH PARSER shop.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE shop.template (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH DICTIONARY shop.dictionary (TEMPLATE = shop.template, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION shop.search (PARSER = shop.parser);
ALTER TEXT SEARCH CONFIGURATION shop.search ADD MAPPING FOR asciiword WITH shop.dictionary, simple;
CREATE FUNCTION shop.speak() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TRUSTED LANGUAGE speech HANDLER shop.speak;
CREATE FUNCTION shop.from_sql(internal) RETURNS internal AS 'int4recv' LANGUAGE internal STRICT IMMUTABLE;
CREATE TRANSFORM FOR integer LANGUAGE speech (FROM SQL WITH FUNCTION prsd_lextype(internal));
CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD pile IS 'a heap';
CREATE FOREIGN DATA WRAPPER wrap OPTIONS (depth '3');
CREATE SERVER far TYPE 'old' VERSION '9' FOREIGN DATA WRAPPER wrap OPTIONS (host 'far.example');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'secret-of-the-mapping');
CREATE FOREIGN TABLE shop.remote (a integer OPTIONS (column_name 'b') NOT NULL, CHECK (a > 0)) SERVER far
    OPTIONS (table_name 'x');
CREATE PUBLICATION news FOR TABLE shop.customers, shop.orders WITH (publish = 'insert, delete');
CREATE SUBSCRIPTION reader CONNECTION 'host=nowhere password=secret-of-the-reader' PUBLICATION news
    WITH (connect = false, slot_name = NONE, enabled = false);
CREATE FUNCTION shop.noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noting ON ddl_command_end WHEN TAG IN ('DROP TABLE', 'CREATE AGGREGATE') EXECUTE FUNCTION shop.noted();
ALTER EVENT TRIGGER noting DISABLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT SELECT, INSERT ON shop.orders TO PUBLIC;
GRANT UPDATE (part) ON shop.orders TO PUBLIC;
GRANT USAGE ON SEQUENCE shop.numbers TO PUBLIC;
REVOKE EXECUTE ON FUNCTION shop.twice(integer, text) FROM PUBLIC;
SELECT lo_create(4711);
