# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The parent's side of a migration child: starts it without anything of ours in reach, asks it, ends it.

The child dies with the thread that started it (PR_SET_PDEATHSIG), so :meth:`ChildMigrator.start` belongs on the main
thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...core.errors import (
    ConfigError,
    HgAuroraError,
    Interrupted,
    MigrationFailed,
    RemoteError,
    SecurityError,
)
from ...core.identity import NORMAL_VERSION
from ...core.model import Direction, StepResult
from ...core.steps import Migrate, Repeat
from ...ports import Job
from .materialise import Folder
from .servers import server

#: what of our environment a script may see
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")

#: Alembic's set-up where a project's env.py reads one; the main section is filled in the child
_INI = b"""[alembic]
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
"""

#: seconds for an idle child to end by itself, and for the server to notice a dead client
POLITE = 5.0
SERVER = 15.0
#: seconds between two looks at a migration that lasts
LOOK = 0.5

OnEvent = Callable[[Mapping[str, object]], None]


class ChildMigrator:
    """The :class:`~hgaurora.ports.Migrator`."""

    def start(self, job: Job, *, on_event: OnEvent | None = None) -> ChildSession:
        """Start a child; it imports, connects and reads scripts while the caller goes on.

        :raises ConfigError: the interpreter cannot be started.
        :raises InputError: a path of the job would leave its folder.
        """
        _unreadable()
        return ChildSession(job, on_event)


