"""Makes the relations of a run on a connection of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from rollbook.metering.steps import quoted_list


def make(connection: duckdb.DuckDBPyConnection, kind: str, name: str, sql: str) -> None:
    """Makes a temporary view or table, in place of whatever an earlier run left under its name.

    To ask beforehand takes a millisecond each time.
    """
    statement = f"create or replace temp {kind} {name} as {sql}"
    try:
        connection.execute(statement)
    except duckdb.CatalogException:
        drop(connection, [name])
        connection.execute(statement)


def drop(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Removes the temporary views and tables of these names, if there are any."""
    listed = " union all ".join(
        f"select '{kind}', {kind}_name from duckdb_{kind}s() where temporary and {kind}_name in ({quoted_list(names)})"
        for kind in ("view", "table")
    )
    for kind, name in connection.execute(listed).fetchall():
        connection.execute(f"drop {kind} temp.{name}")
