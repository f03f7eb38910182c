# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""hgaurora.toml: what is right is read, and each thing that is wrong is one error with file, line and key."""

from __future__ import annotations

import tomllib
from dataclasses import fields

import pytest

from hgaurora.core.errors import ConfigError, InputError
from hgaurora.core.settings import KEYS, Environment, Key, ProjectSettings, read_settings, settings_reference
from hgaurora.core.settings.keys import KINDS

#: the least that makes an environment of each kind
LEAST = {
    "target": ['target = "local"'],
    "url": ['url = "postgresql://host/shop"'],
    "cluster": ['cluster = "shop-prod"', 'region = "eu-west-1"', 'database = "shop"'],
}
#: what a key needs beside it to be right
NEEDS = {
    "on-push": ['deploys = "all()"'],
    "soak": ['after = ["staging"]'],
    "log-retention": ['log-group = "/x"'],
    "log-key": ['log-group = "/x"'],
    "require-journal": ['log-group = "/x"'],
    "external-id": ['role-arn = "arn:aws:iam::123456789012:role/x"'],
}
STAGING = ["[environments.staging]", 'target = "local"']


def document(key: Key, value: str, *, name: str | None = None) -> tuple[str, int, str]:
    """A whole file that ends with one key; the line of that key, and its dotted name."""
    line = f"{name or key.name} = {value}"
    if key.section == "project":
        lines = [*STAGING, "", "# a project", "[project]", line]
    else:
        kind = key.kinds[-1]
        least = [one for one in LEAST[kind] if not one.startswith(f"{key.name} =")]
        needs = NEEDS.get(key.name, [])
        lines = ["[project]", "change-request = 'OPS'", *STAGING, "", "# prod", "[environments.prod]"]
        lines += [*least, *needs, line]
    dotted = "project" if key.section == "project" else "environments.prod"
    return "\n".join(lines) + "\n", len(lines), f"{dotted}.{name or key.name}"


def refused(text: str, source: str = "conf/hgaurora.toml") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_settings(text, source=source)
    error = caught.value
    assert error.exit_code == 30
    assert error.data["file"] == source
    assert error.message.startswith(f"{source}:{error.data['line']}: ")
    assert "\n" not in error.message
    assert error.state == "nothing was done"
    return error


def check(text: str, line: int, key: str, *words: str) -> ConfigError:
    error = refused(text)
    assert (error.data["line"], error.data["key"]) == (line, key), error.message
    for word in (key.rsplit(".", 1)[-1], *words):
        assert word in error.message
    return error


by_name = pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.section}.{key.name}")


@by_name
def test_example_is_right(key: Key) -> None:
    settings = read_settings(document(key, key.example)[0])
    holder = settings.project if key.section == "project" else settings.environments["prod"]
    assert getattr(holder, key.field) == key.read(tomllib.loads(f"k = {key.example}")["k"])


@by_name
def test_default(key: Key) -> None:
    cls = ProjectSettings if key.section == "project" else Environment
    settings = read_settings("\n".join(STAGING))
    holder = settings.project if key.section == "project" else settings.environments["staging"]
    if key.name not in ("target", "protected"):
        assert getattr(holder, key.field) == key.default
    assert key.field in {field.name for field in fields(cls)}


_VALUES = {str: '"word"', bool: "true", int: "7", float: "1.5", list: "[1]", dict: "{ a = 1 }"}


@by_name
@pytest.mark.parametrize("given", [*_VALUES, "date"], ids=str)
def test_wrong_type(key: Key, given: type | str) -> None:
    if given is key.toml and given in (list, dict):
        text, line, name = document(key, _VALUES[key.toml])
        check(text, line, name if given is list else f"{name}.a", "must hold texts")
    elif given is not key.toml:
        text, line, name = document(key, "1979-05-27" if isinstance(given, str) else _VALUES[given])
        error = check(text, line, name, "must be")
        assert key.example in (error.hint or "")


