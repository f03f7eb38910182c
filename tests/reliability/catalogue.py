# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests stand for which scenario. ``python -m tests.reliability.catalogue`` prints the table.

A test is ``file::function``. A scenario has tests and controls, or says why it does not apply (yet).
"""

from __future__ import annotations

from dataclasses import dataclass

_HERE = "tests/reliability/test_{}.py::"
_CONNECTION, _STATEMENTS, _TOGETHER = (_HERE.format(name) for name in ("connection", "statements", "concurrency"))
_HOSTILE = "tests/adapters/test_child_hostile.py::"
_MYSQL = "tests/crash/mysql/"
_MYCHILD = "tests/adapters/test_child_mysql"


@dataclass(frozen=True)
class Row:
    """One scenario. ``why``: what is not shown, or why nothing is."""

    title: str
    tests: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    why: str = ""


ROWS: dict[str, Row] = {
    "B1": Row(
        "connection lost in the midst of DDL",
        (f"{_CONNECTION}test_b1_a_connection_lost_in_the_midst",),
        (f"{_CONNECTION}test_b1_b2_control_the_ledger_s_row_apart",),
    ),
    "B2": Row(
        "connection lost between COMMIT and its answer",
        (
            f"{_CONNECTION}test_b2_the_answer_to_commit_is_lost",
            f"{_HOSTILE}test_a_commit_whose_answer_is_lost_is_not_guessed",
        ),
        (f"{_CONNECTION}test_b1_b2_control_the_ledger_s_row_apart",),
    ),
    "B3": Row(
        "half-applied DDL on MySQL",
        (
            f"{_MYSQL}test_sample.py::test_a_killed_run_ends_as_an_undisturbed_one",
            f"{_MYSQL}test_sample.py::test_what_nobody_can_prove_is_asked_and_what_is_asked_is_so",
            f"{_MYCHILD}_journal.py::test_killed_anywhere_it_goes_on",
        ),
        (f"{_MYSQL}test_controls.py::test_a_protection_taken_out_is_noticed",),
    ),
    "B4": Row(
        "a data change before an implicit commit",
        (f"{_MYSQL}test_sample.py::test_a_killed_run_ends_as_an_undisturbed_one",),
        (
            f"{_MYSQL}test_controls.py::test_a_protection_taken_out_is_noticed",
            f"{_MYSQL}test_peer.py::test_what_is_applied_twice_is_seen",
        ),
        "the second control is bare Alembic on the same cells",
    ),
    "B5": Row(
        "a dead client's statement still runs",
        (f"{_CONNECTION}test_b5_a_dead_client_s_statement_is_awaited",),
        (f"{_CONNECTION}test_b5_control_not_awaited",),
    ),
    "B6": Row(
        "a network that drops all packets",
        (f"{_CONNECTION}test_b6_a_frozen_network",),
        (f"{_CONNECTION}test_b6_a_frozen_network",),
        "the control runs beside it, in the same test: without keepalives it still hangs when ours has noticed",
    ),
    "B7": Row(
        "a long reader in front of the DDL",
        ("tests/flows/test_blocking.py::test_nobody_waits_long_and_the_deploy_comes_through",),
        ("tests/flows/test_blocking.py::test_without_a_lock_timeout_readers_wait",),
    ),
    "B8": Row(
        "MySQL's metadata lock",
        (
            "tests/flows/test_blocking.py::test_nobody_waits_long_and_the_deploy_comes_through",
            "tests/adapters/test_mysql_blocking.py::test_a_metadata_lock",
            f"{_MYCHILD}.py::test_a_wait_for_a_lock_is_bounded_and_can_be_tried_again",
        ),
        ("tests/flows/test_blocking.py::test_without_a_lock_timeout_readers_wait",),
    ),
    "B9": Row(
        "deadlock, serialization failure",
        (f"{_STATEMENTS}test_b9_a_crossing_transaction",),
        (f"{_STATEMENTS}test_b9_control_one_try",),
    ),
    "B10": Row(
        "CREATE INDEX CONCURRENTLY cut off",
        (
            f"{_STATEMENTS}test_b10_an_index_killed_half_way_is_built_by_a_plain_run",
            "tests/flows/test_blocking.py::test_an_invalid_index_from_elsewhere_is_reported",
        ),
        (f"{_STATEMENTS}test_b10_control_taken_for_done",),
    ),
    "B11": Row(
        "a migration commits or rolls back by itself",
        (
            f"{_HOSTILE}test_refused_and_undone",
            f"{_HOSTILE}test_transaction_control_in_text",
            f"{_MYCHILD}_hostile.py::test_refused_and_said",
        ),
        (f"{_STATEMENTS}test_b11_b12_control_without_the_fences",),
    ),
    "B12": Row(
        "a migration changes role, settings, lock",
        (
            f"{_HOSTILE}test_refused_and_undone",
            f"{_HOSTILE}test_session_settings_are_put_back",
            f"{_MYCHILD}_hostile.py::test_refused_and_said",
            f"{_MYCHILD}_hostile.py::test_session_settings_are_put_back",
            "tests/adapters/test_child_timeouts.py::test_limits_are_in_force_again_in_the_next_try_and_the_next_step",
        ),
        (f"{_STATEMENTS}test_b11_b12_control_without_the_fences",),
    ),
    "B13": Row(
        "a migration exits, forks, prints without end, never returns",
        (
            f"{_HOSTILE}test_a_death_is_not_taken_for_success",
            f"{_HOSTILE}test_what_a_script_leaves_running_is_killed",
            f"{_HOSTILE}test_a_script_that_never_returns_is_stopped",
            f"{_HOSTILE}test_output_is_capped",
            f"{_MYCHILD}_hostile.py::test_a_death_is_not_taken_for_success",
            f"{_MYCHILD}_hostile.py::test_a_script_that_never_returns_is_stopped",
        ),
        (f"{_STATEMENTS}test_b13_control_no_last_word_wanted",),
    ),
    "B14": Row(
        "a runaway statement",
        (
            f"{_STATEMENTS}test_b14_a_runaway_statement",
            f"{_MYCHILD}_hostile.py::test_a_statement_that_takes_too_long_ends",
            "tests/adapters/test_child_timeouts.py::test_a_backfill_may_take_longer_than_ddl",
        ),
        (f"{_STATEMENTS}test_b14_control_no_limit",),
    ),
    "B15": Row(
        "the server's disk is full",
        (f"{_STATEMENTS}test_b15_b17_a_full_disk_and_a_restart",),
        (f"{_STATEMENTS}test_b15_b17_a_full_disk_and_a_restart",),
        "by a limit on the size of the server's files: the write fails as on a full disk, with another error number; "
        "the control is in the same test: with room again the same script goes through",
    ),
    "B16": Row(
        "no room for one more connection",
        (f"{_CONNECTION}test_b16_no_room_for_one_more_session", f"{_CONNECTION}test_b16_no_room_on_mysql"),
        (f"{_CONNECTION}test_b16_control_not_asked_again",),
    ),
    "B17": Row(
        "the server restarts in the midst",
        (f"{_STATEMENTS}test_b15_b17_a_full_disk_and_a_restart",),
        (f"{_CONNECTION}test_b1_b2_control_the_ledger_s_row_apart",),
        "what protects is what protects in B1, and so is the control; a writer that fails over is a matter of clusters",
    ),
    "B18": Row(
        "a server that takes no writes",
        (
            f"{_CONNECTION}test_b18_a_server_that_takes_no_writes",
            "tests/adapters/test_ledger.py::test_a_server_that_takes_no_writes",
            "tests/adapters/test_mysql_connection.py::test_nothing_begins_on_a_reader",
        ),
        (f"{_CONNECTION}test_b18_a_server_that_takes_no_writes",),
        "the control is in the same test: where it takes writes a snapshot is made",
    ),
    "B19": Row(
        "a pooler in between",
        (f"{_CONNECTION}test_b19_a_pooler_in_between", f"{_CONNECTION}test_b19_a_real_pooler_in_between"),
        (
            f"{_CONNECTION}test_b19_control_a_proxy_that_is_no_pooler",
            f"{_CONNECTION}test_b19_control_the_lock_is_nobody_s",
        ),
        "the second of each are with PgBouncer, and run where it is installed (apt-get install pgbouncer)",
    ),
    "B20": Row(
        "a replica lags behind",
        why="an environment has one connection, to a writer: no state is ever read "
        "from a replica, and B18 refuses one. Lag is a matter of clusters",
    ),
    "B21": Row(
        "another product, or too old",
        (f"{_CONNECTION}test_b21_an_old_server", f"{_CONNECTION}test_b21_another_product"),
        (f"{_CONNECTION}test_b2_the_answer_to_commit_is_lost",),
        "the control is every test that is not refused",
    ),
    "D1": Row(
        "fifty deploys at once",
        ("tests/flows/test_together.py::test_one_applies_and_all_end_well",),
        (f"{_TOGETHER}test_d1_d2_control_the_lock_s_answer_is_not_listened_to",),
        "twelve in the suite, fifty by python -m tests.flows.test_together 50 5",
    ),
    "D2": Row(
        "two different changesets at once",
        (f"{_TOGETHER}test_d2_two_different_changesets",),
        (f"{_TOGETHER}test_d1_d2_control_the_lock_s_answer_is_not_listened_to",),
    ),
    "D3": Row(
        "a deploy races a revert",
        (f"{_TOGETHER}test_d3_a_deploy_and_a_revert",),
        (f"{_TOGETHER}test_d1_d2_control_the_lock_s_answer_is_not_listened_to",),
    ),
    "D4": Row(
        "the session with the lock dies while DDL goes on",
        (f"{_TOGETHER}test_d4_the_session_with_the_lock_dies",),
        (f"{_TOGETHER}test_d5_control_without_the_epoch",),
    ),
    "D5": Row(
        "two servers that deploy, one of them late or older",
        (
            f"{_TOGETHER}test_d5_one_that_was_taken_over_is_stopped",
            "tests/adapters/test_ledger.py::test_a_ledger_of_another_environment_or_a_newer_program",
        ),
        (f"{_TOGETHER}test_d5_control_without_the_epoch",),
    ),
    "D6": Row(
        "a person runs alembic beside us",
        (
            f"{_TOGETHER}test_d6_bare_alembic_beside_a_deploy",
            "tests/flows/test_deploy_revert.py::test_a_hand_edited_version_table_stops",
        ),
        (f"{_STATEMENTS}test_b11_b12_control_without_the_fences",),
    ),
    "D7": Row(
        "threads of one process",
        (f"{_TOGETHER}test_d7_threads_of_one_process",),
        why="no control: what Alembic's module globals do in threads is a race, which no test can demand",
    ),
    "D8": Row(
        "many wait and the holder dies",
        (f"{_TOGETHER}test_d8_many_wait_and_the_holder_dies",),
        (f"{_TOGETHER}test_d8_control_nobody_waits",),
    ),
    "D9": Row("a deploy to blue while a blue/green deployment exists", why="clusters are not deployed to yet"),
}


def main() -> None:
    """The table, for people."""
    for number, row in ROWS.items():
        state = f"{len(row.tests)} tests, {len(row.controls)} controls" if row.tests else "none"
        print(f"{number.ljust(4)} {row.title.ljust(60)} {state}")
        if row.why:
            print(f"     {row.why}")


if __name__ == "__main__":
    main()
