"""A request is answered for some weeks after it was asked for, and then no more: what was decided long ago stands."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollbook.model.instants import from_us
from rollbook.server import clock
from rollbook.server.live import roster_requests as requests
from rollbook.server.models import Customer, RosterRequest
from rollbook.server.operation import jobs
from rollbook.server.receiving import roster_requests as asking
from rollbook.server.receiving.roster_requests import OPEN_DAYS, Answer, answer
from tests.pages.test_words import read
from tests.server import callers
from tests.server.test_preview import everything
from tests.server.test_roster_actions import NOW, admin, enabled
from tests.server.test_roster_requests import ARCHIVED, asked_for, connect, numbers
from tests.server.test_rules_runs import TERMS, enrolment, night, on
from tests.server.world import at, customer, send

pytestmark = pytest.mark.usefixtures("ledger")

DAY_US = 86_400_000_000
LAST_US = at(NOW) + OPEN_DAYS * DAY_US
"""60 days after the 20th of January at noon: the 21st of March at noon."""


def test_the_last_instant_is_sixty_days_after_the_asking():
    assert at("2026-03-21T12:00") == LAST_US


@pytest.mark.parametrize("worker", ["has not come", "has come"])
@pytest.mark.parametrize("state", ["done", "refused"])
def test_an_answer_that_comes_too_late_is_told_and_changes_nothing(state: str, worker: str):
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    if worker == "has come":
        assert jobs.run("expire-requests", from_us(LAST_US + 1)) == 2
    before = everything()
    found = answer(admin(mine), [Answer(bo, state, ARCHIVED), Answer(cy, state, ARCHIVED)], LAST_US + 1)
    assert (found.done, found.refused, found.repeats) == (0, 0, 0)
    assert [it.place for it in found.problems] == ["body.answers.0.request", "body.answers.1.request"]
    assert found.problems[0].rule == "it was asked for more than 60 days ago, and is answered no more"
    assert everything() == before
    assert enabled(mine, "2026-03-22T00:00") == ["ana"]


def test_an_answer_at_the_last_instant_is_taken():
    mine = asked_for("bo")
    assert jobs.run("expire-requests", from_us(LAST_US)) == 0
    assert answer(admin(mine), [Answer(*numbers("bo"), "refused", ARCHIVED)], LAST_US).refused == 1
    assert enabled(mine, "2026-03-22T00:00") == ["ana", "bo", "cy"]


def test_of_answers_in_one_call_those_in_time_are_taken():
    mine = asked_for("bo", "cy")
    bo, cy = numbers("bo", "cy")
    RosterRequest.objects.filter(pk=cy).update(asked_at=from_us(at(NOW) - DAY_US))
    found = answer(admin(mine), [Answer(it, "refused", ARCHIVED) for it in (bo, cy)], LAST_US)
    assert (found.refused, [it.place for it in found.problems]) == (1, ["body.answers.1.request"])
    assert enabled(mine, "2026-03-22T00:00") == ["ana", "bo"]


def test_what_was_answered_in_time_may_be_said_again_later():
    mine = asked_for("bo")
    [bo] = numbers("bo")
    answer(admin(mine), [Answer(bo, "done")], LAST_US)
    again = answer(admin(mine), [Answer(bo, "done"), Answer(bo, "refused", "no")], LAST_US + 90 * DAY_US)
    assert (again.repeats, [it.rule for it in again.problems]) == (1, ["it was answered before, with done"])


def test_a_years_enables_cannot_be_taken_back_by_whoever_has_a_key():
    """Twelve are enabled, one on the 2nd of each month, and all are refused at noon of the 1st of January after: of the
    2nd of November that is 60 days and a half, so December's alone is taken back."""
    mine = customer()
    connect(mine, "roster.requested")
    names = [f"learner {n:02}" for n in range(1, 13)]
    for month, who in enumerate(names, 1):
        send(enrolment(who, f"2026-{month:02}-02", "2027-06-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=12))
    for month in range(1, 13):
        night(f"2026-{month:02}-02T00:00:10")
    asked = [it.row.pk for it in requests.page(mine)[0]]
    assert len(asked) == 12
    found = answer(admin(mine), [Answer(it, "refused", "no") for it in asked], at("2027-01-01T12:00"))
    assert (found.refused, len(found.problems)) == (1, 11)
    assert enabled(mine, "2027-01-01T13:00") == names[:-1]


def test_it_is_the_asking_that_counts_and_not_the_instant_of_the_fact():
    """Its fact is of the last instant, and was asked for 60 days before: a later instant of a fact opens nothing."""
    mine = asked_for("bo")
    RosterRequest.objects.update(at_us=LAST_US)
    found = answer(admin(mine), [Answer(*numbers("bo"), "refused", "no")], LAST_US + 1)
    assert (found.refused, len(found.problems)) == (0, 1)


def test_the_worker_ends_what_nobody_answered_and_nothing_else_and_a_program_finds_it_no_more(monkeypatch):
    monkeypatch.setattr(clock, "source_ns", lambda: (LAST_US + 1) * 1000)
    mine = asked_for("bo", "cy")
    bo, _ = numbers("bo", "cy")
    answer(admin(mine), [Answer(bo, "done")], LAST_US)
    assert jobs.run("expire-requests", from_us(LAST_US + 1)) == 1
    assert jobs.run("expire-requests", from_us(LAST_US + 1)) == 0
    caller = callers.by_key("roster:read", "roster:write", customer=mine)
    assert caller.get("/roster/requests?state=requested").json()["items"] == []
    [item] = caller.get("/roster/requests?state=expired").json()["items"]
    assert (item["learner"], item["state"], item["answered_at"]) == ("cy", "expired", None)
    found = caller.post("/roster/requests/answers", {"answers": [{"request": item["request"], "state": "done"}]}).json()
    assert (found["done"], len(found["problems"])) == (0, 1)


def test_the_worker_ends_some_at_a_time(monkeypatch):
    asked_for("bo", "cy")
    monkeypatch.setattr(asking, "PIECE", 1)
    assert asking.expire(LAST_US + 1, 1) == 1
    assert RosterRequest.objects.filter(state="expired").count() == 1


def test_what_has_ended_is_kept_for_400_days_as_all_others_are():
    asked_for("bo")
    jobs.run("expire-requests", from_us(LAST_US + 1))
    jobs.prune(from_us(at(NOW)) + timedelta(days=400))
    assert RosterRequest.objects.count() == 1
    jobs.prune(from_us(at(NOW)) + timedelta(days=400, hours=1))
    assert not RosterRequest.objects.exists()


def test_the_page_says_which_were_not_answered_in_time():
    mine = asked_for("bo")
    jobs.run("expire-requests", from_us(LAST_US + 1))
    said = read(callers.user("administrator", Customer.objects.get()), f"/customers/{mine.pk}/roster/requests")
    assert said.count("Not answered in time") == 3  # the figure, the tab, the line
    assert "A request can be answered for 60 days" in said
