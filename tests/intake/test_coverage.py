"""A source that delivers daily and falls silent for more than a week has a gap; others have none."""

from __future__ import annotations

import pytest

from rollbook.intake.coverage import Gap, gaps
from rollbook.model.instants import DAY_US

from .reading import Read, good


@pytest.mark.parametrize(
    ("days", "expected", "why"),
    [
        ([], [], "nothing was delivered, nothing is missing"),
        ([5], [], "one day has no inside"),
        ([*range(20), *range(27, 60)], [], "seven silent days are a holiday"),
        ([*range(20), *range(28, 60)], [(20, 28)], "eight silent days are a gap, from the first silent day"),
        ([*range(28, 60), *range(20)], [(20, 28)], "order does not matter"),
        ([*range(20), *range(30, 50), *range(60, 80)], [(20, 30), (50, 60)], "every gap is named"),
        ([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 23], [], "eleven of 24 days: not daily"),
        ([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 22, 23], [], "seven silent days, twelve of 24 delivered"),
        ([0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 23, 22], [], "exactly half is daily, and seven days are no gap"),
        ([0, 1, 2, 3, 4, 5, 6, 15, 16, 17], [(7, 15)], "ten of 18"),
    ],
)
def test_gaps_are_where_a_daily_source_is_silent(days: list[int], expected: list[tuple[int, int]], why: str) -> None:
    assert list(gaps(days)) == [Gap(first * DAY_US, last * DAY_US) for first, last in expected], why


def test_each_source_is_described_the_largest_first() -> None:
    days = [1, 2, 3, 4, 5, 6, 7, 8, 20]
    rows = [good(id=str(day), occurred_at=f"2026-03-{day:02}T00:00:00Z") for day in days]
    rows.append(good(source="crm", type="sale"))
    [lms, crm] = Read(rows).sources
    first = 20513 * DAY_US
    assert (lms.source, lms.facts, lms.first_us, lms.last_us) == ("lms", 9, first, first + 19 * DAY_US)
    assert (lms.types, crm.types) == ({"login": 9}, {"sale": 1})
    assert lms.gaps == (), "nine of twenty days are not daily"
    assert (crm.source, crm.facts, crm.gaps) == ("crm", 1, ())