#: values of the right type that can not be
BAD: dict[str, list[str]] = {
    "migrations": ['""', '"/abs"', '"a/../b"', r'"a\\b"', '"a//b"', '"."', '".hg/x"', '"C:/x"', r'"a\nb"', r'"\u202e"'],
    "version-locations": ["[]", '["/abs"]', '["a", "a"]', '[""]', '["a", 1]'],
    "env": ['"theirs"', '""'],
    "paths": ['["../up"]', '["src", "src"]', "[1]"],
    "imports": ['["a-b"]', '["os; x"]', '["1a"]', "[true]"],
    "python": ['""', '"-c"'],
    "change-request": ["'('", "''", "'x*'", "'(?P<a'"],
    "multiple-heads": [],
    "alembic-options": ['{ a = "postgresql://u:pw@h/d" }'],
    "target": ['"remote"', '"Local"', '""'],
    "url": [
        '"postgresql://u:secret@host/shop"', '"postgresql://host"', '"postgresql://host/"', '"mysql+pymysql://host/shop"',
        '"postgres://host/shop"', '"postgresql+psycopg://host/shop"', '"host/shop"', '"postgresql://host:x/shop"',
        '"postgresql://host:99999/shop"', '"postgresql://[host/shop"', '"postgresql://a,b/shop"',
        '"postgresql://host/shop?password=secret"', '"postgresql://host/shop?options=-c"', '"postgresql://host/a/b"',
        '"postgresql://host/shop?sslmode=a&sslmode=b"', '"postgresql://host/shop?host=/tmp"', '"postgresql://h/%0a"',
        '"postgresql:///%00"', '"postgresql://host/shop?x"', '"postgresql://host/shop#x"', '"postgresql:shop"', '""',
        '"postgresql://host/shop?passfile=x"', '"mysql://u:secret@host/shop"', '"mysql://host"',
        '"mysql://host/shop?sslmode=verify-full"', '"mysql://host/shop?ssl-mode=sometimes"',
        '"mariadb://host/shop?socket=/run/my.sock"', '"mysql://host/shop?connect-timeout=soon"', '"oracle://host/shop"',
        '"mysql://host/shop?password=secret"', '"maria://host/shop"',
    ],
    "cluster": ['"a b"', '"-a"', '""', f'"{"a" * 64}"'],
    "cluster-from": [
        "{}", '{ output = "x" }', '{ terraform = "a.json", pulumi = "b.json" }', '{ terraform = "../a.json" }',
        '{ terraform = "/a.json" }', '{ terraform = 1 }', '{ terraform = "a.json", outptu = "x" }',
        '{ pulumi = "a.json" }', '{ cdk = "a.json" }', '{ cloudformation = "stack" }', '{ terraform = "" }',
        '{ terraform = "a.json", stack = "x" }', '{ cloudformation = "a b", output = "x" }',
        '{ terraform = "a.json", output = "x", resource = "y" }', '{ cloudformation-export = "x", output = "y" }',
    ],
    "region": ['"Frankfurt"', '"eu-west"', '""'],
    "account": ['"12345678901"', '"1234567890123"', '"12345678901a"'],
    "database": ['""', r'"\u001b[2J"'],
    "schema": ['""', '"a b"', '"1a"', f'"{"a" * 64}"'],
    "user": ['""', '" "'],
    "role-arn": ['"hgaurora"', '"arn:aws:iam::1:role/x"', '"arn:aws:iam::123456789012:user/x"', '""'],
    "external-id": ['"a"', '"a b"', '""'],
    "secret": ['"a b"', '""', '"s?"'],
    "ca-bundle": ['""', '"  "', '"bundle.pem"'],
    "deploys": ['""', '"  "'],
    "on-push": [],
    "protected": [],
    "after": ['["nowhere"]', '["prod"]', '["staging", "staging"]', "[1]", '["stagin"]'],
    "soak": ['"91d"', '"2 h"', '"h"', '""', '"-1h"', '"1.5h"', '"2"', '"30m1h"', '"2H"'],
    "snapshot": ['"all"', '"eachh"'],
    "snapshot-wait": ['"9s"', '"3d"'],
    "snapshot-copy": [
        "{ }", '{ regon = "eu-west-1" }', '{ region = "Frankfurt" }', '{ account = "1", role = "r" }',
        '{ account = "210987654321" }', '{ key = "alias/x" }',
        '{ region = "eu-central-1", account = "210987654321", role = "r" }',
    ],
    "keep": ["0", "1001"],
    "alarms": ["[]", '[""]', '["a", "a"]'],
    "replica-lag": ['"9ms"', '"2h"'],
    "lock-wait": ['"2d"', '"soon"'],
    "lock-timeout": ['"0s"', '"9ms"', '"11m"'],
    "lock-tries": ["0", "101", "-1"],
    "statement-timeout": ['"8d"', '"never"'],
    "backfill-timeout": ['"8d"', '"long"'],
    "migration-timeout": ['"8d"', '"0"'],
    "change-request-required": [],
    "window": [
        '"always"', '"Mon 08:00-08:00 UTC"', '"Mon 25:00-26:00 UTC"', '"Foo 08:00-09:00 UTC"',
        '"Mon 08:00-09:00 Europe/Pariss"', '"Mon 08:60-09:00 UTC"', '"Mon 08:00-09:00"',
        '"Mon-Tue-Wed 08:00-09:00 UTC"',
        '"Mon 08:00-24:01 UTC"', '"Mon 08:00-09:00 Europe"', '"mon 08:00-09:00 UTC"',
    ],
    "log-group": ['"a b"', '""'],
    "log-retention": ["0", "2", "31", "3654", "-1"],
    "log-key": ['""', '"alias/x"', '"arn:aws:kms:eu-west-1:1:key/x"', '"arn:aws:kms:eu-west-1:123456789012:alias/x"'],
    "require-journal": [],
    "ignore": ['[""]', '["table"]', '["a b"]', "[1]"],
    "port": ["0", "80", "65536"],
}  # fmt: skip


