# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Repeatable files from the changeset to the database and back."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from hgaurora.core.errors import InputError, MigrationFailed, StateError
from tests.world import Repo, call, dump, migration, query, settings, sql

TABLE = migration("0001", None, sql("CREATE TABLE orders (id int, net int, vat int)"), sql("DROP TABLE orders"))
GROSS = "CREATE OR REPLACE VIEW gross AS SELECT id, net + vat AS gross FROM orders;\n"
CHEAP = "CREATE OR REPLACE VIEW gross AS SELECT id, net + 2 * vat AS gross FROM orders;\n"
COUNT = """-- how many, with a ; in it and 100%
CREATE OR REPLACE FUNCTION how_many() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM gross; $$;
GRANT EXECUTE ON FUNCTION how_many() TO pg_monitor;
"""
#: for MySQL and MariaDB: what has a body with semicolons, and rights
PROCEDURE = """-- both, with a ; in it and 100%
DROP PROCEDURE IF EXISTS fill;
CREATE PROCEDURE fill(IN many int)
BEGIN
    DECLARE done int DEFAULT 0;
    WHILE done < many DO
        IF done < 2 THEN
            INSERT INTO orders VALUES (done, 10, 1);
        END IF;
        SET done = done + 1;
    END WHILE;
END;
DROP TRIGGER IF EXISTS whole;
CREATE TRIGGER whole BEFORE INSERT ON orders FOR EACH ROW
BEGIN
    SET NEW.net = COALESCE(NEW.net, 0);
    SET NEW.vat = NEW.net / 5;
END;
GRANT SELECT ON gross TO {account};
"""


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


def _r(name: str) -> str:
    return f"migrations/repeatable/{name}.sql"


