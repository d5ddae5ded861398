"""How many of each group were active: the API, from the live counts, says what the report says of all facts.

It is noon on 20 January 2026; a month is a window, and logins count.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from rollbook.metering.calendar import windows
from rollbook.model.groups import written
from rollbook.reports import groups as reported
from rollbook.server import clock, models
from rollbook.server.live import contracts, groups, snapshots
from tests.server.callers import by_key
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00"
RULES = '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
PLACES = (
    (),
    ("Sales",),
    ("Sales / North",),
    ("Ops", "Sales / South"),
    ("Süd\\/Ost",),
    ("Sales / North", "Sales / South"),
)


@pytest.fixture
def term(ledger: None, monkeypatch: pytest.MonkeyPatch) -> models.Subscription:  # noqa: ARG001 - it comes first
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    return subscribe(customer(), own_plan(RULES))


def told(id_: str, learner: str, when: str, *places: str, **more: Any) -> dict[str, Any]:
    """A fact that tells the groups of a learner."""
    attributes = json.dumps({"groups": places}, ensure_ascii=False)
    return row(id_, learner, when, "account.changed", **{"attributes": attributes, **more})


def asked(term: models.Subscription, query: str = "") -> dict[str, Any]:
    answer = by_key("usage:read", customer=term.customer).get(f"/subscriptions/{term.pk}/groups{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_groups_have_subtotals_and_words_say_why_they_exceed_the_total(term: models.Subscription) -> None:
    """Ann is in Sales and in Ops, Bob in Sales, Cy in none: 2 + 1 + 1 = 4 for three."""
    send(
        [
            row("1", "ann", "2026-01-02T09:00"),
            row("2", "bob", "2026-01-03T09:00"),
            row("3", "cy", "2026-01-04T09:00"),
            told("4", "ann", "2026-01-01T09:00", "Sales / North", "Ops"),
            told("5", "bob", "2026-01-01T09:00", "Sales"),
        ],
        NOW,
    )
    assert asked(term) == {
        "window": 1,
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-02-01T00:00:00Z",
        "total": 3,
        "none": 1,
        "subtotals": 4,
        "groups": [
            {"organisation": "north", "group": "Ops", "level": 1, "active": 1, "share": 33.3},
            {"organisation": "north", "group": "Sales", "level": 1, "active": 2, "share": 66.7},
            {"organisation": "north", "group": "Sales / North", "level": 2, "active": 1, "share": 33.3},
        ],
        "notes": [
            (
                "Subtotals add up to 4 and the total is 3: 1 learner is in two groups and counts in each; nobody counts "
                "twice in the total."
            ),
            reported.INSTANT,
        ],
    }


def test_the_report_as_a_file_says_it_too(term: models.Subscription) -> None:
    send([row("1", "ann", "2026-01-02T09:00"), told("2", "ann", "2026-01-01T09:00", "Sales", "Ops")], NOW)
    answer = by_key("usage:read", customer=term.customer).get(f"/subscriptions/{term.pk}/reports/groups?format=json")
    found = json.loads(b"".join(answer.streaming_content))
    assert [(it["kind"], it["group"], it["active"]) for it in found["rows"]] == [
        ("total", "", 1),
        ("group", "Ops", 1),
        ("group", "Sales", 1),
        ("none", "", 0),
    ]
    assert found["notes"][0].startswith(
        "window 1: Subtotals add up to 2 and the total is 1: 1 learner is in two groups"
    )


def test_a_window_that_has_not_begun_is_not_there(term: models.Subscription) -> None:
    caller = by_key("usage:read", customer=term.customer)
    assert caller.get(f"/subscriptions/{term.pk}/groups?window=2").status_code == 404
    assert caller.get(f"/subscriptions/{term.pk}/groups?window=0").status_code == 422


def test_attributes_that_name_groups_and_tell_none_change_nothing(term: models.Subscription) -> None:
    send(
        [
            row("1", "ann", "2026-01-05T09:00"),
            told("2", "ann", "2026-01-01T09:00", "Sales"),
            row("3", "ann", "2026-01-02T09:00", "account.changed", attributes='{"groups": "Ops"}'),
            row("4", "ann", "2026-01-03T09:00", "account.changed", attributes='{"of": {"groups": ["Ops"]}}'),
        ],
        NOW,
    )
    assert [(it["group"], it["active"]) for it in asked(term)["groups"]] == [("Sales", 1)]


def test_a_name_of_a_group_may_be_written_by_the_numbers_of_its_letters(term: models.Subscription) -> None:
    attributes = '{"\\u0067roups": ["S\\u00fcd"]}'
    send([row("1", "ann", "2026-01-05T09:00"), told("2", "ann", "2026-01-01T09:00", attributes=attributes)], NOW)
    assert [(it["group"], it["active"]) for it in asked(term)["groups"]] == [("Süd", 1)]


def drawn(random: Random) -> list[dict[str, Any]]:
    """Logins, moves, links, and what is taken back, in two organisations."""
    found: list[dict[str, Any]] = []
    learners = [f"l{n}" for n in range(8)]
    for number in range(70):
        when = f"2026-01-{random.randint(1, 19):02d}T{random.randint(0, 3):02d}:00"
        more = {"organisation": random.choice(("north", "south"))}
        learner, kind, id_ = random.choice(learners), random.randint(0, 9), str(number)
        if kind < 4:
            found.append(row(id_, learner, when, **more))
        elif kind < 8:
            found.append(told(id_, learner, when, *random.choice(PLACES), **more))
        elif kind == 8:
            other = random.choice([it for it in learners if it != learner])
            found.append(row(id_, learner, when, "identity.linked", object=other, **more))
        elif found:
            target = random.choice(found)
            if target["type"] != "fact.voided":
                voids = {"organisation": target["organisation"], "voids": target["id"]}
                found.append(row(id_, "", when, "fact.voided", **voids))
    return found


@pytest.mark.parametrize("dedupe", ["organisation", "customer"])
@pytest.mark.parametrize("seed", range(8))
def test_the_live_count_says_what_the_report_says(term: models.Subscription, seed: int, dedupe: str) -> None:
    del term
    stored = subscribe(
        customer("Two Academies", ("north-2", "south-2")),
        own_plan(RULES.replace("[window]", f'dedupe = "{dedupe}"\n[window]'), "apart"),
    )
    facts = [{**it, "organisation": f"{it['organisation']}-2"} for it in drawn(Random(seed))]
    send(facts, NOW)
    first = windows(contracts.subscription_of(stored))[0]
    live = groups.of_window(stored, first, at(NOW))
    with snapshots.snapshot(stored, at(NOW) + 1) as result:
        [report] = reported.counted(result.account, result.steps.rows)
    assert (live.total, live.none, live.several, live.nested) == (
        report.total,
        report.none,
        report.several,
        report.nested,
    )
    assert {it: units for it, units in live.groups.items() if units} == {
        it: units for it, units in report.groups.items() if units
    }
    assert live.total > 5
    assert len(live.groups) > 2
    assert all(written(group) for _, group in live.groups)
