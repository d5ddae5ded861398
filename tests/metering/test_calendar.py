"""Windows of every kind, with their workings."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.engines.fragments import CALENDAR
from rollbook.metering.calendar import day_rows, history, windows
from rollbook.model.instants import DAY_US, from_us, start_of_day_us
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from tests.metering import ledgers
from tests.metering.written import at_midnight, us

MONTHS = WindowRule(kind="calendar-month")
ANNIVERSARIES = WindowRule(kind="anniversary-month")
BLOCKS = WindowRule(kind="days", length_days=30)
SHORT_LAST = WindowRule(kind="days", length_days=30, remainder="short-last")
TERM = WindowRule(kind="term")
HOUR_US = 3_600 * 10**6


def to(rule: WindowRule, start: date, end: date, zone: str = "UTC", anchor: date | None = None) -> Subscription:
    plan = ledgers.plan(Meter(counts=("login",)), rule)
    return Subscription(plan=plan, start=start, end=end, zone=zone, anchor=anchor)


def days(tiles: tuple[Window, ...]) -> list[int]:
    """The length of each window in days of 24 hours, which it must fill."""
    assert all((tile.end_us - tile.start_us) % DAY_US == 0 for tile in tiles)
    return [(tile.end_us - tile.start_us) // DAY_US for tile in tiles]


def hours(tiles: tuple[Window, ...]) -> list[int]:
    return [(tile.end_us - tile.start_us) // HOUR_US for tile in tiles]


def starts(tiles: tuple[Window, ...], zone: str = "UTC") -> list[date]:
    return [from_us(tile.start_us).astimezone(ZoneInfo(zone)).date() for tile in tiles]


# Blocks of days.


def test_a_leap_year_has_twelve_blocks_of_30_days_and_the_last_takes_what_is_left() -> None:
    assert days(windows(to(BLOCKS, date(2028, 1, 1), date(2029, 1, 1)))) == [30] * 11 + [366 - 11 * 30]


def test_a_year_of_365_days_ends_with_a_block_of_35_days() -> None:
    assert days(windows(to(BLOCKS, date(2026, 1, 1), date(2027, 1, 1)))) == [30] * 11 + [30 + 5]


def test_what_is_left_may_be_a_short_block_instead() -> None:
    assert days(windows(to(SHORT_LAST, date(2026, 1, 1), date(2027, 1, 1)))) == [30] * 12 + [365 - 12 * 30]
    assert days(windows(to(SHORT_LAST, date(2028, 1, 1), date(2029, 1, 1)))) == [30] * 12 + [366 - 12 * 30]


@pytest.mark.parametrize("rule", [BLOCKS, SHORT_LAST], ids=lambda rule: rule.remainder)
def test_where_nothing_is_left_every_block_is_whole(rule: WindowRule) -> None:
    start = date(2026, 1, 1)
    assert days(windows(to(rule, start, start + timedelta(days=90)))) == [30] * (90 // 30)


def test_a_term_shorter_than_two_blocks_is_one_block() -> None:
    start = date(2026, 1, 1)
    assert days(windows(to(BLOCKS, start, start + timedelta(days=59)))) == [30 + 29]
    assert days(windows(to(BLOCKS, start, start + timedelta(days=60)))) == [30, 30]
    assert days(windows(to(SHORT_LAST, start, start + timedelta(days=59)))) == [30, 29]


@pytest.mark.parametrize("rule", [BLOCKS, SHORT_LAST], ids=lambda rule: rule.remainder)
def test_a_term_shorter_than_one_block_is_one_window(rule: WindowRule) -> None:
    assert days(windows(to(rule, date(2026, 1, 1), date(2026, 1, 2)))) == [1]


def test_a_block_across_a_clock_change_has_30_days_and_not_720_hours() -> None:
    """Paris: clocks go forward on 29 March 2026, in the third block, and back on 25 October, in the tenth."""
    found = hours(windows(to(BLOCKS, date(2026, 1, 1), date(2027, 1, 1), "Europe/Paris")))
    usual = 30 * 24
    assert found == [usual, usual, usual - 1, *[usual] * 6, usual + 1, usual, 35 * 24]


# Calendar months.


def test_calendar_months_begin_on_the_first() -> None:
    assert days(windows(to(MONTHS, date(2026, 1, 1), date(2027, 1, 1)))) == [
        *(31, 28, 31, 30, 31, 30),
        *(31, 31, 30, 31, 30, 31),
    ]
    assert days(windows(to(MONTHS, date(2028, 2, 1), date(2028, 3, 1)))) == [29]


def test_a_year_that_begins_on_the_15th_has_thirteen_calendar_months() -> None:
    found = windows(to(MONTHS, date(2026, 1, 15), date(2027, 1, 15)))
    assert len(found) == 1 + 11 + 1
    assert days(found)[0] == 31 - 14
    assert days(found)[-1] == 14
    assert starts(found)[1:] == [*(date(2026, month, 1) for month in range(2, 13)), date(2027, 1, 1)]


def test_a_month_across_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    """New York: forward on 8 March 2026, back on 1 November."""
    found = hours(windows(to(MONTHS, date(2026, 3, 1), date(2026, 12, 1), "America/New_York")))
    assert found[0] == 30 * 24 + 23
    assert found[1:8] == [days * 24 for days in (30, 31, 30, 31, 31, 30, 31)]
    assert found[8] == 29 * 24 + 25


def test_a_month_begins_when_the_clocks_land_where_they_skip_midnight() -> None:
    """Asuncion went from midnight to one o'clock on 1 October 2017: October began at one, and had an hour less."""
    [september, october] = windows(to(MONTHS, date(2017, 9, 1), date(2017, 11, 1), "America/Asuncion"))
    assert october.start_us == september.end_us == us("2017-10-01T01:00-03:00")
    assert hours((september, october)) == [30 * 24, 31 * 24 - 1]


