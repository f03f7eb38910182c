# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens and TLS, with both drivers as hgaurora uses them: who comes in, and what the others hear."""

from __future__ import annotations

import fnmatch
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import engines
import psycopg
import pymysql
import pytest

from hgaurora.adapters.local.engine import Engine
from tests.emulator.iamfront import DOOR, HBA, Front, Key, Target
from tests.emulator.myfront import MyFront
from tests.emulator.pgfront import PgFront
from tests.emulator.tls import Authority, Certificate

NAME = "shop-prod.cluster-cabcdefghijk.eu-west-1.rds.amazonaws.com"
READER = NAME.replace("cluster-", "cluster-ro-")
OTHER = NAME.replace("prod", "staging")
RESOURCE = "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SECRET = "a-secret-for-signing"


@dataclass
class Ring:
    """IAM with a clock to turn."""

    keys: dict[str, Key] = field(default_factory=dict)
    allowed: str = f"arn:aws:rds-db:eu-west-1:123456789012:dbuser:{RESOURCE}/hgat_*"
    ahead: float = 0

    def key(self, access_key: str) -> Key | None:
        """Of those that were put in."""
        return self.keys.get(access_key)

    def allows(self, key: Key, action: str, resource: str) -> bool:
        """One pattern for all."""
        return action == "rds-db:connect" and fnmatch.fnmatchcase(resource, self.allowed)

    def now(self) -> float:
        """The machine's, and what a test puts on it."""
        return time.time() + self.ahead


