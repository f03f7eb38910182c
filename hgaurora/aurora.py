# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy Alembic migrations to Amazon Aurora, and take them back

Thin: it registers the commands of :mod:`hgaurora.commands` and runs ``python -m hgaurora`` for each. Whatever is heavy
stays out of the hg process (SQLAlchemy and Alembic do not even import under hg's lazy imports). The history that a
command reads, what it prints, its prompts and its bars go over a socket and through ``ui``, because inherited output
is lost over HTTP; stray output of its process is caught by pipes and re-emitted line by line.

Standard library, Mercurial and relative imports only; Python 3.9 syntax, hg 6.3 or later.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from mercurial import commands as hgcommands
from mercurial import encoding, extensions, progress, pycompat, registrar

from . import commands
from .adapters.history import inprocess

testedwith = b"7.2.4"
minimumhgversion = b"6.3"
buglink = b"https://pypi.org/project/hgaurora/"

cmdtable: dict = {}
command = registrar.command(cmdtable)
configtable: dict = {}
configitem = registrar.configitem(configtable)

# the interpreter that has hgaurora, where hg's own has not
configitem(b"hgaurora", b"executable", default=None)
# whose settings judge a deploy to a protected environment: a file, or a changeset of this repository
configitem(b"hgaurora", b"config", default=None)
configitem(b"hgaurora", b"config-rev", default=None)

_CONFIG_ERROR, _INTERRUPTED = 30, 240


def extsetup(ui: Any) -> None:
    """Add the help topic once somebody asks for help: ``mercurial.help`` costs every other command 8 ms."""
    extensions.wrapcommand(hgcommands.table, b"help", _help)


def _help(original: Any, ui: Any, *args: Any, **opts: Any) -> Any:
    from mercurial import help as hghelp

    topic = ([b"aurora"], b"Deploying to AWS Aurora", _topic, hghelp.TOPIC_CATEGORY_CONFIG)
    if topic not in hghelp.helptable:
        hghelp.helptable.append(topic)
    return original(ui, *args, **opts)


def _topic(ui: Any) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), "help", "aurora.rst"), "rb") as file:
        text = file.read()
    codes = "".join(f"{code:<4}  {name or '-':<15}  {meaning}\n" for code, name, meaning in commands.MEANINGS)
    return text + b"\n::\n\n" + b"".join(b"  " + line for line in codes.encode("ascii").splitlines(True))


def _register(spec: commands.Command) -> None:
    def run(ui: Any, *args: Any, **opts: Any) -> int:
        repo, words = (args[0], args[1:]) if spec.repository else (None, args)
        return _run(ui, repo, spec, list(words), opts)

    run.__doc__ = spec.help(commands.HG)
    options = [_option(option) for option in spec.options if option.globally != "verbose"]
    command(
        pycompat.sysbytes("aurora-" + spec.name),
        options,
        pycompat.sysbytes(spec.synopsis(commands.HG)),
        helpcategory=registrar.command.CATEGORY_REMOTE_REPO_MANAGEMENT,
        norepo=not spec.repository,
    )(run)


def _option(option: commands.Option) -> tuple:
    if option.globally == "template":
        return (b"T", b"template", b"", pycompat.sysbytes(option.help), b"json")
    default = None if option.kind == "flag" else b""
    words = (option.short, option.long, option.help, option.metavar)
    short, long, text, metavar = map(pycompat.sysbytes, words)
    return (short, long, default, text, metavar) if option.metavar else (short, long, default, text)


for _spec in commands.COMMANDS:
    _register(_spec)


def _run(ui: Any, repo: Any, spec: commands.Command, words: list[bytes], opts: dict[str, Any]) -> int:
    """Run one command in hgaurora's own Python; its exit code."""
    if opts.get("template") not in (b"", b"json"):
        ui.error(b"abort: -T takes json alone here, not %s\n  nothing was done\n" % opts["template"])
        return 10
    python = _python(ui)
    if python is None:
        ui.error(
            b"abort: hgaurora is not installed in the Python that runs hg, %s\n  nothing was done\n"
            b"(name the Python that has it in hgrc, under [hgaurora]: executable = /path/to/python;\n"
            b" that Python's 'hgaurora hg-config' prints the lines)\n" % pycompat.fsencode(sys.executable)
        )
        return _CONFIG_ERROR
    arguments = [pycompat.sysbytes(spec.name), *_options(ui, spec, opts), b"--"]
    return _Parent(ui, repo).run(python, [encoding.fromlocal(argument) for argument in arguments + words])


def _options(ui: Any, spec: commands.Command, opts: dict[str, Any]) -> list[bytes]:
    found = [b"--debug"] if ui.debugflag else []
    for option in spec.options:
        name = b"--" + pycompat.sysbytes(option.long)
        if option.globally == "verbose":
            found += [name] if ui.verbose else []
        elif option.globally == "template":
            found += [name] if opts["template"] else []
        elif opts[option.key]:
            found.append(name if option.kind == "flag" else name + b"=" + opts[option.key])
    return found


def _python(ui: Any) -> bytes | None:
    """The interpreter to run: the one hgrc names, else hg's own where hgaurora is installed there."""
    named = ui.configpath(b"hgaurora", b"executable")
    if named:
        return named
    here = sys.version_info >= (3, 11) and all(importlib.util.find_spec(name) for name in ("hgaurora", "click"))
    return pycompat.fsencode(sys.executable) if here else None


