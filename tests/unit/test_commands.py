# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One table, two front ends, one reference."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from hgaurora import cli, commands
from hgaurora.aurora import cmdtable
from hgaurora.core import errors

DOCS = Path(__file__).parents[2] / "docs" / "commands.rst"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """main() sets handlers, as a process's own main function may."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def test_the_reference_is_the_table() -> None:
    assert DOCS.read_text("utf-8") == commands.docs_reference(), "python -m hgaurora.commands > docs/commands.rst"


def test_the_exit_codes_are_those_of_the_errors() -> None:
    assert {name: code for code, name, _ in commands.MEANINGS if name} == errors.EXIT_CODES


def test_both_front_ends_have_every_command_and_option() -> None:
    group = cli._group(cli._Run([]))
    assert list(group.commands) == list(commands.BY_NAME)
    assert sorted(name.decode() for name in cmdtable) == sorted(f"aurora-{name}" for name in commands.BY_NAME)
    for name, spec in commands.BY_NAME.items():
        entry = cmdtable[f"aurora-{name}".encode()]
        hg = {option[1].decode() for option in entry[1]} | {"json", "verbose"}
        click_options = {p.opts[0].lstrip("-") for p in group.commands[name].params if isinstance(p, click.Option)}
        assert hg - {"template"} == click_options - {"repository", "debug", "R"} == {o.long for o in spec.options}


@pytest.mark.parametrize("spec", commands.COMMANDS, ids=lambda spec: spec.name)
def test_each_command(spec: commands.Command) -> None:
    assert spec.examples
    assert spec.summary[0].islower()
    assert not spec.summary.endswith(".")
    assert ":" not in spec.summary, "hg help cuts a summary there"
    assert spec.help(commands.HG).isascii()
    if spec.changes:
        assert commands.DRY_RUN in spec.options
    for option in spec.options:
        assert not option.help.endswith(".")
        assert (option.kind == "flag") == (not option.metavar)


@pytest.mark.parametrize(
    ("name", "rest"), [(spec.name, rest) for spec in commands.COMMANDS for rest, _ in spec.examples]
)
def test_examples_parse(name: str, rest: str) -> None:
    group = cli._group(cli._Run([]))
    words = shlex.split(rest.partition(">")[0])
    group.commands[name].make_context(name, words)


class App:
    """Stands in for the use cases: remembers how it was called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, end: object = 0) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._end = end
        monkeypatch.setattr(cli._Run, "history", lambda run: _NoHistory())
        monkeypatch.setattr("hgaurora.app.run", self.run)

    def run(self, command: str, options: dict[str, Any], *, history: object, ui: object) -> int:
        self.calls.append((command, options))
        if isinstance(self._end, BaseException):
            raise self._end
        assert isinstance(self._end, int)
        return self._end


class _NoHistory:
    def close(self) -> None:
        """Nothing is open."""


def test_options_reach_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(monkeypatch)
    assert cli.main(["revert", "prod", "--way", "restore", "--yes", "-n"]) == 0
    assert app.calls == [
        (
            "revert",
            {
                "env": "prod",
                "to": None,
                "way": "restore",
                "yes": True,
                "resume": False,
                "abort": False,
                "dry_run": True,
                "verbose": False,
                "json": False,
            },
        )
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["deploy", "--nope"],
        ["revert"],
        ["deploy", "a", "b"],
        ["log", "-l", "x"],
        ["log", "-l", "-1"],
        ["revert", "prod", "--way", "magic"],
        ["engine", "restart"],
        ["deploy", "--rev"],
        ["-R"],
    ],
)
def test_usage_errors_are_input_errors(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = App(monkeypatch)
    assert cli.main(arguments) == 10
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("abort: ")
    assert err.endswith(")\n")
    assert app.calls == []


def test_an_error_says_what_state_and_what_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = errors.LockHeld(
        "prod is locked by deploy prod-42: ben on build-2, pid 8810, since 13:24Z, now at 3/6 snapshot",
        state="this run changed nothing",
        hint="hgaurora status --follow prod-42",
    )
    App(monkeypatch, error)
    assert cli.main(["deploy", "prod"]) == 21
    assert capsys.readouterr() == (
        "",
        "abort: prod is locked by deploy prod-42: ben on build-2, pid 8810, since 13:24Z,\n"
        "  now at 3/6 snapshot\n"
        "  this run changed nothing\n"
        "(hgaurora status --follow prod-42)\n",
    )
    assert cli.main(["deploy", "prod", "--json"]) == 21
    assert json.loads(capsys.readouterr().out) == [error.as_json()]


def test_secrets_and_escapes_do_not_leave(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    App(monkeypatch, errors.RemoteError("postgresql://u:hunter22@h/d said \x1b[2Jno"))
    assert cli.main(["deploy", "prod"]) == 100
    err = capsys.readouterr().err
    assert "hunter22" not in err
    assert "\x1b" not in err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    App(monkeypatch, KeyboardInterrupt())
    assert cli.main(["deploy", "prod"]) == 240
    assert "interrupted" in capsys.readouterr().err


def test_a_bug_shows_a_traceback_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    App(monkeypatch, ZeroDivisionError("odd"))
    assert cli.main(["deploy", "prod"]) == 255
    err = capsys.readouterr().err
    assert "bug in hgaurora" in err
    assert "Traceback" not in err
    assert cli.main(["deploy", "prod", "--debug"]) == 255
    assert "Traceback" in capsys.readouterr().err


def test_an_answer_of_no_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    App(monkeypatch, 1)
    assert cli.main(["status", "prod"]) == 1


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status"]) == 10
    assert "no repository found in" in capsys.readouterr().err
    assert cli.main(["-R", "elsewhere", "status"]) == 10
    assert cli.main(["status", "-R", "elsewhere"]) == 10
    assert capsys.readouterr().err.count("elsewhere") == 2


def test_a_repository_is_found_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".hg").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert cli.find_repository(None) == tmp_path
    assert cli.find_repository(str(tmp_path)) == tmp_path
