# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The extension's side of a run: what it starts, hands over, re-emits, asks, and how that ends.

In place of hgaurora it starts small programs that speak the same protocol; :mod:`test_history` has the questions.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HG = Path(sys.executable).parent / "hg"
PACKAGE = Path(__file__).parents[2] / "hgaurora"

_HEAD = f"""#!{sys.executable}
import json, os, signal, sys, time
sys.path.insert(0, {str(PACKAGE.parent)!r})
from hgaurora.adapters.history.pipe import Channel, PipeHistory
from hgaurora.ui import Hg
fd = int([word for word in sys.argv if word.startswith("--hg-fd=")][0][8:])
channel = Channel(fd)
ui, history = Hg(channel), PipeHistory(channel)
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts ``hg aurora-status`` with a program in place of hgaurora."""
    subprocess.run([HG, "init", tmp_path / "shop"], check=True, env={**os.environ, "HGRCPATH": ""})

    def starting(program: str, *words: str, **more: object) -> subprocess.Popen[bytes]:
        executable = tmp_path / "program"
        executable.write_text(_HEAD + textwrap.dedent(program))
        executable.chmod(0o700)
        hgrc = tmp_path / "hgrc"
        hgrc.write_text(f"[extensions]\nhgaurora = {PACKAGE}\n[hgaurora]\nexecutable = {executable}\n")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HG")}
        environment |= {"HGRCPATH": str(hgrc), "HGUSER": "ana", "HG_NODE": "of a hook", "HGAURORA_X": "ours"}
        options: dict[str, object] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [HG, *(words or ["aurora-status"])]
        return subprocess.Popen(command, cwd=tmp_path / "shop", env=environment, **{**options, **more})  # type: ignore[call-overload,no-any-return]

    return starting


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("code", [0, 1, 21, 240, 255])
def test_output_and_exit_code(start: Start, code: int) -> None:
    done = ended(start(f'ui.write("result"); ui.status("on the way"); sys.exit({code})'))
    assert done == (code, b"result\n", b"on the way\n")


def test_arguments_arrive_as_they_were(start: Start) -> None:
    program = "ui.write(json.dumps(sys.argv[1:]))"
    words = ["aurora-deploy", "--verbose", "--rev=--config=x", "-n", "-T", "json", "--", "-odd name\u00fc"]
    code, said, err = ended(start(program, *words))
    assert (code, err) == (0, b"")
    out = json.loads(said)
    assert out[:3] == ["-P", "-m", "hgaurora"]
    assert out[3].startswith("--hg-fd=")
    assert out[4] == "deploy"
    assert set(out[5:9]) == {"--verbose", "--rev=--config=x", "--dry-run", "--json"}
    assert out[9:] == ["--", "-odd name\u00fc"]


def test_hooks_variables_stay_behind(start: Start) -> None:
    found = json.loads(ended(start("ui.write(json.dumps(list(os.environ)))"))[1])
    assert {name for name in found if name.startswith("HG")} == {"HGAURORA_X"}


def test_output_is_live_and_whole(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    program = f"""
        ui.write("first")
        open({str(go)!r}).read()
        sys.stdout.write("x" * 300_000 + "\\nno end of line")
        sys.stdout.flush()
    """
    process = start(program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    go.write_text("go")
    assert ended(process) == (0, b"x" * 300_000 + b"\nno end of line", b"")


def test_nobody_answers_a_prompt(start: Start) -> None:
    assert ended(start('ui.write(repr(ui.prompt("type prod:")))'))[:2] == (0, b"None\n")


def test_a_process_left_behind_does_not_hold_hg(start: Start) -> None:
    program = """
        import subprocess
        left = subprocess.Popen(["sleep", "30"])
        ui.write(str(left.pid))
    """
    begun = time.monotonic()
    process = start(program)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert process.wait(20) == 0
    assert time.monotonic() - begun < 15
    os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_it_once(start: Start, number: signal.Signals) -> None:
    program = f"""
        got = []
        read, write = os.pipe()
        signal.signal({int(number)}, lambda *rest: (got.append(1), os.write(write, b"!")))
        ui.write("ready")
        os.read(read, 1)
        time.sleep(0.3)  # a second one would come now; that nothing comes has no condition to await
        ui.write(f"got {{len(got)}}")
        sys.exit(240)
    """
    process = start(program, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, number)
    code, out, err = ended(process)
    assert (code, out, err) == (240, b"got 1\n", b"")


def test_it_is_killed(start: Start) -> None:
    code, _, err = ended(start("os.kill(os.getpid(), signal.SIGKILL)"))
    assert code == 240
    assert b"killed by signal 9" in err


def test_hg_is_killed(start: Start, tmp_path: Path) -> None:
    program = f"""
        ui.write("ready")
        try:
            while True:
                history.config("config")
                time.sleep(0.02)
        except Exception as error:
            ui.write("the run goes on without a reader")
            open({str(tmp_path / "end")!r}, "w").write(type(error).__name__)
    """
    process = start(program)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.communicate()
    end = tmp_path / "end"
    deadline = time.monotonic() + 20
    while not (end.exists() and end.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert end.read_text() == "Interrupted"


def test_a_wrong_interpreter_is_named(start: Start) -> None:
    code, _, err = ended(start("", "--config", "hgaurora.executable=/bin/false", "aurora-status"))
    assert code == 30
    assert b"/bin/false does not run hgaurora" in err


def test_a_prompt_and_a_bar_on_a_terminal(start: Start) -> None:
    program = """
        ui.progress("prod", item="1/2 snapshot prod-1-1", position=10, total=100)
        ui.progress("prod", item="1/2 snapshot prod-1-1", position=50, total=100)
        ui.write("before")
        ui.write("answer: " + repr(ui.prompt("type prod:")))
    """
    ours, theirs = pty.openpty()
    words = ["--config", "progress.delay=0", "--config", "progress.refresh=0", "aurora-status"]
    process = start(program, *words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    seen = b""
    while b"type prod:" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b"prod\n")
    while b"answer: " not in seen or not seen.endswith(b"\n"):
        seen += os.read(ours, 4096)
    assert process.wait(20) == 0
    os.close(ours)
    assert seen.index(b"before") < seen.index(b"type prod:")
    assert b"answer: 'prod'" in seen
    assert b"50/100" in seen


def test_history_is_that_of_hg(start: Start, tmp_path: Path) -> None:
    program = """
        ui.write(history.user())
        ui.write(str(history.root))
        ui.write(str(history.config("executable")))
    """
    assert ended(start(program))[1].decode().splitlines() == ["ana", str(tmp_path / "shop"), str(tmp_path / "program")]


def test_in_a_thread(start: Start, tmp_path: Path) -> None:
    """As a worker of ``hg serve`` runs a hook: no signal handler can be set there."""
    (tmp_path / "threaded.py").write_text(
        textwrap.dedent(
            """
            import threading
            from mercurial import extensions, registrar
            cmdtable = {}
            @registrar.command(cmdtable)(b"threaded")
            def threaded(ui, repo):
                run = extensions.find(b"hgaurora").cmdtable[b"aurora-status"][0]
                code = []
                thread = threading.Thread(
                    target=lambda: code.append(run(ui, repo, template=b"", follow=b""))
                )
                thread.start()
                thread.join()
                return code[0]
            """
        )
    )
    words = ["--config", f"extensions.threaded={tmp_path / 'threaded.py'}", "threaded"]
    assert ended(start('ui.write("here"); sys.exit(21)', *words)) == (21, b"here\n", b"")
