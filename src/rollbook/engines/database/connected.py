"""Which of the two databases stands behind a cursor."""

from __future__ import annotations

import sqlite3
from typing import Any

from rollbook.engines.database import schema
from rollbook.engines.database.dialects import Database
from rollbook.engines.database.sqlite import SQLiteDatabase


def prepare(cursor: Any) -> Database:
    """The database behind a cursor, with the temporary tables of its connection. One that is prepared stays so."""
    if isinstance(cursor, Database):
        return cursor
    database = behind(cursor)
    if not database.has_temporary():
        database.script(schema.temporary(database.dialect.name))
    return database


def behind(cursor: Any) -> Database:
    """The database behind a cursor, for what needs no temporary tables: they cannot be made where one only reads."""
    if isinstance(cursor.connection, sqlite3.Connection):
        return SQLiteDatabase(cursor.connection)
    from rollbook.engines.database.postgresql import PostgreSQLDatabase  # noqa: PLC0415 - SQLite needs no driver

    return PostgreSQLDatabase(cursor.connection)
