# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills a run before and after each thing it does, runs the same command again, and compares the end with that of a run
that nobody disturbed. ``python -m tests.crash`` kills everywhere; the suite takes a seeded sample.
"""
