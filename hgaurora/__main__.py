# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m hgaurora``: how the Mercurial extension starts the command line."""

from .cli import main

raise SystemExit(main())
