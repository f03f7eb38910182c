# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""How findings become a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PolicyError
from ..model import Finding


def finding_json(finding: Finding) -> dict[str, object]:
    """A finding's stable fields; what a screen calls ``mend`` is ``remedy`` here."""
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "remedy": finding.mend,
        "detail": list(finding.detail),
        **{key: value for key, value in finding.data.items() if key not in ("rule", "severity")},
    }


def refusal(environment: str, findings: Sequence[Finding]) -> PolicyError:
    """The error for findings of which at least one is an error; its ``findings`` are the findings as values."""
    errors = [finding for finding in findings if finding.severity == "error"]
    count = "1 rule refuses" if len(errors) == 1 else f"{len(errors)} rules refuse"
    return Refusal(
        f"{environment}: {count}: {', '.join(dict.fromkeys(finding.rule for finding in errors))}",
        state=f"{environment} was not touched",
        hint=next((finding.mend for finding in errors if finding.mend), None),
        data={"environment": environment, "findings": [finding_json(finding) for finding in findings]},
        findings=tuple(findings),
    )


class Refusal(PolicyError):
    """A :class:`PolicyError` that carries its findings for screens."""

    def __init__(
        self,
        message: str,
        *,
        findings: tuple[Finding, ...],
        state: str | None = None,
        hint: str | None = None,
        data: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, state=state, hint=hint, data=data)
        self.findings = findings
