# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements; ``python -m tests.bench`` runs all of them. None is a timed assertion of the suite."""