def _unreadable() -> None:
    """What this process holds is not for a child of the same user: /proc/PID/environ and mem are closed (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


class _Output:
    """What the scripts print: the first bytes are kept, the rest is counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._dropped = 0

    def take(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self._dropped += max(0, len(data) - room)

    def __str__(self) -> str:
        text = self._kept.decode(errors="replace")
        return text + f"\n({self._dropped} more bytes of output were dropped)" if self._dropped else text


class ChildSession:
    """The :class:`~hgaurora.ports.MigrationSession`: one child, from start to :meth:`close`."""

    #: what the child runs
    program = Path(__file__).parent / "child" / "__main__.py"

    def __init__(self, job: Job, on_event: OnEvent | None) -> None:
        self._job = job
        self._server = server(job.connection)
        self._on_event = on_event
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._output = _Output(job.output_limit)
        self._sending = threading.Lock()
        self._backend: int | None = None
        self._busy = self._closed = False
        self._given: str | None = None
        self._folder = Folder()
        try:
            self._socket, self._process = self._spawn()
        except BaseException:
            self._folder.remove()
            raise
        self._failure: BaseException | None = None
        self._reader = threading.Thread(target=self._listen, name="hgaurora-child", daemon=True)
        self._reader.start()
        try:
            self._lay_down()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The child's process id, which is its process group's too."""
        return self._process.pid

    @property
    def backend(self) -> int | None:
        """The server session that holds the lock, once it does."""
        return self._backend

    @property
    def output(self) -> str:
        """What the scripts printed so far, up to the limit."""
        return str(self._output)

    def _spawn(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        python = self._job.python or sys.executable
        try:
            with theirs:
                process = subprocess.Popen(
                    [python, "-I", str(self.program), str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    cwd=self._folder.path,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise ConfigError(
                f"cannot start {python}: {error.strerror}",
                state="nothing was run",
                hint="python in [project] of hgaurora.toml names the interpreter that migrations run on",
            ) from error
        return ours, process

    def _lay_down(self) -> None:
        """Write the files while the child imports, then hand it the job."""
        job, connection = self._job, self._job.connection
        self._folder.write("target", job.target)
        self._folder.write("recorded", job.recorded)
        self._folder.write("code", job.code)
        (self._folder.path / "alembic.ini").write_bytes(_INI)
        self._send(
            {
                "do": "job",
                **self._server.job(job),
                "folder": str(self._folder.path),
                "secret": True,
                "version_table": connection.version_table,
                "version_table_schema": connection.schema,
                "version_locations": list(job.version_locations),
                "recorded": bool(job.recorded),
                "env": job.env,
                "paths": list(job.paths),
                "imports": list(job.imports),
                "options": {"sqlalchemy.url": "{url}", **job.options},
                "trace": job.trace,
            }
        )

    # -- what is asked

    def lock(self) -> bool:
        """Try to take the environment's lock (never waits); False where somebody else holds it.

        :raises SecurityError: somebody else could put code in front of the ledger or the version table.
        :raises ConfigError: the child lacks a module, or env.py does not do as it must.
        :raises RemoteError: the database did not answer the child.
        """
        answer = self._ask({"do": "lock"}, "locked")
        if answer["distrust"]:
            raise SecurityError(
                f"{self._job.environment}: {answer['distrust']}",
                state="nothing was changed",
                hint=self._server.distrust_hint,
            )
        self._backend = answer["pid"]
        return bool(answer["held"])

    def begin(self, *, deployment: str, epoch: str) -> None:
        """Tell the child which deployment and epoch its ledger rows belong to."""
        self._ask({"do": "begin", "deployment": deployment, "epoch": epoch}, "begun")

    def run(
        self,
        step: Migrate | Repeat,
        *,
        ordinal: int,
        snapshot: str | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> StepResult:
        """Run one migration and commit it with its ledger rows.

        :param meanwhile: called while it lasts, each :data:`LOOK` seconds or sooner.
        :raises MigrationFailed: it raised, or broke a rule; ``data`` has ``what``, and ``sqlstate``, ``statement``,
            ``file``, ``line`` where they are known. After it the session can run the step again.
        :raises Interrupted: the child or its connection died; what was committed is known only from the ledger.
        """
        payload = {**_said(step), "ordinal": ordinal, "snapshot": snapshot}
        if self._job.connection.caller is not None:
            payload["caller"] = self._job.connection.caller
        started = time.monotonic()
        recorded = step.direction is Direction.DOWN
        request = {"do": "run", "step": payload, "recorded": recorded, "versions": step.versions}
        if isinstance(step, Repeat):
            # a file may end in a comment
            sql = f"{step.sql}\n;\n{step.drops}" if step.drops else step.sql
            request |= {"sql": sql, "instead": step.instead}
        answer = self._ask(request, "done", step=step, limit=self._job.wall_clock, meanwhile=meanwhile)
        return StepResult(
            seconds=time.monotonic() - started,
            versions=tuple(answer["versions"]),
            statements=answer["statements"],
            replayed=answer["replayed"],
            notes=tuple(answer["notes"]),
            seq=answer["seq"],
            touched=json.loads(answer["touched"]) if answer["touched"] else None,
        )

    def close(self) -> None:
        """End the child and its group; waits until its server session is gone. Can be asked twice."""
        if self._closed:
            return
        self._closed = True
        polite = not self._busy and self._farewell()
        self._kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        self._folder.remove()
        if self._backend is not None:
            # one that said good-bye has nothing running; its process may still take a moment to let go of the lock
            with contextlib.suppress(*([RemoteError] if polite else [])):
                self._await_server(self._backend)

    def __enter__(self) -> ChildSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kill(self) -> None:
        """End the whole group, before the leader is reaped, so that the number cannot be anybody else's."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _farewell(self) -> bool:
        """Ask it to end; True where it did, its session closed."""
        if self._process.poll() is not None:
            return False
        with contextlib.suppress(Interrupted):
            self._send({"do": "close"})
            deadline = time.monotonic() + POLITE
            while (left := deadline - time.monotonic()) > 0:
                try:
                    told = self._answers.get(timeout=left)["is"]
                except queue.Empty:
                    return False
                if told == "final":
                    return True
                if told == "died":
                    return False
        return False

    def _await_server(self, backend: int) -> None:
        """A dead client's statement may run on; nobody reads the schema before that has ended."""
        with self._server.sessions(self._job.connection, f"hgaurora {self._job.environment}") as sessions:
            begun = time.monotonic()
            told = False
            while not sessions.gone(backend):
                waited = time.monotonic() - begun
                if waited > 2 * SERVER:
                    raise RemoteError(
                        f"server process {backend} of {self._job.environment} does not end",
                        state="it still holds the environment's lock",
                        hint=self._server.end_hint(backend),
                    )
                if waited > SERVER and not told:
                    sessions.end(backend)
                    told = True
                time.sleep(0.02)  # between two looks: no server has a way to wait for a session's end

    # -- the wire

    def _send(self, message: Mapping[str, object]) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            raise self._died() from error

    def _answer(self, limit: float, meanwhile: Callable[[], None] | None) -> dict[str, Any]:
        """The next answer. ``queue.Empty`` after ``limit`` seconds (0: never)."""
        if meanwhile is None:
            return self._answers.get(timeout=limit or None)
        deadline = time.monotonic() + limit if limit else float("inf")
        # the end of a short lock-timeout must not come before the first look
        every = min(LOOK, 0.6 * self._job.lock_timeout)
        while True:
            left = deadline - time.monotonic()
            try:
                return self._answers.get(timeout=max(0.0, min(every, left)))
            except queue.Empty:
                if left <= every:
                    raise
                meanwhile()

    def _ask(
        self,
        request: Mapping[str, object],
        wanted: str,
        *,
        step: Migrate | Repeat | None = None,
        limit: float = 0.0,
        meanwhile: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        if self._closed:
            raise self._died()
        self._busy = True
        try:
            self._send(request)
            answer = self._answer(limit, meanwhile)
        except queue.Empty:
            self.close()
            raise MigrationFailed(
                f"{step.name if step else 'the child'} ran longer than {limit:g} s and was stopped",
                state=self._server.stopped,
                hint="migration-timeout in hgaurora.toml is how long one migration may take",
                data={"what": "wall-clock"},
            ) from None
        if answer["is"] in ("died", "final", "unknown"):
            raise self._died(answer) from self._failure
        self._busy = False
        given, self._given = self._given, None
        if answer["is"] != wanted:
            raise self._error(answer, step, given)
        return answer

    def _listen(self) -> None:
        """The reader's thread. Whatever ends it, whoever waits for an answer is told."""
        try:
            self._read()
        except BaseException as failure:
            self._failure = failure
        finally:
            self._answers.put({"is": "died"})

    def _read(self) -> None:
        """Take in everything the child sends, until it hangs up: answers, questions, output."""
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None
        assert stderr is not None
        buffer = bytearray()
        with selectors.DefaultSelector() as selector:
            for source in (self._socket, stdout, stderr):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._socket:
                        try:
                            data = self._socket.recv(1 << 16)
                        except OSError:
                            data = b""
                        if not data:
                            self._drain(stdout.fileno(), stderr.fileno())
                            return
                        buffer += data
                        if b"\n" in data:
                            *lines, rest = bytes(buffer).split(b"\n")
                            buffer = bytearray(rest)
                            for line in lines:
                                self._told(json.loads(line))
                    elif data := os.read(key.fd, 1 << 16):
                        self._output.take(data)
                    else:
                        selector.unregister(key.fileobj)

    def _drain(self, *fds: int) -> None:
        """What is left in the pipes; a process that a script left behind may hold them open."""
        for fd in fds:
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                while data := os.read(fd, 1 << 16):
                    self._output.take(data)

    def _told(self, message: dict[str, Any]) -> None:
        """On the reader's thread: questions are answered at once, answers wait for who asked."""
        if message["is"] == "password":
            connection, refused = self._job.connection, message.get("refused")
            secret = connection.password() if refused is None else connection.again(refused)
            # of the last one that was given out it may have to be said why it was refused; it is kept until the child
            # has answered
            self._given = secret or self._given
            reply = {"do": "password", "password": secret}
        else:
            if self._on_event is not None:
                self._on_event(message)
            if message["is"] != "trace":
                self._answers.put(message)
                return
            reply = {"do": "go"}
        # where it cannot be sent the child is dead, which the next read finds
        with contextlib.suppress(Interrupted):
            self._send(reply)

    # -- errors

    def _died(self, answer: Mapping[str, Any] | None = None) -> HgAuroraError:
        said = (answer or {}).get("message")
        lost = "lost its connection to the database" if said else "ended without its last word"
        self._busy = True
        if isinstance(self._failure, HgAuroraError):
            return self._failure
        return Interrupted(
            f"the process that runs the migrations of {self._job.environment} {lost}",
            state="whether its last migration was committed is known from the ledger",
            hint="run the same command again; it goes on from what the ledger says",
            data={"said": said, "output": self.output[-2000:]},
        )

    def _error(
        self, answer: Mapping[str, Any], step: Migrate | Repeat | None, given: str | None = None
    ) -> HgAuroraError:
        """A child's ``failed`` in our words.

        :param given: the last password that it had.
        """
        message, what = str(answer["message"]).strip(), answer.get("what", "failed")
        keys = ("what", "errno", "sqlstate", "again", "detail", "statement", "file", "line", "source", "since")
        data = {key: answer[key] for key in keys if answer.get(key)}
        data["output"] = self.output[-2000:]
        hint = answer.get("hint") or None
        if answer.get("fatal") and what in ("missing", "import", "env"):
            return ConfigError(message, state="nothing was run", hint=hint, data=data)
        if what == "connection":
            flaw = self._job.connection.flaw(given) if given else None
            found = self._server.refusal(answer, self._job.connection, flaw=flaw)
            found.data.update(data)
            return found
        if answer.get("fatal") and what == "failed" and step is not None:
            return self._died(answer)
        name = step.name if step else self._job.environment
        place = f" ({answer['file']}, line {answer['line']})" if answer.get("line") else ""
        half = answer.get("half") or 0
        return MigrationFailed(
            f"{name}{place}: {message}",
            state=answer.get("state")
            or (
                f"{'1 statement of it stands' if half == 1 else f'{half} statements of it stand'}, "
                "the rest was rolled back"
                if half
                else "its transaction was rolled back"
            ),
            hint=hint,
            data={**data, "half": half, "stands": answer.get("state"), "revision": step.revision if step else None},
        )


def _said(step: Migrate | Repeat) -> dict[str, object]:
    """A step as the ledger is told of it."""
    both = {
        "revision": step.revision,
        "direction": step.direction.value,
        "path": step.path,
        "message": step.message.replace("\0", ""),
        "raw": step.raw,
        "node": step.node,
    }
    if isinstance(step, Repeat):
        nowhere: dict[str, object] = {"parents": [], "depends_on": [], "branch_labels": [], "irreversible": False}
        return {**both, **nowhere, "normal": step.raw, "normal_version": NORMAL_VERSION, "kind": "repeatable"}
    return {
        **both,
        "parents": list(step.parents),
        "depends_on": list(step.depends_on),
        "branch_labels": list(step.branch_labels),
        "normal": step.normal,
        "normal_version": NORMAL_VERSION,
        "irreversible": step.irreversible,
        "kind": "migration",
    }
