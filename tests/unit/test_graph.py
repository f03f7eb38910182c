# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest
from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionMap
from hypothesis import given, settings

from hgaurora.core.errors import InputError
from hgaurora.core.graph import Graph, parse_script
from hgaurora.core.model import Script

from .strategies import History, histories, script_source, sources
from .test_plan_property import applied_of


def files(*scripts: tuple[str, tuple[str, ...]], **more: bytes) -> dict[str, bytes]:
    made = {f"versions/{one}_x.py": script_source(one, parents) for one, parents in scripts}
    return made | {f"versions/{name}.py": content for name, content in more.items()}


def script(text: str) -> Script:
    found = parse_script("versions/a.py", text.encode())
    assert found is not None
    return found


def refused(made: dict[str, bytes]) -> InputError:
    with pytest.raises(InputError) as caught:
        Graph.parse(made)
    assert caught.value.hint
    return caught.value


def test_reads_what_alembic_templates_write() -> None:
    found = script(
        '"""\n add notes \n\nRevision ID: 6\n"""\nfrom typing import Union\nPREFIX = "00"\n'
        'revision: str = PREFIX + "06"\n'
        'down_revision: Union[str, None] = ("0004", \'0005\')\nbranch_labels = {"orders"}\ndepends_on = ["a", "a"]\n'
        "def downgrade(): pass\n"
    )
    assert (found.revision, found.parents, found.message) == ("0006", ("0004", "0005"), "add notes")
    assert (found.branch_labels, found.depends_on, found.irreversible) == (("orders",), ("a",), False)


@pytest.mark.parametrize(
    ("body", "irreversible"),
    [
        ("", True),
        ("def downgrade(): raise NotImplementedError('no')", True),
        ("def downgrade():\n    'no way back'\n    raise NotImplementedError", True),
        ("def downgrade():\n    if True: raise NotImplementedError", False),
        ("def downgrade(): pass", False),
        ("def downgrade(): ...", False),
        ("def downgrade():\n    'nothing to do'", False),
        ("from helpers import downgrade", False),
        ("downgrade = upgrade = print", False),
    ],
)
def test_irreversible(body: str, irreversible: bool) -> None:
    assert script(f"revision = 'a'\n{body}\n").irreversible is irreversible


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("revision = get()", 1),
        ("revision = None", 1),
        ("revision = 'a'\ndown_revision = [x for x in ()]", 2),
        ("revision = 'a'\ndown_revision = 'b' if x else 'c'", 2),
        ("revision = 'a'\nif x:\n    down_revision = 'b'", 3),
        ("revision = 'a'\nfrom x import down_revision", 2),
        ("revision, down_revision = 'a', 'b'", 1),
        ("revision = 'a'\ndown_revision = ''", 2),
        ("revision = 'a'\ndepends_on = (('b',),)", 2),
        ("revision = 'a'\ndepends_on = 5", 2),
        ("revision = 'a'\ndepends_on = ()\ndepends_on += ('b',)", 3),
        ("revision = 'a b'", 1),
        ("revision = 'a-b'", 1),
        ("revision = 'a@head'", 1),
        ("revision = '" + "a" * 33 + "'", 1),
        ("x = (", 1),
    ],
)
def test_what_can_not_be_read_names_the_line(text: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        script(text)
    assert caught.value.message.startswith(f"versions/a.py:{line}: ")
    assert caught.value.data["line"] == line


def test_not_python() -> None:
    assert "not UTF-8" in refused({"versions/a.py": b"revision = 'a'\nx = '\xff'"}).message
    assert refused({"versions/a.py": b"revision = 'a'\nx = '\xff'"}).data["line"] == 2
    assert "null" in refused({"versions/a.py": b"revision = 'a'\0"}).message
    assert "empty" in refused({"versions/a.py": b""}).message
    assert "this is not Python" in refused({"versions/a.py": b"x = " + b"(" * 5000}).message
    assert "no revision is assigned" in refused({"versions/a.py": b"import os"}).message


def test_nothing_is_executed() -> None:
    assert script("revision = 'a'\nraise SystemExit(1)\n").revision == "a"


def test_which_files_count() -> None:
    made = files(("a", ())) | {
        "versions/__init__.py": b"",
        "versions/__init__helper.py": b"",
        "versions/.#b.py": b"",
        "versions/b.pyc": b"\0",
        "versions/README": b"",
        "versions/deep/b.py": b"",
        "env.py": b"import os",
        "other/b_x.py": script_source("b", ("a",)),
    }
    assert set(Graph.parse(made).scripts) == {"a"}
    assert set(Graph.parse(made, ("versions", "other/")).scripts) == {"a", "b"}
    assert Graph.parse({}).heads == ()


def test_heads_bases_ancestors() -> None:
    made = files(("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")), ("z", ()))
    made["versions/e.py"] = script_source("e", ("d",), ("z",))
    graph = Graph.parse(made)
    assert (graph.heads, graph.bases) == (("e",), ("a", "z"))
    assert graph.topological() == ("a", "b", "c", "d", "z", "e")
    assert graph.ancestors("e") == {"a", "b", "c", "d", "z"}


