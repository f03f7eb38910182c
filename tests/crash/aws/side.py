# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, in a process that has everything imported (:mod:`tests.crash.mysql.warm`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.loaders import Loader
from botocore.retries.standard import ExponentialBackoff

import hgaurora.adapters.database.mysql.database
import hgaurora.adapters.database.postgresql.database
from hgaurora import cli
from hgaurora.adapters.aws import cluster, connect, errors, gates, session, snapshots
from tests.crash.aws import controls
from tests.crash.mysql import forked

_loaded = (cluster, connect, errors, gates, snapshots, hgaurora)
#: seconds that a client waits for an answer here, and between attempts
PATIENCE, PAUSE = 4.0, 0.05

#: models of services, read once for all commands
_LOADER: Loader = botocore.session.Session().get_component("data_loader")
for _service in ("rds", "sts", "logs", "cloudwatch", "secretsmanager"):
    _LOADER.load_service_model(_service, "service-2")
    _LOADER.load_service_model(_service, "paginators-1")


def run(told: Mapping[str, Any]) -> int:
    """In the fork.

    :param told: ``arguments``, ``env`` (all of AWS's variables), ``without`` (a protection, or None).
    """
    for name in [name for name in os.environ if name.startswith("AWS")]:
        del os.environ[name]
    os.environ.update(told["env"])
    _quick()
    forked.instead()
    if told["without"]:
        controls.BY_NAME[told["without"]].take_out()
    return cli.main(told["arguments"])


def _quick() -> None:
    """What takes seconds of waiting in earnest takes less here; nothing else is other than in earnest."""
    session.Aws.__init__.__kwdefaults__ = {"timeouts": (session.CONNECT_TIMEOUT, PATIENCE)}
    ExponentialBackoff.delay_amount = lambda self, context: PAUSE
    made = botocore.session.Session.__init__

    def with_models(self: botocore.session.Session, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        self.register_component("data_loader", _LOADER)

    botocore.session.Session.__init__ = with_models