class _Parent:
    """One run of ``python -m hgaurora``: its output, its questions, its end."""

    def __init__(self, ui: Any, repo: Any) -> None:
        self._ui = ui
        self._history = None if repo is None else inprocess.RepositoryServer(repo.ui, repo)
        self._bars: dict[str, Any] = {}
        self._asking = False
        self._greeted = False

    def run(self, python: bytes, arguments: list[bytes]) -> int:
        """Start it, serve it until it ends; its exit code."""
        ours, theirs = socket.socketpair()
        head = [python, b"-P", b"-m", b"hgaurora", b"--hg-fd=%d" % theirs.fileno()]
        try:
            # a session of its own: Ctrl-C reaches it once, through us
            self._child = subprocess.Popen(
                head + arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=_environment(),
                start_new_session=True,
            )
        except OSError as problem:
            ours.close()
            reason = encoding.strtolocal(problem.strerror)
            self._ui.error(b"abort: %s can not be started: %s\n  nothing was done\n" % (python, reason))
            self._ui.error(b"(correct executable under [hgaurora] in hgrc)\n")
            return _CONFIG_ERROR
        finally:
            theirs.close()
        self._socket = ours
        self._lines = {
            self._child.stdout.fileno(): (bytearray(), self._ui.write),
            self._child.stderr.fileno(): (bytearray(), self._ui.write_err),
        }
        restore = self._catch_signals()
        try:
            self._serve()
        finally:
            restore()
            ours.close()
            self._child.stdout.close()
            self._child.stderr.close()
        code = self._child.returncode
        if code >= 0 and not self._greeted:
            self._ui.error(b"abort: %s does not run hgaurora\n  nothing was done\n" % python)
            self._ui.error(b"(correct executable under [hgaurora] in hgrc)\n")
            return _CONFIG_ERROR
        if code >= 0:
            return code
        self._ui.error(b"abort: hgaurora was killed by signal %d\n" % -code)
        self._ui.error(b"(hg aurora-status shows where things stand; the same command goes on)\n")
        return _INTERRUPTED

    def _catch_signals(self) -> Any:
        """Hand signals on to the child, which then ends in good order; returns what undoes it."""
        if threading.current_thread() is not threading.main_thread():
            return lambda: None  # of `hg serve`: Python runs no handler here

        def hand_on(number: int, frame: Any) -> None:
            self._child.send_signal(number)
            if self._asking:
                raise KeyboardInterrupt

        names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [(name, signal.signal(name, hand_on)) for name in names]
        return lambda: [signal.signal(name, handler) for name, handler in before]

    def _serve(self) -> None:
        requests = self._socket.fileno()
        pending = bytearray()
        listening = {requests, *self._lines}
        # a process that the child left behind may keep its stdout open: the child's own end is what counts
        while self._child.poll() is None or select.select(list(listening), [], [], 0)[0]:
            for fd in select.select(list(listening), [], [], 0.05 if requests not in listening else None)[0]:
                data = os.read(fd, 1 << 16)
                if not data:
                    listening.discard(fd)
                elif fd == requests:
                    pending += data
                    *lines, rest = pending.split(b"\n")
                    pending = bytearray(rest)
                    for line in lines:
                        self._request(json.loads(bytes(line)))
                else:
                    self._emit(fd, data)
        for buffer, write in self._lines.values():
            if buffer:
                write(encoding.tolocal(bytes(buffer)))
        self._ui.flush()

    def _emit(self, fd: int, data: bytes) -> None:
        buffer, write = self._lines[fd]
        buffer += data
        whole, newline, rest = buffer.rpartition(b"\n")
        if newline:
            buffer[:] = rest
            write(encoding.tolocal(bytes(whole + newline)))
            self._ui.flush()

    def _request(self, request: dict[str, Any]) -> None:
        call = request.pop("call")
        if call == "print":
            self._print(**request)
            return
        if call == "progress":
            self._progress(**request)
            return
        content = b""
        try:
            if call == "hello":
                self._greeted = True
                answer: dict[str, Any] = {"bars": self._shows_bars()}
            elif call == "prompt":
                answer = {"answer": self._prompt(request["question"])}
            else:
                answer, content = self._history.answer(call, request)
        except inprocess.Refused as refused:
            answer = {"refused": refused.args}
        try:
            self._socket.sendall(json.dumps({**answer, "bytes": len(content)}).encode("ascii") + b"\n" + content)
        except OSError:
            return  # it is gone, and asked for the last time

    def _print(self, stream: str, text: str) -> None:
        write = self._ui.write if stream == "out" else self._ui.write_err
        write(encoding.tolocal(text.encode("utf-8")))
        self._ui.flush()

    def _shows_bars(self) -> bool:
        return bool(progress.shouldprint(self._ui)) and not self._ui.configbool(b"progress", b"disable")

    def _prompt(self, question: str) -> str | None:
        if not self._ui.interactive():
            return None
        self._asking = True
        try:
            answer = self._ui.prompt(encoding.tolocal(question.encode("utf-8")) + b" ", default=b"")
            return encoding.fromlocal(answer).decode("utf-8", "replace")
        except KeyboardInterrupt:
            return None
        finally:
            self._asking = False

    def _progress(self, topic: str, position: int | None, item: str = "", total: int | None = None) -> None:
        if position is None:
            bar = self._bars.pop(topic, None)
            if bar is not None:
                bar.complete()
            return
        if topic not in self._bars:
            self._bars[topic] = self._ui.makeprogress(encoding.tolocal(topic.encode("utf-8")), total=total)
        self._bars[topic].update(position, item=encoding.tolocal(item.encode("utf-8")), total=total)


def _environment() -> dict[bytes, bytes]:
    """Ours, without what hg tells its hooks and children; text is UTF-8 between the two."""
    ours = encoding.environ.items()
    kept = {name: value for name, value in ours if not name.startswith(b"HG") or name.startswith(b"HGAURORA")}
    return {**kept, b"PYTHONUTF8": b"1"}
