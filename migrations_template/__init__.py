# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``init`` lays down. Also a template for bare Alembic: ``alembic init -t PATH-TO-THIS-FOLDER migrations``."""
