# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""How MySQL is reached: TLS that verifies, passwords from where clients look, and errors by number."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hgaurora.adapters.database.mysql import connection as mysql
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.database.mysql.ledger_sql import lock_name
from hgaurora.adapters.local import files
from hgaurora.adapters.local.mysqld import Mysqld
from hgaurora.core.errors import HgAuroraError, RemoteError, SecurityError, StateError
from tests.adapters.migrating import new
from tests.engines import my_connection


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("mysql://localhost/d", None),
        ("mysql://127.0.0.1/d", None),
        ("mysql://[::1]/d", None),
        ("mysql:///d?socket=/run/my.sock", None),
        ("mysql://db.example/d", "verify-full"),
        ("mysql://10.0.0.7/d", "verify-full"),
        ("mysql://db.example/d?ssl-mode=disabled", None),
        ("mysql://db.example/d?ssl-mode=required", "required"),
        ("mysql://db.example/d?ssl-mode=verify-ca", "verify-ca"),
        ("mysql://localhost/d?ssl-mode=verify-full", "verify-full"),
        ("mariadb://db.example/d", "verify-full"),
    ],
)
def test_only_a_server_on_this_machine_is_spoken_to_in_plain(url: str, mode: str | None) -> None:
    found = mysql.tls(mysql.from_url(url).parameters)
    assert (found and found["mode"]) == mode


@pytest.mark.parametrize(
    ("mode", "checks", "verifies"),
    [
        ("verify-full", True, ssl.CERT_REQUIRED),
        ("verify-ca", False, ssl.CERT_REQUIRED),
        ("required", False, ssl.CERT_NONE),
    ],
)
def test_a_context_checks_what_the_mode_says(mode: str, checks: bool, verifies: ssl.VerifyMode) -> None:
    made = mysql.context({"mode": mode, "ca": None, "cert": None, "key": None})
    assert (made.check_hostname, made.verify_mode, made.minimum_version) == (checks, verifies, ssl.TLSVersion.TLSv1_2)


def test_a_missing_certificate_file_is_said() -> None:
    with pytest.raises(SecurityError, match="cannot be read"):
        mysql.context({"mode": "verify-full", "ca": "/nowhere.pem", "cert": None, "key": None})


@pytest.mark.parametrize(
    ("number", "said", "kind"),
    [
        (1045, "Access denied for user 'x'@'y'", SecurityError),
        (1142, "INSERT command denied to user", SecurityError),
        (1290, "The MySQL server is running with the --read-only option", StateError),
        (1836, "Running in read-only mode", StateError),
        (1205, "Lock wait timeout exceeded", RemoteError),
        (2003, "can't connect: Connection refused", RemoteError),
        (2003, "Can't connect ([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed)", SecurityError),
        (2006, "MySQL server has gone away", RemoteError),
        (2013, "Lost connection to MySQL server during query", RemoteError),
        (2026, "SSL is required but the server doesn't support it", SecurityError),
        (None, "", RemoteError),
    ],
)
def test_errors_by_number(number: int | None, said: str, kind: type[HgAuroraError]) -> None:
    found = mysql.refusal(said, number, mysql.from_url("mysql://ana:secret@h/d"))
    assert type(found) is kind
    assert found.data["errno"] == number
    assert "secret" not in f"{found}{found.data}"


def test_passwords_come_from_where_clients_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MYSQL_PWD", raising=False)
    bare = mysql.from_url("mysql://ana@h/d")
    assert mysql.password(bare) is None
    monkeypatch.setenv("MYSQL_PWD", "of the environment")
    assert mysql.password(bare) == "of the environment"
    (tmp_path / ".my.cnf").write_text("[client]\nuser = ben\npassword = 'of%the file'\nsocket = /elsewhere\n")
    assert mysql.password(bare) == "of%the file"
    assert mysql.password(mysql.from_url("mysql://ana:own@h/d")) == "own"
    found = mysql.arguments(mysql.from_url("mysql://h/d"), application="x")
    # who and with what, never where: that is the url's
    assert (found["user"], found["host"], found["unix_socket"]) == ("ben", "h", None)
    assert "password" not in found


def test_a_lock_is_of_one_database() -> None:
    assert lock_name("shop") == lock_name("Shop") != lock_name("shop2")
    assert len(lock_name("x" * 64)) <= 64


def test_settings_are_ours_whatever_the_server_says(my_database: str) -> None:
    made = mysql.opened(mysql.from_url(my_database), application="x", lock_timeout=3, statement_timeout=20)
    with made, made.cursor() as cursor:
        cursor.execute(
            "SELECT @@SESSION.lock_wait_timeout, @@SESSION.innodb_lock_wait_timeout, @@SESSION.time_zone,"
            " @@SESSION.sql_mode, @@SESSION.autocommit"
        )
        assert cursor.fetchone() == (3, 3, "+00:00", mysql.SQL_MODE, 1)