def test_bad_values_cover_every_key() -> None:
    assert set(BAD) == {key.name for key in KEYS}
    assert {key.name for key in KEYS if not BAD[key.name]} == {key.name for key in KEYS if key.toml is bool}


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key in KEYS for value in BAD[key.name]],
    ids=lambda one: one.name if isinstance(one, Key) else one[:40],
)
def test_out_of_range(key: Key, value: str) -> None:
    text, line, name = document(key, value)
    place = str(refused(text).data["key"])
    assert place == name or (key.toml is dict and place.startswith(f"{name}."))
    error = check(text, line, place)
    assert not {"secret", "pw"} & set(error.message.replace(":", " ").split())
    assert "secret@" not in str(error.as_json())
    assert "=secret" not in str(error.as_json())


@by_name
def test_misspelt(key: Key) -> None:
    wrong = key.name[:-2] + key.name[-1] + key.name[-2]  # two letters changed round
    wrong = wrong if wrong != key.name else key.name + "x"
    text, line, name = document(key, key.example, name=wrong)
    error = refused(text)
    assert (error.data["line"], error.data["key"]) == (line, name)
    assert f'has no key "{wrong}"' in error.message
    assert error.hint == f'the key is "{key.name}"'


@by_name
def test_twice(key: Key) -> None:
    text, line, _ = document(key, key.example)
    error = refused(text + f"{key.name} = {key.example}\n")
    assert error.data["line"] == line + 1


@by_name
def test_in_the_wrong_section(key: Key) -> None:
    line = f"{key.name} = {key.example}"
    lines = [*STAGING, line] if key.section == "project" else ["[project]", line, *STAGING]
    error = refused("\n".join(lines))
    assert error.data["line"] == lines.index(line) + 1
    assert "it belongs to [" in (error.hint or "")


@pytest.mark.parametrize("key", [key for key in KEYS if key.required], ids=lambda key: key.name)
def test_missing(key: Key) -> None:
    for kind in key.required:
        least = [one for one in LEAST[kind] if not one.startswith(f"{key.name} =")]
        text = "\n".join([*STAGING, "[environments.prod]", *least])
        error = check(text, 3, f"environments.prod.{key.name}", "is missing", f"{kind} (line 4)")
        assert error.hint == f"add {key.name} = {key.example}"


