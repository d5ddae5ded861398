"""LAW: the roster of the server is `rollbook.roster_at` over the same facts, after any facts and any actions.

Facts are drawn that are hard on purpose: few learners, instants that coincide, links, voids, roles that do not matter,
delivered in any order. Actions are decided twice: by the server on what it reads of those concerned, and here by the
library on everything. The metering of the same facts, by the reference, has whoever the roster says is enabled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.metering import reference
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us
from rollbook.model.roster import Roster
from rollbook.model.subscription import Subscription
from rollbook.roster import changes
from rollbook.roster.view import roster_of
from rollbook.server.access.principals import Principal
from rollbook.server.live import roster as rosters
from rollbook.server.models import Customer, Organisation, Person, Throttle
from rollbook.server.receiving.ingest import Sender, ingest
from rollbook.server.receiving.roster import Asked, confirm, foresee
from tests.server.world import at, own_plan

pytestmark = pytest.mark.usefixtures("ledger")

EXAMPLES = 400 if os.environ.get("ROLLBOOK_LAWS") == "long" else 25
DAY_US = 86_400_000_000
FIRST_US = at("2026-01-02T00:00")
COURSES = {"Welding": ("Welding", ""), "Welding|Arc": ("Welding", "Arc"), "e7": ("50% Böden_\\", "")}
"""What an enrolment is called: its course, its course and unit, or an id of its own."""

PLAN = own_plan(
    '[meter]\nunit = "enrolment"\nexempt = [{ role = "instructor" }]\n[meter.holds]\non = ["enrolment.enabled"]\n'
    'off = ["enrolment.disabled", "enrolment.ended"]\n[window]\nkind = "calendar-month"\n'
)
LEARNERS = ("ana", "bo", "cy", "di")

FACTS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("account.created", "account.changed", "account.disabled", "account.enabled", "account.deleted"),
                *("enrolment.created", "enrolment.changed", "enrolment.enabled", "enrolment.disabled"),
                *("enrolment.ended", "identity.linked", "fact.voided", "login"),
            )
        ),
        st.sampled_from(LEARNERS),
        st.sampled_from((0, 0, 0, 1)),
        st.sampled_from(("", *COURSES)),
        st.integers(0, 6),
        st.sampled_from(("learner", "learner", "system", "instructor")),
        st.integers(0, 20),
    ),
    max_size=25,
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("enrolments", "learners", "course", "rows")),
        st.booleans(),
        st.sampled_from(LEARNERS),
        st.sampled_from(tuple(COURSES)),
    ),
    max_size=4,
)


def facts_of(drawn: Sequence[tuple[Any, ...]], organisations: Sequence[str]) -> list[Fact]:
    found = []
    for number, (type_, learner, organisation, object_, day, role, other) in enumerate(drawn):
        course, unit = COURSES.get(object_, ("", ""))
        told = {"course": course, "unit": unit, "start": "2026-01-01"} if type_.endswith(("created", "changed")) else {}
        is_enrolment, linked = type_.startswith("enrolment"), type_ == "identity.linked"
        # Nobody is linked to themselves and no void voids itself: such rows are refused before they are facts.
        given_up = [it for it in LEARNERS if it != learner][other % 3]
        found.append(
            Fact(
                id=str(number),
                source="lms",
                at_us=FIRST_US + day * DAY_US,
                type=type_,
                learner=learner,
                organisation=organisations[organisation],
                role=role,
                object=given_up if linked else object_ if is_enrolment else "",
                voids=str(other if other != number else other + 1) if type_ == "fact.voided" else "",
                attributes=json.dumps(told, ensure_ascii=bool(number % 2)) if told and is_enrolment else "",
            )
        )
    return found


def as_it_is(customer: Customer, now_us: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The roster of the server, walked in pages of two people."""
    learners, enrolments, after = {}, {}, 0
    while True:
        page = rosters.page(customer, after=after, limit=2, now_us=now_us)
        for line in page.lines:
            if line.is_active is not None:
                learners[line.organisation, line.learner] = (line.is_active, line.since_us)
            for it in line.enrolments:
                assert it.learner == str(line.number)
                key = (it.organisation, line.learner, it.object)
                enrolments[key] = (it.course, it.unit, it.start, it.end, it.enabled, it.since_us, it.switched)
        if page.next is None:
            return learners, enrolments
        after = page.next


def as_it_follows(view: Roster) -> tuple[dict[Any, Any], dict[Any, Any]]:
    return (
        {key: (it.active, it.since_us) for key, it in view.learners.items()},
        {
            key: (it.course, it.unit, it.start, it.end, it.enabled, it.since_us, it.switched)
            for key, it in view.enrolments.items()
        },
    )


