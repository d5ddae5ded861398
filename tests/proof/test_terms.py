"""The subscription is rebuilt from the record alone, quote and all; what is none is refused with its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from rollbook.accounting.account import Account
from rollbook.accounting.statement import record
from rollbook.errors import RollbookError
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from rollbook.proof.terms import check_record, subscription_of

PLAN = 'id = "p"\ntitle = "P"\n[meter]\ncounts = ["login"]\n[window]\nkind = "anniversary-month"\n'
SEATS = (
    'id = "s"\ntitle = "S"\n[meter]\nholds = { on = ["login"] }\n[window]\nkind = "term"\n'
    '[allowance]\nper = "held"\nreuse_requires_approval = true\n'
)
LATER = PLAN + '[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 1\n'
TEXTS = (PLAN, SEATS, LATER)

FIRST = Subscription(plan=parse_plan(PLAN), start=date(2026, 1, 31), end=date(2027, 1, 31), zone="Europe/Paris")
FEBRUARY_US = FIRST.start_us + 86_400 * 10**6 * 20


def quoted(**changed: Any) -> Subscription:
    return replace(FIRST, quote=Tariff(**({"currency": "EUR"} | changed)))


SUBSCRIPTIONS = {
    "the plainest": FIRST,
    "named, anchored, renewed": replace(
        FIRST, customer="Ünï", organisations=("a", "b"), anchor=date(2026, 1, 29), term=3
    ),
    "with quantities": replace(FIRST, quantities=(Quantity(FIRST.start_us, 5), Quantity(FEBRUARY_US, 7))),
    "with approvals": replace(FIRST, plan=parse_plan(SEATS), approvals=(Approval(FEBRUARY_US, 2),)),
    "with a later version of the plan": replace(FIRST, changes=(Change(FEBRUARY_US, parse_plan(LATER)),)),
    "a flat quote": quoted(overage=Rate(shape="flat", tiers=(Tier(1, Decimal("0.0005")),))),
    "a package": quoted(base=Rate(shape="package", tiers=(Tier(1, Decimal(40)),), size=25), base_every="term"),
    "what is used of a base": quoted(
        base=Rate(shape="flat", tiers=(Tier(1, Decimal(3)),)), base_timing="arrears", base_charged="used", floor=10
    ),
    "tiers by what was nominated": quoted(
        overage=Rate(
            shape="volume", tiers=(Tier(1, Decimal(4), Decimal("1.50")), Tier(50, Decimal("3.25"))), tier_by="nominated"
        )
    ),
    "graduated": quoted(overage=Rate(shape="graduated", tiers=(Tier(1, Decimal(4)), Tier(9, Decimal(3))))),
}


def record_of(subscription: Subscription) -> dict[str, Any]:
    """A note after the term, in which nothing was booked."""
    account = Account(
        subscription=subscription,
        organisations=subscription.organisations or (),
        windows=(),
        as_of_us=subscription.end_us,
        consumption=(),
        seats=(),
        charges=(),
    )
    nothing = {"rows": 0, "root": "0" * 64}
    facts = {"rows": 0, "digest": "0" * 64}
    return record(account, None, number=1, previous=None, adjusted=(), evidence=nothing, facts=facts)


def texts() -> dict[str, str]:
    return {parse_plan(text).digest: text for text in TEXTS}


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_a_subscription_is_rebuilt_from_its_record(name: str) -> None:
    subscription = SUBSCRIPTIONS[name]
    rebuilt = subscription_of(check_record(record_of(subscription), "x"), texts(), "x")
    assert rebuilt == subscription
    assert record_of(rebuilt) == record_of(subscription)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": "odd"}, 'found "odd"'),
        ({"tiers": []}, "rate is missing"),
        ({"tier_by": "active"}, "leave tier_by out"),
        ({"tiers": [{"first": 1, "rate": "-1", "flat": "0"}]}, "expected an amount"),
    ],
)
def test_a_quote_that_is_none_is_refused(change: dict[str, Any], words: str) -> None:
    found = record_of(SUBSCRIPTIONS["a flat quote"])
    found["agreed"]["quote"]["overage"] |= change
    with pytest.raises(RollbookError, match=r"agreed\.quote") as raised:
        subscription_of(check_record(found, "statement.json"), texts(), "statement.json")
    assert words in str(raised.value)


def test_a_record_with_an_unknown_key_is_none() -> None:
    with pytest.raises(RollbookError, match=r"statement\.json: this is no statement: it does not have the keys format"):
        check_record(record_of(FIRST) | {"more": 1}, "statement.json")
