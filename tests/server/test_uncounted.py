"""Who did something and did not count, with the reason that the library gives; and who did count, and is not among them.

It is noon on 20 January 2026; a month is a window, logins count, and instructors are exempt.
"""

from __future__ import annotations

import threading
from random import Random
from urllib.parse import quote

import pytest

from rollbook.metering.outcome import DISPOSITIONS
from rollbook.server import clock, models
from rollbook.server.live import people, snapshots, uncounted
from tests.server.callers import administrator, by_key, code, operator
from tests.server.world import at, customer, drawn, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00"
RULES = """
[meter]
counts = ["login"]
exempt = [{ role = "instructor" }]
[window]
kind = "calendar-month"
"""
ODD = "a/b?c#d %20 ü"
"""An id that an address has to carry in its encoded form."""


@pytest.fixture
def term(ledger: None, monkeypatch: pytest.MonkeyPatch) -> models.Subscription:  # noqa: ARG001 - it comes first
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    return subscribe(customer(), own_plan(RULES))


def asked(term: models.Subscription, query: str = "") -> dict:
    answer = by_key("learners:read", customer=term.customer).get(f"/subscriptions/{term.pk}/not-counted{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def reasons(found: dict) -> dict[str, dict[str, int]]:
    return {it["learner"]: {why["disposition"]: why["facts"] for why in it["reasons"]} for it in found["learners"]}


def test_each_reason_is_told_with_how_many_facts_it_has(term: models.Subscription) -> None:
    """Ana counts, whatever else she did. Bo only looked; Cy led; Di's login was taken back; a guest is nobody."""
    send(
        [
            row("1", "ana", "2026-01-02T09:00"),
            row("2", "ana", "2026-01-02T10:00", "course.viewed"),
            row("3", "bo", "2026-01-03T09:00", "course.viewed"),
            row("4", "bo", "2026-01-04T09:00", "course.viewed"),
            row("5", "cy", "2026-01-05T09:00", role="instructor"),
            row("6", "cy", "2026-01-05T10:00", "course.viewed"),
            row("7", "di", "2026-01-06T09:00"),
            row("8", "", "2026-01-06T10:00", "fact.voided", voids="7"),
            row("9", "", "2026-01-07T10:00", role="guest"),
        ],
        NOW,
    )
    found = asked(term)
    assert reasons(found) == {
        "bo": {"not counted: type": 2},
        "cy": {"not counted: type": 1, "not counted: exempt role": 1},
        "di": {"not counted: voided": 1},
    }
    assert (found["window"], found["start"], found["end"]) == (1, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    for it in found["learners"]:
        for why in it["reasons"]:
            assert (why["meaning"], why["organisation"]) == (DISPOSITIONS[why["disposition"]], "north")
            assert why["facts"] == sum(done["facts"] for done in why["types"])


def test_a_window_has_its_own_facts_alone(term: models.Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first instant of February is February's."""
    views = [
        row("1", "bo", "2026-01-31T23:59:59.999999Z", "course.viewed"),
        row("2", "cy", "2026-02-01", "course.viewed"),
    ]
    views[1]["occurred_at"] = "2026-02-01T00:00:00Z"
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-02-02T00:00") * 1000)
    send(views, "2026-02-02T00:00")
    assert reasons(asked(term, "?window=1")) == {"bo": {"not counted: type": 1}}
    assert reasons(asked(term, "?window=2")) == reasons(asked(term)) == {"cy": {"not counted: type": 1}}


def test_whoever_counted_under_another_id_counted(term: models.Subscription) -> None:
    """Ana logged in as ana1 and was linked to ana2, who only looked: one person, who counted."""
    send(
        [
            row("1", "ana1", "2026-01-02T09:00"),
            row("2", "ana2", "2026-01-03T09:00", "identity.linked", object="ana1"),
            row("3", "ana2", "2026-01-04T09:00", "course.viewed"),
            row("4", "bo", "2026-01-04T09:00", "course.viewed"),
        ],
        NOW,
    )
    assert list(reasons(asked(term))) == ["bo"]


def test_whoever_holds_a_place_through_the_month_counts_though_nothing_counted_happened_in_it(
    monkeypatch,
) -> None:
    """Ana was enabled in January and logged in in February: active. Bo was disabled at the first instant of February."""
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-02-10T00:00") * 1000)
    stored = subscribe(customer(), "wisenet-lrm", zone="UTC")
    bo = row("3", "bo", "2026-01-02T09:00", "account.created"), row("4", "bo", "2026-02-01T00:00", "account.disabled")
    send(
        [row("1", "ana", "2026-01-02T09:00", "account.created"), row("2", "ana", "2026-02-03T09:00"), *bo],
        "2026-02-10T00:00",
    )
    assert reasons(asked(stored, "?window=2")) == {"bo": {"state: closed": 1}}


def test_where_organisations_count_apart_it_is_told_in_which_somebody_did_not_count(monkeypatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    mine = customer("Northern Academy", ("north", "south"))
    apart = subscribe(mine, own_plan(RULES.replace("[window]", 'dedupe = "organisation"\n[window]'), "apart"))
    together = subscribe(mine, own_plan(RULES.replace("[window]", 'dedupe = "customer"\n[window]'), "one"), meter="one")
    looked = row("2", "ana", "2026-01-03T09:00", "course.viewed", organisation="south")
    send([row("1", "ana", "2026-01-02T09:00"), looked], NOW)
    [ana] = asked(apart)["learners"]
    assert [(it["organisation"], it["facts"]) for it in ana["reasons"]] == [("south", 1)]
    assert asked(together)["learners"] == []


def test_learners_come_page_by_page_and_none_twice(term: models.Subscription) -> None:
    names = [f"learner {number}" for number in range(5)]
    send([row(f"{name} {n}", name, f"2026-01-0{n}T09:00", "course.viewed") for name in names for n in (1, 2)], NOW)
    met, after = [], 0
    for expected in (2, 2, 1):
        found = asked(term, f"?limit=2&after={after}")
        assert len(found["learners"]) == expected
        assert all(it["reasons"][0]["facts"] == 2 for it in found["learners"])
        met += [it["learner"] for it in found["learners"]]
        after = found["next"] or 0
    assert after == 0
    assert sorted(met) == names


def test_a_page_ends_early_rather_than_take_long_and_the_next_goes_on(term: models.Subscription, monkeypatch) -> None:
    """A page that may take no time asks for two people and ends; whoever they are, the next begins behind them."""
    monkeypatch.setattr(uncounted, "PAGE_SECONDS", 0.0)
    monkeypatch.setattr(uncounted, "PEOPLE_ROUND", 2)
    names = [f"learner {number}" for number in range(7)]
    send([row(it, it, "2026-01-02T09:00", "login" if it < "learner 4" else "course.viewed") for it in names], NOW)
    first = models.Person.objects.order_by("pk").values_list("pk", flat=True)[0]
    met, after, pages = [], first - 1, 0
    while after is not None:
        found = asked(term, f"?limit=5&after={after}")
        met += [it["learner"] for it in found["learners"]]
        after, pages = found["next"], pages + 1
    # Surrogates rise as ids were met, in whatever order within a batch.
    assert (sorted(met), pages) == (names[4:], 4)


@pytest.mark.parametrize("dedupe", ["customer", "organisation"])
@pytest.mark.parametrize("seed", range(3))
def test_pages_tell_what_a_count_of_all_facts_tells(dedupe: str, seed: int, monkeypatch) -> None:
    """Few learners, so that links, links taken back, voids and organisations meet in one person often."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    monkeypatch.setattr(uncounted, "PEOPLE_ROUND", 5)
    monkeypatch.setattr(uncounted, "LEARNERS_MIN", 1)
    random = Random(seed)
    stored = subscribe(
        customer("Northern Academy", ("north", "south")),
        own_plan(RULES.replace("[window]", f'dedupe = "{dedupe}"\nminimum = 2\n[window]'), "apart"),
    )
    facts = drawn(random, 150, learners=25, months=("2025-12", "2026-01"))
    send(facts, NOW)
    found, after = {}, 0
    while after is not None:
        page = asked(stored, f"?limit=3&after={after}")
        for it in page["learners"]:
            assert it["learner"] not in found
            found[it["learner"]] = {(why["organisation"], why["disposition"]): why["facts"] for why in it["reasons"]}
        after = page["next"]
    expected: dict[str, dict[tuple[str, str], int]] = {}
    called = {it.pk: it.learner for it in models.Person.objects.all()}
    with snapshots.snapshot(stored, at(NOW) + 1) as result:
        window = result.steps.windows[0][0]
        for number, organisation, fate, _, count, *_ in result.steps.rows(
            uncounted._SQL, [window.start_us, window.end_us, 1, list(called)]
        ):
            of = expected.setdefault(called[number], {})
            of[organisation, fate] = of.get((organisation, fate), 0) + count
    assert found == expected
    assert len(expected) > 3


def test_names_stand_with_ids_and_whoever_was_erased_has_neither(term: models.Subscription) -> None:
    send(
        [row("1", "bo", "2026-01-03T09:00", "course.viewed"), row("2", "cy", "2026-01-03T09:00", "course.viewed")], NOW
    )
    vendor = operator()
    vendor.call("PUT", "/people", {"customer": term.customer_id, "people": [{"learner": "bo", "name": "Bo B"}]})
    assert vendor.post("/people/erase", {"customer": term.customer_id, "learner": "cy"}).status_code == 200
    found = asked(term)["learners"]
    # In the order of their surrogates, which says nothing of them.
    assert {(it["learner"], it["name"], it["erased"]) for it in found} == {("bo", "Bo B", False), ("", "", True)}


def test_a_window_that_has_not_begun_is_not_there(term: models.Subscription) -> None:
    caller = administrator(term.customer)
    for window, status in ((1, 200), (2, 404), (0, 422), (13, 404)):
        assert caller.get(f"/subscriptions/{term.pk}/not-counted?window={window}").status_code == status
    assert asked(term)["learners"] == []


def test_no_more_counts_run_at_once_than_memory_is_there_for(term: models.Subscription, monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(snapshots, "WAIT_SECONDS", 0)
    caller = administrator(term.customer)
    with snapshots.turn():
        answer = caller.get(f"/subscriptions/{term.pk}/not-counted")
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (503, "busy", "0")


def test_an_id_with_slashes_and_other_signs_is_explained_and_listed(term: models.Subscription) -> None:
    """Bo has the odd id and counted; the same id with another case is somebody else, who did not."""
    other = ODD.upper()
    send([row("1", ODD, "2026-01-03T09:00"), row("2", other, "2026-01-04T09:00", "course.viewed")], NOW)
    caller = administrator(term.customer)
    answer = caller.get(f"/subscriptions/{term.pk}/learners/{quote(ODD, safe='')}")
    assert answer.status_code == 200
    assert answer.json()["ids"] == [ODD]
    assert [it["counted"] for it in answer.json()["windows"]] == [True]
    assert [it["learner"] for it in asked(term)["learners"]] == [other]
    assert people.surrogate(term.customer_id, ODD) != people.surrogate(term.customer_id, other)
