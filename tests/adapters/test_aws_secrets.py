# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords from Secrets Manager, and rotations in the middle of things."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hgaurora.adapters.aws.connect import connection, secret_of
from hgaurora.adapters.aws.secrets import Secret, read
from hgaurora.adapters.local import files
from hgaurora.core.errors import ConfigError, RemoteError, SecurityError
from hgaurora.ports import Connection
from tests.adapters.migrating import Bench, chain, database, migrate
from tests.cloud import ENGINES, Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.emulator.secrets import Rotation

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:rotate"


@pytest.fixture(params=ENGINES)
def made(aws: Cloud, request: pytest.FixtureRequest) -> Made:
    """The module's cluster of an engine, with a managed master password."""
    if request.param not in aws._shops:
        shop = aws._shops[request.param] = aws.fresh(request.param, ManageMasterUserPassword=True)
        if request.param == "aurora-postgresql":
            plane = aws.region(aws.account, aws.default_region).clusters[shop.id].plane
            with plane.admin("shop") as session:  # RDS makes it the owner
                session.execute(f"ALTER DATABASE shop OWNER TO {shop.user}; GRANT ALL ON SCHEMA public TO {shop.user}")
    return aws._shops[request.param]


@pytest.fixture
def managed(aws: Cloud, made: Made) -> Secret:
    """Its own secret."""
    return secret_of(aws.asked(aws.environment(made, secret="managed", user=None)), aws.described(made))


def reach(aws: Cloud, made: Made, **settings: Any) -> Connection:
    """How the product reaches a cluster with a secret."""
    found = {"secret": "managed", "user": None, **settings}
    return connection(aws.asked(aws.environment(made, **found)), aws.described(made))


def rotated(aws: Cloud, made: Made) -> None:
    """RDS rotates the master password, to its end."""
    aws.client("rds").modify_db_cluster(
        DBClusterIdentifier=made.id, RotateMasterUserPassword=True, ApplyImmediately=True
    )
    aws.states.settle()


def stale(found: Connection, then: Callable[[], None]) -> tuple[Connection, list[str]]:
    """A connection whose first password is changed between the reading and the connecting."""
    given: list[str] = []

    def password() -> str | None:
        given.append(str(found.password()))
        if len(given) == 1:
            then()
        return given[-1]

    return replace(found, password=password), given


def in_parent(found: Connection) -> None:
    """A session of the parent's."""
    session = database(found, "prod")
    try:
        session.facts()
    finally:
        session.close()


def in_child(found: Connection) -> None:
    """A session of a child's, with the lock."""
    run = Bench("", database(found, "prod"), found)
    try:
        with run.child(chain("pass"), environment="prod") as session:
            assert session.lock()
    finally:
        run.database.close()


SIDES = pytest.mark.parametrize("session", [in_parent, in_child])


# -- the cluster's own


@SIDES
def test_the_managed_password_logs_in(aws: Cloud, made: Made, session: Callable[[Connection], None]) -> None:
    found = reach(aws, made)
    assert found.parameters["user"] == made.user
    session(found)


@SIDES
def test_a_rotation_between_reading_and_connecting(
    aws: Cloud, made: Made, session: Callable[[Connection], None]
) -> None:
    found, given = stale(reach(aws, made), lambda: rotated(aws, made))
    session(found)
    assert given[0] != reach(aws, made).password()
    # control: without asking again it is refused, and says what mends it
    once, _ = stale(replace(reach(aws, made), again=lambda refused: None), lambda: rotated(aws, made))
    with pytest.raises(SecurityError) as caught:
        session(once)
    assert f"refused the password of {made.user} in the secret arn:aws:secretsmanager:" in caught.value.message
    assert "hgaurora secret rotate prod" in (caught.value.hint or "")
    assert given[0] not in str(caught.value.as_json())


