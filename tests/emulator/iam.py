# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who calls, and what its policies allow, enforced before moto.

moto's own switch knows actions only (a resource other than ``*`` never matches); here resources and conditions count,
sessions end, and a key of one account reaches that account's backends alone. Users, roles and their policies are those
of moto's IAM, made by its API or by the short cuts of :class:`Directory`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import string
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from moto.iam.models import IAMBackend, iam_backends

from tests import canaries
from tests.emulator import sts
from tests.emulator.calls import WSGI, Answer, Call, Layer
from tests.emulator.iamfront import Key
from tests.emulator.needs import Need, needs
from tests.emulator.policy import Decision, Document, decide

ACCOUNT = "123456789012"
#: seconds that a signature may differ from the clock
SKEW = 300
_NAMES = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Principal:
    """Who is behind a key.

    :ivar kind: ``root``, ``user`` or ``role``.
    :ivar name: of the user or role.
    :ivar unique: the id IAM shows.
    :ivar session: of a role, its name.
    :ivar limits: policies given with the session; it may do only what they allow, too.
    """

    key: Key
    kind: str
    name: str = ""
    unique: str = ""
    session: str = ""
    limits: Sequence[Document] = ()

    @property
    def user_id(self) -> str:
        """As GetCallerIdentity says it."""
        return f"{self.unique}:{self.session}" if self.session else self.unique or self.key.account

    @property
    def entity(self) -> str:
        """The ARN that policies belong to."""
        return f"arn:aws:iam::{self.key.account}:role/{self.name}" if self.kind == "role" else self.key.arn


