"""Every number that the vendors' documents work out, worked out again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

import rollbook
from rollbook import Fact, Subscription, find_plan
from rollbook.accounting.account import Account, beyond
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Quantity
from tests.accounting.made import fact
from tests.metering.written import us

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def account(facts: Iterable[Fact], to: Subscription, as_of: datetime = LATER) -> Account:
    with rollbook.meter(list(facts), to, as_of=as_of) as result:
        return result.account


def with_quantity(plan: Plan, start: date, units: int, end: date | None = None) -> Subscription:
    end = end or start.replace(year=start.year + 1)
    return Subscription(
        plan=plan, start=start, end=end, quantities=(Quantity(us(f"{start}T00:00Z"), units),) if units else ()
    )


def instead(plan: str, old: str, new: str) -> Plan:
    """A published plan with one line of it changed."""
    text = find_plan(plan).text
    assert text.count(old) == 1
    return parse_plan(text.replace(old, new))


# Reach 360: 300 for the annual term.

TERM = with_quantity(find_plan("reach360-starter"), date(2025, 3, 1), 0)


def engaging(blocks: Sequence[Iterable[int]]) -> list[Fact]:
    """Members by number, and each one's first lesson on the second day of each block in which they have one."""
    joined = [fact(f"j{n}", "2025-02-01T00:00Z", f"learner {n}", "account.created") for n in range(300)]
    lessons = [
        fact(
            f"{block}-{n}",
            f"{TERM.start + timedelta(days=30 * (block - 1) + 1)}T09:00Z",
            f"learner {n}",
            "lesson.started",
        )
        for block, learners in enumerate(blocks, 1)
        for n in learners
    ]
    return joined + lessons


def on_block(number: int) -> datetime:
    """The instant at which a block has just ended."""
    return datetime(2025, 3, 1, tzinfo=UTC) + timedelta(days=30 * number)


def test_8_percent_of_300_are_24_in_a_block_48_after_two_and_288_in_the_term() -> None:
    """A-14, A-17, A-18: whoever the 24 are; here other people in each block (A-15)."""
    share = 300 * 8 // 100
    facts = engaging([range(share * n % 300, share * n % 300 + share) for n in range(12)])
    [first, second] = account(facts, TERM, on_block(2)).consumption
    assert (first.active, first.overage_to_date) == (24, 0)
    assert 300 - second.balance == 24 + 24 == 48
    whole = account(facts, TERM).consumption
    assert sum(it.included for it in whole) == 24 * 12 == 288
    assert whole[-1].expired == 300 - 288
    assert sum(it.overage for it in whole) == 0


def test_25_in_each_of_12_blocks_are_300_exactly_and_within() -> None:
    """A-13, A-22."""
    whole = account(engaging([range(25)] * 12), TERM).consumption
    assert sum(it.included for it in whole) == 25 * 12 == 300
    assert [it.overage for it in whole] == [0] * 12
    assert (whole[-1].balance, whole[-1].available, whole[-1].expired) == (0, 0, 0)


def test_150_and_150_others_use_up_300_and_one_who_returns_is_the_301st() -> None:
    """A-19, A-21."""
    apart = [range(150), range(150, 300)]
    [_, within] = account(engaging(apart), TERM, on_block(2)).consumption
    assert (within.active, within.included, within.overage, within.available) == (150, 150, 0, 0)
    [_, exceeded] = account(engaging([range(150), range(149, 300)]), TERM, on_block(2)).consumption
    assert (exceeded.active, exceeded.included, exceeded.overage, exceeded.available) == (
        151,
        150,
        301 - 300,
        300 - 301,
    )
    assert exceeded.beyond == ((151, 151),)


