# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills at each statement on MySQL and MariaDB, of ours and of bare Alembic."""