def test_missing_kind() -> None:
    error = check('\n[environments.prod]\nschema = "x"\n', 2, "environments.prod", "names no database")
    assert all(kind in (error.hint or "") for kind in KINDS)


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for key in KEYS for kind in KINDS if kind not in key.kinds],
    ids=lambda one: one.name if isinstance(one, Key) else one,
)
def test_does_not_go_with(kind: str, key: Key) -> None:
    text = "\n".join([*STAGING, "[environments.prod]", *LEAST[kind], f"{key.name} = {key.example}"])
    check(text, 4 + len(LEAST[kind]), f"environments.prod.{key.name}", "does not go with", f"{kind} (line 4)")


def environment(name: str, *lines: str) -> str:
    return "\n".join([f"[environments.{name}]", *lines, ""])


LOCAL = 'target = "local"'
CLUSTER = tuple(LEAST["cluster"])


@pytest.mark.parametrize(
    ("text", "line", "key", "other"),
    [
        (environment("a", LOCAL, 'soak = "1h"'), 3, "a.soak", "after"),
        (environment("a", LOCAL, 'soak = "1h"', "after = []"), 3, "a.soak", "after"),
        (environment("a", "on-push = true", LOCAL), 2, "a.on-push", "deploys"),
        (environment("a", *CLUSTER, 'external-id = "xyz"'), 5, "a.external-id", "role-arn"),
        (environment("a", LOCAL, "change-request-required = true"), 3, "a.change-request-required",
         "project.change-request"),
        (environment("a", *CLUSTER, "require-journal = true"), 5, "a.require-journal", "log-group"),
        (environment("a", *CLUSTER, "log-retention = 30"), 5, "a.log-retention", "log-group"),
        (environment("a", 'url = "postgresql://u@h/d"', 'user = "u"'), 3, "a.user", "url (line 2)"),
        (environment("a", LOCAL, 'statement-timeout = "2h"', 'migration-timeout = "1h"'), 3, "a.statement-timeout",
         "migration-timeout (line 4)"),
        (environment("a", LOCAL, 'lock-timeout = "5s"', 'statement-timeout = "5s"'), 4, "a.statement-timeout",
         "lock-timeout (line 3)"),
        (environment("a", LOCAL, 'statement-timeout = "1s"'), 3, "a.statement-timeout",
         "lock-timeout (2s, the default)"),
        (environment("a", LOCAL, 'backfill-timeout = "2h"', 'migration-timeout = "1h"'), 3, "a.backfill-timeout",
         "migration-timeout (line 4)"),
        (environment("a", LOCAL, 'lock-timeout = "5s"', 'backfill-timeout = "5s"'), 4, "a.backfill-timeout",
         "lock-timeout (line 3)"),
        (environment("b", *CLUSTER) + environment("a", *CLUSTER), 6, "a.cluster", "environments.b.cluster (line 2)"),
        (environment("b", *CLUSTER) + environment("a", *CLUSTER, 'account = "123456789012"'), 6, "a.cluster",
         "environments.b.cluster (line 2)"),
        (environment("b", 'url = "postgresql://localhost/d"') + environment("a", 'url = "postgresql://127.0.0.1:5432/d"'),
         4, "a.url", "environments.b.url (line 2)"),
        (environment("b", 'url = "mysql://localhost/d"') + environment("a", 'url = "mariadb://127.0.0.1:3306/d"'),
         4, "a.url", "environments.b.url (line 2)"),
        (environment("a", 'url = "mysql://localhost/d"', 'schema = "public"'), 3, "a.schema", "url (line 2)"),
        (environment("a", 'url = "postgresql://s.cluster-ro-c0ffee123456.eu-west-1.rds.amazonaws.com/d"'), 2, "a.url",
         "reader endpoint"),
        (environment("a", 'url = "mysql://s.cluster-custom-c0ffee123456.eu-west-1.rds.amazonaws.com/d"'), 2, "a.url",
         "custom endpoint"),
        (environment("a", *CLUSTER, 'snapshot-copy = { region = "eu-west-1" }'), 5, "a.snapshot-copy",
         "region (line 3)"),
        (environment("a", *CLUSTER, 'account = "123456789012"',
                     'snapshot-copy = { account = "123456789012", role = "arn:aws:iam::123456789012:role/x" }'), 6,
         "a.snapshot-copy", "account (line 5)"),
        (environment("b", LOCAL, "port = 5433") + environment("a", LOCAL, "port = 5433"), 6, "a.port",
         "environments.b.port (line 3)"),
        (environment("a", LOCAL, 'after = ["b"]') + environment("b", LOCAL, 'after = ["c"]')
         + environment("c", LOCAL, 'after = [', '"a",', "]"), 3, "a.after", "b.after (line 6), c.after (line 9)"),
        (environment("a", LOCAL, "after = [", '"b",', '"a"]', ) + environment("b", LOCAL), 3, "a.after", "a, a"),
        (environment("a", LOCAL, "after = [", '"b",', "# no", '"x"]', ) + environment("b", LOCAL), 6, "a.after", '"x"'),
    ],
)  # fmt: skip
def test_contradiction(text: str, line: int, key: str, other: str) -> None:
    check(text, line, f"environments.{key}", other)


