# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call that a deploy makes to AWS, struck in every way: ``python -m tests.crash.aws``."""
