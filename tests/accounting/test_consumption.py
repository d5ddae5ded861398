"""What is used of what is included.

Rows read: carried, granted, active, included, overage, expired, balance, available.
"""

from __future__ import annotations

from datetime import date

import pytest

from rollbook.accounting.consumption import Consumption, consumption, cuts
from rollbook.accounting.grants import Grant, grants
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import CONTINUING, REACTIVATED
from rollbook.model.allowance import Allowance
from rollbook.model.subscription import Change, Subscription
from tests.accounting.made import YEAR, counted, numbers, plan, row, subscribed, used
from tests.metering.written import us

PER_WINDOW = Allowance(per="window")
PER_TERM = Allowance(per="term")
START = "2026-01-01T00:00Z"
ORGANISATIONS = ("north", "süd")


def rows(found: tuple[Consumption, ...], first: int = 3) -> list[tuple[int, ...]]:
    return [numbers(it) for it in found[:first]]


# Per window.


def test_what_a_window_includes_is_gone_with_it() -> None:
    """F-23, F-25, F-i: the count resets, and nothing carries over."""
    found = used(subscribed(PER_WINDOW, (START, 10)), {1: 4, 2: 13})
    assert rows(found) == [
        (0, 10, 4, 4, 0, 10 - 4, 0, 10 - 4),
        (0, 10, 13, 10, 13 - 10, 0, 0, 10 - 13),
        (0, 10, 0, 0, 0, 10, 0, 10),
    ]
    assert len(found) == 12


def test_who_is_beyond_are_the_last_ranks() -> None:
    found = used(subscribed(PER_WINDOW, (START, 10)), {1: 10, 2: 13})
    assert [it.beyond for it in found[:3]] == [(), ((11, 13),), ()]


def test_without_anything_included_all_are_beyond_it() -> None:
    [first, *_] = used(subscribed(PER_WINDOW), {1: 3})
    assert numbers(first) == (0, 0, 3, 0, 3, 0, 0, -3)
    assert first.beyond == ((1, 3),)


def test_classes_and_guests_add_up_to_those_who_are_active() -> None:
    tallies = [counted(1, 3), counted(1, 4, class_=CONTINUING), counted(1, 5, class_=REACTIVATED), counted(1, 1)]
    [first, *_] = used(subscribed(PER_WINDOW, (START, 10)), tallies)
    assert (first.new, first.continuing, first.reactivated) == (3 + 1, 4, 5)
    assert first.active == first.included + first.overage == 3 + 4 + 5 + 1


def test_what_is_in_force_at_the_close_holds_for_all_of_the_window() -> None:
    """W-h: raised on the last day, it covers what was counted before; and never a month that is over."""
    found = used(subscribed(PER_WINDOW, (START, 10), ("2026-02-28T23:59Z", 12)), {1: 11, 2: 11})
    assert rows(found, 2) == [(0, 10, 11, 10, 1, 0, 0, -1), (0, 12, 11, 11, 0, 1, 0, 1)]


def test_a_step_at_the_first_instant_of_a_window_is_not_yet_in_force_in_the_one_before() -> None:
    found = used(subscribed(PER_WINDOW, ("2026-02-01T00:00Z", 10)), {})
    assert [it.granted for it in found[:2]] == [0, 10]


def test_an_open_window_has_expired_nothing_and_later_ones_are_absent() -> None:
    to = subscribed(PER_WINDOW, (START, 10))
    found = used(to, {1: 4, 2: 3}, us("2026-02-15T00:00Z"))
    assert rows(found) == [(0, 10, 4, 4, 0, 6, 0, 6), (0, 10, 3, 3, 0, 0, 7, 7)]
    assert [it.is_open for it in found] == [False, True]


def test_a_window_is_closed_at_the_instant_at_which_it_ends() -> None:
    to = subscribed(PER_WINDOW, (START, 10))
    [last] = used(to, {1: 4}, us("2026-02-01T00:00Z"))
    assert (last.is_open, last.expired, last.balance) == (False, 6, 0)
    [last] = used(to, {1: 4}, us("2026-02-01T00:00Z") - 1)
    assert (last.is_open, last.expired, last.balance) == (True, 0, 6)


