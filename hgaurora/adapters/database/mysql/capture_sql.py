# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of ``information_schema`` for a capture: one query for all objects of a sort, never one a table.

Columns that a server would have to open a table's data for (rows, sizes, the next AUTO_INCREMENT value) are not asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: views of ``information_schema`` that a capture leaves out, by reason; and InnoDB's own, which begin with ``innodb_``
EXCLUDED = {
    "of the server, not of one database": "all_plugins applicable_roles character_sets catalogs servers"
    " collations collation_character_set_applicability enabled_roles engines files key_caches keywords plugins"
    " administrable_role_authorizations resource_groups sql_functions st_spatial_reference_systems"
    " st_units_of_measure spatial_ref_sys tablespaces"
    " tablespaces_extensions user_attributes user_privileges",
    "state of the server or of a session": "client_statistics global_status global_variables index_statistics"
    " optimizer_costs optimizer_trace processlist profiling session_status session_variables system_variables"
    " table_statistics thread_pool_groups thread_pool_queues thread_pool_stats thread_pool_waits user_statistics"
    " user_variables feedback metadata_lock_info query_response_time",
    "data: histograms of values": "column_statistics",
    "said again of what is captured": "geometry_columns st_geometry_columns table_constraints role_column_grants"
    " role_routine_grants role_table_grants view_routine_usage view_table_usage sequences",
    "attributes for engines that are not in MySQL itself, and whether a database is read-only": "columns_extensions"
    " schemata_extensions tables_extensions table_constraints_extensions",
    "JavaScript and JSON views of MySQL 9 alone, not captured yet": "libraries routine_libraries json_duality_views"
    " json_duality_view_columns json_duality_view_links json_duality_view_tables",
    "application-time periods of MariaDB 11.4, not captured yet": "periods key_period_usage",
}

#: what no view tells, only a SHOW CREATE for each object: drift in it alone is not seen
UNTOLD = (
    "the parser of a FULLTEXT index",
    "an index's KEY_BLOCK_SIZE",
    "a view's ALGORITHM on MySQL",
    "an application-time period before MariaDB 11.4",
)


@dataclass(frozen=True)
class Look:
    """One query. ``within`` is its condition on the database, ``name`` the column that holds the part's name."""

    columns: str
    source: str
    within: str
    name: str
    where: str = ""

    def sql(self, database: str, names: Collection[str] | None = None) -> tuple[str, list[str]]:
        """The statement and its parameters, for all names or some.

        MariaDB looks a name up only where it is compared to one value, so several names are several branches.
        """
        text = f"SELECT {self.columns} FROM {self.source} WHERE {self.within}{self.where}"
        if names is None:
            return text, [database]
        branch = f"({text} AND {self.name} = %s)"
        return " UNION ALL ".join([branch] * len(names)), [value for name in names for value in (database, name)]