@dataclass
class World:
    """A front before a real server, and a way in for each driver.

    :ivar user: of IAM; ``plain`` has a password.
    """

    front: Front
    ring: Ring
    authority: Authority
    target: Target
    user: str
    plain: str
    password: str
    connect: Callable[..., Any]
    #: a part of what the driver says, and the driver's error
    denied: str
    no_tls: str
    error: type[Exception]

    def token(self, user: str = "", host: str = NAME, port: int = 0, region: str = "eu-west-1", **keys: str) -> str:
        """As hgaurora makes one."""
        keys = {"aws_access_key_id": "AKIAGOOD", "aws_secret_access_key": SECRET} | keys
        client = boto3.client("rds", region_name=region, **keys)  # type: ignore[call-overload]
        return str(client.generate_db_auth_token(host, port or self.front.port, user or self.user))

    def enter(self, **how: Any) -> str:
        """Who the server says we are."""
        with closing(self.connect(self, **how)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER")
            return str(cursor.fetchone()[0]).split("@")[0]

    def heard(self, **how: Any) -> str:
        """The driver's words when it is refused."""
        with pytest.raises(self.error) as caught:
            self.enter(**how)
        return str(caught.value)


def _postgresql(
    world: World, user: str = "", password: str | None = None, bundle: Path | None = None, tls: bool = True
) -> Any:
    return psycopg.connect(
        host=NAME,
        hostaddr="127.0.0.1",
        port=world.front.port,
        dbname="postgres",
        user=user or world.user,
        password=world.token() if password is None else password,
        sslmode="verify-full" if tls else "disable",
        sslrootcert=os.fspath(bundle or world.authority.bundle),
        gssencmode="disable",
        connect_timeout=10,
    )


def _mysql(
    world: World, user: str = "", password: str | None = None, bundle: Path | None = None, tls: bool = True
) -> Any:
    context = ssl.create_default_context(cafile=bundle or world.authority.bundle) if tls else None
    connection = pymysql.connect(
        host=NAME,
        user=user or world.user,
        password=world.token() if password is None else password,
        ssl=context,
        ssl_disabled=not tls,
        defer_connect=True,
    )
    connection.connect(socket.create_connection(("127.0.0.1", world.front.port), timeout=10))
    return connection


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for this module."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A PostgreSQL that lets in who comes through the door."""
    engine = Engine(tmp_path_factory.mktemp("engine"), fsync=False)
    engine.start()
    try:
        rules = engine.status().data / "pg_hba.conf"
        rules.write_text(HBA + rules.read_text())
        with psycopg.connect(engines.own_url(engine), autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE ROLE rds_iam")
        yield engine
    finally:
        engine.stop()


def _target(address: tuple[str, int], certificate: Certificate) -> Target:
    return Target(address, frozenset({NAME, READER}), certificate, "eu-west-1", resource_id=RESOURCE)


@pytest.fixture(params=["postgresql", "mysql"])
def world(request: pytest.FixtureRequest, authority: Authority) -> Iterator[World]:
    """On PostgreSQL, and on MariaDB or MySQL."""
    user, plain, password = (f"{prefix}{secrets.token_hex(4)}" for prefix in ("hgat_", "hgap_", "password-"))
    certificate = authority.issue(NAME, READER)
    ring = Ring({"AKIAGOOD": Key("AKIAGOOD", SECRET, account="123456789012")})
    holder: list[World] = []
    if request.param == "postgresql":
        url = engines.own_url(request.getfixturevalue("engine"))
        target = _target(("127.0.0.1", urlsplit(url).port or 0), certificate)
        with psycopg.connect(url, autocommit=True) as admin, PgFront(lambda: holder[0].target, ring) as front:
            admin.execute(f"CREATE USER {user} IN ROLE rds_iam")
            admin.execute(f"CREATE USER {plain} PASSWORD '{password}'")
            words = (f'FATAL:  PAM authentication failed for user "{user}"', "pg_hba.conf rejects connection for host")
            holder.append(
                World(
                    front, ring, authority, target, user, plain, password, _postgresql, *words, psycopg.OperationalError
                )
            )
            yield holder[0]
            front.close()
            admin.execute(f"DROP USER {user}, {plain}")
    else:
        url = request.getfixturevalue("my_server")
        target = _target((urlsplit(url).hostname or "", urlsplit(url).port or 3306), certificate)
        with engines.my_connection(url) as admin, MyFront(lambda: holder[0].target, ring) as front:
            with admin.cursor() as cursor:
                cursor.execute(f"CREATE USER '{user}'@'{DOOR}'")
                cursor.execute(f"CREATE USER '{plain}'@'%' IDENTIFIED BY '{password}'")
            denied = f"(1045, \"Access denied for user '{user}'@'127.0.0.1' (using password: YES)\")"
            wrong = pymysql.err.OperationalError
            holder.append(World(front, ring, authority, target, user, plain, password, _mysql, denied, denied, wrong))
            yield holder[0]
            front.close()
            with admin.cursor() as cursor:
                cursor.execute(f"DROP USER '{user}'@'{DOOR}', '{plain}'@'%'")


def test_a_good_token_comes_in(world: World) -> None:
    """With TLS, verified in full."""
    assert world.enter() == world.user
    assert world.front.refusals == []


def test_with_a_session_token(world: World) -> None:
    """It makes a password of more than a thousand characters."""
    session = "t" * 900
    world.ring.keys["ASIATEMP"] = Key("ASIATEMP", "other", session, time.time() + 60, account="123456789012")
    keys = {"aws_access_key_id": "ASIATEMP", "aws_secret_access_key": "other"}
    token = world.token(**keys, aws_session_token=session)
    assert len(token) > 1000
    assert world.enter(password=token) == world.user
    forged = world.token(**keys, aws_session_token="u" * 900)
    assert world.denied in world.heard(password=forged)
    world.ring.ahead = 61
    assert world.denied in world.heard(password=token)
    assert world.front.refusals == ["wrong session token", "session expired"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"user": "hgat_other"}, "token for user hgat_other"),
        ({"host": OTHER}, f"token for host {OTHER}"),
        ({"host": "localhost"}, "token for host localhost"),
        ({"port": 1}, "token for port 1"),
        ({"region": "us-east-1"}, "token for rds-db in us-east-1"),
        ({"aws_secret_access_key": "guessed"}, "wrong signature"),
        ({"aws_access_key_id": "AKIAGONE"}, "unknown access key"),
    ],
)
def test_refused_tokens(how: dict[str, Any], why: str, world: World) -> None:
    """Aurora says the same to all of them; the front's list tells a test why."""
    assert world.denied in world.heard(password=world.token(**how))
    assert world.front.refusals == [why]


def test_no_token_at_all(world: World) -> None:
    """A password, or a token that somebody touched."""
    assert world.denied in world.heard(password=world.password)
    assert world.denied in world.heard(password=world.token().replace("DBUser=hgat", "DBUser=root"))
    assert world.front.refusals == ["not a token", "wrong signature"]