@pytest.mark.parametrize(
    "name", ["Prod", "1a", "a_b", "a" * 33, "previous", "all", "none", "prod-42", "a.b", "", "é", "../x", "\\u001b[2J"]
)
def test_environment_name(name: str) -> None:
    error = refused(f'# x\n[environments."{name}"]\ntarget = "local"\n')
    assert error.data["line"] == 2
    assert "\x1b" not in error.message


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "no environment"),
        ("[project]\n", 1, "no environment"),
        ("\n[environments]\n", 2, "no environment"),
        ("[project]\n[enviroments.dev]\ntarget='local'\n", 2, "enviroments"),
        ("project = 1\n[environments.a]\ntarget='local'", 1, "must be a table"),
        ("[[project]]\n[environments.a]\ntarget='local'", 1, "must be a table"),
        ("\n[[environments]]\n", 2, "must be tables"),
        ("environments.a = 'local'", 1, "must be a table"),
        ("[environments.a]\ntarget=", 2, "not TOML"),
        ("[environments.a]\n[environments.a]\n", 2, "not TOML"),
        ("x = 1\ny = [1,\n2,\n", 3, "not TOML"),
        ("a = 1\nb = 1979-13-01\n", 2, "not TOML"),
        ("# x\ntoken = " + "9" * 5000, 2, "not TOML"),
        ("\nx = " + "[" * 5000, 2, "nested"),
        ("\nx = " + "{a=" * 5000, 2, "nested"),
        ("\nx = [\n" * 5000, 66, "nested"),
        (".".join(["a"] * 100_000) + " = 1", 1, "nested"),
        ("\ufeff[project]", 1, "not TOML"),
        ("#" * 262_145, 1, "larger than 256 KiB"),
        ("#" + "é" * 140_000, 1, "larger than 256 KiB"),
    ],
)
def test_no_settings_at_all(text: str, line: int, word: str) -> None:
    error = refused(text)
    assert word in error.message
    assert error.data["line"] == line
    assert len(error.message) < 200


def test_first_by_line() -> None:
    text = "[environments.a]\ntarget = 'local'\nlock-tries = 0\n[environments.b]\n[project]\nenvv = 1\n"
    assert refused(text).data["line"] == 3
    assert refused(text.replace("lock-tries = 0", "")).data["line"] == 4


def test_secret_as_key() -> None:
    error = refused("[environments.a]\ntarget = 'local'\npassword = 'hunter2hunter2'\n")
    assert "hunter2" not in str(error.as_json())
    assert "secrets" in (error.hint or "")