@pytest.fixture(params=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A fresh database on each engine."""
    found: str = request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database")
    return found


@pytest.fixture
def shop(repo: Repo, url: str) -> Repo:
    """A repository whose environment ``dev`` is that database."""
    repo.commit({"hgaurora.toml": settings({"dev": url})}, "settings")
    return repo


def gross(url: str) -> str | None:
    """The view's definition, or None where it is not there."""
    if url.startswith("mysql"):
        text = "SELECT REPLACE(view_definition, database(), '') FROM information_schema.views"
        text += " WHERE table_schema = database()"
        rows = query(url, text + " AND table_name = 'gross'")
        return str(rows[0][0]) if rows else None
    rows = query(url, "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relname = 'gross'")
    return str(rows[0][0]) if rows else None


def lines(said: list[str], verb: str) -> list[str]:
    return [line.split()[2] for line in said if f" {verb} " in line and "/" in line.split()[0]]


def test_they_run_after_the_migrations_again_when_they_change_and_go_back(shop: Repo, url: str) -> None:
    count = "CREATE FUNCTION how_many() RETURNS int READS SQL DATA RETURN 0;\n" if url.startswith("mysql") else COUNT
    first = shop.commit({_v("0001_orders"): TABLE, _r("a_gross"): GROSS, _r("b_count"): count}, "orders")
    said = call(shop, "deploy", env="dev", verbose=True)
    assert lines(said.out, "repeat") == ["a_gross.sql", "b_count.sql"]
    assert query(url, "SELECT how_many()") == [(0,)]
    assert call(shop, "deploy", env="dev").out == [f"dev is at {first[:12]} (default): nothing to do"]

    same = shop.commit({"readme": "x"}, "no migration")
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == []
    changed = shop.commit({_r("a_gross"): CHEAP}, "vat doubled")
    assert "1: a_gross.sql" in "\n".join(call(shop, "status", env="dev").out)
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == ["a_gross.sql"]
    assert "2" in (gross(url) or "")
    assert {same, changed}.isdisjoint({first})

    back = call(shop, "revert", env="dev", json=True).json()[0]
    assert (back["node"], [one["verb"] for one in back["steps"] if one["verb"] != "snapshot"]) == (same, ["repeat"])
    assert "2" not in (gross(url) or "")
    assert lines(call(shop, "revert", env="dev", to="dev-1").out, "repeat") == []
    call(shop, "revert", env="dev")
    assert gross(url) is None
    assert "CREATE" not in dump(url)


def test_bodies_with_semicolons_triggers_and_grants(repo: Repo, my_database: str) -> None:
    name = urlsplit(my_database).path[1:]
    account = f"'r_{name[-8:]}'@'localhost'"
    repo.commit({"hgaurora.toml": settings({"dev": my_database})}, "settings")
    files = {_v("0001_orders"): TABLE, _r("a_gross"): GROSS, _r("b_fill"): PROCEDURE.format(account=account)}
    repo.commit(files, "orders")
    query(my_database, f"CREATE USER {account}")
    try:
        assert lines(call(repo, "deploy", env="dev").out, "repeat") == ["a_gross.sql", "b_fill.sql"]
        query(my_database, "CALL fill(3)")
        assert query(my_database, "SELECT id, gross FROM gross ORDER BY id") == [(0, 12), (1, 12)]
        assert _rights(my_database) == [("SELECT",)]
        assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False
        wider = files[_r("b_fill")].replace("done < 2", "done < 1").replace("GRANT SELECT", "GRANT SELECT, DELETE")
        repo.commit({_r("b_fill"): wider}, "one alone, and who deletes")
        assert lines(call(repo, "deploy", env="dev").out, "repeat") == ["b_fill.sql"]
        assert _rights(my_database) == [("DELETE",), ("SELECT",)]
        repo.commit({_r("b_fill"): None}, "gone")
        assert lines(call(repo, "deploy", env="dev").out, "undo") == ["b_fill.sql"]
        assert (_rights(my_database), _programs(my_database)) == ([], [])
        call(repo, "revert", env="dev")
        assert _programs(my_database) == [("fill",), ("whole",)]
        assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False
        # the older text runs; a right that it does not name is not taken away, which is said
        said = call(repo, "revert", env="dev", to="dev-1").err
        assert any("schema is not the one recorded before dev-2: 1 change" in line for line in said)
    finally:
        query(my_database, f"DROP USER {account}")


def _rights(url: str) -> list[tuple[str, ...]]:
    """What is granted on the view."""
    text = "SELECT privilege_type FROM information_schema.table_privileges WHERE table_schema = database()"
    return query(url, text + " AND table_name = 'gross' ORDER BY 1")


def _programs(url: str) -> list[tuple[str, ...]]:
    """Procedures, and triggers."""
    return query(
        url,
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database() UNION ALL"
        " SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database()",
    )


def test_one_that_is_removed_is_taken_back_before_what_it_stands_on(shop: Repo, url: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("gross"): GROSS}, "orders")
    call(shop, "deploy", env="dev")
    more = migration("0002", "0001", sql("ALTER TABLE orders DROP vat"), sql("ALTER TABLE orders ADD vat int"))
    shop.commit({_v("0002_flat"): more, _r("gross"): None}, "no vat")
    said = call(shop, "deploy", env="dev").out
    assert lines(said, "undo") == ["gross.sql"]
    assert gross(url) is None
    call(shop, "revert", env="dev")
    assert gross(url) is not None


def test_a_failing_one_is_mended_and_the_next_run_goes_on(shop: Repo, url: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("gross"): GROSS}, "orders")
    call(shop, "deploy", env="dev")
    shop.commit({_r("gross"): "DROP VIEW gross;\nCREATE VIEW gross AS SELECT nothing FROM orders;\n"}, "broken")
    with pytest.raises(MigrationFailed, match="gross") as caught:
        call(shop, "deploy", env="dev")
    assert "nothing" in caught.value.message
    assert (gross(url) is None) == url.startswith("mysql")  # where a DROP stands at once
    # what was done stays done, so the mended file begins as the broken one did
    mended = CHEAP.replace("CREATE OR REPLACE", "DROP VIEW gross;\nCREATE") if url.startswith("mysql") else CHEAP
    shop.commit({_r("gross"): mended}, "mended")
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == ["gross.sql"]
    assert "2" in (gross(url) or "")
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False


def test_transaction_control_and_bad_files_are_refused(repo: Repo, pg_database: str) -> None:
    shop = repo
    shop.write({"hgaurora.toml": settings({"dev": pg_database})})
    shop.commit({_v("0001_orders"): TABLE, _r("x"): "CREATE VIEW x AS SELECT 1; COMMIT;"}, "commits")
    with pytest.raises(MigrationFailed, match="COMMIT"):
        call(shop, "deploy", env="dev")
    assert "VIEW" not in dump(pg_database)
    shop.commit({_r("x"): b"\xff"}, "no text")
    with pytest.raises(InputError) as caught:
        call(shop, "deploy", env="dev")
    assert caught.value.message == "migrations/repeatable/x.sql:1: this is not UTF-8"


