"""Instants, and where local days begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.model.instants import DAY_US, LATEST_US, from_us, iso, start_of_day_us, to_us


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        pytest.param("UTC", date(2026, 3, 1), "2026-03-01T00:00+00:00", id="UTC"),
        pytest.param("America/New_York", date(2026, 3, 1), "2026-03-01T00:00-05:00", id="west of Greenwich"),
        pytest.param("Asia/Kathmandu", date(2026, 3, 1), "2026-03-01T00:00+05:45", id="a quarter of an hour"),
        pytest.param("Australia/Eucla", date(2026, 3, 1), "2026-03-01T00:00+08:45", id="another quarter"),
        pytest.param("Pacific/Kiritimati", date(2026, 3, 1), "2026-03-01T00:00+14:00", id="the furthest east"),
        pytest.param("Europe/Paris", date(2026, 3, 29), "2026-03-29T00:00+01:00", id="forward later that night"),
        pytest.param("Europe/Paris", date(2026, 3, 30), "2026-03-30T00:00+02:00", id="the day after"),
        pytest.param("America/Sao_Paulo", date(2018, 11, 3), "2018-11-03T00:00-03:00", id="the day before a gap"),
        pytest.param("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T01:00-02:00", id="midnight skipped"),
        pytest.param("America/Sao_Paulo", date(2018, 11, 5), "2018-11-05T00:00-02:00", id="the day after a gap"),
        pytest.param("America/Havana", date(2026, 11, 1), "2026-11-01T00:00-04:00", id="midnight twice in Havana"),
        pytest.param(
            "Atlantic/Azores", date(2026, 10, 25), "2026-10-25T00:00+00:00", id="midnight twice in the Azores"
        ),
        pytest.param("Pacific/Apia", date(2011, 12, 29), "2011-12-29T00:00-10:00", id="Samoa before the jump"),
        pytest.param("Pacific/Apia", date(2011, 12, 30), "2011-12-31T00:00+14:00", id="a date that never was"),
        pytest.param("Pacific/Apia", date(2011, 12, 31), "2011-12-31T00:00+14:00", id="Samoa after the jump"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, begins: str) -> None:
    assert start_of_day_us(day, ZoneInfo(zone)) == to_us(datetime.fromisoformat(begins))


def test_a_day_without_midnight_has_23_hours_and_one_with_two_midnights_has_25() -> None:
    def hours(zone: str, day: date) -> int:
        first, next_ = (start_of_day_us(it, ZoneInfo(zone)) for it in (day, day + timedelta(days=1)))
        return (next_ - first) // (3_600 * 10**6)

    assert hours("America/Sao_Paulo", date(2018, 11, 4)) == 24 - 1
    assert hours("America/Havana", date(2026, 11, 1)) == 24 + 1
    assert hours("Pacific/Apia", date(2011, 12, 30)) == 0


ZONES = (
    "UTC",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Asia/Gaza",
)


@given(st.dates(date(1970, 1, 2), date(2199, 12, 31)), st.sampled_from(ZONES))
def test_just_before_the_start_of_a_day_it_is_still_another_day(day: date, zone: str) -> None:
    start_us = start_of_day_us(day, ZoneInfo(zone))
    assert (
        from_us(start_us - 1).astimezone(ZoneInfo(zone)).date()
        < day
        <= from_us(start_us).astimezone(ZoneInfo(zone)).date()
    )


@given(st.integers(0, LATEST_US - 1))
def test_an_instant_survives_the_way_to_a_datetime_and_to_text(at_us: int) -> None:
    assert to_us(from_us(at_us)) == at_us
    assert to_us(datetime.fromisoformat(iso(at_us))) == at_us


def test_an_instant_is_the_same_in_every_offset() -> None:
    assert to_us(datetime(1970, 1, 2, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))) == DAY_US


def test_an_instant_without_its_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_us(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point


def test_text_has_microseconds_only_where_there_are_some() -> None:
    at_us = to_us(datetime(2026, 3, 1, tzinfo=UTC))
    assert iso(at_us) == "2026-03-01T00:00:00Z"
    assert iso(at_us + 1) == "2026-03-01T00:00:00.000001Z"
