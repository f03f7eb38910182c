# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The failure catalogue's scenarios of database and concurrency: a test by number for each, each with a control.

A test's name carries its number (``test_b6_...``). A control is the same scenario with the protection taken out: it
must end in the harm that the protection keeps away, or the test shows nothing. :mod:`catalogue` says which test stands
for which number, and why some have none.
"""
