"""What [allowance], [limit], [governance] and [tariff] may not say, alone, together, and beside each other."""

from __future__ import annotations

import tomllib
from decimal import Decimal, localcontext
from typing import Any

import pytest

from rollbook.errors import PlanError, Problem
from rollbook.model.money import Money, rounded, total
from rollbook.model.plan import parse_plan
from rollbook.model.tariff import Rate, Tariff, Tier, parse_tariff
from tests.model.changed import toml
from tests.model.plans import COUNTING, HELD, HOLDING, PLAIN, problems, said, with_tables

FLAT = {"rate": 1}
TIERS = [{"first": 1, "rate": 4.5}, {"first": 101, "rate": 3}]


def allowance(**keys: Any) -> str:
    return with_tables(allowance={"per": "window", **keys})


def held(**keys: Any) -> str:
    return with_tables(HELD, allowance={"per": "held", **keys})


def tariff(**keys: Any) -> str:
    return with_tables(tariff={"currency": "EUR", **keys})


def base(**keys: Any) -> str:
    return tariff(base={"rate": 1, **keys})


def tiered(shape: str, tiers: list[Any], **keys: Any) -> str:
    return tariff(overage={"shape": shape, "tiers": tiers, **keys})


RISING = "expected a rising list of whole numbers from 1 to 1000, found something else"


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (with_tables(allowance={}), "allowance.per", "per is missing; expected one of window, term, held"),
        (
            with_tables(allowance={"per": "windows"}),
            "allowance.per",
            'expected one of window, term, held, found "windows" (nearest: window)',
        ),
        (allowance(quantity=-1), "allowance.quantity", f"expected a whole number from 0 to {10**9}, found -1"),
        (
            allowance(quantity=10**9 + 1),
            "allowance.quantity",
            f"expected a whole number from 0 to {10**9}, found {10**9 + 1}",
        ),
        (
            allowance(pool_scope="organization"),
            "allowance.pool_scope",
            'expected one of customer, organisation, found "organization" (nearest: organisation)',
        ),
        (held(basis="most"), "allowance.basis", 'expected one of peak, end, ever, found "most"'),
        (
            allowance(rollover_windows=601),
            "allowance.rollover_windows",
            f"expected a whole number from 0 to {50 * 12}, found 601",
        ),
        (
            with_tables(limit={"policy": "blok"}),
            "limit.policy",
            'expected one of bill, notify, block-new, block, found "blok" (nearest: block)',
        ),
        (with_tables(limit={"thresholds": [80, 80]}), "limit.thresholds", RISING),
        (with_tables(limit={"thresholds": [90, 80]}), "limit.thresholds", RISING),
        (with_tables(limit={"thresholds": [0, 80]}), "limit.thresholds", RISING),
        (with_tables(limit={"thresholds": [1001]}), "limit.thresholds", RISING),
        (with_tables(limit={"thresholds": ["80"]}), "limit.thresholds", RISING),
        (with_tables(limit={"thresholds": [True]}), "limit.thresholds", RISING),
        (
            with_tables(limit={"policy": "block", "grace_days": 367}),
            "limit.grace_days",
            "expected a whole number from 0 to 366, found 367",
        ),
        (
            with_tables(governance={"grace_days": 367}),
            "governance.grace_days",
            "expected a whole number from 0 to 366, found 367",
        ),
        (with_tables(governance={"close": "self"}), "governance.close", 'expected one of auto, approve, found "self"'),
        (
            with_tables(tariff={"overage": FLAT}),
            "tariff.currency",
            'currency is missing; expected text in quotes, such as "…"',
        ),
        (tariff(currency="eur", overage=FLAT), "tariff.currency", '"eur" is not a currency of ISO 4217'),
        (tariff(currency="EURO", overage=FLAT), "tariff.currency", '"EURO" is not a currency of ISO 4217'),
        (
            tariff(overage={"rate": -0.5}),
            "tariff.overage.rate",
            "expected an amount such as 4.50, found -0.5",
        ),
        (
            tariff(overage={"rate": 10**12}),
            "tariff.overage.rate",
            f"expected an amount such as 4.50, found {10**12}",
        ),
        (tariff(overage={}), "tariff.overage.rate", "rate is missing; expected an amount such as 4.50"),
        (
            tariff(overage={"shape": "tiered", "rate": 1}),
            "tariff.overage.shape",
            'expected one of flat, volume, graduated, package, found "tiered"',
        ),
        (
            tariff(overage={"shape": "package", "rate": 1, "size": 0}),
            "tariff.overage.size",
            f"expected a whole number from 1 to {10**9}, found 0",
        ),
        (
            tariff(overage={"shape": "package", "rate": 1}),
            "tariff.overage.size",
            f"size is missing; expected a whole number from 1 to {10**9}",
        ),
        (
            base(timing="arears"),
            "tariff.base.timing",
            'expected one of advance, arrears, found "arears" (nearest: arrears)',
        ),
        (
            tiered("volume", [{"first": 0, "rate": 1}]),
            "tariff.overage.tiers[1].first",
            f"expected a whole number from 1 to {10**9}, found 0",
        ),
        (
            tiered("volume", [{"first": 1}]),
            "tariff.overage.tiers[1].rate",
            "rate is missing; expected an amount such as 4.50",
        ),
        (
            tiered("volume", [{"first": 1, "rate": 1, "flat": -1}]),
            "tariff.overage.tiers[1].flat",
            "expected an amount such as 4.50, found -1",
        ),
    ],
)
def test_a_value_out_of_bounds_is_refused(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


ROLLOVER = "it is about a quantity of each window; a term's is usable throughout"


@pytest.mark.parametrize("written", ["nan", "inf", "-inf", "1e400", "1e-13", "0.1234567890123"])
def test_an_amount_has_at_most_12_digits_on_either_side(written: str) -> None:
    [(where, _)] = said(tariff(overage={"rate": 0}).replace("rate = 0", f"rate = {written}"))
    assert where == "tariff.overage.rate"


def test_every_bound_is_inside() -> None:
    assert said(allowance(quantity=10**9, rollover_windows=600)) == []
    assert said(with_tables(limit={"policy": "block", "thresholds": [1, 1000], "grace_days": 366})) == []
    assert said(with_tables(limit={"thresholds": []})) == []
    assert said(tariff(overage={"rate": 10**12 - 1})) == []


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (
            allowance(basis="peak"),
            "allowance.basis",
            'basis does not go with per = "window": it is about what is held at once',
        ),
        (
            allowance(reuse_requires_approval=True),
            "allowance.reuse_requires_approval",
            'reuse_requires_approval does not go with per = "window": it is about what is held at once',
        ),
        (
            with_tables(allowance={"per": "term", "rollover_windows": 1}),
            "allowance.rollover_windows",
            f'rollover_windows does not go with per = "term": {ROLLOVER}',
        ),
        (
            held(pool_scope="customer"),
            "allowance.pool_scope",
            'pool_scope does not go with per = "held": it is about a quantity per window or per term',
        ),
        (
            held(per_organisation=True),
            "allowance.per_organisation",
            'per_organisation does not go with per = "held": it is about a quantity per window or per term',
        ),
        (
            with_tables(allowance={"per": "held"}),
            "allowance.per",
            "nothing is held: this meter counts facts",
        ),
        (
            allowance(quantity=50, pool_scope="organisation"),
            "allowance.pool_scope",
            "each organisation has its own, but the quantity is the customer's",
        ),
        (
            with_tables(limit={"policy": "notify", "grace_days": 1}),
            "limit.grace_days",
            'policy = "notify" never blocks',
        ),
        (tariff(), "tariff", "nothing has a rate"),
        (tariff(floor=1, base=FLAT), "tariff.floor", "what is bought is charged in any case"),
        (
            base(charged="used"),
            "tariff.base.charged",
            "what was used is known at a window's end only",
        ),
        (
            base(charged="used", timing="arrears", every="term"),
            "tariff.base.charged",
            "what was used is known at a window's end only",
        ),
        (tiered("volume", []), "tariff.overage.tiers", 'shape = "volume" needs tiers'),
        (tiered("graduated", TIERS[1:]), "tariff.overage.tiers", "tiers begin at first = 1 and rise"),
        (tiered("volume", [*TIERS, TIERS[1]]), "tariff.overage.tiers", "tiers begin at first = 1 and rise"),
        (
            tiered("graduated", TIERS, tier_by="active"),
            "tariff.overage.tier_by",
            'with shape = "graduated" the units of the line choose',
        ),
        (
            tariff(base={"shape": "volume", "tiers": TIERS, "tier_by": "active"}),
            "tariff.base.tier_by",
            "what is bought does not depend on who is active",
        ),
        (
            with_tables(allowance={"per": "term"}, tariff={"currency": "EUR", "floor": 10, "overage": FLAT}),
            "tariff.floor",
            'floor does not go with per = "term": it is about each window',
        ),
        (
            with_tables(HELD, allowance={"per": "held"}, tariff={"currency": "EUR", "floor": 10, "overage": FLAT}),
            "tariff.floor",
            'floor does not go with per = "held": it is about each window',
        ),
        (
            with_tables(
                allowance={"per": "window", "rollover_windows": 1},
                tariff={"currency": "EUR", "base": {"rate": 1, "charged": "used", "timing": "arrears"}},
            ),
            "tariff.base.charged",
            "a part of what was bought may be used in another window than it was bought for",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


@pytest.mark.parametrize("text", [COUNTING, HOLDING])
def test_everything_that_is_wrong_with_money_is_said_at_once(text: str) -> None:
    """Each table is read to its end, whatever is wrong before."""
    document = tomllib.loads(text) | {"limit": {"policy": "x"}, "governance": {"close": "x"}, "allowance": {"per": "x"}}
    document["tariff"]["currency"] = "x"
    wrong = {"limit.policy", "governance.close", "allowance.per", "tariff.currency"}
    assert wrong <= {where for where, _ in said(toml(document))}


# Amounts.


@pytest.mark.parametrize(
    "written", ["0.1", "4.50", "1_000.25", "123456789012.123456789012", "0.1e-3", "7", "900_719_925_474"]
)
def test_an_amount_is_read_digit_for_digit(written: str) -> None:
    """0.1 in binary is 0.1000000000000000055…; in TOML it is a tenth."""
    plan = parse_plan(tariff(overage={"rate": 0}).replace("rate = 0", f"rate = {written}"))
    assert plan.tariff
    assert plan.tariff.overage
    assert plan.tariff.overage.tiers == (Tier(1, Decimal(written.replace("_", ""))),)


def test_minus_nothing_is_nothing() -> None:
    plan = parse_plan(tariff(overage={"rate": 0}).replace("rate = 0", "rate = -0.00"))
    assert plan.tariff
    assert plan.tariff.overage
    assert str(plan.tariff.overage.tiers[0].rate) == "0.00"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("2.345", "EUR", "2.35"),
        ("2.3449999", "EUR", "2.34"),
        ("-2.345", "EUR", "-2.35"),
        ("0.5", "JPY", "1"),
        ("2.4999", "JPY", "2"),
        ("1.2345", "BHD", "1.235"),
        ("1.2344", "BHD", "1.234"),
        ("3", "EUR", "3.00"),
    ],
)
def test_half_a_smallest_coin_goes_up(amount: str, currency: str, expected: str) -> None:
    """EUR has 2 digits, JPY none, BHD 3. Up means away from nothing: a credit note mirrors its invoice."""
    assert str(rounded(Decimal(amount), currency).amount) == expected


