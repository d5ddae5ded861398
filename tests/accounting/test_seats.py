"""Seats: who holds one, how many at once, and who is beyond what was bought."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

import pytest

import rollbook
from rollbook import Subscription, find_plan
from rollbook.accounting.account import beyond
from rollbook.accounting.seats import Held, Seats, as_consumption, seats
from rollbook.metering.calendar import windows
from rollbook.model.allowance import Allowance
from rollbook.model.instants import DAY_US, LATEST_US
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Approval, Change, Quantity
from tests.accounting.made import fact, plan, subscribed
from tests.metering.written import us

START_US = us("2026-01-01T00:00Z")
FEBRUARY, MARCH = 31, 31 + 28
"""Days after the first of January."""

HELD = Allowance(per="held")
APPROVED = Allowance(per="held", reuse_requires_approval=True)


def day(number: float) -> int:
    """An instant, days after the start."""
    return START_US + round(number * DAY_US)


def held(unit: str, on: float, off: float | None = None, source: str = "lms", id_: str = "") -> Held:
    return Held(day(on), source, id_ or f"{unit} {on}", "north", unit, "", None if off is None else day(off))


def bought(
    allowance: Allowance, *steps: tuple[float, int], approvals: tuple[tuple[float, int], ...] = ()
) -> Subscription:
    return subscribed(
        allowance,
        quantities=tuple(Quantity(day(at), units) for at, units in steps),
        approvals=tuple(Approval(day(at), number) for at, number in approvals),
    )


def found(to: Subscription, *spans: Held, as_of: float | None = None) -> tuple[Seats, ...]:
    """January, February and March, or as much of them as there was."""
    return seats(to, windows(to), spans, LATEST_US if as_of is None else day(as_of))[:3]


def who(used: Seats) -> list[str]:
    return [unit for _, unit, _ in used.beyond]


def flow(used: Seats) -> tuple[int, int, int, int]:
    return (used.held_at_start, used.taken, used.released, used.held_at_end)


# Taken and released.


def test_a_seat_is_kept_until_it_is_released() -> None:
    """S-05, S-06."""
    january, february, march = found(bought(HELD, (0, 3)), held("ana", 1), held("bo", 2, FEBRUARY + 5))
    assert [flow(it) for it in (january, february, march)] == [(0, 2, 0, 2), (2, 0, 1, 1), (1, 0, 0, 1)]
    assert [it.peak for it in (january, february, march)] == [2, 2, 1]
    assert [it.available for it in (january, february, march)] == [1, 2, 2]
    assert [it.ever for it in (january, february, march)] == [2, 2, 2]


def test_whoever_lets_go_at_an_instant_does_so_before_whoever_takes() -> None:
    """Whatever the order of their facts: here the newcomer's comes first."""
    for newcomer in ("a", "z"):
        [january, *_] = found(bought(HELD, (0, 1)), held("m", 1, 5), held(newcomer, 5, source=newcomer))
        assert (january.peak, january.taken, january.released, january.overage) == (1, 2, 1, 0)


def test_a_seat_that_is_released_at_a_windows_first_instant_was_not_held_in_it() -> None:
    """A span [on, off) does not overlap what begins at `off`; the release is an event of that window."""
    january, february, _ = found(bought(HELD, (0, 0)), held("ana", 1, FEBRUARY))
    assert (january.peak, who(january)) == (1, ["ana"])
    assert flow(february) == (1, 0, 1, 0)
    assert (february.peak, february.counted, who(february)) == (0, 0, [])


def test_a_seat_that_changes_hands_at_a_windows_first_instant_is_one_seat() -> None:
    _, february, _ = found(bought(HELD, (0, 1)), held("ana", 1, FEBRUARY), held("bo", FEBRUARY))
    assert (february.peak, february.taken, february.released, february.overage) == (1, 1, 1, 0)


def test_a_span_that_was_switched_off_at_once_is_taken_and_released_and_counts_among_the_most() -> None:
    [january, *_] = found(bought(HELD, (0, 1)), held("ana", 1), held("bo", 5, 5))
    assert (january.peak, january.taken, january.released, january.held_at_end, january.ever) == (2, 2, 1, 1, 2)
    assert who(january) == ["bo"]


