# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shapes of migration as people write them, each with data changes between statements of schema.

Each shape stands on the same three tables and four accounts. Its data changes show when they are done twice: counters
are raised, rows have no key, or what is read decides what is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.crash.mysql.writing import bulk, sent
from tests.world import migration

MARIADB, MYSQL = "mariadb", "mysql"
BASE_REVISION = "0001"

BASE = sent(
    "CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance INT NOT NULL, note VARCHAR(80))",
    "INSERT INTO account VALUES (1, 'ana', 100, 'a-1'), (2, 'ben', 200, NULL), (3, 'leo', 300, 'c-3'),"
    " (4, 'mia', 400, NULL)",
    "CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, account INT NOT NULL, total INT NOT NULL,"
    " state VARCHAR(10) NOT NULL, KEY orders_account (account))",
    "INSERT INTO orders (account, total, state) VALUES (1, 10, 'new'), (1, 20, 'paid'), (2, 30, 'new'),"
    " (3, 40, 'sent'), (4, 50, 'paid'), (4, 60, 'new')",
    "CREATE TABLE effects (what VARCHAR(60))",
)


@dataclass(frozen=True)
class Shape:
    """Migrations on the base, and the command that is killed in them.

    :ivar up: the body of ``upgrade()`` of each migration, oldest first.
    :ivar down: the bodies of ``downgrade()``, in the same order; the command is a revert where there are any.
    :ivar base: more for the migration that all stand on.
    :ivar engines: where its statements are understood.
    :ivar numbers: columns whose values the server draws; a statement that was rolled back uses some up, which is not
        held against the peer.
    :ivar transactional: False where a table of it is not; then only a person can decide.
    :ivar opaque: a statement of which the tool can not see what it did, and the question by which a person does.
    """

    name: str
    title: str
    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    base: str = ""
    engines: tuple[str, ...] = (MARIADB, MYSQL)
    numbers: tuple[str, ...] = ()
    transactional: bool = True
    opaque: tuple[str, str] | None = None

    @property
    def revert(self) -> bool:
        """The command takes back what was deployed before."""
        return bool(self.down)

    def scripts(self) -> tuple[dict[str, str], dict[str, str]]:
        """The base's file, then those of the rest: name to text."""
        base = {"0001_base.py": migration(BASE_REVISION, None, f"{BASE}\n{self.base}".strip())}
        rest = {}
        downs = self.down or ("pass",) * len(self.up)
        for number, (up, down) in enumerate(zip(self.up, downs, strict=True), 2):
            rest[f"{number:04}_{self.name.replace('-', '_')}.py"] = migration(
                f"{number:04}", f"{number - 1:04}", up, down
            )
        return base, rest


def shapes(product: str) -> list[Shape]:
    """Those that an engine understands."""
    return [shape for shape in SHAPES if product in shape.engines]


def _one(name: str, title: str, *up: str, **more: object) -> Shape:
    return Shape(name, title, ("\n".join(up),), **more)  # type: ignore[arg-type]


