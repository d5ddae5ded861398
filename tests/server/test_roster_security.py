"""docs/server/security.md says who changes what is billed, and within which bounds: it is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.server.access.principals import READS, SCOPES_OF_ROLE
from rollbook.server.models import RosterRequest, User
from rollbook.server.receiving.roster import LEARNERS_MAX, VALID_SECONDS
from rollbook.server.receiving.roster_requests import OPEN_DAYS
from rollbook.server.receiving.rules_running import FACTS_MAX
from tests.pages.test_words import acts
from tests.server import callers
from tests.server.test_roster_actions import enabled
from tests.server.test_roster_requests import asked_for
from tests.server.world import row, send

TEXT = (Path(__file__).parents[2] / "docs/server/security.md").read_text()
[SECTION] = [it for it in TEXT.split("\n## ") if it.startswith("Who changes what is billed")]


def test_the_bounds_are_those_of_the_code():
    assert f"takes a fact back for {OPEN_DAYS} days" in SECTION
    assert f"{LEARNERS_MAX:,} learners" in SECTION
    assert f"{FACTS_MAX:,} statuses a run" in SECTION
    assert (VALID_SECONDS, "within an hour" in SECTION) == (3600, True)


def test_every_act_on_rosters_and_rules_that_is_written_down_stands_there():
    named = {it for it in acts() if it.startswith(("roster.", "rules."))}
    assert named == {it for it in named if f"`{it}`" in SECTION}
    assert len(named) == 8


def test_operators_and_administrators_change_rosters_and_no_administrator_makes_a_key_that_does():
    assert {it for it, scopes in SCOPES_OF_ROLE.items() if "roster:write" in scopes} == {
        User.OPERATOR,
        User.ADMINISTRATOR,
    }
    assert "roster:write" not in READS
    assert "Administrators make no key with `roster:write`" in SECTION


@pytest.mark.usefixtures("ledger")
def test_what_was_decided_here_is_taken_back_by_no_sender():
    """Bo was disabled here. A void of the platform's own source finds no such fact; one of the reserved is rejected."""
    mine = asked_for("bo")
    fact = RosterRequest.objects.get().fact_id
    void = row("void", "", "2026-01-21T00:00", "fact.voided", voids=fact)
    send([void], "2026-01-21T00:01")
    assert enabled(mine, "2026-01-22T00:00") == ["ana", "cy"]
    caller = callers.by_key("facts:write", customer=mine)
    answer = caller.post("/facts", [{**void, "source": "rollbook"}])
    assert "source-reserved" in answer.content.decode()
    assert enabled(mine, "2026-01-22T00:00") == ["ana", "cy"]
    assert "source-reserved" in SECTION
