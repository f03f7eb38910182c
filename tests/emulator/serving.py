# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A WSGI application on a free port of the loopback, in threads of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.emulator.calls import WSGI


class Handler(MotoRequestHandler):
    """Without a line in the log for each request. ``skew`` on the server (seconds) is put on the ``Date`` it says."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The server's clock."""
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + float(getattr(self.server, "skew", 0)))

    def make_environ(self) -> dict[str, Any]:
        """With the one header of AWS that has an underscore, which werkzeug leaves out."""
        environ: dict[str, Any] = super().make_environ()
        if token := self.headers.get("x-amz-sso_bearer_token"):
            environ["HTTP_X_AMZ_SSO_BEARER_TOKEN"] = token
        return environ


#: reads the models of services once for all sessions: a client costs 60 ms of CPU otherwise
_LOADER = botocore.session.Session().get_component("data_loader")


def session(region: str, **keys: str | None) -> boto3.session.Session:
    """A boto3 session of its own, with these keys."""
    inner = botocore.session.Session()
    inner.register_component("data_loader", _LOADER)
    return boto3.session.Session(botocore_session=inner, region_name=region, **keys)


def moto() -> WSGI:
    """Stock moto, all services."""
    return DomainDispatcherApplication(create_backend_app)


@contextmanager
def serving(app: WSGI) -> Iterator[str]:
    """The URL under which it answers."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
