# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What all output passes through: no secret leaves, and nothing in it steers a terminal."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"

#: a shorter secret is a part of ordinary words: masking it would hide nothing and spoil every line
SHORTEST = 4

_NAMES = r"(?:password|passwd|pwd|secret_?access_?key|session_?token)"

# Each pattern is tried only where one of its marks is in the lower-cased text: ordinary text costs a few searches
# for plain strings. Repeats are bounded where a missing end would make a scan quadratic.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # AWS access key ids: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    (("akia", "asia"), re.compile(r"(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z0-9]{12,128}(?![a-z])"), MASK),
    # presigned requests, which is what an IAM database token is
    (
        ("x-amz-",),
        re.compile(r"""(x-amz-(?:signature|security-token|credential)(?:=|%3D|"?:\s*"?))[^&\s"'<>]+""", re.I),
        rf"\1{MASK}",
    ),
    (
        ("private key-----",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S
        ),
        f"-----{MASK} private key-----",
    ),
    # password=... of connection strings, URLs, keyword arguments and environments; a flag is no password
    # (manage_master_user_password = true)
    (
        ("passw", "pwd", "accesskey", "access_key", "token"),
        re.compile(
            rf"""({_NAMES}["']?\s*=\s*)(?!(?:true|false)(?:[\s&;,'")]|$))(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s&;,'")]+)""",
            re.I | re.S,
        ),
        rf"\1{MASK}",
    ),
    # "password": "..." of JSON, and CREATE ROLE ... PASSWORD '...'
    (
        ("passw", "pwd", "accesskey", "access_key", "token"),
        re.compile(rf"""({_NAMES}["']?\s*:\s*|password\s+)(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?)""", re.I | re.S),
        rf"\1{MASK}",
    ),
    # user:password@ of URLs; a port is no password
    (
        ("://",),
        re.compile(r"""(://[^\s/:@'"]{0,128}):(?!\d{1,5}(?:[/?#]|$))[^\s'"]{1,512}@"""),
        rf"\1:{MASK}@",
    ),
)


def _base64(secret: bytes) -> set[str]:
    """What is certain of the secret in base64 of anything that holds it, at each of the three alignments."""
    found = {base64.b64encode(secret).decode()}
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret + bytes(-(before + len(secret)) % 3)).decode()
        spare = -(before + len(secret)) % 3
        # characters that also hold bits of what stands before or after
        core = text[(0, 2, 3)[before] : len(text) - (0, 2, 3)[spare]]
        if len(core) >= 8:
            found.add(core)
    return found | {text.replace("+", "-").replace("/", "_") for text in found}


def _forms(secret: str) -> set[str]:
    """The spellings in which a secret gets into texts."""
    forms = {secret, secret.replace("'", "''"), secret.replace("\\", "\\\\").replace("'", "\\'"), repr(secret)[1:-1]}
    for plain in (True, False):
        once = json.dumps(secret, ensure_ascii=plain)[1:-1]
        forms |= {once, json.dumps(once, ensure_ascii=plain)[1:-1]}
    raw = secret.encode("utf-8", "surrogatepass")
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(quote(raw, safe=""), safe="")):
        forms |= {encoded, re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), encoded)}
    return forms | _base64(raw)


class Redactor:
    """Masks known secrets, in every spelling, and what looks like a secret.

    :param secrets: those known at the start; :meth:`add` tells it more. Shorter than four characters: not masked.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """Mask this from now on; None and the empty text are fine."""
        if secret is not None and len(secret) >= SHORTEST:
            # the longest first: a spelling may be a part of another
            self._forms = sorted({*self._forms, *_forms(secret)}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        lower = text.lower()
        for marks, pattern, instead in _PATTERNS:
            if any(mark in lower for mark in marks):
                text = pattern.sub(instead, text)
        return text


# C0 and C1 controls with ESC, DEL; soft hyphen; bidirectional and zero-width characters; separators that end a line;
# lone surrogates, which no stream can encode; the byte order mark; interlinear annotations; tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def printable(text: str, *, keep: str = "\n\t") -> str:
    r"""The text with what steers a terminal written as ``\x1b``, ``\u202e``; characters of ``keep`` stay."""

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        return (
            char
            if char in keep
            else char.encode("ascii", "backslashreplace").decode()
            if ord(char) > 0x7F
            else (f"\\x{ord(char):02x}")
        )

    return _UNPRINTABLE.sub(escape, text)
