# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""AWS: who asks, clusters and their snapshots, secrets and tokens, CloudWatch.

botocore is imported inside functions, never by importing a module of this package: an environment that is no cluster
pays nothing for it.
"""
