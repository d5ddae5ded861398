"""Who may see what: every page against everybody, in one table written by thinking.

The columns: an operator; the customer's administrator; its viewer; the administrator of another customer; nobody.
Nobody is sent to sign in (302). Whoever lacks the scope reads why (403), whatever the object. Whoever has it and asks
for what is another customer's finds nothing there (404).
"""

from __future__ import annotations

import re

import pytest
from django.test import Client

from rollbook.server.pages.registry import PAGES, patterns
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")

WHO = ("op", "ad", "vi", "oa", "no")

TABLE = """
                                        op  ad  vi  oa  no
front           GET                     200 200 200 200 302
account         GET                     200 200 200 200 302
usage           GET                     200 200 200 404 302
usage-live      GET                     200 200 200 404 302
usage-forecast  GET                     200 200 200 404 302
report          GET                     200 200 200 404 302
"""

ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]


class World:
    """Two customers, one with a subscription."""

    def __init__(self) -> None:
        self.north = world.customer("North", ("north",))
        self.south = world.customer("South", ("south",))
        self.subscription = world.subscribe(self.north, "monthly-login", quantity=5)

    def client(self, who: str) -> Client:
        client = Client()
        people = {
            "op": ("operator", None),
            "ad": ("administrator", self.north),
            "vi": ("viewer", self.north),
            "oa": ("administrator", self.south),
        }
        if who in people:
            client.force_login(callers.user(*people[who]))
        return client

    def address(self, name: str) -> str:
        """The page's address with the numbers of this world."""
        parts = {"number": self.subscription.pk, "name": "consumption", "by": "company", "form": "csv"}
        return "/" + re.sub(r"<\w+:(\w+)>", lambda it: str(parts[it[1]]), PAGES[name].route)


def test_every_page_is_in_the_table():
    patterns()
    assert {(name, method) for name, it in PAGES.items() for method in it.methods} == {(it[0], it[1]) for it in ROWS}


@pytest.mark.parametrize("line", ROWS, ids=lambda it: f"{it[0]} {it[1]}")
def test_a_page_answers_everybody_as_the_table_says(line):
    name, method, *wanted = line
    there = World()
    answers = {who: there.client(who).generic(method, there.address(name)) for who in WHO}
    assert {who: str(it.status_code) for who, it in answers.items()} == dict(zip(WHO, wanted, strict=True))
    for it in answers.values():
        it.close()
        assert it.status_code == 302 or "no-store" in it["Cache-Control"]
    if method == "GET" and name != "front":
        assert answers["no"]["Location"] == f"/signin?next={there.address(name)}"


def test_another_customers_page_answers_like_one_that_is_not_there():
    there = World()
    client = there.client("oa")
    theirs = client.get(f"/subscriptions/{there.subscription.pk}/usage")
    for number in (there.subscription.pk + 1000, 2**63, 10**30):
        none = client.get(f"/subscriptions/{number}/usage")
        assert (none.status_code, _words(none)) == (theirs.status_code, _words(theirs))
    assert "North" not in theirs.content.decode()


def test_a_key_opens_no_page():
    there = World()
    answer = callers.by_key("usage:read", customer=there.north).client.get("/account")
    assert (answer.status_code, answer["Location"]) == (302, "/signin?next=/account")


def test_what_loads_by_itself_sends_the_whole_page_to_sign_in():
    answer = Client().get("/account", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/signin")


def test_another_method_is_told_which_ones_there_are():
    answer = World().client("op").post("/account")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")


def _words(answer) -> str:
    return re.sub(r'(value|X-CSRFToken)"?[=:] ?"[^"]+"', "", answer.content.decode()).replace(
        answer.request["PATH_INFO"], ""
    )