@dataclass
class Directory:
    """Keys and sessions, and the questions that are asked of IAM. Also the :class:`~tests.emulator.iamfront.Keys` of
    fronts.

    :ivar ahead: seconds that are put on the clock, for what expires.
    :ivar asked: actions that anybody wanted to do, with the resource.
    """

    ahead: float = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    _known: dict[str, Principal] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead

    # -- making ------------------------------------------------------------------------------------------------------

    def root(self, account: str = ACCOUNT, *, access_key: str = "", secret: str = "") -> dict[str, str]:
        """Keys of an account's root, for boto3; new ones, or those that are given."""
        access_key = access_key or f"AKIA{_random(16)}"
        key = Key(access_key, secret or canaries.secret(), arn=f"arn:aws:iam::{account}:root", account=account)
        return self._add(Principal(key, "root"))

    def user(self, name: str, *policies: Document, account: str = ACCOUNT) -> dict[str, str]:
        """A user with these policies, and a key of it, for boto3."""
        backend = _iam(account)
        backend.create_user("us-east-1", name)
        for number, policy in enumerate(policies):
            backend.put_user_policy(name, f"policy-{number}", json.dumps(policy))
        key = backend.create_access_key(name)
        key.secret_access_key = canaries.secret()
        return {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}

    def role(self, name: str, *policies: Document, trust: Document | None = None, account: str = ACCOUNT) -> str:
        """A role with these policies; its ARN. By default its account trusts itself."""
        backend = _iam(account)
        principal = {"AWS": f"arn:aws:iam::{account}:root"}
        trust = trust or {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
        role = backend.create_role(name, json.dumps(trust), "/", None, "", [], "43200")
        for number, policy in enumerate(policies):
            backend.put_role_policy(name, f"policy-{number}", json.dumps(policy))
        return str(role.arn)

    def session(
        self, role: str, name: str = "hgaurora", seconds: float = 3600, limits: Sequence[Document] = ()
    ) -> dict[str, str]:
        """Keys of a new session of a role, for boto3, without asking its trust policy.

        :param role: its ARN.
        """
        account, path = role.split(":")[4], role.partition("/")[2]
        arn = f"arn:aws:sts::{account}:assumed-role/{path.rpartition('/')[2]}/{name}"
        # as long as real ones: passwords made with it must fit
        token = "FwoGZXIvYXdzE" + canaries.secret(693)
        key = Key(f"ASIA{_random(16)}", canaries.secret(), token, self.now() + seconds, arn, account)
        unique = _iam(account).get_role_by_arn(role).id
        return self._add(Principal(key, "role", path, str(unique), name, limits))

    def expire(self, access_key: str) -> None:
        """A session ends now."""
        with self._lock:
            principal = self._known[access_key]
            old = principal.key
            key = Key(old.access_key, old.secret, old.token, self.now() - 1, old.arn, old.account)
            self._known[access_key] = Principal(
                key, principal.kind, principal.name, principal.unique, principal.session, principal.limits
            )

    # -- asking ------------------------------------------------------------------------------------------------------

    def principal(self, access_key: str) -> Principal | None:
        """Who is behind an access key, expired or not."""
        with self._lock:
            if known := self._known.get(access_key):
                return known
        for account, partitions in list(iam_backends.items()):
            for user in list(partitions["aws"].users.values()):
                for made in user.access_keys:
                    if made.access_key_id == access_key and made.status == "Active":
                        key = Key(access_key, made.secret_access_key, arn=user.arn, account=account)
                        return Principal(key, "user", user.name, f"AIDA{str(user.id).upper()}")
        return None

    def key(self, access_key: str) -> Key | None:
        """See :class:`~tests.emulator.iamfront.Keys`."""
        principal = self.principal(access_key)
        return principal.key if principal else None

    def arn(self, access_key: str) -> str:
        """Of who is behind a key, or the word for nobody."""
        key = self.key(access_key)
        return key.arn if key else "anonymous"

    def allows(self, key: Key, action: str, resource: str) -> bool:
        """See :class:`~tests.emulator.iamfront.Keys`."""
        principal = self.principal(key.access_key)
        return principal is not None and self.decide(principal, Need(action, resource)) is Decision.ALLOWED

    def decide(self, principal: Principal, need: Need) -> Decision:
        """What a principal's policies, and its session's, say."""
        self.asked.append((need.action, need.resource))
        if principal.kind == "root":
            return Decision.ALLOWED
        context = dict(need.context)
        context["aws:principalarn"] = [principal.entity]
        context["aws:principalaccount"] = [principal.key.account]
        context["aws:userid"] = [principal.user_id]
        decision = decide(self.policies(principal.entity), need.action, need.resource, context)
        if decision is Decision.ALLOWED and principal.limits:
            decision = decide(principal.limits, need.action, need.resource, context)
        return decision

    def policies(self, entity: str) -> list[Document]:
        """The documents of a user (with its groups) or a role, by ARN; none for what is not there."""
        backend = _iam(entity.split(":")[4])
        kind, _, name = entity.partition(":")[2].rpartition(":")[2].partition("/")
        name = name.rpartition("/")[2]
        if kind == "role":
            owners: list[Any] = [role for role in backend.roles.values() if role.name == name]
        else:
            user = backend.users.get(name)
            owners = [user, *backend.get_groups_for_user(name)] if user else []
        documents = []
        for owner in owners:
            documents += [json.loads(_text(policy)) for policy in owner.policies.values()]
            for managed in owner.managed_policies.values():
                documents.append(json.loads(next(one.document for one in managed.versions if one.is_default)))
        return documents

    def _add(self, principal: Principal) -> dict[str, str]:
        key = principal.key
        with self._lock:
            self._known[key.access_key] = principal
        session = {"aws_session_token": key.token} if key.token else {}
        return {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret, **session}


class Iam(Layer):
    """Signature, session and permission of each call; STS is answered here.

    :param directory: who is known.
    :ivar skew: seconds that the service's clock is ahead of the machine's, for signatures.
    :ivar issuers: OpenID providers, by URL without scheme, that tokens of web identities are verified with.
    """

    def __init__(self, app: WSGI, directory: Directory) -> None:
        super().__init__(app)
        self.directory = directory
        self.issuers: dict[str, sts.Issuer] = {}
        self.skew: float = 0

    def handle(self, call: Call) -> Answer:
        """Refuse, answer, or pass on to the backends of the caller's account."""
        if call.name == "sts:AssumeRoleWithWebIdentity":
            return sts.web_identity(call, self.directory, self.issuers)
        principal = self.directory.principal(call.access_key)
        if refusal := self._authenticate(call, principal):
            return refusal
        assert principal is not None
        call.principal = principal.key.arn
        if call.name == "sts:GetCallerIdentity":  # needs no permission, and none can be taken away
            return sts.identity(call, principal)
        if call.name == "sts:AssumeRole":
            return sts.assume(call, self.directory, principal)
        if call.operation:
            for need in needs(call, principal.key.account):
                decision = self.directory.decide(principal, need)
                if decision is not Decision.ALLOWED:
                    return _denied(call, need, decision)
        if call.name == "iam:SimulatePrincipalPolicy":
            return sts.simulate(call, self.directory)
        return call.forward(self.app, HTTP_X_MOTO_ACCOUNT_ID=principal.key.account)

    def _authenticate(self, call: Call, principal: Principal | None) -> Answer | None:
        if not call.access_key:
            return call.error("MissingAuthenticationToken", "Request is missing Authentication Token")
        given = call.environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        if principal is None or given != principal.key.token:
            return call.error("InvalidClientTokenId", "The security token included in the request is invalid.")
        key = principal.key
        if key.expires is not None and self.directory.now() >= key.expires:
            return call.error("ExpiredToken", "The security token included in the request is expired")
        stamp = call.environ.get("HTTP_X_AMZ_DATE", "")
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        # not the clock that ends sessions
        now = datetime.now(UTC) + timedelta(seconds=self.skew)
        if abs((now - signed).total_seconds()) > SKEW:
            late, clock = signed < now, f"{now:%Y%m%dT%H%M%SZ}"
            edge = now - timedelta(seconds=SKEW) if late else now + timedelta(seconds=SKEW)
            said = f"expired: {stamp} is now earlier" if late else f"not yet current: {stamp} is still later"
            text = f"Signature {said} than {edge:%Y%m%dT%H%M%SZ} ({clock} {'-' if late else '+'} 5 min.)"
            return call.error("SignatureDoesNotMatch", text)
        if not hmac.compare_digest(*_signatures(call, key)):
            text = (
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details."
            )
            return call.error("SignatureDoesNotMatch", text)
        return None


def _denied(call: Call, need: Need, decision: Decision) -> Answer:
    why = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.EXPLICIT
        else f"because no identity-based policy allows the {need.action} action"
    )
    text = f"User: {call.principal} is not authorized to perform: {need.action} on resource: {need.resource} {why}"
    return call.error("AccessDenied", text)


