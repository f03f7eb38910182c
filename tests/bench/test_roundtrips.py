# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The one figure of the measurements that no machine changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.world import environ

from . import roundtrips
