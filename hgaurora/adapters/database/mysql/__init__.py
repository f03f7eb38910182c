# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQL 8 and 9, and MariaDB from 10.6."""
