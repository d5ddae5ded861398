"""What is decided here is asked of the platform, and stands unless the platform refuses it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollbook.model.instants import from_us
from rollbook.server import clock, erasure
from rollbook.server.access.accounts import COMMAND
from rollbook.server.billing import closing
from rollbook.server.live import roster_requests as requests
from rollbook.server.models import Audit, Customer, Endpoint, Message, Person, RosterRequest, Statement, StatementFile
from rollbook.server.notices import roster_told
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.operation import jobs
from rollbook.server.receiving.roster import Asked, confirm
from rollbook.server.receiving.roster_requests import ANSWERS_MAX, WHY_LENGTH_MAX, Answer, answer
from tests.server import callers
from tests.server.test_preview import everything
from tests.server.test_roster_actions import NOW, PLAN, WELDING, admin, disable, enabled, enrolled, preview, who
from tests.server.world import active, at, customer, differences, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

LATER = "2026-01-21T12:00"
ARCHIVED = "the course is archived"


def connect(owner: Customer | None, *events: str) -> Endpoint:
    return Endpoint.objects.create(
        customer=owner, url="https://lms.example/hook", secret=new_secret(), events=list(events)
    )


def decide(mine: Customer, asked: Asked, now: str = NOW) -> None:
    assert confirm(admin(mine), mine, asked, preview(mine, asked, now).digest, at(now)).new


def asked_for(*names: str, connected: bool = True) -> Customer:
    """A customer with three who are enabled, of whom some are disabled, and a platform that is asked to do so."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    if connected:
        connect(mine, "roster.requested")
    if names:
        decide(mine, disable(*names))
    return mine


def numbers(*names: str) -> list[int]:
    return [RosterRequest.objects.get(person__learner=it).pk for it in names]


def said(event: str, channel: str = Message.WEBHOOK) -> list[dict[str, Any]]:
    return [it.content["data"] for it in Message.objects.filter(event=event, channel=channel).order_by("pk")]


def test_each_change_is_asked_for_with_its_fact_and_told_without_a_learner():
    """Two are disabled: two requests, one message with their number and where they begin."""
    mine = asked_for("bo", "cy")
    found, following = requests.page(mine)
    assert following is None
    assert sorted((it.learner, it.row.object, it.row.what, it.row.state) for it in found) == [
        ("bo", "Welding", "enrolment.disabled", "requested"),
        ("cy", "Welding", "enrolment.disabled", "requested"),
    ]
    assert {it.row.at_us for it in found} == {at(NOW)}
    assert said("roster.requested") == [
        {
            "customer": "Northern Academy",
            "customer_number": mine.pk,
            "organisation": "north",
            "requests": 2,
            "after": found[0].row.pk - 1,
        }
    ]


def test_learners_are_asked_for_as_well_and_each_organisation_has_its_message():
    mine = customer(organisations=("north", "south"))
    send(enrolled("ana"), "2026-01-03T00:00")
    send(enrolled("bo", organisation="south"), "2026-01-03T00:00")
    connect(mine, "roster.requested")
    decide(mine, Asked(kind="learners", do="deactivate", learners=(("north", who("ana")), ("south", who("bo")))))
    assert [(it["organisation"], it["requests"]) for it in said("roster.requested")] == [("north", 1), ("south", 1)]
    assert {it.row.what for it in requests.page(mine)[0]} == {"account.disabled"}


@pytest.mark.parametrize(
    ("events", "owner", "state", "asks"),
    [
        (("roster.requested",), "mine", Endpoint.ACTIVE, True),
        (("roster.requested",), "vendor", Endpoint.ACTIVE, True),
        (("roster.requested",), "other", Endpoint.ACTIVE, False),
        (("roster.requested",), "mine", Endpoint.GONE, False),
        (("threshold.crossed",), "mine", Endpoint.ACTIVE, False),
        ((), "mine", Endpoint.ACTIVE, False),
    ],
    ids=["its own", "the vendor's", "another's", "gone", "another event", "told of all, and names nothing"],
)
def test_only_a_platform_that_says_so_is_asked(events, owner, state, asks):
    mine = asked_for(connected=False)
    other = customer("Southern Academy", ("south",))
    to = connect({"mine": mine, "vendor": None, "other": other}[owner], *events)
    Endpoint.objects.filter(pk=to.pk).update(state=state)
    decide(mine, disable("bo"))
    assert RosterRequest.objects.count() == len(said("roster.requested")) == asks