def _signatures(call: Call, key: Key) -> tuple[str, str]:
    """The one given, and the one that is right: AWS Signature Version 4 of a request's headers."""
    environ, parts = call.environ, {}
    for part in environ["HTTP_AUTHORIZATION"].partition(" ")[2].split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = value
    scope = parts["Credential"].split("/")[1:]
    names = parts["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{' '.join(_header(environ, name).split())}\n" for name in names)
    path = quote(environ.get("RAW_URI", environ["PATH_INFO"]).partition("?")[0] or "/", "/-_.~")
    pairs = sorted(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    query = "&".join(f"{quote(name, '-_.~')}={quote(value, '-_.~')}" for name, value in pairs)
    payload = environ.get("HTTP_X_AMZ_CONTENT_SHA256") or hashlib.sha256(call.body).hexdigest()
    method = environ["REQUEST_METHOD"]
    request = "\n".join((method, path, query, headers, parts["SignedHeaders"], payload))
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", environ["HTTP_X_AMZ_DATE"], "/".join(scope), digest))
    secret = f"AWS4{key.secret}".encode()
    for part in scope:
        secret = hmac.digest(secret, part.encode(), "sha256")
    return parts["Signature"], hmac.new(secret, text.encode(), "sha256").hexdigest()


def _header(environ: Mapping[str, Any], name: str) -> str:
    plain = name.upper().replace("-", "_")
    return str(environ.get(plain if plain in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{plain}", ""))


def _iam(account: str) -> IAMBackend:
    return iam_backends[account]["aws"]


def _text(policy: Any) -> str:
    return policy["policy_document"] if isinstance(policy, dict) else str(policy)


def _random(length: int) -> str:
    return "".join(secrets.choice(_NAMES) for _ in range(length))
