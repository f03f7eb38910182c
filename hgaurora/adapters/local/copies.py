# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of the databases that a restore makes beside the live one."""

from __future__ import annotations

import hashlib

from . import files

_NAME = 63  # bytes of an identifier: PostgreSQL's NAMEDATALEN - 1; MySQL allows 64 characters


def copy_name(database: str, deployment: str) -> str:
    """The copy's name. ``~`` is in no deployment's id, so that two pairs never give one name."""
    return _named(database, f"~new-{files.name(deployment)}")


def retired_name(database: str, deployment: str) -> str:
    """The name of what was live before."""
    return _named(database, f"~old-{files.name(deployment)}")


def _named(database: str, suffix: str) -> str:
    whole = (database + suffix).encode()
    if len(whole) <= _NAME:
        return whole.decode()
    tail = suffix[:5] + hashlib.sha256(whole).hexdigest()[:32]
    return database.encode()[: _NAME - len(tail)].decode(errors="ignore") + tail