def _columns() -> Iterable[Shape]:
    yield _one(
        "if-not-exists",
        "UPDATE; CREATE TABLE IF NOT EXISTS; INSERT",
        sent(
            "UPDATE account SET balance = balance + 10",
            "CREATE TABLE IF NOT EXISTS audit (id INT PRIMARY KEY, what VARCHAR(40))",
            "INSERT INTO audit VALUES (1, 'raised by ten')",
        ),
    )
    yield _one(
        "add-backfill",
        "add a column, fill it, make it not null",
        "op.add_column('account', sa.Column('email', sa.String(80)))",
        sent("UPDATE account SET email = CONCAT(owner, '@example.org'), balance = balance + 1"),
        "op.alter_column('account', 'email', existing_type=sa.String(80), nullable=False)",
        sent("INSERT INTO effects VALUES ('email')"),
    )
    yield _one(
        "rename-column",
        "rename a column, carry data over to it",
        sent("UPDATE account SET note = CONCAT(COALESCE(note, ''), '+')"),
        "op.alter_column('account', 'note', new_column_name='remark', existing_type=sa.String(80))",
        sent("UPDATE account SET remark = CONCAT(remark, '!')"),
    )
    yield _one(
        "split-column",
        "new column, data moved, old column dropped",
        sent("ALTER TABLE account ADD COLUMN cents BIGINT NULL AFTER balance"),
        sent("UPDATE account SET cents = balance * 100"),
        "op.drop_column('account', 'balance')",
        sent("UPDATE account SET cents = cents + 5"),
    )
    yield _one(
        "several-clauses",
        "one ALTER with several clauses between two sums",
        sent(
            "UPDATE account SET balance = balance * 2",
            "ALTER TABLE account ADD COLUMN a INT NOT NULL DEFAULT 0, ADD COLUMN b INT NULL, DROP COLUMN note,"
            " ADD INDEX account_owner (owner)",
            "UPDATE account SET a = a + balance, balance = balance - 1",
        ),
    )
    yield _one(
        "type-change",
        "a column's type changed between two sums",
        sent("UPDATE orders SET total = total + 1"),
        "op.alter_column('orders', 'total', existing_type=sa.Integer, type_=sa.Numeric(12, 2), nullable=False)",
        sent("UPDATE orders SET total = total / 2"),
    )
    yield _one(
        "enum-change",
        "text becomes an enum, the enum is widened",
        sent(
            "ALTER TABLE orders MODIFY state ENUM('new', 'paid', 'sent') NOT NULL",
            "INSERT INTO effects VALUES ('narrow')",
            "ALTER TABLE orders MODIFY state ENUM('new', 'paid', 'sent', 'back') NOT NULL",
            "UPDATE orders SET state = 'back', total = total - 1 WHERE state = 'sent'",
        ),
    )
    yield _one(
        "default-change",
        "defaults set and dropped, rows that take them",
        sent(
            "ALTER TABLE account ALTER COLUMN balance SET DEFAULT 7",
            "INSERT INTO account (id, owner) VALUES (5, 'kim')",
            "ALTER TABLE account ALTER COLUMN balance DROP DEFAULT",
            "UPDATE account SET balance = balance + 1",
        ),
    )
    yield _one(
        "generated",
        "generated columns, virtual and stored",
        sent(
            "UPDATE orders SET total = total + 2",
            "ALTER TABLE orders ADD COLUMN gross INT GENERATED ALWAYS AS (total * 2) VIRTUAL",
            "INSERT INTO effects VALUES ('virtual')",
            "ALTER TABLE orders ADD COLUMN kept INT GENERATED ALWAYS AS (total + 1) STORED",
            "UPDATE orders SET total = total + 3",
        ),
    )
    yield _one(
        "json",
        "a JSON column filled and changed",
        "op.add_column('account', sa.Column('extra', sa.JSON))",
        sent(
            "UPDATE account SET extra = JSON_OBJECT('logins', balance)",
            "ALTER TABLE account ADD COLUMN logins INT NULL",
            "UPDATE account SET extra = JSON_SET(extra, '$.logins', JSON_EXTRACT(extra, '$.logins') + 1)",
            "UPDATE account SET logins = JSON_EXTRACT(extra, '$.logins')",
        ),
    )
    yield _one(
        "charset",
        "conversion to another character set",
        sent(
            "UPDATE account SET note = CONCAT(owner, 'é')",
            "ALTER TABLE account CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "UPDATE account SET balance = balance + CHAR_LENGTH(note)",
            "ALTER TABLE effects CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            "INSERT INTO effects VALUES ('ünïcode')",
        ),
    )
    yield _one(
        "column-if-exists",
        "ADD and DROP COLUMN with IF [NOT] EXISTS",
        sent(
            "UPDATE account SET balance = balance + 1",
            "ALTER TABLE account ADD COLUMN IF NOT EXISTS email VARCHAR(80)",
            "UPDATE account SET balance = balance + 2",
            "ALTER TABLE account DROP COLUMN IF EXISTS note",
            "INSERT INTO effects VALUES ('done')",
        ),
        engines=(MARIADB,),
    )


