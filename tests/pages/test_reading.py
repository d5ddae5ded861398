"""Numbers and days as people write them, and windows by their first and last day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.test import RequestFactory

from rollbook.server.pages import reading

NOV, DEC = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def said(header: str, words):
    """What is written for somebody whose browser says so."""
    with reading.language(RequestFactory().get("/", headers={"Accept-Language": header})):
        return words()


@pytest.mark.parametrize(
    ("header", "number", "percent", "day"),
    [
        ("en-GB", "1,234,567", "87.5%", "30 Nov 2026"),
        ("en-US,en;q=0.5", "1,234,567", "87.5%", "Nov 30, 2026"),
        ("de-DE", "1.234.567", "87,5\xa0%", "30.11.2026"),
        # A language that there is none of: English, as English is written.
        ("fr-FR", "1,234,567", "87.5%", "Nov 30, 2026"),
        ("nonsense;;q=,,,\x7f", "1,234,567", "87.5%", "Nov 30, 2026"),
        ("", "1,234,567", "87.5%", "Nov 30, 2026"),
    ],
)
def test_numbers_and_days_are_those_of_the_browser(header, number, percent, day):
    assert said(header, lambda: reading.number(1_234_567)) == number
    assert said(header, lambda: reading.percent(87.5)) == percent
    assert said(header, lambda: reading.day(date(2026, 11, 30))) == day


def test_a_minus_is_a_minus():
    assert said("en", lambda: reading.number(-60)) == "\N{MINUS SIGN}60"


def test_a_window_is_said_by_its_first_and_its_last_day():
    assert said("en-GB", lambda: reading.days(NOV, DEC, "UTC")) == "1\N{EN DASH}30 Nov 2026"
    assert said("de", lambda: reading.days(NOV, DEC, "UTC")) == "1.\N{EN DASH}30. Nov. 2026"
    assert said("en-GB", lambda: reading.between(date(2026, 11, 30), date(2026, 12, 1))) == "30 Nov 2026"


def test_what_does_not_begin_at_midnight_of_its_zone_is_said_with_the_time():
    # Midnight UTC is 11 in the morning in Melbourne in November.
    assert "11:00:00" in said("en-GB", lambda: reading.days(NOV, DEC, "Australia/Melbourne"))


def test_what_ends_with_a_day_is_said_to_end_on_it():
    assert said("en-GB", lambda: reading.last_day_of(DEC, "UTC")) == "30 Nov 2026"
    # The same instant is the 1st of December in Melbourne, and the day before is over there.
    assert said("en-GB", lambda: reading.last_day_of(DEC, "Australia/Melbourne")) == "1 Dec 2026"
