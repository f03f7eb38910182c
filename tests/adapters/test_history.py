# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One contract, two ways to hg: the command server, and the hg process at the other end of a socket."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hgrepo import commit, repository, run

from hgaurora.adapters.history import hglib
from hgaurora.adapters.history.base import BaseHistory
from hgaurora.adapters.history.pipe import Channel, PipeHistory
from hgaurora.core.errors import ConfigError, HgAuroraError, InputError, Interrupted, StateError

Open = Callable[[Path], BaseHistory]


@pytest.fixture(autouse=True)
def _own_hgrc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HGRCPATH", os.devnull)
    monkeypatch.setenv("HGUSER", "ana")
    monkeypatch.delenv("HGPLAIN", raising=False)


@pytest.fixture(params=["hglib", "pipe"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a repository in one of the two ways."""
    closing: list[Callable[[], object]] = []

    def by_hglib(root: Path) -> BaseHistory:
        history = hglib.HglibHistory(root)
        closing.append(history.close)
        return history

    def by_pipe(root: Path) -> BaseHistory:
        ours, theirs = socket.socketpair()
        server = threading.Thread(target=_serve, args=(theirs, root))
        server.start()
        channel = Channel(ours.detach())
        closing.extend([lambda: channel._socket.shutdown(socket.SHUT_RDWR), server.join])
        return PipeHistory(channel)

    yield by_hglib if request.param == "hglib" else by_pipe
    for close in closing:
        close()


def _serve(end: socket.socket, root: Path) -> None:
    """The hg side, with the code that hg runs."""
    from hgaurora.aurora import _Parent

    repo = repository(root)
    parent = _Parent(repo.ui, repo)
    parent._socket = end
    with end, end.makefile("rb") as requests:
        for line in requests:
            repo.invalidateall()
            parent._request(json.loads(line))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one changeset."""
    place = tmp_path / "shop"
    place.mkdir()
    commit(place, {b"migrations/env.py": b"env\n", b"migrations/versions/1.py": b"one\n", b"app.py": b"app\n"})
    return place


def tip(root: Path) -> str:
    return repository(root)[b"tip"].hex().decode()


def refused(error: type[HgAuroraError], act: Callable[[], object]) -> HgAuroraError:
    with pytest.raises(error) as caught:
        act()
    assert type(caught.value) is error
    assert caught.value.hint
    assert "\x1b" not in caught.value.message
    return caught.value


def test_changeset(root: Path, opened: Open) -> None:
    branch, message, user = (text.encode() for text in ("sch\u00f6n", "zw\u00f6lf\nmore", "b\u00e9n"))
    commit(root, {b"x": b"x"}, branch=branch, message=message, user=user)
    run(root, "tag", "--local", "-r", "tip", "v1")
    found = opened(root).changeset("tip")
    assert (found.node, found.branch, found.author) == (tip(root), "sch\u00f6n", "b\u00e9n")
    assert (found.description, found.tags, found.phase) == ("zw\u00f6lf\nmore", ("v1",), "draft")
    assert not found.obsolete


@pytest.mark.parametrize(
    "branch", ["a b", "../../x", "-rf", "a'b\"; drop", "x\x1b[31m", "y" * 5000, "--config=alias.log=!id", "{node}\\n"]
)
def test_odd_branch(root: Path, opened: Open, branch: str) -> None:
    node = commit(root, {b"x": b"x"}, branch=branch.encode())
    history = opened(root)
    assert history.changeset(node).branch == branch
    found = history.newest("all()")
    assert found is not None
    assert found.node == node


@pytest.mark.parametrize("rev", ["--config=alias.log=!touch pwned", "--debugger", "-R/", "a\nb"])
def test_rev_is_never_an_option(root: Path, opened: Open, rev: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    before = set(os.listdir(root))
    refused(InputError, lambda: opened(root).changeset(rev))
    assert set(os.listdir(root)) == before


def test_wrong_revisions(root: Path, opened: Open) -> None:
    history = opened(root)
    assert "'foo'" in refused(InputError, lambda: history.changeset("foo")).message
    assert "b" * 40 in refused(InputError, lambda: history.changeset("b" * 40)).message
    for rev in ("", " ", "null", "none()", "0" * 40, "f" * 40, "((", "nofunc()", "a\0b", "wdir()", "5000"):
        refused(InputError, lambda rev=rev: history.changeset(rev))
    refused(InputError, lambda: history.newest("branch("))
    refused(InputError, lambda: history.contains("nofunc()", tip(root)))
    refused(InputError, lambda: history.files("c" * 40, ["migrations"]))
    refused(InputError, lambda: history.file("c" * 40, "app.py"))
    assert history.changeset("tip").node == tip(root)


def test_empty_repository(tmp_path: Path, opened: Open) -> None:
    repository(tmp_path)
    history = opened(tmp_path)
    assert "hg commit" in str(refused(InputError, lambda: history.changeset(".")).hint)
    assert history.newest("all()") is None
    assert history.newest("branch(default)") is None
    assert not history.known("a" * 40)
    assert not history.known("0" * 40)


def test_a_branch_that_nobody_made_is_empty(root: Path, opened: Open) -> None:
    history = opened(root)
    assert history.newest("branch(stable) and public()") is None
    assert not history.contains("branch(stable)", tip(root))


def test_newest_and_contains(root: Path, opened: Open) -> None:
    first = tip(root)
    second = commit(root, {b"x": b"1"}, branch=b"stable")
    history = opened(root)
    newest = history.newest("branch(default)")
    assert newest is not None
    assert newest.node == first
    assert history.contains("branch(stable)", second)
    assert not history.contains("branch(stable)", first)
    assert not history.contains("all()", "d" * 40)
    assert history.newest("branch(default) and branch(stable)") is None


def test_a_name_with_a_dash_is_one_name(root: Path, opened: Open) -> None:
    node = commit(root, {b"x": b"1"}, branch=b"feature-x")
    history = opened(root)
    assert history.changeset("feature-x").node == node
    assert history.contains("branch(feature-x)", node)


def test_aliases_do_not_judge(root: Path, opened: Open) -> None:
    (root / ".hg" / "hgrc").write_text("[revsetalias]\npublic() = all()\n[alias]\nlog = version\n")
    assert not opened(root).contains("public()", tip(root))


def test_hidden_is_found_by_full_node_only(root: Path, opened: Open) -> None:
    node = commit(root, {b"migrations/versions/2.py": b"two\n"})
    run(root, "--config=experimental.evolution=all", "debugobsolete", node)
    history = opened(root)
    found = history.changeset(node)
    assert (found.node, found.obsolete) == (node, True)
    assert history.known(node)
    assert not history.contains("all()", node)
    assert history.files(node, ["migrations/versions"])["migrations/versions/2.py"] == b"two\n"
    assert "full node" in str(refused(InputError, lambda: history.changeset(node[:12])).hint)


def test_stripped(root: Path, opened: Open) -> None:
    node = commit(root, {b"x": b"1"})
    history = opened(root)
    assert history.known(node)
    run(root, "strip", "--no-backup", "-r", node, extensions="strip")
    assert not history.known(node)
    assert node in refused(InputError, lambda: history.files(node, ["migrations"])).message


def test_files(root: Path, opened: Open) -> None:
    node = commit(
        root,
        {
            b"migrations/versions/2.py": b"\x00\xff\r\n",
            b"migrations/empty": b"",
            "migrations/sch\u00f6n.py".encode(): b"s",
        },
    )
    history = opened(root)
    found = history.files(node, ["migrations"])
    assert found == {
        "migrations/env.py": b"env\n",
        "migrations/versions/1.py": b"one\n",
        "migrations/versions/2.py": b"\x00\xff\r\n",
        "migrations/empty": b"",
        "migrations/sch\u00f6n.py": b"s",
    }
    assert set(history.files(node, ["migrations/versions", "nothing-here"])) == {
        "migrations/versions/1.py",
        "migrations/versions/2.py",
    }
    assert set(history.files(node, [""])) == {*found, "app.py"}
    assert history.files(node, ["migr"]) == {}
    assert history.files(node, []) == {}
    assert history.file(node, "app.py") == b"app\n"
    assert history.file(node, "migrations") is None
    assert history.file(node, "nope") is None


HOSTILE = [
    b"migrations/../../evil.py",
    b"migrations/versions/../../../evil.py",
    b"migrations//etc/abs.py",
    b"migrations/.hg/hgrc",
    b"migrations/.HG/hgrc",
    b"migrations/a\x1b[31m.py",
    b"migrations/\xff\xfe.py",
    "migrations/\u202egnp.py".encode(),
    b"migrations/./x.py",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths(root: Path, opened: Open, path: bytes) -> None:
    node = commit(root, {path: b"evil\n", b"migrations/versions/2.py": b"two\n"})
    history = opened(root)
    # two slashes end hg itself
    error = StateError if b"//" in path and isinstance(history, hglib.HglibHistory) else InputError
    refused(error, lambda: history.files(node, ["migrations"]))


def test_hostile_paths_elsewhere_do_not_matter(root: Path, opened: Open) -> None:
    hostile = [b"../evil.py", b"/etc/abs.py", b"migrations-2/../x", b".hg/hgrc"]
    node = commit(root, dict.fromkeys(hostile, b"[hooks]"))
    history = opened(root)
    assert set(history.files(node, ["migrations"])) == {"migrations/env.py", "migrations/versions/1.py"}
    for folder in ("..", "/etc", "migrations/../..", ".hg", "a\x1bb", "migrations/"):
        refused(InputError, lambda folder=folder: history.files(node, [folder]))
        refused(InputError, lambda folder=folder: history.file(node, folder))


@pytest.mark.parametrize("target", [b"/etc/passwd", b"env.py"])
def test_symlinks(root: Path, opened: Open, target: bytes) -> None:
    node = commit(root, {b"migrations/versions/2.py": (target, "l")})
    history = opened(root)
    assert "symlink" in refused(InputError, lambda: history.files(node, ["migrations"])).message
    refused(InputError, lambda: history.file(node, "migrations/versions/2.py"))
    assert history.file(node, "app.py") == b"app\n"


def test_symlinked_folder(root: Path, opened: Open) -> None:
    node = commit(root, {b"linked": (b"migrations", "l"), b"run": (b"#!", "x")})
    history = opened(root)
    assert "symlink" in refused(InputError, lambda: history.files(node, ["linked"])).message
    assert history.file(node, "run") == b"#!"


@pytest.mark.parametrize("place", [b"migrations/sub", b"migrations"])
def test_subrepositories(root: Path, opened: Open, place: bytes) -> None:
    node = commit(root, {b".hgsub": place + b" = sub\n", b".hgsubstate": b"1" * 40 + b" " + place + b"\n"})
    history = opened(root)
    assert "subrepo" in refused(InputError, lambda: history.files(node, ["migrations"])).message
    assert not (root / "migrations").exists()


def test_a_subrepository_elsewhere_is_left_alone(root: Path, opened: Open) -> None:
    node = commit(root, {b".hgsub": b"lib = lib\n", b".hgsubstate": b"1" * 40 + b" lib\n", b"migrations/2.py": b"2"})
    history = opened(root)
    assert len(history.files(node, ["migrations"])) == 3
    assert history.file(node, "app.py") == b"app\n"
    assert not (root / "lib").exists()


def test_a_narrow_clone_is_refused(root: Path, tmp_path: Path, opened: Open) -> None:
    node = tip(root)
    narrow = tmp_path / "narrow"
    run(
        tmp_path,
        "clone",
        "--narrow",
        "--include",
        "path:other",
        "-U",
        f"ssh://x/{root}",
        str(narrow),
        "--config",
        f"ui.ssh={_fake_ssh(tmp_path)}",
        extensions="narrow",
    )
    (narrow / ".hg" / "hgrc").write_text("[extensions]\nnarrow =\n")
    history = opened(narrow)
    assert history.known(node)
    assert "narrow" in refused(StateError, lambda: history.files(node, ["migrations"])).message
    refused(StateError, lambda: history.file(node, "hgaurora.toml"))


def _fake_ssh(folder: Path) -> Path:
    """Runs what ssh would run there, here."""
    from hgrepo import HG

    script = folder / "ssh"
    (folder / "hgrc").write_text("[extensions]\nnarrow =\n")
    script.write_text(f"#!/bin/sh\nHGRCPATH={folder}/hgrc exec {HG} ${{2#hg}}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_config_and_user(root: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    hgrc = "[hgaurora]\nconfig-rev = st\u00e4ble\nexecutable =\n[ui]\nusername = Zo\u00eb <z@x>\n"
    (root / ".hg" / "hgrc").write_text(hgrc)
    history = opened(root)
    assert history.config("config-rev") == "st\u00e4ble"
    assert history.config("config") is None
    assert history.config("executable") is None
    assert history.user() == "ana"
    monkeypatch.delenv("HGUSER")
    if isinstance(history, hglib.HglibHistory):  # the other one's ui is the test's own
        assert history.user() == "Zo\u00eb <z@x>"
    assert history.root == root


def test_untrusted_config_is_not_seen(root: Path, opened: Open) -> None:
    hgrc = root / ".hg" / "hgrc"
    hgrc.write_text("[hgaurora]\nconfig = /tmp/loose.toml\n")
    if os.getuid() != 0:
        pytest.xfail("only root can give a file away")
    os.chown(hgrc, 65534, 65534)
    assert opened(root).config("config") is None


def test_a_thousand_files_are_quick(root: Path, opened: Open) -> None:
    files = {b"migrations/versions/%04d.py" % n: os.urandom(200).hex().encode() for n in range(1000)}
    node = commit(root, files)
    history = opened(root)
    history.changeset(node)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        found = history.files(node, ["migrations"])
        taken.append(time.perf_counter() - start)
    assert all(found[path.decode()] == data for path, data in files.items())
    # 0.1 to 0.2 s on an idle machine; ten times that means one process or one request a file
    assert min(taken) < 1.0


def test_many_threads(root: Path, opened: Open) -> None:
    node, history = tip(root), opened(root)
    found: list[object] = []

    def ask() -> None:
        found.extend(history.files(node, ["migrations"])["migrations/env.py"] for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"env\n"] * 40


def test_hg_that_is_not_there(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    history = hglib.HglibHistory(root)
    assert "pip install mercurial" in str(refused(ConfigError, lambda: history.changeset("tip")).hint)


def test_hg_that_dies(root: Path) -> None:
    history = hglib.HglibHistory(root)
    history.changeset("tip")
    history._client.server.kill()
    assert "stopped answering" in refused(StateError, lambda: history.changeset("tip")).message
    refused(StateError, lambda: history.known("a" * 40))
    history.close()
    history.close()


def test_a_repository_hg_can_not_open(root: Path) -> None:
    with open(root / ".hg" / "requires", "a") as requires:
        requires.write("from-the-future\n")
    history = hglib.HglibHistory(root)
    assert "from-the-future" in refused(StateError, lambda: history.changeset("tip")).message
    history.close()


def test_the_hg_process_goes_away(root: Path) -> None:
    ours, theirs = socket.socketpair()
    history = PipeHistory(Channel(ours.detach()))
    theirs.close()
    refused(Interrupted, lambda: history.changeset("tip"))
    history._channel.tell("progress", topic="x", position=None)
    history._channel._socket.close()


def test_close_costs_nothing(root: Path) -> None:
    history = hglib.HglibHistory(root)
    history.changeset("tip")
    server = history._client.server
    start = time.perf_counter()
    history.close()
    assert time.perf_counter() - start < 0.15
    assert server.poll() is not None