def _tables() -> Iterable[Shape]:
    yield _one(
        "split-table",
        "a table split: create, insert from select, drop column",
        "op.create_table('remark', sa.Column('account', sa.Integer, nullable=False), sa.Column('what', sa.String(80)))",
        sent("INSERT INTO remark SELECT id, note FROM account WHERE note IS NOT NULL"),
        "op.drop_column('account', 'note')",
        sent("INSERT INTO remark VALUES (0, 'moved')"),
    )
    yield _one(
        "swap",
        "a table rebuilt beside and swapped by RENAME",
        sent(
            "CREATE TABLE orders_new (id INT PRIMARY KEY, account INT NOT NULL, total BIGINT NOT NULL)",
            "INSERT INTO orders_new SELECT id, account, total * 100 FROM orders",
            "RENAME TABLE orders TO orders_old, orders_new TO orders",
            "UPDATE orders SET total = total + 1",
            "DROP TABLE orders_old",
            "INSERT INTO effects VALUES ('swapped')",
        ),
    )
    yield _one(
        "rotate",
        "three tables change names in one statement",
        sent(
            "UPDATE account SET balance = balance + 1",
            "RENAME TABLE account TO t, orders TO account, t TO orders",
            "INSERT INTO effects VALUES ('rotated')",
            "UPDATE orders SET balance = balance * 2",
        ),
    )
    yield _one(
        "exchange-twice",
        "two tables exchanged, and exchanged back",
        sent(
            "CREATE TABLE effects_2 (what VARCHAR(61))",
            "RENAME TABLE effects TO t, effects_2 TO effects, t TO effects_2",
            "INSERT INTO effects VALUES ('one')",
            "RENAME TABLE effects TO t, effects_2 TO effects, t TO effects_2",
            "INSERT INTO effects VALUES ('two')",
        ),
    )
    yield _one(
        "drop-several",
        "several tables dropped in one statement",
        sent(
            "INSERT INTO effects SELECT CONCAT('kept ', k) FROM one",
            "DROP TABLE one, two, three",
            "UPDATE account SET balance = balance - 3",
            "CREATE TABLE one (k INT)",
            "INSERT INTO one VALUES (1)",
        ),
        base=sent(
            "CREATE TABLE one (k INT)",
            "INSERT INTO one VALUES (7)",
            "CREATE TABLE two (k INT)",
            "CREATE TABLE three (k INT)",
        ),
    )
    yield _one(
        "drop-if-exists",
        "DROP IF EXISTS, CREATE, INSERT",
        sent(
            "UPDATE account SET balance = balance + 5",
            "DROP TABLE IF EXISTS scratch, nowhere",
            "CREATE TABLE scratch (k INT)",
            "INSERT INTO scratch SELECT balance FROM account",
            "DROP TABLE IF EXISTS old_scratch",
            "INSERT INTO scratch VALUES (0)",
        ),
        base=sent("CREATE TABLE scratch (k VARCHAR(3))", "INSERT INTO scratch VALUES ('x')"),
    )
    yield _one(
        "create-like",
        "CREATE TABLE LIKE, copied, emptied",
        sent(
            "CREATE TABLE orders_archive LIKE orders",
            "INSERT INTO orders_archive SELECT * FROM orders WHERE state = 'paid'",
            "ALTER TABLE orders_archive ADD COLUMN archived INT NOT NULL DEFAULT 1",
            "DELETE FROM orders WHERE state = 'paid'",
            "UPDATE orders_archive SET archived = archived + 1",
        ),
    )
    yield _one(
        "create-select",
        "CREATE TABLE AS SELECT after a counter",
        sent(
            "UPDATE account SET balance = balance + 10",
            "CREATE TABLE rich AS SELECT id, balance FROM account WHERE balance > 250",
            "UPDATE account SET balance = balance - 1",
            "ALTER TABLE rich ADD PRIMARY KEY (id)",
            "INSERT INTO effects SELECT CONCAT('rich ', COUNT(*)) FROM rich",
        ),
    )
    yield _one(
        "create-select-if",
        "CREATE TABLE IF NOT EXISTS AS SELECT, then the source changes",
        sent(
            "CREATE TABLE IF NOT EXISTS before_raise AS SELECT id, balance FROM account",
            "UPDATE account SET balance = balance + 10",
            "CREATE TABLE IF NOT EXISTS after_raise AS SELECT id, balance FROM account",
            "INSERT INTO effects VALUES ('raised')",
        ),
    )
    yield _one(
        "truncate",
        "TRUNCATE and fill anew from what was there",
        sent(
            "CREATE TABLE sums AS SELECT account, SUM(total) AS total FROM orders GROUP BY account",
            "TRUNCATE TABLE orders",
            "INSERT INTO orders (account, total, state) SELECT account, total, 'sum' FROM sums ORDER BY account",
            "DROP TABLE sums",
            "UPDATE orders SET total = total + 1",
        ),
        numbers=("orders.id",),
    )
    yield _one(
        "delete-create",
        "DELETE, CREATE, INSERT",
        sent(
            "DELETE FROM orders ORDER BY id LIMIT 2",
            "CREATE TABLE trash (k INT)",
            "INSERT INTO trash SELECT COUNT(*) FROM orders",
            "DELETE FROM orders ORDER BY id LIMIT 1",
        ),
    )
    yield _one(
        "drop-create",
        "a table dropped and made anew under its name",
        sent(
            "INSERT INTO account (id, owner, balance) SELECT 90 + COUNT(*), 'sum', SUM(total) FROM orders",
            "DROP TABLE orders",
            "CREATE TABLE orders (id INT PRIMARY KEY, total INT)",
            "INSERT INTO orders SELECT id, balance FROM account",
            "DROP TABLE effects",
        ),
    )
    yield _one(
        "comment-engine",
        "comments, row format, a rebuild",
        sent(
            "ALTER TABLE account COMMENT = 'who pays'",
            "UPDATE account SET balance = balance + 4",
            "ALTER TABLE account ROW_FORMAT = COMPACT",
            "UPDATE account SET balance = balance + 8",
            "ALTER TABLE account ENGINE = InnoDB",
            "INSERT INTO effects VALUES ('rebuilt')",
        ),
    )
    yield _one(
        "partition",
        "a table partitioned, a partition added and dropped",
        sent(
            "UPDATE event SET n = n + 1",
            "ALTER TABLE event PARTITION BY RANGE (year)"
            " (PARTITION p24 VALUES LESS THAN (2025), PARTITION p25 VALUES LESS THAN (2026))",
            "INSERT INTO event VALUES (2025, 5)",
            "ALTER TABLE event ADD PARTITION (PARTITION p26 VALUES LESS THAN (2027))",
            "INSERT INTO event VALUES (2026, 6)",
            "ALTER TABLE event DROP PARTITION p24",
            "UPDATE event SET n = n * 2",
        ),
        base=sent("CREATE TABLE event (year INT NOT NULL, n INT)", "INSERT INTO event VALUES (2024, 1), (2025, 2)"),
    )


