"""However long a chain of links is, whom it leads to is asked for in a few questions: its customer is locked meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from rollbook.engines.database import LiveSubscription, prepare
from rollbook.engines.database.dialects import Database
from rollbook.engines.database.facts import store
from rollbook.engines.database.touch import Touched, with_linked
from rollbook.model.fact import LINKED, Fact
from rollbook.model.instants import DAY_US
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from tests.metering.ledgers import COUNTS, plan

JANUARY = 20_454 * DAY_US
LINKS = 300


@pytest.mark.parametrize("dedupe", ["organisation", "customer"])
def test_a_chain_of_links_is_followed_to_both_ends_in_three_questions(
    connection: Any, dedupe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a0 - a1 - … - a300, and somebody else's b0 - b1; somebody in the middle is touched."""
    to = Subscription(
        plan=plan(Meter(counts=COUNTS, dedupe=dedupe), WindowRule(kind="calendar-month")),
        start=date(2026, 1, 1),
        end=date(2027, 1, 1),
        organisations=("north", "south"),
    )
    live = LiveSubscription(1, to)
    links = [("north", f"a{n}", f"a{n + 1}") for n in range(LINKS)] + [("south", "b0", "b1")]
    store(
        connection.cursor(),
        [
            Fact(id=str(n), at_us=JANUARY, type=LINKED, organisation=organisation, learner=learner, object=other)
            for n, (organisation, learner, other) in enumerate(links)
        ],
    )
    database = prepare(connection.cursor())
    asked: list[str] = []
    rows = type(database).rows

    def counted(self: Database, sql: str, *given: Any) -> Any:
        asked.append(sql)
        return rows(self, sql, *given)

    monkeypatch.setattr(type(database), "rows", counted)
    found = Touched()
    scope = "" if dedupe == "customer" else "north"
    found.add((scope, "a150"), JANUARY + DAY_US)
    assert with_linked(database, live, found)
    assert found.learners == {(scope, f"a{n}"): JANUARY + DAY_US for n in range(LINKS + 1)}
    assert len(asked) == 3
