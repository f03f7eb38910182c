# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Mercurial repository with migrations, environments to deploy it to, and eyes on the database."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hglib
import psycopg

from hgaurora import app
from hgaurora.adapters.history.hglib import HglibHistory, find_hg
from hgaurora.adapters.local import binaries
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import HgAuroraError
from tests import canaries, engines

ROOT = Path(__file__).resolve().parent.parent


def environ(**more: str) -> dict[str, str]:
    """The environment for hg and hgaurora in tests: no hgrc of this machine, this checkout on the path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HG", "AWS"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {**kept, "HGRCPATH": "", "HGUSER": "ana", "PYTHONPATH": str(ROOT), "PATH": path, **more}


@functools.cache
def _empty() -> Path:
    """The .hg folder of a repository without changesets, made by hg."""
    place = tempfile.TemporaryDirectory(prefix="hgaurora-test-repo-")
    atexit.register(place.cleanup)
    subprocess.run([find_hg(), "init", place.name], check=True, env=environ())
    return Path(place.name) / ".hg"


class Repo:
    """A repository that is committed to through one command server, about 10 ms a commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_empty(), root / ".hg")
        hglib.HGPATH = find_hg()
        self._client: Any = None

    def hg(self, *arguments: str) -> str:
        """Run an hg command in the server."""
        if self._client is None:
            saved = dict(os.environ)
            os.environ.update(environ())
            try:
                self._client = hglib.open(str(self.root), encoding="UTF-8")
            finally:
                os.environ.clear()
                os.environ.update(saved)
        return self._client.rawcommand([os.fsencode(a) for a in arguments]).decode()

    def close(self) -> None:
        """End the command server."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files; None removes one."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink(missing_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        message: str = "change",
        *,
        branch: str | None = None,
        date: int = 0,
    ) -> str:
        """Commit on the working directory's parent; returns the full node."""
        self.write(files)
        if branch is not None:
            self.hg("branch", "-q", "-f", branch)
        self.hg("addremove", "-q")
        self.hg("commit", "-q", "-m", message, "-u", "ana", "-d", f"{date} 0", "--config", "ui.allowemptycommit=True")
        return self.node(".")

    def node(self, rev: str) -> str:
        """Full node of a revision."""
        return self.hg("log", "-r", rev, "-T", "{node}").strip()

    def update(self, rev: str) -> None:
        """Update the working directory, clean."""
        self.hg("update", "-q", "-C", rev)


@dataclass
class Recorder:
    """A Ui that keeps what it is told."""

    answers: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    front: str = "hgaurora "
    #: what the command ended with
    code: int | None = None

    def write(self, text: str) -> None:
        """A result line."""
        self.out.append(text)

    def status(self, text: str) -> None:
        """Progress and warnings."""
        self.err.append(text)

    def progress(self, topic: str, *, item: str, position: int | None, total: int | None) -> None:
        """Nobody looks."""

    def secret(self, value: str | None) -> None:
        """Nothing is hidden from a test."""

    def clean(self, text: str) -> str:
        """As it is."""
        return text

    def prompt(self, question: str) -> str | None:
        """The next answer, or nobody there."""
        self.err.append(question)
        return self.answers.pop(0) if self.answers else None

    def json(self) -> Any:
        """What was printed, parsed."""
        return json.loads("\n".join(self.out))


def call(
    repo: Repo,
    command: str,
    *,
    answers: Sequence[str] = (),
    history: HglibHistory | None = None,
    adapters: Adapters | None = None,
    **options: Any,
) -> Recorder:
    """One command in this process, through the same door that the front ends use.

    :param history: one to use again; opening one costs 0.2 s.
    :param adapters: what stands behind the ports, where it is not the usual.
    """
    ui = Recorder(list(answers))
    saved = dict(os.environ)
    os.environ.update({"HGRCPATH": "", "HGUSER": "ana"})
    opened = history or HglibHistory(repo.root)
    try:
        ui.code = app.run(command, options, history=opened, ui=ui, adapters=adapters)
    except HgAuroraError as err:
        canaries.clean(command, json.dumps(err.as_json(), default=str))
        raise
    finally:
        if history is None:
            opened.close()
        os.environ.clear()
        os.environ.update(saved)
        canaries.clean(command, *ui.out, *ui.err)
    return ui


