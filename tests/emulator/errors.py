# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulated RDS refuses, by AWS's codes."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class Fault(ServiceException):
    """An error of RDS: ``code`` is the shape's name, from which the HTTP status and the code on the wire follow."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


def invalid(message: str) -> Fault:
    """A value that is wrong by itself."""
    return Fault("InvalidParameterValue", message)


def contradiction(message: str) -> Fault:
    """Values that do not go together."""
    return Fault("InvalidParameterCombination", message)


def wrong_state(what: str, state: str) -> Fault:
    """A cluster is not in a state for what was asked."""
    return Fault("InvalidDBClusterStateFault", f"{what} is not in available state; it is {state}.")
