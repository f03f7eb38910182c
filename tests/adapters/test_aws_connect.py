# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From a cluster to a session in its database: tokens and TLS, by both drivers, in the parent and in the child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from hgaurora.adapters.aws.bundle import PLACES, SOURCE, bundle
from hgaurora.adapters.aws.connect import connection
from hgaurora.adapters.aws.tokens import reading
from hgaurora.core.errors import ConfigError, SecurityError, StateError
from hgaurora.ports import Connection
from tests.adapters.migrating import Bench, chain, database
from tests.cloud import DEPLOYER, ENGINES, Cloud
from tests.emulator import Made
from tests.emulator.iamfront import Key, _signature
from tests.emulator.tls import Certificate


@pytest.fixture(params=ENGINES)
def made(aws: Cloud, request: pytest.FixtureRequest) -> Made:
    """The module's cluster of an engine."""
    return aws.shop(request.param)


@pytest.fixture
def reached(aws: Cloud, made: Made) -> Connection:
    """How the product reaches it."""
    return connection(aws.asked(aws.environment(made)), aws.described(made))


def in_parent(found: Connection) -> None:
    """A session of the parent's."""
    session = database(found, "prod")
    try:
        assert DEPLOYER in str(session.facts()["user"])
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


def refused(found: Connection, session: Callable[[Connection], None]) -> SecurityError:
    """Why a session was not had."""
    with pytest.raises(SecurityError) as caught:
        session(found)
    return caught.value


def signed(
    keys: dict[str, str], made: Made, *, user: str = DEPLOYER, host: str | None = None, ago: timedelta = timedelta()
) -> str:
    """A token by these keys, made some time ago. The signature is right, whatever else is not."""
    when = datetime.now(UTC) - ago
    scope = [keys["aws_access_key_id"], f"{when:%Y%m%d}", "eu-west-1", "rds-db", "aws4_request"]
    fields = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "/".join(scope),
        "X-Amz-Date": f"{when:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": keys["aws_session_token"],
    }
    place = f"{host or made.endpoint}:{made.port}"
    fields["X-Amz-Signature"] = _signature(place, fields, scope, Key(scope[0], keys["aws_secret_access_key"]))
    return f"{place}/?" + "&".join(f"{name}={quote(value, '-_.~')}" for name, value in fields.items())


# -- tokens


def test_a_deploy_with_a_token_for_each_connection(aws: Cloud, made: Made, reached: Connection) -> None:
    tokens: list[str] = []

    def password() -> str | None:
        tokens.append(str(reached.password()))
        return tokens[-1]

    found = replace(reached, password=password)
    run = Bench("", database(found, "dev"), found)
    run.deploy(chain('op.execute("CREATE TABLE t1 (n integer)")'))
    kinds = [one["kind"] for one in run.database.events()]
    assert kinds == ["ledger-created", "deployment-started", "step", "deployment-finished"]
    callers = {one["payload"]["caller"] for one in run.database.events()}
    assert callers == {f"arn:aws:sts::{aws.account}:assumed-role/hgaurora-deploy/ci"}
    run.database.close()
    # the parent's, the child's (MySQL's has two), and the look at whether the child's is gone
    assert len(tokens) == (4 if made.engine == "aurora-mysql" else 3)
    assert all(f"DBUser={DEPLOYER}" in token for token in tokens)


@SIDES
def test_a_token_is_let_in(aws: Cloud, made: Made, reached: Connection, session: Callable[[Connection], None]) -> None:
    keys = aws.directory.session(aws.allowed)
    session(replace(reached, password=lambda: signed(keys, made)))


@SIDES
def test_tokens_that_are_not(
    aws: Cloud, made: Made, reached: Connection, session: Callable[[Connection], None]
) -> None:
    keys = aws.directory.session(aws.allowed)
    front = aws.fronts.all[made.endpoint]
    said = {}
    for what, token in {
        "token expired": signed(keys, made, ago=timedelta(minutes=16)),
        "token for user other": signed(keys, made, user="other"),
        f"token for host {made.reader}": signed(keys, made, host=made.reader),
        "not a token": "correct-horse",
    }.items():
        error = refused(replace(reached, password=lambda token=token: token), session)
        assert front.refusals[-1] == what
        assert token not in str(error.as_json())
        assert error.hint
        said[what] = error.message
    assert "refused an expired IAM token (it was good until" in said["token expired"]
    assert "refused an IAM token for another user (other)" in said["token for user other"]
    assert f"refused an IAM token for another host ({made.reader}:" in said[f"token for host {made.reader}"]
    assert "refused a password that is no IAM token" in said["not a token"]


