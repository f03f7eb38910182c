# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated RDS: all calls, one class."""

from __future__ import annotations

from .backtracks import BacktrackCalls
from .bluegreen import BlueGreenCalls
from .globals import GlobalCalls
from .instances import InstanceCalls
from .others import OtherCalls
from .restores import RestoreCalls
from .snapshots import SnapshotCalls


class Rds(BacktrackCalls, SnapshotCalls, InstanceCalls, OtherCalls, GlobalCalls, BlueGreenCalls, RestoreCalls):
    """What answers for service ``rds``. Parameter, subnet and option groups are moto's."""