def test_what_nothing_takes_back_is_said_before_anything_runs(shop: Repo, url: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("x"): "INSERT INTO orders VALUES (1, 2, 3);"}, "data")
    call(shop, "deploy", env="dev")
    with pytest.raises(StateError, match=r"repeatable/x\.sql would have to be taken back, and nothing says how"):
        call(shop, "revert", env="dev")
    assert query(url, "SELECT count(*) FROM orders") == [(1,)]


#: in place of a view that a migration made, with a column more; and another one
WIDER = """CREATE OR REPLACE VIEW gross AS SELECT id, net + vat AS gross, net FROM orders;
CREATE VIEW more AS SELECT 1 AS n;
"""


def test_a_view_that_a_file_replaced_comes_back(shop: Repo, url: str) -> None:
    """Also where it has to be dropped first: PostgreSQL takes no column away from one."""
    made = "CREATE VIEW gross (id, gross) AS SELECT id, net + vat FROM orders WHERE net > 1"
    table = migration("0001", None, f"{sql('CREATE TABLE orders (id int, net int, vat int)')}\n{sql(made)}")
    shop.commit({_v("0001_orders"): table}, "orders and gross")
    call(shop, "deploy", env="dev")
    before = gross(url)
    shop.commit({_r("gross"): WIDER}, "wider")
    call(shop, "deploy", env="dev")
    assert gross(url) != before
    said = call(shop, "revert", env="dev", dry_run=True).out
    assert any("CREATE OR REPLACE" in line and "gross" in line for line in said)
    assert ("  DROP VIEW IF EXISTS gross" in said) == (not url.startswith("mysql"))
    call(shop, "revert", env="dev")
    assert gross(url) == before
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False
    if not url.startswith("mysql"):
        assert "VIEW public.more" not in dump(url)


def test_a_routine_that_a_file_replaced_is_not_dropped(shop: Repo, url: str) -> None:
    body = (
        "RETURNS int READS SQL DATA RETURN {}" if url.startswith("mysql") else "RETURNS int LANGUAGE sql AS 'SELECT {}'"
    )
    one, two = (f"CREATE FUNCTION how_many() {body.format(number)}" for number in (1, 2))
    shop.commit({_v("0001_f"): migration("0001", None, f"op.execute({one!r})")}, "a function")
    call(shop, "deploy", env="dev")
    shop.commit({_r("f"): f"DROP FUNCTION IF EXISTS how_many;\n{two};\n"}, "in a file from now on")
    call(shop, "deploy", env="dev")
    with pytest.raises(StateError, match=r"repeatable/f\.sql replaced what was there before it") as caught:
        call(shop, "revert", env="dev")
    assert "restore" in str(caught.value.hint)
    assert query(url, "SELECT how_many()") == [(2,)]
    shop.commit({_r("f"): f"DROP FUNCTION IF EXISTS how_many;\n{two};\n-- down\nDROP FUNCTION how_many;\n"}, "a way")
    call(shop, "deploy", env="dev")
    call(shop, "revert", env="dev", to="dev-1")
    here = "database()" if url.startswith("mysql") else "current_schema()"
    found = query(url, f"SELECT routine_name FROM information_schema.routines WHERE routine_schema = {here}")
    assert ("how_many",) not in found


