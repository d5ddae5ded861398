"""PostgreSQL through psycopg 3.

Every statement is prepared and planned once for all parameters: planning the query takes longer than running it for one
learner. Plans are told what is known beforehand, because temporary tables have no statistics, and a plan may be older
than most rows: facts and activations are found by index from what was touched, and what was gathered is hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.rows import tuple_row

from rollbook.engines.database.dialects import Database, Dialect, Parameter, Row

PREPARED_MAX = 1000
"""Statements kept by a connection; a meter has about thirty."""

_PLANNED = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
}
_encode = msgspec.json.Encoder().encode
_BEGIN = "select " + ", ".join(
    f"set_config('rollbook.{name}', current_setting('{name}'), true), set_config('{name}', '{value}', true)"
    for name, value in _PLANNED.items()
)
_END = "select " + ", ".join(f"set_config('{name}', current_setting('rollbook.{name}'), true)" for name in _PLANNED)


class PostgreSQL(Dialect):
    """Relations come as one JSON array a column, which is faster made and read than an array of PostgreSQL."""

    name = "postgresql"

    def placeholder(self, name: str) -> str:
        """As `%(name)s`."""
        return f"%({name})s"

    def text(self, sql: str) -> str:
        """A per cent sign begins a parameter."""
        return sql.replace("%", "%%")

    def find(self, table: str, where: str) -> str:
        """OFFSET keeps the subquery whole, so that it can only be asked once for each row before it."""
        return f"cross join lateral (select * from {table} where {where} offset 0) as {table}"

    def onward(self, sides: Mapping[str, str]) -> str:
        """What is recursive may stand there once only."""
        step = " union all ".join(
            f"select {other} as learner from fact where {where}" for other, where in sides.items()
        )
        return f"select met.scope, onward.learner from met cross join lateral ({step} offset 0) as onward"

    def rows(self, name: str, columns: Mapping[str, str]) -> str:
        """From arrays, each text compared as bytes."""
        arrays = ", ".join(f"json_array_elements_text(cast(%({name}__{n})s as json))" for n in range(len(columns)))
        named = ", ".join(columns)
        typed = ", ".join(
            f'{column} collate "C" as {column}' if kind == "text" else f"cast({column} as {kind}) as {column}"
            for column, kind in columns.items()
        )
        return f"select {typed} from rows from ({arrays}) as {name}_given({named})"


class PostgreSQLDatabase(Database):
    """A connection whose statements are prepared."""

    dialect = PostgreSQL()

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        connection.prepared_max = PREPARED_MAX
        self._connection = connection

    def cursor(self) -> psycopg.Cursor[Row]:
        """A new one: statements that were sent and not waited for have each their own."""
        return psycopg.Cursor(self._connection, row_factory=tuple_row)

    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Any:
        """Runs one statement, prepared."""
        bound: dict[str, Any] = {}
        for name, value in (parameters or {}).items():
            if isinstance(value, list | tuple):
                for n, column in enumerate(zip(*value, strict=True)) if value else ():
                    bound[f"{name}__{n}"] = _encode(column).decode()
                if not value:
                    bound |= _nothing(name)
            else:
                bound[name] = value
        return self.cursor().execute(sql, bound or None, prepare=True)

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs one statement for each row."""
        self.cursor().executemany(sql, rows)

    def has_temporary(self) -> bool:
        """Asks the catalogue."""
        return bool(self.run("select to_regclass('pg_temp.live_touched') is not null").fetchone()[0])

    def script(self, statements: Iterable[str]) -> None:
        """Runs statements without parameters, in one round trip. Not while they are pipelined."""
        self.cursor().execute("; ".join(statements), prepare=False)

    def clear(self, *tables: str) -> None:
        """By one statement: each has its price."""
        *first, last = tables
        parts = ", ".join(f"{table}_emptied as (delete from {table})" for table in first)
        self.run(f"with {parts} delete from {last}" if first else f"delete from {last}")

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """The database works while the next statement is written."""
        with self._connection.pipeline():
            yield

    @contextmanager
    def planned(self) -> Iterator[None]:
        """After an error nothing is put back: the transaction is lost, and these settings with it."""
        self.run(_BEGIN)
        yield
        self.run(_END)


def _nothing(name: str) -> dict[str, str]:
    return {f"{name}__{n}": "[]" for n in range(16)}
