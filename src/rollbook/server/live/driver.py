"""The driver's own cursor in Django's connection and transaction: `engines.database` knows no Django.

What is asked with every batch is asked through it too: on PostgreSQL its statements are prepared, and planning what is
agreed takes ten times as long as answering it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from rollbook.engines import database as engine


@contextmanager
def own_cursor() -> Iterator[Any]:
    """The driver's own cursor in the transaction that runs.

    What the driver raises becomes Django's errors, so that whoever tries again or answers 503 has one kind to know.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        yield connection.connection.cursor()


@contextmanager
def own_database() -> Iterator[engine.Database]:
    """The same, prepared for several questions in one transaction."""
    with own_cursor() as cursor:
        yield engine.prepare(cursor)


@contextmanager
def asked() -> Iterator[engine.Database]:
    """The same for questions that need no temporary tables."""
    with own_cursor() as cursor:
        yield engine.behind(cursor)


def on_postgresql() -> bool:
    """Which of the two databases it is."""
    return connection.vendor == "postgresql"
