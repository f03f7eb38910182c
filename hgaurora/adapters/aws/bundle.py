# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The certificates that a cluster's must be signed by. Never downloaded by us: who could answer in AWS's place could
then answer in the cluster's."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import ConfigError

#: where AWS publishes it (Aurora User Guide, "Using SSL/TLS to encrypt a connection")
SOURCE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"

#: where it is looked for without ``ca-bundle``, best first
PLACES = (
    "~/.config/hgaurora/global-bundle.pem",
    "/etc/hgaurora/global-bundle.pem",
    "/etc/ssl/certs/global-bundle.pem",
    "/certs/global-bundle.pem",
)


def bundle(named: str | None, *, environment: str, places: Sequence[str] = PLACES) -> str:
    """The absolute path of the bundle.

    :param named: ``ca-bundle`` of the environment; None: the first of ``places`` that is there.
    :raises ConfigError: there is none, or it holds no certificate; with what fetches it.
    """
    found = [path for path in (Path(place).expanduser() for place in ([named] if named else places)) if path.is_file()]
    if not found:
        where = named or ", ".join(places)
        first = Path(named or places[0])
        raise ConfigError(
            f"{environment}: the certificates that sign those of Aurora are not on this machine (looked at {where})",
            state="nothing was done",
            hint=f"curl --create-dirs -o {first} {SOURCE}, or name a copy with ca-bundle",
        )
    path = found[0].resolve()
    try:
        known = ssl.create_default_context(cafile=str(path)).cert_store_stats()["x509_ca"]
    except OSError as error:  # SSLError is one
        known, why = 0, getattr(error, "strerror", None) or "no PEM file"
    else:
        why = "no certificate of an authority is in it"
    if not known:
        raise ConfigError(
            f"{environment}: {path} can not be used to verify TLS: {why}",
            state="nothing was done",
            hint=f"curl -o {path} {SOURCE}",
        )
    return str(path)