@SIDES
def test_a_rotation_that_is_half_way(aws: Cloud, made: Made, session: Callable[[Connection], None]) -> None:
    """The database has the new password, AWSCURRENT is still the old one."""
    secret = secret_of(aws.asked(aws.environment(made, secret="managed", user=None)), aws.described(made))
    found = reach(aws, made)
    aws.hold("secret", made.id)
    secret.rotate()
    pending, current = secret.version("AWSPENDING"), secret.current()
    assert pending is not None

    def logs_in() -> bool:
        try:
            in_parent(secret.session(found, pending))
        except SecurityError:
            return False
        return True

    assert files.until(logs_in, 30)
    with pytest.raises(SecurityError):
        in_parent(secret.session(found, current))
    assert found.password() == current.password
    session(found)
    aws.release("secret", made.id)
    aws.states.settle()
    session(reach(aws, made))


def test_a_rotation_in_the_middle_of_a_deploy(aws: Cloud, made: Made) -> None:
    """Open sessions stay, new ones read the secret again; the deploy ends as if nothing had been."""
    found = reach(aws, made)
    run = Bench("", database(found, "dev"), found)
    scripts = chain(*(f'op.execute("CREATE TABLE r{n} (n integer)")' for n in (1, 2)))
    with run.child(scripts) as session:
        begun, epoch = run.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        rotated(aws, made)
        # a session that the parent opens now
        assert database(found, "dev").state().open is not None
        session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
    run.database.finish(begun.id, epoch=epoch, ok=True, heads_after=["r2"], target=None)
    assert run.database.verify() == []
    run.database.close()


def test_a_managed_secret_is_of_the_master_user(aws: Cloud, made: Made) -> None:
    with pytest.raises(ConfigError, match=f"the managed secret is that of {made.user}, user says other"):
        reach(aws, made, user="other")


def test_rotate_waits_for_the_new_version(aws: Cloud, made: Made, managed: Secret) -> None:
    before = managed.current()
    aws.hold("secret", made.id)
    managed.rotate()
    looks = managed.rotated(before.version, wait=60)
    assert [next(looks) for _ in range(3)] == [None, None, None]
    aws.release("secret", made.id)
    (new,) = [found for found in looks if found is not None]
    assert new.version != before.version
    in_parent(managed.session(reach(aws, made), new))
    # the proof is one: with the old password nobody logs in
    with pytest.raises(SecurityError):
        in_parent(managed.session(reach(aws, made), before))


def test_rotate_says_that_it_takes_too_long(aws: Cloud, made: Made, managed: Secret) -> None:
    before = managed.current()
    aws.hold("secret", made.id)
    managed.rotate()
    with pytest.raises(RemoteError, match=r"was not rotated within 0\.3s"):
        list(managed.rotated(before.version, wait=0.3))
    with pytest.raises(RemoteError, match="A previous rotation isn't complete"):
        managed.rotate()
    aws.release("secret", made.id)
    aws.states.settle()


@pytest.mark.parametrize("made", ENGINES[:1], indirect=True)  # it does not come to the engine
@pytest.mark.parametrize("fault", [f.half, f.portal, f.empty], ids=lambda fault: fault.__name__)
def test_an_answer_that_is_cut_off_holds_no_word_of_the_secret(aws: Cloud, managed: Secret, fault: f.Fault) -> None:
    """Neither that it holds no password, nor that nothing rotates it."""
    asked: tuple[tuple[str, Callable[[], object]], ...] = (
        ("GetSecretValue", managed.current),
        ("DescribeSecret", managed.pending),
    )
    for what, ask in asked:
        aws.faults.restart()
        aws.faults.inject(fault, f"secretsmanager:{what}")
        with pytest.raises(RemoteError, match=f"answer of AWS to secretsmanager:{what} was not whole") as caught:
            ask()
        assert caught.value.data["unknown"] is True
        ask()  # the next one is whole


# -- one's own