def decided_here(view: Roster, action: tuple[Any, ...], north: str, at_us: int) -> tuple[Fact, ...]:
    """What the library decides on everything."""
    kind, on, learner, object_ = action
    course, unit = COURSES[object_]
    if kind == "enrolments":
        return changes.set_enabled(view, [(north, learner, object_)], at_us, enabled=on).facts
    if kind == "learners":
        return changes.set_active(view, [(north, learner)], at_us, active=on).facts
    if kind == "course":
        keys = changes.of_course(view, north, course, unit)
        return changes.set_enabled(view, keys, at_us, enabled=on).facts
    row = changes.Row("1", "enable" if on else "disable", north, learner, object_)
    return changes.from_rows(view, [row], at_us).facts


def asked_there(customer: Customer, action: tuple[Any, ...], north: str) -> Asked | None:
    """The same for the server; None where it has not heard of them."""
    kind, on, learner, object_ = action
    switch = "enable" if on else "disable"
    if kind == "course":  # of everybody on it, whoever was drawn
        course, unit = COURSES[object_]
        return Asked(kind=kind, do=switch, organisation=north, course=course, unit=unit)
    person = Person.objects.filter(customer=customer, learner=learner).first()
    if person is None:
        return None
    return {
        "enrolments": Asked(kind=kind, do=switch, enrolments=((north, person.pk, object_),)),
        "learners": Asked(kind=kind, do="activate" if on else "deactivate", learners=((north, person.pk),)),
        "rows": Asked(kind=kind, rows=(changes.Row("1", switch, north, learner, object_),)),
    }[kind]


@given(FACTS, st.randoms(use_true_random=False), ACTIONS)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_the_roster_is_that_of_the_facts_after_any_actions(drawn, random, actions):
    Throttle.objects.all().delete()  # all examples are of one minute
    number = Customer.objects.count()
    mine = Customer.objects.create(name=f"customer {number}")
    names = [f"north {number}", f"south {number}"]
    for name in names:
        Organisation.objects.create(name=name, customer=mine)
    facts = facts_of(drawn, names)
    now_us = FIRST_US + 10 * DAY_US
    shuffled = random.sample(facts, len(facts))
    for first in range(0, len(shuffled), 7):
        ingest(shuffled[first : first + 7], Sender("platform"), now_us)
    admin = Principal("administrator", "a", frozenset(), mine.pk, vendor=False)
    for action in actions:
        now_us += DAY_US // 24
        ours = decided_here(roster_of(facts, now_us), action, names[0], now_us)
        if (asked := asked_there(mine, action, names[0])) is None:
            assert ours == ()
            continue
        found = foresee(admin, mine, asked, now_us)
        assert sum(found.decided.values()) == len(ours)
        assert confirm(admin, mine, asked, found.digest, now_us).new == len(ours)
        assert confirm(admin, mine, asked, found.digest, now_us).new == 0
        facts += ours
    now_us += DAY_US
    view = rollbook.roster_at(facts, as_of=from_us(now_us))
    assert as_it_is(mine, now_us) == as_it_follows(view)
    for course in {it.course for it in view.enrolments.values() if it.course}:
        here = {key[:2] for key, it in view.enrolments.items() if it.course == course}
        found = rosters.page(mine, course=course, limit=500, now_us=now_us).lines
        assert {(it.organisation, it.learner) for it in found} == here
    counted = {
        (it.organisation, it.course): (it.enrolments, it.enabled, it.learners) for it in rosters.courses(mine, now_us)
    }
    assert sum(it[0] for it in counted.values()) == len(view.enrolments)
    assert sum(it[1] for it in counted.values()) == sum(it.enabled for it in view.enrolments.values())
    agreed = Subscription(
        plan=PLAN, start=date(2026, 1, 1), end=date(2027, 1, 1), zone="UTC", organisations=tuple(names)
    )
    held = {
        (it.organisation, it.unit, it.object)
        for it in reference.meter(facts, agreed, now_us).holdings
        if it.off_us is None
    }
    assert held == {key for key, it in view.enrolments.items() if it.enabled}


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_what_ids_are_called_does_not_decide_which_link_of_an_instant_comes_first(names):
    """Both are given up to di on the 5th, the first by link 1: it was off, so di is off; the other was on, so di is on
    from the 5th. By names it would be on since the 3rd, where the other came first.
    """
    off, on = names
    told = [("account.disabled", off, 1, ""), ("account.created", on, 2, "")]
    told += [("identity.linked", "di", 4, off), ("identity.linked", "di", 4, on)]
    facts = [
        Fact(id=str(n), source="lms", at_us=FIRST_US + day * DAY_US, type=type_, learner=who, role="learner", object=of)
        for n, (type_, who, day, of) in enumerate(told)
    ]
    [record] = roster_of(facts, FIRST_US + 9 * DAY_US).learners.values()
    assert (record.learner, record.active, record.since_us) == ("di", True, FIRST_US + 4 * DAY_US)
