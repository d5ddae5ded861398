"""CSV, JSON and Parquet: exact for programs, and harmless for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rollbook.render.data import write_csv, write_json, write_parquet
from rollbook.reports.columns import TEXT, Column

from .reading import COLUMNS, about, table

ROW = (3, 33.3, 1.5, Decimal("12.50"), "zoë", datetime(2026, 1, 5, 8, 30, tzinfo=UTC), True)
NOTHING = (0, None, None, None, "", None, False)

TEXTS = {"learner": Column("who", TEXT)}


def as_csv(*texts: str, safe: bool = True) -> list[str]:
    out = io.StringIO(newline="")
    write_csv(table(*((text,) for text in texts), columns=TEXTS), out, for_spreadsheets=safe)
    return [row[0] for row in csv.reader(io.StringIO(out.getvalue(), newline=""))][1:]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''-1"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str) -> None:
    assert as_csv(text) == [f"'{text}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a;=1+1", "a;'=1+1"),
        (";@x;-1", ";'@x;'-1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("=1;'=2", "'=1;''=2"),
        ("a;\t=1", "a;'\t=1"),
    ],
)
def test_what_follows_a_semicolon_begins_a_cell_where_a_decimal_comma_is_usual(text: str, told: str) -> None:
    """Excel in German splits the line at semicolons, within quotes too, that do not begin a cell."""
    assert as_csv(text) == [told]


@pytest.mark.parametrize("text", ["ann", "o'neil", "'s-Gravenhage", "a=b", "1", " =1", "", "a;b", "a; =1", ";'x"])
def test_all_other_text_stays_as_it_is(text: str) -> None:
    assert as_csv(text, "last") == [text, "last"]


def test_without_the_guard_text_is_exact() -> None:
    assert as_csv("=1+1", safe=False) == ["=1+1"]


def test_taking_one_apostrophe_away_gives_every_text_again() -> None:
    texts = ["=1", "'=1", "''=1", "'s-Gravenhage", "-", "'-", "x", "a;=1", "=1;'=2;''-3", ";\"'+4"]
    restored = [re.sub(r"(^|;)'([\"']*[=+\-@])", r"\1\2", text) for text in as_csv(*texts)]
    assert restored == texts


def test_numbers_below_zero_are_no_text_and_need_no_apostrophe() -> None:
    out = io.StringIO()
    write_csv(table((-3, None, None, Decimal("-1.00"), "", None, False)), out, for_spreadsheets=True)
    assert out.getvalue().splitlines()[1] == "-3,,,-1.00,,,false"


def test_csv_has_instants_in_utc_and_amounts_with_their_coins() -> None:
    out = io.StringIO()
    write_csv(table(ROW, NOTHING), out, for_spreadsheets=True)
    assert out.getvalue().splitlines() == [
        "units,share,pace,amount,learner,at,open",
        "3,33.3,1.5,12.50,zoë,2026-01-05T08:30:00Z,true",
        "0,,,,,,false",
    ]


def test_json_is_exact_and_says_what_it_is_about() -> None:
    out = io.StringIO()
    write_json(table((*ROW[:4], "=1", *ROW[5:]), NOTHING), about(customer='A "B"').values, out)
    found = json.loads(out.getvalue())
    assert found["rows"][0] == {
        "units": 3,
        "share": 33.3,
        "pace": 1.5,
        "amount": "12.50",
        "learner": "=1",
        "at": "2026-01-05T08:30:00Z",
        "open": True,
    }
    assert found["rows"][1]["amount"] is None
    assert (found["customer"], found["plan"], found["zone"]) == ('A "B"', "p", "UTC")
    assert found["as_of"] == "2026-06-20T00:00:00Z"
    assert found["choices"]["Pools"] == "all organisations of the customer share one"


def test_parquet_has_types_meanings_and_what_it_is_about(tmp_path: Path) -> None:
    file = tmp_path / "report.parquet"
    write_parquet(table((*ROW[:4], "=1", *ROW[5:])), about().values, str(file))
    found = pq.read_table(file)
    assert found.to_pylist()[0] == dict(zip(COLUMNS, (*ROW[:4], "=1", *ROW[5:]), strict=True))
    assert found.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert found.schema.field("amount").type == pa.decimal128(38, 2)
    assert {field.name: field.metadata[b"meaning"].decode() for field in found.schema} == {
        name: column.meaning for name, column in COLUMNS.items()
    }
    assert json.loads(found.schema.metadata[b"rollbook"])["plan"] == "p"


@pytest.mark.parametrize("rows", [0, 1, 25_000])
def test_every_row_is_written_once(rows: int) -> None:
    out = io.StringIO()
    write_json(table(*((n, None, None, None, "", None, False) for n in range(rows))), {"about": 1}, out)
    assert [row["units"] for row in json.loads(out.getvalue())["rows"]] == list(range(rows))
