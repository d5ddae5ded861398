"""LAW: rules decide on the server what they decide on files, and their budget counts whom the pure one counts.

Facts are drawn as for the law of the roster, with deeds, completions and dates among them, delivered in any order. Pieces
are of two people, so that links join people of different pieces. Plans count by enrolment, by account across
organisations, and by deeds of those who are enabled; terms run, and are still to come.
"""

from __future__ import annotations

import json
import os
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rollbook.model.fact import Fact
from rollbook.roster.budget import newly_active
from rollbook.roster.deciding import decide, deeds_of
from rollbook.roster.rules import parse_rules
from rollbook.roster.view import roster_of
from rollbook.server.live import contracts, metering
from rollbook.server.models import Customer, Organisation, Person, RulesVersion
from rollbook.server.receiving import rules_running as running
from rollbook.server.receiving.ingest import Sender, ingest
from tests.server.test_roster_laws import COURSES, DAY_US, FACTS, FIRST_US, LEARNERS, facts_of
from tests.server.world import own_plan, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

EXAMPLES = 400 if os.environ.get("ROLLBOOK_LAWS") == "long" else 25
UTC = ZoneInfo("UTC")

PLANS = (
    own_plan(
        '[meter]\nunit = "enrolment"\nexempt = [{ role = "instructor" }]\n[meter.holds]\non = ["enrolment.enabled"]\n'
        'off = ["enrolment.disabled", "enrolment.ended"]\n[window]\nkind = "calendar-month"\n',
        "by-enrolment",
    ),
    own_plan(
        '[meter]\ndedupe = "customer"\n[meter.holds]\non = ["account.created", "account.enabled"]\n'
        'off = ["account.disabled", "account.deleted"]\n[window]\nkind = "days"\nlength_days = 5\n',
        "by-account",
    ),
    own_plan(
        '[meter.holds]\non = ["enrolment.enabled"]\noff = ["enrolment.disabled", "enrolment.ended"]\n'
        '[window]\nkind = "days"\nlength_days = 3\n',
        "by-learner",
    ),
    own_plan('[meter]\ncounts = ["login", "enrolment.enabled"]\n[window]\nkind = "calendar-month"\n', "by-deed"),
)

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(("begins", "ends")), st.sampled_from(("enable", "disable", "notify")), st.integers(-3, 3)
        ),
        st.tuples(st.just("ends"), st.just("deactivate"), st.integers(-3, 3)),
        st.tuples(st.just("idle"), st.sampled_from(("disable", "deactivate", "notify")), st.integers(1, 4)),
        st.tuples(st.just("completes"), st.sampled_from(("disable", "notify")), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=4,
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(("login", "course.viewed", "course.completed")),
        st.sampled_from(("ana", "bo", "cy", "di")),
        st.sampled_from((0, 0, 1)),
        st.sampled_from(("", "Welding", "e7")),
        st.integers(0, 9),
        st.sampled_from(("learner", "learner", "instructor")),
        st.booleans(),
    ),
    max_size=8,
)
ENROLLED = st.lists(
    st.tuples(st.sampled_from(LEARNERS), st.sampled_from((0, 0, 1)), st.sampled_from(tuple(COURSES)), st.booleans()),
    min_size=3,
    max_size=8,
    unique_by=lambda it: it[:3],
)
"""Who is enrolled in what since the 1st of January, and whether they were active accounts by then."""
DATES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12)), min_size=3, max_size=3)


def text_of(steps: list[tuple[str, str, int]], activity: str, courses: list[str]) -> str:
    told = ["[[cycle]]", 'name = "All"']
    if any(when == "idle" for when, _, _ in steps):
        told.append(f'activity = "{activity}"')
    if courses:
        told.append(f"courses = {json.dumps(courses, ensure_ascii=False)}")
    for when, do, days in steps:
        told += ["[[cycle.steps]]", f'when = "{when}"', f'do = "{do}"']
        told.append(f"days = {days}" if when == "idle" else f"after_days = {days}")
    return "\n".join(told)


