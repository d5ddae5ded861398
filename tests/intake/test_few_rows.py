"""A table of few rows is read row by row, and one of many by columns: what is in it and what is wrong is the same."""

from __future__ import annotations

import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from rollbook.intake import loader

from .reading import GOOD, Read
from .test_laws import DOUBTFUL, ROWS

MOMENTS = st.datetimes(datetime(1969, 12, 1), datetime(2200, 2, 1))  # noqa: DTZ001 - Arrow takes them as they are
TYPED: dict[str, st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    "id": st.sampled_from(
        [
            (pa.int64(), st.integers(0, 3)),
            (pa.float64(), st.sampled_from([1.0, 1.5, float("nan"), 1e300])),
            (pa.decimal128(9, 2), st.sampled_from([Decimal(1), Decimal("1.50")])),
            (pa.bool_(), st.booleans()),
            (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["1", " 1", ""])),
            (pa.binary(), st.sampled_from([b"1", b"\xff"])),
        ]
    ),
    "occurred_at": st.sampled_from(
        [
            *((pa.timestamp(unit, "UTC"), MOMENTS) for unit in ("s", "ms", "us", "ns")),
            (pa.timestamp("us"), MOMENTS),
            (pa.timestamp("us", "Europe/Paris"), MOMENTS),
            (pa.date32(), st.dates(date(1969, 12, 1), date(2200, 2, 1))),
            (pa.int64(), st.sampled_from([0, 1_772_357_400, 1_772_357_400_000])),
        ]
    ),
    "learner": st.just((pa.int32(), st.integers(-1, 3))),
    "attributes": st.just((pa.struct([("a", pa.int64())]), st.builds(dict, a=st.integers(0, 3)))),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Rows that are right or wrong in up to three columns, and up to two columns that are no text."""
    rows = draw(st.lists(ROWS, min_size=1, max_size=8))
    typed = draw(st.sets(st.sampled_from(sorted(TYPED)), max_size=2))
    columns = {}
    for name in DOUBTFUL:
        if name in typed:
            kind, values = draw(TYPED[name])
            columns[name] = pa.array([draw(st.none() | values) for _ in rows], kind)
        else:
            columns[name] = pa.array([row[name] for row in rows], pa.string())
    return pa.table(columns)


def told(*inputs: object, few_rows: int, zone: str | None) -> tuple[Any, ...]:
    with mock.patch.object(loader, "FEW_ROWS", few_rows):
        read = Read(*inputs, input_zone=zone)
    assert read.adds_up()
    return read.rows, read.rejected, read.duplicates, read.facts, read.places, read.messages, read.files, read.notes


def test_rows_read_one_by_one_are_the_rows_read_by_columns() -> None:
    seen = {"facts": 0, "rejected": 0}

    @settings(max_examples=settings.default.max_examples // 2)
    @given(
        st.lists(tables(), min_size=1, max_size=2), st.booleans(), st.sampled_from([None, "UTC", "America/St_Johns"])
    )
    def holds(given_: list[pa.Table], as_files: bool, zone: str | None) -> None:  # noqa: FBT001
        with tempfile.TemporaryDirectory() as folder:
            inputs: list[object] = list(given_)
            if as_files:
                inputs = [Path(folder) / f"{number}.parquet" for number, _ in enumerate(given_)]
                for path, table in zip(inputs, given_, strict=True):
                    parquet.write_table(table, path)
            one_by_one = told(*inputs, few_rows=1000, zone=zone)
            assert one_by_one == told(*inputs, few_rows=0, zone=zone)
        seen["facts"] += len(one_by_one[3])
        seen["rejected"] += one_by_one[1]

    holds()
    assert min(seen.values()) > 20, "there must be both in what is drawn"


def test_how_a_table_is_read_is_decided_by_its_rows() -> None:
    table = pa.table({**{name: [value] * 3 for name, value in GOOD.items()}, "id": ["1", "2", "3"]})
    for few_rows, called in ((3, 0), (2, 1)):
        by_columns = loader.Loader._set_aside
        with (
            mock.patch.object(loader, "FEW_ROWS", few_rows),
            mock.patch.object(loader.Loader, "_set_aside", autospec=True, side_effect=by_columns) as watched,
        ):
            assert Read(table).counted == 3
        assert watched.call_count == called
