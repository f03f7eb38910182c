# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What went wrong with TLS, by the words of libpq, OpenSSL and PyMySQL, in ours. Standard library only."""

from __future__ import annotations

import re

from ...core.errors import SecurityError

_NONE = re.compile(r"server does not support SSL|SSL is required but the server doesn't support it")
#: libpq 15 to 18, and Python's ssl
_NAME = re.compile(
    r'server certificate for "(?P<name>[^"]*)"(?: \(and \d+ other names?\))? does not match host name'
    r"|[Hh]ostname mismatch|IP address mismatch|doesn't match"
)
_ENDED = re.compile(r"certificate has expired|certificate is not yet valid")
_UNKNOWN = re.compile(r"certificate verify failed|unable to get local issuer|self[- ]signed certificate")
_FILE = re.compile(r'root certificate file "(?P<path>[^"]*)" does not exist|could not read root certificate file')


def refusal(said: str, at: str, ca: str | None, data: dict[str, object]) -> SecurityError | None:
    """The error for what a driver said of TLS; None: it said something else.

    :param at: the server, for the message.
    :param ca: path of the certificates that the server's must be signed by; None: the machine's.
    """
    signers = ca if ca and ca != "system" else "the machine's certificates"
    if found := _NAME.search(said):
        name = f" ({found['name']})" if found["name"] else ""
        message = f"{at} shows a certificate of another name{name}"
        hint = "connect to the server by its own name; an alias, a tunnel or an address is not in its certificate"
    elif _NONE.search(said):
        message = f"{at} speaks no TLS, and nothing is sent there without it"
        hint = "see that this is the server that is meant, and that nothing stands before it"
    elif _ENDED.search(said):
        message = f"{at} shows a certificate that is not valid now"
        hint = "look at this machine's clock, then at the server's certificate"
    elif _FILE.search(said):
        message = f"{at}: there are no certificates in {signers}"
        hint = "name a PEM file that is there"
    elif _UNKNOWN.search(said):
        message = f"{at} shows a certificate that none of {signers} has signed, or one that has ended"
        hint = "see that this is the server that is meant; for Aurora the newest bundle is at " + BUNDLE
    else:
        return None
    return SecurityError(message, state="nothing was sent to the database", hint=hint, data={**data, "tls": said})


#: where AWS publishes the certificates that sign those of clusters (Aurora User Guide, "Using SSL/TLS to encrypt")
BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
