"""What time triggers is derived from the tables: done once, however often and by however many it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connections

from rollbook.model.plan import Plan
from rollbook.server.models import (
    Crossing,
    Done,
    Message,
    Organisation,
    Refusal,
    ReportedCount,
    ReportOrder,
    Reservation,
    Statement,
    Subscription,
    UpgradeTask,
    User,
)
from rollbook.server.notices import orders
from rollbook.server.operation import jobs

from . import callers, world

pytestmark = pytest.mark.usefixtures("ledger")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at_once(work: Callable[[], Any], times: int = 2) -> list[Any]:
    """What several workers get who do the same at the same moment."""
    together, got = threading.Barrier(times), []

    def one() -> None:
        together.wait()
        try:
            got.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    return got


def operator() -> None:
    User.objects.create(username="op", email="op@example.org", role=User.OPERATOR)


def plan(per: str, quantity: int, policy: str = "bill") -> Plan:
    return world.own_plan(
        '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
        f'[allowance]\nper = "{per}"\nquantity = {quantity}\n[limit]\npolicy = "{policy}"\n',
        f"made-up-{per}-{quantity}-{policy}",
    )


def told(event: str) -> list[dict[str, Any]]:
    return [it.content["data"] for it in Message.objects.filter(event=event).order_by("pk")]


# Windows.


def status_plan() -> Plan:
    return world.own_plan(
        '[meter]\nholds = { on = ["account.enabled"], off = ["account.disabled"] }\n'
        '[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\nquantity = 2\n',
        "made-up-status",
    )


def test_a_window_begins_with_whoever_carries_in_and_its_thresholds_are_told() -> None:
    """2 learners stay enabled, 2 are included: February begins at 100 % with no fact of its own."""
    row = world.subscribe(world.customer(), status_plan())
    world.send(
        [world.row(name, name, "2026-01-05T10:00", "account.enabled") for name in ("ann", "bob")], "2026-01-05T11:00"
    )
    assert jobs.begin_windows(at("2026-01-31T23:59:59")) == 0
    assert jobs.begin_windows(at("2026-02-01T00:00:00")) == 1
    assert world.active(row, "2026-02-01T00:00") == {1: 2, 2: 2}
    assert set(Crossing.objects.values_list("window_number", "percent")) == {
        *((1, percent) for percent in (80, 90, 100)),
        *((2, percent) for percent in (80, 90, 100)),
    }
    assert jobs.begin_windows(at("2026-02-01T00:00:10")) == 0
    assert world.differences(row) == []


def test_a_worker_that_was_away_begins_all_windows_in_order_and_two_begin_them_once() -> None:
    row = world.subscribe(world.customer(), status_plan())
    world.send([world.row("ann", "ann", "2026-01-05T10:00", "account.enabled")], "2026-01-05T11:00")
    assert sorted(at_once(lambda: jobs.begin_windows(at("2026-04-10T00:00:00")))) in ([0, 1], [1, 1])
    row.refresh_from_db()
    assert row.windows_begun == 4
    assert world.active(row, "2026-04-10T00:00") == {1: 1, 2: 1, 3: 1, 4: 1}
    assert world.differences(row) == []


def test_a_term_that_is_over_is_left_alone() -> None:
    world.subscribe(world.customer())
    jobs.begin_windows(at("2027-06-01T00:00:00"))
    assert jobs.begin_windows(at("2027-06-02T00:00:00")) == 0


def test_one_subscription_that_cannot_go_on_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    first = world.subscribe(world.customer())
    second = world.subscribe(world.customer("Southern Academy", ["south"]))
    really = jobs.metering.begin_windows

    def broken(live: Any, at_us: int) -> Any:
        if live.key == first.pk:
            raise ValueError("ann@example.org is wrong")
        return really(live, at_us)

    monkeypatch.setattr(jobs.metering, "begin_windows", broken)
    assert jobs.begin_windows(at("2026-02-01T00:00:00")) == 1
    second.refresh_from_db()
    assert second.windows_begun == 2
    printed = capsys.readouterr()
    assert "ValueError" in printed.out + printed.err + caplog.text
    assert "ann@example.org" not in printed.out + printed.err + caplog.text


# Held facts.


def test_a_fact_of_the_future_comes_in_when_its_time_has_come() -> None:
    row = world.subscribe(world.customer())
    world.send([world.row("1", "ann", "2026-01-05T12:00")], "2026-01-05T10:00")
    assert jobs.release_held(at("2026-01-05T11:59:59")) == 0
    assert jobs.release_held(at("2026-01-05T12:00:01")) == 1
    assert world.active(row, "2026-01-05T12:01") == {1: 1}


def test_facts_of_an_organisation_that_nobody_has_are_told_once_a_day() -> None:
    operator()
    world.send(
        [world.row(str(n), "ann", "2026-01-05T10:00", organisation="nowhere") for n in range(3)], "2026-01-05T11:00"
    )
    assert sum(at_once(lambda: jobs.tell_held(at("2026-01-05T12:00:00")))) == 1
    assert jobs.tell_held(at("2026-01-05T23:59:59")) == 0
    assert jobs.tell_held(at("2026-01-06T00:00:00")) == 1
    assert told("facts.held") == [{"facts": 3, "organisations": ["nowhere"]}] * 2
    Organisation.objects.create(name="nowhere", customer=world.customer())
    jobs.release_held(at("2026-01-07T00:00:00"))
    assert jobs.tell_held(at("2026-01-07T00:00:00")) == 0


# Forecasts.


def three_months(learners: int) -> None:
    for month in ("01", "02", "03"):
        when = f"2026-{month}-05T10:00"
        world.send([world.row(f"{when}{n}", str(n), when) for n in range(learners)], f"2026-{month}-05T11:00")
    jobs.begin_windows(at("2026-04-01T00:00:00"))
    Message.objects.all().delete()


def test_a_window_that_will_probably_not_do_is_foreseen_once() -> None:
    """20 came on the 5th of each month and 10 are included; on 2 April 1 has come.

    Every run adds 20: 21 in all, 11 too many, so the 10th of 20 to come is the last that is included. Two thirds of
    all came in hundredth 14 of their month and a third in hundredth 15 (February is shorter), so half of them came
    when three quarters of hundredth 14 were over: 14.75 % of April's 30 days, on the 5th at 10:12.
    """
    operator()
    customer = world.customer()
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=customer)
    world.subscribe(customer, plan("window", 10))
    three_months(20)
    world.send([world.row("april", "0", "2026-04-01T10:00")], "2026-04-01T11:00")
    now = at("2026-04-02T10:00:00")
    assert jobs.foresee(now) == 1
    [data] = told("threshold.foreseen")
    assert data["likely_on"] == "2026-04-05"
    assert data["percent_likely"] == 100
    assert (data["window"], data["used"], data["allowance"]) == (4, 1, 10)
    assert Message.objects.get(event="threshold.foreseen").address == "ada@example.org"
    assert jobs.foresee(now) == 0  # done for today
    jobs.foresee(now + timedelta(days=1))
    assert len(told("threshold.foreseen")) == 1


def test_a_pool_of_the_term_is_foreseen_for_the_window_in_which_it_will_be_used_up() -> None:
    """50 for the year, 10 a month: 30 until March, 40 with April, 50 with May, and June's first is one too many.

    Of 10 to come in June the first: a tenth of all, which had come when 3 of the 20 units of hundredth 14 had: 14.15 %
    of 30 days, on 5 June.
    """
    row = world.subscribe(world.customer(), plan("term", 50))
    operator()
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=row.customer)
    three_months(10)
    jobs.foresee(at("2026-04-02T10:00:00"))
    [data] = told("threshold.foreseen")
    assert (data["likely_on"], data["used"], data["allowance"]) == ("2026-06-05", 30, 50)


def test_what_is_enough_or_too_little_known_is_not_foreseen() -> None:
    """11 for 10 a month is enough. After two complete months nothing can be told of anything."""
    row = world.subscribe(world.customer(), plan("window", 11))
    other = world.subscribe(world.customer(), plan("window", 1), meter="other")
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=row.customer)
    for month in ("01", "02"):
        when = f"2026-{month}-05T10:00"
        world.send([world.row(f"{when}{n}", str(n), when) for n in range(10)], f"2026-{month}-05T11:00")
    jobs.begin_windows(at("2026-03-01T00:00:00"))
    assert jobs.foresee(at("2026-03-02T00:00:00")) == 2
    assert told("threshold.foreseen") == []
    when = "2026-03-05T10:00"
    world.send([world.row(f"{when}{n}", str(n), when) for n in range(10)], "2026-03-05T11:00")
    jobs.begin_windows(at("2026-04-01T00:00:00"))
    jobs.foresee(at("2026-04-02T00:00:00"))
    assert [it["subscription"] for it in told("threshold.foreseen")] == [other.pk]


def test_an_upgrade_is_sized_by_what_is_foreseen() -> None:
    """A-38: 25 for the year, 30 used by March: the task says 30. 10 a month make 120 in the year, and the task says so."""
    world.subscribe(world.customer(), plan("term", 25, "notify"))
    three_months(10)
    assert UpgradeTask.objects.get().units_that_fit == 30
    jobs.foresee(at("2026-04-02T10:00:00"))
    assert UpgradeTask.objects.get().units_that_fit == 120


def test_seats_are_foreseen_by_months() -> None:
    """One more seat each month: 1, 2, 3, 4 in April. May will have 5, and so on: the 6 that there are end with June."""
    seats = world.own_plan(
        '[meter]\nholds = { on = ["login"], off = ["account.disabled"], opens = "in-term" }\n'
        '[window]\nkind = "term"\n[allowance]\nper = "held"\nquantity = 6\n',
        "made-up-seats",
    )
    row = world.subscribe(world.customer(), seats)
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=row.customer)
    for month in range(1, 6):
        when = f"2026-0{month}-05T10:00"
        world.send([world.row(when, str(month), when)], f"2026-0{month}-05T11:00")
    jobs.foresee(at("2026-05-06T00:00:00"))
    [data] = told("threshold.foreseen")
    # 5 in May, 6 in June are within; July has 7.
    assert data["likely_on"].startswith("2026-07")
    assert (data["used"], data["allowance"], data["per"]) == (5, 6, "held")


# Counts of others.


def test_reported_counts_are_compared_when_their_day_is_over_and_differences_told() -> None:
    """3 had come by the 5th at noon, a 4th in the evening. One system reports 3, another 5."""
    operator()
    row = world.subscribe(world.customer())
    world.send([world.row(str(n), str(n), "2026-01-05T10:00") for n in range(3)], "2026-01-05T11:00")
    world.send([world.row("9", "9", "2026-01-05T20:00")], "2026-01-05T21:00")
    right = ReportedCount.objects.create(subscription=row, at=at("2026-01-05T12:00:00"), window_number=1, active=3)
    wrong = ReportedCount.objects.create(subscription=row, at=at("2026-01-05T12:00:00"), window_number=1, active=5)
    assert jobs.compare_counts(at("2026-01-05T23:59:00")) == 0
    now = at("2026-01-06T00:01:00")
    assert sum(at_once(lambda: jobs.compare_counts(now))) == 2
    for it in (right, wrong):
        it.refresh_from_db()
        assert (it.ours, it.compared_at) == (3, now)
    [data] = told("count.differs")
    assert (data["window"], data["at"], data["reported"], data["counted"]) == (1, "2026-01-05T12:00:00Z", 5, 3)


# Reports.


def order(row: Subscription, every: str, created: str = "2026-01-02T00:00:00") -> ReportOrder:
    made = ReportOrder.objects.create(
        subscription=row,
        report="usage",
        by="company",
        address="bob@example.org",
        every=every,
        created_by=callers.user("operator"),
    )
    ReportOrder.objects.filter(pk=made.pk).update(created_at=at(created))
    return made


def test_on_the_first_of_a_month_the_past_month_is_reported_once() -> None:
    """W-37."""
    order(world.subscribe(world.customer()), "month")
    assert orders.order_reports(at("2026-01-31T23:59:59")) == 0
    assert sum(at_once(lambda: orders.order_reports(at("2026-02-01T00:00:00")))) == 1
    assert orders.order_reports(at("2026-02-28T00:00:00")) == 0
    assert orders.order_reports(at("2026-03-01T00:00:00")) == 1
    assert [it["period"] for it in told("report.sent")] == ["2026-01", "2026-02"]
    assert set(Message.objects.values_list("address", "channel")) == {("bob@example.org", "mail")}


def test_the_first_is_the_one_of_the_subscriptions_zone() -> None:
    """Midnight of 1 February in Auckland (UTC+13) is 31 January 11:00 UTC, in Honolulu (UTC-10) 1 February 10:00."""
    east = order(world.subscribe(world.customer(), zone="Pacific/Auckland"), "month", "2025-12-31T12:00:00")
    west = order(world.subscribe(world.customer("Western", ["west"]), zone="Pacific/Honolulu"), "month")
    assert orders.order_reports(at("2026-01-31T10:59:59")) == 0
    assert orders.order_reports(at("2026-01-31T11:00:00")) == 1
    east.refresh_from_db()
    assert east.last_sent_for == "2026-01"
    assert orders.order_reports(at("2026-02-01T09:59:59")) == 0
    assert orders.order_reports(at("2026-02-01T10:00:00")) == 1
    west.refresh_from_db()
    assert west.last_sent_for == "2026-01"


def test_nothing_is_reported_of_months_before_the_order_or_outside_the_term() -> None:
    """The term is 2026. Ordered on 15 February, the first report is of February; the last is of December."""
    order(world.subscribe(world.customer()), "month", "2026-02-15T00:00:00")
    assert orders.order_reports(at("2026-02-16T00:00:00")) == 0
    assert orders.order_reports(at("2026-03-01T00:00:00")) == 1
    assert orders.order_reports(at("2027-01-01T00:00:00")) == 1
    assert orders.order_reports(at("2027-02-01T00:00:00")) == 0
    assert [it["period"] for it in told("report.sent")] == ["2026-02", "2026-12"]


def test_a_window_that_closes_is_reported_once() -> None:
    """W-23. Of several that close while the worker is away, the latest: a report has all windows."""
    row = world.subscribe(world.customer())
    order(row, "close", "2026-01-02T00:00:00")
    now = datetime.now(UTC)
    assert orders.order_reports(now) == 0
    for number in (1, 2):
        Statement.objects.create(
            subscription=row, number=number, window_number=number, digest="", record={}, closed_by=""
        )
    assert sum(at_once(lambda: orders.order_reports(now))) == 1
    assert orders.order_reports(now) == 0
    Statement.objects.create(subscription=row, number=3, window_number=3, digest="", record={}, closed_by="")
    assert orders.order_reports(now) == 1
    assert [it["period"] for it in told("report.sent")] == ["2", "3"]


def test_what_was_closed_before_the_order_is_not_reported() -> None:
    row = world.subscribe(world.customer())
    Statement.objects.create(subscription=row, number=1, window_number=1, digest="", record={}, closed_by="")
    ReportOrder.objects.create(subscription=row, report="usage", address="bob@example.org", every="close")
    assert orders.order_reports(datetime.now(UTC)) == 0


# What goes.


def test_what_nobody_needs_goes_and_what_is_needed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "REFUSALS_KEPT", 3)
    row = world.subscribe(world.customer())
    for n in range(5):
        Refusal.objects.create(sender="x", index=n, code="", rule="", remedy="")
    now = at("2026-06-01T00:00:00")
    for n, (state, days) in enumerate([("sent", 401), ("dead", 401), ("waiting", 401), ("sent", 399)]):
        made = Message.objects.create(message_id=str(n), channel="mail", event="", content={}, state=state, next_at=now)
        Message.objects.filter(pk=made.pk).update(created_at=now - timedelta(days=days))
    for n, hours in enumerate((-1, 1)):
        Reservation.objects.create(
            subscription=row, window_number=1, organisation="north", learner=str(n), until=now + timedelta(hours=hours)
        )
        Session.objects.create(session_key=str(n), session_data="", expire_date=now + timedelta(hours=hours))
    assert jobs.prune(now) == 2 + 2 + 1 + 1
    assert list(Refusal.objects.order_by("index").values_list("index", flat=True)) == [2, 3, 4]
    assert list(Message.objects.order_by("pk").values_list("message_id", flat=True)) == ["2", "3"]
    assert Reservation.objects.get().learner == "1"
    assert Session.objects.get().session_key == "1"
    assert jobs.prune(now) == 0


def test_a_day_is_marked_once() -> None:
    now = at("2026-01-05T12:00:00")
    assert sum(at_once(lambda: jobs._mark("x", now, "2026-01-05"), 3)) == 1
    assert sum(at_once(lambda: jobs._mark("x", now, "2026-01-06"), 3)) == 1
    assert Done.objects.get(job="x").done_for == "2026-01-06"
