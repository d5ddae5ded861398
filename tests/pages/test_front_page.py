"""The page at /: whoever is signed in finds their own, and nothing of others."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")


def page(role: str, customer=None) -> str:
    client = Client()
    client.force_login(callers.user(role, customer))
    answer = client.get("/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return answer.content.decode()


def current(row, **more):
    """A year that runs today."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    start = datetime.now(UTC).date() - timedelta(days=40)
    return world.subscribe(row, start=start, now=datetime.now(UTC).replace(tzinfo=None).isoformat(), **more)


def test_nobody_is_sent_to_sign_in():
    answer = Client().get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/signin")


def test_after_signing_in_there_is_a_page():
    somebody = callers.user("operator")
    said = {"name": somebody.email, "password": callers.PASSWORD}
    answer = Client().post("/signin", said, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert (answer.status_code, somebody.email in answer.content.decode()) == (200, True)


def test_everybody_sees_their_own_current_plans():
    north, south = world.customer("North <b>", ("north",)), world.customer("South", ("south",))
    mine, other = current(north), current(south)
    hidden = current(north, kind="pilot", meter="trial")
    over = world.subscribe(north, start=world.START.replace(year=2020), meter="old")
    said = page("administrator", north)
    assert "North &lt;b&gt;" in said
    assert set(re.findall(r'href="/subscriptions/(\d+)/', said)) == {str(mine.pk)}
    # The vendor sees all that run, pilots too.
    everything = page("operator")
    assert all(f'"/subscriptions/{it.pk}/usage"' in everything for it in (mine, other, hidden))
    assert f'"/subscriptions/{over.pk}/usage"' not in everything


def test_whoever_has_only_plans_that_are_not_shown_is_told_whom_to_ask():
    north = world.customer()
    current(north, kind="pilot")
    said = page("administrator", north)
    assert "your contact at the vendor" in said
    assert "/subscriptions/" not in said


def test_it_says_what_is_used_of_what_and_what_that_costs_and_leads_to_who_counted():
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    north = world.customer("North", ("north",))
    mine = current(north, quantity=2)
    mine.quote = '[tariff]\ncurrency = "EUR"\nbase = { rate = 4.00 }\noverage = { rate = 7.50 }\n'
    mine.save(update_fields=["quote"])
    now = datetime.now(UTC).replace(tzinfo=None)
    # At midnight between two months an earlier minute would be in the month before.
    minute = max(now - timedelta(minutes=1), now.replace(day=1, hour=0, minute=0)).isoformat(timespec="minutes")
    for number, learner in enumerate(("ana", "bo", "cy"), 1):
        world.send([world.row(str(number), learner, minute)], now.isoformat())
    seen = {role: page(role, None if role == "operator" else north) for role in ("administrator", "viewer", "operator")}
    for said in seen.values():
        assert re.search(r">3</span>\s*<span[^>]*>active, 2 included", said)
        # 2 that were bought at 4.00, and one beyond at 7.50.
        assert "€15.50" in said
        assert "1 beyond" in said
    assert "1 plan is beyond what it includes" in seen["operator"]
    for part, roles in (("learners", {"administrator"}), ("statements", {"administrator"}), ("usage", {*seen})):
        assert {role for role, said in seen.items() if f'"/subscriptions/{mine.pk}/{part}"' in said} == roles


def test_signing_out_on_the_page_ends_the_session():
    client = Client(enforce_csrf_checks=True)
    client.force_login(callers.user("operator"))
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/").content.decode())[0]
    assert client.post("/signout", {"csrfmiddlewaretoken": token})["Location"] == "/signin"
    assert client.get("/")["Location"] == "/signin"
