# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What AWS and botocore raise, turned into errors of ours, once.

Wire codes are as ``reference`` pages of the services and botocore's models (1.44) have them; the same trouble has
another code in each family of services, so they are grouped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ...core import iam
from ...core.errors import HgAuroraError, RemoteError, SecurityError

#: what an exception of botocore's own is told by :func:`note_call`
_NOTE = "hgaurora_call"

THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "PriorRequestNotComplete",
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
#: the key is not one that AWS knows, or the request was not signed with its secret
UNKNOWN_KEY = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "AuthFailure",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "InvalidToken",
    }
)
#: AWS did not take the token of an identity provider
WEB_IDENTITY = frozenset({"IDPRejectedClaim", "InvalidIdentityToken", "IDPCommunicationError"})
#: IAM's name of a service where it is not the one that requests are signed for
_PREFIX = {"monitoring": "cloudwatch", "email": "ses"}
#: seconds that AWS lets a signature's time differ
_SKEW = "5 minutes"
_KEY_HINT = "see that the KMS key is there and enabled, and that its policy lets the service use it"
_LONGEST = 300  # characters kept of what AWS says


class NotWhole(Exception):
    """An answer without what the operation answers: cut off, or from something that stands before AWS. It may have been
    done; see :mod:`.answers`.

    :param service: as IAM names it.
    :param status: of HTTP.
    """

    def __init__(self, service: str, operation: str, status: int = 200) -> None:
        where = f" (HTTP {status})" if status != 200 else ""
        super().__init__(f"the answer of AWS to {service}:{operation} was not whole{where}")
        note_call(self, service, operation)


def code_of(error: BaseException) -> str:
    """The wire code of an error that AWS answered, such as ``DBClusterNotFoundFault``; empty for any other."""
    return str(_answer(error).get("Code", ""))


def action_of(error: BaseException) -> str:
    """The action as IAM names it, such as ``rds:CreateDBClusterSnapshot``; empty where it is not known.

    A refusal names the action that was missing, which need not be the one that was called (``kms:Decrypt``).
    """
    named = re.search(r"not authorized to perform: ([\w-]+:\w+)", str(_answer(error).get("Message", "")))
    if named:
        return named[1]
    service, operation = _call(error)
    return f"{service}:{operation}" if service and operation else operation


def note_call(error: BaseException, service: str, operation: str) -> None:
    """Remember on an exception which call raised it, the innermost; botocore's own do not say."""
    if not hasattr(error, _NOTE):
        setattr(error, _NOTE, (service, operation))


def prefix(signing_name: str) -> str:
    """IAM's prefix of a service, by the name that its requests are signed for."""
    return _PREFIX.get(signing_name, signing_name)


@contextmanager
def translated(doing: str, *, environment: str, state: str | None = None) -> Iterator[None]:
    """Errors of AWS and botocore in the block become ours; all others pass. An answer that is not whole is lost.

    ``data["aws"]`` has ``service``, ``operation``, ``code``, ``request_id`` and ``message``. ``data["unknown"]`` is
    true where AWS may have done what was asked although no answer says so; the caller then looks. ``data["why"]`` is
    what AWS says, where its code says another thing.

    :param doing: what can not be done, as an infinitive: ``describe cluster shop-prod``.
    :param state: what is true now, for the message.
    :raises SecurityError: there are no credentials, or AWS does not take them.
    :raises RemoteError: anything else.
    """
    try:
        yield
    except HgAuroraError:
        raise
    except Exception as error:
        found = ours(error, doing, environment=environment, state=state)
        if found is None:
            raise
        raise found from error


