# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an endpoint may not answer, by the state of its cluster."""

from __future__ import annotations

import pytest

from hgaurora.core.gates import mend, unanswering


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (
            "stopped",
            "shop is stopped",
            "aws rds start-db-cluster --db-cluster-identifier shop; the same command again when it is available",
        ),
        (
            "failing-over",
            "shop is failing-over",
            "the same command again when it is available: aws rds wait db-cluster-available "
            "--db-cluster-identifier shop",
        ),
        (
            "inaccessible-encryption-credentials-recoverable",
            "shop is inaccessible-encryption-credentials-recoverable",
            "give RDS its KMS key back: enable the key, or mend its policy",
        ),
        (
            "available",
            "shop is available",
            "see that this machine reaches the network of shop: security groups, subnets, name resolution",
        ),
        ("", "the state of shop is not known", "see that the cluster is available, then try again"),
    ],
)
def test_a_cluster_that_does_not_answer(status: str, said: str, hint: str) -> None:
    assert unanswering("shop", status) == (said, hint)


def test_a_deploy_is_told_the_same() -> None:
    start = "aws rds start-db-cluster --db-cluster-identifier shop"
    assert mend("shop", "stopped") == f"{start}; deploy again when it is available"
