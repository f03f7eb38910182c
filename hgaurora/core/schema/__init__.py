# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Captured schemas: their canonical form and fingerprints, the delta of two of them, and its words. Pure."""