def test_sums_lose_no_digits_whatever_the_precision_around_them() -> None:
    """The largest rate times the largest quantity has 12 + 9 digits before the point, and 3 after it."""
    large = Money(Decimal("999999999999999999999.999"), "BHD")
    small = Money(Decimal("0.001"), "BHD")
    with localcontext(prec=5):
        assert (large + small).amount == Decimal(10) ** 21
        assert (large + small) - small == large
        assert total([large, small], "BHD") == Money(Decimal("1000000000000000000000.000"), "BHD")


def test_a_total_of_nothing_is_nothing_and_with_an_unknown_amount_it_is_unknown() -> None:
    one = Money(Decimal("1.00"), "EUR")
    assert total([], "EUR") == Money(Decimal("0.00"), "EUR")
    assert total([one, one], "EUR") == Money(Decimal("2.00"), "EUR")
    assert total([one, None], "EUR") is None
    assert total([], "") is None
    with pytest.raises(ValueError, match="EUR and JPY cannot be added"):
        one + Money(Decimal(1), "JPY")


# A file of rates.


def rates(text: str) -> Tariff:
    return parse_tariff(text, "rates.toml", PlanError)


def wrong(text: str) -> list[Problem]:
    with pytest.raises(PlanError) as raised:
        rates(text)
    return list(raised.value.problems)