@SIDES
def test_credentials_that_ended_sign_in_vain(
    aws: Cloud, made: Made, monkeypatch: pytest.MonkeyPatch, session: Callable[[Connection], None]
) -> None:
    keys = aws.directory.session(aws.allowed)
    aws.take(monkeypatch, aws.env_of(keys))
    found = connection(aws.asked(aws.environment(made)), aws.described(made))
    session(found)
    aws.directory.expire(keys["aws_access_key_id"])
    error = refused(found, session)
    assert "whose credentials do not stand" in error.message
    assert "expired" in (error.hint or "")


@SIDES
def test_a_role_without_the_right_is_told_which(
    aws: Cloud, made: Made, monkeypatch: pytest.MonkeyPatch, session: Callable[[Connection], None]
) -> None:
    role = aws.directory.role(f"blind-{made.engine}-{session.__name__}")
    aws.take(monkeypatch, aws.as_role(role))
    found = connection(aws.asked(aws.environment(made)), aws.described(made))
    error = refused(found, session)
    assert f"refused the IAM token of {DEPLOYER}" in error.message
    wanted = f"arn:aws:rds-db:eu-west-1:{aws.account}:dbuser:{made.resource_id}/{DEPLOYER}"
    assert f"needs rds-db:connect on {wanted}" in (error.hint or "")


def test_a_token_is_read() -> None:
    place, now = "h:5432", datetime(2026, 11, 21, 12, tzinfo=UTC)
    good = "h:5432/?Action=connect&DBUser=u&X-Amz-Date=20261121T120000Z&X-Amz-Expires=900&X-Amz-Signature=x"

    def read(token: str, *, at: datetime = now) -> str:
        found = reading(token, place=place, user="u", now=at)
        return found[0] if found else ""

    assert read(good) == ""
    assert read(good, at=now + timedelta(seconds=899)) == ""
    assert read(good, at=now + timedelta(seconds=900)) == "an expired IAM token (it was good until 12:15:00Z)"
    assert read(good, at=now - timedelta(minutes=6)) == "an IAM token of the future (12:00:00Z)"
    assert read(good.replace("20261121T120000Z", "soon")) == "a token without a time"
    # whatever it says of itself, the server counts 15 minutes
    assert "expired" in read(good.replace("=900", "=9000"), at=now + timedelta(seconds=901))


# -- TLS


@contextmanager
def shown(aws: Cloud, made: Made, certificate: Certificate) -> Iterator[None]:
    """The endpoint shows another certificate."""
    before = aws.certificate(made.endpoint)
    aws._endpoints._certificates[made.endpoint] = certificate
    try:
        yield
    finally:
        aws._endpoints._certificates[made.endpoint] = before


@SIDES
def test_tls_that_is_none(aws: Cloud, made: Made, reached: Connection, session: Callable[[Connection], None]) -> None:
    found, said = reached, {}
    for what, certificate in {
        "self-signed": aws.authority.issue(made.endpoint, self_signed=True),
        "wrong name": aws.authority.issue("other.example"),
        "ended": aws.authority.issue(made.endpoint, expired=True),
    }.items():
        with shown(aws, made, certificate):
            # what the driver says of the last one is the same on both sides
            error = refused(found, in_parent if what == "ended" else session)
        said[what] = error.message
        assert error.state == "nothing was sent to the database"
        assert "tls" in error.data
    # the server itself, which speaks none
    host, port = aws.region(aws.account, aws.default_region).clusters[made.id].plane.address
    plain = replace(found, parameters={**found.parameters, "host": "localhost", "port": str(port)})
    assert host == "127.0.0.1"
    said["none"] = refused(plain, session).message
    signers = aws.authority.bundle
    assert f"shows a certificate that none of {signers} has signed" in said["self-signed"]
    assert "shows a certificate of another name" in said["wrong name"]
    assert "speaks no TLS, and nothing is sent there without it" in said["none"]
    # libpq says no more than that it could not be verified
    assert "ended" in said["ended"] or "not valid now" in said["ended"]
    # control: with the right one it is let in
    session(found)


