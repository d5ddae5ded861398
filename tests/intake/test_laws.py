"""What holds for every export whatsoever."""

from __future__ import annotations

import gzip
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from rollbook.intake import ReadOptions
from rollbook.intake.clean import Column, Reading, constant_days
from rollbook.intake.gate import Gate
from rollbook.model.fact import COLUMNS, TEXT_LENGTH_MAX, Fact

from .reading import GOOD, Read

HEAD = b"id,occurred_at,type,learner\n"
PIECES = [
    b"1,2026-03-01T09:30:00Z,login,ann\n", b"2,2026-03-01T09:30:00Z,login,ann\n", b"1,2026-03-01T09:30:00Z,login,bob\n",
    b",2026-03-01T09:30:00Z,login,ann\n", b'3,2026-03-01T09:30:00Z,login,"a\nnn"\n', b'"', b"\n", b"\r", b"\0", b"\xff", b",",
    b'{"id":1,"occurred_at":"2026-03-01T09:30:00Z","type":"login","learner":"ann"}\n', b'{"id":', b"{}\n", b"[\n", b"\xef\xbb\xbf",
]  # fmt: skip
BYTES = st.binary(max_size=300)
PIECED = st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=12).map(b"".join)
EXPORTS = st.one_of(
    BYTES,
    PIECED,
    PIECED.map(lambda tail: HEAD + tail),
    PIECED.map(lambda tail: PIECES[11] + tail),
    PIECED.map(lambda tail: gzip.compress(HEAD + tail)),
    st.tuples(PIECED, st.integers(0, 60)).map(lambda t: gzip.compress(HEAD + t[0])[: -t[1] or None]),
    PIECED.map(lambda tail: (HEAD + tail).decode("latin-1").encode("utf-16")),
)


@given(EXPORTS)
@settings(deadline=None)
@example(HEAD + b'1,2026-03-01T09:30:00Z,login,"ann')
@example(b"\xff\xfe\x00")
def test_rows_add_up_whatever_the_bytes_and_delivering_them_twice_changes_nothing(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        path.write_bytes(data)
        once, twice = Read(path), Read(path, path)
    assert once.adds_up()
    assert twice.adds_up()
    assert twice.facts == once.facts
    assert twice.rows == 2 * once.rows
    assert all(message.startswith(str(path)) for message in once.messages)


@given(st.data())
@settings(deadline=None)
def test_rows_add_up_for_a_parquet_file_with_any_byte_changed(data: st.DataObject) -> None:
    whole = bytearray(_parquet_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        path.write_bytes(bytes(whole))
        assert Read(path).adds_up()


def _parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({name: [value] * 20 for name, value in GOOD.items()}), sink)
    return sink.getvalue().to_pybytes()


WORDS = st.sampled_from(
    ["", " ", "ann", "Zoë", "a b", " a", "a ", "a\u00a0", "\u2003a", "a\tb", "a\0", "\x7f", "\x85", "a\x85b", 'a"b', "a\\b",
     "é" * TEXT_LENGTH_MAX, "a" * TEXT_LENGTH_MAX, "a" * (TEXT_LENGTH_MAX + 1), "🎓", "\u200b", "\ufeffa", "ﬁ", "٣", "-", "~", "\u2028"]
)  # fmt: skip
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
CLOCKS = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.sampled_from([2026, 2026, 2024, 2100, 1970, 1969, 2199, 2200, 1, 9999, 0]),
    st.integers(0, 13), st.integers(0, 32), st.sampled_from("TT  t_"), st.integers(0, 25), st.integers(0, 61), st.integers(0, 61),
    st.sampled_from(["", "", ".5", ".123456", ".1234567", ".", ",5"]),
    st.sampled_from(["Z", "Z", "+00:00", "-05:30", "+14:59", "+15:00", "-00:01", "+0100", "+01", "", "z", " Z", "Z "]),
)  # fmt: skip
LIKELY_CLOCKS = st.builds(
    "2026-{:02}-{:02}T{:02}:{:02}:00{}".format,
    st.sampled_from([3, 10]), st.integers(24, 31), st.integers(0, 23), st.sampled_from([0, 30, 59]), st.sampled_from(["", "Z"]),
)  # fmt: skip
TIMES = st.one_of(CLOCKS, LIKELY_CLOCKS, ANY_TEXT, st.just(""))
LIKELY = {name: st.just(value) for name, value in GOOD.items()}
DOUBTFUL = {
    "id": WORDS | ANY_TEXT,
    "occurred_at": LIKELY_CLOCKS | TIMES,
    "organisation": WORDS,
    "learner": WORDS | ANY_TEXT,
    "type": st.sampled_from(["fact.voided", "identity.linked", "", "Login"]) | WORDS,
    "role": st.sampled_from(["", "guest", "admin", "Guest", "x", " guest"]),
    "mode": st.sampled_from(["", "live", "on-demand", "Live"]),
    "object": WORDS,
    "source": WORDS,
    "recorded_at": LIKELY_CLOCKS | TIMES,
    "voids": st.just("7") | WORDS,
    "attributes": WORDS | ANY_TEXT,
}
ROWS = st.sets(st.sampled_from(sorted(DOUBTFUL)), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries(
        {name: DOUBTFUL[name] if name in names else LIKELY.get(name, st.just("")) for name in DOUBTFUL}
    )
)
ZONES = ["", "UTC", "America/St_Johns", "Australia/Lord_Howe"]


