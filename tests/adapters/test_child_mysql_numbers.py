# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers that AUTO_INCREMENT draws, on MySQL or MariaDB: what a run that was cut off used up comes again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hgaurora.core.errors import MigrationFailed
from tests.adapters.migrating import Bench, bench, chain
from tests.adapters.test_child_mysql_journal import finish, fresh, killed, points, seen
from tests.engines import my_user

ROLES = "CREATE TABLE roles (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) UNIQUE, adm int)"

#: each change of data counts on the numbers before it
COUNTS = f"""
op.execute("{ROLES}")
op.execute("CREATE TABLE seen (id int AUTO_INCREMENT PRIMARY KEY, role int)")
op.execute("CREATE TRIGGER t AFTER INSERT ON roles FOR EACH ROW INSERT INTO seen (role) VALUES (NEW.id)")
op.execute("CREATE VIEW names AS SELECT name FROM roles")
op.execute("INSERT INTO names VALUES ('admin')")
op.execute("UPDATE roles SET adm = 1 WHERE id = 1")
try:
    op.execute("INSERT INTO roles (name) VALUES ('admin')")
except sa.exc.IntegrityError:
    op.execute("SELECT 'it is there'")
op.execute("INSERT INTO roles (name) SELECT CONCAT('r', n) FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) x")
op.execute("UPDATE roles SET adm = 3 WHERE id = 3")
op.execute("ALTER TABLE roles ADD KEY (adm)")
op.execute("DELETE FROM roles WHERE id = 5")
op.bulk_insert(sa.table("roles", sa.column("name")), [{{"name": "x"}}, {{"name": "y"}}])
op.execute("UPDATE roles SET adm = 7 WHERE id IN (6, 10)")
"""
#: one INSERT, and what counts on it
ONE = "op.execute(\"INSERT INTO roles (name) VALUES ('ours')\")\nop.execute('UPDATE roles SET adm = 1 WHERE id = 2')"


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    fresh(made)
    yield made
    made.database.close()


@pytest.mark.parametrize("sample", [12, pytest.param(0, marks=pytest.mark.whole)])
def test_killed_anywhere_every_number_is_as_undisturbed(dev: Bench, sample: int) -> None:
    """A seeded sample of the points, all of them with ``--whole``."""
    scripts = chain(COUNTS)
    count = len(points(dev, scripts))
    wanted = seen(dev)
    assert dev.query("SELECT id, adm FROM roles WHERE id < 5 ORDER BY id") == [(1, 1), (3, 3), (4, None)]
    for point in sorted(random.Random(3).sample(range(count), sample)) if sample else range(count):
        fresh(dev)
        killed(dev, scripts, point)
        finish(dev, scripts)
        assert seen(dev) == wanted, f"point {point} of {count}"


def cut_off(dev: Bench) -> None:
    """A run of ONE, killed with its number drawn and not committed."""
    table(dev)
    scripts = chain(ONE)
    at = points(dev, scripts).index("after INSERT INTO roles (name) VALUES ('ours')")
    assert dev.query("SELECT id, name, adm FROM roles ORDER BY id") == [(1, "theirs", None), (2, "ours", 1)]
    fresh(dev)
    table(dev)
    killed(dev, scripts, at)


def table(dev: Bench) -> None:
    dev.query(ROLES)
    dev.query("INSERT INTO roles (name) VALUES ('theirs')")


def test_nothing_stands_of_a_step_of_which_only_a_counter_is_noted(dev: Bench) -> None:
    cut_off(dev)
    assert dev.query("SELECT state, `sql` FROM hgaurora_statement") == [
        ("noted", f"AUTO_INCREMENT of `{dev.connection.parameters['dbname']}`.`roles`")
    ]
    assert dev.database.state().half == {}
    dev.deploy(chain("op.execute(\"INSERT INTO roles (name) VALUES ('mended')\")"))
    assert dev.query("SELECT id, name FROM roles ORDER BY id") == [(1, "theirs"), (2, "mended")]


def test_a_failed_run_uses_no_number_up(dev: Bench) -> None:
    table(dev)
    body = 'op.execute("INSERT INTO roles (name) SELECT name FROM gate")\n' + ONE
    dev.query("CREATE TABLE gate (name varchar(20))")
    dev.query("INSERT INTO gate VALUES ('a'), ('theirs')")
    for _ in range(3):
        with pytest.raises(MigrationFailed, match="Duplicate entry"):
            dev.deploy(chain(body))
    dev.query("DELETE FROM gate WHERE name = 'theirs'")
    dev.deploy(chain(body))
    assert dev.query("SELECT id, name, adm FROM roles ORDER BY id") == [
        (1, "theirs", None),
        (2, "a", 1),
        (3, "ours", None),
    ]


def test_a_number_is_not_given_back_where_others_have_inserted(dev: Bench) -> None:
    cut_off(dev)
    dev.query("INSERT INTO roles (name) VALUES ('other')")
    finish(dev, chain(ONE))
    assert dev.query("SELECT id, name FROM roles ORDER BY id") == [(1, "theirs"), (3, "other"), (4, "ours")]


def test_a_number_that_others_drew_and_deleted_is_not_drawn_again(dev: Bench) -> None:
    cut_off(dev)
    dev.query("INSERT INTO roles (name) VALUES ('other')")
    dev.query("DELETE FROM roles WHERE id = 3")
    finish(dev, chain(ONE))
    assert dev.query("SELECT id, name FROM roles ORDER BY id") == [(1, "theirs"), (4, "ours")]
    dev.query("INSERT INTO roles (name) VALUES ('later')")
    assert dev.query("SELECT MAX(id) FROM roles") == [(5,)]


