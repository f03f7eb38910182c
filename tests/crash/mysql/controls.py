# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Protections taken out, one at a time, in the process that runs the command."""

from __future__ import annotations


def take_out(name: str) -> None:
    """Make this process do without one."""
    raise KeyError(name)