def test_kinds_and_protection() -> None:
    text = environment("a", LOCAL) + environment("b", LEAST["url"][0]) + environment("c", *CLUSTER)
    found = read_settings(text + environment("d", *CLUSTER[:2], 'database = "other"', "protected = false")).environments
    assert [one.kind for one in found.values()] == ["local", "url", "cluster", "cluster"]
    assert [one.protected for one in found.values()] == [False, False, True, False]
    assert [one.is_cluster for one in found.values()] == [False, False, True, True]


def test_same_names_in_two_accounts_are_two_clusters() -> None:
    text = environment("a", *CLUSTER, 'account = "123456789012"') + environment(
        "b", *CLUSTER, 'account = "210987654321"'
    )
    assert len(read_settings(text).environments) == 2


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("postgresql://host/shop", {"host": "host", "dbname": "shop"}),
        ("postgresql://ana%40x@[::1]:5433/my%20shop?sslmode=verify-full",
         {"host": "::1", "port": "5433", "user": "ana@x", "dbname": "my shop", "sslmode": "verify-full"}),
        ("postgresql:///shop?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "shop"}),
        ("mysql://ana@[::1]:3307/my%20shop?ssl-mode=verify-full&ssl-ca=/ca.pem",
         {"host": "::1", "port": "3307", "user": "ana", "dbname": "my shop", "ssl-mode": "verify-full",
          "ssl-ca": "/ca.pem"}),
        ("mariadb:///shop?socket=/run/my.sock", {"socket": "/run/my.sock", "dbname": "shop"}),
    ],
)  # fmt: skip
def test_url_parameters(url: str, parameters: dict[str, str]) -> None:
    assert read_settings(environment("a", f'url = "{url}"')).environments["a"].parameters == parameters


@pytest.mark.parametrize(
    ("line", "engine"),
    [(LOCAL, "postgresql"), ('url = "postgresql://h/d"', "postgresql"), ('url = "mysql://h/d"', "mysql"),
     ('url = "mariadb://h/d"', "mysql")],
)  # fmt: skip
def test_engine(line: str, engine: str) -> None:
    assert read_settings(environment("a", line)).environments["a"].engine == engine


def test_one_port_may_be_two_databases_of_two_engines() -> None:
    urls = ["postgresql://h:3306/d", "mysql://h/d", "mysql:///d?socket=/a", "mysql:///d?socket=/b"]
    text = "".join(environment(f"e{n}x", f'url = "{url}"') for n, url in enumerate(urls))
    assert len(read_settings(text).environments) == 4


def test_user_beside_url() -> None:
    found = read_settings(environment("a", LEAST["url"][0], 'user = "ben"')).environments["a"]
    assert found.parameters["user"] == "ben"


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("1s500ms", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert read_settings(environment("a", LOCAL, f'lock-wait = "{text}"')).environments["a"].lock_wait == seconds


def test_environment_by_name() -> None:
    settings = read_settings(environment("dev", LOCAL) + environment("prod", LOCAL))
    assert settings.environment("dev").name == "dev"
    with pytest.raises(InputError) as caught:
        settings.environment("prd")
    assert caught.value.hint == "the environment is prod"
    with pytest.raises(InputError) as caught:
        settings.environment("xyz")
    assert caught.value.hint == "environments are dev, prod"


def test_error_in_use() -> None:
    settings = read_settings(environment("dev", LOCAL, 'deploys = "branch("'), source="x.toml")
    error = settings.error(("environments", "dev", "deploys"), "is no revset: unclosed", hint="close it")
    assert error.message == "x.toml:3: environments.dev.deploys is no revset: unclosed"
    assert error.data == {"file": "x.toml", "line": 3, "key": "environments.dev.deploys"}


def test_reference_has_every_key() -> None:
    text = settings_reference()
    for key in KEYS:
        assert f"``{key.name} = {key.example}``" in text
        assert key.allowed in text


def test_the_pattern_that_is_none_is_named() -> None:
    text = (
        '[project]\nmigrations = "m"\n[environments.dev]\ntarget = "local"\nignore = ["public.x", "tabel public.y"]\n'
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(text)
    assert caught.value.message.endswith('is no pattern, "tabel public.y": tabel is no kind of object')
