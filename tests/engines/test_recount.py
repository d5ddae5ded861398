"""A recount tells each kind of difference, and changes nothing."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from rollbook.engines.database import LiveSubscription, begin_window, recount
from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from tests.engines import lives
from tests.metering.ledgers import COUNTS, HOLDS, plan

JANUARY = 20_454 * DAY_US
ANA = Fact(id="1", source="lms", at_us=JANUARY, type="login", organisation="north", learner="ana")
FACTS = (
    ANA,
    ANA.replace(id="2", at_us=JANUARY + DAY_US),
    ANA.replace(id="3", at_us=JANUARY - 40 * DAY_US),
    ANA.replace(id="4", learner="bo", at_us=JANUARY + 2 * DAY_US),
    ANA.replace(id="5", learner="", role="guest"),
    ANA.replace(id="6", type="enrolment.enabled", object="A"),
)
LOGINS = Meter(counts=COUNTS, guests="each-entry")
SPANS = Meter(holds=HOLDS)


def begun(connection: Any, meter: Meter) -> LiveSubscription:
    """One window of a subscription has begun, and these facts are stored."""
    to = Subscription(
        plan=plan(meter, WindowRule(kind="calendar-month")),
        start=date(2026, 1, 1),
        end=date(2026, 4, 1),
        organisations=("north",),
    )
    live = begin_window(connection.cursor(), LiveSubscription(1, to))
    lives.deliver(connection.cursor(), [live], FACTS)
    assert list(recount(connection.cursor(), live)) == []
    return live


TAMPERED = {
    "an activation is gone": (LOGINS, "delete from activation where unit = 'ana'", "activation, .*'ana'.* is missing"),
    "an activation has another number of facts": (
        LOGINS,
        "update activation set facts = 7 where unit = 'ana'",
        "facts is 7, counted 2",
    ),
    "an activation has another class": (
        LOGINS,
        "update activation set class = 'new' where unit = 'ana'",
        "class is 'new', counted 'reactivated'",
    ),
    "an activation of nobody": (
        LOGINS,
        "update activation set unit = 'zoe' where unit = 'bo'",
        "'zoe'.* should not be there",
    ),
    "an activation in a window of its own": (
        LOGINS,
        "update activation set window_number = 3 where unit = 'bo'",
        "window_number 3.* should not be there",
    ),
    "an activation of another organisation": (
        LOGINS,
        "update activation set scope = 'south' where unit = 'bo'",
        "scope 'south' should not be there",
    ),
    "a guest is gone": (LOGINS, "delete from activation where unit = '5'", "'5'.* is missing"),
    "a guest is another": (LOGINS, "update activation set unit = '9' where unit = '5'", "'9'.* should not be there"),
    "an opening is gone": (LOGINS, "delete from opening", "opening, .*'ana'.* is missing"),
    "an opening is later": (
        LOGINS,
        "update opening set last_window = 0, first_window = 0",
        "last_window is 0, counted -1",
    ),
    "a tally is too high": (
        LOGINS,
        "update tally set units = units + 1 where class = 'continuing' or class = 'reactivated'",
        "tally, .*units is 2, counted 1",
    ),
    "a tally is gone": (LOGINS, "delete from tally", "tally, .*units is 0, counted"),
    "a holding is gone": (SPANS, "delete from holding", "holding, .*'ana'.* is missing"),
    "a holding ends": (SPANS, "update holding set until_us = on_us + 1", "until_us is"),
    "a holding of nobody": (SPANS, "update holding set unit = 'zoe'", "'zoe'.* should not be there"),
}


@pytest.mark.parametrize(("meter", "sql", "said"), TAMPERED.values(), ids=list(TAMPERED))
def test_whatever_was_changed_by_hand_is_told(connection: Any, meter: Meter, sql: str, said: str) -> None:
    live = begun(connection, meter)
    cursor = connection.cursor()
    cursor.execute(sql)
    assert cursor.rowcount
    before = lives.found(cursor, live)
    told = list(recount(cursor, live))
    assert len(told) == len(set(told))
    assert [words for words in told if re.search(said, words)], told
    assert lives.found(cursor, live) == before, "nothing was changed"
