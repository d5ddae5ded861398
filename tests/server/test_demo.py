"""The sample: all five documents, the same each time, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import authenticate

from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US, to_us
from rollbook.server import models
from rollbook.server.live import contracts, metering
from rollbook.server.operation import demo, recounting, welcome
from rollbook.server.operation.demo import SAMPLES

NOW_US = to_us(datetime(2026, 11, 26, 15, 30, tzinfo=UTC))


def _facts(now_us: int) -> dict[str, list[Fact]]:
    start = datetime(2026, 7, 1, tzinfo=UTC).date()
    return {sample.customer: list(demo._facts(sample, start, now_us)) for sample in SAMPLES}


def test_the_same_instant_gives_the_same_facts_and_a_later_one_adds_to_them() -> None:
    today, again = _facts(NOW_US), _facts(NOW_US)
    assert today == again
    later = _facts(NOW_US + 60 * DAY_US)
    for customer, facts in today.items():
        assert {fact.key: fact for fact in facts}.items() <= {fact.key: fact for fact in later[customer]}.items()
        assert len({fact.key for fact in later[customer]}) == len(later[customer])
    assert sum(map(len, later.values())) > sum(map(len, today.values()))


def test_nothing_lies_in_the_future_and_the_last_day_has_something() -> None:
    instants = [fact.at_us for facts in _facts(NOW_US).values() for fact in facts]
    assert NOW_US - 2 * DAY_US < max(instants) < NOW_US


def test_an_account_is_made_before_it_is_enabled_and_enabled_before_anything_is_done() -> None:
    for facts in _facts(NOW_US).values():
        first: dict[str, dict[str, int]] = {}
        for fact in facts:
            if fact.learner:
                first.setdefault(fact.learner, {}).setdefault(fact.type, fact.at_us)
        for found in first.values():
            assert found["account.created"] < found.get("account.enabled", NOW_US)
            deeds = [at for type_, at in found.items() if not type_.startswith(("account.", "enrolment."))]
            assert found.get("account.enabled", 0) < min(deeds, default=NOW_US)


@pytest.mark.usefixtures("ledger")
def test_loading_twice_changes_nothing_and_loading_later_adds_the_days_since() -> None:
    first = demo.load(NOW_US)
    assert (first.customers, first.facts) == (7, first.new)
    active = _active(NOW_US)
    # Every plan of the five documents is there, and somebody counted on each.
    assert {plan for plan, _ in active} == {
        "facilitate-annual", "docebo-mau", "reach360-starter", "secondnature-seats", "secondnature-mau",
        "secondnature-mauc", "wisenet-elearning", "wisenet-lrm",
    }  # fmt: skip
    assert all(active.values())

    second = demo.load(NOW_US)
    assert (second.facts, second.new) == (first.facts, 0)
    assert _active(NOW_US) == active

    later = demo.load(NOW_US + 3 * DAY_US)
    assert later.new > 0
    assert later.facts == first.facts + later.new
    for row in models.Subscription.objects.select_related("customer", "plan"):
        assert recounting.recount(row.pk).differences == []


def _active(now_us: int) -> dict[tuple[str, int], int]:
    found = {}
    for row in models.Subscription.objects.select_related("customer", "plan"):
        account = metering.account_of(contracts.live(row), now_us)
        counted = sum(it.active for it in account.consumption) + sum(it.ever for it in account.seats)
        found[row.plan.plan_id, row.pk] = counted
    return found


@pytest.mark.usefixtures("ledger")
def test_nobody_can_sign_in_before_passwords_are_made_and_they_are_made_once() -> None:
    demo.load(NOW_US)
    assert not authenticate(username=demo.OPERATOR, password="")
    made = welcome.make(NOW_US)
    for person, role in zip(made.people, ("administrator", "operator"), strict=True):
        user = authenticate(username=person.email, password=person.password)
        assert isinstance(user, models.User)
        assert (user.role, user.customer is None) == (role, role == "operator")
    assert made.trial is not None
    again = welcome.make(NOW_US)
    assert not again
    assert authenticate(username=demo.OPERATOR, password=made.people[1].password)


@pytest.mark.usefixtures("ledger")
def test_a_sample_whose_term_is_over_has_people_and_nothing_to_try() -> None:
    # Its term is a year from 1 July 2026.
    demo.load(NOW_US)
    made = welcome.make(to_us(datetime(2027, 7, 1, tzinfo=UTC)))
    assert (len(made.people), made.trial) == (2, None)
    lines = list(welcome.first_lines(made, "http://localhost:8000", NOW_US))
    assert any(demo.ADMINISTRATOR in line for line in lines)
    assert not any("curl" in line for line in lines)


@pytest.mark.usefixtures("ledger")
def test_terms_are_a_year_from_the_first_of_a_month() -> None:
    demo.load(NOW_US)
    for row in models.Subscription.objects.all():
        assert (row.start.day, row.end - row.start) == (1, timedelta(days=365))