def command(repo: Repo, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, as a person would start it."""
    done = subprocess.run(
        [sys.executable, "-m", "hgaurora", "-R", str(repo.root), *arguments],
        env=environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        **more,
    )
    canaries.clean(" ".join(arguments), done.stdout, done.stderr)
    return done


def settings(environments: Mapping[str, str], *, project: str = "", extra: Mapping[str, str] | None = None) -> str:
    """The text of hgaurora.toml for environments by URL.

    :param environments: name to libpq URL; a password in it goes to the password file, not here.
    :param extra: name to further lines of that environment.
    """
    text = f'[project]\nmigrations = "migrations"\n{project}\n'
    for name, url in environments.items():
        lines = 'snapshot = "none"' if not extra or name not in extra else extra[name]
        text += f'\n[environments.{name}]\nurl = "{bare(url)}"\n{lines}\n'
    return text


def bare(url: str) -> str:
    """A URL without its password (the settings refuse one); the password goes to a file libpq reads."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    passfile = Path(os.environ["PGPASSFILE"]) if "PGPASSFILE" in os.environ else None
    if passfile is not None:
        with passfile.open("a") as file:
            file.write(f"*:*:*:{parts.username}:{parts.password}\n")
        passfile.chmod(0o600)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}"))


@contextmanager
def server_for_command(engine: str = "postgresql") -> Iterator[tuple[str, Path]]:
    """For a command of its own: the URL of the engine the suite would take, and a folder; both gone afterwards."""
    choose = engines.choose_mysql if engine == "mysql" else engines.choose
    with tempfile.TemporaryDirectory(prefix="hgaurora-") as folder:
        os.environ[engines.RUN] = folder
        os.environ["PGPASSFILE"] = f"{folder}/pgpass"
        Path(os.environ["PGPASSFILE"]).touch(mode=0o600)
        run = engines.Run(Path(folder), engines.RealDocker())
        try:
            yield run.url(choose(os.environ, engines.RealDocker())), Path(folder)
        finally:
            run.stop()


@contextmanager
def my_server_for_command() -> Iterator[str]:
    """The same for MariaDB or MySQL, as the suite would take it."""
    with tempfile.TemporaryDirectory(prefix="hgaurora-") as folder:
        os.environ[engines.RUN] = folder
        run = engines.Run(Path(folder), engines.RealDocker())
        try:
            yield run.url(engines.choose_mysql(os.environ, engines.RealDocker()))
        finally:
            run.stop()


#: lines of a dump that say nothing of the schema: settings, tokens drawn anew for each dump, owners of the dump itself
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*|)$")


def dump(url: str) -> str:
    """The schema as ``pg_dump -s`` (or ``SHOW CREATE``) has it, without the ledger, the version table and noise."""
    if url.startswith("mysql"):
        tables = [
            name for (name,) in query(url, "SHOW TABLES") if not name.startswith(("hgaurora_", "alembic_version"))
        ]
        return "\n".join(query(url, f"SHOW CREATE TABLE `{name}`")[0][1] for name in sorted(tables))
    with psycopg.connect(url) as connection:
        major = connection.info.server_version // 10000
    program = binaries.for_dump(major, tls=False).program("pg_dump")
    place, env = engines.told_apart(url)
    text = subprocess.run(
        [program, "-s", "--no-owner", "--no-privileges", "-N", "hgaurora", "-T", "*.alembic_version", "-d", place],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return "\n".join(line for line in text.splitlines() if not _NOISE.match(line))


def versions(url: str) -> set[str]:
    """The rows of Alembic's version table."""
    if url.startswith("mysql"):
        there = query(url, "SHOW TABLES LIKE 'alembic_version'")
        return {row[0] for row in query(url, "SELECT version_num FROM alembic_version")} if there else set()
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return set()
        return {row[0] for row in connection.execute("SELECT version_num FROM public.alembic_version")}


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    if url.startswith("mysql"):
        with engines.my_connection(url) as session, session.cursor() as asked:
            asked.execute(text)
            return list(asked.fetchall())
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def migration(
    revision: str,
    parents: str | Sequence[str] | None,
    up: str,
    down: str = "pass",
    *,
    depends_on: Sequence[str] = (),
    title: str = "",
) -> str:
    """The text of a migration script; ``up`` and ``down`` are bodies of functions."""
    parent = repr(parents) if parents is None or isinstance(parents, str) else repr(tuple(parents))
    needs = f"depends_on = {tuple(depends_on)!r}\n" if depends_on else ""
    body = "\n".join(f"    {line}" for line in up.splitlines())
    back = "\n".join(f"    {line}" for line in down.splitlines())
    return (
        f'"""{title or revision}"""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f"revision = {revision!r}\ndown_revision = {parent}\n{needs}\n\n"
        f"def upgrade():\n{body}\n\n\ndef downgrade():\n{back}\n"
    )


def sql(text: str) -> str:
    """A body that sends SQL."""
    return f"op.execute({text!r})"