def test_what_was_decided_before_a_platform_was_connected_is_not_asked_for():
    mine = asked_for("bo", connected=False)
    decide(mine, disable("cy"), "2026-01-19T12:00")
    connect(mine, "roster.requested")
    assert not RosterRequest.objects.exists()
    decide(mine, disable("ana"), LATER)
    assert [it.learner for it in requests.page(mine)[0]] == ["ana"]


def test_confirming_twice_asks_once_and_a_preview_asks_for_nothing():
    mine = asked_for()
    asked = disable("bo")
    found = preview(mine, asked)
    assert not RosterRequest.objects.exists()
    for _ in range(2):
        confirm(admin(mine), mine, asked, found.digest, at(NOW))
    assert (RosterRequest.objects.count(), len(said("roster.requested"))) == (1, 1)


def test_done_changes_nothing_and_refused_takes_the_fact_back():
    """January counts 3 whatever happens. In February ana and cy are still on: 2, where one was to be."""
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    assert enabled(mine) == ["ana"]
    found = answer(admin(mine), [Answer(bo, "done"), Answer(cy, "refused", ARCHIVED)], at(LATER))
    assert (found.done, found.refused, found.repeats, found.problems) == (1, 1, 0, ())
    assert enabled(mine) == ["ana", "cy"]
    now = {it.learner: (it.row.state, it.row.why, it.row.answered_at) for it in requests.page(mine)[0]}
    assert now == {
        "bo": ("done", "", from_us(at(LATER))),
        "cy": ("refused", ARCHIVED, from_us(at(LATER))),
    }
    jobs.begin_windows(from_us(at("2026-02-10T00:00")))
    [term] = mine.subscriptions.all()
    assert active(term, "2026-02-10T00:00")[2] == 2
    assert differences(term) == []


def test_the_same_answer_again_changes_nothing_and_another_one_is_told():
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    said_first = [Answer(bo, "done"), Answer(cy, "refused", ARCHIVED)]
    answer(admin(mine), said_first, at(LATER))
    before = everything()
    again = answer(admin(mine), [*said_first, *said_first], at("2026-01-22T12:00"))
    assert (again.done, again.refused, again.repeats, again.problems) == (0, 0, 4, ())
    other = answer(admin(mine), [Answer(cy, "done"), Answer(bo, "refused", "no")], at("2026-01-22T12:00"))
    assert (other.done, other.refused) == (0, 0)
    assert [it.place for it in other.problems] == ["body.answers.0.state", "body.answers.1.state"]
    assert everything() == before


def test_of_two_answers_to_one_request_in_one_call_the_first_holds():
    mine = asked_for("bo")
    [bo] = numbers("bo")
    found = answer(admin(mine), [Answer(bo, "done"), Answer(bo, "refused", "no")], at(LATER))
    assert (found.done, found.refused, len(found.problems)) == (1, 0, 1)
    assert enabled(mine) == ["ana", "cy"]


def test_what_is_wrong_is_told_by_place_and_the_others_are_taken():
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    wrong = [
        Answer(10**15, "done"),
        Answer(bo, "perhaps"),
        Answer(bo, "refused", "  "),
        Answer(bo, "refused", "x" * (WHY_LENGTH_MAX + 1)),
        *(Answer(bo, "refused", f"it{mark}was") for mark in ("\n", "\0", "\x1b", "\u2028", "\u202e", "\ud800")),
    ]
    found = answer(admin(mine), [*wrong, Answer(cy, "refused", "Müller & <b>Söhne</b>")], at(LATER))
    assert (found.done, found.refused) == (0, 1)
    places = [it.place.removeprefix("body.answers.") for it in found.problems]
    assert places == ["0.request", "1.state", *(f"{n}.why" for n in range(2, 10))]
    assert RosterRequest.objects.get(pk=bo).state == "requested"


def test_another_customers_numbers_are_as_unknown_as_those_of_nobody():
    mine = asked_for("bo")
    other = customer("Southern Academy", ("south",))
    [bo] = numbers("bo")
    found = answer(admin(other), [Answer(bo, "refused", "no"), Answer(bo + 1000, "refused", "no")], at(LATER))
    one, two = ((it.rule, it.remedy) for it in found.problems)
    assert (one[0].replace(str(bo), "N"), one[1]) == (two[0].replace(str(bo + 1000), "N"), two[1])
    assert RosterRequest.objects.get(pk=bo).state == "requested"
    assert requests.page(other) == ([], None)
    # The vendor's platform answers for all of its customers.
    assert answer(callers_operator(), [Answer(bo, "done")], at(LATER)).done == 1
    assert enabled(mine) == ["ana", "cy"]


def callers_operator():
    from rollbook.server.access.principals import user_principal  # noqa: PLC0415 - beside its one use

    return user_principal(callers.user("operator"))


