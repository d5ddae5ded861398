"""A fact is stored once, whoever delivers it, however often, and whenever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from rollbook.engines.database import schema
from rollbook.engines.database.facts import digest, store
from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US, EARLIEST_US, LATEST_US, to_us
from tests.engines import lives

LOGIN = Fact(id="1", source="lms", at_us=20_454 * DAY_US, type="login", organisation="north", learner="ana")


def test_the_same_again_is_a_duplicate_and_other_content_is_a_conflict(connection: Any) -> None:
    cursor = connection.cursor()
    stored = store(cursor, [LOGIN, LOGIN.replace(id="2")])
    assert [place for place, _ in stored.new] == [0, 1]
    connection.commit()
    again = store(cursor, [LOGIN.replace(learner="bo"), LOGIN.replace(id="2", recorded_us=5), LOGIN.replace(id="3")])
    assert ([place for place, _ in again.new], again.duplicates, again.conflicts) == ([2], (1,), (0,))
    cursor.execute("select learner from fact where id = '1'")
    assert cursor.fetchall() == [("ana",)], "the first one stands"


def test_within_one_batch_the_first_stands(connection: Any) -> None:
    stored = store(connection.cursor(), [LOGIN, LOGIN, LOGIN.replace(object="A"), LOGIN])
    assert ([place for place, _ in stored.new], stored.duplicates, stored.conflicts) == ([0], (1, 3), (2,))


@pytest.mark.parametrize("alone", [True, False])
def test_of_a_large_batch_the_same_is_stored_whether_its_ids_lie_among_those_that_are_there_or_beyond(
    connection: Any,
    alone: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    """More than are looked for together, from two sources; an owner's ids are nobody else's."""
    cursor = connection.cursor()

    def batch(first: int, last: int, step: int = 1, owner: int = 1) -> tuple[int, int, int]:
        facts = [
            LOGIN.replace(id=f"{n:05}", source=source, learner=source if n != 300 else f"{source} {step}")
            for n in range(first, last, step)
            for source in ("lms", "é")
        ]
        stored = store(cursor, [*facts, facts[0]], owner, alone=alone)
        connection.commit()
        return len(stored.new), len(stored.duplicates), len(stored.conflicts)

    # The last fact repeats the first in each batch. Every third id of 0 to 899: 300 of each source.
    assert batch(0, 900, 3) == (600, 1, 0)
    # All the others lie among those; 300 ids of each source are there, of which 300 says something else.
    assert batch(0, 900) == (1200, 599, 2)
    assert batch(0, 900) == (0, 1799, 2)
    assert batch(900, 1200) == (600, 1, 0)
    assert batch(0, 900, owner=2) == (1800, 1, 0)
    cursor.execute("select count(*), count(distinct number) from fact")
    assert cursor.fetchall() == [(600 + 1200 + 600 + 1800, 600 + 1200 + 600 + 1800)]
    cursor.execute("select count(*) from fact join fact_key on fact_key.number = fact.number and fact_key.id = fact.id")
    assert cursor.fetchall() == [(4200,)]


def test_an_empty_batch_stores_nothing(connection: Any) -> None:
    assert store(connection.cursor(), []).new == ()


def test_numbers_rise(connection: Any) -> None:
    cursor = connection.cursor()
    numbers = [number for n in range(3) for _, number in store(cursor, [LOGIN.replace(id=str(n))]).new]
    assert numbers == sorted(numbers)


def test_every_text_comes_back_as_it_was(connection: Any) -> None:
    texts = ("a\tb", "a\\nb", "a\nb\r", "\\N", "'", '"', "%s", ":at_us", "zoë", "\x1f", "", "😀")
    cursor = connection.cursor()
    store(cursor, [LOGIN.replace(id=f"{n:02}", object=text, attributes=text) for n, text in enumerate(texts)])
    cursor.execute("select object, attributes from fact order by id")
    assert cursor.fetchall() == [(text, text) for text in texts]


def test_facts_of_every_year_have_their_place(connection: Any) -> None:
    years = [EARLIEST_US, LATEST_US - 1]
    years += [
        to_us(datetime(year, 1, 1, tzinfo=UTC)) - less for year in (2000, 2015, 2016, 2025, 2100) for less in (0, 1)
    ]
    cursor = connection.cursor()
    store(cursor, [LOGIN.replace(id=str(n), at_us=at_us) for n, at_us in enumerate(years)])
    connection.commit()
    store(cursor, [LOGIN.replace(id=f"again {n}", at_us=at_us) for n, at_us in enumerate(years)])
    cursor.execute("select count(*) from fact")
    assert cursor.fetchall() == [(2 * len(years),)]


@pytest.mark.parametrize("year", [1970, 1971, 1999, 2000, 2001, 2014, 2024, 2025, 2099, 2100, 2101, 2199])
def test_years_begin_where_the_calendar_says(year: int) -> None:
    first_us = to_us(datetime(year, 1, 1, tzinfo=UTC))
    assert schema.year_us(year) == first_us
    assert schema.year_of(first_us) == max(year, schema.FIRST_YEAR - 1)
    assert schema.year_of(first_us - 1) == max(year - 1, schema.FIRST_YEAR - 1)


def test_the_digest_is_of_the_content_and_not_of_its_receipt() -> None:
    assert digest(LOGIN) == digest(LOGIN.replace(recorded_us=1))
    assert len({digest(LOGIN), digest(LOGIN.replace(object="ana", learner="")), digest(LOGIN.replace(at_us=1))}) == 3


def test_a_rollback_takes_the_partition_and_the_temporary_tables_with_it(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        for statement in schema.statements("postgresql"):
            connection.execute(statement)
        connection.commit()
        cursor = connection.cursor()
        for finish in (connection.rollback, connection.commit):
            assert len(store(cursor, [LOGIN]).new) == 1
            finish()


def test_two_who_store_the_same_at_once_keep_one_of_each(postgres_url: str) -> None:
    """In opposite orders, with one id of other content: nobody waits for ever, and the first committed stands."""
    facts = [LOGIN.replace(id=str(n)) for n in range(200)]
    others = [fact.replace(learner="bo") if fact.id == "7" else fact for fact in reversed(facts)]
    found: dict[str, tuple[int, int, int]] = {}
    with lives.postgresql(postgres_url) as one, psycopg.connect(postgres_url) as two:
        ready = threading.Barrier(2)

        def deliver(name: str, connection: Any, batch: list[Fact]) -> None:
            ready.wait()
            stored = store(connection.cursor(), batch)
            connection.commit()
            found[name] = (len(stored.new), len(stored.duplicates), len(stored.conflicts))

        threads = [threading.Thread(target=deliver, args=it) for it in (("one", one, facts), ("two", two, others))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found.values()) == [(0, 199, 1), (200, 0, 0)]
        [[rows, keys]] = one.execute("select (select count(*) from fact), (select count(*) from fact_key)").fetchall()
        assert rows == keys == 200
