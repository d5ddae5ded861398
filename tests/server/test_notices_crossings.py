"""Thresholds are told once, by the batch that reached them; what is beyond is followed up and never refused."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connections, transaction

from rollbook.metering.calendar import windows
from rollbook.model.plan import Plan
from rollbook.server.live import contracts, metering
from rollbook.server.models import Crossing, Message, Subscription, UpgradeTask, User
from rollbook.server.notices import crossings, upgrade

from . import world

pytestmark = pytest.mark.usefixtures("ledger")


def plan(per: str = "window", policy: str = "bill", more: str = "", quantity: int = 10) -> Plan:
    limit = f'policy = "{policy}"\n{more}'
    window = 'kind = "calendar-month"'
    rules = f'[meter]\ncounts = ["login"]\n[window]\n{window}\n[allowance]\nper = "{per}"\nquantity = {quantity}\n[limit]\n{limit}\n'
    return world.own_plan(rules, f"made-up-{per}-{policy}")


def logins(names: Sequence[str] | range, when: str, prefix: str = "") -> list[dict[str, Any]]:
    return [world.row(f"{prefix}{when}-{name}", str(name), when) for name in names]


def subscribed(**of_plan: Any) -> Subscription:
    customer = world.customer()
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=customer)
    User.objects.create(username="op", email="op@example.org", role=User.OPERATOR)
    return world.subscribe(customer, plan(**of_plan))


def crossed() -> list[tuple[int, int]]:
    return list(Crossing.objects.order_by("window_number", "percent").values_list("window_number", "percent"))


def told(event: str = "threshold.crossed") -> list[dict[str, Any]]:
    return [it.content["data"] for it in Message.objects.filter(event=event, channel="mail").order_by("pk")]


def test_a_threshold_is_reached_at_exactly_its_share_and_told_once() -> None:
    """10 are included. The 7th login is 70 %, the 8th 80 %: told. The same again, and an 8th who comes back: silence."""
    subscribed()
    world.send(logins(range(7), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert crossed() == []
    world.send(logins([7], "2026-01-06T10:00"), "2026-01-06T11:00")
    assert crossed() == [(1, 80)]
    world.send(logins([7], "2026-01-06T10:00"), "2026-01-06T12:00")
    world.send(logins([7], "2026-01-07T10:00"), "2026-01-07T12:00")
    assert crossed() == [(1, 80)]
    [data] = told()
    assert (data["percent"], data["used"], data["allowance"], data["window"]) == (80, 8, 10, 1)
    assert (data["from"], data["until"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    crossing = Crossing.objects.get()
    assert (crossing.used, crossing.allowance, crossing.pool, crossing.forecast) == (8, 10, "", False)


def test_one_batch_may_reach_several_and_people_hear_of_the_highest() -> None:
    subscribed()
    world.send(logins(range(12), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert crossed() == [(1, 80), (1, 90), (1, 100)]
    assert [it["percent"] for it in told()] == [100]


def test_each_window_is_told_by_itself() -> None:
    subscribed()
    world.send(logins(range(8), "2026-01-05T10:00"), "2026-01-05T11:00")
    world.send(logins(range(9), "2026-02-05T10:00"), "2026-02-05T11:00")
    assert crossed() == [(1, 80), (2, 80), (2, 90)]


def test_a_pool_of_the_term_is_told_once_in_the_window_in_which_it_was_reached() -> None:
    """10 for the year: 5 in January, 3 more in February reach 8 = 80 %; March adds 1 = 90 %, and 80 % is not told again."""
    subscribed(per="term")
    world.send(logins(range(5), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert crossed() == []
    world.send(logins(range(5, 8), "2026-02-05T10:00"), "2026-02-05T11:00")
    assert crossed() == [(2, 80)]
    world.send(logins(range(8, 9), "2026-03-05T10:00"), "2026-03-05T11:00")
    assert crossed() == [(2, 80), (3, 90)]
    assert [(it["used"], it["allowance"], it["per"]) for it in told()] == [(8, 10, "term"), (9, 10, "term")]


def test_thresholds_are_the_plans() -> None:
    subscribed(more="thresholds = [50, 120]")
    world.send(logins(range(11), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert crossed() == [(1, 50)]
    world.send(logins([11], "2026-01-05T10:00"), "2026-01-05T12:00")
    assert crossed() == [(1, 50), (1, 120)]


def test_where_nothing_is_included_there_is_nothing_to_come_near_to() -> None:
    subscribed(quantity=0)
    world.send(logins(range(5), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert crossed() == []


def test_exactly_what_is_included_asks_for_no_upgrade_and_one_more_does_once() -> None:
    """A-22, A-24, A-38: 10 of 10 is within; the 11th opens a task for 11; the 13th makes it one for 13."""
    subscribed(policy="notify")
    world.send(logins(range(10), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert not UpgradeTask.objects.exists()
    world.send(logins([10], "2026-01-06T10:00"), "2026-01-06T11:00")
    assert UpgradeTask.objects.get().units_that_fit == 11
    world.send(logins([11, 12], "2026-01-07T10:00"), "2026-01-07T11:00")
    assert UpgradeTask.objects.get().units_that_fit == 13
    [data] = told("subscription.upgrade-suggested")
    assert (data["used"], data["allowance"], data["units_that_fit"]) == (11, 10, 11)
    # It is the vendor's staff that helps.
    assert Message.objects.get(event="subscription.upgrade-suggested").address == "op@example.org"


@pytest.mark.parametrize("policy", ["bill", "block-new", "block"])
def test_other_policies_suggest_nothing(policy: str) -> None:
    subscribed(policy=policy)
    receipt = world.send(logins(range(12), "2026-01-05T10:00"), "2026-01-05T11:00")
    assert receipt.new == 12  # facts are never refused for a limit (F-20)
    assert not UpgradeTask.objects.exists()


def test_a_task_that_was_done_opens_again_only_for_more_than_it_named() -> None:
    row = subscribed(policy="notify")
    with transaction.atomic():
        assert upgrade.suggest(row, "", 11, 10)
        UpgradeTask.objects.update(done_at="2026-01-06T00:00:00Z")
        assert not upgrade.suggest(row, "", 11, 10)
        assert upgrade.suggest(row, "", 12, 10)
        assert not upgrade.suggest(row, "", 12, 10, foreseen=20)
    assert sorted(UpgradeTask.objects.values_list("units_that_fit", flat=True)) == [11, 20]


def test_whoever_records_a_crossing_at_the_same_moment_it_is_told_once() -> None:
    row = subscribed()
    world.send(logins(range(8), "2026-01-05T10:00"), "2026-01-05T11:00")
    Crossing.objects.all().delete()
    Message.objects.all().delete()
    together = threading.Barrier(3)

    def record() -> None:
        try:
            account = metering.account_of(contracts.live(row), world.at("2026-01-05T11:00"))
            together.wait()
            with transaction.atomic():
                crossings.record_crossings(row, account)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=record) for _ in range(3)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert crossed() == [(1, 80)]
    assert len(told()) == 1


def test_counts_that_no_column_holds_are_compared_exactly_and_stored_as_far_as_it_goes() -> None:
    row, huge = subscribed(), 10**12
    level = crossings.Level(windows(contracts.subscription_of(row))[0], "", huge, huge + 1, "window")
    assert not level.reached(100)
    assert level.reached(99)
    assert not level.beyond
    assert crossings.insert(row, level, 99)
    assert not crossings.insert(row, level, 99)
    assert Crossing.objects.get().used == 2**31 - 1
