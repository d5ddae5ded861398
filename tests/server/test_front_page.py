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


def test_nobody_is_sent_to_sign_in():
    answer = Client().get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/signin")


def test_after_signing_in_there_is_a_page():
    somebody = callers.user("operator")
    said = {"name": somebody.email, "password": callers.PASSWORD}
    answer = Client().post("/signin", said, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert (answer.status_code, somebody.email in answer.content.decode()) == (200, True)


def test_everybody_sees_their_own_subscriptions_and_every_link_leads_somewhere():
    north, south = world.customer("North <b>", ("north",)), world.customer("South", ("south",))
    mine, other = world.subscribe(north), world.subscribe(south)
    hidden = world.subscribe(north, kind="pilot", meter="trial")
    said = page("administrator", north)
    assert "customer&#x27;s administrator, North &lt;b&gt;" in said
    linked = re.findall(r'href="(/v1/[^"]+)"', said)
    assert linked == [f"/v1/subscriptions/{mine.pk}", f"/v1/subscriptions/{mine.pk}/usage", "/v1/docs"]
    client = Client()
    client.force_login(callers.user("administrator", north))
    assert [client.get(it).status_code for it in linked] == [200, 200, 200]
    # The vendor sees all, pilots too.
    everything = page("operator")
    assert all(f'"/v1/subscriptions/{it.pk}"' in everything for it in (mine, other, hidden))


def test_signing_out_on_the_page_ends_the_session():
    client = Client(enforce_csrf_checks=True)
    client.force_login(callers.user("operator"))
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/").content.decode())
    assert client.post("/signout", {"csrfmiddlewaretoken": token})["Location"] == "/signin"
    assert client.get("/")["Location"] == "/signin"
