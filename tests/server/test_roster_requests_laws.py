"""LAW: after any actions and any answers, the roster of the server is that of the facts without the refused ones.

The facts are those of `test_roster_laws`, which are hard on purpose, on top of a roster of which every action finds
somebody. After each action some of the requests that wait
are answered, in any order and some of them twice. A statement that closed in between is afterwards, byte by byte, what
it was, and a count from nothing finds what the live one has.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.model.fact import Fact
from rollbook.model.instants import from_us
from rollbook.roster.view import roster_of
from rollbook.server.access.principals import Principal
from rollbook.server.billing import closing
from rollbook.server.models import (
    Customer,
    Endpoint,
    Organisation,
    RosterRequest,
    Statement,
    StatementFile,
    Throttle,
)
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.operation import jobs
from rollbook.server.receiving.ingest import Sender, ingest
from rollbook.server.receiving.roster import confirm, foresee
from rollbook.server.receiving.roster_requests import Answer, answer
from tests.server.test_roster_laws import (
    COURSES,
    DAY_US,
    FACTS,
    FIRST_US,
    LEARNERS,
    PLAN,
    as_it_follows,
    as_it_is,
    asked_there,
    decided_here,
    facts_of,
)
from tests.server.world import differences, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

SHARE = 0.7
"""Of the requests that are answered after an action; what was answered before is answered again."""

EXAMPLES = 200 if os.environ.get("ROLLBOOK_LAWS") == "long" else 15
CLOSES_AFTER_US = 45 * DAY_US
"""Two months close in between, and what was asked for before them can still be answered."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("enrolments", "learners", "course", "rows")),
        st.sampled_from((False, False, True)),
        st.sampled_from(LEARNERS),
        st.sampled_from(tuple(COURSES)),
    ),
    min_size=2,
    max_size=6,
)


def at_first(organisation: str) -> list[Fact]:
    """Everybody is active, and enabled in everything, since the first day."""
    told = [("account.created", ""), *(("enrolment.enabled", it) for it in COURSES)]
    return [
        Fact(id=f"{who} {object_}", source="lms", at_us=FIRST_US, type=type_, learner=who, object=object_).replace(
            organisation=organisation
        )
        for who in LEARNERS
        for type_, object_ in told
    ]


def kept() -> list[dict[str, object]]:
    """All that is closed, of everybody."""
    return [row for it in (Statement, StatementFile) for row in it.objects.order_by("pk").values()]


@given(FACTS, st.randoms(use_true_random=False), ACTIONS, st.integers(0, 4))
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_the_roster_is_that_of_the_facts_without_the_refused_ones(drawn, random, actions, closes_before):
    Throttle.objects.all().delete()  # all examples are of one minute
    number = Customer.objects.count()
    mine = Customer.objects.create(name=f"customer {number}")
    names = [f"north {number}", f"south {number}"]
    for name in names:
        Organisation.objects.create(name=name, customer=mine)
    Endpoint.objects.create(customer=mine, url="https://a.example/x", secret=new_secret(), events=["roster.requested"])
    term = subscribe(mine, PLAN, organisations=tuple(names))
    facts = at_first(names[0]) + facts_of(drawn, names)
    now_us = FIRST_US + 20 * DAY_US
    ingest(facts, Sender("platform"), now_us)
    admin = Principal("administrator", "a", frozenset(), mine.pk, vendor=False)
    by_what, refused, closed = {}, set(), []
    for nth, action in enumerate(actions):
        now_us += DAY_US // 24
        if nth == closes_before:
            now_us += CLOSES_AFTER_US
            closing.close_due(now_us)
            closed = kept()
        standing = [it for it in facts if it.id not in refused]
        if (asked := asked_there(mine, action, names[0])) is None:
            continue
        ours = decided_here(roster_of(standing, now_us), action, names[0], now_us)
        found = foresee(admin, mine, asked, now_us)
        assert confirm(admin, mine, asked, found.digest, now_us).new == len(ours)
        facts += ours
        by_what |= {(it.organisation, it.learner, it.object, it.type, it.at_us): it.id for it in ours}
        now_us += DAY_US // 24
        waiting = list(RosterRequest.objects.filter(customer=mine).select_related("person"))
        chosen = [it for it in random.sample(waiting, len(waiting)) if random.random() < SHARE]
        said = {it.pk: it.state if it.state != "requested" else random.choice(("done", "refused")) for it in chosen}
        answers = [Answer(it, state, "no") for it, state in said.items()]
        assert answer(admin, answers + answers[:1], now_us).problems == ()
        refused |= {
            by_what[it.organisation, it.person.learner, it.object, it.what, it.at_us]
            for it in chosen
            if said[it.pk] == "refused"
        }
    assert RosterRequest.objects.filter(customer=mine).count() == len(by_what)
    now_us += DAY_US
    jobs.begin_windows(from_us(now_us))
    view = roster_of([it for it in facts if it.id not in refused], now_us)
    assert as_it_is(mine, now_us) == as_it_follows(view)
    assert differences(term) == []
    after = kept()
    assert [row for row in closed if row not in after] == []
