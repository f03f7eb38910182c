# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests stand for which scenario. ``python -m tests.reliability.catalogue`` prints the table.

A test is ``file::function``. A scenario has tests and controls, or says why it does not apply (yet). Each engine that a
row names has a test and a control that run on it. Where a test runs is said here (:data:`ON`); :mod:`test_catalogue`
compares it with the test's fixtures.
"""

from __future__ import annotations

from dataclasses import dataclass

_HERE = "tests/reliability/test_{}.py::"
_CONNECTION, _STATEMENTS, _TOGETHER, _WAITING, _ON_MYSQL, _SERVERS = (
    _HERE.format(name) for name in ("connection", "statements", "concurrency", "waiting", "mysql", "servers")
)
_HOSTILE = "tests/adapters/test_child_hostile.py::"
_MYSQL = "tests/crash/mysql/"
_MYCHILD = "tests/adapters/test_child_mysql"


POSTGRESQL, MYSQL = ("postgresql",), ("mysql",)
BOTH = (*POSTGRESQL, *MYSQL)
_BLUE_GREEN = "tests/flows/test_aws_gates.py::test_a_blue_green_deployment"


@dataclass(frozen=True)
class Row:
    """One scenario. ``engines``: those it is shown on. ``why``: what is not shown, or why nothing is."""

    title: str
    tests: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    why: str = ""
    engines: tuple[str, ...] = BOTH


#: on which engines a test or control runs: by itself, else by its file; what is not here runs on both
ON: dict[str, tuple[str, ...]] = {
    "tests/adapters/test_child_hostile.py": POSTGRESQL,
    f"{_HOSTILE}test_transaction_control_in_text": (),  # no server is asked
    "tests/adapters/test_child_timeouts.py": POSTGRESQL,
    "tests/adapters/test_child_mysql.py": MYSQL,
    "tests/adapters/test_child_mysql_hostile.py": MYSQL,
    "tests/adapters/test_child_mysql_journal.py": MYSQL,
    "tests/adapters/test_mysql_blocking.py": MYSQL,
    "tests/adapters/test_mysql_connection.py": MYSQL,
    "tests/crash/mysql/test_controls.py": MYSQL,
    "tests/crash/mysql/test_peer.py": MYSQL,
    "tests/crash/mysql/test_sample.py": MYSQL,
    "tests/flows/test_blocking.py::test_an_invalid_index_from_elsewhere_is_reported": POSTGRESQL,
    "tests/reliability/test_connection.py": POSTGRESQL,
    f"{_CONNECTION}test_b6_a_frozen_network": BOTH,
    f"{_CONNECTION}test_b16_no_room_on_mysql": MYSQL,
    _BLUE_GREEN: (),
    f"{_ON_MYSQL}test_b21_a_server_of_postgresql": POSTGRESQL,  # behind a url of MySQL
    f"{_ON_MYSQL}test_b21_a_server_that_says_nothing": (),
    f"{_CONNECTION}test_b21_another_product": MYSQL,  # behind a url of PostgreSQL
    "tests/reliability/test_mysql.py": MYSQL,
    "tests/reliability/test_statements.py": POSTGRESQL,
    **{
        f"{_STATEMENTS}test_b13_{name}": BOTH
        for name in (
            "control_no_last_word_wanted",
            "control_without_the_cap",
            "control_its_leader_alone_is_killed",
            "output_is_capped",
            "what_a_script_leaves_running",
            "a_script_that_never_returns",
        )
    },
    f"{_SERVERS}test_b18_a_hot_standby": POSTGRESQL,
    f"{_SERVERS}test_b18_a_replica_of_mariadb": MYSQL,
    f"{_SERVERS}test_b18_a_writer_that_is_demoted": MYSQL,
    f"{_SERVERS}test_b18_control_without_the_fence": MYSQL,
    f"{_SERVERS}test_b20_a_standby_that_lags": POSTGRESQL,
    f"{_SERVERS}test_b20_control_without_the_look": POSTGRESQL,
    f"{_SERVERS}test_b20_a_reader_of_mariadb": MYSQL,
    f"{_TOGETHER}test_d1_a_look_while_the_ledger_is_made": MYSQL,
    f"{_TOGETHER}test_d4_only_the_client_is_gone": MYSQL,
}


def on(test: str) -> tuple[str, ...]:
    """The engines that a test or control runs on."""
    return ON.get(test, ON.get(test.partition("::")[0], BOTH))


ROWS: dict[str, Row] = {
    "B1": Row(
        "connection lost in the midst of DDL",
        (
            f"{_CONNECTION}test_b1_a_connection_lost_in_the_midst",
            f"{_ON_MYSQL}test_b1_a_connection_lost_in_the_midst",
        ),
        (
            f"{_CONNECTION}test_b1_b2_control_the_ledger_s_row_apart",
            f"{_ON_MYSQL}test_b1_b2_control_without_the_journal",
        ),
    ),
    "B2": Row(
        "connection lost between COMMIT and its answer",
        (
            f"{_CONNECTION}test_b2_the_answer_to_commit_is_lost",
            f"{_HOSTILE}test_a_commit_whose_answer_is_lost_is_not_guessed",
            f"{_ON_MYSQL}test_b2_the_answer_to_what_commits_is_lost",
        ),
        (
            f"{_CONNECTION}test_b1_b2_control_the_ledger_s_row_apart",
            f"{_ON_MYSQL}test_b1_b2_control_without_the_journal",
        ),
    ),
    "B3": Row(
        "half-applied DDL on MySQL",
        (
            f"{_MYSQL}test_sample.py::test_a_killed_run_ends_as_an_undisturbed_one",
            f"{_MYSQL}test_sample.py::test_what_nobody_can_prove_is_asked_and_what_is_asked_is_so",
            f"{_MYCHILD}_journal.py::test_killed_anywhere_it_goes_on",
        ),
        (f"{_MYSQL}test_controls.py::test_a_protection_taken_out_is_noticed",),
        engines=MYSQL,
    ),
    "B4": Row(
        "a data change before an implicit commit",
        (f"{_MYSQL}test_sample.py::test_a_killed_run_ends_as_an_undisturbed_one",),
        (
            f"{_MYSQL}test_controls.py::test_a_protection_taken_out_is_noticed",
            f"{_MYSQL}test_peer.py::test_what_is_applied_twice_is_seen",
        ),
        "the second control is bare Alembic on the same cells",
        engines=MYSQL,
    ),
    "B5": Row(
        "a dead client's statement still runs",
        (
            f"{_CONNECTION}test_b5_a_dead_client_s_statement_is_awaited",
            f"{_ON_MYSQL}test_b5_a_dead_client_s_statement_is_awaited",
        ),
        (f"{_CONNECTION}test_b5_control_not_awaited", f"{_ON_MYSQL}test_b5_control_not_awaited"),
    ),
    "B6": Row(
        "a network that drops all packets",
        (f"{_CONNECTION}test_b6_a_frozen_network",),
        (f"{_CONNECTION}test_b6_a_frozen_network",),
        "the controls run beside it, in the same test: without keepalives they still hold the lock at 22 s, twice what "
        "ours need at most by their settings (5 s, then 3 times 2 s). On MySQL it is the parent that ends the session; "
        "where the parent's machine is gone too, the server keeps the lock until its own keepalive finds out "
        "(net.ipv4.tcp_keepalive_time)",
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
        "PostgreSQL's locks are B7",
        engines=MYSQL,
    ),
    "B9": Row(
        "deadlock, serialization failure",
        (f"{_STATEMENTS}test_b9_a_crossing_transaction", f"{_ON_MYSQL}test_b9_a_crossing_transaction"),
        (
            f"{_STATEMENTS}test_b9_control_one_try",
            f"{_ON_MYSQL}test_b9_control_one_try",
            f"{_ON_MYSQL}test_b9_control_the_whole_of_it_again",
        ),
        "on MySQL the next try goes on from the journal, so what was committed before is not sent again",
    ),
    "B10": Row(
        "CREATE INDEX CONCURRENTLY cut off",
        (
            f"{_STATEMENTS}test_b10_an_index_killed_half_way_is_built_by_a_plain_run",
            f"{_STATEMENTS}test_b10_a_second_deploy_while_an_index_is_built",
            "tests/flows/test_blocking.py::test_an_invalid_index_from_elsewhere_is_reported",
        ),
        (
            f"{_STATEMENTS}test_b10_control_taken_for_done",
            f"{_STATEMENTS}test_b10_control_a_second_that_waits_in_the_server",
        ),
        engines=POSTGRESQL,
    ),
    "B11": Row(
        "a migration commits or rolls back by itself",
        (
            f"{_HOSTILE}test_refused_and_undone",
            f"{_HOSTILE}test_transaction_control_in_text",
            f"{_MYCHILD}_hostile.py::test_refused_and_said",
        ),
        (
            f"{_STATEMENTS}test_b11_b12_control_without_the_fences",
            f"{_ON_MYSQL}test_b11_b12_control_without_the_protection",
        ),
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
        (
            f"{_STATEMENTS}test_b11_b12_control_without_the_fences",
            f"{_ON_MYSQL}test_b11_b12_control_without_the_protection",
        ),
    ),
    "B13": Row(
        "a migration exits, forks, prints without end, never returns",
        (
            f"{_HOSTILE}test_a_death_is_not_taken_for_success",
            f"{_HOSTILE}test_what_a_script_leaves_running_is_killed",
            f"{_HOSTILE}test_a_script_that_never_returns_is_stopped",
            f"{_HOSTILE}test_output_is_capped",
            f"{_STATEMENTS}test_b13_what_a_script_leaves_running",
            f"{_STATEMENTS}test_b13_output_is_capped",
            f"{_STATEMENTS}test_b13_a_script_that_never_returns",
            f"{_MYCHILD}_hostile.py::test_a_death_is_not_taken_for_success",
            f"{_MYCHILD}_hostile.py::test_a_script_that_never_returns_is_stopped",
        ),
        (
            f"{_STATEMENTS}test_b13_control_no_last_word_wanted",
            f"{_STATEMENTS}test_b13_control_its_leader_alone_is_killed",
            f"{_STATEMENTS}test_b13_control_without_the_cap",
            f"{_STATEMENTS}test_b13_a_script_that_never_returns",
        ),
        "a control for each of the four, on each engine; that of the last is the same test without a limit",
    ),
    "B14": Row(
        "a runaway statement",
        (
            f"{_STATEMENTS}test_b14_a_runaway_statement",
            f"{_MYCHILD}_hostile.py::test_a_statement_that_takes_too_long_ends",
            "tests/adapters/test_child_timeouts.py::test_a_backfill_may_take_longer_than_ddl",
        ),
        (f"{_STATEMENTS}test_b14_control_no_limit", f"{_ON_MYSQL}test_b14_a_runaway_statement"),
        "on MySQL the control is the same test without a limit",
    ),
    "B15": Row(
        "the server's disk is full",
        (f"{_SERVERS}test_b15_a_full_disk",),
        (f"{_SERVERS}test_b15_control_with_the_protection_out",),
        "a small file system for one table's place, so the server's own log has room. Where the machine allows neither "
        "a mount nor a namespace it is a limit on the size of PostgreSQL's files, and nothing is shown on MariaDB",
    ),
    "B16": Row(
        "no room for one more connection",
        (f"{_CONNECTION}test_b16_no_room_for_one_more_session", f"{_CONNECTION}test_b16_no_room_on_mysql"),
        (f"{_CONNECTION}test_b16_control_not_asked_again", f"{_CONNECTION}test_b16_no_room_on_mysql"),
        "on MySQL the control is in the same test",
    ),
    "B17": Row(
        "the server restarts in the midst",
        (f"{_SERVERS}test_b17_a_restart_in_the_midst",),
        (f"{_SERVERS}test_b17_control_with_the_protection_out",),
        "killed by SIGKILL; a writer that fails over is a matter of clusters",
    ),
    "B18": Row(
        "a server that takes no writes",
        (
            f"{_CONNECTION}test_b18_a_server_that_takes_no_writes",
            f"{_SERVERS}test_b18_a_hot_standby",
            f"{_SERVERS}test_b18_a_replica_of_mariadb",
            f"{_SERVERS}test_b18_a_writer_that_is_demoted",
            "tests/adapters/test_ledger.py::test_a_server_that_takes_no_writes",
            "tests/adapters/test_mysql_connection.py::test_nothing_begins_on_a_reader",
        ),
        (
            f"{_SERVERS}test_b18_a_hot_standby",
            f"{_SERVERS}test_b18_a_replica_of_mariadb",
            f"{_SERVERS}test_b18_control_without_the_fence",
        ),
        "the controls of the first three are in the same tests: promoted, or allowed to write again, the server is "
        "taken by the same command",
    ),
    "B19": Row(
        "a pooler in between",
        (
            f"{_CONNECTION}test_b19_a_pooler_in_between",
            f"{_CONNECTION}test_b19_a_real_pooler_in_between",
            f"{_ON_MYSQL}test_b19_a_pooler_in_between",
            f"{_ON_MYSQL}test_b19_a_pooler_that_does_not_show",
        ),
        (
            f"{_CONNECTION}test_b19_control_a_proxy_that_is_no_pooler",
            f"{_CONNECTION}test_b19_control_the_lock_is_nobody_s",
            f"{_ON_MYSQL}test_b19_control_a_proxy_that_is_no_pooler",
            f"{_ON_MYSQL}test_b19_control_the_lock_is_nobody_s",
        ),
        "the second of PostgreSQL's are with PgBouncer, and run where it is installed (apt-get install pgbouncer); for "
        "MySQL no package has one, so it is one of ours that shares sessions",
    ),
    "B20": Row(
        "a replica lags behind",
        (f"{_SERVERS}test_b20_a_standby_that_lags", f"{_SERVERS}test_b20_a_reader_of_mariadb"),
        (f"{_SERVERS}test_b20_control_without_the_look", f"{_SERVERS}test_b20_a_reader_of_mariadb"),
        "the standby is a real one whose replay is paused; on MariaDB it is a server set read_only, which is all that "
        "one that lags shows of itself. Replica lag as a gate is a matter of clusters",
    ),
    "B21": Row(
        "another product, or too old",
        (
            f"{_CONNECTION}test_b21_an_old_server",
            f"{_CONNECTION}test_b21_another_product",
            f"{_ON_MYSQL}test_b21_an_old_server",
            f"{_ON_MYSQL}test_b21_each_product_by_its_own_version",
            f"{_ON_MYSQL}test_b21_a_server_of_postgresql",
            f"{_ON_MYSQL}test_b21_a_server_that_says_nothing",
        ),
        (
            f"{_CONNECTION}test_b21_control_a_server_new_enough",
            f"{_CONNECTION}test_b21_control_without_the_look",
            f"{_ON_MYSQL}test_b21_control_a_server_new_enough",
            f"{_ON_MYSQL}test_b21_control_without_the_look",
        ),
        "by the version that a server says it is; a url of each engine that leads to the other. What Aurora says of "
        "itself (aurora_version()) is a matter of clusters",
    ),
    "D1": Row(
        "fifty deploys at once",
        (
            "tests/flows/test_together.py::test_one_applies_and_all_end_well",
            f"{_TOGETHER}test_d1_a_look_while_the_ledger_is_made",
            f"{_TOGETHER}test_d1_a_look_while_the_first_migration_commits",
        ),
        (
            f"{_TOGETHER}test_d1_control_the_lock_s_answer_is_not_listened_to",
            f"{_TOGETHER}test_d1_control_two_who_believe_to_hold_the_lock",
        ),
        "twelve in the suite, fifty by python -m tests.flows.test_together 50 20 [--engine mysql]. The first control "
        "shows that the next protection, a fence, stops who does not listen to the lock; the second, with both fences "
        "out too, that a change is made twice on PostgreSQL; on MySQL the statement journal's key stops it even then "
        "(B1's control is without the journal)",
    ),
    "D2": Row(
        "two different changesets at once",
        (f"{_TOGETHER}test_d2_two_different_changesets",),
        (f"{_TOGETHER}test_d2_control_it_does_not_look_again",),
        "both are held between plan and lock until the other is there; 200 rounds of processes with random delays by "
        "python -m tests.reliability.rounds d2 200 [--engine mysql]",
    ),
    "D3": Row(
        "a deploy races a revert",
        (f"{_TOGETHER}test_d3_a_deploy_and_a_revert", f"{_TOGETHER}test_d3_each_overtaken_by_the_other"),
        (f"{_TOGETHER}test_d3_control_it_does_not_look_again",),
        "both are held between plan and lock until the other is there, or one overtakes the other there; rounds with "
        "random delays by python -m tests.reliability.rounds d3 200 [--engine mysql]. A revert to a snapshot is not "
        "among them, nor all pairs of commands",
    ),
    "D4": Row(
        "the session with the lock dies while DDL goes on",
        (f"{_TOGETHER}test_d4_the_session_with_the_lock_dies", f"{_TOGETHER}test_d4_only_the_client_is_gone"),
        (f"{_TOGETHER}test_d4_control_the_lock_is_another_session_s",),
        "the second is for MariaDB and MySQL, which do not notice; what PostgreSQL does is B5",
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
            f"{_TOGETHER}test_d6_bare_alembic_moves_another_branch_on",
            "tests/flows/test_deploy_revert.py::test_a_hand_edited_version_table_stops",
        ),
        (f"{_TOGETHER}test_d6_control_the_version_table_is_not_looked_at",),
        "on MariaDB and MySQL what the loser had sent by then stands, twice where it is data; "
        "what was ours is in the journal",
    ),
    "D7": Row(
        "threads of one process",
        (f"{_TOGETHER}test_d7_threads_of_one_process",),
        (f"{_TOGETHER}test_d7_control_alembic_in_threads",),
        "twenty, ten on each engine; the control is a race, which Alembic's module globals have to lose once in three "
        "rounds, and have lost in each so far",
    ),
    "D8": Row(
        "many wait and the holder dies",
        (
            f"{_WAITING}test_d8_waiters_do_not_look_in_step",
            f"{_WAITING}test_d8_many_wait_and_the_holder_dies",
        ),
        (
            f"{_WAITING}test_d8_control_all_wait_as_long",
            f"{_WAITING}test_d8_control_they_do_not_look_again",
        ),
        "five processes in the suite, fifty by python -m tests.reliability.rounds d8 1 [--engine mysql]; the spread of "
        "looks is that of twenty, in a time of their own. There is no queue and so no position in one: whoever looks "
        "first takes the lock; who waits is told who holds it",
    ),
    "D9": Row(
        "a deploy to blue while a blue/green deployment exists",
        (_BLUE_GREEN,),
        (_BLUE_GREEN,),
        "the control is in the same test: after its end it is deployed. AWS is asked, no engine",
        engines=(),
    ),
}


def main() -> None:
    """The table, for people: of each scenario the tests and controls on each engine."""
    for number, row in ROWS.items():
        counts = (
            f"{one}: {len([t for t in row.tests if one in on(t)])} + {len([c for c in row.controls if one in on(c)])}"
            for one in row.engines
        )
        print(f"{number.ljust(4)} {row.title.ljust(64)} {', '.join(counts) if row.tests else 'none'}")
        if row.why:
            print(f"     {row.why}")


if __name__ == "__main__":
    main()
