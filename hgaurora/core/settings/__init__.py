# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``hgaurora.toml``: :func:`read_settings` turns its text into :class:`Settings`, or raises one precise error."""

from __future__ import annotations

from .keys import KEYS, Key, settings_reference
from .model import Environment, ProjectSettings, Settings
from .read import read_settings

__all__ = ["KEYS", "Environment", "Key", "ProjectSettings", "Settings", "read_settings", "settings_reference"]