def _keys() -> Iterable[Shape]:
    yield _one(
        "index",
        "an index made, another dropped, between counters",
        sent("UPDATE orders SET total = total + 1"),
        "op.create_index('orders_state', 'orders', ['state', 'total'])",
        sent("UPDATE orders SET total = total + 1"),
        "op.drop_index('orders_account', 'orders')",
        sent("UPDATE orders SET total = total + 1"),
    )
    yield _one(
        "unique",
        "doubles removed, a unique key",
        sent("INSERT INTO account SELECT id + 10, owner, balance, note FROM account WHERE id < 3"),
        sent("DELETE FROM account WHERE id > 10 ORDER BY id LIMIT 2"),
        "op.create_unique_constraint('account_owner_key', 'account', ['owner'])",
        sent("UPDATE account SET balance = balance + 1"),
        "op.drop_constraint('account_owner_key', 'account', type_='unique')",
        sent("INSERT INTO effects VALUES ('dropped')"),
    )
    yield _one(
        "foreign-key",
        "a foreign key added and dropped",
        sent("DELETE FROM orders ORDER BY id LIMIT 1"),
        "op.create_foreign_key('orders_account_fk', 'orders', 'account', ['account'], ['id'])",
        sent("INSERT INTO effects VALUES ('tied')"),
        "op.drop_constraint('orders_account_fk', 'orders', type_='foreignkey')",
        sent("UPDATE orders SET account = account + 100"),
    )
    yield _one(
        "check",
        "a check constraint, data mended for it",
        sent(
            "UPDATE account SET balance = balance - 150",
            "UPDATE account SET balance = 0 WHERE balance < 0",
            "ALTER TABLE account ADD CONSTRAINT account_positive CHECK (balance >= 0)",
            "UPDATE account SET balance = balance + 1",
            "ALTER TABLE account DROP CONSTRAINT account_positive",
            "UPDATE account SET balance = balance - 2",
        ),
    )
    yield _one(
        "primary-key",
        "the primary key exchanged",
        sent(
            "UPDATE account SET id = id + 100 ORDER BY id DESC",
            "ALTER TABLE account DROP PRIMARY KEY, ADD PRIMARY KEY (owner)",
            "INSERT INTO account SELECT id + 1, CONCAT(owner, '2'), balance, note FROM account WHERE owner = 'mia'",
            "ALTER TABLE account DROP PRIMARY KEY",
            "INSERT INTO account SELECT * FROM account WHERE owner = 'ana'",
        ),
    )
    yield _one(
        "fulltext",
        "a full-text index",
        sent(
            "UPDATE account SET note = CONCAT(owner, ' pays late')",
            "ALTER TABLE account ADD FULLTEXT INDEX account_note (note)",
            "INSERT INTO effects SELECT CONCAT('late ', COUNT(*)) FROM account WHERE MATCH (note) AGAINST ('late')",
        ),
    )
    yield _one(
        "index-rename",
        "an index renamed, hidden columns aside",
        sent(
            "INSERT INTO effects VALUES ('before')",
            "ALTER TABLE orders RENAME INDEX orders_account TO orders_by_account",
            "INSERT INTO effects VALUES ('after')",
            "CREATE INDEX orders_total ON orders (total DESC)",
            "UPDATE orders SET total = total + 1",
        ),
    )


