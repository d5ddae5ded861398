"""Whoever reads facts reads those that were moved, too: each answer is the same before a quarter is moved and after."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from rollbook import plans
from rollbook.roster.deciding import deeds_of_totals
from rollbook.server import clock
from rollbook.server.billing import archiving, closing
from rollbook.server.live import archive, explaining, history, people, roster_deeds, snapshots, uncounted
from rollbook.server.models import Subscription

from . import callers, world
from .forwarders import sender
from .test_xapi_api import ID, VERSION, post, without

pytestmark = pytest.mark.usefixtures("ledger", "archived")

NOW = "2026-04-20T00:00"
MARK = "mark-7f3e"


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: world.at(NOW) * 1000)


@pytest.fixture
def term() -> Subscription:
    """Ana logged in, bo only looked, cy too, di's login was taken back, and edda is linked to ana; in two places."""
    stored = world.subscribe(world.customer(organisations=("north", "south")))
    early = [world.row(f"view-{n}", "bo", f"2026-02-{n:02}T09:00", "course.viewed", object="B") for n in range(1, 9)]
    early += [world.row("done", "bo", "2026-02-10T09:00", "course.completed", object="A")]
    early += [world.row("done-2", "bo", "2026-02-12T09:00", "course.completed", object="B")]
    early += [world.row("void-2", "", "2026-02-13T09:00", "fact.voided", voids="done-2")]
    world.send(early, NOW)
    world.send(
        [
            *(world.row(f"ana-{n}", "ana", f"2026-01-{n:02}T09:00") for n in range(1, 9)),
            world.row("cy", "cy", "2026-01-05T09:00", "course.viewed", organisation="south"),
            world.row("di", "di", "2026-01-06T09:00"),
            world.row("void", "", "2026-01-07T09:00", "fact.voided", voids="di"),
            world.row("edda", "edda", "2026-02-09T09:00"),
            world.row("link", "ana", "2026-02-01T09:00", "identity.linked", object="edda"),
            world.row("now", "ana", "2026-04-09T09:00"),
        ],
        NOW,
    )
    assert closing.close_due(world.at(NOW)) == 3
    return stored


def moved(stored: Subscription) -> int:
    return archiving.move(stored.customer_id, datetime.fromisoformat(NOW).replace(tzinfo=UTC))


def surrogate(stored: Subscription, learner: str) -> str:
    found = people.surrogate(stored.customer_id, learner)
    assert found
    return found


def test_who_was_not_counted_and_why(term: Subscription) -> None:
    def told() -> list[dict[str, Any]]:
        return [uncounted.not_counted(term, window, world.at(NOW)) for window in (1, 2, 3)]

    before = told()
    assert [sorted(it["learner"] for it in page["learners"]) for page in before] == [["cy", "di"], ["bo"], []]
    # All but the two voids, the link, and what happened in April.
    assert moved(term) == 10 + 8 + 1 + 1 + 1
    assert told() == before


def test_a_page_of_who_was_not_counted_goes_on_where_it_ended(term: Subscription) -> None:
    moved(term)
    first = uncounted.not_counted(term, 1, world.at(NOW), limit=1)
    rest = uncounted.not_counted(term, 1, world.at(NOW), after=first["next"], limit=1)
    assert [len(page["learners"]) for page in (first, rest)] == [1, 1]
    assert {page["learners"][0]["learner"] for page in (first, rest)} == {"cy", "di"}


def test_what_several_plans_would_have_counted(term: Subscription) -> None:
    found = []
    for _ in range(2):
        history._kept.clear()
        found.append(history.compared(term, [plans.find_plan("monthly-login")], world.at(NOW)))
        moved(term)
    assert found[0] == found[1]
    assert found[0].candidates


@pytest.mark.parametrize("name", ["metering-events", "status", "usage"])
def test_reports(term: Subscription, name: str) -> None:
    before = snapshots.report(term, name, as_of_us=world.at(NOW))
    moved(term)
    assert snapshots.report(term, name, as_of_us=world.at(NOW)) == before


def test_the_account_of_somebody_who_did_very_much(term: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "FACTS_MAX", 3)
    before = [explaining.explain_learner(term, surrogate(term, it), world.at(NOW)) for it in ("ana", "di", "bo")]
    moved(term)
    assert [
        explaining.explain_learner(term, surrogate(term, it), world.at(NOW)) for it in ("ana", "di", "bo")
    ] == before


