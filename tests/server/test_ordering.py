"""When an ordered report is sent next, and what a change of the order does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rollbook.server import models
from rollbook.server.access.principals import user_principal
from rollbook.server.notices import ordering, orders
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")


def order(every: str, **more) -> models.ReportOrder:
    row = world.subscribe(world.customer(), **more)
    by = callers.user("administrator", row.customer)
    return models.ReportOrder.objects.create(
        subscription=row, report="consumption", every=every, address="a@example.org", created_by=by
    )


@pytest.mark.parametrize(
    ("every", "now", "wanted"),
    [
        # The term is 2026, its windows are months, in UTC.
        ("month", "2026-03-15", date(2026, 4, 1)),
        ("month", "2026-12-31", date(2027, 1, 1)),
        # January 2027 has no day of the term: its report is sent to nobody.
        ("month", "2027-01-01", None),
        # Before the term: January is over on the first of February.
        ("month", "2025-10-15", date(2026, 2, 1)),
        ("close", "2026-03-15", date(2026, 4, 1)),
        ("close", "2025-10-15", date(2026, 2, 1)),
        ("close", "2027-01-01", None),
    ],
)
def test_the_next_report_comes_after_the_month_or_window_that_runs(every, now, wanted):
    assert orders.next_on(order(every), datetime.fromisoformat(now).replace(tzinfo=UTC)) == wanted


def test_the_first_of_a_month_is_the_terms_own():
    # 23:30 UTC on 31 March is 1 April in Auckland, so April has begun there and ends in May.
    found = order("month", zone="Pacific/Auckland")
    assert orders.next_on(found, datetime(2026, 3, 31, 23, 30, tzinfo=UTC)) == date(2026, 5, 1)


def test_an_order_that_changes_its_time_is_not_sent_for_what_was_over_before():
    found = order("close")
    models.ReportOrder.objects.filter(pk=found.pk).update(
        created_at=found.created_at - timedelta(days=400), paused="whoever ordered it is disabled", last_sent_for="3"
    )
    by = user_principal(callers.user("administrator", found.subscription.customer, "other@example.org"))
    changed = ordering.change(by, found.pk, ordering.Wanted("mau", "company", "xlsx", "b@example.org", "month"))
    assert (changed.report, changed.format, changed.address, changed.every) == ("mau", "xlsx", "b@example.org", "month")
    assert (changed.created_by_id, changed.paused) == (by.user, "")
    assert orders.order_reports(datetime.now(UTC)) == 0
    assert models.Audit.objects.filter(action="report-order.changed", customer=found.subscription.customer).count() == 1


def test_an_order_is_changed_by_the_api_as_a_whole_and_stays_as_it_was_where_that_is_refused():
    found = order("close")
    caller = callers.administrator(found.subscription.customer)
    path = f"/report-orders/{found.pk}"
    wanted = {"report": "users", "by": "learner", "format": "xlsx", "address": "b@example.org", "every": "month"}
    said = caller.call("PUT", path, wanted).json()
    assert {name: said[name] for name in wanted} == wanted
    assert said["subscription"] == found.subscription_id
    # Rows by learner are for whoever reads learners; a subscription is not changed; a report has its name.
    assert callers.by_key("manage").call("PUT", path, wanted).status_code == 403
    for wrong in ({"report": "usrs"}, {"subscription": 1}, {"address": "nobody"}, {"every": "day"}):
        assert caller.call("PUT", path, wanted | wrong).status_code == 422
    # What is left out is as in a new order, not as it was before.
    caller.call("PUT", path, {"report": "usage", "address": "c@example.org"})
    found.refresh_from_db()
    assert (found.report, found.format, found.every, found.address) == ("usage", "csv", "close", "c@example.org")


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        # The term is 2026, in UTC: nothing of it was over before February, and nothing comes after December.
        ("2026-01-31", ""),
        ("2026-02-01", "2026-01"),
        ("2026-07-15", "2026-06"),
        ("2029-07-15", "2026-12"),
    ],
)
def test_the_last_month_of_a_term_is_one_that_is_over(now, wanted):
    assert orders.last_period(order("month"), datetime.fromisoformat(now).replace(tzinfo=UTC)) == wanted


def test_the_last_window_is_the_last_that_was_closed():
    found = order("close")
    assert orders.last_period(found, datetime.now(UTC)) == ""
    for number, window in ((1, 1), (2, 2), (3, None)):
        models.Statement.objects.create(
            subscription=found.subscription, number=number, window_number=window, record={}, closed_by="worker"
        )
    assert orders.last_period(found, datetime.now(UTC)) == "2"