@pytest.mark.parametrize("first", ["earlier", "later"])
@pytest.mark.parametrize(
    ("disabling", "enabling", "on"),
    [("done", "done", True), ("refused", "done", True), ("done", "refused", False), ("refused", "refused", True)],
)
def test_what_was_switched_again_meanwhile_is_answered_each_for_itself(disabling, enabling, on, first):
    """Bo was on, is to be off, and on again: off only where that was done and switching on again was not."""
    mine = asked_for("bo")
    decide(mine, disable("bo", do="enable"), LATER)
    off, back = RosterRequest.objects.order_by("pk")
    answers = [Answer(off.pk, disabling, "no"), Answer(back.pk, enabling, "no")]
    for nth, it in enumerate(answers if first == "earlier" else answers[::-1]):
        answer(admin(mine), [it], at(f"2026-01-22T1{nth}:00"))
    assert ("bo" in enabled(mine)) is on
    assert differences(mine.subscriptions.get()) == []


def test_a_statement_that_closed_in_between_stays_as_it_is_byte_by_byte():
    """Bo and cy are off for February, which closes with 1. Both were refused in March: the next statement has them."""
    mine = asked_for("bo", "cy")
    closing.close_due(at("2026-03-02T00:00"))
    [term] = mine.subscriptions.all()
    before, files = (list(it.objects.order_by("pk").values()) for it in (Statement, StatementFile))
    assert [it["window_number"] for it in before] == [1, 2]
    answers = [Answer(it, "refused", ARCHIVED) for it in numbers("bo", "cy")]
    assert answer(admin(mine), answers, at("2026-03-05T00:00")).refused == 2
    assert list(Statement.objects.order_by("pk").values()) == before
    assert list(StatementFile.objects.order_by("pk").values()) == files
    assert active(term, "2026-03-05T01:00") == {1: 3, 2: 3, 3: 3}
    assert differences(term) == []
    closing.close_due(at("2026-04-02T00:00"))
    assert Statement.objects.get(number=3).adjusts == [2]


def test_administrators_are_told_of_refusals_once_an_hour_with_all_since():
    """Three are refused at 12:00, 12:01 and 12:02: one is told at once, the other two when the next hour begins."""
    mine = asked_for(*WELDING)
    for minute, number in enumerate(numbers(*WELDING)):
        answer(admin(mine), [Answer(number, "refused", ARCHIVED)], at(f"2026-01-21T12:0{minute}"))
    assert said("roster.refused", Message.MAIL) == [{"customer": "Northern Academy", "requests": 1}]
    assert jobs.tell_requests(from_us(at("2026-01-21T12:59"))) == 0
    assert jobs.tell_requests(from_us(at("2026-01-21T13:00"))) == 1
    assert jobs.tell_requests(from_us(at("2026-01-21T14:00"))) == 0
    assert [it["requests"] for it in said("roster.refused", Message.MAIL)] == [1, 2]


def test_what_nobody_answers_is_told_once_a_day_for_a_month():
    """Asked on the 20th at 12:00: told from the 23rd at 12:00 on, on 28 days, the last on the 19th of February."""
    mine = asked_for("bo", "cy")
    answer(admin(mine), [Answer(numbers("bo")[0], "done")], at(LATER))
    when, told = from_us(at(NOW)), []
    for hour in range(24 * 60):
        now = when + timedelta(hours=hour)
        told += [now] * jobs.tell_requests(now)
    assert told[:2] == [from_us(at("2026-01-23T12:00")), from_us(at("2026-01-24T00:00"))]
    assert (len(told), told[-1]) == (28, from_us(at("2026-02-19T00:00")))
    assert said("roster.unanswered", Message.MAIL)[0] == {
        "customer": "Northern Academy",
        "requests": 1,
        "from": "2026-01-20T12:00:00Z",
    }


def test_requests_are_kept_for_400_days_answered_or_not():
    mine = asked_for("bo", "cy")
    answer(admin(mine), [Answer(numbers("bo")[0], "done")], at(LATER))
    end = from_us(at(NOW)) + roster_told.KEPT
    jobs.prune(end)
    assert RosterRequest.objects.count() == 2
    jobs.prune(end + timedelta(hours=1))
    assert not RosterRequest.objects.exists()


