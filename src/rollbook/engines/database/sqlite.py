"""SQLite through the standard library's driver."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from rollbook.engines.database.dialects import Database, Dialect, Parameter


class SQLite(Dialect):
    """Relations come as JSON."""

    name = "sqlite"

    def placeholder(self, name: str) -> str:
        """As `:name`."""
        return f":{name}"

    def text(self, sql: str) -> str:
        """As it is."""
        return sql

    def find(self, table: str, where: str) -> str:
        """SQLite keeps the order of a CROSS JOIN."""
        return f"cross join {table} on {where}"

    def onward(self, sides: Mapping[str, str]) -> str:
        """Two parts may both be recursive."""
        return " union ".join(
            f"select met.scope, fact.{other} from met cross join fact where {where}" for other, where in sides.items()
        )

    def rows(self, name: str, columns: Mapping[str, str]) -> str:
        """From a JSON array of arrays."""
        values = ", ".join(f"json_extract(value, '$[{n}]') as {column}" for n, column in enumerate(columns))
        return f"select {values} from json_each(:{name})"


class SQLiteDatabase(Database):
    """A file, or memory."""

    dialect = SQLite()

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.cursor = sqlite3.Cursor(connection)
        self.cursor.row_factory = None

    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Any:
        """Runs one statement."""
        bound = {
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value
            for name, value in (parameters or {}).items()
        }
        return self.cursor.execute(sql, bound)

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs one statement for each row."""
        self.cursor.executemany(sql, rows)

    def has_temporary(self) -> bool:
        """Asks the catalogue."""
        found = self.run("select count(*) from sqlite_temp_master where name = 'live_touched'").fetchone()
        return bool(found[0])