# Rollover.


def test_what_is_left_stays_usable_for_so_many_windows_more() -> None:
    """With one further window: 10 - 4 = 6 come into the second, and what is left of them ends with it."""
    found = used(subscribed(Allowance(rollover_windows=1), (START, 10)), {1: 4, 2: 1, 3: 15})
    assert rows(found) == [
        (0, 10, 4, 4, 0, 0, 6, 6),
        (6, 10, 1, 1, 0, 6 - 1, 10, 5 + 10),
        (10, 10, 15, 15, 0, 0, 5, 5),  # the older 10 first, then 5 of the new ones
    ]
    assert found[3].carried == 5


def test_over_two_windows_what_ends_first_is_used_first() -> None:
    """10 of each month for two months more: January's are used before February's, and February's before March's."""
    found = used(subscribed(Allowance(rollover_windows=2), (START, 10)), {2: 12, 3: 5, 4: 1})
    assert rows(found, 4) == [
        (0, 10, 0, 0, 0, 0, 10, 10),
        (10, 10, 12, 12, 0, 0, 8, 8),  # all 10 of January, 2 of February
        (8, 10, 5, 5, 0, 0, 13, 13),  # 5 of February's 8; January's end, and are used up
        (13, 10, 1, 1, 0, 3 - 1, 20, 22),  # 1 of February's last 3, and 2 end; March's and April's 10 stay
    ]


def test_nothing_rolls_beyond_the_term() -> None:
    found = used(subscribed(Allowance(rollover_windows=600), (START, 1)), {})
    assert [it.expired for it in found] == [0] * 11 + [12]
    assert (found[-1].carried, found[-1].balance) == (11, 0)


# The term's pool.


def test_a_pool_may_be_used_up_in_one_window_and_ends_with_the_term() -> None:
    """S-09 to S-14."""
    found = used(subscribed(PER_TERM, (START, 100)), {1: 98, 2: 3, 3: 4})
    assert rows(found) == [
        (0, 100, 98, 98, 0, 0, 2, 2),
        (2, 0, 3, 2, 1, 0, 0, -1),
        (0, 0, 4, 0, 4, 0, 0, -(1 + 4)),
    ]
    assert [it.overage_to_date for it in found] == [0, 1, *[1 + 4] * 10]
    assert found[-1].available == -5
    unused = used(subscribed(PER_TERM, (START, 100)), {1: 98})
    assert [it.expired for it in unused] == [0] * 11 + [2]
    assert unused[-1].balance == 0


TOP_UP = ("2026-02-10T12:00Z", 103)


def test_a_top_up_serves_from_its_instant_on_and_what_went_beyond_before_stays_beyond() -> None:
    """S-a. In February 4 come before the top-up of 103 - 100 = 3, with 2 left, and 4 after it."""
    to = subscribed(PER_TERM, (START, 100), TOP_UP)
    found = used(to, [counted(1, 98), counted(2, 4, 0), counted(2, 4, 1)])
    assert rows(found) == [
        (0, 100, 98, 98, 0, 0, 2, 2),
        (2, 3, 4 + 4, 2 + 3, (4 - 2) + (4 - 3), 0, 0, -3),
        (0, 0, 0, 0, 0, 0, 0, -3),
    ]
    # Ranks 3 and 4 came before the top-up, 5 to 7 were served by it, 8 was not.
    assert found[1].beyond == ((3, 4), (8, 8))


