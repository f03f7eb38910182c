# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQL and MariaDB, where DDL commits by itself: every statement of a script stands, and is journaled."""