@pytest.fixture
def own(aws: Cloud, made: Made, request: pytest.FixtureRequest) -> str:
    """The name of a secret of a user of the database, by a function rotated by turns with its clone."""
    plane = aws.region(aws.account, aws.default_region).clusters[made.id].plane
    name = f"app{len(aws.client('secretsmanager').list_secrets()['SecretList'])}"
    mysql = made.engine == "aurora-mysql"

    def apply(value: dict[str, Any]) -> None:
        user, word = value["username"], value["password"]
        with plane.admin("shop") as session, session.cursor() as cursor:
            if mysql:
                cursor.execute(f"CREATE OR REPLACE USER {user} IDENTIFIED BY '{word}'")
                cursor.execute(f"GRANT ALL ON shop.* TO {user}")
                return
            cursor.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{user}'")
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            cursor.execute(f"{verb} ROLE {user} LOGIN PASSWORD '{word}'")
            cursor.execute(f"GRANT ALL ON DATABASE shop TO {user}; GRANT ALL ON SCHEMA public TO {user}")

    first = {"username": name, "password": "correct-horse-battery", "engine": "x", "port": "1"}
    apply(first)
    aws.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(first))
    aws.vault.functions[FUNCTION] = Rotation(apply)
    return name


def turn(aws: Cloud, name: str, *, alternate: bool = False) -> None:
    """Rotate one's own secret, to its end."""
    aws.vault.functions[FUNCTION].alternate = alternate
    aws.client("secretsmanager").rotate_secret(SecretId=name, RotationLambdaARN=FUNCTION)
    aws.states.settle()


def test_a_secret_of_ones_own(aws: Cloud, made: Made, own: str) -> None:
    found = reach(aws, made, secret=own)
    assert found.parameters["user"] == own
    in_parent(found)
    once, _ = stale(found, lambda: turn(aws, own))
    in_child(once)
    in_parent(found)


def test_two_users_by_turns(aws: Cloud, made: Made, own: str) -> None:
    """A run goes on as the user it began as, whose password is still good; the next run is the other one."""
    found = reach(aws, made, secret=own)
    turn(aws, own, alternate=True)
    in_parent(found)
    in_child(found)
    assert reach(aws, made, secret=own).parameters["user"] == f"{own}_clone"
    # two turns later it is its turn again
    turn(aws, own, alternate=True)
    in_parent(found)


@pytest.mark.parametrize("made", ENGINES[:1], indirect=True)  # it does not come to the engine
def test_what_a_secret_must_hold(aws: Cloud, made: Made) -> None:
    vault = aws.client("secretsmanager")

    asked, described = aws.asked(aws.environment(made)), aws.described(made)

    def reach(*, secret: str, user: str | None = None) -> Connection:
        asked.settings = aws.environment(made, secret=secret, user=user)
        return connection(asked, described)

    def of(text: str) -> str:
        name = f"odd{len(vault.list_secrets()['SecretList'])}"
        vault.create_secret(Name=name, SecretString=text)
        return name

    with pytest.raises(RemoteError, match="there is no secret nothing"):
        reach(secret="nothing")
    for text in ('{"username": "u"}', '{"password": ""}', "[1]", '{"username": 1, "password": "topsecret"}'):
        with pytest.raises(ConfigError, match="holds no password") as caught:
            reach(secret=of(text))
        assert "topsecret" not in str(caught.value.as_json())
    with pytest.raises(ConfigError, match="names no user"):
        reach(secret=of("only-a-password"))
    assert reach(secret=of("only-a-password"), user="u").password() == "only-a-password"


def test_a_secret_is_read_leniently() -> None:
    def login(**said: Any) -> tuple[str, str]:
        found = read(said, "s", environment="prod")
        assert "topsecret" not in repr(found)
        return found.user, found.password

    assert login(SecretString='{"username": "u", "password": "topsecret", "port": 5432}') == ("u", "topsecret")
    assert login(SecretString="topsecret\n") == ("", "topsecret")
    assert login(SecretBinary=b'{"password": "topsecret"}') == ("", "topsecret")