def test_9_percent_exceed_the_term_in_its_last_block_and_nothing_is_charged() -> None:
    """A-20, A-23, A-24: 27 * 12 = 324."""
    found = account(engaging([range(300 * 9 // 100)] * 12), TERM)
    assert 27 * 11 == 297
    assert [it.overage for it in found.consumption] == [0] * 11 + [297 + 27 - 300]
    assert found.consumption[-1].overage_to_date == 27 * 12 - 300 == 24
    assert found.charges == ()


@pytest.mark.parametrize(
    ("extra", "blocks", "together"),
    [(1, 12, 288 + 1 * 12), (2, 6, 288 + 2 * 6), (2, 7, 288 + 2 * 7)],
)
def test_a_learner_or_two_more_exceed_300_only_in_the_seventh_block_of_two_more(
    extra: int, blocks: int, together: int
) -> None:
    """A-c: 24 a block leave 300 - 288 = 12. One more in all 12 blocks is 300; two more in 6 blocks too, in 7 are 302."""
    found = account(engaging([range(24 + (extra if n < blocks else 0)) for n in range(12)]), TERM).consumption
    assert sum(it.active for it in found) == together
    assert found[-1].overage_to_date == max(together - 300, 0)


# Docebo: 2,000 a month.


def visits(number: int, month: str) -> Iterable[Fact]:
    for n in range(number):
        yield fact(f"{month}-{n}", f"2026-{month}-10T00:00Z", f"user {n}", "material.accessed")


@pytest.mark.parametrize(("active", "overage"), [(2000, 0), (2001, 1)])
def test_2000_a_month_hold_more_than_2000_profiles_as_long_as_not_all_are_active(active: int, overage: int) -> None:
    """D-14: 2,500 accounts are enabled. D-15: the next month begins at 0."""
    profiles = (fact(f"p{n}", "2025-12-01T00:00Z", f"user {n}", "account.enabled") for n in range(2500))
    to = with_quantity(find_plan("docebo-mau"), date(2026, 1, 1), 2000)
    found = account([*profiles, *visits(active, "01")], to, datetime(2026, 3, 1, tzinfo=UTC))
    [january, february] = found.consumption
    assert (january.active, january.overage, january.available) == (active, overage, 2000 - 2000 - overage)
    assert (february.active, february.available) == (0, 2000)
    assert february.expired == february.granted == 2000
    assert [charge.kind for charge in found.charges if charge.kind == "overage"] == []


# Wisenet: a base of 50 for each organisation.

RECORDS = [
    fact(f"{name}-{n}", f"2026-01-{1 + n % 28:02}T00:00Z", f"{name} {n}", "account.created", organisation=name)
    for name, number in (("a", 30), ("b", 90))
    for n in range(number)
]


def test_bases_of_50_over_organisations_of_30_and_90_leave_20_extra_where_they_are_shared() -> None:
    """W-34 to W-36, W-e: 30 + 90 - 2 * 50 = 20."""
    found = account(
        RECORDS, with_quantity(find_plan("wisenet-lrm"), date(2026, 1, 1), 0), datetime(2026, 2, 1, tzinfo=UTC)
    )
    [january] = found.consumption
    assert (january.allowance, january.active, january.overage) == (2 * 50, 30 + 90, 120 - 100)
    [charge] = found.charges
    assert (charge.kind, charge.units, charge.amount) == ("overage", 20, None)


def test_bases_of_50_over_organisations_of_30_and_90_leave_40_extra_where_each_has_its_own() -> None:
    """W-e: 30 are within 50, and 90 - 50 = 40 are not."""
    plan = instead("wisenet-lrm", 'pool_scope = "customer"', 'pool_scope = "organisation"')
    as_of = datetime(2026, 2, 1, tzinfo=UTC)
    with rollbook.meter(RECORDS, with_quantity(plan, date(2026, 1, 1), 0), as_of=as_of) as result:
        first, second = result.account.consumption
        extras = beyond(result.account, result.metered.rows)
    assert (first.pool, first.allowance, first.active, first.overage) == ("a", 50, 30, 0)
    assert (second.pool, second.allowance, second.active, second.overage) == ("b", 50, 90, 90 - 50)
    # In b, 90 records come on 28 days: on day d those whose number leaves d - 1 by 28, in the order of their ids.
    in_order = sorted(range(90), key=lambda n: (n % 28, f"b-{n}"))
    assert extras == [(1, "b", f"b {n}", "") for n in in_order[50:]]


# Second Nature: a plan that begins on 15 March.

MID_MONTH = [
    *(fact(f"y{month}", f"2026-{month:02}-20T00:00Z", "ana") for month in range(3, 13)),
    *(fact(f"z{month}", f"2027-{month:02}-20T00:00Z", "ana") for month in (1, 2)),
    fact("last", "2027-03-05T00:00Z", "ana"),
]
"""A login on the 20th of 10 + 2 months, and one on 5 March, before the plan ends."""


@pytest.mark.parametrize(("kind", "windows"), [("anniversary-month", 12), ("calendar-month", 13)])
def test_a_year_from_15_march_has_12_allowances_or_in_calendar_months_13(kind: str, windows: int) -> None:
    """S-31, S-d."""
    plan = instead("secondnature-mau", 'kind = "anniversary-month"', f'kind = "{kind}"')
    found = account(MID_MONTH, with_quantity(plan, date(2026, 3, 15), 10))
    assert [it.granted for it in found.consumption] == [10] * windows
    assert sum(it.expired for it in found.consumption) == (10 - 1) * windows


@pytest.mark.parametrize(("kind", "spent"), [("anniversary-month", 12), ("calendar-month", 13)])
def test_a_user_of_every_month_costs_12_credits_or_in_calendar_months_13(kind: str, spent: int) -> None:
    """S-10, S-d: 5 March 2027 is in the month from 15 February, and in a calendar month of its own."""
    plan = instead("secondnature-mauc", 'kind = "anniversary-month"', f'kind = "{kind}"')
    found = account(MID_MONTH, with_quantity(plan, date(2026, 3, 15), 12))
    assert sum(it.active for it in found.consumption) == spent
    assert found.consumption[-1].overage_to_date == spent - 12


# Facilitate: guests.

GUEST = [
    fact(f"g{n}", f"2026-01-1{n}T00:00Z", type_="session.entered", role="guest", mode="on-demand") for n in range(5)
]
HOLDER = [fact(f"h{n}", f"2026-01-1{n}T00:00Z", "ana", "session.entered", mode="on-demand") for n in range(5)]


@pytest.mark.parametrize(
    ("entries", "active", "guests"),
    [(GUEST, 5, 5), (HOLDER, 1, 0), (GUEST + HOLDER, 5 + 1, 5)],
    ids=["as guest", "with an account", "as both"],
)
def test_5_entries_are_5_as_a_guest_1_with_an_account_and_6_as_both(
    entries: list[Fact], active: int, guests: int
) -> None:
    """F-28, F-f."""
    to = with_quantity(find_plan("facilitate-monthly"), date(2026, 1, 1), 0)
    [january] = account(entries, to, datetime(2026, 2, 1, tzinfo=UTC)).consumption
    assert (january.active, january.guests, january.overage) == (active, guests, active)
