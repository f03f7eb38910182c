# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests; ``python -m tests`` runs all of them as continuous integration does."""
