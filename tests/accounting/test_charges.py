"""What a window costs: what was bought, what was added, what went beyond; when it is due, and what is not known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rollbook.accounting.charges import ADDED, BASE, OVERAGE, Charge, charges
from rollbook.accounting.rating import Part
from rollbook.model.allowance import Allowance
from rollbook.model.money import Money
from rollbook.model.subscription import Change, Subscription
from rollbook.model.tariff import Rate, Tariff
from tests.accounting.made import counted, flat, plan, subscribed, tiers, used
from tests.metering.written import us

PER_WINDOW, PER_TERM = Allowance(per="window"), Allowance(per="term")
START, MID_FEBRUARY = "2026-01-01T00:00Z", "2026-02-10T00:00Z"
FIRSTS = [us(f"2026-{month:02}-01T00:00Z") for month in range(1, 13)]
END = us("2027-01-01T00:00Z")

STEPS = tiers((1, "5.00"), (101, "4.00"))
BY_VOLUME = Rate(shape="volume", tiers=STEPS)


def tariff(**keys: object) -> Tariff:
    return Tariff(**{"currency": "EUR", "base": flat("2.00"), "overage": flat("3.50"), **keys})  # type: ignore[arg-type]


def cost(to: Subscription, active: dict[int, int], windows: int = 3) -> list[tuple[int, str, int, str | None]]:
    """Window, kind, units and amount of every line of the first windows."""
    found = charges(to, used(to, active))
    return [
        (it.window, it.kind, it.units, None if it.amount is None else str(it.amount.amount))
        for it in found
        if it.window <= windows
    ]


def due(to: Subscription, windows: int = 3) -> list[tuple[str, int]]:
    return [(it.kind, it.due_us) for it in charges(to, used(to, {})) if it.window <= windows]


# The base.


def test_what_was_bought_is_charged_used_or_not_and_what_went_beyond_at_a_rate_of_its_own() -> None:
    """F-23, F-24, W-42, W-43: 10 * 2.00 each month; 3 more in February at 3.50."""
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff())
    assert cost(to, {1: 4, 2: 13}) == [
        (1, BASE, 10, "20.00"),
        (2, BASE, 10, "20.00"),
        (2, OVERAGE, 3, "10.50"),
        (3, BASE, 10, "20.00"),
    ]


def test_what_the_plan_includes_is_never_charged() -> None:
    to = subscribed(Allowance(quantity=50), (START, 10), tariff=tariff())
    assert cost(to, {1: 61}, 1) == [(1, BASE, 10, "20.00"), (1, OVERAGE, 61 - 60, "3.50")]
    assert cost(subscribed(Allowance(quantity=50), tariff=tariff()), {1: 50}, 1) == []


def test_what_is_added_while_a_window_runs_is_charged_for_all_of_it() -> None:
    """W-h: the price of 15 less the price of 10; from the next window on 15 from the start."""
    to = subscribed(PER_WINDOW, (START, 10), (MID_FEBRUARY, 15), tariff=tariff())
    assert cost(to, {}) == [
        (1, BASE, 10, "20.00"),
        (2, BASE, 10, "20.00"),
        (2, ADDED, 5, "10.00"),
        (3, BASE, 15, "30.00"),
    ]


def test_added_units_that_reach_a_cheaper_tier_may_lower_the_price_of_all() -> None:
    """100 * 5.00 = 500; 101 * 4.00 = 404; the difference is 404 - 500 = -96, and no rate of its own shows it."""
    to = subscribed(PER_WINDOW, ("2026-02-01T00:00Z", 100), (MID_FEBRUARY, 101), tariff=tariff(base=BY_VOLUME))
    assert cost(to, {}) == [(2, BASE, 100, "500.00"), (2, ADDED, 1, "-96.00"), (3, BASE, 101, "404.00")]
    [base, added, *_] = charges(to, used(to, {}))
    assert (base.parts, added.parts) == ((Part(100, Decimal("5.00")),), ())


def test_a_smaller_quantity_gives_back_what_is_not_bought_until_the_windows_end() -> None:
    to = subscribed(PER_WINDOW, (START, 10), (MID_FEBRUARY, 6), tariff=tariff())
    assert cost(to, {}, 2)[1:] == [(2, BASE, 10, "20.00"), (2, ADDED, -4, "-8.00")]


def test_in_advance_a_base_is_due_at_the_start_and_what_is_added_at_the_end() -> None:
    to = subscribed(PER_WINDOW, (START, 10), (MID_FEBRUARY, 15), tariff=tariff())
    assert due(to, 2) == [(BASE, FIRSTS[0]), (BASE, FIRSTS[1]), (ADDED, FIRSTS[2])]


def test_in_arrears_there_is_one_line_at_the_end_for_all_that_was_bought() -> None:
    to = subscribed(PER_WINDOW, (START, 10), (MID_FEBRUARY, 15), tariff=tariff(base_timing="arrears"))
    assert cost(to, {}) == [(1, BASE, 10, "20.00"), (2, BASE, 15, "30.00"), (3, BASE, 15, "30.00")]
    assert due(to) == [(BASE, FIRSTS[1]), (BASE, FIRSTS[2]), (BASE, FIRSTS[3])]


@pytest.mark.parametrize(("allowance", "every"), [(PER_TERM, "allowance"), (PER_TERM, "term"), (PER_WINDOW, "term")])
def test_a_rate_for_the_term_is_charged_once_and_again_for_what_is_added(allowance: Allowance, every: str) -> None:
    to = subscribed(allowance, (START, 10), (MID_FEBRUARY, 15), tariff=tariff(base_every=every))
    assert cost(to, {}, 12) == [(1, BASE, 10, "20.00"), (2, ADDED, 5, "10.00")]
    assert due(to, 12) == [(BASE, FIRSTS[0]), (ADDED, FIRSTS[2])]


def test_a_rate_for_the_term_in_arrears_is_due_at_its_end() -> None:
    to = subscribed(PER_TERM, (START, 10), (MID_FEBRUARY, 15), tariff=tariff(base_timing="arrears"))
    assert cost(to, {}, 12) == [(1, BASE, 10, "20.00"), (2, BASE, 5, "10.00")]
    assert due(to, 12) == [(BASE, END), (BASE, END)]


def test_a_rate_for_a_window_may_go_with_a_quantity_of_the_term() -> None:
    """Credits of the year that are paid in months."""
    to = subscribed(PER_TERM, (START, 10), tariff=tariff(base_every="window"))
    assert cost(to, {}, 12) == [(month, BASE, 10, "20.00") for month in range(1, 13)]


def test_increases_of_a_term_add_up_to_the_price_of_all() -> None:
    """100 * 5, then 60 more to 160 * 4, then 1 more: together 161 * 4 = 644, whatever the tiers in between."""
    steps = ((START, 100), (MID_FEBRUARY, 160), ("2026-03-01T00:00Z", 161))
    to = subscribed(PER_TERM, *steps, tariff=tariff(base=BY_VOLUME))
    amounts = [Decimal(str(amount)) for _, _, _, amount in cost(to, {}, 12)]
    assert amounts == [500, 160 * 4 - 500, 4]
    assert sum(amounts) == 161 * 4


def test_without_a_rate_for_it_the_base_is_no_line() -> None:
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff(base=None))
    assert cost(to, {1: 12}, 1) == [(1, OVERAGE, 2, "7.00")]


# The base as far as it is used.


USED = {"base_charged": "used", "base_timing": "arrears"}


def test_a_base_may_be_charged_as_far_as_it_is_used() -> None:
    """50 included, 20 bought: 60 use 10 of the 20; 45 use none; 75 use all, and 5 are beyond."""
    to = subscribed(Allowance(quantity=50), (START, 20), tariff=tariff(**USED))
    assert cost(to, {1: 60, 2: 45, 3: 75}) == [
        (1, BASE, 60 - 50, "20.00"),
        (3, BASE, 20, "40.00"),
        (3, OVERAGE, 75 - 70, "17.50"),
    ]


def test_what_is_missing_to_the_floor_is_charged_and_said() -> None:
    """W-43, with a floor of 65: 55 use 5 of what is bought, and count as 65, so 15 are charged, 10 as a minimum."""
    to = subscribed(Allowance(quantity=50), (START, 20), tariff=tariff(floor=65, **USED))
    [first, second, third, *_] = charges(to, used(to, {1: 55, 2: 0, 3: 68}))
    assert [(it.units, it.minimum) for it in (first, second, third)] == [(65 - 50, 65 - 55), (15, 15), (68 - 50, 0)]


def test_a_floor_above_all_that_is_bought_is_charged_as_overage() -> None:
    """50 + 20 bought, floor 80: the base is charged up to 70, and 10 more beyond it."""
    to = subscribed(Allowance(quantity=50), (START, 20), tariff=tariff(floor=80, **USED))
    [base, over] = [it for it in charges(to, used(to, {1: 72})) if it.window == 1]
    assert (base.units, base.minimum, over.units, over.minimum) == (20, 0, 80 - 70, 80 - 72)


def test_the_tier_of_a_used_base_may_be_chosen_by_what_was_bought() -> None:
    """W-39: 101 are bought, 3 used: 3 * 4.00; chosen by the 3 it would be 3 * 5.00."""
    nominated = Rate(shape="volume", tiers=STEPS, tier_by="nominated")
    to = subscribed(PER_WINDOW, (START, 101), tariff=tariff(base=nominated, **USED))
    assert cost(to, {1: 3}, 1) == [(1, BASE, 3, "12.00")]
    to = subscribed(PER_WINDOW, (START, 101), tariff=tariff(base=BY_VOLUME, **USED))
    assert cost(to, {1: 3}, 1) == [(1, BASE, 3, "15.00")]


# Overage.


@pytest.mark.parametrize(
    ("tier_by", "rate"),
    [
        ("charged", "5.00"),  # 20 are charged
        ("active", "4.00"),  # 110 are active
        ("nominated", "5.00"),  # 90 are bought
    ],
)
def test_the_tier_of_overage_is_chosen_by_one_of_three_numbers(tier_by: str, rate: str) -> None:
    by = Rate(shape="volume", tiers=STEPS, tier_by=tier_by)
    to = subscribed(PER_WINDOW, (START, 90), tariff=tariff(base=None, overage=by))
    assert cost(to, {1: 110}, 1) == [(1, OVERAGE, 20, str(20 * Decimal(rate)))]


def test_a_floor_without_a_base_is_charged_with_what_went_beyond() -> None:
    """F-22 with a minimum of 25 a month: 4 count as 25, 30 as 30; the tier is chosen by the same number."""
    by = Rate(shape="volume", tiers=tiers((1, "5"), (25, "4")), tier_by="active")
    to = subscribed(PER_WINDOW, tariff=tariff(base=None, overage=by, floor=25))
    assert cost(to, {1: 4, 2: 30}, 2) == [(1, OVERAGE, 25, "100.00"), (2, OVERAGE, 30, "120.00")]
    assert [it.minimum for it in charges(to, used(to, {1: 4, 2: 30}))[:2]] == [25 - 4, 0]


@pytest.mark.parametrize("policy", ["notify", "block-new", "block"])
def test_overage_is_no_charge_unless_the_policy_is_to_bill_it(policy: str) -> None:
    """A-24."""
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff(), policy=policy)
    assert cost(to, {1: 13}, 1) == [(1, BASE, 10, "20.00")]


def test_overage_of_each_pool_is_a_line_of_its_own() -> None:
    own = Allowance(pool_scope="organisation")
    to = subscribed(own, (START, 1, "north"), (START, 2, "süd"), tariff=tariff())
    tallies = [counted(1, 4, organisation="north"), counted(1, 4, organisation="süd")]
    found = charges(to, used(to, tallies, organisations=("north", "süd")))
    assert [(it.pool, it.kind, it.units) for it in found if it.window == 1] == [
        ("north", BASE, 1),
        ("north", OVERAGE, 3),
        ("süd", BASE, 2),
        ("süd", OVERAGE, 2),
    ]


def test_a_line_is_rounded_once() -> None:
    """3 * 0.335 = 1.005; in yen 3 * 0.5 = 1.5."""
    to = subscribed(PER_WINDOW, tariff=tariff(overage=flat("0.335")))
    assert cost(to, {1: 3}, 1) == [(1, OVERAGE, 3, "1.01")]
    yen = subscribed(PER_WINDOW, tariff=tariff(overage=flat("0.5"), currency="JPY"))
    assert cost(yen, {1: 3}, 1) == [(1, OVERAGE, 3, "2")]


def test_overage_of_a_pool_is_charged_in_the_window_in_which_it_happens() -> None:
    """S-12: 12 of 10 are used by the end of February, and 3 more in March; a top-up takes nothing back."""
    to = subscribed(PER_TERM, (START, 10), ("2026-04-01T00:00Z", 20), tariff=tariff())
    assert [line for line in cost(to, {1: 8, 2: 4, 3: 3, 4: 1}, 12) if line[1] == OVERAGE] == [
        (2, OVERAGE, 2, "7.00"),
        (3, OVERAGE, 3, "10.50"),
    ]


# What is not known, and whose prices hold.


def test_without_a_tariff_lines_have_units_and_no_amounts() -> None:
    to = subscribed(PER_WINDOW, (START, 10), (MID_FEBRUARY, 15))
    assert cost(to, {1: 12}, 2) == [
        (1, BASE, 10, None),
        (1, OVERAGE, 2, None),
        (2, BASE, 10, None),
        (2, ADDED, 5, None),
    ]
    assert cost(subscribed(PER_TERM, (START, 10)), {}, 12) == [(1, BASE, 10, None)]


def test_overage_whose_rate_is_not_stated_is_never_charged_at_that_of_the_base() -> None:
    """F-j."""
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff(overage=None))
    assert cost(to, {1: 12}, 1) == [(1, BASE, 10, "20.00"), (1, OVERAGE, 2, None)]
    [_, over, *_] = charges(to, used(to, {1: 12}))
    assert over == Charge(window=1, kind=OVERAGE, units=2, due_us=FIRSTS[1])


def test_a_quote_wins_over_the_plans_prices() -> None:
    """W-44."""
    quote = Tariff(currency="USD", overage=flat("0.10"))
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff(), quote=quote)
    [only] = [it for it in charges(to, used(to, {1: 12})) if it.window == 1]
    assert (only.kind, only.amount) == (OVERAGE, Money(Decimal("0.20"), "USD"))


def test_prices_of_another_version_hold_from_the_next_window_on() -> None:
    dearer = plan(PER_WINDOW, tariff(base=flat("2.50")))
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff(), changes=(Change(us(MID_FEBRUARY), dearer),))
    assert [amount for *_, amount in cost(to, {})] == ["20.00", "20.00", "25.00"]


def test_an_open_window_has_its_charges_so_far() -> None:
    to = subscribed(PER_WINDOW, (START, 10), tariff=tariff())
    found = charges(to, used(to, {1: 12}, us("2026-01-20T00:00Z")))
    assert [(it.kind, it.units, it.due_us) for it in found] == [(BASE, 10, FIRSTS[0]), (OVERAGE, 2, FIRSTS[1])]


def test_a_floor_counts_what_is_granted_in_the_window_and_not_what_came_from_before() -> None:
    """20 of January's 30 come into February; there 30 more are granted and 60 count: 10 beyond, 30 + 10 < 45."""
    to = subscribed(Allowance(rollover_windows=1), (START, 30), tariff=tariff(base=None, floor=45))
    [_, february, *_] = charges(to, used(to, {1: 10, 2: 60}))
    assert (february.units, february.minimum) == (10 + 5, 45 - (30 + 10))


@pytest.mark.parametrize(
    ("active", "units", "minimum"), [(2, 10 - 5, 5), (7, 10 - 5, 5 - 2), (10, 5, 0), (12, 12 - 5, 0)]
)
def test_what_the_plan_includes_comes_off_the_floor(active: int, units: int, minimum: int) -> None:
    """Of a floor of 10 the plan includes 5: with 7 active, 2 are beyond, and 3 are missing to the floor."""
    to = subscribed(Allowance(per="window", quantity=5), tariff=Tariff(currency="EUR", floor=10, overage=flat("1.00")))
    [charge] = charges(to, used(to, {1: active})[:1])
    assert (charge.units, charge.minimum) == (units, minimum)