def test_without_verification_anybody_would_be_believed(aws: Cloud, made: Made, reached: Connection) -> None:
    """The control of the tests above: what refuses is the verification."""
    key = "ssl-mode" if made.engine == "aurora-mysql" else "sslmode"
    loose = "required" if made.engine == "aurora-mysql" else "require"
    parameters = {name: value for name, value in reached.parameters.items() if name != "sslrootcert"}
    found = replace(reached, parameters={**parameters, key: loose})
    with shown(aws, made, aws.authority.issue(made.endpoint, self_signed=True)):
        in_parent(found)
        in_child(found)


# -- what a connection is made from


def test_what_is_sent_where(aws: Cloud, made: Made, reached: Connection) -> None:
    assert reached.parameters["host"] == made.endpoint
    assert reached.parameters["user"] == DEPLOYER
    assert (reached.resource_id, reached.environment) == (made.resource_id, "prod")
    assert {"verify-full"} == {v for k, v in reached.parameters.items() if k in ("sslmode", "ssl-mode")}
    assert "password" not in reached.parameters
    assert str(reached.password()) not in repr(reached)


@pytest.mark.parametrize("made", ENGINES[:1], indirect=True)  # it does not come to the engine
def test_what_a_cluster_must_have(aws: Cloud, made: Made) -> None:
    described, settings = aws.described(made), aws.environment(made)
    asked = aws.asked(settings)

    def said(error: type[Exception], *, of: dict[str, object] | None = None, **changes: object) -> str:
        asked.settings = replace(settings, **changes)
        with pytest.raises(error) as caught:
            connection(asked, {**described, **(of or {})})
        return str(caught.value)

    assert "IAM authentication is off" in said(StateError, of={"IAMDatabaseAuthenticationEnabled": False})
    assert "has no endpoint yet" in said(StateError, of={"Endpoint": None})
    assert "is docdb, which is no Aurora" in said(ConfigError, of={"Engine": "docdb"})
    assert "names no database user" in said(ConfigError, user=None)
    assert "AWS does not manage the master password" in said(ConfigError, secret="managed")
    assert "are not on this machine (looked at /nowhere.pem)" in said(ConfigError, ca_bundle="/nowhere.pem")
    arn = f"arn:aws:rds:eu-central-1:{aws.account}:cluster:{made.id}"
    assert "is in eu-west-1, its cluster" in said(SecurityError, of={"DBClusterArn": arn})
    arn = f"arn:aws:rds:eu-west-1:210987654321:cluster:{made.id}"
    assert "is in account 210987654321" in said(SecurityError, of={"DBClusterArn": arn})


def test_the_bundle(aws: Cloud, tmp_path: Path) -> None:
    good = str(aws.authority.bundle.resolve())
    places = [str(tmp_path / "none.pem"), good]
    assert bundle(None, environment="prod", places=places) == good
    with pytest.raises(ConfigError, match=r"none\.pem") as caught:
        bundle(None, environment="prod", places=places[:1])
    assert f"curl --create-dirs -o {places[0]} https://truststore.pki.rds.amazonaws.com/" in (caught.value.hint or "")
    for number, text in enumerate(("", "nothing\n")):
        path = tmp_path / f"{number}.pem"
        path.write_text(text)
        with pytest.raises(ConfigError, match="can not be used to verify TLS"):
            bundle(str(path), environment="prod")


def test_the_page_names_the_places_of_the_bundle() -> None:
    text = (Path(__file__).parents[2] / "docs" / "aws.rst").read_text("utf-8")
    assert [line[4:-2] for line in text.splitlines() if line.startswith("- ``") and "bundle" in line] == list(PLACES)
    assert SOURCE in text