def looks(mariadb: bool, version: tuple[int, ...]) -> dict[str, Look]:
    """All of them by name, for a product and version."""
    schema = "information_schema."
    checks = (
        Look(
            "table_name, constraint_name, check_clause, 'YES', level",
            schema + "check_constraints",
            "constraint_schema = %s",
            "table_name",
        )
        if mariadb
        else Look(
            "t.table_name, t.constraint_name, c.check_clause, t.enforced, 'Table'",
            f"{schema}table_constraints t JOIN {schema}check_constraints c"
            " ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name",
            "t.table_schema = %s",
            "t.table_name",
            " AND t.constraint_type = 'CHECK'",
        )
    )
    ignored = ("ignored" if version >= (10, 6) else "'NO'") if mariadb else "IF(is_visible = 'YES', 'NO', 'YES')"
    return {
        "database": Look(
            "default_character_set_name, default_collation_name, " + ("schema_comment" if mariadb else "''"),
            schema + "schemata",
            "schema_name = %s",
            "schema_name",
        ),
        "tables": Look(
            "table_name, table_type, engine, row_format, table_collation, create_options, table_comment",
            schema + "tables",
            "table_schema = %s",
            "table_name",
        ),
        "columns": Look(
            "table_name, column_name, ordinal_position, column_default, is_nullable, column_type, character_set_name,"
            " collation_name, extra, column_comment, generation_expression, " + ("NULL" if mariadb else "srs_id"),
            schema + "columns",
            "table_schema = %s",
            "table_name",
        ),
        "statistics": Look(
            "table_name, index_name, seq_in_index, non_unique, column_name, collation, sub_part, index_type,"
            f" index_comment, {ignored}, " + ("NULL" if mariadb else "expression"),
            schema + "statistics",
            "table_schema = %s",
            "table_name",
        ),
        "references": Look(
            "table_name, constraint_name, match_option, update_rule, delete_rule",
            schema + "referential_constraints",
            "constraint_schema = %s",
            "table_name",
        ),
        "referring": Look(
            "table_name, constraint_name, ordinal_position, column_name, referenced_table_schema,"
            " referenced_table_name, referenced_column_name",
            schema + "key_column_usage",
            "table_schema = %s",
            "table_name",
            " AND referenced_table_name IS NOT NULL",
        ),
        "checks": checks,
        "partitions": Look(
            "table_name, partition_name, subpartition_name, partition_method, subpartition_method,"
            " partition_expression, subpartition_expression, partition_description, partition_comment,"
            " partition_ordinal_position, subpartition_ordinal_position",
            schema + "partitions",
            "table_schema = %s",
            "table_name",
            " AND partition_name IS NOT NULL",
        ),
        "views": Look(
            "table_name, view_definition, check_option, definer, security_type, "
            + ("algorithm" if mariadb else "'UNDEFINED'"),
            schema + "views",
            "table_schema = %s",
            "table_name",
        ),
        "triggers": Look(
            "event_object_table, trigger_name, event_manipulation, action_order, action_statement, action_timing,"
            " sql_mode, definer",
            schema + "triggers",
            "event_object_schema = %s",
            "event_object_table",
        ),
        "routines": Look(
            "routine_name, routine_type, dtd_identifier, routine_definition, is_deterministic, sql_data_access,"
            " security_type, sql_mode, routine_comment, definer, external_language",
            schema + "routines",
            "routine_schema = %s",
            "routine_name",
        ),
        "parameters": Look(
            "specific_name, routine_type, ordinal_position, parameter_mode, parameter_name, dtd_identifier",
            schema + "parameters",
            "specific_schema = %s",
            "specific_name",
            " AND ordinal_position > 0",
        ),
        "events": Look(
            "event_name, definer, time_zone, event_definition, event_type, CAST(execute_at AS char), interval_value,"
            " interval_field, sql_mode, CAST(starts AS char), CAST(ends AS char), status, on_completion,"
            " event_comment",
            schema + "events",
            "event_schema = %s",
            "event_name",
        ),
        "table grants": Look(
            "table_name, grantee, privilege_type, is_grantable",
            schema + "table_privileges",
            "table_schema = %s",
            "table_name",
        ),
        "column grants": Look(
            "table_name, column_name, grantee, privilege_type, is_grantable",
            schema + "column_privileges",
            "table_schema = %s",
            "table_name",
        ),
        "routine grants": Look(
            "routine_name, routine_type, CONCAT('''', user, '''@''', host, ''''), LOWER(proc_priv)",
            "mysql.procs_priv",
            "db = %s",
            "routine_name",
        ),
        # a grant on a database may have a pattern for its name
        "database grants": Look(
            "grantee, privilege_type, is_grantable",
            schema + "schema_privileges",
            "%s LIKE table_schema",
            "table_schema = %s",
        ),
    }


def sequences(database: str, names: Collection[str]) -> str:
    """One statement for the definitions of all sequences (MariaDB): reading a sequence does not advance it."""
    columns = "start_value, increment, minimum_value, maximum_value, cache_size, cycle_option"
    return " UNION ALL ".join(
        f"SELECT {literal(name)}, {columns} FROM {quoted(database)}.{quoted(name)}" for name in names
    )


def referring(mariadb: bool) -> str:
    """Tables with foreign keys to one, from InnoDB's own dictionary (needs PROCESS); names as ``database/table``."""
    return f"SELECT for_name FROM information_schema.innodb_{'sys_' if mariadb else ''}foreign WHERE ref_name = %s"


REFERRING_SLOWLY = (
    "SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage"
    " WHERE referenced_table_schema = %s AND referenced_table_name = %s"
)


def quoted(name: str) -> str:
    """An identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string in hexadecimal: it holds whatever the SQL mode says of backslashes, and has no % for the driver."""
    return f"CONVERT(0x{text.encode().hex()} USING utf8mb4)"