def test_two_who_are_switched_off_at_once_at_one_instant_follow_each_other() -> None:
    [january, *_] = found(bought(HELD, (0, 1)), held("ana", 5, 5), held("bo", 5, 5))
    assert (january.peak, january.taken, january.released, january.overage) == (1, 2, 2, 0)


def test_a_seat_that_was_taken_before_the_term_is_held_when_it_begins() -> None:
    [january, *_] = found(bought(HELD, (0, 1)), held("ana", -10), held("bo", -5))
    assert flow(january) == (2, 0, 0, 2)
    assert (january.peak, who(january)) == (2, ["bo"])


def test_nothing_after_the_instant_of_asking_is_known() -> None:
    spans = (held("ana", 1, 20), held("bo", 10), held("cy", 12))
    [january] = found(bought(HELD, (0, 2)), *spans, as_of=12)
    assert (flow(january), january.is_open) == ((0, 2, 0, 2), True)
    [january, february] = found(bought(HELD, (0, 2)), *spans, as_of=FEBRUARY + 1)
    assert (flow(january), january.is_open) == ((0, 3, 1, 2), False)
    assert (flow(february), february.is_open) == ((2, 0, 0, 2), True)


# What is compared with the quantity.


@pytest.mark.parametrize(
    ("basis", "counted", "beyond"),
    [
        # Three at once on the 11th; two at the end; four in all.
        ("peak", 3, ["cy", "bo"]),
        ("end", 2, ["di"]),
        ("ever", 4, ["ana", "cy", "di"]),
    ],
)
def test_the_basis_says_what_is_counted(basis: str, counted: int, beyond: list[str]) -> None:
    spans = (held("bo", 1, 3), held("ana", 4, 20), held("cy", 5, 15), held("bo", 10), held("di", 21))
    [january, *_] = found(bought(Allowance(per="held", basis=basis), (0, 1)), *spans)
    assert (january.counted, who(january)) == (counted, beyond)
    assert january.overage == counted - 1
    assert (january.peak, january.held_at_end, january.ever) == (3, 2, 4)


def test_ever_goes_on_from_window_to_window_and_the_first_stay_within() -> None:
    to = bought(Allowance(per="held", basis="ever"), (0, 1), (FEBRUARY, 2))
    spans = (held("ana", 1, 5), held("bo", 6, 10), held("cy", FEBRUARY + 1, FEBRUARY + 2), held("ana", FEBRUARY + 3))
    assert [(it.counted, who(it)) for it in found(to, *spans)] == [(2, ["bo"]), (3, ["cy"]), (3, ["cy"])]


def test_those_beyond_are_the_ones_seated_last_when_most_were_too_many() -> None:
    """Bo was too many first; on the 9th, with bo back, cy and bo are two too many, and bo is named once."""
    spans = (held("ana", 1), held("bo", 2, 5), held("cy", 8), held("bo", 9))
    [january, *_] = found(bought(HELD, (0, 1)), *spans)
    assert who(january) == ["cy", "bo"]


# The quantity.


def test_more_seats_serve_from_their_instant_on() -> None:
    """Four are held on the 3rd, two too many; from the 10th on there are enough, in this window and the next."""
    spans = [held(unit, n) for n, unit in enumerate(("ana", "bo", "cy", "di"))]
    january, february, _ = found(bought(HELD, (0, 2), (10, 5)), *spans, held("ed", 11))
    assert (january.quantity, january.counted, who(january)) == (5, 5, ["cy", "di"])
    assert (february.overage, february.available) == (0, 0)


def test_seats_that_are_bought_when_someone_takes_one_are_there() -> None:
    [january, *_] = found(bought(HELD, (0, 1), (5, 2)), held("ana", 1), held("bo", 5))
    assert january.overage == 0


def test_fewer_seats_leave_those_who_came_last_beyond_them_at_once() -> None:
    """Nobody comes on the 10th: 3 are held, and 1 is bought from then on."""
    spans = (held("ana", 1), held("bo", 2), held("cy", 3, 20))
    [january, february, _] = found(bought(HELD, (0, 3), (10, 1)), *spans)
    assert who(january) == ["bo", "cy"]
    assert who(february) == ["bo"]


