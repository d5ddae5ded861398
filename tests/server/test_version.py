"""The version of figures: another one whenever they are others, and the same while they are not."""

from __future__ import annotations

import pytest
from django.db import transaction

from rollbook.server.live import contracts, metering
from rollbook.server.live.version import version
from rollbook.server.models import Quantity
from tests.server import world
from tests.server.world import row, send

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00"


def test_somebody_new_changes_it_and_somebody_again_does_not():
    stored = world.subscribe(world.customer(), "monthly-login", quantity=5)
    nobody = version(stored)
    send([row("1", "ana", "2026-01-10T09:00")], NOW)
    ana = version(stored)
    assert ana != nobody
    send([row("2", "ana", "2026-01-11T09:00")], NOW)
    assert version(stored) == ana
    send([row("3", "ben", "2026-01-11T09:00")], NOW)
    assert version(stored) not in (nobody, ana)


def test_taking_a_fact_back_brings_the_version_back():
    stored = world.subscribe(world.customer(), "monthly-login", quantity=5)
    nobody = version(stored)
    send([row("1", "ana", "2026-01-10T09:00")], NOW)
    send([row("2", "", "2026-01-10T09:00", "fact.voided", voids="1")], NOW)
    assert version(stored) == nobody


def test_a_seat_that_is_released_changes_it_though_nobody_counts_anew():
    stored = world.subscribe(world.customer(), "secondnature-seats", quantity=5)
    send([row("1", "ana", "2026-01-10T09:00")], NOW)
    held = version(stored)
    send([row("2", "ana", "2026-01-12T09:00", "account.disabled")], NOW)
    assert version(stored) != held


def test_a_window_that_begins_and_a_larger_quantity_change_it():
    stored = world.subscribe(world.customer(), "monthly-login", quantity=5)
    before = version(stored)
    with transaction.atomic():
        metering.begin_windows(contracts.live(stored), world.at("2026-02-01T00:00"))
    begun = version(stored)
    assert begun != before
    Quantity.objects.create(subscription=stored, from_us=world.at("2026-02-01T00:00"), units=9)
    assert version(stored) not in (before, begun)


def test_windows_begin_only_where_their_customer_is_locked():
    """Outside the transaction that locked the customer a batch might come between: whoever tries is told."""
    stored = world.subscribe(world.customer(), "monthly-login", quantity=5)
    for instant in ("2026-01-01T00:00", "2026-02-01T00:00"):
        with pytest.raises(RuntimeError, match="in the transaction"):
            metering.begin_windows(contracts.live(stored), world.at(instant))
    stored.refresh_from_db()
    assert stored.windows_begun == 1


def test_it_is_each_subscriptions_own():
    north, south = world.customer("North", ("north",)), world.customer("South", ("south",))
    one, other = world.subscribe(north, quantity=5), world.subscribe(south, quantity=5)
    before = version(other)
    send([row("1", "ana", "2026-01-10T09:00")], NOW)
    assert version(other) == before
    assert version(one) != before


def test_asking_takes_few_questions(django_assert_num_queries):
    stored = world.subscribe(world.customer(), "secondnature-seats", quantity=5)
    with django_assert_num_queries(3):
        version(stored)
