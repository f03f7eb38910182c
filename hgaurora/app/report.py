# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells a person, or a program, how a walk goes."""

from __future__ import annotations

from typing import Any

from ..core import render
from ..core.blocking import Wait, awaited, waiting
from ..core.steps import Plan, Step
from ..execute import Done
from .context import Context


class StepReport:
    """Prints a line when a step ends and progress while one lasts; keeps the steps for JSON."""

    def __init__(self, context: Context, plan: Plan, *, lock_timeout: float = 0.0) -> None:
        self._context = context
        self._lock_timeout = lock_timeout
        #: who was named already, and for which table
        self._named: set[tuple[str | None, int | None]] = set()
        self._environment = plan.environment
        self._widest = max((len(step.name) for step in plan.runs), default=0)
        self._current = ""
        self.steps: list[dict[str, Any]] = []

    def begin(self, number: int, total: int, step: Step) -> None:
        """A step starts: shown as progress, printed when it ends."""
        self._current = f"{number}/{total} {step.verb} {render.step_what(step, self._environment)}"
        self._context.ui.progress(self._environment, item=self._current, position=number - 1, total=total)

    def going(self, state: str, percent: int | None) -> None:
        """A step lasts."""
        self._context.ui.progress(self._environment, item=f"{self._current} {state}", position=percent, total=100)

    def waiting(self, wait: Wait | None, why: str, attempt: int) -> None:
        """A step waits for a lock: once for each who holds one; ``why`` where nobody was seen."""
        if wait is None:
            said = [f"{why}; try {attempt}"]
        else:
            holders = [one for one in wait.holders if (wait.relation, one.pid) not in self._named]
            self._named.update((wait.relation, one.pid) for one in holders)
            said = [waiting(wait, one, attempt, self._lock_timeout) for one in holders]
            if not wait.holders and (wait.relation, -1) not in self._named:
                self._named.add((wait.relation, -1))
                said = [waiting(wait, None, attempt, self._lock_timeout)]
            self.going(f"waits for {awaited(wait)}, try {attempt}", None)
        for line in said:
            self._context.ui.status(f"    waiting   {line}")

    def end(self, number: int, total: int, step: Step, done: Done, seconds: float) -> None:
        """One line, and one JSON object."""
        what = done.what or render.step_what(step, self._environment)
        if not self._context.json:
            line = render.step_line(number, total, step.verb, what, done.note, seconds, widest=self._widest)
            self._context.ui.write(line)
        self.steps.append({"step": number, "verb": step.verb, "what": what, "seconds": round(seconds, 3), **done.data})

    def over(self) -> None:
        """Take a bar away."""
        self._context.ui.progress(self._environment, item="", position=None, total=None)


class Silent:
    """The report of a dry run: the plan is already on the screen."""

    def begin(self, number: int, total: int, step: object) -> None:
        """Say nothing."""

    def going(self, state: str, percent: int | None) -> None:
        """Say nothing."""

    def end(self, number: int, total: int, step: object, done: object, seconds: float) -> None:
        """Say nothing."""