def dated(fact: Fact, dates: list[tuple[int, int]]) -> Fact:
    """An enrolment that is created or changed begins and ends on drawn days."""
    if not fact.attributes or not fact.type.startswith("enrolment."):
        return fact
    start, length = dates[list(COURSES).index(fact.object)] if fact.object in COURSES else dates[0]
    first = date(2026, 1, 2 + start)
    said = json.loads(fact.attributes) | {
        "start": first.isoformat(),
        "end": date(2026, 1, 2 + start + length).isoformat(),
    }
    return fact.replace(attributes=json.dumps(said))


def deeds(drawn: list[tuple[Any, ...]], names: list[str]) -> list[Fact]:
    return [
        Fact(
            id=f"deed {nth}",
            source="lms",
            at_us=FIRST_US + day * DAY_US + 3600_000_000,
            type=type_,
            learner=learner,
            organisation=names[organisation],
            object=object_,
            role=role,
            impersonator="helper" if helped else "",
        )
        for nth, (type_, learner, organisation, object_, day, role, helped) in enumerate(drawn)
    ]


def enrolled(drawn: list[tuple[str, int, str, bool]], names: list[str]) -> list[Fact]:
    found = []
    for nth, (learner, organisation, object_, has_account) in enumerate(drawn):
        course, unit = COURSES[object_]
        base = Fact(
            id=f"enrolled {nth}",
            source="lms",
            at_us=FIRST_US - DAY_US,
            type="enrolment.created",
            learner=learner,
            organisation=names[organisation],
            object=object_,
            attributes=json.dumps({"course": course, "unit": unit, "start": ""}),
        )
        found.append(base)
        if has_account:
            found.append(base.replace(id=f"account {nth}", type="account.created", object="", attributes=""))
    return found


def owner(number: int) -> tuple[Customer, list[str]]:
    mine = Customer.objects.create(name=f"customer {number}")
    names = [f"north {number}", f"south {number}"]
    for name in names:
        Organisation.objects.create(name=name, customer=mine)
    return mine, names


@given(
    ENROLLED,
    FACTS,
    DEEDS,
    DATES,
    STEPS,
    st.sampled_from(("learner", "enrolment")),
    st.sampled_from(([], ["Welding"])),
    st.sampled_from(PLANS),
    st.sampled_from((date(2026, 1, 1), date(2026, 1, 1), date(2026, 1, 20))),
    st.randoms(use_true_random=False),
)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_rules_decide_and_count_on_the_server_as_on_files(
    who, drawn, done, dates, steps, activity, courses, plan, start, random
):
    mine, names = owner(Customer.objects.count())
    told = [*enrolled(who, names), *facts_of(drawn, names)]
    facts = [dated(it, dates) for it in told] + deeds(done, names)
    now_us = FIRST_US + 10 * DAY_US
    row = subscribe(mine, plan, start)
    ingest(random.sample(facts, len(facts)), Sender("platform"), now_us)
    text = text_of(steps, activity, courses)
    rules, version = parse_rules(text), RulesVersion(customer=mine, number=1, text=text, zone="UTC", organisations=[])
    ours = decide(rules, roster_of(facts, now_us), deeds_of(facts, now_us), now_us, UTC, previous_us=FIRST_US)
    running.PEOPLE_TOGETHER = 2
    theirs = running.evaluate(version, rules, now_us, previous_us=FIRST_US)
    people = {str(it.pk): it.learner for it in Person.objects.filter(customer=mine)}
    assert {(it.type, it.organisation, people[it.learner], it.object) for it in theirs.facts} == {
        (it.type, it.organisation, it.learner, it.object) for it in ours.facts
    }
    assert len(theirs.facts) == len(ours.facts)
    assert sum(theirs.told.values()) == len(ours.notices)
    with transaction.atomic():
        metering.locked([mine.pk])
        taken = running.take(version, rules, theirs, now_us, keep=False)
    row.refresh_from_db()
    expected = newly_active(facts, ours.facts, contracts.subscription_of(row))
    found = {(organisation, people[unit], object_) for organisation, unit, object_ in taken.newly.all}
    assert found == expected
    assert taken.stopped == bool(expected)
    event(f"newly active: {bool(expected)}; decided: {bool(ours.facts)}; told: {bool(ours.notices)}")