def test_whoever_is_erased_stays_asked_for_without_a_name_and_reasons_lose_theirs():
    mine = asked_for("bo", "cy")
    why = "bo.jefferson is a tutor"
    erasure.name(COMMAND, mine, {"cy": ("bo.jefferson", "")})
    answer(admin(mine), [Answer(it, "refused", why) for it in numbers("bo", "cy")], at(LATER))
    erasure.erase(COMMAND, mine, "cy")
    found, _ = requests.page(mine)
    assert sorted((it.learner, it.is_erased, it.row.why) for it in found) == [("", True, ""), ("bo", False, "")]


def test_the_audit_says_who_answered_and_how_many():
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    answer(admin(mine), [Answer(bo, "done"), Answer(cy, "refused", "cy has left")], at(LATER))
    entry = Audit.objects.get(action="roster.answered")
    assert (entry.actor, entry.customer_id) == (admin(mine).label, mine.pk)
    assert entry.details == {"done": 1, "refused": 1}
    # Whoever acts becomes no learner.
    assert set(Person.objects.values_list("learner", flat=True)) == set(WELDING)


def test_no_message_names_a_learner_or_repeats_a_reason():
    mine = asked_for("bo", "cy")
    answer(admin(mine), [Answer(it, "refused", "secret reason") for it in numbers("bo", "cy")], at(LATER))
    for it in Message.objects.all():
        assert "secret" not in str(it.content)
        assert not {"learner", "person", "why"} & it.content["data"].keys()


def test_it_is_fetched_and_answered_over_the_api_page_by_page(monkeypatch):
    monkeypatch.setattr(clock, "source_ns", lambda: at(LATER) * 1000)
    asked_for("bo", "cy")
    mine = Customer.objects.get()
    caller = callers.by_key("roster:read", "roster:write", customer=mine)
    first = caller.get("/roster/requests?state=requested&limit=1").json()
    second = caller.get(f"/roster/requests?state=requested&limit=1&after={first['next']}").json()
    assert second["next"] is None
    items = [*first["items"], *second["items"]]
    assert sorted((it["learner"], it["object"], it["what"], it["at"]) for it in items) == [
        (name, "Welding", "enrolment.disabled", "2026-01-20T12:00:00Z") for name in ("bo", "cy")
    ]
    body = {
        "answers": [
            {"request": items[0]["request"], "state": "done"},
            {"request": items[1]["request"], "state": "refused", "why": ARCHIVED},
            {"request": 999_999, "state": "done"},
        ]
    }
    found = caller.post("/roster/requests/answers", body).json()
    assert (found["done"], found["refused"], found["repeats"]) == (1, 1, 0)
    assert [it["place"] for it in found["problems"]] == ["body.answers.2.request"]
    assert caller.get("/roster/requests?state=requested").json() == {"items": [], "next": None}
    [refused] = caller.get("/roster/requests?state=refused").json()["items"]
    assert (refused["why"], refused["answered_at"]) == (ARCHIVED, "2026-01-21T12:00:00Z")


@pytest.mark.parametrize(
    "body",
    [
        {"answers": []},
        {"answers": [{"request": 1, "state": "done"}] * (ANSWERS_MAX + 1)},
        {"answers": [{"request": 1, "state": "perhaps"}]},
        {"answers": [{"request": 2**63, "state": "done"}]},
        {"answers": [{"request": 1, "state": "done", "whose": "mine"}]},
    ],
)
def test_a_body_that_is_none_is_refused_as_a_whole(body):
    caller = callers.by_key("roster:write", customer=customer())
    assert caller.post("/roster/requests/answers", body).status_code == 422


def test_ten_thousand_are_asked_for_with_a_bounded_number_of_questions(django_assert_max_num_queries):
    from rollbook.model.fact import Fact  # noqa: PLC0415 - beside its one use
    from rollbook.server.live import people  # noqa: PLC0415
    from rollbook.server.receiving.roster_requests import ask  # noqa: PLC0415

    mine = customer()
    connect(mine, "roster.requested")
    known = people.surrogates(mine.pk, {f"learner {n}" for n in range(10_000)})
    facts = [
        Fact(
            id=surrogate,
            at_us=at(NOW),
            type="account.disabled",
            organisation="north",
            learner=surrogate,
            source="rollbook",
        )
        for surrogate in known.values()
    ]
    with django_assert_max_num_queries(180):  # 20 pieces looked up; 122 written in SQLite, which takes 999 values
        assert ask(mine, facts, at(NOW)) == 10_000
    assert ask(mine, facts, at(NOW)) == 0
    assert [it["requests"] for it in said("roster.requested")] == [10_000]


def test_facts_that_are_the_platforms_to_say_are_not_asked_for():
    asked_for()
    send([row("theirs", "bo", NOW, "enrolment.disabled", object="Welding")], "2026-01-20T13:00")
    assert not RosterRequest.objects.exists()