def _data() -> Iterable[Shape]:
    yield _one(
        "counter",
        "counters between statements of schema",
        sent(
            "UPDATE account SET balance = balance + 1",
            "ALTER TABLE account ADD COLUMN x INT NOT NULL DEFAULT 1",
            "UPDATE account SET x = x + 1",
            "ALTER TABLE account ADD COLUMN y INT NOT NULL DEFAULT 1",
            "UPDATE account SET y = y + x, balance = balance * 2",
        ),
    )
    yield _one(
        "no-key",
        "rows without a key",
        sent(
            "INSERT INTO effects VALUES ('one')",
            "CREATE TABLE log (what VARCHAR(40))",
            "INSERT INTO log VALUES ('two')",
            "INSERT INTO effects SELECT what FROM log",
            "ALTER TABLE log ADD COLUMN at INT",
            "INSERT INTO log VALUES ('three', 3)",
        ),
    )
    yield _one(
        "auto-increment",
        "numbers that the server draws",
        sent(
            "INSERT INTO orders (account, total, state) VALUES (1, 70, 'new')",
            "ALTER TABLE orders ADD COLUMN currency CHAR(3) NOT NULL DEFAULT 'EUR'",
            "INSERT INTO orders (account, total, state) VALUES (2, 80, 'new'), (3, 90, 'new')",
            "ALTER TABLE orders DROP INDEX orders_account",
            "INSERT INTO orders (account, total, state) SELECT account, total, 'copy' FROM orders WHERE id = 1",
        ),
        numbers=("orders.id",),
    )
    yield _one(
        "counted-number",
        "a number that the server draws, and statements that count on it",
        sent(
            "INSERT INTO orders (account, total, state) VALUES (1, 70, 'new')",
            "UPDATE orders SET state = 'seen' WHERE id = 7",
            "CREATE TABLE roles (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), adm INT)",
            "INSERT INTO roles (name) SELECT owner FROM account WHERE balance > 100 ORDER BY id",
            "UPDATE roles SET adm = id WHERE id IN (1, 3)",
            "DELETE FROM orders WHERE id = 7",
            "INSERT INTO orders (account, total, state) VALUES (2, 80, 'new')",
            "UPDATE orders SET state = 'last' WHERE id = 8",
        ),
        numbers=("orders.id", "roles.id"),
    )
    yield _one(
        "lastrowid",
        "a drawn number written elsewhere",
        "bind = op.get_bind()",
        "done = bind.execute(sa.text(\"INSERT INTO orders (account, total, state) VALUES (1, 1, 'first')\"))",
        "op.create_table('pointer', sa.Column('k', sa.Integer), sa.Column('n', sa.Integer))",
        "bind.execute(sa.text('INSERT INTO pointer VALUES (:k, :n)'), {'k': done.lastrowid, 'n': done.rowcount})",
        sent("ALTER TABLE pointer ADD COLUMN done INT"),
        "bind.execute(sa.text('UPDATE pointer SET done = n + COALESCE(done, 0)'))",
        numbers=("orders.id", "pointer.k"),
    )
    yield _one(
        "bulk",
        "op.bulk_insert into a new table",
        bulk("currency", {"code": "CHAR(3)", "digits": "INT"}, [("EUR", 2), ("JPY", 0), ("TND", 3)]),
        sent("ALTER TABLE orders ADD COLUMN currency CHAR(3) NULL"),
        bulk("effects", {"what": "VARCHAR(60)"}, [("bulk one",), ("bulk two",)], make=False),
        sent("UPDATE orders SET currency = 'EUR', total = total + 1"),
    )
    yield _one(
        "decides",
        "a SELECT, and a decision in Python",
        "bind = op.get_bind()",
        "rich = bind.execute(sa.text('SELECT id, balance FROM account WHERE balance > 150 ORDER BY id')).all()",
        sent("UPDATE account SET balance = balance - 100"),
        "op.create_table('rich', sa.Column('id', sa.Integer), sa.Column('was', sa.Integer))",
        "for id, was in rich:",
        "    bind.execute(sa.text('INSERT INTO rich VALUES (:id, :was)'), {'id': id, 'was': was})",
        "if len(rich) > 2:",
        "    op.add_column('rich', sa.Column('many', sa.Integer, server_default='1'))",
        sent("INSERT INTO effects VALUES ('decided')"),
    )
    yield _one(
        "inspects",
        "a look at the schema decides what is sent",
        "names = {column['name'] for column in sa.inspect(op.get_bind()).get_columns('account')}",
        "if 'email' not in names:",
        "    op.add_column('account', sa.Column('email', sa.String(80)))",
        "    op.execute(\"UPDATE account SET email = CONCAT(owner, '@'), balance = balance + 1\")",
        "if not sa.inspect(op.get_bind()).has_table('audit'):",
        "    op.create_table('audit', sa.Column('what', sa.String(20)))",
        sent("INSERT INTO audit VALUES ('looked')", "UPDATE account SET balance = balance + 2"),
    )
    yield _one(
        "batches",
        "UPDATE with LIMIT in a loop until nothing is left",
        "op.add_column('orders', sa.Column('done', sa.Integer, nullable=False, server_default='0'))",
        "bind = op.get_bind()",
        "batch = sa.text('UPDATE orders SET total = total * 10, done = 1 WHERE done = 0 ORDER BY id LIMIT 2')",
        "while bind.execute(batch).rowcount:",
        "    pass",
        "op.drop_column('orders', 'done')",
        sent("INSERT INTO effects VALUES ('batched')"),
    )
    yield _one(
        "on-duplicate",
        "ON DUPLICATE KEY UPDATE with a counter",
        sent(
            "INSERT INTO account (id, owner, balance) VALUES (4, 'mia', 1), (5, 'kim', 1)"
            " ON DUPLICATE KEY UPDATE balance = balance + 1",
            "CREATE TABLE tally (k INT PRIMARY KEY, n INT NOT NULL)",
            "INSERT INTO tally SELECT account, COUNT(*) FROM orders GROUP BY account",
            "INSERT INTO tally VALUES (1, 1), (9, 1) ON DUPLICATE KEY UPDATE n = n + 1",
            "ALTER TABLE tally ADD COLUMN m INT NULL",
            "UPDATE tally SET m = n, n = 0 WHERE m IS NULL",
        ),
    )
    yield _one(
        "replace",
        "REPLACE and INSERT IGNORE",
        sent(
            "REPLACE INTO account SELECT id, owner, balance + 1, note FROM account",
            "ALTER TABLE account ADD COLUMN seen INT NOT NULL DEFAULT 0",
            "INSERT IGNORE INTO account (id, owner, balance) VALUES (1, 'nobody', 0), (6, 'uma', 6)",
            "UPDATE account SET seen = seen + 1",
        ),
    )
    yield _one(
        "between-alters",
        "INSERT from SELECT between two ALTERs",
        sent(
            "ALTER TABLE account ADD COLUMN parent INT NULL",
            "INSERT INTO account (id, owner, balance, parent) SELECT id + 50, owner, balance DIV 2, id FROM account",
            "ALTER TABLE account ADD INDEX account_parent (parent)",
            "UPDATE account SET balance = balance - balance DIV 2 WHERE parent IS NULL",
        ),
    )
    yield _one(
        "join-update",
        "UPDATE over two tables, DELETE over two tables",
        sent(
            "UPDATE account JOIN orders ON orders.account = account.id"
            " SET account.balance = account.balance + 1, orders.total = orders.total + 1",
            "ALTER TABLE orders ADD COLUMN owner VARCHAR(40) NULL",
            "UPDATE orders JOIN account ON orders.account = account.id SET orders.owner = account.owner,"
            " orders.total = orders.total + account.balance",
            "DELETE orders, account FROM orders JOIN account ON orders.account = account.id WHERE account.id = 3",
            "ALTER TABLE orders DROP COLUMN account",
        ),
    )


