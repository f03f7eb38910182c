# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``docs/kinds.rst`` holds what the tables of kinds say; ``python -m tests.unit.test_kinds_docs`` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

from hgaurora.adapters.database.mysql import capture_sql as mysql
from hgaurora.adapters.database.postgresql import capture_kinds as postgresql
from hgaurora.core.schema.kinds import KINDS, Level

DOCS = Path(__file__).parents[2] / "docs" / "kinds.rst"
_WIDTH = 118

_HEAD = """\
What a capture holds
====================

Of each kind of object these facts are kept. A fact in *italics* is text that a server makes of what it parsed: it is
compared within one major version. One in (parentheses) counts in the full fingerprint alone. The rest is structure, and
compared anywhere. What an engine does not have is empty there. This page is made from the tables in the code
(``core/schema/kinds.py``, ``capture_kinds.py``, ``mysql/capture_sql.py``).
"""


def page() -> str:
    """All of it."""
    return "\n".join([_HEAD, *_kinds(), *_postgresql(), *_mysql()])


def _entry(term: str, text: str) -> str:
    return f"{term}\n{fill(text, _WIDTH, initial_indent='    ', subsequent_indent='    ', break_on_hyphens=False)}"


def _title(text: str, line: str = "-") -> str:
    return f"\n{text}\n{line * len(text)}\n"


def _kinds() -> Iterator[str]:
    yield _title("Kinds and facts")
    for kind in KINDS.values():
        words = []
        for field in kind.fields:
            name = field.name.replace("_", " ")
            words.append({Level.TEXT: f"*{name}*", Level.FULL: f"({name})"}.get(field.level, name))
        yield _entry(kind.name, ", ".join(words) + ("; hangs on a relation" if kind.nested else ""))


def _postgresql() -> Iterator[str]:
    yield _title("PostgreSQL's types of object")
    yield "Every type that ``pg_identify_object`` knows, in PostgreSQL 14 to 18, and the kinds that have it:\n"
    for name, kinds in sorted(postgresql.COVERED.items()):
        yield _entry(name, ", ".join(kinds))
    yield _title("Left out on PostgreSQL, and why", "~")
    for name, why in sorted(postgresql.EXCLUDED.items()):
        yield _entry(name, why)
    yield "\nFacts that are not read; drift in them alone is not seen:\n"
    for name, why in postgresql.UNTOLD.items():
        yield _entry(name, why)


def _mysql() -> Iterator[str]:
    yield _title("Left out on MySQL and MariaDB, and why")
    yield "Views of ``information_schema`` that are not read:\n"
    for why, views in mysql.EXCLUDED.items():
        yield _entry(why, _list(sorted(views.split())))
    yield "\nWhat no view tells, only ``SHOW CREATE`` of each object; drift in it alone is not seen:\n"
    yield from (f"- {one}" for one in mysql.UNTOLD)
    yield ""


def _list(words: Sequence[str]) -> str:
    return ", ".join(f"``{word}``" for word in words)


def test_the_page_is_the_tables() -> None:
    assert DOCS.read_text("utf-8") == page(), "python -m tests.unit.test_kinds_docs"


if __name__ == "__main__":
    DOCS.write_text(page(), "utf-8")
