# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody may do by hand to a MariaDB or MySQL database, and what ``drift`` says of it.

The statements are those of the test of the capture, one of each kind and of what matters of it.
"""

from __future__ import annotations

from dataclasses import replace

from tests.adapters.test_capture_mysql import BASE, CASES, Case

from .hand_postgresql import Hand

#: to whom something is granted
USER = "hga_by_hand@localhost"
#: what the things below hang on
GROUND = (
    *BASE,
    "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    f"CREATE USER IF NOT EXISTS {USER}",
)


def _case(kind: str, field: str, made: str, changed: str, dropped: str, *, only: str = "") -> Hand:
    """The first case of a kind in which that field is changed."""
    case = next(one for one in CASES if (one.kind, one.field) == (kind, field) and one.only in ("", only))
    return _hand(case, made, changed, dropped, only=only)


def _hand(case: Case, made: str, changed: str, dropped: str, *, only: str = "") -> Hand:
    return Hand(
        case.kind, case.made, made, case.changed, changed, case.dropped, dropped, case.before, only or case.only
    )  # fmt: skip


_COUNT = next(one for one in CASES if one.kind == "trigger" and not one.only)
_NIGHTLY = next(one for one in CASES if one.kind == "event")
_ORACLE, _AGAIN = "SET sql_mode = 'ORACLE'", "SET sql_mode = DEFAULT"
_TAX = "CREATE PACKAGE tax AS FUNCTION vat RETURN int; END"
_BODY = "CREATE {}PACKAGE BODY tax AS FUNCTION vat RETURN int AS BEGIN RETURN {}; END; END"

HANDS = (
    _case(
        "table",
        "comment",
        "added table notes (1 column)",
        "changed table notes: comment what was said added",
        "dropped table notes (1 column)",
    ),
    _case(
        "partition",
        "bound",
        "added partition p1 on logs, bound 20, place 2",
        "changed partition p1 on logs: bound 20 to MAXVALUE",
        "dropped partition p1 on logs",
    ),
    _case(
        "column",
        "type",
        "added column orders.vat decimal(10,2) not null default 0.00",
        "changed column orders.vat decimal(10,2) to decimal(12,2); not null dropped; default 0.00 dropped",
        "dropped column orders.vat",
    ),
    _case(
        "column",
        "on_update",
        "added column orders.made timestamp null",
        "changed column orders.made: default current_timestamp added; on update current_timestamp added",
        "dropped column orders.made",
    ),
    _case(
        "column",
        "compression",
        "added column orders.packed text null",
        "changed column orders.packed: compression compressed added",
        "dropped column orders.packed",
        only="mariadb",
    ),
    _case(
        "column",
        "options",
        "added column orders.place point null",
        "changed column orders.place: options srid 4326 added",
        "dropped column orders.place",
        only="mysql",
    ),
    # its change is a column dropped and made again, so it is the last one
    _case(
        "column",
        "generated",
        "added column orders.twice decimal(10,2) null generated always as (`total` * 2) virtual",
        "changed column orders.twice: generated virtual to stored",
        "dropped column orders.twice",
    ),
    _case(
        "primary key",
        "columns",
        "added primary key PRIMARY on bare (a)",
        "changed primary key PRIMARY on bare: columns a to b, a",
        "dropped primary key PRIMARY on bare",
    ),
    _case(
        "foreign key",
        "on_delete",
        "added foreign key to_order on items (order_id) references orders (id)",
        "changed foreign key to_order on items: on delete no action to cascade",
        "dropped foreign key to_order on items",
    ),
    _case(
        "check constraint",
        "expression",
        "added check constraint some on items (`qty` > 0)",
        "changed check constraint some on items: expression `qty` > 0 to `qty` > 1",
        "dropped check constraint some on items",
    ),
    _case(
        "index",
        "unique",
        "added index one on orders (code), unique",
        "changed index one on orders: unique dropped",
        "dropped index one on orders",
    ),
    _case(
        "index",
        "columns",
        "added index start on orders (note(10))",
        "changed index start on orders: columns note(10) to note(20), code",
        "dropped index start on orders",
    ),
    _case(
        "index",
        "order",
        "added index down on orders (total)",
        "changed index down on orders: order desc added",
        "dropped index down on orders",
    ),
    _case(
        "index",
        "visible",
        "added index seen on orders (total)",
        "changed index seen on orders: now not visible",
        "dropped index seen on orders",
        only="mariadb",
    ),
    _case(
        "index",
        "visible",
        "added index seen on orders (total)",
        "changed index seen on orders: now not visible",
        "dropped index seen on orders",
        only="mysql",
    ),
    _case(
        "index",
        "expressions",
        "added index worth on orders (`total` * 2)",
        "changed index worth on orders: expressions `total` * 2 to `total` * 3",
        "dropped index worth on orders",
        only="mysql",
    ),
    # a trigger cannot be changed on MySQL
    _hand(
        replace(_COUNT, changed=f"{_COUNT.dropped};; {_COUNT.made.replace('a; b', 'c')}"),
        "added trigger count on orders before insert, for each row",
        "changed trigger count on orders: body changed",
        "dropped trigger count on orders",
    ),
    _case(
        "view",
        "columns",
        "added view big",
        "changed view big: columns what added; definition changed",
        "dropped view big",
    ),
    _case(
        "function",
        "comment",
        "added function vat, returns int, language sql, deterministic, security definer",
        "changed function vat: security definer to invoker; comment much added",
        "dropped function vat",
    ),
    _case(
        "procedure",
        "volatility",
        "added procedure clean, language sql, security definer",
        "changed procedure clean: volatility modifies sql data added",
        "dropped procedure clean",
    ),
    # where no beginning is said it is the time at which the event is made
    _hand(
        replace(
            _NIGHTLY,
            made=_NIGHTLY.made.replace(" DO ", " STARTS '2030-01-01' DO "),
            changed=_NIGHTLY.changed.replace(" DISABLE", " STARTS '2030-01-01' DISABLE"),
        ),
        "added event nightly, schedule every 1 day",
        "changed event nightly: schedule every 1 day to every 2 hour; status enabled to disabled",
        "dropped event nightly",
    ),
    _case(
        "sequence",
        "maximum",
        "added sequence numbers, start 5, cache 1000",
        "changed sequence numbers: maximum 9223372036854775806 to 99; cycle added",
        "dropped sequence numbers",
        only="mariadb",
    ),
    Hand(
        "package",
        f"{_ORACLE};; {_TAX};; {_AGAIN}",
        "added package tax",
        f"{_ORACLE};; {_TAX.replace('CREATE', 'CREATE OR REPLACE').replace('int', 'bigint')};; {_AGAIN}",
        "changed package tax: body changed",
        f"{_ORACLE};; DROP PACKAGE tax;; {_AGAIN}",
        "dropped package tax",
        only="mariadb",
    ),
    Hand(
        "package body",
        f"{_ORACLE};; {_BODY.format('', 1)};; {_AGAIN}",
        "added package body tax",
        f"{_ORACLE};; {_BODY.format('OR REPLACE ', 2)};; {_AGAIN}",
        "changed package body tax: body changed",
        f"{_ORACLE};; DROP PACKAGE BODY tax;; {_AGAIN}",
        "dropped package body tax",
        only="mariadb",
    ),
    Hand(
        "table",
        "",
        "",
        f"GRANT SELECT, INSERT ON orders TO {USER} WITH GRANT OPTION",
        f"granted insert with grant option, select with grant option on orders to {USER}",
        f"REVOKE ALL, GRANT OPTION FROM {USER}",
        "",
    ),
    Hand(
        "database",
        "",
        "",
        "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin",
        "changed database: charset utf8mb4 to latin1; collation utf8mb4_bin to latin1_bin",
        GROUND[-2],
        "",
    ),
)
