"""What units cost, with the workings."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from rollbook.accounting.rating import Cliff, Part, cheaper, cliffs, parts, price
from rollbook.model.money import Money, rounded
from rollbook.model.tariff import Rate
from tests.accounting.made import flat, tiers

STEPS = tiers((1, "5.00"), (101, "4.00"), (501, "3.00"))
VOLUME = Rate(shape="volume", tiers=STEPS)
GRADUATED = Rate(shape="graduated", tiers=STEPS)
PACKAGES = Rate(shape="package", tiers=tiers((1, "90")), size=25)


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    "rate", [flat("4.50"), VOLUME, GRADUATED, PACKAGES, Rate(shape="volume", tiers=tiers((1, "5", "10")))]
)
def test_no_units_cost_nothing(rate: Rate) -> None:
    assert parts(rate, 0) == ()
    assert price(rate, 0) == 0


@pytest.mark.parametrize(
    ("rate", "units", "expected"),
    [
        (flat("4.50"), 3, 3 * Decimal("4.50")),
        (VOLUME, 1, 1 * 5),
        (VOLUME, 100, 100 * 5),
        (VOLUME, 101, 101 * 4),
        (VOLUME, 500, 500 * 4),
        (VOLUME, 501, 501 * 3),
        (GRADUATED, 100, 100 * 5),
        (GRADUATED, 101, 100 * 5 + 1 * 4),
        (GRADUATED, 500, 100 * 5 + 400 * 4),
        (GRADUATED, 501, 100 * 5 + 400 * 4 + 1 * 3),
        (PACKAGES, 1, 1 * 90),
        (PACKAGES, 25, 1 * 90),
        (PACKAGES, 26, 2 * 90),
        (PACKAGES, 250, 10 * 90),
    ],
)
def test_each_shape_has_its_price(rate: Rate, units: int, expected: Decimal) -> None:
    assert price(rate, units) == expected


def test_the_fee_of_a_tier_is_paid_once_where_the_tier_is_reached() -> None:
    """By volume that of the tier reached alone; graduated that of each tier with units in it."""
    fees = tiers((1, "5", "20"), (11, "4", "30"))
    volume, graduated = Rate(shape="volume", tiers=fees), Rate(shape="graduated", tiers=fees)
    assert [price(volume, units) for units in (10, 11)] == [20 + 10 * 5, 30 + 11 * 4]
    assert [price(graduated, units) for units in (10, 11)] == [20 + 10 * 5, 20 + 10 * 5 + 30 + 1 * 4]


def test_parts_show_the_units_at_each_rate() -> None:
    five, four, three = (tier.rate for tier in STEPS)
    assert parts(GRADUATED, 502) == (Part(100, five), Part(400, four), Part(2, three))
    assert parts(VOLUME, 502) == (Part(502, three),)
    assert parts(PACKAGES, 26) == (Part(2, Decimal(90)),)


def test_another_number_may_choose_the_tier_of_a_volume_rate() -> None:
    """W-39: 20 units, at the rate that 501 reach; and with none nominated at the first rate."""
    assert price(VOLUME, 20, 501) == 20 * 3
    assert price(VOLUME, 20, 0) == 20 * 5


@pytest.mark.parametrize(
    ("rate", "units", "currency", "expected"),
    [
        # Rounded unit by unit these would be 3 * 0.34 = 1.02, 3 * 1 = 3 and 3 * 0.334 = 1.002.
        ("0.335", 3, "EUR", "1.01"),  # 1.005
        ("0.5", 3, "JPY", "2"),  # 1.5
        ("0.3335", 3, "BHD", "1.001"),  # 1.0005
    ],
)
def test_a_line_is_rounded_once_half_up_to_the_smallest_coin(
    rate: str, units: int, currency: str, expected: str
) -> None:
    assert str(rounded(price(flat(rate), units), currency).amount) == expected


def test_tiers_are_not_rounded_one_by_one() -> None:
    """1 * 0.004 + 1 * 0.004 + 1 * 0.004 = 0.012, and no part of it is a cent."""
    rate = Rate(shape="graduated", tiers=tiers((1, "0.004"), (2, "0.004"), (3, "0.004")))
    assert rounded(price(rate, 3), "EUR") == euros("0.01")


def test_no_digit_is_lost_on_the_way_whatever_the_precision_around() -> None:
    """12 digits before the point and 12 after it, times 10 ** 9 - 1 units."""
    rate = Rate(shape="volume", tiers=tiers((1, "999999999999.999999999999", "0.000000000001")))
    # n * (10**12 - 10**-12) + 10**-12 = n * 10**12 - (n - 1) * 10**-12, and so in units of 10**-12:
    n = 10**9 - 1
    with localcontext(prec=6):
        sign, digits, exponent = price(rate, n).as_tuple()
    assert (sign, exponent) == (0, -12)
    assert int("".join(map(str, digits))) == n * 10**24 - (n - 1)


# Cliffs.


def test_a_cliff_is_where_one_unit_more_costs_less() -> None:
    """F-h: 100 * 5 = 500 and 101 * 4 = 404; 500 * 4 = 2000 and 501 * 3 = 1503."""
    assert cliffs(VOLUME, "EUR") == (
        Cliff(100, euros("500.00"), 101, euros("404.00")),
        Cliff(500, euros("2000.00"), 501, euros("1503.00")),
    )


@pytest.mark.parametrize(
    "rate",
    [
        GRADUATED,
        PACKAGES,
        flat("1"),
        Rate(shape="volume", tiers=tiers((1, "5.00"), (101, "4.96"))),  # 101 * 4.96 = 500.96
        Rate(shape="volume", tiers=tiers((1, "5"), (5, "4"))),  # 4 * 5 = 5 * 4
        Rate(shape="volume", tiers=STEPS, tier_by="nominated"),
    ],
)
def test_where_more_never_costs_less_there_is_no_cliff(rate: Rate) -> None:
    assert cliffs(rate, "EUR") == ()
    assert [cheaper(rate, "EUR", units) for units in (0, 1, 4, 99, 100, 500)] == [None] * 6


@pytest.mark.parametrize(
    ("units", "more"), [(0, None), (80, None), (81, 101), (100, 101), (101, None), (375, None), (376, 501), (501, None)]
)
def test_the_cheapest_larger_number_is_named(units: int, more: int | None) -> None:
    """101 cost 404 = 80.8 * 5, so from 81 on they are cheaper; 501 cost 1503 = 375.75 * 4, so from 376 on."""
    found = cheaper(VOLUME, "EUR", units)
    assert (found.more if found else None) == more


def test_the_lowest_of_several_lower_prices_is_named() -> None:
    """100 cost 500; 101 cost 404; 110 cost 110."""
    rate = Rate(shape="volume", tiers=tiers((1, "5"), (101, "4"), (110, "1")))
    assert cheaper(rate, "EUR", 100) == Cliff(100, euros("500.00"), 110, euros("110.00"))