def test_a_month_in_kathmandu_begins_at_a_quarter_past_six_in_the_evening_of_utc() -> None:
    [january] = windows(to(MONTHS, date(2026, 1, 1), date(2026, 2, 1), "Asia/Kathmandu"))
    assert january == Window(1, us("2025-12-31T18:15Z"), us("2026-01-31T18:15Z"))


# Anniversary months.


def test_a_year_that_begins_on_the_15th_has_twelve_anniversary_months() -> None:
    found = windows(to(ANNIVERSARIES, date(2026, 1, 15), date(2027, 1, 15)))
    assert starts(found) == [date(2026, month, 15) for month in range(1, 13)]


@pytest.mark.parametrize(("year", "last"), [(2026, 28), (2028, 29)])
def test_an_anchor_on_the_31st_falls_on_the_last_day_and_is_never_chained(year: int, last: int) -> None:
    """After 28 February comes 31 March, and not the 28th."""
    found = windows(to(ANNIVERSARIES, date(year, 1, 31), date(year + 1, 1, 31)))
    ends = [31, last, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert starts(found) == [date(year, month, day) for month, day in enumerate(ends, 1)]


def test_an_anchor_on_29_february_is_the_28th_in_other_years_and_the_29th_in_other_months() -> None:
    found = windows(to(ANNIVERSARIES, date(2028, 2, 29), date(2029, 4, 29)))
    usual = [date(2028, month, 29) for month in range(2, 13)]
    assert starts(found) == [*usual, date(2029, 1, 29), date(2029, 2, 28), date(2029, 3, 29)]


def test_an_anchor_other_than_the_start_makes_short_windows_at_both_ends() -> None:
    found = windows(to(ANNIVERSARIES, date(2026, 1, 10), date(2026, 4, 10), anchor=date(2025, 7, 31)))
    assert starts(found) == [date(2026, 1, 10), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
    assert days(found) == [31 - 10, 28, 31, 10]


@pytest.mark.parametrize("anchor", [date(2019, 8, 31), date(2031, 12, 31)])
def test_only_the_day_of_an_anchor_matters_however_far_away_it_is(anchor: date) -> None:
    start, end = date(2026, 1, 10), date(2026, 4, 10)
    near = windows(to(ANNIVERSARIES, start, end, anchor=date(2026, 1, 31)))
    assert windows(to(ANNIVERSARIES, start, end, anchor=anchor)) == near


def test_an_anchor_on_the_day_of_the_start_or_the_end_cuts_nothing_off() -> None:
    found = windows(to(ANNIVERSARIES, date(2026, 1, 10), date(2026, 3, 10), anchor=date(2025, 5, 10)))
    assert starts(found) == [date(2026, 1, 10), date(2026, 2, 10)]


# The term, and dates that never were.


def test_the_term_may_be_one_window() -> None:
    assert windows(to(TERM, date(2026, 1, 15), date(2027, 1, 15))) == (
        Window(1, at_midnight(date(2026, 1, 15)), at_midnight(date(2027, 1, 15))),
    )


def test_a_window_of_a_date_that_the_zone_skipped_is_none() -> None:
    """Samoa went from 29 to 31 December 2011, so blocks of one day number 29, 31, 1."""
    daily = WindowRule(kind="days", length_days=1)
    found = windows(to(daily, date(2011, 12, 29), date(2012, 1, 2), "Pacific/Apia"))
    assert starts(found, "Pacific/Apia") == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]
    assert [tile.number for tile in found] == [1, 2, 3]
    assert hours(found) == [24, 24, 24]


# The time before.


def test_the_months_before_the_term_are_numbered_backwards_from_0() -> None:
    found = history(to(MONTHS, date(2026, 1, 1), date(2027, 1, 1)), us("2025-10-15T00:00Z"))
    assert [tile.number for tile in found] == [-2, -1, 0]
    assert starts(found) == [date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1)]


