"""Tables, data frames and objects of the caller's own program are inputs like files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rollbook.intake import read_facts
from rollbook.model.fact import Fact

from .reading import AT_US, GOOD, Read, good

FACT = Fact(id="1", at_us=AT_US, organisation="north", learner="ann", type="login", source="lms")
FRAME = pd.DataFrame([GOOD, good(id="2")])


@pytest.mark.parametrize(
    "table",
    [
        pa.table({name: [value] for name, value in GOOD.items()}),
        pd.DataFrame([GOOD]),
        pl.DataFrame([GOOD]),
        [FACT],
        [GOOD],
        iter([FACT]),
        pa.table({**{name: [value] for name, value in GOOD.items()}, "occurred_at": pa.array([AT_US], pa.timestamp("us", "UTC"))}),
        pa.table({**{name: [value] for name, value in GOOD.items()}, "occurred_at": pa.array([AT_US * 1000 + 999], pa.timestamp("ns", "Asia/Tokyo"))}),
        pl.DataFrame([GOOD]).with_columns(pl.col("type").cast(pl.Categorical), occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        pd.DataFrame([GOOD]).assign(occurred_at=pd.Timestamp("2026-03-01T10:30:00+01:00")),
    ],
    ids=["arrow", "pandas", "polars", "facts", "mappings", "iterator", "arrow us", "arrow ns", "polars types", "pandas time"],
)  # fmt: skip
def test_every_kind_of_input_gives_the_same_fact(table: object) -> None:
    read = Read(table)
    assert read.messages == []
    assert read.facts == [FACT]
    assert list(read.places.values()) in (["table 1:1"], ["facts 1:1"])


def test_numbers_in_typed_columns_are_their_digits() -> None:
    frame = pd.DataFrame({**GOOD, "id": [1, 2, 3], "learner": [42.0, 1.5, float("nan")]})
    read = Read(frame)
    assert [fact.learner for fact in read.facts] == ["42", "1.5"]
    assert read.messages == ["table 1:3: learner is empty; give an id, or role guest"]
    assert read.adds_up()


@pytest.mark.parametrize("value", [float("inf"), 2.0**53, 1e300])
def test_a_floating_id_that_may_have_lost_digits_is_refused(value: float) -> None:
    read = Read(pd.DataFrame({**GOOD, "learner": [value, 1.0], "id": ["1", "2"]}))
    assert read.messages == ["table 1:1: learner is a number too large to be exact; export it as text"]


def test_typed_times_without_an_offset_are_refused_once_and_read_in_the_stated_zone() -> None:
    times = pd.to_datetime(["2026-03-29 01:59:59", "2026-03-29 02:30:00", "2026-07-01 12:00:00"])
    frame = pd.DataFrame({**GOOD, "id": ["1", "2", "3"], "occurred_at": times})
    assert Read(frame).messages == [
        (
            "table 1: occurred_at has times without an offset from UTC; name the zone they were written in: "
            "--input-zone ZONE, such as --input-zone Europe/Paris"
        )
    ]
    read = Read(frame, input_zone="Europe/Paris")
    assert [fact.occurred_at.isoformat() for fact in read.facts] == [
        "2026-03-29T00:59:59+00:00",
        "2026-03-29T01:30:00+00:00",
        "2026-07-01T10:00:00+00:00",
    ]
    assert [fact.occurred_at.hour for fact in Read(frame, input_zone="UTC").facts] == [1, 2, 12]


@pytest.mark.parametrize("times", [pa.array([1]), pa.array([1.5]), pa.array([True]), pa.array([b"2026"])])
def test_a_column_of_times_that_holds_none_is_one_problem(times: pa.Array) -> None:
    read = Read(pa.table({**{name: [value] for name, value in GOOD.items()}, "occurred_at": times}))
    assert len(read.files) == 1
    assert "occurred_at is a column of" in read.files[0]


def test_times_out_of_range_and_missing_in_typed_columns_are_problems_of_their_rows() -> None:
    times = pa.array([AT_US, None, -1, 7_258_118_400_000_000], pa.timestamp("us", "UTC"))
    read = Read(
        pa.table({**{name: [value] * 4 for name, value in GOOD.items()}, "id": [1, 2, 3, 4], "occurred_at": times})
    )
    assert [fact.id for fact in read.facts] == ["1"]
    assert [message.partition(";")[0] for message in read.messages] == [
        "table 1:2: occurred_at is missing",
        'table 1:3: occurred_at is "1969-12-31 23:59:59.999999+00", outside the years 1970 to 2199',
        'table 1:4: occurred_at is "2200-01-01 00:00:00+00", outside the years 1970 to 2199',
    ]


def test_a_frame_of_mixed_values_is_read_row_by_row() -> None:
    read = Read(pd.DataFrame([GOOD, good(id="2")]).assign(learner=["ann", 7]))
    assert [fact.learner for fact in read.facts] == ["ann", "7"]


def test_nested_attributes_are_kept_as_json() -> None:
    table = pa.table({**{name: [value] for name, value in GOOD.items()}, "attributes": [{"a": [1, 2]}]})
    assert Read(table).facts == [replace(FACT, attributes='{"a":[1,2]}')]


@pytest.mark.parametrize("at_us", [-1, 7_258_118_400_000_000, 10**30])
def test_a_fact_outside_all_years_is_refused(at_us: int) -> None:
    read = Read([replace(FACT, at_us=at_us)])
    assert read.messages == [
        "facts 1:1: an instant lies outside the years 1970 to 2199; give microseconds since 1970, UTC"
    ]


def test_what_is_no_row_among_rows_is_refused() -> None:
    read = Read([FACT, 5, None, {}])
    assert read.messages == [
        'facts 1:2: "5" is neither a Fact nor a mapping; give facts, or mappings by column name',
        'facts 1:3: "None" is neither a Fact nor a mapping; give facts, or mappings by column name',
        "facts 1:4: the row is empty; delete it",
    ]


def test_other_questions_may_be_asked_between_two_facts() -> None:
    with read_facts([FRAME]) as store:
        facts: Iterator[Fact] = store.iterate("id <> '9'")
        ids = []
        for fact in facts:
            ids.append(fact.id)
            assert store.place(*fact.key) == f"table 1:{fact.id}"
            assert len(list(store.iterate())) == 2
        assert sorted(ids) == ["1", "2"]
        assert store.place("lms", "9") == ""


def test_nothing_at_all_is_an_empty_store() -> None:
    read = Read()
    assert (read.rows, read.facts, read.sources) == (0, [], ())


def test_the_relation_has_the_promised_columns() -> None:
    with read_facts([FRAME, [FACT]]) as store:
        described = store.connection.execute("DESCRIBE facts").fetchall()
        columns = {row[0]: row[1] for row in described}
        texts = (
            "source", "id", "organisation", "learner", "type", "role", "mode", "object", "session", "impersonator",
            "actor", "voids", "attributes",
        )  # fmt: skip
        assert {name: columns[name] for name in texts} == dict.fromkeys(texts, "VARCHAR")
        assert [columns[name] for name in ("at_us", "recorded_us", "line")] == ["BIGINT"] * 3
        assert [columns[name] for name in ("day", "file")] == ["INTEGER"] * 2
        assert store.connection.execute("SELECT DISTINCT day FROM facts").fetchall() == [(20513,)]
