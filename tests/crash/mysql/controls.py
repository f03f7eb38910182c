# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Protections taken out of the child, one at a time. A run that nobody disturbs does not notice; a kill must."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from hgaurora.adapters.migrations.process import ChildSession

GUARD, SENDER, JOURNAL = "mysql/guard.py", "mysql/sender.py", "mysql/journal.py"
ENGINE, NUMBERS = "mysql/engine.py", "mysql/numbers.py"
_SWAP = "RENAME TABLE effects TO t, effects_2 TO effects, t TO effects_2"
_VERDICT = "said = verdict(sent.meaning, before, self.sender.picture(sent))"


@dataclass(frozen=True)
class Control:
    """What is taken out (file, old text, new text), and a kill that notices."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    shape: str
    cell: str


CONTROLS = (
    Control(
        "what is journaled is not sent again",
        (
            (
                JOURNAL,
                'for row in self.look(self.ledger["journal_open"], {}):',
                'for row in self.look("DELETE FROM hgaurora_statement WHERE closed = 0") or ():',
            ),
        ),
        "if-not-exists",
        "kill after CREATE TABLE IF NOT EXISTS audit (id INT PRIMARY KEY, what VARCHAR(40)) #1",
    ),
    Control(
        "a change of data and its journal row are one transaction",
        (
            (
                SENDER,
                "            rows = self.journal.write(self.at.ask, [*self.pending, sent])\n",
                '            self.at.end("COMMIT")\n'
                "            rows = self.journal.write(self.at.ask, [*self.pending, sent])\n",
            ),
        ),
        "counter",
        "kill before INSERT INTO hgaurora_statement (id, deployment, revision, direction, ordinal, sql_hash, pa #1",
    ),
    Control(
        "the catalogue proves that a statement took effect",
        ((GUARD, _VERDICT, 'said = "again"'),),
        "exchange-twice",
        f"kill after {_SWAP} #1",
    ),
    Control(
        "the catalogue proves that a statement took no effect",
        ((GUARD, _VERDICT, 'said = "done"'),),
        "exchange-twice",
        f"kill before {_SWAP} #1",
    ),
    Control(
        "numbers that were drawn and rolled back are given back",
        ((NUMBERS, "self._set(one.table, kept)", "pass"),),
        "counted-number",
        "kill after INSERT INTO orders (account, total, state) VALUES (1, 70, 'new') #1",
    ),
    Control(
        "the session that runs the statements holds the lock until it is gone",
        (
            (ENGINE, 'guard.ask(ledger["lock"], {})[0]', 'guard.look(ledger["lock"], {})[0]'),
            (GUARD, "trace, connection.thread_id())", "trace, side.thread_id())"),
        ),
        "exchange-twice",
        f"kill amid {_SWAP} #1",
    ),
)
BY_NAME = {control.name: control for control in CONTROLS}


def weakened(name: str, folder: Path) -> Path:
    """The path of a child's program without a protection, in a copy below ``folder``."""
    source = ChildSession.program.parent
    copy = folder / "weak"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in BY_NAME[name].edits:
        text = (copy / file).read_text()
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        (copy / file).write_text(text.replace(old, new))
    return copy / ChildSession.program.name