@pytest.mark.parametrize("zone", ZONES)
def test_whatever_is_plainly_clean_the_gate_accepts_with_the_same_values(zone: str) -> None:
    gate = Gate(ReadOptions(input_zone=zone or None))
    connection = _database(zone)
    seen = {"clean": 0, "unclean": 0}

    @given(st.lists(ROWS, min_size=10, max_size=30))
    @settings(deadline=None)
    def holds(rows: list[dict[str, str]]) -> None:
        table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
        found = _read_by_sql(connection, table, zone or None)
        for row, (clean, values) in zip(rows, found, strict=True):
            seen["clean" if clean else "unclean"] += 1
            if clean:
                fact = gate.read("here", row)
                assert isinstance(fact, Fact), fact
                assert {name: getattr(fact, name) for name in values} == values

    holds()
    assert seen["clean"] > 50, "the generator must make rows that are plainly clean"
    assert seen["unclean"] > 50


def test_an_ordinary_row_is_plainly_clean() -> None:
    [(clean, _)] = _read_by_sql(_database(""), pa.table({name: [value] for name, value in GOOD.items()}), None)
    assert clean, "otherwise everything would go the slow way"


def _database(zone: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if zone not in ("", "UTC"):
        days = constant_days(ZoneInfo(zone))
        table = pa.table({"day": list(days), "offset_us": list(days.values())})
        connection.register("days", table)
        connection.execute("CREATE TABLE zone_days AS FROM days")
    return connection


def _read_by_sql(
    connection: duckdb.DuckDBPyConnection, table: pa.Table, zone: str | None
) -> list[tuple[bool, dict[str, object]]]:
    columns = {name: Column(f"r.{name}", "VARCHAR") for name in table.column_names if name in COLUMNS}
    reading = Reading(columns, zone)
    connection.register("rows_in", table.append_column("line", pa.arange(0, len(table))))
    values = ", ".join(f"{sql} AS {name}" for name, sql in reading.values.items())
    rows = connection.execute(
        f"SELECT ({reading.clean}) IS TRUE, {values} FROM rows_in AS r{reading.joins} ORDER BY r.line"
    ).fetchall()
    return [(row[0], dict(zip(reading.values, row[1:], strict=True))) for row in rows]


@settings(deadline=None)
@given(
    st.integers(0, 83_000), st.integers(0, 86_399), st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Tehran"])
)
def test_a_day_without_a_clock_change_has_one_offset_at_every_second(day: int, second: int, zone: str) -> None:
    offset = _days_of(zone).get(day)
    wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
    if offset is not None:
        assert all(
            wall.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() == timedelta(microseconds=offset)
            for fold in (0, 1)
        )


_KNOWN: dict[str, dict[int, int]] = {}


def _days_of(zone: str) -> dict[int, int]:
    if zone not in _KNOWN:
        _KNOWN[zone] = constant_days(ZoneInfo(zone))
    return _KNOWN[zone]
