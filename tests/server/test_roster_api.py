"""The roster over the API, as a program of a customer asks for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from rollbook.intake.rosters import RosterOptions, read_roster
from rollbook.server import clock
from rollbook.server.live import roster as rosters
from rollbook.server.models import Person
from rollbook.server.receiving.roster import Asked, confirm, foresee
from tests.server.callers import administrator, by_key, code
from tests.server.test_roster_actions import NOW, PLAN, WELDING, admin, enrolled, who
from tests.server.world import at, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")


def test_it_is_seen_foreseen_and_changed(monkeypatch):
    """Of three enabled, one is disabled: February has 2 in place of 3, of 2 that are included: 3 EUR less."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    mine = customer()
    term = subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    caller = by_key("roster:read", "roster:write", customer=mine)
    first = caller.get("/roster/learners?limit=2").json()
    [last] = caller.get(f"/roster/learners?after={first['next']}").json()["items"]
    assert {it["learner"] for it in (*first["items"], last)} == set(WELDING)
    assert (last["is_active"], last["enabled"]) == (True, 1)
    [enrolment] = last["enrolments"]
    assert (enrolment["course"], enrolment["since"]) == ("Welding", "2026-01-02T09:00:00Z")
    assert caller.get("/roster/courses").json()["items"] == [
        {"organisation": "north", "course": "Welding", "enrolments": 3, "enabled": 3, "learners": 3}
    ]
    it = {"person": last["person"], "object": enrolment["object"]}
    action = {"kind": "enrolments", "do": "disable", "enrolments": [it]}
    found = caller.post("/roster/preview", action).json()
    [effect] = found["effects"]
    february = effect["windows"][1]
    assert (effect["subscription"], effect["save_until"]) == (term.pk, "2026-02-01T00:00:00Z")
    assert (february["before"]["active"], february["after"]["active"]) == (3, 2)
    assert float(february["before"]["total"]) - float(february["after"]["total"]) == 3
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-01-20T12:10") * 1000)
    for new in (1, 0):
        assert caller.post("/roster/changes", {**action, "digest": found["digest"]}).json()["new"] == new
    [now] = caller.get(f"/roster/learners/{last['person']}").json()["items"]
    assert (now["enabled"], now["enrolments"][0]["since"]) == (0, "2026-01-20T12:00:00Z")
    other = {**action, "do": "enable", "digest": found["digest"]}
    assert code(caller.post("/roster/changes", other)) == "preview-outdated"


def test_it_is_filtered_by_how_learners_stand_and_searched_by_how_they_begin():
    """Ana is inactive, bo has nothing enabled, cy is both active and enabled."""
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    told = [row("1", "ana", "2026-01-04T00:00", "account.disabled")]
    told.append(row("2", "bo", "2026-01-04T00:00", "enrolment.disabled", object="Welding"))
    send(told, "2026-01-05T00:00")
    caller = administrator(mine)
    expected = {
        "active": ["bo", "cy"],
        "inactive": ["ana"],
        "enabled": ["ana", "cy"],
        "none-enabled": ["bo"],
    }
    for standing, names in expected.items():
        found = caller.get(f"/roster/learners?standing={standing}").json()["items"]
        assert sorted(it["learner"] for it in found) == names, standing
    assert [it["learner"] for it in caller.get("/roster/learners?search=B").json()["items"]] == ["bo"]
    assert caller.get("/roster/learners?standing=asleep").status_code == 422
    assert caller.get("/roster/learners/999999").status_code == 404


def test_a_roster_that_a_platform_exported_becomes_facts_once(tmp_path: Path):
    """Whole: cy is missing and ends, eve is new, ana and bo stay; a new enrolment is disabled (W-05)."""
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    file = tmp_path / "roster.csv"
    file.write_text("learner,course\nana,Welding\nbo,Welding\neve,Welding\n")
    reading = read_roster(file, RosterOptions(day=date(2026, 1, 20), organisation="north", complete=True))
    assert reading.problems.total == 0
    asked = Asked(kind="snapshot", snapshot=reading)
    found = foresee(admin(mine), mine, asked, at(NOW))
    assert not Person.objects.filter(learner="eve").exists()
    assert found.decided["enrolment.ended"] == found.decided["enrolment.created"] == 1
    assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).new == sum(found.decided.values())
    assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).new == 0
    lines = {it.learner: it.enabled for it in rosters.page(mine, now_us=at("2026-01-21T00:00")).lines}
    assert lines == {"ana": 1, "bo": 1, "eve": 0}
    assert rosters.learner(mine, who("eve"), at(NOW)) == ()