def _programs() -> Iterable[Shape]:
    yield _one(
        "trigger",
        "a trigger, and data that sets it off",
        sent(
            "UPDATE account SET balance = balance + 1",
            "CREATE TRIGGER orders_seen AFTER INSERT ON orders FOR EACH ROW"
            " UPDATE account SET balance = balance + NEW.total WHERE id = NEW.account",
            "INSERT INTO orders (account, total, state) VALUES (1, 1000, 'new')",
            "DROP TRIGGER orders_seen",
            "INSERT INTO orders (account, total, state) VALUES (2, 2000, 'new')",
        ),
        numbers=("orders.id",),
    )
    yield _one(
        "view",
        "views made and replaced",
        sent(
            "UPDATE account SET balance = balance + 1",
            "CREATE VIEW rich AS SELECT id FROM account WHERE balance > 250",
            "INSERT INTO effects SELECT CONCAT('rich ', COUNT(*)) FROM rich",
            "CREATE OR REPLACE VIEW rich AS SELECT id, owner FROM account WHERE balance > 150",
            "INSERT INTO effects SELECT CONCAT('rich ', COUNT(*)) FROM rich",
            "DROP VIEW IF EXISTS poor",
            "UPDATE account SET balance = balance - 60",
        ),
    )
    yield _one(
        "routine",
        "a procedure and a function, made, called, dropped",
        sent(
            "CREATE PROCEDURE raise_all(IN n INT) MODIFIES SQL DATA UPDATE account SET balance = balance + n",
            "CREATE FUNCTION doubled(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n * 2",
            "CALL raise_all(5)",
            "UPDATE orders SET total = doubled(total)",
            "DROP PROCEDURE raise_all",
            "INSERT INTO effects VALUES ('raised')",
        ),
        opaque=("CALL raise_all(5)", "SELECT MIN(balance) > 100 FROM account"),
    )
    yield _one(
        "event",
        "an event that the scheduler would run",
        sent(
            "INSERT INTO effects VALUES ('one')",
            "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DISABLE DO DELETE FROM effects",
            "INSERT INTO effects VALUES ('two')",
            "ALTER EVENT nightly COMMENT 'cleans'",
            "UPDATE account SET balance = balance + 1",
        ),
    )