def loose(dev: Bench) -> None:
    """A table whose last row was deleted, as in a queue; its next number is 3."""
    table(dev)
    dev.query("INSERT INTO roles (name) VALUES ('gone')")
    dev.query("DELETE FROM roles WHERE name = 'gone'")


@pytest.mark.parametrize(
    ("others", "number"),
    [
        ((), 3),
        (("INSERT INTO roles (name) VALUES ('other')", "DELETE FROM roles WHERE name = 'other'"), 5),
        (("INSERT INTO roles (name) VALUES ('other')",), 5),
    ],
)
def test_of_a_table_with_a_gap_at_its_end_only_as_many_as_are_drawn_come_again(
    dev: Bench, others: tuple[str, ...], number: int
) -> None:
    scripts = chain(ONE)
    loose(dev)
    at = points(dev, scripts).index("after INSERT INTO roles (name) VALUES ('ours')")
    fresh(dev)
    loose(dev)
    killed(dev, scripts, at)
    for one in others:
        dev.query(one)
    finish(dev, scripts)
    assert dev.query("SELECT id FROM roles WHERE name = 'ours'") == [(number,)]


def test_what_a_failed_run_used_up_of_a_table_with_a_gap_comes_again(dev: Bench) -> None:
    loose(dev)
    with pytest.raises(MigrationFailed, match="Duplicate entry"):
        dev.deploy(chain("op.execute(\"INSERT INTO roles (name) VALUES ('a'), ('theirs')\")"))
    dev.deploy(chain(ONE))
    assert dev.query("SELECT id, name FROM roles ORDER BY id") == [(1, "theirs"), (3, "ours")]


def test_of_a_table_with_a_gap_less_than_what_was_lost_may_be_somebody_elses(dev: Bench) -> None:
    """Killed before it drew: what is drawn by then, and deleted, are others' numbers."""
    loose(dev)
    scripts = chain("op.execute(\"INSERT INTO roles (name) VALUES ('a'), ('b')\")")
    at = points(dev, scripts).index("before INSERT INTO roles (name) VALUES ('a'), ('b')")
    fresh(dev)
    loose(dev)
    killed(dev, scripts, at)
    dev.query("INSERT INTO roles (name) VALUES ('other')")
    dev.query("DELETE FROM roles WHERE name = 'other'")
    finish(dev, scripts)
    assert dev.query("SELECT id FROM roles ORDER BY id") == [(1,), (4,), (5,)]


def test_a_table_that_begins_at_a_number_of_its_own(dev: Bench) -> None:
    body = """
op.execute("CREATE TABLE seats (id int AUTO_INCREMENT PRIMARY KEY, n int) AUTO_INCREMENT = 1000")
op.execute("INSERT INTO seats (n) SELECT 1 FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) x")
op.execute("UPDATE seats SET n = 2 WHERE id = 1002")
op.execute("ALTER TABLE seats AUTO_INCREMENT = 2000")
op.execute("INSERT INTO seats (n) VALUES (5)")
op.execute("UPDATE seats SET n = 6 WHERE id = 2000")
"""
    scripts = chain(body)
    told = points(dev, scripts)
    wanted = seen(dev)
    assert dev.query("SELECT id, n FROM seats ORDER BY id") == [(1000, 1), (1001, 1), (1002, 2), (2000, 6)]
    for point in [at for at, one in enumerate(told) if "INTO seats" in one or one == "before COMMIT"]:
        fresh(dev)
        killed(dev, scripts, point)
        finish(dev, scripts)
        assert seen(dev) == wanted, told[point]


def test_a_table_that_may_be_inserted_into_and_not_be_looked_at(dev: Bench) -> None:
    with my_user(dev.url) as url:
        user = urlsplit(url).username
        name = f"{dev.connection.parameters['dbname']}_x"
        dev.query(f"CREATE DATABASE `{name}`")
        dev.query(f"CREATE TABLE `{name}`.log (id int AUTO_INCREMENT PRIMARY KEY, n int)")
        dev.query(f"GRANT INSERT ON `{name}`.log TO '{user}'@'%'")
        poor = bench(url)
        try:
            poor.deploy(chain(f'op.execute("INSERT INTO `{name}`.log (n) VALUES (1), (2)")'))
            assert dev.query(f"SELECT id FROM `{name}`.log") == [(1,), (2,)]
        finally:
            poor.database.close()
            dev.query(f"DROP DATABASE `{name}`")


@pytest.mark.parametrize("nobody", [True, False])
def test_where_nothing_tells_who_drew_a_person_is_asked_once(dev: Bench, nobody: bool) -> None:
    """An INSERT ... SELECT may have been killed in its midst: then fewer were lost than it draws."""
    insert = "INSERT INTO roles (name) SELECT CONCAT('m', n) FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) x"
    table(dev)
    scripts = chain(f'op.execute("{insert}")')
    at = points(dev, scripts).index(f"before {insert}")
    fresh(dev)
    table(dev)
    killed(dev, scripts, at)
    dev.query("INSERT INTO roles (name) VALUES ('app')")
    dev.query("DELETE FROM roles WHERE name = 'app'")
    with pytest.raises(MigrationFailed, match=r"or somebody else, drew the numbers 2 to 2 of .*roles") as caught:
        finish(dev, scripts)
    assert dev.query("SELECT id FROM roles") == [(1,)]
    assert "AUTO_INCREMENT=3" in dev.query("SHOW CREATE TABLE roles")[0][1]
    if nobody:
        dev.query("ALTER" + (caught.value.hint or "").split("ALTER")[1].split(";")[0])
    finish(dev, scripts)
    first = 2 if nobody else 3
    assert [row[0] for row in dev.query("SELECT id FROM roles ORDER BY id")] == [1, first, first + 1, first + 2]
