# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real MySQL, for commands that want it: ``python -m tests.mysql97 [--root FOLDER]`` serves until its input ends.

Debian's unstable suite has the only MySQL server that can be had without Docker; it is 9.7 as this is written. Its
packages and all they need are downloaded by an apt with folders of its own and unpacked, once, into the cache: nothing
is installed, no root is needed. The first line printed is the server's URL, for ``HGAURORA_TEST_MYSQL_URL``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hgaurora.adapters.local.mysqld import Mysqld, unpacked

PACKAGES = ("mysql-server-core", "mysql-client-core")
MIRROR = os.environ.get("HGAURORA_TEST_DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def root() -> Path:
    """The folder with Debian's MySQL unpacked; fetched once (66 MB, 410 MB on disk).

    :raises SystemExit: apt can not get it; with what it said.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "hgaurora-tests" / "mysql"
    if (base / "done").exists():
        return base / "root"
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    (base / "status").touch()
    (base / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} sid main\n")
    options = {
        "Dir::Etc::sourcelist": base / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": base / "lists",
        "Dir::Cache": base / "cache",
        "Dir::State::status": base / "status",
        "Debug::NoLocking": "1",
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    _run([*apt, "-q", "update"])
    _run([*apt, "-q", "-y", "-d", "install", *PACKAGES])
    for package in sorted((base / "cache" / "archives").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(base / "root")])
        package.unlink()
    (base / "done").touch()
    return base / "root"


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{argv[0]} is not on this machine: real MySQL is had from Debian's packages") from None
    if done.returncode:
        raise SystemExit(f"{' '.join(argv[:1] + argv[-2:])} failed:\n{done.stdout[-2000:]}")


@contextmanager
def serving(folder: Path | None = None) -> Iterator[str]:
    """The URL of a MySQL server that ends, with all its data, with the block. ``folder``: unpacked already."""
    with tempfile.TemporaryDirectory(prefix="hgaurora-") as place:
        server = Mysqld(Path(place) / "mysql", unpacked(folder or root()), durable=False)
        try:
            yield f"mysql://root@127.0.0.1:{server.start()}/"
        finally:
            server.stop()


def main() -> int:
    """Serve until the end of input."""
    parser = argparse.ArgumentParser(prog="python -m tests.mysql97", description=__doc__)
    parser.add_argument("--root", type=Path, help="a folder in which Debian's packages are unpacked already")
    with serving(parser.parse_args().root) as url:
        print(url, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
