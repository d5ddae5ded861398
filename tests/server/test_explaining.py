"""Why somebody counted: the server's answer from one person's facts is the library's from everybody's."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rollbook.reports.explain import Explanation
from rollbook.server import clock
from rollbook.server.live import abridged, contracts, explaining, people, snapshots
from rollbook.server.live.explaining import explain_learner
from rollbook.server.models import Person
from tests.server.callers import administrator
from tests.server.world import at, customer, drawn, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-02-10T12:00"
PLAN = own_plan(
    '[meter]\ncounts = ["login", "session.entered"]\nguests = "each-entry"\nexempt = [{ role = "instructor" }]\n'
    '[window]\nkind = "calendar-month"\n'
)
FACTS = [
    row("1", "ana", "2026-01-02T09:00"),
    row("2", "ana", "2026-01-03T09:00", "course.viewed"),
    row("3", "ana", "2026-01-04T09:00", role="instructor"),
    row("4", "ana2", "2026-01-10T09:00", "identity.linked", object="ana"),
    row("5", "ana", "2026-02-02T09:00"),
    row("6", "ana2", "2026-02-03T09:00"),
    row("7", "", "2026-02-04T09:00", "fact.voided", voids="6"),
    row("8", "bo", "2026-01-05T09:00"),
    row("9", "bo", "2025-12-05T09:00"),
    row("10", "cy", "2026-01-05T09:00"),
    row("11", "bo", "2026-01-06T09:00", "identity.linked", object="cy"),
    row("12", "", "2026-01-07T09:00", "fact.voided", voids="11"),
    row("guest entry", "", "2026-01-08T09:00", "session.entered", role="guest", object="room"),
]


@pytest.fixture
def term(ledger: None, monkeypatch: pytest.MonkeyPatch):  # noqa: ARG001 - it comes first
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    found = subscribe(customer(), PLAN, now=NOW)
    send(FACTS, NOW)
    return found


def plain(found: Explanation) -> dict[str, Any]:
    def told(lines):
        return [(it.fact.id, it.disposition, it.proves) for it in lines]

    return {
        "learners": found.learners,
        "before": told(found.before),
        "windows": [(it.window.number, it.activations, told(it.lines)) for it in found.windows],
        "after": told(found.after),
    }


@pytest.mark.parametrize("learner", ["ana", "ana2", "bo", "cy"])
def test_it_says_what_the_library_says_of_the_same_facts(term, learner: str) -> None:
    known = people.surrogate(term.customer_id, learner)
    assert known
    with snapshots.snapshot(term, at(NOW) + 1) as result:
        expected = plain(result.explain(known))
    assert plain(explain_learner(term, known, at(NOW))) == expected


@pytest.mark.parametrize(("dedupe", "seed"), [("customer", 0), ("organisation", 1)])
def test_a_long_account_says_what_a_short_one_says(dedupe: str, seed: int, monkeypatch) -> None:
    """Few learners, so that links, links taken back, voids and organisations meet in one person often."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    random = Random(seed)
    rules = f'dedupe = "{dedupe}"\nminimum = 2\nexempt = [{{ role = "instructor" }}]\n'
    plan = own_plan(f'[meter]\ncounts = ["login"]\n{rules}[window]\nkind = "calendar-month"\n')
    stored = subscribe(customer("Northern Academy", ("north", "south")), plan, now=NOW)
    facts = drawn(random, 200, learners=20, months=("2025-12", "2026-01", "2026-02"))
    send(facts, NOW)
    live = contracts.live(stored)
    linked = 0
    for person in Person.objects.all():
        short = explain_learner(stored, str(person.pk), at(NOW))
        assert plain(abridged.abridged(live, str(person.pk), at(NOW) + 1)) == plain(short)
        linked += len(short.learners) > 1
    assert linked > 1


def test_of_somebody_who_did_very_much_a_part_is_listed_and_all_of_it_is_told(term, monkeypatch) -> None:
    """Ana's 60 logins on one day: all count, the first proves and is listed with the next; 58 are left out."""
    monkeypatch.setattr(explaining, "FACTS_MAX", 50)
    monkeypatch.setattr(abridged, "LINES_MAX", 2)
    send([row(f"many {n}", "dee", f"2026-01-20T09:{n:02}") for n in range(60)], NOW)
    found = administrator(term.customer).get(f"/subscriptions/{term.pk}/learners/dee").json()
    [january, february] = found["windows"]
    assert [it["id"] for it in january["facts"]] == ["many 0", "many 1"]
    assert [it["proves"] for it in january["facts"]] == [True, False]
    assert (january["counted"], january["classes"], january["left_out"]) == (True, ["new"], 58)
    assert (february["counted"], february["facts"], february["left_out"]) == (False, [], 0)
    assert (found["ids"], found["left_out"]) == (["dee"], 0)
    known = people.surrogate(term.customer_id, "dee")
    assert explain_learner(term, known, at(NOW)).left_out == {1: {"counted": 58}}


def test_a_guests_entry_is_explained_as_the_library_does(term) -> None:
    with snapshots.snapshot(term, at(NOW) + 1) as result:
        expected = plain(result.explain("guest entry"))
    assert plain(explain_learner(term, "guest entry", at(NOW), is_entry=True)) == expected
    assert expected["windows"][0][2] == [("guest entry", "counted", True)]


def test_links_and_voids_are_told_by_the_ids_that_the_customer_knows(term) -> None:
    """Ana counted in January; in February her login passed to ana2, whose own was taken back."""
    for asked in ("ana", "ana2"):
        found = administrator(term.customer).get(f"/subscriptions/{term.pk}/learners/{asked}").json()
        assert sorted(found["ids"]) == ["ana", "ana2"]
        january, february = found["windows"]
        assert [it["disposition"] for it in january["facts"]] == [
            *("counted", "not counted: type", "not counted: exempt role", "correction"),
        ]
        assert [(it["id"], it["disposition"]) for it in february["facts"]] == [
            *(("5", "counted"), ("6", "not counted: voided"), ("7", "correction")),
        ]
        assert (january["classes"], february["classes"]) == (["new"], ["continuing"])
        assert [it["id"] for it in january["facts"] if it["proves"]] == ["1"]


def test_a_link_that_was_taken_back_makes_nobody_the_same(term) -> None:
    found = administrator(term.customer).get(f"/subscriptions/{term.pk}/learners/bo").json()
    assert found["ids"] == ["bo"]
    assert [it["id"] for it in found["before"]] == ["9"]
    assert "10" not in [it["id"] for window in found["windows"] for it in window["facts"]]


def test_whoever_was_erased_is_explained_without_a_name(term) -> None:
    Person.objects.filter(learner="ana").update(learner="")
    found = administrator(term.customer).get(f"/subscriptions/{term.pk}/learners/ana2").json()
    assert sorted(found["ids"]) == ["(erased)", "ana2"]
