"""A great many seats, steps and approvals are counted in little more time than few."""

from __future__ import annotations

from datetime import UTC, date, datetime
from time import process_time

import rollbook
from rollbook import Subscription, find_plan
from rollbook.accounting.consumption import Tally
from rollbook.accounting.questions import tallies_sql
from rollbook.accounting.seats import Held, seats
from rollbook.metering.calendar import windows
from rollbook.model.allowance import Allowance
from rollbook.model.instants import DAY_US, LATEST_US
from rollbook.model.subscription import Approval, Quantity
from tests.accounting.made import fact, subscribed
from tests.metering.written import us

START_US = us("2026-01-01T00:00Z")


def taken(number: int) -> list[Held]:
    """One seat after the other, each one microsecond later."""
    return [Held(START_US + n, "lms", str(n), "north", f"{n:06}", "", None) for n in range(number)]


def test_thousands_beyond_the_quantity_are_named_in_order_and_quickly() -> None:
    """Every one of them makes a new most; to put all in order each time would take minutes."""
    number = 20_000
    to = subscribed(Allowance(per="held", quantity=1))
    began = process_time()
    [january, *_] = seats(to, windows(to), taken(number), LATEST_US)
    assert process_time() - began < 10
    assert [unit for _, unit, _ in january.beyond] == [f"{n:06}" for n in range(1, number)]


def test_a_thousand_million_seats_are_approved_at_once() -> None:
    """Two left and wait; then nobody does."""
    day = [START_US + n * DAY_US for n in range(10)]
    to = subscribed(
        Allowance(per="held", quantity=2, reuse_requires_approval=True), approvals=(Approval(day[5], 10**9),)
    )
    spans = [Held(day[n], "lms", str(n), "north", str(n), "", day[n + 2]) for n in (1, 2)]
    before, after = (seats(to, windows(to), spans, at_us)[0].awaiting for at_us in (day[5], day[6]))
    assert (before, after) == (2, 0)


def test_ten_thousand_quantities_hold_each_from_its_instant_on() -> None:
    to = subscribed(Allowance(per="window"), quantities=tuple(Quantity(START_US + n, n % 7) for n in range(10_000)))
    assert [to.bought(START_US + n) for n in (-1, 0, 1, 6, 7, 9_999, 10_000)] == [0, 0, 1, 6, 0, 9_999 % 7, 9_999 % 7]


def test_thousands_of_increases_within_one_window_cut_it_into_as_many_segments() -> None:
    """One more credit at every microsecond from the second on; two who come at its ends fall in the first and last."""
    number = 3_000
    to = Subscription(
        plan=find_plan("facilitate-annual"), start=date(2026, 1, 1), end=date(2026, 4, 1), organisations=("north",)
    )
    cuts = {1: tuple(START_US + DAY_US + n for n in range(number)), 2: (us("2026-02-02T00:00Z"),)}
    facts = [
        fact("1", "2026-01-01T12:00Z", "ana", "session.entered"),
        fact("2", "2026-01-02T00:00Z", "bo", "session.entered"),
        fact("3", "2026-01-03T00:00Z", "cy", "session.entered"),
        fact("4", "2026-02-01T00:00Z", "di", "session.entered"),
        fact("5", "2026-03-05T00:00Z", "ed", "session.entered"),
    ]
    with rollbook.meter(facts, to, as_of=datetime(2026, 4, 1, tzinfo=UTC)) as result:
        found = [Tally(*row) for row in result.metered.rows(tallies_sql(cuts))]  # type: ignore[arg-type]
    segments = [(it.window, it.segment, it.units) for it in found]
    assert segments == [(1, 0, 1), (1, 1, 1), (1, number, 1), (2, 0, 1), (3, 0, 1)]
