# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures that every test may use. Which servers they run on is decided in :mod:`engines`."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

import engines

from tests import canaries, nursery

if TYPE_CHECKING:
    from tests.cloud import Cloud

# the same examples in every run; HYPOTHESIS_PROFILE=default looks for new ones
settings.register_profile("suite", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

_WATCH = pytest.StashKey[tuple[canaries.Watch, float]]()
_LEAKS = pytest.StashKey[list[str]]()


@functools.cache
def _choose() -> engines.Choice:
    return engines.choose(os.environ, engines.RealDocker())


@functools.cache
def _choose_mysql() -> engines.Choice:
    return engines.choose_mysql(os.environ, engines.RealDocker())


def _worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process makes the run's folder; workers find it in their environment."""
    if not _worker(config):
        os.environ[engines.RUN] = tempfile.mkdtemp(prefix="hgaurora-test-")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Processes are looked at from here on."""
    if not _worker(session.config):
        session.config.stash[_WATCH] = canaries.Watch(), time.time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A phase that passed and let a secret out has not passed."""
    report = yield
    if report.passed and (wrong := canaries.captured(report.sections, report.when or "")):
        report.outcome, report.longrepr = "failed", wrong
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After the workers: the run fails where a secret was in a command line, or is in a file that stayed."""
    config = session.config
    if not _worker(config):
        watch, since = config.stash[_WATCH]
        base = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        temporary = {Path(tempfile.gettempdir()), Path("/dev/shm")}
        config.stash[_LEAKS] = leaks = watch.stop()
        leaks += canaries.files(canaries.places(base, Path(os.environ[engines.RUN]), temporary), since=since)
        if leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where secrets were."""
    if leaks := config.stash.get(_LEAKS, []):
        terminalreporter.section("secrets where none may be", red=True)
        terminalreporter.line("\n".join(leaks))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``python -m tests --whole``: also what is too long for every run."""
    parser.addoption("--whole", action="store_true", help="run those marked whole, too")
    parser.addoption("--cold", action="store_true", help="start a new interpreter for each process of the product")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For ``-n auto``: one more than there are cores, for two out of five seconds a test waits for a process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is too long, and say so in the last line."""
    if config.getoption("--whole"):
        return
    left = [item for item in items if item.get_closest_marker("whole")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Workers are gone by now."""
    if not _worker(config):
        engines.Run(Path(os.environ.pop(engines.RUN)), engines.RealDocker()).stop()


def pytest_report_header() -> list[str]:
    """Which engines the tests run on."""
    lines = []
    for choose in (_choose, _choose_mysql):
        try:
            lines.append(f"engine: {choose()}")
        except engines.NoEngine as err:
            lines.append(f"engine: none; {err}")
    return lines


def _server(choose: Callable[[], engines.Choice]) -> str:
    try:
        return engines.Run(Path(os.environ[engines.RUN]), engines.RealDocker()).url(choose())
    except engines.NoEngine as err:
        pytest.exit(str(err), returncode=3)


@pytest.fixture(scope="session")
def pg_server() -> str:
    """A libpq URL of a superuser on a PostgreSQL server for tests."""
    return _server(_choose)


@pytest.fixture(scope="session")
def my_server() -> str:
    """A ``mysql://`` URL of an administrator on a MariaDB or MySQL server for tests."""
    return _server(_choose_mysql)


@pytest.fixture(scope="session", autouse=True)
def _nurseries(pytestconfig: pytest.Config) -> Iterator[None]:
    """Processes of the product come from where their libraries are imported."""
    if pytestconfig.getoption("--cold") or not nursery.possible():
        yield
        return
    with nursery.instead():
        yield


@pytest.fixture
def pg_database(pg_server: str) -> Iterator[str]:
    """The libpq URL of a fresh database, dropped after the test."""
    with engines.fresh_database(pg_server) as url:
        yield url


@pytest.fixture
def my_database(my_server: str) -> Iterator[str]:
    """The ``mysql://`` URL of a fresh database, dropped after the test."""
    with engines.fresh_my_database(my_server) as url:
        yield url


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """An emulated AWS for a module's tests. (Not for the whole run: moto's services are one for the process, and are
    emptied when another emulator of the process ends.)"""
    from tests.cloud import Cloud, reachable

    reachable()
    with Cloud() as made:
        made.delay("*", 0.02)
        yield made
        assert not made.states.errors


@pytest.fixture
def aws(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """The module's AWS; this process has the credentials of a role that may do everything there."""
    cloud.take(monkeypatch, cloud.as_role())
    cloud.faults.clear()
    yield cloud
    cloud.faults.clear()
    cloud.directory.ahead = 0
    cloud.states.reset()
    cloud.delay("*", 0.02)
    cloud.states.settle()


@pytest.fixture(autouse=True)
def _passwords(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of test servers go where libpq looks for them."""
    passfile = tmp_path_factory.mktemp("passwords") / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", os.fspath(passfile))