@pytest.mark.parametrize(
    ("first", "numbers"),
    [
        ("2025-12-01T00:00Z", [0]),
        ("2025-11-30T23:59:59.999999Z", [-1, 0]),
        ("2025-12-31T23:59:59.999999Z", [0]),
        ("2026-01-01T00:00Z", []),
        ("2026-07-01T00:00Z", []),
    ],
)
def test_they_reach_back_to_the_window_of_the_first_fact(first: str, numbers: list[int]) -> None:
    found = history(to(MONTHS, date(2026, 1, 1), date(2027, 1, 1)), us(first))
    assert [tile.number for tile in found] == numbers


def test_each_earlier_year_has_blocks_of_its_own_and_a_leap_year_a_longer_last_one() -> None:
    """The years before 2029: 2028 with 366 days, and 2027 with 365."""
    found = history(to(BLOCKS, date(2029, 1, 1), date(2030, 1, 1)), us("2027-01-01T00:00Z"))
    assert days(found) == [30] * 11 + [365 - 330] + [30] * 11 + [366 - 330]
    assert [tile.number for tile in found] == list(range(1 - 24, 1))


def test_a_term_of_some_days_is_preceded_by_terms_of_as_many() -> None:
    """45 days are no whole months: each earlier term has a block of 30 and one of the 15 left over."""
    start = date(2026, 3, 1)
    found = history(to(SHORT_LAST, start, date(2026, 4, 15)), at_midnight(start - timedelta(days=2 * 45)))
    assert days(found) == [30, 15, 30, 15]
    assert starts(found)[-2] == start - timedelta(days=45)


def test_windows_that_end_before_the_first_fact_are_left_out() -> None:
    """Of the term of 45 days before, the first fact is in the second block."""
    start = date(2026, 3, 1)
    [found] = history(to(SHORT_LAST, start, date(2026, 4, 15)), at_midnight(start - timedelta(days=45 - 30)))
    assert found == Window(0, at_midnight(start - timedelta(days=15)), at_midnight(start))