def test_a_session_is_seen_to_end(my_database: str) -> None:
    database = MysqlDatabase(mysql.from_url(my_database), environment="dev")
    with my_connection(my_database) as other:
        pid = other.thread_id()
        assert not database.gone(pid)
        database.gone(pid, terminate=True)
        assert files.until(lambda: database.gone(pid), 10)
    database.gone(pid, terminate=True)
    assert database.gone(pid)
    database.close()


@pytest.fixture
def reader(my_database: str) -> Iterator[MysqlDatabase]:
    """A server that takes no writes, for as long as the test lasts: only its own databases are there to be hurt."""
    database = MysqlDatabase(mysql.from_url(my_database), environment="dev")
    database._run("SET SESSION TRANSACTION READ ONLY")
    yield database
    database.close()


def test_nothing_begins_on_a_reader(reader: MysqlDatabase) -> None:
    assert reader.acquire()
    with pytest.raises(StateError, match="takes no writes"):
        reader.begin(new(), base_epoch=None, scripts=[])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("CREATE TRIGGER t BEFORE INSERT ON hgaurora_step FOR EACH ROW SET @x = 1", "has the trigger t"),
        ("CREATE TRIGGER v BEFORE INSERT ON alembic_version FOR EACH ROW SET @x = 1", "has the trigger v"),
        ("ALTER TABLE hgaurora_script ENGINE = MyISAM", "table of MyISAM"),
        ("RENAME TABLE alembic_version TO kept; CREATE VIEW alembic_version AS SELECT * FROM kept", "is not a table"),
    ],
)
def test_what_stands_in_front_of_the_ledger_is_refused(my_database: str, harm: str, said: str) -> None:
    database = MysqlDatabase(mysql.from_url(my_database), environment="dev")
    assert database.acquire()
    _, epoch = database.begin(new(), base_epoch=None, scripts=[])
    database.finish("dev-1", epoch=epoch, ok=True, heads_after=[], target=None)
    with my_connection(my_database) as other, other.cursor() as cursor:
        cursor.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        assert database.state().epoch == epoch
        for text in harm.split("; "):
            cursor.execute(text)
    with pytest.raises(SecurityError, match=said):
        database.state()
    database.close()


def test_a_ledger_cut_off_while_it_was_made_is_no_ledger_yet(my_database: str) -> None:
    database = MysqlDatabase(mysql.from_url(my_database), environment="dev")
    assert database.acquire()
    database.begin(new(), base_epoch=None, scripts=[])
    with my_connection(my_database) as other, other.cursor() as cursor:
        # tables were made, the transaction with the rows was not committed
        for table in ("environment", "event", "deployment"):
            cursor.execute(f"DELETE FROM hgaurora_{table}")
    assert (database.state().ledger, database.state().epoch) == (None, None)
    begun, epoch = database.begin(new(), base_epoch=None, scripts=[])
    assert (begun.id, database.state().epoch) == ("dev-1", epoch)
    assert database.verify() == []
    database.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA and a certificate of it for ``localhost``."""
    folder = tmp_path_factory.mktemp("tls")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    for name, subject, more in (
        ("ca", "/CN=test ca", ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]),
        ("other", "/CN=other ca", ["-addext", "keyUsage=keyCertSign"]),
        ("server", "/CN=localhost", ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost"]),
    ):
        files = ["-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*request, *files, *more], cwd=folder, check=True, capture_output=True)
    return folder


class Encrypted(Mysqld):
    """A server with a certificate."""

    def __init__(self, folder: Path, certificates: Path) -> None:
        super().__init__(folder, durable=False)
        self._certificates = certificates

    def _settings(self) -> list[str]:
        given = {"ca": "ca.pem", "cert": "server.pem", "key": "server.key"}
        return [*super()._settings(), *(f"--ssl-{key}={self._certificates / name}" for key, name in given.items())]


def test_a_server_is_verified_by_its_ca_and_its_name(certificates: Path, tmp_path: Path) -> None:
    server = Encrypted(tmp_path / "server", certificates)
    port = server.start()
    try:

        def asked(host: str, mode: str, ca: str = "ca") -> tuple[str, str]:
            url = f"mysql://root@{host}:{port}/mysql?ssl-mode={mode}&ssl-ca={certificates}/{ca}.pem"
            with mysql.opened(mysql.from_url(url), application="x") as made, made.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
                return cursor.fetchone()

        assert asked("localhost", "verify-full")[1].startswith("TLSv1.")
        # the right CA, another name
        with pytest.raises(SecurityError, match="shows a certificate of another name"):
            asked("127.0.0.1", "verify-full")
        assert asked("127.0.0.1", "verify-ca")[1].startswith("TLSv1.")
        # the right name, another CA
        for mode in ("verify-full", "verify-ca"):
            with pytest.raises(SecurityError, match=r"certificate that none of .*other\.pem has signed"):
                asked("localhost", mode, ca="other")
        assert asked("127.0.0.1", "required", ca="other")[1].startswith("TLSv1.")
    finally:
        server.stop()