def test_without_the_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the check that keeps them out, and not the way to the server."""
    monkeypatch.setattr(world.front, "verify", lambda *_: None)
    assert world.enter(password=world.token("hgat_other", OTHER, 1, "us-east-1")) == world.user


def test_age(world: World) -> None:
    """Fifteen minutes, asked at the door only."""
    token = world.token()
    with closing(world.connect(world, password=token)) as connection, connection.cursor() as cursor:
        world.ring.ahead = 895
        assert world.enter(password=token)
        world.ring.ahead = 905
        assert world.denied in world.heard(password=token)
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    world.ring.ahead = -400
    assert world.denied in world.heard(password=token)
    assert world.front.refusals == ["token expired"] * 2


def test_policy_and_account(world: World) -> None:
    """A valid signature is not enough."""
    world.ring.allowed = "arn:aws:rds-db:*:*:dbuser:cluster-OTHER/*"
    assert world.denied in world.heard()
    world.ring.keys["AKIAGOOD"] = replace(world.ring.keys["AKIAGOOD"], account="210987654321")
    assert world.denied in world.heard()
    right = f"arn:aws:rds-db:eu-west-1:123456789012:dbuser:{RESOURCE}/{world.user}"
    assert world.front.refusals == [f"no policy allows rds-db:connect on {right}", "key of account 210987654321"]


def test_no_tls(world: World) -> None:
    """A token is not taken in clear text, nor is it even asked for."""
    assert world.no_tls in world.heard(tls=False)
    assert world.front.refusals == ["no TLS"]


@pytest.mark.parametrize(
    ("certificate", "libpq", "openssl"),
    [
        (lambda ca: ca.issue(NAME, self_signed=True), "certificate verify failed", "self-signed certificate"),
        (lambda ca: ca.issue(OTHER), f'for "{OTHER}" does not match host name "{NAME}"', "Hostname mismatch"),
        (lambda ca: ca.issue(NAME, expired=True), "certificate verify failed", "certificate has expired"),
    ],
    ids=["self-signed", "wrong name", "expired"],
)
def test_certificates(certificate: Callable[[Authority], Certificate], libpq: str, openssl: str, world: World) -> None:
    """The client refuses, before it has said who it is. (libpq tells only a wrong name from the others.)"""
    world.target = replace(world.target, certificate=certificate(world.authority))
    said = libpq if world.error is psycopg.OperationalError else openssl
    assert said in world.heard().replace("self signed", "self-signed")


def test_another_authority(world: World, tmp_path: Path) -> None:
    """Signed, by nobody in the bundle."""
    heard = world.heard(bundle=Authority(tmp_path).bundle)
    assert "certificate verify failed" in heard


def test_password_users(world: World) -> None:
    """The server itself looks at their passwords, with TLS and without."""
    assert world.enter(user=world.plain, password=world.password) == world.plain
    assert world.enter(user=world.plain, password=world.password, tls=False) == world.plain
    heard = world.heard(user=world.plain, password="wrong")
    assert "password authentication failed" in heard or f"Access denied for user '{world.plain}'" in heard
    assert world.front.refusals == []
    world.target = replace(world.target, force_tls=True)
    heard = world.heard(user=world.plain, password=world.password, tls=False)
    assert "no pg_hba.conf entry for host" in heard or "require_secure_transport=ON" in heard
    assert world.enter(user=world.plain, password=world.password) == world.plain


def test_iam_off(world: World) -> None:
    """The cluster does not know what a token is."""
    world.target = replace(world.target, iam=False)
    heard = world.heard()
    assert "password authentication failed" in heard or "Plugin 'AWSAuthenticationPlugin' is not loaded" in heard


def test_an_unknown_user(world: World) -> None:
    """The server's own words."""
    heard = world.heard(user="nobody_here", password=world.token("nobody_here"))
    assert 'failed for user "nobody_here"' in heard or "Access denied for user 'nobody_here'" in heard


def test_much_goes_through(world: World) -> None:
    """Both ways, more than any buffer holds."""
    text = "0123456789abcdef" * (1 << 16)
    with closing(world.connect(world)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s, 1", (text,))
        assert cursor.fetchone() == (text, 1)


def test_a_drop_is_seen(world: World) -> None:
    """Open sessions break, and new ones come in."""
    connection = world.connect(world)
    with connection.cursor() as cursor:
        world.front.drop()
        with pytest.raises(world.error):
            cursor.execute("SELECT 1")
    with suppress(pymysql.err.Error):  # PyMySQL has closed it
        connection.close()
    assert world.enter()
    world.front.refusing = True
    world.heard()


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_cancel_goes_through(world: World) -> None:
    """PostgreSQL's request to stop a statement is a connection of its own."""
    with closing(world.connect(world)) as connection:
        cancel = threading.Timer(0.3, connection.cancel_safe)
        cancel.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        cancel.join()


def test_the_door_is_for_the_front(world: World) -> None:
    """Nobody comes in as that user without it."""
    host, port = world.target.address
    if world.error is psycopg.OperationalError:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=host, port=port, user=world.user, dbname="postgres", password="x")
    else:
        # MariaDB pretends a plugin for a user it does not know: either number
        with pytest.raises(pymysql.err.OperationalError, match=r"1045|1698"):
            pymysql.connect(host=host, port=port, user=world.user)
