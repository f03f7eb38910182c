# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL, and Aurora PostgreSQL: the only place of the parent that speaks psycopg."""
