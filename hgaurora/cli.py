# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The click front end: the table of :mod:`hgaurora.commands`, in a loop.

hg takes longest to start, so it is started before anything is imported that is not needed for that, click too.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import sys
import textwrap
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .commands import CLI, COMMANDS, Command, Option
from .core.errors import HgAuroraError, InputError, Interrupted
from .ui import Hg, Streams, Terminal

if TYPE_CHECKING:
    import subprocess

    import click

    from .ports import History

#: with these hg is in front, is not asked, or is asked of a repository that is named in another way
_COMMAND = re.compile(rf"\b{CLI}({'|'.join(command.name for command in COMMANDS)})\b")
_NOT_AHEAD = ("-h", "--help", "--hg-fd", "--repository", "--version")
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class _Run:
    """One run: where the repository is said to be, who is in front, how errors are shown."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.ui: Streams = Terminal()
        self.json = "--json" in arguments
        self.debug = "--debug" in arguments
        self.repository: str | None = None
        self._channel: Any = None
        self._ahead: tuple[Path, subprocess.Popen[bytes]] | None = None

    def start_hg(self, arguments: Sequence[str]) -> None:
        """Start hg where these arguments look like a command that asks it; what they really mean is seen later."""
        asks = {command.name for command in COMMANDS if command.repository}
        if asks.isdisjoint(arguments) or any(word.startswith(_NOT_AHEAD) for word in arguments):
            return
        from .adapters.history import server

        named = arguments[arguments.index("-R") + 1 :][:1] if "-R" in arguments else [None]
        # who asks hg in earnest is told what is wrong
        with suppress(HgAuroraError, OSError):
            root = find_repository(*named)
            self._ahead = root, server.spawn(root, server.find_hg())

    def close(self) -> None:
        """Flush, and end an hg that nobody asked."""
        if self._ahead is not None:
            from .adapters.history import server

            server.end(self._ahead[1])
        self.ui.close()

    def attach(self, fd: int) -> None:
        """hg is in front: history, prompts and bars go over this socket."""
        from .adapters.history.pipe import Channel

        self._channel = Channel(fd)
        self.ui = Hg(self._channel)

    def history(self) -> History:
        """History of the repository that ``-R`` names or that holds the current folder."""
        if self._channel is not None:
            from .adapters.history.pipe import PipeHistory

            return PipeHistory(self._channel)
        from .adapters.history.hglib import HglibHistory

        root = find_repository(self.repository)
        started = None
        if self._ahead is not None and self._ahead[0] == root:
            started, self._ahead = self._ahead[1], None
        return HglibHistory(root, started=started)

    def command(self, command: Command, options: dict[str, Any]) -> int:
        """Run one command of the table."""
        if command.action == "hg-config":
            return hg_config(self.ui, as_json=self.json)
        history = self.history() if command.repository else None
        try:
            from .app import run

            return run(command.action, options, history=history, ui=self.ui)
        finally:
            if history is not None:
                history.close()

    def failed(self, error: HgAuroraError) -> int:
        """Show an error as it is shown everywhere; its exit code."""
        if self.json:
            self.ui.write(json.dumps([error.as_json()]))
        if found := getattr(error, "findings", ()):
            from .core.render import findings

            for line in findings(found):
                self.ui.status(spelled(line, self.ui.front))
        for line in error_lines(error):
            self.ui.status(spelled(line, self.ui.front))
        if self.debug:
            self.ui.status("".join(traceback.format_exception(error)).rstrip())
        return error.exit_code


def find_repository(named: str | None) -> Path:
    """The repository's root.

    :raises InputError: there is none at ``named``, or in the current folder and those above it.
    """
    start = Path(named or os.curdir).absolute()
    for folder in [start] if named else [start, *start.parents]:
        if (folder / ".hg").is_dir():
            return folder
    raise InputError(
        f"no repository {'at' if named else 'found in'} {str(start)!r}",
        state="nothing was done",
        hint="go into one, or name it with -R; hg init makes one",
    )


def spelled(text: str, front: str) -> str:
    """Commands in a hint, which core and adapters write for the command line, in the spelling of who is in front."""
    return text if front == CLI else _COMMAND.sub(lambda found: front + found[1], text)


def error_lines(error: HgAuroraError) -> list[str]:
    """``abort: what happened``, what the server added and the state indented, the hint in parentheses."""
    first, *rest = error.message.split("\n")
    lines = _wrap("abort: " + first, "")
    # it may hold values of rows: it is shown, and stands in no record
    detail = error.data.get("detail")
    if isinstance(detail, str) and "; ".join(detail.splitlines()) not in (error.hint or ""):
        rest += detail.splitlines()
    for part in [*rest, *(error.state.split("\n") if error.state else ())]:
        lines += _wrap(part, "  ")
    return lines + ([f"({error.hint})"] if error.hint else [])


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 80, initial_indent=indent, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ) or [indent]


def hg_config(ui: Streams, *, as_json: bool = False) -> int:
    """Print what a Mercurial on another Python needs in its hgrc."""
    here, python = str(Path(__file__).absolute().parent), sys.executable
    if as_json:
        ui.write(json.dumps([{"extension": here, "executable": python}]))
    else:
        ui.write(f"[extensions]\nhgaurora = {here}\n[hgaurora]\nexecutable = {python}")
    return 0


def _parameter(option: Option) -> click.Parameter:
    import click

    names = [f"--{option.long}", option.key] + ([f"-{option.short}"] if option.short else [])
    if option.kind == "flag":
        return click.Option(names, is_flag=True, help=option.help)
    kinds: dict[str, Any] = {"int": click.IntRange(min=0), "choice": click.Choice(option.choices), "value": str}
    return click.Option(names, type=kinds[option.kind], metavar=option.metavar, help=option.help)


def _repository() -> click.Parameter:
    import click

    return click.Option(["-R", "--repository"], metavar="PATH", help="the repository, else the one around this folder")


def _build(run: _Run, command: Command) -> click.Command:
    import click

    def call(repository: str | None, debug: bool, **options: Any) -> int:
        run.repository = repository or run.repository
        return run.command(command, options)

    parameters: list[click.Parameter] = [
        click.Argument(
            [argument.name],
            required=argument.required,
            type=click.Choice(argument.choices) if argument.choices else str,
            metavar=argument.synopsis,
        )
        for argument in command.arguments
    ]
    parameters += [_parameter(option) for option in command.options]
    parameters += [
        _repository(),
        click.Option(["--debug"], is_flag=True, help="show a traceback with an error"),
    ]
    # \b keeps click from refilling a paragraph
    examples = "\n".join(
        f"  {CLI}{command.name} {rest}".rstrip() + f"\n      {what}" for rest, what in command.examples
    )
    text = f"{command.summary}\n\n{command.text}".replace("``", "")
    return click.Command(
        command.name,
        params=parameters,
        callback=call,
        help=f"{text}\n\n\b\nExample:\n{examples}",
        short_help=command.summary,
        context_settings=HELP,
        options_metavar="[OPTION]...",
    )


def _group(run: _Run) -> click.Group:
    import click

    class Group(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return [command.name for command in COMMANDS]  # the table's order, not the alphabet's

    def prepare(repository: str | None, hg_fd: int | None) -> None:
        run.repository = repository
        if hg_fd is not None:
            run.attach(hg_fd)

    def show_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
        if wanted:
            run.ui.write(f"hgaurora {__version__}")
            context.exit()

    return Group(
        "hgaurora",
        commands=[_build(run, command) for command in COMMANDS],
        callback=prepare,
        params=[
            _repository(),
            click.Option(["--hg-fd"], type=int, hidden=True),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=show_version,
                help="show the version",
            ),
        ],
        help="Deploy the Alembic migrations of a Mercurial repository, and take them back.",
        epilog="Each of these is also a command of hg, such as: hg aurora-status. Exit codes: hg help aurora",
        context_settings=HELP,
        subcommand_metavar="COMMAND [OPTION]...",
        options_metavar="",
    )


def _usage(error: click.UsageError, front: str) -> InputError:
    name = error.ctx.info_name if error.ctx is not None and error.ctx.parent is not None else None
    message = error.format_message().rstrip(".")
    return InputError(
        message[:1].lower() + message[1:],
        state="nothing was done",
        hint=f"{front}{name} --help shows what it takes" if name else f"{CLI}--help lists the commands",
    )


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, never raises.

    :param arguments: the default is the process's own, which is then taken to end when this returns.
    """
    process = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    run = _Run(arguments)
    run.start_hg(arguments)
    if process:
        # what is loaded stays: to look for garbage in it, now and at the end, takes a sixth of a short command
        gc.set_threshold(50_000)
    import click

    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _stop)
    try:
        # not click's main(): it has exit codes and a way with Ctrl-C of its own
        group = _group(run)
        with group.make_context("hgaurora", arguments) as context:
            return int(group.invoke(context) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        return run.failed(_usage(error, run.ui.front))
    except HgAuroraError as error:
        return run.failed(error)
    except (KeyboardInterrupt, click.Abort):
        return run.failed(
            Interrupted("interrupted", hint=f"{run.ui.front}status shows where things stand; the same command goes on")
        )
    except Exception as error:
        run.ui.status(f"abort: bug in hgaurora: {type(error).__name__}: {error}")
        if run.debug:
            run.ui.status(traceback.format_exc().rstrip())
        else:
            run.ui.status("(run it again with --debug, and report what it prints)")
        if run.json:
            bug = {"error": "Bug", "exit": 255, "message": str(error), "state": None, "hint": None, "data": {}}
            run.ui.write(json.dumps([bug]))
        return 255
    finally:
        run.close()
        if process:
            gc.freeze()
