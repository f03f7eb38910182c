# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who blocks whom on MySQL and MariaDB: as far as the server tells it, and no further."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.core.blocking import Wait, obstacle_lines, obstacles_json, waiting
from tests.engines import my_connection, my_user
from tests.flows.test_blocking import until


@pytest.fixture
def shop(my_database: str) -> Iterator[MysqlDatabase]:
    with my_connection(my_database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id int PRIMARY KEY, n int) ENGINE=InnoDB")
        cursor.execute("INSERT INTO orders VALUES (1, 1)")
        connection.commit()
    database = MysqlDatabase(from_url(my_database), environment="dev")
    yield database
    database.close()


def blocked(url: str, shop: MysqlDatabase, hold: str, text: str) -> tuple[Wait, int]:
    """What is seen of a statement that waits for a transaction, and the number of that transaction's session."""

    def run(cursor: Any) -> None:
        cursor.execute(text)

    with my_connection(url) as one, my_connection(url) as two, one.cursor() as holder, two.cursor() as waiter:
        holder.execute("START TRANSACTION")
        holder.execute(hold)
        thread = threading.Thread(target=run, args=(waiter,))
        thread.start()
        seen: list[Wait] = []

        def waits() -> bool:
            found = shop.blockers(two.thread_id())
            seen.extend([found] if found and found.holders else [])
            return bool(seen)

        # InnoDB's tables are made anew only where nobody asked for a tenth of a second
        until(waits, "it waits", every=0.15)
        one.rollback()
        thread.join()
        until(lambda: shop.blockers(two.thread_id()) is None, "it goes on", every=0.15)
        two.rollback()
        return seen[0], one.thread_id()


def _mariadb(shop: MysqlDatabase) -> bool:
    return shop.facts()["product"] == "MariaDB"


@pytest.mark.parametrize("text", ["ALTER TABLE orders ADD m int", "CREATE INDEX i ON `orders` (n)"])
def test_a_metadata_lock(my_database: str, shop: MysqlDatabase, text: str) -> None:
    found, pid = blocked(my_database, shop, "SELECT * FROM orders", text)
    assert (found.relation, found.kind, [one.pid for one in found.holders]) == ("orders", "table", [pid])
    # MariaDB does not tell, so it is not claimed
    assert found.certain is not _mariadb(shop)
    verb = "may be" if _mariadb(shop) else "is"
    assert waiting(found, found.holders[0], 2, 2.0).startswith(f"orders {verb} held by pid {pid} (")
    assert found.holders[0].state == "idle in transaction"


def test_a_row(my_database: str, shop: MysqlDatabase) -> None:
    found, pid = blocked(my_database, shop, "UPDATE orders SET n = 2", "UPDATE orders SET n = 3")
    assert (found.relation, found.kind, [one.pid for one in found.holders]) == ("orders", "row", [pid])
    assert found.certain


def test_old_transactions(my_database: str, shop: MysqlDatabase) -> None:
    assert shop.obstacles(60.0).holders == ()
    with my_connection(my_database) as one, one.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT * FROM orders")
        assert shop.obstacles(60.0).holders == ()
        until(lambda: shop.obstacles(1.0).holders, "it is old", every=0.15)
        found = shop.obstacles(1.0)
        pid = one.thread_id()
        one.rollback()
    ours = [one for one in found.holders if one.pid == pid]
    assert len(ours) == 1
    assert ours[0].relations == (() if _mariadb(shop) else ("orders",))
    said = "has a transaction open" if _mariadb(shop) else "holds locks on orders"
    assert any(f"note pid {pid} (" in line and said in line for line in obstacle_lines(found))


def test_without_the_right_to_look(my_database: str, shop: MysqlDatabase) -> None:
    """Rights on the one database are enough: who is in the way is then not known, and that is said."""
    with my_user(my_database) as url:
        plain = MysqlDatabase(from_url(url), environment="dev")
        try:
            found = plain.obstacles(0.0)
            assert obstacle_lines(found) == [
                "note whose transactions are open is not known: the user lacks the right PROCESS"
            ]
            assert obstacles_json(found)["holders"] is None
            with (
                my_connection(my_database) as one,
                my_connection(url) as two,
                one.cursor() as holder,
                two.cursor() as waiter,
            ):
                holder.execute("START TRANSACTION")
                holder.execute("SELECT * FROM orders")
                thread = threading.Thread(target=waiter.execute, args=("ALTER TABLE orders ADD m int",))
                thread.start()
                until(lambda: plain.blockers(two.thread_id()), "it waits")
                wait = plain.blockers(two.thread_id())
                one.rollback()
                thread.join()
            assert wait is not None
            assert (wait.relation, wait.holders) == ("orders", ())
            assert waiting(wait, None, 1, 2.0).startswith("orders: who holds it is not known")
            assert plain.blockers(0) is None
        finally:
            plain.close()
