# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Histories that other projects wrote, unchanged, from their packages on PyPI."""