def test_what_the_plan_includes_and_what_is_bought_add_up() -> None:
    to = bought(Allowance(per="held", quantity=2), (0, 1))
    [january, *_] = found(to, held("ana", 1), held("bo", 1), held("cy", 1), held("di", 1))
    assert (january.quantity, who(january)) == (3, ["di"])
    assert as_consumption(to, january).free == 2


def test_a_larger_version_of_the_plan_holds_from_the_next_window_on() -> None:
    larger = plan(Allowance(per="held", quantity=2))
    to = subscribed(Allowance(per="held", quantity=1), changes=(Change(day(10), larger),))
    assert [it.quantity for it in found(to)] == [1, 2, 2]


# Reuse after an approval.


def test_a_released_seat_is_for_others_at_once_where_no_approval_is_asked_for() -> None:
    [january, *_] = found(bought(HELD, (0, 1)), held("ana", 1, 5), held("bo", 10))
    assert (january.awaiting, january.available, january.overage) == (0, 0, 0)


def test_a_released_seat_stays_occupied_until_it_is_approved() -> None:
    """S-07, S-e."""
    spans = (held("ana", 1, 5), held("bo", 10))
    january, february, _ = found(bought(APPROVED, (0, 1)), *spans)
    assert (january.peak, january.awaiting, january.available, who(january)) == (2, 1, 1 - 1 - 1, ["bo"])
    assert (february.peak, who(february)) == (2, ["bo"])
    [january, *_] = found(bought(APPROVED, (0, 1), approvals=((7, 1),)), *spans)
    assert (january.peak, january.awaiting, january.available, who(january)) == (1, 0, 0, [])


def test_at_one_instant_a_seat_is_released_then_approved_then_taken() -> None:
    to = bought(APPROVED, (0, 1), approvals=((5, 1),))
    [january, *_] = found(to, held("ana", 1, 5), held("bo", 5))
    assert (january.peak, january.awaiting, january.overage) == (1, 0, 0)


def test_whoever_comes_back_takes_their_own_seat_again_without_approval() -> None:
    [january, *_] = found(bought(APPROVED, (0, 1)), held("ana", 1, 5), held("ana", 10))
    assert (january.peak, january.awaiting, january.overage, january.taken) == (1, 0, 0, 2)


def test_whoever_comes_back_after_their_seat_was_given_away_needs_another() -> None:
    to = bought(APPROVED, (0, 1), approvals=((6, 1),))
    [january, *_] = found(to, held("ana", 1, 5), held("bo", 7), held("ana", 10))
    assert (january.peak, who(january)) == (2, ["ana"])


def test_approvals_free_the_seats_that_were_released_first() -> None:
    """One approval for ana and bo, who leave in this order: bo's own seat waits for bo, ana's is gone."""
    to = bought(APPROVED, (0, 2), approvals=((6, 1),))
    spans = (held("ana", 1, 4), held("bo", 2, 5), held("cy", 7), held("bo", 8))
    [january, *_] = found(to, *spans)
    assert (january.peak, january.awaiting, january.overage) == (2, 0, 0)
    [january, *_] = found(to, *spans, held("ana", 9))
    assert (january.peak, who(january)) == (3, ["ana"])


def test_an_approval_frees_what_was_released_before_it_only() -> None:
    to = bought(APPROVED, (0, 1), approvals=((3, 5),))
    [january, *_] = found(to, held("ana", 1, 5), held("bo", 10))
    assert (january.awaiting, january.overage) == (1, 1)


def test_seats_that_wait_for_approval_are_beyond_the_quantity_too() -> None:
    """2 are bought. Four come and go, and their seats wait; a fifth makes 5, so 3 are beyond: whoever came last."""
    spans = [held(unit, n, 10 + n) for n, unit in enumerate(("ana", "bo", "cy", "di"), 1)]
    january, february, _ = found(bought(APPROVED, (0, 2)), *spans, held("ed", 20))
    for window in (january, february):
        assert (window.counted, window.overage, who(window)) == (5, 5 - 2, ["cy", "di", "ed"])
    consumption = as_consumption(bought(APPROVED, (0, 2)), february)
    assert (consumption.active, consumption.included, consumption.overage, consumption.balance) == (5, 2, 3, 0)


# The same in whatever order.


