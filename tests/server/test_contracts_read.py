"""What is agreed is read once and kept, and whatever changes of it is seen at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollbook import plans
from rollbook.model.plan import Plan, parse_plan
from rollbook.server.live import contracts
from rollbook.server.models import Customer, Organisation, Subscription

from .world import at, customer, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

FEBRUARY_US = at("2026-02-01T00:00")


def another_version() -> Plan:
    """The same plan under another title."""
    text = plans.find_plan("monthly-login").text
    return parse_plan(text.replace('title = "', 'title = "Again: ', 1))


def seats() -> Plan:
    """Seats that are free again when somebody says so."""
    text = plans.find_plan("secondnature-seats").text
    return parse_plan(text.replace('per = "held"', 'per = "held"\nreuse_requires_approval = true'))


CHANGES: dict[str, Callable[[Subscription], object]] = {
    "a quantity": lambda row: row.quantities.create(from_us=FEBRUARY_US, units=17),
    "how much a quantity is": lambda row: row.quantities.update(units=8),
    "an approval": lambda row: row.approvals.create(from_us=FEBRUARY_US, seats=1),
    "a change of the plan": lambda row: row.changes.create(
        from_us=FEBRUARY_US, plan=contracts.keep_plan(another_version())
    ),
    "a window that begins": lambda row: Subscription.objects.filter(pk=row.pk).update(windows_begun=3),
    "who counts as a member": lambda row: Subscription.objects.filter(pk=row.pk).update(assumed=["north"]),
    "an organisation of the customer": lambda row: Organisation.objects.create(name="east", customer=row.customer),
    "an organisation that is named": lambda row: row.organisations.add(Organisation.objects.get(name="north")),
    "the name of the customer": lambda row: Customer.objects.filter(pk=row.customer_id).update(name="Renamed"),
    "prices of its own": lambda row: Subscription.objects.filter(pk=row.pk).update(
        quote='[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 0.50\n'
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_is_seen(what: str) -> None:
    mine = customer(organisations=["north", "south"])
    row = subscribe(mine, seats() if what == "an approval" else "monthly-login", quantity=10)
    before = contracts.live_of_customers([mine.pk])
    assert contracts.live_of_customers([mine.pk])[0] is before[0], "it is kept"
    CHANGES[what](row)
    after = contracts.live_of_customers([mine.pk])
    assert after == [contracts.live(Subscription.objects.get(pk=row.pk))]
    assert after != before