def test_those_beyond_on_both_sides_of_a_top_up_are_one_range_where_it_served_nobody_between() -> None:
    to = subscribed(PER_TERM, ("2026-02-10T00:00Z", 1), ("2026-02-10T00:00:01Z", 2))
    found = used(to, [counted(2, 2, 0), counted(2, 3, 1), counted(2, 3, 2)])
    # 0, then 1, then 1 more: ranks 1 2 | 3 4 5 | 6 7 8, of which 3 and 6 are served.
    assert found[1].beyond == ((1, 2), (4, 5), (7, 8))
    only = used(subscribed(PER_TERM, ("2026-02-10T00:00Z", 1)), [counted(2, 2, 0), counted(3, 2)])
    assert [it.beyond for it in only[1:3]] == [((1, 2),), ((2, 2),)]


def test_more_may_be_left_than_went_beyond_before() -> None:
    """What is available after a top-up does not make up for what went beyond before it."""
    to = subscribed(PER_TERM, (START, 1), ("2026-02-01T00:00Z", 6))
    found = used(to, {1: 4})
    assert [(it.available, it.overage_to_date) for it in found[:2]] == [(1 - 4, 3), (6 - 1, 3)]


def test_cuts_are_the_instants_inside_windows_at_which_more_becomes_usable() -> None:
    steps = ((START, 100), TOP_UP, ("2026-02-20T00:00Z", 103), ("2026-03-01T00:00Z", 104), ("2026-02-25T00:00Z", 103))
    to = subscribed(PER_TERM, *steps)
    term = windows(to)
    # The same quantity again adds nothing, and at a window's start nothing is cut.
    assert cuts(to, term, ("north",), us("2027-01-01T00:00Z")) == {2: (us("2026-02-10T12:00Z"),)}
    assert cuts(to, term, ("north",), us("2026-02-10T12:00Z")) == {}
    assert cuts(subscribed(PER_WINDOW, *steps), term, ("north",), us("2027-01-01T00:00Z")) == {}


def test_a_top_up_in_the_future_is_not_there_yet() -> None:
    to = subscribed(PER_TERM, (START, 100), TOP_UP)
    before, at = us("2026-02-10T12:00Z"), us("2026-02-10T12:00Z") + 1
    assert [used(to, {}, as_of_us)[-1].balance for as_of_us in (before, at)] == [100, 103]


# Pools.


def test_an_organisation_uses_its_own_pool_and_no_others() -> None:
    own = Allowance(quantity=50, per_organisation=True, pool_scope="organisation")
    to = subscribed(own, (START, 5, "süd"))
    tallies = [counted(1, 60, organisation="north"), counted(1, 40, organisation="süd")]
    found = used(to, tallies, organisations=ORGANISATIONS)
    assert [it.pool for it in found[:4]] == ["north", "süd", "north", "süd"]
    assert rows(found, 2) == [
        (0, 50, 60, 50, 10, 0, 0, -10),
        (0, 50 + 5, 40, 40, 0, 15, 0, 15),
    ]
    assert [it.beyond for it in found[:2]] == [((51, 60),), ()]


def test_the_base_of_each_organisation_is_shared_by_all() -> None:
    """W-35, W-36, W-g: 2 * 50, and 5 on top."""
    shared = Allowance(quantity=50, per_organisation=True)
    tallies = [counted(1, 60, organisation="north"), counted(1, 50, organisation="süd")]
    [first, *_] = used(subscribed(shared, (START, 5)), tallies, organisations=ORGANISATIONS)
    assert numbers(first) == (0, 2 * 50 + 5, 60 + 50, 105, 110 - 105, 0, 0, -5)
    assert first.free == 2 * 50


def test_a_quantity_that_is_not_per_organisation_is_included_once() -> None:
    [first, *_] = used(subscribed(Allowance(quantity=50)), {}, organisations=ORGANISATIONS)
    assert (first.granted, first.free) == (50, 50)


def test_an_organisation_without_a_name_has_one_base_as_any_other() -> None:
    own = Allowance(quantity=50, per_organisation=True, pool_scope="organisation")
    found = used(subscribed(own), {}, organisations=("", "north"))
    assert [(it.pool, it.granted) for it in found[:2]] == [("", 50), ("north", 50)]