@pytest.mark.parametrize("completed_only", [False, True])
@pytest.mark.parametrize(("at_once", "scanned_facts"), [(16, 100_000), (1, 1), (1, 100_000)])
def test_what_somebody_did_last_for_rules(
    term: Subscription,
    monkeypatch: pytest.MonkeyPatch,
    completed_only: bool,  # noqa: FBT001
    at_once: int,
    scanned_facts: int,
) -> None:
    # All at once where they lie; one after the other; and everything between the first and the last of them.
    monkeypatch.setattr(archive, "LEARNERS_AT_ONCE", at_once)
    monkeypatch.setattr(archive, "SCANNED_FACTS", scanned_facts)

    def told() -> Any:
        numbers = [surrogate(term, it) for it in ("ana", "bo", "cy", "di")]
        totals = roster_deeds.of_people(["north", "south"], numbers, world.at(NOW), completed_only=completed_only)
        return deeds_of_totals(totals, {}, world.at(NOW)).of

    before = told()
    assert before["north", surrogate(term, "bo")].completed == {"A": world.at("2026-02-10T09:00")}
    moved(term)
    assert told() == before


def test_a_statement_without_a_time_that_comes_again_is_the_one_that_was_moved(
    live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = world.customer()
    stored = world.subscribe(mine)
    monkeypatch.setattr(clock, "source_ns", lambda: world.at("2026-01-10T12:00") * 1000)
    timeless = without("timestamp")
    with sender(live_server, mine, **{VERSION: "1.0.3"}) as http:
        assert post(http, [timeless]).status_code == 200
        world.send([world.row("a", "ana", "2026-01-11T09:00")], NOW)
        monkeypatch.setattr(clock, "source_ns", lambda: world.at(NOW) * 1000)
        closing.close_due(world.at(NOW))
        assert moved(stored) == 2
        assert post(http, [timeless]).status_code == 200
        assert post(http, timeless | {"actor": {"mbox": "mailto:bo@example.org"}}).status_code == 409
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from fact where id = %s", [ID])
        assert cursor.fetchone() == (0,)


def test_whoever_is_forgotten_stands_nowhere_in_database_or_archive(archived: Path) -> None:
    stored = world.subscribe(world.customer())
    rows = [
        world.row("1", MARK, "2026-01-05T09:00", attributes=json.dumps({"who": MARK})),
        world.row("2", "bo", "2026-01-06T09:00", attributes=json.dumps({"seen": MARK}), actor=MARK),
        world.row("3", "bo", "2026-01-07T09:00", attributes=json.dumps({"seen": "nobody"})),
        world.row("4", "bo", "2026-01-08T09:00", object=f"course of {MARK}"),
    ]
    world.send(rows, NOW)
    closing.close_due(world.at(NOW))
    assert moved(stored) == 4
    answer = callers.operator().post("/people/erase", {"customer": stored.customer_id, "learner": MARK}).json()
    # What contains the id in an object is told, and stays.
    assert answer["elsewhere"] == 1
    with connection.cursor() as cursor:
        cursor.execute("select attributes from archived_attributes")
        assert cursor.fetchall() == [(json.dumps({"seen": "nobody"}),)]
        cursor.execute("select learner from person where learner = %s", [MARK])
        assert cursor.fetchall() == []
    assert world.differences(stored) == []
    assert not any(json.dumps({"who": MARK}).encode() in it.read_bytes() for it in archived.rglob("*") if it.is_file())


def test_what_is_asked_of_the_present_opens_no_archive(term: Subscription, archived: Path) -> None:
    moved(term)
    archived.rename(archived.with_name("away"))
    world.send([world.row("fresh", "bo", "2026-04-10T09:00")], NOW)
    reader = callers.by_key("usage:read", customer=term.customer)
    assert reader.get(f"/subscriptions/{term.pk}/usage").status_code == 200
    past = callers.by_key("learners:read", customer=term.customer).get(f"/subscriptions/{term.pk}/learners/ana")
    assert (past.status_code, callers.code(past)) == (503, "archive-missing")
