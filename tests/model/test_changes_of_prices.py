"""When what is bought is due stays the same within a term, so that nothing is paid twice, or never."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from rollbook.errors import SubscriptionError
from rollbook.model.allowance import Allowance
from rollbook.model.subscription import Change, Subscription
from rollbook.model.tariff import Tariff
from tests.accounting.made import flat, plan
from tests.metering.written import us

YEARLY = Tariff(currency="EUR", base=flat("120.00"), base_every="term")


def changed(first: Tariff | None, second: Tariff | None, quote: Tariff | None = None) -> Subscription:
    before, after = (plan(Allowance(per="term"), tariff) for tariff in (first, second))
    change = Change(us("2026-03-01T00:00Z"), after)
    return Subscription(plan=before, start=date(2026, 1, 1), end=date(2026, 5, 1), changes=(change,), quote=quote)


@pytest.mark.parametrize(
    "how", [{"base_every": "window"}, {"base_timing": "arrears"}, {"base_timing": "arrears", "base_charged": "used"}]
)
def test_what_is_bought_is_not_due_otherwise_from_the_middle_of_a_term_on(how: dict[str, str]) -> None:
    with pytest.raises(SubscriptionError, match="some of it would be paid twice, or never"):
        changed(YEARLY, replace(YEARLY, **how))


@pytest.mark.parametrize(
    "other",
    [
        replace(YEARLY, base=flat("100.00")),
        # An allowance of the term has a base of the term, whether or not that is written.
        replace(YEARLY, base_every="allowance"),
        Tariff(currency="EUR", overage=flat("1.00")),
        None,
    ],
)
def test_its_rate_may_change_and_it_may_end(other: Tariff | None) -> None:
    assert changed(YEARLY, other).plan_at(us("2026-04-01T00:00Z")).tariff == other


def test_under_a_quote_the_plans_prices_do_not_matter() -> None:
    assert changed(YEARLY, replace(YEARLY, base_every="window"), quote=YEARLY).quote == YEARLY
