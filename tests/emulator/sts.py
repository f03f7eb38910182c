# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""STS: who am I, assuming roles by a trust policy, and web identities; and IAM's simulator."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from moto.iam.models import Role, iam_backends

from tests.emulator.calls import Answer, Call
from tests.emulator.needs import Need
from tests.emulator.policy import Context, Decision, decide, trusts

if TYPE_CHECKING:
    from tests.emulator.iam import Directory, Principal


@dataclass
class Issuer:
    """An OpenID provider, such as a forge's for its CI jobs.

    :ivar url: without scheme.
    """

    url: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def token(self, **claims: Any) -> str:
        """A signed token; ``iss`` is the issuer's own unless given."""
        head = _encoded({"alg": "ES256", "typ": "JWT"})
        text = f"{head}.{_encoded({'iss': f'https://{self.url}', **claims})}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64(r.to_bytes(32) + s.to_bytes(32))}"

    def signed(self, token: str) -> bool:
        """Whether a token is ours."""
        text, _, signature = token.rpartition(".")
        raw = _bytes(signature)
        try:
            whole = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            self.key.public_key().verify(whole, text.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def identity(call: Call, principal: Principal) -> Answer:
    """GetCallerIdentity."""
    key = principal.key
    return call.xml(
        f"<Arn>{escape(key.arn)}</Arn><UserId>{escape(principal.user_id)}</UserId><Account>{key.account}</Account>"
    )


def assume(call: Call, directory: Directory, principal: Principal) -> Answer:
    """AssumeRole: the role's trust policy says yes to the caller, or to its account and the caller's own policies."""
    params, arn = call.params, str(call.params.get("RoleArn", ""))
    seconds = int(params.get("DurationSeconds") or 3600)
    if refusal := _asked(call, seconds):
        return refusal
    role, account = _role(arn), principal.key.account
    names = [principal.key.arn, principal.entity, f"arn:aws:iam::{account}:root"]
    context = {
        "sts:rolesessionname": [params["RoleSessionName"]],
        "aws:principalarn": [principal.entity],
        "aws:principalaccount": [account],
        **({"sts:externalid": [params["ExternalId"]]} if params.get("ExternalId") else {}),
    }
    trusted = _trusted(role, "sts:AssumeRole", names, context)
    own = directory.decide(principal, Need("sts:AssumeRole", arn, context))
    foreign = role is not None and arn.split(":")[4] != account
    if (not trusted and trusted is not None) or own is Decision.EXPLICIT:
        return call.denied(arn, "")
    if own is not Decision.ALLOWED and (trusted is None or foreign):
        return call.denied(arn)
    assert role is not None
    if principal.kind == "role" and seconds > 3600:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        return call.error("ValidationError", text)
    return _granted(call, directory, role, seconds)


def web_identity(call: Call, directory: Directory, issuers: dict[str, Issuer]) -> Answer:
    """AssumeRoleWithWebIdentity: nobody signs it, the token says who it is."""
    params, arn, token = call.params, str(call.params.get("RoleArn", "")), str(call.params.get("WebIdentityToken", ""))
    seconds = int(params.get("DurationSeconds") or 3600)
    if refusal := _asked(call, seconds):
        return refusal
    try:
        claims = json.loads(_bytes(token.split(".")[1]))
    except (IndexError, ValueError):
        return call.error("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    url = str(claims.get("iss", "")).removeprefix("https://")
    issuer, role = issuers.get(url), _role(arn)
    providers = iam_backends[arn.split(":")[4]]["aws"].open_id_providers if arn.count(":") == 5 else {}
    provider = next((one for one in providers.values() if one.url == url), None)
    if provider is None or issuer is None:
        return call.error("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for https://{url}")
    if not issuer.signed(token):
        return call.error("InvalidIdentityToken", "Couldn't verify signature on the token")
    if directory.now() >= claims.get("exp", 0):
        text = "Token expired: current date/time must be before the expiration date/time"
        return call.error("ExpiredTokenException", text)
    audience = claims.get("aud", "")
    if audience not in provider.client_id_list:
        return call.error("InvalidIdentityToken", "Incorrect token audience")
    context = {f"{url}:{name}".lower(): [str(claims[name])] for name in ("sub", "aud") if name in claims}
    context["sts:rolesessionname"] = [params["RoleSessionName"]]
    if not _trusted(role, "sts:AssumeRoleWithWebIdentity", [provider.arn], context):
        return call.error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    assert role is not None
    more = f"<SubjectFromWebIdentityToken>{escape(str(claims.get('sub', '')))}</SubjectFromWebIdentityToken>"
    more += f"<Audience>{escape(str(audience))}</Audience><Provider>{escape(provider.arn)}</Provider>"
    return _granted(call, directory, role, seconds, more)


def simulate(call: Call, directory: Directory) -> Answer:
    """SimulatePrincipalPolicy: each action on each resource."""
    params = call.params
    entity = str(params.get("PolicySourceArn", ""))
    if not re.fullmatch(r"arn:aws:iam::\d{12}:(user|role)/.+", entity):
        return call.error("InvalidInput", f"Invalid Entity Arn: {entity} does not clearly define entity type and name.")
    context: Context = {
        entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", []) for entry in params.get("ContextEntries", ())
    }
    members = ""
    for action in params.get("ActionNames", ()):
        for resource in params.get("ResourceArns") or ["*"]:
            decision = decide(directory.policies(entity), action, resource, context)
            members += (
                f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
                f"</EvalResourceName><EvalDecision>{decision.value}</EvalDecision><MatchedStatements/>"
                "<MissingContextValues/></member>"
            )
    return call.xml(f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>")


def _asked(call: Call, seconds: int) -> Answer | None:
    """What is wrong with the parameters that both ways share."""
    name = str(call.params.get("RoleSessionName", ""))
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
        text = f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint"
        return call.error("ValidationError", f"{text}: Member must satisfy regular expression pattern: [\\w+=,.@-]*")
    role = _role(str(call.params.get("RoleArn", "")))
    if not 900 <= seconds <= 43200:
        text = f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint"
        return call.error("ValidationError", text)
    if role and seconds > int(role.max_session_duration or 3600):
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return call.error("ValidationError", text)
    return None


def _trusted(role: Role | None, action: str, names: Sequence[str], context: Context) -> bool | None:
    return role is not None and trusts(json.loads(role.assume_role_policy_document), action, names, context)


def _granted(call: Call, directory: Directory, role: Role, seconds: int, more: str = "") -> Answer:
    limits = [json.loads(call.params["Policy"])] if call.params.get("Policy") else []
    keys = directory.session(role.arn, call.params["RoleSessionName"], seconds, limits)
    principal = directory.principal(keys["aws_access_key_id"])
    assert principal is not None
    assert principal.key.expires is not None
    ends = datetime.fromtimestamp(principal.key.expires, UTC)
    return call.xml(
        f"<Credentials><AccessKeyId>{keys['aws_access_key_id']}</AccessKeyId>"
        f"<SecretAccessKey>{keys['aws_secret_access_key']}</SecretAccessKey>"
        f"<SessionToken>{keys['aws_session_token']}</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        f"</Credentials><AssumedRoleUser><AssumedRoleId>{principal.user_id}</AssumedRoleId>"
        f"<Arn>{escape(principal.key.arn)}</Arn></AssumedRoleUser>{more}"
    )


def _role(arn: str) -> Role | None:
    if arn.count(":") != 5:
        return None
    return next((role for role in iam_backends[arn.split(":")[4]]["aws"].roles.values() if role.arn == arn), None)


def _encoded(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
