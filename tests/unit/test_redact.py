# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""No secret gets out, in any spelling; ordinary text stays; nothing steers a terminal."""

from __future__ import annotations

import base64
import json
import re
import time
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hgaurora.core.redact import MASK, Redactor, printable

#: ways in which a secret gets into text
LEAKS = {
    "raw": lambda s: f"failed for {s}!",
    "url": lambda s: f"x?token={quote(s, safe='')}&y",
    "url with slashes": lambda s: f"/{quote(s)}/",
    "form": lambda s: f"p={quote_plus(s)};",
    "url lower": lambda s: re.sub("%..", lambda found: found[0].lower(), quote(s, safe="")),
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json": lambda s: json.dumps({"p": s}),
    "json utf-8": lambda s: json.dumps([s], ensure_ascii=False),
    "json twice": lambda s: json.dumps(json.dumps(s)),
    "repr": lambda s: repr([s]),
    "sql": lambda s: "'" + s.replace("'", "''") + "'",
    "libpq": lambda s: "'" + s.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
}
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=8, max_size=40)


@given(SECRETS, st.sampled_from(sorted(LEAKS)))
@example("pa'ss\\wörd\"@:/%?", "libpq")
def test_known_secret(secret: str, way: str) -> None:
    assume(len(set(secret)) > 4 and MASK not in secret)
    leak = LEAKS[way](secret)
    found = Redactor([secret])(leak)
    assert MASK in found
    assert secret not in found
    assert quote(secret, safe="") not in found
    assert json.dumps(secret)[1:-1] not in found


@given(st.binary(max_size=7), SECRETS, st.binary(max_size=7))
def test_base64_of_more(before: bytes, secret: str, after: bytes) -> None:
    text = base64.b64encode(before + secret.encode() + after).decode()
    for leak in (text, text.replace("+", "-").replace("/", "_")):
        found = Redactor([secret])(f"Basic {leak}")
        assert MASK in found
        rest = found.removeprefix("Basic ").replace(MASK, "")
        # what is left is what stood around it, and at most the characters that it shares with that
        assert len(rest) <= len(text) - len(secret.encode()) * 4 // 3 + 6


@pytest.mark.parametrize(
    "text",
    [
        "manage_master_user_password = true (Terraform aws_rds_cluster)",
        '{"terraform": "manage_master_user_password = true (Terraform aws_rds_cluster)"}',
        "manage_master_user_password=false",
        '{"terraform": "manage_master_user_password = true"}',
    ],
)
def test_a_flag_is_no_password(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize("secret", ["trueblood", "true-blood", "falsehood!", "true\\x"])
def test_a_password_that_begins_like_a_flag(secret: str) -> None:
    assert secret not in Redactor()(f"password={secret}")


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE", "used"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", ""),
        ("h:5432/?Action=connect&X-Amz-Signature=0a1b2c&DBUser=u", "0a1b2c", "&DBUser=u"),
        ("?X-Amz-Security-Token=FwoG%2Fx&x=1", "FwoG%2Fx", "&x=1"),
        ("?x-amz-signature%3D0a1b2c", "0a1b2c", ""),
        ('{"X-Amz-Security-Token": "FwoGZXIv"}', "FwoGZXIv", '"}'),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nxyz=\n-----END RSA PRIVATE KEY-----\nafter", "MIIEow", "\nafter"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow", ""),
        ('"-----BEGIN EC PRIVATE KEY-----\\nMIIEow\\n-----END EC PRIVATE KEY-----\\n"', "MIIEow", '\\n"'),
        ("host=h password=hunter2 dbname=d", "hunter2", " dbname=d"),
        ("host=h password = 'hun ter\\'2' dbname=d", "ter", " dbname=d"),
        ("postgresql://h/d?user=u&password=hunter2&x=1", "hunter2", "&x=1"),
        ("connect(password='hunter2', port=1)", "hunter2", ", port=1)"),
        ("PGPASSWORD=hunter2 psql", "hunter2", " psql"),
        ('{"password": "hun\\"ter2", "a": 1}', "ter2", ', "a": 1}'),
        ("CREATE ROLE a PASSWORD 'hun''ter2' LOGIN", "ter2", " LOGIN"),
        ("ALTER ROLE a PASSWORD 'hun\nter2' LOGIN", "ter2", " LOGIN"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/XUtn+FEMI x", "wJalr", " x"),
        ("aws_session_token = FwoGZXIv", "FwoGZXIv", ""),
        ("postgresql://ana:hunter2@host/shop", "hunter2", "@host/shop"),
        ("postgresql://ana:hun@ter/2@host/shop", "ter", "@host/shop"),
        ("postgresql+psycopg://:hunter2@host/shop", "hunter2", "@host/shop"),
        ("unterminated password='hunter2", "hunter2", ""),
    ],
)
def test_patterns(text: str, secret: str, kept: str) -> None:
    found = Redactor()(text)
    assert secret not in found
    assert MASK in found
    assert found.endswith(kept)
    assert Redactor()(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "prod is now at a58e04d2c6b1 (stable), heads 0007                   prod-1, 1.3s",
        "added column users.password varchar(40)",
        "the password comes from PGPASSWORD or ~/.pgpass",
        "postgresql://host:5432/shop and ana@example.com",
        "https://example.com:8443/a?mail=ana@example.com",
        "postgresql://ana@host/shop",
        "X-Amz-Date=20261120T000000Z",
        "-----BEGIN CERTIFICATE-----",
        "ssh://hg@example.com//repo",
        "akia, asia and KIA",
        "lock_token and next token",
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor(["hunter2hunter2"])(text) == text


def test_short_and_late_secrets() -> None:
    redact = Redactor(["", "abc"])
    assert redact("abc abcd") == "abc abcd"
    redact.add(None)
    redact.add("abcd")
    assert redact("abc abcd") == f"abc {MASK}"


def test_longest_first() -> None:
    assert Redactor(["hunter", "hunter2secret"])("hunter2secret hunter") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    "piece",
    ["://a:", "password='", 'password="', "AKIA", "-----BEGIN PRIVATE KEY-----", "X-Amz-Signature=", "://", "passw "],
)
def test_time_is_linear(piece: str) -> None:
    begin = time.process_time()
    Redactor(["hunter2hunter2"])(piece * (1_000_000 // len(piece)))
    assert time.process_time() - begin < 5  # quadratic work on a megabyte takes hours


@given(st.text())
def test_printable(text: str) -> None:
    found = printable(text)
    assert not {unicodedata.category(char) for char in found if char not in "\n\t"} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(char) for char in found} & {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"
    }  # fmt: skip
    assert not set(found) & set("\x1b\x07\r\x7f\x9b\u202e\u2066\u200f\u2028\ufeff\x00")
    found.encode()  # no lone surrogate
    assert printable(found) == found
    assert "\n" not in printable(text, keep="")


def test_printable_spelling() -> None:
    assert printable("a\x1b[31m\u202eb\x9b\U000e0041\ud800\té\n") == ("a\\x1b[31m\\u202eb\\x9b\\U000e0041\\ud800\té\n")