def test_an_earlier_text_comes_back_where_it_cannot_replace_the_later(repo: Repo, pg_database: str) -> None:
    repo.write({"hgaurora.toml": settings({"dev": pg_database})})
    wider = GROSS.replace(" FROM", ", net FROM")
    repo.commit({_v("0001_orders"): TABLE, _r("gross"): GROSS}, "gross")
    call(repo, "deploy", env="dev")
    repo.commit({_r("gross"): wider}, "wider")
    call(repo, "deploy", env="dev")
    call(repo, "revert", env="dev")
    assert query(pg_database, "SELECT * FROM gross") == []
    assert "net FROM" not in (gross(pg_database) or "")
    assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False

    call(repo, "deploy", env="dev")
    repo.commit({_r("gross"): GROSS}, "back by a deploy")
    with pytest.raises(MigrationFailed, match="cannot drop columns from view") as caught:
        call(repo, "deploy", env="dev")
    assert caught.value.hint == "PostgreSQL does not change it into this in place: DROP it first"
    query(pg_database, "CREATE VIEW on_it AS SELECT * FROM gross")
    repo.commit({_r("gross"): f"DROP VIEW gross;\n{GROSS}"}, "dropped first")
    with pytest.raises(MigrationFailed, match="other objects depend on it") as caught:
        call(repo, "deploy", env="dev", accept_drift=True)
    assert caught.value.hint == "view on_it depends on view gross"
    repo.commit({_r("gross"): f"-- what is\n\n{wider}SELECT nothing FROM orders;\n"}, "wrong")
    with pytest.raises(MigrationFailed, match=r"gross\.sql \(repeatable/gross\.sql, line 4\): column .nothing. does"):
        call(repo, "deploy", env="dev")


def test_a_view_comes_back_with_its_name_and_options(repo: Repo, pg_database: str) -> None:
    repo.write({"hgaurora.toml": settings({"dev": pg_database})})
    made = (
        'CREATE VIEW "Net ""of"" 5%" WITH (security_barrier = true) AS SELECT id AS "Id", net FROM orders'
        " WHERE net <> 5 WITH LOCAL CHECK OPTION"
    )
    table = migration("0001", None, f"{sql('CREATE TABLE orders (id int, net int)')}\n{sql(made)}")
    repo.commit({_v("0001_orders"): table}, "orders and a view")
    call(repo, "deploy", env="dev")
    before = dump(pg_database)
    repo.commit({_r("net"): 'CREATE OR REPLACE VIEW "Net ""of"" 5%" AS SELECT id AS "Id", net FROM orders;'}, "plain")
    call(repo, "deploy", env="dev")
    assert dump(pg_database) != before
    call(repo, "revert", env="dev")
    assert dump(pg_database) == before


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n/* two\nlines */ SELECT nothing FROM orders;", 3),
        ("SELECT 1;\n\nSELECT 2 FROM orders\nWHERE id == 2;\nSELECT 3;", 4),
        ("CREATE PROCEDURE fill()\nBEGIN\n  SELECT 1;\n  SELECT 2 FROM FROM orders;\nEND;", 4),
        ("SELECT 'a\nb';\nDROP VIEW nowhere", 3),
    ],
)
def test_a_file_of_mysql_names_its_line(repo: Repo, my_database: str, text: str, line: int) -> None:
    """The one that the server names in the statement, else where the statement begins."""
    repo.write({"hgaurora.toml": settings({"dev": my_database})})
    repo.commit({_v("0001_orders"): TABLE, _r("gross"): text}, "wrong")
    with pytest.raises(MigrationFailed, match=rf"gross\.sql \(repeatable/gross\.sql, line {line}\): "):
        call(repo, "deploy", env="dev")


def test_a_view_of_mysql_comes_back_with_its_options(repo: Repo, my_database: str) -> None:
    repo.write({"hgaurora.toml": settings({"dev": my_database})})
    made = (
        "CREATE SQL SECURITY INVOKER VIEW `Net of 5%` AS SELECT id AS `Id`, net FROM orders"
        " WHERE net <> 5 WITH LOCAL CHECK OPTION"
    )
    table = migration("0001", None, f"{sql('CREATE TABLE orders (id int, net int)')}\n{sql(made)}")
    repo.commit({_v("0001_orders"): table}, "orders and a view")
    call(repo, "deploy", env="dev")
    before = query(my_database, "SHOW CREATE VIEW `Net of 5%`")
    repo.commit({_r("net"): "CREATE OR REPLACE VIEW `Net of 5%` AS SELECT id AS `Id`, net FROM orders;"}, "plain")
    call(repo, "deploy", env="dev")
    assert query(my_database, "SHOW CREATE VIEW `Net of 5%`") != before
    call(repo, "revert", env="dev")
    assert query(my_database, "SHOW CREATE VIEW `Net of 5%`") == before


