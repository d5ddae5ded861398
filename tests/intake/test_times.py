"""Times are read in one way only, or refused with the way out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from rollbook.intake.times import UnreadableTimeError, read_time
from rollbook.model.instants import iso

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00+02:00", "2026-03-01T07:30:00Z"),
        ("2026-03-01T09:30:00-0530", "2026-03-01T15:00:00Z"),
        ("2026-03-01 09:30:00.123456+00", "2026-03-01T09:30:00.123456Z"),
        ("2026-03-01T09:30:00.123456789Z", "2026-03-01T09:30:00.123456Z"),
        ("2026-03-01T09:30:00.5Z", "2026-03-01T09:30:00.500000Z"),
        ("2026-03-01T09:30Z", "2026-03-01T09:30:00Z"),
        ("2026-03-01 09:30:00 UTC", "2026-03-01T09:30:00Z"),
        ("  2026-03-01T09:30:00Z ", "2026-03-01T09:30:00Z"),
        ("13/04/2026 09:30 +00:00", "2026-04-13T09:30:00Z"),
        ("04/13/2026 09:30 PM Z", "2026-04-13T21:30:00Z"),
        ("04/13/2026 12:05 am Z", "2026-04-13T00:05:00Z"),
        ("05.05.2026 09:30 Z", "2026-05-05T09:30:00Z"),
        ("2026/3/1 9:30 Z", "2026-03-01T09:30:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_with_an_offset_is_one_instant(text: str, expected: str) -> None:
    assert iso(read_time(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("2026-03-01 09:30:00", "2026-03-01T08:30:00Z", "winter is an hour ahead of UTC"),
        ("2026-07-01T09:30", "2026-07-01T07:30:00Z", "summer is two hours ahead"),
        ("2026-03-01", "2026-02-28T23:00:00Z", "a day alone is its first instant"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z", "the clock jumps from 2 to 3: 2:30 lands at 3:30 summer time"),
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z", "2:30 comes twice: the first is still summer time"),
    ],
)
def test_a_local_time_is_read_in_the_stated_zone(text: str, expected: str, why: str) -> None:
    assert iso(read_time(text, PARIS)) == expected, why


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("03/04/2026 10:00 Z", "dmy", "2026-04-03T10:00:00Z"),
        ("03/04/2026 10:00 Z", "mdy", "2026-03-04T10:00:00Z"),
        ("2026/04/03 10:00 Z", "dmy", "2026-04-03T10:00:00Z"),
    ],
)
def test_a_stated_order_settles_days_that_could_be_two(text: str, order: str, expected: str) -> None:
    assert iso(read_time(text, date_order=order)) == expected


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("2026-03-01T09:30:00", "has no offset from UTC", "--input-zone ZONE"),
        ("03/04/2026 10:00 Z", "could be two days", "--date-order dmy or --date-order mdy"),
        ("3/4/26 10:00 Z", "year does not have four digits", "2026-03-01T09:30:00Z"),
        ("2016-12-31T23:59:60Z", "leap second", ":59"),
        ("0001-01-01T00:00:00Z", "outside the years 1970 to 2199", "correct the year"),
        ("9999-12-31T23:59:59Z", "outside the years 1970 to 2199", "correct the year"),
        ("1969-12-31T23:59:59Z", "outside the years 1970 to 2199", "correct the year"),
        ("1970-01-01T00:30:00+01:00", "outside the years 1970 to 2199", "correct the year"),
        ("2026-02-30T10:00:00Z", "no date of the calendar", "2026-03-01T09:30:00Z"),
        ("2026-03-01T24:00:00Z", "no time of a day", "2026-03-01T09:30:00Z"),
        ("13/13/2026 10:00 Z", "no date of the calendar", "2026-03-01T09:30:00Z"),
        ("04/13/2026 13:00 PM Z", "no clock with am and pm", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00+19:00", "no place on Earth", "2026-03-01T09:30:00Z"),
        ("2026-03-01 09:30:00 EST", "abbreviation of a zone", "2026-03-01T09:30:00Z"),
        ("1772357400", "is the number", "as seconds since 1970 it would be 2026-03-01T09:30:00Z"),
        ("1772357400000", "is the number", "as milliseconds since 1970 it would be 2026-03-01T09:30:00Z"),
        ("46082.4", "is the number", "2026-03-01T09:30:00Z"),
        ("yesterday", "is no time", "2026-03-01T09:30:00Z"),
        ("２０２６-03-01T09:30:00Z", "is no time", "2026-03-01T09:30:00Z"),
        ("2026-03-01T09:30:00Z" * 10, "is no time", "2026-03-01T09:30:00Z"),
    ],
)
def test_a_time_that_could_mean_something_else_is_refused_with_the_way_out(text: str, rule: str, remedy: str) -> None:
    with pytest.raises(UnreadableTimeError) as refused:
        read_time(text)
    assert rule in refused.value.rule
    assert remedy in refused.value.remedy


def test_a_day_that_the_stated_order_does_not_have_is_refused() -> None:
    with pytest.raises(UnreadableTimeError, match="no date in the order month, day, year"):
        read_time("13/04/2026 10:00 Z", date_order="mdy")


def test_typed_times_are_instants_too() -> None:
    assert iso(read_time(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))) == "2026-03-01T09:30:00Z"
    assert iso(read_time(datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2))))) == "2026-03-01T07:30:00Z"
    assert iso(read_time(datetime(2026, 3, 1, 9, 30), PARIS)) == "2026-03-01T08:30:00Z"  # noqa: DTZ001 - the point
    assert iso(read_time(date(2026, 3, 1), PARIS)) == "2026-02-28T23:00:00Z"


@pytest.mark.parametrize("value", [1_772_357_400, 1.5, True, None, ["2026"], datetime(2026, 3, 1)])  # noqa: DTZ001
def test_values_that_are_no_text_and_no_instant_are_refused(value: object) -> None:
    with pytest.raises(UnreadableTimeError):
        read_time(value)
