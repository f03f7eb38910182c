# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One call of an AWS API as it comes over HTTP, and answers to it in the form its protocol wants.

Layers stand before moto as WSGI applications, one inside the other; they share the parsed call.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import socket
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from
from werkzeug.datastructures import Headers, MultiDict

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]
_KEY = "hgaurora.call"
#: names in a signature's scope that are not botocore's
_SERVICES = {"monitoring": "cloudwatch", "states": "stepfunctions", "awsssoportal": "sso"}
#: names in policies that are not botocore's
_PREFIXES = {"stepfunctions": "states"}
_NO_POLICY = "because no identity-based policy allows the {action} action"
#: what a code of the query protocol is called where JSON is spoken; both with 400 there
_JSON_CODES = {
    "Throttling": "ThrottlingException",
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ServiceUnavailable": "ServiceUnavailableException",
    "ValidationError": "ValidationException",
}
#: the HTTP status of a code of the query protocol, where it is not 400
_STATUS = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
    "MissingAuthenticationToken": 403,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "NotImplemented": 501,
}
_NAMESPACES = {
    "rds": "http://rds.amazonaws.com/doc/2014-10-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "cloudformation": "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    "cloudwatch": "http://monitoring.amazonaws.com/doc/2010-08-01/",
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``sent`` is how much of the body goes out before the connection is closed (-1: not even the
    status; None: all of it, and in good order)."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    sent: int | None = None

    @property
    def code(self) -> str:
        """The error's code, or nothing where it is not an error."""
        if self.status < 400:
            return ""
        found = re.search(rb"<Code>(.*?)</Code>", self.body) or re.search(rb'"__type": ?"(?:.*#)?(.*?)"', self.body)
        return found[1].decode() if found else "html" if self.body.lstrip()[:1] == b"<" else "?"

    def json(self) -> Any:
        """The body, where JSON is spoken."""
        return json.loads(self.body or b"{}")

    def send(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """As a WSGI application does, on werkzeug's development server.

        :raises ConnectionAbortedError: it is cut before the status; the server then only closes.
        """
        if self.sent is not None and self.sent < 0:
            _close(environ)
            raise ConnectionAbortedError("cut")
        names = {name.lower() for name, _ in self.headers}
        extra = () if "content-length" in names else (("Content-Length", str(len(self.body))),)
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", [*self.headers, *extra])
        return [self.body] if self.sent is None else self._part(environ, self.sent)

    def _part(self, environ: Mapping[str, Any], length: int) -> Iterable[bytes]:
        yield self.body[:length]
        _close(environ)


def _close(environ: Mapping[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def cut() -> Answer:
    """The connection is closed without a byte."""
    return Answer(0, sent=-1)


@dataclass
class Call:
    """One request.

    :ivar service: as botocore names it, such as ``rds``; empty for what is no AWS call.
    :ivar operation: such as ``CreateDBClusterSnapshot``.
    :ivar params: its parameters, in the shape boto3 takes them.
    :ivar principal: the ARN of who calls, as far as a layer has found out.
    :ivar attempt: 1 for the first time, more where botocore tries again.
    :ivar number: from 1, given by the fault layer.
    :ivar reached: it was passed on to the service (so it may have had an effect).
    :ivar outcome: HTTP status and error code, such as ``400 Throttling``; or ``cut``, ``truncated``.
    :ivar fault: the name of the fault that struck.
    """

    environ: dict[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    service: str
    operation: str
    region: str
    protocol: str
    access_key: str
    # may hold secrets; a failing test prints its values
    params: dict[str, Any] = field(repr=False, default_factory=dict)
    attempt: int = 1
    principal: str = "arn:aws:sts::123456789012:assumed-role/unknown/unknown"
    number: int = 0
    reached: bool = False
    outcome: str = ""
    fault: str = ""

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Call:
        """The call in a request; parsed once, by the outermost layer."""
        if isinstance(known := environ.get(_KEY), Call):
            # what a layer has added to the request counts further in
            return known if known.environ is environ else replace(known, environ=environ)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if _form(environ) else {}
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        scope = re.search(r"Credential=([^/,]+)/\d+/([^/]+)/([^/]+)/aws4", environ.get("HTTP_AUTHORIZATION", ""))
        key, region, service = scope.groups() if scope else ("", "", "sts" if "AssumeRoleWith" in str(form) else "")
        service = _SERVICES.get(service, service)
        operation = form.get("Action") or target.rpartition(".")[2]
        protocol = "query" if form.get("Action") else "json" if target else "rest"
        call = cls(environ, body, service, operation, region, protocol, key)
        call.params = call._parsed(form)
        attempt = re.search(r"attempt=(\d+)", environ.get("HTTP_AMZ_SDK_REQUEST", ""))
        call.attempt = int(attempt[1]) if attempt else 1
        environ[_KEY] = call
        return call

    @property
    def name(self) -> str:
        """Such as ``rds:CreateDBClusterSnapshot``."""
        return f"{self.service}:{self.operation}"

    @property
    def account(self) -> str:
        """Whose backends it reaches."""
        return str(self.environ.get("HTTP_X_MOTO_ACCOUNT_ID") or get_account_id_from(self.access_key))

    def client_pid(self) -> int:
        """The process at the other end of the connection; Linux only.

        :raises LookupError: no process of this machine (that we may look at) holds it.
        """
        here, there = ((self.environ[f"{end}_PORT"]) for end in ("SERVER", "REMOTE"))
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            cells = line.split()
            local, remote = (int(cell.split(":")[1], 16) for cell in cells[1:3])
            if (local, remote) == (int(there), int(here)):
                for handle in Path("/proc").glob("[0-9]*/fd/*"):
                    try:
                        found = handle.readlink()
                    except OSError:  # it has ended, or is not ours to see
                        continue
                    if str(found) == f"socket:[{cells[9]}]":
                        return int(handle.parts[2])
        raise LookupError(f"nobody holds port {there}")

    def forward(self, app: WSGI, **headers: str) -> Answer:
        """What the next application says; its exceptions and HTML pages as errors of AWS.

        :param headers: HTTP headers that are added, as WSGI names them.
        """
        environ = {
            **self.environ,
            **headers,
            "wsgi.input": io.BytesIO(self.body),
            "CONTENT_LENGTH": str(len(self.body)),
        }
        started: list[Any] = []
        try:
            parts = app(environ, lambda status, head, _exc=None: started.append((status, head)))
            body = b"".join(parts)
        except NotImplementedError as err:  # moto, of an operation or parameter that it does not have
            return self.error("NotImplemented", f"The emulator does not implement {self.name}: {err}")
        except ConnectionAbortedError:
            return cut()
        except Exception as err:  # whatever it is, a client must see what AWS would show
            where = "".join(traceback.format_exception(err)[-3:])
            return self.error(
                "InternalFailure", f"The emulator failed at {self.name}: {type(err).__name__}: {err}\n{where}"
            )
        status, head = started[-1]
        answer = Answer(int(status.split()[0]), body, tuple(head))
        html = any(name.lower() == "content-type" and "html" in value for name, value in head)
        if self.service and answer.status >= 500 and html:
            return self.error("NotImplemented", f"The emulator does not implement {self.name}")
        return answer

    def error(self, code: str, message: str, status: int | None = None) -> Answer:
        """An error of AWS.

        :param code: as the query protocol spells it; what JSON services call otherwise is translated.
        """
        request = f"{secrets.token_hex(4)}-emulator"
        status = status or _STATUS.get(code, 400)
        if self.protocol == "query":
            fault = "Sender" if status < 500 else "Receiver"
            text = (
                f'<ErrorResponse xmlns="{_NAMESPACES.get(self.service, "")}"><Error><Type>{fault}</Type>'
                f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
                f"<RequestId>{request}</RequestId></ErrorResponse>"
            )
            return Answer(status, text.encode(), (("Content-Type", "text/xml"), ("x-amzn-RequestId", request)))
        name = _JSON_CODES.get(code, code)
        headers = [("Content-Type", f"application/x-amz-json-{self._version}"), ("x-amzn-RequestId", request)]
        if status in (401, 403) and self.protocol == "json":
            status = 400
        if self.environ.get("HTTP_X_AMZN_QUERY_MODE") == "true":
            # a service that spoke query before: its old codes go along
            headers.append(("x-amzn-query-error", f"{code};{'Sender' if status < 500 else 'Receiver'}"))
        if self.protocol == "rest":
            headers.append(("x-amzn-ErrorType", name))
        return Answer(status, json.dumps({"__type": name, "message": message}).encode(), tuple(headers))

    def denied(
        self, resource: str = "", why: str = "because no identity-based policy allows the {action} action"
    ) -> Answer:
        """AccessDenied, in AWS's words.

        :param resource: the ARN, where the action has resources.
        :param why: who does not allow it; ``{action}`` stands for it.
        """
        action = f"{_PREFIXES.get(self.service, self.service)}:{self.operation}"
        on = f" on resource: {resource}" if resource else ""
        why = why.format(action=action)
        return self.error("AccessDenied", f"User: {self.principal} is not authorized to perform: {action}{on} {why}")

    def result(self, value: object) -> Answer:
        """A good answer where JSON is spoken."""
        kind = "application/json" if self.protocol == "rest" else f"application/x-amz-json-{self._version}"
        return Answer(200, json.dumps(value).encode(), (("Content-Type", kind),))

    def xml(self, body: str) -> Answer:
        """A good answer of the query protocol: the inner XML of ``<…Result>``."""
        text = (
            f'<{self.operation}Response xmlns="{_NAMESPACES[self.service]}"><{self.operation}Result>{body}'
            f"</{self.operation}Result><ResponseMetadata><RequestId>{secrets.token_hex(8)}</RequestId></ResponseMetadata>"
            f"</{self.operation}Response>"
        )
        return Answer(200, text.encode(), (("Content-Type", "text/xml"),))

    def with_body(self, value: object) -> Call:
        """The same call with other parameters, where JSON is spoken."""
        return replace(
            self, body=json.dumps(value).encode(), environ={k: v for k, v in self.environ.items() if k != _KEY}
        )

    @property
    def _version(self) -> str:
        found = re.search(r"json-(1\.[01])", self.environ.get("CONTENT_TYPE", ""))
        return found[1] if found else "1.1"

    def _parsed(self, form: Mapping[str, str]) -> dict[str, Any]:
        if self.protocol == "json":
            value = json.loads(self.body or b"{}")
            return value if isinstance(value, dict) else {}
        if self.protocol != "query" or not self.service:
            return dict(form)
        try:
            operation = get_service_model(self.service).operation_model(self.operation)
            request: Any = {"values": MultiDict(form), "headers": Headers(), "body": self.body}
            return PROTOCOL_PARSERS["query"](operation).parse(request) or {}
        except (RequestParserError, LookupError, ValueError):
            return dict(form)  # no such operation, which the service will say


def _form(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")


class Layer:
    """A WSGI application before another one; a subclass says what it does with a call.

    :param app: the application behind.
    """

    def __init__(self, app: WSGI) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """What is no AWS call goes through untouched."""
        call = Call.of(environ)
        if not call.service:
            environ["wsgi.input"] = io.BytesIO(call.body)
            return self.app(environ, start_response)
        return self.handle(call).send(environ, start_response)

    def handle(self, call: Call) -> Answer:
        """The answer to a call; here, whatever the application behind says."""
        return call.forward(self.app)