def test_a_top_up_of_one_pool_cuts_the_window_of_all_and_serves_its_own() -> None:
    own = Allowance(per="term", pool_scope="organisation")
    to = subscribed(own, (START, 1, "north"), (START, 1, "süd"), ("2026-01-10T00:00Z", 3, "süd"))
    tallies = [counted(1, 2, segment, name) for name in ORGANISATIONS for segment in (0, 1)]
    north, south = used(to, tallies, organisations=ORGANISATIONS)[:2]
    assert numbers(north) == (0, 1, 4, 1, 3, 0, 0, -3)
    assert north.beyond == ((2, 4),)
    assert numbers(south) == (0, 3, 4, 1 + 2, 1, 0, 0, -1)
    assert south.beyond == ((2, 2),)


# Versions of the plan.


def upgraded(per: str, at: str, *quantities: int) -> Subscription:
    """A plan of 300 that is replaced by others."""
    first = Allowance(quantity=300, per=per)
    changes = tuple(
        Change(us(at) + n, plan(Allowance(quantity=quantity, per=per))) for n, quantity in enumerate(quantities)
    )
    return subscribed(first, changes=changes)


def test_an_upgrade_of_the_terms_allowance_adds_the_difference_and_use_goes_on_adding_up() -> None:
    """A-j, A-38: 290 of 300 are used, 500 - 300 = 200 come with the window after 10 February."""
    found = used(upgraded("term", "2026-02-10T00:00Z", 500), {1: 290, 2: 15, 3: 20})
    assert rows(found) == [
        (0, 300, 290, 290, 0, 0, 10, 10),
        (10, 0, 15, 10, 5, 0, 0, -5),
        (0, 500 - 300, 20, 20, 0, 0, 180, 180),
    ]


def test_an_upgrade_at_the_first_instant_of_a_window_holds_for_it() -> None:
    found = used(upgraded("term", "2026-02-01T00:00Z", 500), {1: 290, 2: 15})
    assert [it.granted for it in found[:3]] == [300, 200, 0]


def test_a_smaller_version_takes_nothing_back_that_was_granted_for_the_term() -> None:
    found = used(upgraded("term", "2026-02-10T00:00Z", 200), {1: 290})
    assert [it.granted for it in found] == [300, *[0] * 11]


def test_per_window_each_window_has_what_its_version_includes() -> None:
    found = used(upgraded("window", "2026-02-10T00:00Z", 200), {})
    assert [it.granted for it in found] == [300, 300, *[200] * 10]


# Terms.


def test_a_term_shorter_than_a_month_is_one_window() -> None:
    to = subscribed(PER_TERM, ("2026-01-05T00:00Z", 2), start=date(2026, 1, 5), end=date(2026, 1, 20))
    [only] = used(to, {1: 3})
    assert numbers(only) == (0, 2, 3, 2, 1, 0, 0, -1)


def test_grants_that_have_not_begun_are_absent_and_those_that_end_first_come_first() -> None:
    to = subscribed(Allowance(rollover_windows=1), (START, 10))
    ends = [us(f"2026-{month:02}-01T00:00Z") for month in range(1, 5)]
    found = grants(to, windows(to), ("north",), us("2026-02-10T00:00Z"))
    assert found == (Grant(ends[2], ends[0], "", 10), Grant(ends[3], ends[1], "", 10))


@pytest.mark.parametrize("as_of", ["2025-06-01T00:00Z", START])
def test_before_the_term_nothing_is_used(as_of: str) -> None:
    assert used(subscribed(PER_TERM, (START, 10)), {}, us(as_of)) == ()


def test_the_names_of_a_row_are_the_ones_above() -> None:
    to = subscribed(PER_WINDOW)
    [first, *_] = consumption(to, windows(to), (), ("north",), us("2026-01-02T00:00Z"))
    assert [*row(first)] == (__doc__ or "").partition("Rows read: ")[2].rstrip(".\n").split(", ")
    assert (to.start, to.end) == YEAR