def ours(error: Exception, doing: str, *, environment: str, state: str | None = None) -> HgAuroraError | None:
    """The error of ours that stands for one of botocore's; None: it is none of botocore's."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ParamValidationError | exceptions.UnknownServiceError):
        return None  # our own mistake
    if not isinstance(error, exceptions.BotoCoreError | exceptions.ClientError | ResponseParserError | NotWhole):
        return None
    cannot = f"{environment}: can not {doing}"
    if isinstance(error, exceptions.WaiterError) and not _answer(error):
        return _made(error, RemoteError, f"{cannot}: {_cut(str(error.kwargs.get('reason', error)))}", state, None)
    if _answer(error):
        return _answered(error, cannot, environment, state)
    if isinstance(error, _credentials()):
        hint = f"take the role of {environment}, such as: AWS_PROFILE={environment} in front of the same command"
        if isinstance(error, exceptions.NoCredentialsError):
            why, hint = "there are no AWS credentials", f"log in first (aws sso login), or {hint}"
        elif isinstance(error, exceptions.UnauthorizedSSOTokenError | exceptions.SSOTokenLoadError):
            why, hint = f"the SSO session has ended ({_cut(str(error))})", "aws sso login, then the same command again"
        elif isinstance(error, exceptions.TokenRetrievalError):
            why, hint = f"no SSO token ({_cut(str(error))})", "aws sso login, then the same command again"
        else:
            why = f"the AWS credentials can not be had: {_cut(str(error))}"
        return _made(error, SecurityError, f"{cannot}: {why}", state, hint)
    if isinstance(error, exceptions.NoRegionError):
        return _made(error, RemoteError, f"{cannot}: no region is set", state, f"set region for {environment}")
    unknown = isinstance(
        error, ResponseParserError | NotWhole | exceptions.HTTPClientError | exceptions.ConnectionError
    )
    unknown = unknown and not isinstance(
        error, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError | exceptions.ProxyConnectionError
    )
    if isinstance(error, NotWhole):
        why = str(error)
    elif isinstance(error, ResponseParserError):
        why = "the answer of AWS was cut off or is no answer of AWS"
    elif isinstance(error, exceptions.ReadTimeoutError):
        why = "AWS did not answer in time"
    elif isinstance(error, exceptions.ConnectionClosedError):
        why = "the connection to AWS was cut before the answer"
    elif isinstance(error, exceptions.SSLError):
        why = f"AWS can not be reached safely ({_cut(str(error))})"
    else:
        why = f"AWS can not be reached ({_cut(str(error))})"
    return _made(
        error, RemoteError, f"{cannot}: {why}", state, "look at the network, then the same command again", unknown
    )


def _answered(error: Exception, cannot: str, environment: str, state: str | None) -> HgAuroraError:
    """An error that AWS answered."""
    code, action = code_of(error), action_of(error)
    said = _cut(str(_answer(error).get("Message", "")))
    where = ", ".join(part for part in (code, action) if part)
    if code in DENIED or (code == "403" and "not authorized" in said):
        if said and "not authorized" not in said:
            # a right is not what is missing: a key that is not there is answered so, too
            hint = _KEY_HINT if re.search(r"\bkms\b", said, re.IGNORECASE) else allowing(action, environment)
            found = _made(error, RemoteError, f"{cannot} ({where}): {said}", state, hint)
            found.data["why"] = said
            return found
        hint = allowing(action, environment)
        if "explicit deny" in said:
            hint = f"a policy denies {action} explicitly, which no other policy can allow; {hint}"
        return _made(error, RemoteError, f"{cannot} ({where})", state, hint)
    if code in EXPIRED:
        return _made(
            error,
            SecurityError,
            f"{cannot}: the AWS credentials have expired ({where})",
            state,
            "log in again (aws sso login, or a new CI job), then the same command again",
        )
    if code in UNKNOWN_KEY:
        why, hint = "AWS does not know these credentials", f"take the role of {environment}, such as AWS_PROFILE=..."
        if "Signature expired" in said or "Signature not yet current" in said:
            why, hint = "this machine's clock is wrong", f"set the clock: AWS allows {_SKEW}"
        return _made(error, SecurityError, f"{cannot}: {why} ({where})", state, hint)
    if code in WEB_IDENTITY:
        hint = "see that the role trusts this identity provider, subject and audience"
        return _made(error, SecurityError, f"{cannot}: AWS does not take the identity token: {said}", state, hint)
    if code in THROTTLED:
        hint = "wait a minute, then the same command again"
        return _made(error, RemoteError, f"{cannot}: AWS has too many requests of this account ({where})", state, hint)
    status = _status(error)
    if status >= 500:
        message = f"{cannot}: AWS failed ({where}): {said}"
        return _made(error, RemoteError, message, state, "the same command again, in a minute", True)
    return _made(error, RemoteError, f"{cannot} ({where}): {said}" if said else f"{cannot} ({where})", state, None)


def allowing(action: str, environment: str) -> str:
    """What to do where an action is not allowed: the command whose policy has it, a deploy's before others'.

    :param action: as IAM names it; empty where it is not known.
    """
    if action.startswith("sts:AssumeRole"):
        return "whoever takes the role needs the right to take it, and the role has to trust them (its trust policy)"
    for command, grants in iam.COMMANDS.items():
        if not action or any(action in iam.GRANTS[name].actions for name in grants):
            return f"hgaurora iam-policy {environment} --for {command} prints what the role needs"
    return f"allow {action} to the role as well, on what AWS names: hgaurora iam-policy {environment} does not have it"


def _made(
    error: BaseException,
    kind: type[HgAuroraError],
    message: str,
    state: str | None,
    hint: str | None,
    unknown: bool = False,
) -> HgAuroraError:
    service, operation = _call(error)
    aws = {
        "service": service,
        "operation": operation,
        "code": code_of(error),
        "request_id": str(_meta(error).get("RequestId", "")),
        "message": _cut(str(_answer(error).get("Message", ""))),
    }
    data: dict[str, object] = {"aws": aws}
    if unknown:
        data["unknown"] = True
    return kind(message, state=state, hint=hint, data=data)


def _credentials() -> tuple[type[Exception], ...]:
    """What botocore raises where it has no credentials. (Some have no common base.)"""
    from botocore import exceptions

    return (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.UnknownCredentialError,
        exceptions.ProfileNotFound,
        exceptions.ConfigParseError,
        exceptions.ConfigNotFound,
        exceptions.InvalidConfigError,
        exceptions.InfiniteLoopConfigError,
        exceptions.RefreshWithMFAUnsupportedError,
        exceptions.MetadataRetrievalError,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
    )


def _call(error: BaseException) -> tuple[str, str]:
    """Service, as IAM names it, and operation; empty where not known."""
    noted = getattr(error, _NOTE, None) or _meta(error).get(_NOTE)
    if isinstance(noted, tuple):
        return noted
    return "", str(getattr(error, "operation_name", ""))


def _response(error: BaseException) -> dict[str, object]:
    found = getattr(error, "response", None)
    if not isinstance(found, dict):
        found = getattr(error, "last_response", None)
    return found if isinstance(found, dict) else {}


def _answer(error: BaseException) -> dict[str, object]:
    found = _response(error).get("Error")
    return found if isinstance(found, dict) else {}


def _meta(error: BaseException) -> dict[str, object]:
    found = _response(error).get("ResponseMetadata")
    return found if isinstance(found, dict) else {}


def _status(error: BaseException) -> int:
    found = _meta(error).get("HTTPStatusCode", 0)
    return found if isinstance(found, int) else 0


def _cut(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
