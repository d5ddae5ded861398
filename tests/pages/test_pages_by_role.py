"""Who may see what: every page against everybody, in one table written by thinking.

The columns: an operator; the customer's administrator; its viewer; the administrator of another customer; nobody.
Nobody is sent to sign in (302). Whoever lacks the scope reads why (403), whatever the object. Whoever has it and asks
for what is another customer's finds nothing there (404).
"""

from __future__ import annotations

import re

import pytest
from django.test import Client

from rollbook.server import clock, models
from rollbook.server.access import keys
from rollbook.server.billing import closing
from rollbook.server.live import people as live_people
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
learners        GET                     200 200 403 404 302
learners-uncounted GET                  200 200 403 404 302
learners-uncounted-list GET             200 200 403 404 302
groups          GET                     200 200 200 404 302
groups-list     GET                     200 200 200 404 302
learner         GET                     200 200 403 404 302
guest           GET                     200 200 403 404 302
customers       GET                     200 403 403 403 302
customers       POST                    422 403 403 403 302
customer        GET                     200 403 403 403 302
customer-organisations POST             422 403 403 403 302
customer-erase  POST                    422 403 403 403 302
subscribe       GET                     200 403 403 403 302
subscribe       POST                    422 403 403 403 302
subscriptions   GET                     200 403 403 403 302
subscription    GET                     200 403 403 403 302
reconcile       GET                     200 403 403 403 302
reconcile       POST                    422 403 403 403 302
subscription-quantity POST              422 403 403 403 302
subscription-change POST                422 403 403 403 302
subscription-seats POST                 422 403 403 403 302
tasks           GET                     200 403 403 403 302
task-approve    POST                    409 403 403 403 302
task-hold       POST                    422 403 403 403 302
task-release    POST                    302 403 403 403 302
task-resolve    POST                    302 403 403 403 302
task-done       POST                    404 403 403 403 302
problems        GET                     200 403 403 403 302
problems-resolve POST                   404 403 403 403 302
deliveries      GET                     200 403 403 403 302
delivery-resend POST                    404 403 403 403 302
audit           GET                     200 403 403 403 302
jobs            GET                     200 403 403 403 302
jobs            POST                    422 403 403 403 302
jobs-overdue    GET                     200 403 403 403 302
plans           GET                     200 403 403 403 302
plan            GET                     200 403 403 403 302
plan-editor     GET                     200 403 403 403 302
plan-editor     POST                    200 403 403 403 302
plan-check      POST                    200 403 403 403 302
planner         GET                     200 200 403 404 302
planner-figures GET                     200 200 403 404 302
planner-history GET                     200 200 403 404 302
planner-history-figures GET             200 200 403 404 302
help            GET                     200 200 200 200 302
help-page       GET                     200 200 200 200 302
beginning       GET                     200 403 403 403 302
beginning       POST                    200 403 403 403 302
connect         GET                     200 200 403 404 302
connect         POST                    200 403 403 404 302
arrived         GET                     200 200 403 404 302
statements      GET                     200 200 403 404 302
statements      POST                    404 403 403 404 302
statement       GET                     200 200 403 404 302
statement       POST                    404 404 403 404 302
statement-file  GET                     200 200 403 404 302
charges         GET                     200 200 403 404 302
statement-preview GET                   200 200 403 404 302
statement-preview-lines GET             200 200 403 404 302
notices         GET                     200 200 200 404 302
order-new       GET                     200 200 403 404 302
order-new       POST                    422 422 403 404 302
order           GET                     200 200 403 404 302
order           POST                    404 404 403 404 302
people          GET                     200 200 403 404 302
people          POST                    422 422 403 404 302
person          GET                     200 200 403 404 302
person          POST                    404 404 403 404 302
keys            GET                     200 200 403 404 302
keys            POST                    422 422 403 404 302
key             GET                     200 200 403 404 302
key             POST                    404 404 403 404 302
webhooks        GET                     200 200 403 404 302
webhooks        POST                    422 422 403 404 302
webhook         GET                     200 200 403 404 302
webhook         POST                    404 404 403 404 302
roster          GET                     200 200 403 404 302
roster-learner  GET                     200 200 403 404 302
roster-courses  GET                     200 200 403 404 302
roster-ways     GET                     200 200 403 404 302
roster-upload   GET                     200 200 403 404 302
roster-requests GET                     200 200 403 404 302
roster-change   POST                    422 422 403 404 302
roster-rules    GET                     200 200 403 404 302
roster-rules-change POST                422 422 403 404 302
"""

OF_CUSTOMER = {"people", "person", "keys", "key", "webhooks", "webhook", "connect", "arrived"} | {
    "roster",
    "roster-learner",
    "roster-courses",
    "roster-ways",
    "roster-upload",
    "roster-requests",
    "roster-change",
    "roster-rules",
    "roster-rules-change",
}

ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]


class Own:
    """What a customer manages itself, one of each."""

    def __init__(self, customer, subscription) -> None:
        self.subscription = subscription
        self.person = callers.user("viewer", customer, "vera@example.org").pk
        self.key = keys.make(name="reads", scopes=["usage:read"], customer=customer)[0].pk
        self.endpoint = models.Endpoint.objects.create(customer=customer, url="https://example.org/hook").pk
        order = {"report": "consumption", "address": "vera@example.org"}
        self.order = models.ReportOrder.objects.create(subscription=subscription, **order).pk

    def parts(self, name: str) -> dict[str, object]:
        """Parts of addresses. A statement takes a while, and is closed where a page is about one."""
        if name.startswith(("statement", "task-resolve")) and not self.subscription.statements.exists():
            closing.close_subscription(self.subscription.pk, clock.now_us(), 1)
        found = {"statement": 1, "person": self.person, "key": self.key, "endpoint": self.endpoint, "order": self.order}
        return found | ({"number": self.subscription.customer_id} if name in OF_CUSTOMER else {})


class World:
    """Two customers, one with a subscription."""

    def __init__(self) -> None:
        patterns()
        self.north = world.customer("North", ("north",))
        self.south = world.customer("South", ("south",))
        self.subscription = world.subscribe(self.north, "monthly-login", quantity=5)
        self.own = Own(self.north, self.subscription)

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
        parts: dict[str, object] = {
            "number": self.subscription.pk,
            "name": "consumption",
            "by": "company",
            "form": "csv",
        }
        parts |= {"statement": 1, "plan": "monthly-login"}
        if name.startswith(("customer", "subscribe")):
            parts["number"] = self.north.pk
        parts |= self.own.parts(name)
        if name == "help-page":
            parts["name"] = "server/senders"
        if name in ("learner", "guest", "roster-learner"):
            deeds = [
                world.row("l-1", "ana", "2026-03-02T09:00"),
                world.row("a-1", "ana", "2026-03-01T09:00", "account.created"),
                world.row("g-1", "", "2026-03-02T09:00", role="guest"),
            ]
            world.send(deeds, "2026-03-03T00:00")
            parts |= {"learner": live_people.surrogate(self.north.pk, "ana"), "entry": "g-1"}
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
