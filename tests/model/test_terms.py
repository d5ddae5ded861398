"""What a subscription buys and changes within a term, and the terms that follow one another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from rollbook.errors import SubscriptionError
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.subscription_file import parse_terms, term_at
from rollbook.model.tariff import Rate, Tariff, Tier
from tests.metering.written import us
from tests.model.changed import toml

NAME = "our/subscription.toml"


def plan(id_: str = "months", **tables: Any) -> Plan:
    document = {
        "id": id_,
        "title": "P",
        "meter": {"counts": ["login"]},
        "window": {"kind": "calendar-month"},
        "allowance": {"per": "window"},
    }
    return parse_plan(toml(document | tables))


HELD = {"meter": {"holds": {"on": ["login"], "off": ["account.disabled"]}}}
OWN = {"per": "window", "pool_scope": "organisation"}
RATES = {"currency": "EUR", "overage": {"rate": 1}}

PLANS = {
    "months": plan(),
    "rising": plan("rising", allowance={"per": "window", "increase_only": True}),
    "pooled": plan("pooled", allowance={"per": "term"}),
    "own": plan("own", allowance=OWN),
    "seats": plan("seats", **HELD, allowance={"per": "held"}),
    "approved": plan("approved", **HELD, allowance={"per": "held", "reuse_requires_approval": True}),
    "larger": plan("larger", allowance={"per": "window", "quantity": 100}),
    "euros": plan("euros", tariff=RATES),
    "francs": plan("francs", tariff=RATES | {"currency": "CHF"}),
    "logins": plan("logins", meter={"counts": ["login", "session.entered"]}),
    "blocks": plan("blocks", window={"kind": "days", "length_days": 30}),
    "rolling": plan("rolling", allowance={"per": "window", "rollover_windows": 1}),
}


def terms(text: str) -> tuple[Subscription, ...]:
    return parse_terms(text, PLANS.__getitem__, NAME)


def said(text: str) -> list[tuple[str, str]]:
    """The place and the rule of everything that is wrong; nothing where the terms can be read."""
    try:
        terms(text)
    except SubscriptionError as error:
        found = error.problems
    else:
        return []
    assert all(problem.remedy for problem in found)
    return [(problem.place.removeprefix(f"{NAME}: "), problem.rule) for problem in found]


def year(plan: str = "months", **keys: Any) -> str:
    return toml({"plan": plan, "customer": "Acme", "start": date(2026, 1, 1), "end": date(2027, 1, 1)} | keys)


def step(day: date, units: int, **more: str) -> dict[str, Any]:
    return {"from": day, "units": units, **more}


MARCH, JUNE = date(2026, 3, 1), date(2026, 6, 1)


# What is bought.


def test_a_quantity_holds_from_its_instant_until_another() -> None:
    [term] = terms(year(zone="Europe/Paris", quantity=50, quantities=[step(JUNE, 80)]))
    assert term.quantities == (
        Quantity(us("2026-01-01T00:00+01:00"), 50),
        Quantity(us("2026-06-01T00:00+02:00"), 80),
    )
    june = us("2026-06-01T00:00+02:00")
    assert [term.bought(at) for at in (term.start_us - 1, term.start_us, june - 1, june)] == [0, 50, 50, 80]


def test_a_step_may_name_a_time_with_or_without_an_offset() -> None:
    text = year(zone="Europe/Paris") + (
        "quantities = [{ from = 2026-06-01T12:00:00Z, units = 1 }, { from = 2026-06-02T12:00:00, units = 2 }]\n"
    )
    [term] = terms(text)
    # In June Paris is two hours ahead of UTC.
    assert [it.from_us for it in term.quantities] == [us("2026-06-01T12:00Z"), us("2026-06-02T10:00Z")]


def test_steps_may_be_written_in_any_order_and_the_first_may_leave_out_its_start() -> None:
    [term] = terms(year(quantities=[step(JUNE, 80), {"units": 50}]))
    assert [it.units for it in term.quantities] == [50, 80]


def test_each_organisation_buys_for_itself_where_the_pools_are_theirs() -> None:
    quantities = [step(MARCH, 5, organisation="north"), step(MARCH, 7, organisation="süd")]
    [term] = terms(year("own", organisations=["north", "süd"], quantities=quantities))
    march = us("2026-03-01T00:00Z")
    assert [term.bought(march, name) for name in ("north", "süd", "")] == [5, 7, 0]


FROM_MARCH = "subscription Acme: quantity from 2026-03-01T00:00:00Z"
FROM_JUNE = "subscription Acme: quantity from 2026-06-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (year(quantity=-1), "quantity", f"expected a whole number from 0 to {10**9}, found -1"),
        (
            year(quantities=[step(date(2025, 12, 31), 1)]),
            "subscription Acme: quantity from 2025-12-31T00:00:00Z",
            "it begins outside the term",
        ),
        (
            year(quantities=[step(date(2027, 1, 1), 1)]),
            "subscription Acme: quantity from 2027-01-01T00:00:00Z",
            "it begins outside the term",
        ),
        (
            year(quantity=1, quantities=[step(date(2026, 1, 1), 2)]),
            "subscription Acme: quantity from 2026-01-01T00:00:00Z",
            "two quantities begin at once",
        ),
        (
            year("own", quantities=[step(MARCH, 1)]),
            FROM_MARCH,
            'the plan\'s pool_scope is "organisation"',
        ),
        (
            year(quantities=[step(MARCH, 1, organisation="north")]),
            FROM_MARCH,
            'the plan\'s pool_scope is "customer"',
        ),
        (
            year("own", organisations=["north"], quantities=[step(MARCH, 1, organisation="nroth")]),
            FROM_MARCH,
            '"nroth" is none of its organisations (nearest: north)',
        ),
        (
            year("rising", quantities=[step(MARCH, 80), step(JUNE, 79)]),
            FROM_JUNE,
            "80 fall to 79 within the term",
        ),
        (
            year("pooled", quantities=[step(MARCH, 80), step(JUNE, 79)]),
            FROM_JUNE,
            "80 fall to 79 within the term",
        ),
        (
            year("seats", approvals=[{"from": MARCH, "seats": 1}]),
            "subscription Acme",
            "released seats need no approval under this plan",
        ),
        (
            year("approved", approvals=[{"from": MARCH, "seats": 0}]),
            "approvals[1].seats",
            f"expected a whole number from 1 to {10**9}, found 0",
        ),
        (
            year("approved", approvals=[{"seats": 1}]),
            "approvals[1].from",
            "from is missing; expected a date without quotes, such as 2026-03-01",
        ),
    ],
)
def test_what_is_bought_fits_the_term_and_the_plan(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


def test_a_quantity_may_fall_where_the_plan_does_not_forbid_it() -> None:
    assert said(year("months", quantities=[step(MARCH, 80), step(JUNE, 79)])) == []


def test_one_organisation_may_have_less_than_another_had_before() -> None:
    rising = plan("own-rising", allowance=OWN | {"increase_only": True})
    quantities = (Quantity(us("2026-02-01T00:00Z"), 80, "north"), Quantity(us("2026-03-01T00:00Z"), 5, "süd"))
    term = Subscription(plan=rising, start=date(2026, 1, 1), end=date(2027, 1, 1), quantities=quantities)
    assert term.bought(us("2026-03-01T00:00Z"), "süd") == 5


def test_a_decrease_is_found_in_whatever_order_python_gives_the_steps() -> None:
    steps = (Quantity(us("2026-06-01T00:00Z"), 79), Quantity(us("2026-03-01T00:00Z"), 80))
    with pytest.raises(SubscriptionError, match="80 fall to 79"):
        Subscription(plan=PLANS["rising"], start=date(2026, 1, 1), end=date(2027, 1, 1), quantities=steps)


def test_approvals_are_read_in_order() -> None:
    approvals = [{"from": JUNE, "seats": 2}, {"from": MARCH, "seats": 1}]
    [term] = terms(year("approved", approvals=approvals))
    assert term.approvals == (Approval(us("2026-03-01T00:00Z"), 1), Approval(us("2026-06-01T00:00Z"), 2))


# Changes of the plan.


def changed(plan: str, *changes: tuple[date, str]) -> str:
    return year(plan, changes=[{"from": day, "plan": name} for day, name in changes])


def test_another_version_of_the_plan_holds_from_its_instant_on() -> None:
    [term] = terms(changed("months", (JUNE, "larger")))
    june = us("2026-06-01T00:00Z")
    assert [term.plan_at(at).id for at in (term.start_us, june - 1, june)] == ["months", "months", "larger"]


def test_changes_may_be_written_in_any_order() -> None:
    [term] = terms(changed("months", (JUNE, "euros"), (MARCH, "larger")))
    months = [us(f"2026-{month:02}-15T00:00Z") for month in (2, 4, 7)]
    assert [term.plan_at(at).id for at in months] == ["months", "larger", "euros"]


@pytest.mark.parametrize("other", ["logins", "blocks", "pooled", "own", "rolling"])
def test_a_version_that_meters_or_shares_out_otherwise_is_refused(other: str) -> None:
    [(where, rule)] = said(changed("months", (JUNE, other)))
    assert where == f"subscription Acme: plan {other} from 2026-06-01T00:00:00Z"
    assert rule == "it counts, cuts time or shares out otherwise than the plan before"


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2025, 6, 1), date(2027, 1, 1)])
def test_a_change_begins_after_the_term_does_and_before_it_ends(day: date) -> None:
    assert [rule for _, rule in said(changed("months", (day, "larger")))] == ["it begins outside the term"]


def test_two_changes_at_once_contradict_each_other() -> None:
    [(_, rule)] = said(changed("months", (JUNE, "larger"), (JUNE, "euros")))
    assert rule == "the change before it begins at the same time, or later"


def test_one_term_has_one_currency() -> None:
    assert said(changed("euros", (JUNE, "francs"))) == [("subscription Acme", "its plans have prices in CHF and EUR")]
    quoted = toml({"tariff": {"currency": "USD", "overage": {"rate": 1}}})
    assert said(changed("euros", (JUNE, "francs")) + quoted) == []


# Prices for one customer alone.


def test_a_quote_wins_over_every_version_of_the_plan() -> None:
    text = changed("euros", (JUNE, "months")) + "tariff = { currency = 'USD', overage = { rate = 0.10 } }\n"
    [term] = terms(text)
    quote = Tariff(currency="USD", overage=Rate(shape="flat", tiers=(Tier(1, Decimal("0.10")),)))
    assert term.quote == term.tariff_at(term.start_us) == term.tariff_at(term.end_us) == quote


def test_without_a_quote_the_version_in_force_names_the_price() -> None:
    [term] = terms(changed("euros", (JUNE, "months")))
    assert term.tariff_at(us("2026-05-31T23:59Z")) == PLANS["euros"].tariff
    assert term.tariff_at(us("2026-06-01T00:00Z")) is None


def test_a_quote_is_held_to_the_plan_as_its_own_tariff_is() -> None:
    assert said(year("pooled", tariff=RATES | {"floor": 10})) == [
        ("tariff.floor", 'floor does not go with per = "term": it is about each window')
    ]


# Renewals.


def test_a_renewal_begins_where_the_term_before_ended_with_nothing_of_it() -> None:
    first, second, third = terms(
        year(
            "rising",
            organisations=["north"],
            quantity=80,
            renewals=[{"quantity": 60}, {"start": date(2028, 2, 1), "end": date(2028, 8, 1), "plan": "months"}],
        )
    )
    assert (first.term, second.term, third.term) == (1, 2, 3)
    assert (second.start, second.end) == (date(2027, 1, 1), date(2028, 1, 1))
    assert (third.start, third.end) == (date(2028, 2, 1), date(2028, 8, 1))
    assert [term.plan.id for term in (first, second, third)] == ["rising", "rising", "months"]
    assert {(term.customer, term.organisations) for term in (first, second, third)} == {("Acme", ("north",))}
    # 80 fall to 60 at the renewal, where that is allowed; and what is not bought again is not bought.
    assert [term.bought(term.start_us) for term in (first, second, third)] == [80, 60, 0]


def test_a_renewal_has_steps_changes_approvals_and_a_quote_of_its_own() -> None:
    renewal = {
        "quantity": 1,
        "quantities": [step(date(2027, 6, 1), 2)],
        "approvals": [{"from": date(2027, 3, 1), "seats": 1}],
        "tariff": RATES,
    }
    first, second = terms(year("approved", renewals=[renewal]))
    assert (first.quantities, first.approvals, first.quote) == ((), (), None)
    assert [it.units for it in second.quantities] == [1, 2]
    assert second.approvals == (Approval(us("2027-03-01T00:00Z"), 1),)
    assert second.quote == Tariff(currency="EUR", overage=Rate(shape="flat", tiers=(Tier(1, Decimal(1)),)))
    [_, changed_later] = terms(year("months", renewals=[{"changes": [{"from": date(2027, 6, 1), "plan": "larger"}]}]))
    assert changed_later.changes == (Change(us("2027-06-01T00:00Z"), PLANS["larger"]),)


@pytest.mark.parametrize(
    ("renewal", "where", "rule"),
    [
        ({"start": date(2026, 12, 31)}, "renewals[1].start", "term 1 ends on 2027-01-01 only"),
        (
            {"end": date(2027, 1, 1)},
            "renewals[1].end",
            "the term would end on 2027-01-01, before it starts on 2027-01-01",
        ),
        ({"zone": "UTC"}, "renewals[1].zone", "there is no key zone here"),
        (
            {"quantities": [step(JUNE, 1)]},
            "subscription Acme: quantity from 2026-06-01T00:00:00Z",
            "it begins outside the term",
        ),
    ],
)
def test_a_renewal_that_does_not_follow_is_refused(renewal: dict[str, Any], where: str, rule: str) -> None:
    assert said(year(renewals=[renewal])) == [(where, rule)]


def test_an_instant_belongs_to_the_term_that_holds_it() -> None:
    """Before the first term it is the first's, in a gap the earlier one's, after the last the last one's."""
    found = terms(year(renewals=[{"start": date(2027, 3, 1)}]))
    instants = ("2025-07-01T00:00Z", "2026-07-01T00:00Z", "2027-02-01T00:00Z", "2027-03-01T00:00Z", "2030-01-01T00:00Z")
    assert [term_at(found, us(at)).term for at in instants] == [1, 1, 1, 2, 2]


def test_a_plan_that_changes_nothing_that_bears_on_figures_may_follow() -> None:
    better = replace(PLANS["months"], title="Put better")
    term = Subscription(
        plan=PLANS["months"],
        start=date(2026, 1, 1),
        end=date(2027, 1, 1),
        changes=(Change(us("2026-06-01T00:00Z"), better),),
    )
    assert term.plan_at(term.end_us).title == "Put better"
