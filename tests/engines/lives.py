"""Both databases with the tables in them, and what is live there in the reference's shape."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from rollbook.engines.database import schema
from rollbook.engines.database.connected import prepare
from rollbook.engines.database.facts import store
from rollbook.engines.database.live import remeter
from rollbook.engines.database.subscriptions import LiveSubscription
from rollbook.metering.identities import FOREVER_US
from rollbook.metering.outcome import Activation, Holding, Outcome
from rollbook.model.fact import Fact

DATABASES = ("sqlite", "postgresql")


def made(connection: Any, dialect: str) -> Any:
    """The connection, after its tables were made."""
    cursor = connection.cursor()
    for statement in schema.statements(dialect):
        cursor.execute(statement)
    prepare(cursor)
    connection.commit()
    return connection


@contextmanager
def sqlite() -> Iterator[Any]:
    """In memory."""
    connection = sqlite3.connect(":memory:")
    try:
        yield made(connection, "sqlite")
    finally:
        connection.close()


@contextmanager
def postgresql(url: str) -> Iterator[Any]:
    """A database of its own."""
    with psycopg.connect(url) as connection:
        yield made(connection, "postgresql")


def deliver(cursor: Any, lives: Sequence[LiveSubscription], facts: Sequence[Fact]) -> None:
    """One batch, as the server takes it."""
    stored = store(cursor, facts)
    remeter(cursor, lives, [facts[place] for place, _ in stored.new])


def found(cursor: Any, live: LiveSubscription) -> Outcome:
    """What is live of a subscription."""
    cursor.execute(
        f"""select window_number, organisation, unit, object, guest, class, first_us, source, id, facts
            from activation where subscription = {live.key}"""
    )
    active = [Activation(*row[:4], bool(row[4]), *row[5:]) for row in cursor.fetchall()]
    cursor.execute(
        f"""select organisation, unit, object, on_us, until_us, on_source, on_id, off_source, off_id
            from holding where subscription = {live.key}"""
    )
    held = [Holding(*row[:4], None if row[4] == FOREVER_US else row[4], *row[5:]) for row in cursor.fetchall()]
    return Outcome(active, held)


def tallies(cursor: Any, live: LiveSubscription) -> Counter[tuple[Any, ...]]:
    """The tallies that are not zero, without segments."""
    cursor.execute(
        f"select window_number, organisation, class, guest, units from tally where subscription = {live.key}"
    )
    counted: Counter[tuple[Any, ...]] = Counter()
    for window, organisation, class_, guest, units in cursor.fetchall():
        counted[window, organisation, class_, bool(guest)] += units
    return +counted