def test_a_trigger_that_a_file_replaced_is_not_dropped(shop: Repo, url: str) -> None:
    mysql = url.startswith("mysql")
    table = [sql("CREATE TABLE orders (id int, net int)")]
    if not mysql:
        table.append(sql("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"))
    does = "SET NEW.net = {}" if mysql else "EXECUTE FUNCTION f()"
    made = f"CREATE TRIGGER seen BEFORE INSERT ON orders FOR EACH ROW {does.format(1)}"
    other = made.replace("BEFORE INSERT", "BEFORE UPDATE")
    shop.commit({_v("0001_o"): migration("0001", None, "\n".join([*table, sql(made)]))}, "a trigger")
    call(shop, "deploy", env="dev")
    drop = "DROP TRIGGER IF EXISTS seen" + ("" if mysql else " ON orders")
    shop.commit({_r("seen"): f"{drop};\n{other};\n"}, "in a file from now on")
    call(shop, "deploy", env="dev")
    for dry in (True, False):
        with pytest.raises(StateError, match=r"repeatable/seen\.sql replaced what was there before it"):
            call(shop, "revert", env="dev", dry_run=dry)
    shop.commit({_r("new"): f"{other.replace('seen', 'later')};\n"}, "one that was not there")
    call(shop, "deploy", env="dev")
    call(shop, "revert", env="dev")
    here = "database()" if url.startswith("mysql") else "current_schema()"
    names = query(url, f"SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = {here}")
    assert names == [("seen",)]


def test_a_materialized_view_that_a_file_replaced_is_not_dropped(repo: Repo, pg_database: str) -> None:
    repo.write({"hgaurora.toml": settings({"dev": pg_database})})
    made = "CREATE MATERIALIZED VIEW sums AS SELECT {} AS n"
    repo.commit({_v("0001_s"): migration("0001", None, sql(made.format(1)))}, "a view")
    call(repo, "deploy", env="dev")
    repo.commit({_r("sums"): f"DROP MATERIALIZED VIEW IF EXISTS sums;\n{made.format(2)};\n"}, "in a file")
    call(repo, "deploy", env="dev")
    with pytest.raises(StateError, match=r"repeatable/sums\.sql replaced what was there before it"):
        call(repo, "revert", env="dev")
    assert query(pg_database, "SELECT n FROM sums") == [(2,)]


VAT = "CREATE OR REPLACE FUNCTION vat({}) RETURNS numeric LANGUAGE sql AS 'SELECT n / 5';\n"


def _functions(url: str) -> list[str]:
    text = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    return [str(name) for (name,) in query(url, text)]


