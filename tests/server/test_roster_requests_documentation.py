"""docs/server/roster.md has a program that does what it is asked for: it is run as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from rollbook.server import clock
from rollbook.server.access import keys
from rollbook.server.configuration import Configuration
from rollbook.server.models import Endpoint, RosterRequest
from rollbook.server.notices.delivery import deliver
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.receiving.roster_requests import ANSWERS_MAX, OPEN_DAYS, WHY_LENGTH_MAX
from tests.server import receivers
from tests.server.test_roster_actions import PLAN, WELDING, disable, enabled, enrolled
from tests.server.test_roster_requests import LATER, decide
from tests.server.world import at, customer, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

TEXT = (Path(__file__).parents[2] / "docs/server/roster.md").read_text()


@pytest.fixture
def receiver(settings: Any) -> Iterator[receivers.Webhooks]:
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_WEBHOOKS_PRIVATE": True})
    with receivers.webhooks() as running:
        yield running


def program(url: str, key: str, secret: str) -> dict[str, Any]:
    """What the page has, with what is left out there."""
    [text] = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    for there, here in (("https://rollbook.example", url), ("rbk_…", key), ("whsec_…", secret)):
        assert text.count(there) == 1
        text = text.replace(there, here)
    found: dict[str, Any] = {}
    exec(compile(text, "roster.md", "exec"), found)  # noqa: S102 - our own page
    return found


def test_the_program_of_the_page_does_what_is_asked_and_refuses_what_it_cannot(live_server, receiver, monkeypatch):
    """Bo can be switched and cy cannot: a day later the webhook came, and ana and cy are enabled."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(LATER) * 1000)
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    secret = new_secret()
    Endpoint.objects.create(customer=mine, url=receiver.url, secret=secret, events=["roster.requested"])
    _, key = keys.make(name="platform", scopes=["roster:read", "roster:write"], customer=mine)
    decide(mine, disable("bo", "cy"))
    assert enabled(mine) == ["ana"]
    assert deliver(datetime.now(UTC) + timedelta(seconds=1)) == 1
    [(headers, body)] = receiver.got
    there = program(live_server.url, key, secret)
    switched = []

    def switch(what: str, learner: str, object_: str) -> None:
        if learner == "cy":
            raise LookupError("there is no such learner here")
        switched.append((what, learner, object_))

    there["switch"] = switch
    with pytest.raises(WebhookVerificationError):
        there["received"](body.replace(b"2", b"3"), headers)
    assert switched == []
    with there["rollbook"]:
        there["received"](body, headers)
        there["received"](body, headers)
    assert switched == [("enrolment.disabled", "bo", "Welding")]
    assert enabled(mine, "2026-01-21T13:00") == ["ana", "cy"]
    states = RosterRequest.objects.values_list("person__learner", "state", "why")
    assert set(states) == {("bo", "done", ""), ("cy", "refused", "there is no such learner here")}
    assert set(RosterRequest.objects.values_list("answered_by", flat=True)) == {f"key {key.split('_')[1]}"}


def test_the_bounds_are_those_of_the_code():
    assert f"up to {ANSWERS_MAX:,} answers" in TEXT
    assert f"at most {WHY_LENGTH_MAX}\n" in TEXT
    assert f"answered for {OPEN_DAYS} days" in TEXT