def test_depends_on_a_branch_label() -> None:
    made = {
        "versions/a.py": script_source("a", labels=("orders",)),
        "versions/b.py": script_source("b", (), ("orders", "a")),
    }
    assert Graph.parse(made).scripts["b"].depends_on == ("a",)
    assert Graph.parse(made).heads == ("b",)


def test_wrong_graphs() -> None:
    twice = refused(files(("a", ()), copy=script_source("a")))
    assert twice.data["files"] == ["versions/a_x.py", "versions/copy.py"]
    itself = refused(files(("a", ("a",))))
    assert itself.data["cycle"] == ["a"]
    circle = refused(files(("a", ("c",)), ("b", ("a",)), ("c", ("b",)), ("d", ("c",)), ("e", ())))
    assert sorted(circle.data["cycle"]) == ["a", "b", "c"]  # type: ignore[call-overload]
    members: list[str] = circle.data["cycle"]  # type: ignore[assignment]
    needs = {"a": "c", "b": "a", "c": "b"}
    assert all(needs[one] == members[(place + 1) % 3] for place, one in enumerate(members))
    assert "versions/a_x.py" in circle.message
    parent = refused(files(("b", ("a",))))
    assert (parent.data["attribute"], parent.data["missing"]) == ("down_revision", "a")
    dependency = refused(files(("abcd", ()), b=script_source("b", (), ("ab",))))
    assert dependency.data["attribute"] == "depends_on"
    assert dependency.hint == "write the id in full: abcd"
    at_head = refused(files(a=script_source("a", labels=("x",)), b=script_source("b", (), ("x@head",))))
    assert "the label is that of a" in str(at_head.hint)
    by_label = refused(files(a=script_source("a", labels=("x",)), b=script_source("b", ("x",))))
    assert by_label.data["attribute"] == "down_revision"
    labels = refused(files(a=script_source("a", labels=("x",)), b=script_source("b", ("a",), labels=("x",))))
    assert labels.data["files"] == ["versions/a.py", "versions/b.py"]
    assert "revision id of" in refused(files(a=script_source("a"), b=script_source("b", ("a",), labels=("a",)))).message


@settings(max_examples=100, deadline=None)
@given(histories(30))
def test_heads_are_those_of_alembic(history: History) -> None:
    theirs = RevisionMap(
        lambda: [AlembicRevision(one.revision, one.parents or None, one.depends_on or None) for one in history.values()]
    )
    ours = Graph.parse(sources(history))
    assert ours.heads == tuple(sorted(theirs._real_heads))
    assert ours.bases == tuple(sorted(theirs.bases))


def test_a_long_chain() -> None:
    names = [f"r{number}" for number in range(20_000)]
    scripts = [
        Script(
            revision=name,
            parents=(names[number - 1],) if number else (),
            depends_on=(),
            branch_labels=(),
            path=f"versions/{name}.py",
            message="",
            raw=name,
            normal=name,
        )
        for number, name in enumerate(names)
    ]
    graph = Graph.build(reversed(scripts))
    assert graph.topological() == tuple(names)
    assert len(graph.ancestors(names[-1])) == 19_999


@settings(max_examples=50, deadline=None)
@given(histories())
def test_known_scripts_need_no_parsing(history: History) -> None:
    made = sources(history)
    graph = Graph.parse(made)
    known = {one.revision: applied_of(one, "n", "d") for one in graph.scripts.values()}
    again = Graph.parse(made, known=known)
    assert again.scripts == graph.scripts
    assert again.topological() == graph.topological()