def test_months_before_a_term_that_begins_on_the_31st_end_where_it_begins() -> None:
    found = history(to(ANNIVERSARIES, date(2026, 3, 31), date(2026, 6, 30)), us("2025-12-31T00:00Z"))
    assert starts(found) == [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    assert days(found) == [31, 28, 31]


def test_history_is_cut_by_the_same_anchor() -> None:
    found = history(
        to(ANNIVERSARIES, date(2026, 3, 10), date(2026, 6, 10), anchor=date(2026, 3, 31)), us("2026-01-01T00:00Z")
    )
    assert starts(found) == [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    assert days(found) == [31, 28, 10]


def test_the_term_before_the_term_is_one_window() -> None:
    found = history(to(TERM, date(2026, 1, 1), date(2027, 1, 1)), us("2024-06-01T00:00Z"))
    assert days(found) == [366, 365]
    assert [tile.number for tile in found] == [-1, 0]


def test_history_ends_with_the_first_instant_that_a_fact_may_have() -> None:
    found = history(to(TERM, date(1971, 1, 1), date(1972, 1, 1)), 0)
    assert starts(found) == [date(1970, 1, 1)]


# Rows of days.


def test_a_day_in_two_windows_has_a_row_for_each() -> None:
    """New York's midnight of 1 February is five o'clock in UTC."""
    january, february = windows(to(MONTHS, date(2026, 1, 31), date(2026, 2, 2), "America/New_York"))
    midnight = at_midnight(date(2026, 1, 31))
    assert [(row.day * DAY_US, row.from_us, row.to_us, row.window) for row in day_rows([january, february])] == [
        (midnight, midnight + 5 * HOUR_US, midnight + DAY_US, 1),
        (midnight + DAY_US, midnight + DAY_US, midnight + DAY_US + 5 * HOUR_US, 1),
        (midnight + DAY_US, midnight + DAY_US + 5 * HOUR_US, midnight + 2 * DAY_US, 2),
        (midnight + 2 * DAY_US, midnight + 2 * DAY_US, midnight + 2 * DAY_US + 5 * HOUR_US, 2),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize("rule", [MONTHS, BLOCKS, ANNIVERSARIES])
def test_the_database_makes_of_windows_the_rows_that_python_makes(zone: str, rule: WindowRule) -> None:
    subscription = to(rule, date(2025, 3, 1), date(2026, 3, 1), zone, anchor=date(2025, 1, 31))
    tiles = (*history(subscription, start_of_day_us(date(2024, 5, 5), ZoneInfo(zone))), *windows(subscription))
    with duckdb.connect() as connection:
        columns = "subscription integer, window_number integer, start_us bigint, end_us bigint"
        connection.execute(f"create table cuts ({columns})")
        connection.executemany(
            "insert into cuts values (7, ?, ?, ?)", [(tile.number, tile.start_us, tile.end_us) for tile in tiles]
        )
        rows = f"select day, from_us, to_us, window_number from ({CALENDAR}) order by from_us"
        made = connection.execute(rows).fetchall()
    assert made == sorted(day_rows(tiles))
    # Every day from the first to the last one, and one more wherever a window begins within a day.
    touched = (tiles[-1].end_us - 1) // DAY_US - tiles[0].start_us // DAY_US + 1
    assert len(made) == touched + sum(tile.start_us % DAY_US != 0 for tile in tiles[1:])


def test_a_window_that_ends_at_midnight_has_no_row_of_the_next_day() -> None:
    rows = list(day_rows(windows(to(TERM, date(2026, 1, 1), date(2026, 1, 3)))))
    assert [(row.from_us, row.to_us) for row in rows] == [
        (at_midnight(date(2026, 1, day)), at_midnight(date(2026, 1, day + 1))) for day in (1, 2)
    ]


ZONES = ("UTC", "America/Sao_Paulo", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe")


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    """Any rule, any term of up to two years, in zones whose clocks do everything."""
    rule = draw(
        st.one_of(
            st.sampled_from((MONTHS, ANNIVERSARIES, TERM)),
            st.builds(
                WindowRule,
                kind=st.just("days"),
                length_days=st.integers(7, 400),
                remainder=st.sampled_from(("merge-last", "short-last")),
            ),
        )
    )
    start = draw(st.dates(date(2010, 1, 1), date(2030, 1, 1)))
    end = start + timedelta(days=draw(st.integers(7, 730)))
    anchor = draw(st.none() | st.dates(date(2005, 1, 1), date(2035, 1, 1)))
    return to(rule, start, end, draw(st.sampled_from(ZONES)), anchor)


@settings(deadline=None)
@given(subscriptions(), st.integers(0, 900))
def test_windows_tile_the_term_and_rows_of_days_tile_the_windows(subscription: Subscription, days_before: int) -> None:
    first_us = subscription.start_us - days_before * DAY_US
    tiles = (*history(subscription, first_us), *windows(subscription))
    rows = list(day_rows(tiles))
    assert rows[0].from_us == tiles[0].start_us <= first_us
    assert rows[-1].to_us == tiles[-1].end_us == subscription.end_us
    assert all(earlier.to_us == later.from_us for earlier, later in pairwise(rows))
    assert all(row.day * DAY_US <= row.from_us < row.to_us <= (row.day + 1) * DAY_US for row in rows)
    by_number = {tile.number: tile for tile in tiles}
    assert all(
        by_number[row.window].start_us <= row.from_us < row.to_us <= by_number[row.window].end_us for row in rows
    )
    assert by_number[1].start_us == subscription.start_us


@settings(deadline=None)
@given(subscriptions())
def test_every_cut_is_a_local_midnight(subscription: Subscription) -> None:
    zone = ZoneInfo(subscription.zone)
    for tile in windows(subscription):
        assert tile.start_us == start_of_day_us(tile.start.astimezone(zone).date(), zone)