def test_what_a_run_added_goes_with_it(repo: Repo, pg_database: str) -> None:
    """Also where what stood before is replaced, and others use what was added until they are replaced themselves."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001_orders"): TABLE}, "orders")
    files = {_r("a_vat"): VAT.format("n numeric"), _r("b_gross"): GROSS, _r("c_vat"): VAT.format("n int")}
    repo.commit(files, "vat")
    call(repo, "deploy", env="dev")
    two = VAT.format("n numeric, rate numeric DEFAULT 0.2")
    more = f"{two}CREATE VIEW later AS SELECT vat(net, 2) AS vat FROM orders;\n"
    uses = GROSS.replace("net + vat", "vat(net, 2)::int")
    repo.commit({_r("a_vat"): more, _r("b_gross"): uses}, "any rate")
    call(repo, "deploy", env="dev")
    assert _functions(pg_database) == ["vat(integer)", "vat(numeric)", "vat(numeric,numeric)"]
    said = call(repo, "revert", env="dev", dry_run=True).out
    at = said.index("b_gross.sql ends with")
    assert said[at + 1 : at + 3] == [
        '  DROP VIEW IF EXISTS "public"."later"',
        '  DROP FUNCTION IF EXISTS "public"."vat"(numeric, numeric)',
    ]
    done = call(repo, "revert", env="dev")
    assert any("schema is the one recorded before dev-2" in line for line in done.out)
    assert _functions(pg_database) == ["vat(integer)", "vat(numeric)"]
    assert query(pg_database, "SELECT vat(5.0) = 1") == [(True,)]


def test_what_a_run_added_goes_with_it_on_mysql(repo: Repo, my_database: str) -> None:
    """Behind a text that ends in a comment."""
    repo.commit({"hgaurora.toml": settings({"dev": my_database}), _v("0001_orders"): TABLE}, "orders")
    repo.commit({_r("gross"): f"{GROSS}-- no more"}, "gross")
    call(repo, "deploy", env="dev")
    body = PROCEDURE.replace("GRANT SELECT ON gross TO {account};\n", "")
    repo.commit({_r("gross"): f"{CHEAP}{body}CREATE VIEW more AS SELECT 1 AS n;\n"}, "more")
    call(repo, "deploy", env="dev")
    assert _programs(my_database) == [("fill",), ("whole",)]
    done = call(repo, "revert", env="dev")
    assert any("schema is the one recorded before dev-2" in line for line in done.out)
    assert _programs(my_database) == []


def test_what_an_undone_file_had_dropped_is_made_by_it_again(shop: Repo, url: str) -> None:
    """A file under another name, and back."""
    function = COUNT if not url.startswith("mysql") else "CREATE FUNCTION how_many() RETURNS int NO SQL RETURN 0;\n"
    shop.commit({_v("0001_orders"): TABLE, _r("0_gross"): GROSS, _r("10_fn"): function}, "a function")
    call(shop, "deploy", env="dev")
    shop.commit({_r("10_fn"): None, _r("11_fn"): function}, "renamed")
    assert lines(call(shop, "deploy", env="dev").out, "undo") == ["10_fn.sql"]
    done = call(shop, "revert", env="dev")
    assert (lines(done.out, "undo"), lines(done.out, "repeat")) == (["11_fn.sql"], ["10_fn.sql"])
    assert any("schema is the one recorded before dev-2" in line for line in done.out)
    assert query(url, "SELECT how_many()") == [(0,)]


def test_an_object_that_moved_to_another_file_moves_back(repo: Repo, pg_database: str) -> None:
    """In place: what others use cannot be dropped."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001_orders"): TABLE}, "orders")
    view = "CREATE OR REPLACE VIEW taxed AS SELECT vat(net) AS vat FROM orders;\n"
    repo.commit({_r("a"): f"{VAT.format('n numeric')}{GROSS}", _r("c"): view}, "both")
    call(repo, "deploy", env="dev")
    repo.commit({_r("a"): GROSS, _r("b"): VAT.format("n numeric").replace("5", "10")}, "a file each")
    call(repo, "deploy", env="dev")
    assert query(pg_database, "SELECT vat(10.0) = 1") == [(True,)]
    done = call(repo, "revert", env="dev")
    assert any("schema is the one recorded before dev-2" in line for line in done.out)
    assert query(pg_database, "SELECT vat(10.0) = 2") == [(True,)]


def test_what_a_migration_drops_under_a_file_is_said(shop: Repo, url: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("gross"): f"{GROSS}-- down\nDROP VIEW IF EXISTS gross;\n"}, "orders")
    assert not any("warning" in line for line in call(shop, "deploy", env="dev").err)
    two = migration("0002", "0001", sql("DROP VIEW gross CASCADE"))
    shop.commit({_v("0002_drop"): two}, "a drop")
    said = call(shop, "deploy", env="dev").err
    at = said.index(
        "warning: 0002_drop dropped view gross; repeatable/gross.sql, which creates one of that name, did not run"
    )
    assert said[at + 1] == "(it runs when its text is another one: change it, be it in a comment, and deploy that)"
    shop.commit({_r("gross"): f"{GROSS}-- again\n"}, "a comment")
    assert not any("warning" in line for line in call(shop, "deploy", env="dev").err)
    assert gross(url) is not None
    three = migration("0003", "0002", sql("DROP VIEW gross"))
    shop.commit({_v("0003_drop"): three, _r("gross"): CHEAP}, "with its file")
    assert not any("warning" in line for line in call(shop, "deploy", env="dev").err)


def test_what_another_file_added_says_nothing_of_a_file(repo: Repo, pg_database: str) -> None:
    """An overload that a file which stays had added: the one that a migration made was replaced all the same."""
    made = migration(
        "0001", None, f"{sql('CREATE TABLE orders (id int, net int, vat int)')}\n{sql(VAT.format('n int'))}"
    )
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001_orders"): made, _r("a"): GROSS}, "orders")
    call(repo, "deploy", env="dev")
    repo.commit({_r("a"): f"{GROSS}{VAT.format('n numeric')}", _r("b"): VAT.format("n int")}, "files")
    call(repo, "deploy", env="dev")
    with pytest.raises(StateError, match=r"repeatable/b\.sql replaced what was there before it"):
        call(repo, "revert", env="dev")
    assert _functions(pg_database) == ["vat(integer)", "vat(numeric)"]