def test_who_is_beyond_is_the_same_in_whatever_order_seats_are_given() -> None:
    """Three at one instant are told apart by source, then by id; one lets go as they come."""
    spans = (held("ana", 1, 5), held("b", 5, id_="2"), held("c", 5, id_="1"), held("d", 5, source="crm", id_="3"))
    to = bought(HELD, (0, 1))
    [january, *_] = found(to, *spans)
    assert who(january) == ["c", "b"]
    assert {found(to, *order) for order in permutations(spans)} == {found(to, *spans)}


def test_one_fact_may_begin_two_holdings() -> None:
    """One link passes two open courses on to the survivor."""
    spans = [Held(day(5), "lms", "link", "north", "ana", course, day(5)) for course in ("B", "A")]
    [january, *_] = found(bought(HELD, (0, 1)), *spans)
    assert january.beyond == (("north", "ana", "B"),)
    assert (january.taken, january.released, january.held_at_end) == (2, 2, 0)


# With facts.


def test_seats_are_taken_at_login_and_freed_at_deactivation() -> None:
    """S-04 to S-08: creation takes none, a second login neither, and who is activated again needs a login."""
    facts = [
        fact("1", "2026-03-01T08:00Z", "ana", "account.created"),
        fact("2", "2026-03-02T08:00Z", "ana"),
        fact("3", "2026-03-03T08:00Z", "ana"),
        fact("4", "2026-03-04T08:00Z", "bo"),
        fact("5", "2026-03-05T08:00Z", "cy"),
        fact("6", "2026-04-01T00:00Z", "ana", "account.disabled"),
        fact("7", "2026-04-02T00:00Z", "ana", "account.enabled"),
        fact("8", "2026-04-03T00:00Z", "di"),
        fact("9", "2026-04-04T00:00Z", "ana"),
        fact("10", "2027-03-01T00:00Z", "too late"),
    ]
    seats_of = find_plan("secondnature-seats")

    def with_seats(quantity: int, *more: Quantity, as_of: datetime) -> tuple[Seats, list[str]]:
        to = Subscription(
            plan=seats_of,
            start=date(2026, 3, 1),
            end=date(2027, 3, 1),
            quantities=(Quantity(us("2026-03-01T00:00Z"), quantity), *more),
        )
        with rollbook.meter(facts, to, as_of=as_of) as result:
            [used] = result.account.seats
            [consumption] = result.account.consumption
            assert (consumption.active, consumption.overage) == (used.counted, used.overage)
            assert beyond(result.account, result.metered.rows) == [(1, *key) for key in used.beyond]
            return used, who(used)

    end = datetime(2028, 1, 1, tzinfo=UTC)
    # ana, bo, cy; then without ana; then with di; then with ana again: 4 at once.
    used, extra = with_seats(3, as_of=end)
    assert (used.taken, used.released, used.held_at_end, used.peak, used.ever) == (5, 1, 4, 4, 4)
    assert (extra, used.available) == (["ana"], 3 - 4)
    used, extra = with_seats(3, Quantity(us("2026-04-04T00:00Z"), 4), as_of=end)
    assert (extra, used.available) == ([], 0)
    used, extra = with_seats(2, as_of=datetime(2026, 4, 2, tzinfo=UTC))
    assert (used.held_at_end, used.peak, used.available, extra, used.is_open) == (2, 3, 0, ["cy"], True)


def test_seats_in_months_follow_the_flow_of_facts() -> None:
    text = find_plan("secondnature-seats").text.replace('kind = "term"', 'kind = "calendar-month"')
    to = Subscription(plan=parse_plan(text), start=date(2026, 3, 1), end=date(2026, 6, 1))
    facts = [
        fact("1", "2026-03-02T08:00Z", "ana"),
        fact("2", "2026-04-01T00:00Z", "ana", "account.disabled"),
        fact("3", "2026-04-10T00:00Z", "bo"),
    ]
    with rollbook.meter(facts, to, as_of=datetime(2028, 1, 1, tzinfo=UTC)) as result:
        assert [flow(it) for it in result.account.seats] == [(0, 1, 0, 1), (1, 1, 1, 1), (1, 0, 0, 1)]
        assert [it.peak for it in result.account.seats] == [1, 1, 1]
        # The number of seats at once is at most the number of those who are active in the window, and here equal.
        by_window = result.metered.rows("select window_number, count(*) from activations group by all order by all")
        assert by_window == [(1, 1), (2, 1), (3, 1)]