def _several() -> Iterable[Shape]:
    yield Shape(
        "three-migrations",
        "three migrations in a deploy",
        (
            sent("UPDATE account SET balance = balance + 1", "ALTER TABLE account ADD COLUMN a INT NULL"),
            sent("UPDATE account SET a = balance", "INSERT INTO effects VALUES ('second')"),
            sent("CREATE TABLE third (k INT)", "INSERT INTO third SELECT a FROM account", "UPDATE third SET k = k + 1"),
        ),
    )
    yield Shape(
        "data-only",
        "two migrations of data alone",
        (
            sent("UPDATE account SET balance = balance + 1", "INSERT INTO effects VALUES ('first')"),
            sent("UPDATE account SET balance = balance * 2", "DELETE FROM orders ORDER BY id LIMIT 1"),
        ),
    )
    yield Shape(
        "revert-column",
        "revert: data carried back, columns dropped",
        (sent("ALTER TABLE account ADD COLUMN cents INT NULL", "UPDATE account SET cents = balance * 100"),),
        (
            sent(
                "UPDATE account SET balance = balance + cents DIV 100",
                "ALTER TABLE account DROP COLUMN cents",
                "INSERT INTO effects VALUES ('back')",
            ),
        ),
    )
    yield Shape(
        "revert-table",
        "revert: a table merged back and dropped",
        (
            sent(
                "CREATE TABLE remark (account INT, what VARCHAR(80))",
                "INSERT INTO remark SELECT id, note FROM account WHERE note IS NOT NULL",
                "ALTER TABLE account DROP COLUMN note",
            ),
        ),
        (
            sent(
                "ALTER TABLE account ADD COLUMN note VARCHAR(80)",
                "UPDATE account JOIN remark ON remark.account = account.id"
                " SET note = CONCAT(COALESCE(note, ''), remark.what)",
                "DROP TABLE remark",
                "UPDATE account SET balance = balance + 1",
            ),
        ),
    )
    yield Shape(
        "revert-two",
        "revert: two migrations down",
        (
            sent("CREATE INDEX orders_total ON orders (total)", "UPDATE orders SET total = total + 1"),
            sent("ALTER TABLE orders ADD COLUMN vat INT NOT NULL DEFAULT 0", "UPDATE orders SET vat = total DIV 5"),
        ),
        (
            sent("UPDATE orders SET total = total - 2", "DROP INDEX orders_total ON orders"),
            sent("UPDATE orders SET total = total + vat", "ALTER TABLE orders DROP COLUMN vat"),
        ),
    )
    yield _one(
        "myisam",
        "a table that is not transactional",
        sent(
            "INSERT INTO old VALUES (2)",
            "ALTER TABLE account ADD COLUMN a INT NULL",
            "UPDATE old SET n = n + 1",
            "UPDATE account SET a = balance",
        ),
        base=sent("CREATE TABLE old (n INT) ENGINE = MyISAM", "INSERT INTO old VALUES (1)"),
        transactional=False,
    )


SHAPES = (*_columns(), *_tables(), *_keys(), *_data(), *_programs(), *_several())
BY_NAME = {shape.name: shape for shape in SHAPES}