def test_a_file_of_rates_holds_one_tariff() -> None:
    text = '[tariff]\ncurrency = "CHF"\noverage = { rate = 4.50 }\n'
    assert rates(text) == Tariff(currency="CHF", overage=Rate(shape="flat", tiers=(Tier(1, Decimal("4.50")),)))


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("", "rates.toml: tariff", "the table [tariff] is missing"),
        ('[tarif]\ncurrency = "CHF"\n', "rates.toml: tarif", "there is no key tarif here (nearest: tariff)"),
        ("tariff = 7\n", "rates.toml: tariff", "expected a table, found the number 7"),
        ('[tariff]\ncurrency = "CHF"\n', "rates.toml: tariff", "nothing has a rate"),
        (
            '[tariff]\ncurrency = "CHF"\noverage = { rat = 1 }\n',
            "rates.toml: tariff.overage.rat",
            "there is no key rat here (nearest: rate)",
        ),
    ],
)
def test_what_is_wrong_with_a_file_of_rates_is_said(text: str, place: str, rule: str) -> None:
    assert (place, rule) in [(problem.place, problem.rule) for problem in wrong(text)]


def test_a_file_of_rates_that_is_not_toml_names_its_line() -> None:
    [problem] = wrong("[tariff\n")
    assert problem.place == "rates.toml"
    assert problem.rule.startswith("this is not TOML: ")


def test_the_plain_plan_has_nothing_wrong() -> None:
    assert problems(PLAIN) == problems(HELD) == []
