"""Who may do what: every route against everybody who could call it, in one table written by thinking.

The columns are, in order: an operator; the customer's administrator; its viewer; the administrator of another
customer; keys of the customer with one scope each: facts:write, usage:read, learners:read, roster:read, roster:write,
admissions:write, statements:read, statements:close; the vendor's key with manage; a key of another customer with all other scopes;
nobody.

How it was thought out. Nobody: 401, except where a route says that it needs none. Whoever lacks the scope: 403,
whatever the object. Whoever has it, and asks for what is another customer's: 404, never 403. Lists are everybody's own,
so they answer 200. A viewer has usage:read alone, an administrator the four scopes that read, roster:write, the
management of what is their own, and disputes of their own statements, an operator everything. Evidence names
learners: a bundle and a proof need statements:read and learners:read both. The vendor's key with manage reads customers and subscriptions, and no
usage. A number after a slash says that the object is there and the request is otherwise not possible: what matters
is that it was let in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from rollbook.server.access import keys
from rollbook.server.access.principals import Anybody, Needs, needs
from rollbook.server.api.app import api, declared
from rollbook.server.models import (
    Customer,
    Endpoint,
    Message,
    Person,
    ReportOrder,
    RulesRun,
    RulesVersion,
    Subscription,
    UpgradeTask,
)
from rollbook.server.notices.announce import announce
from rollbook.server.notices.webhooks import new_secret
from tests.server import callers, world
from tests.server.callers import Caller

pytestmark = pytest.mark.usefixtures("ledger")

WHO = ("op", "ad", "vi", "oa", "fw", "ur", "lr", "ro", "rw", "aw", "sr", "sc", "mg", "ok", "no")

TABLE = """
                                                                        op  ad  vi  oa  fw  ur  lr  ro  rw  aw  sr  sc  mg  ok  no
GET    /session                                                         200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   /session                                                         401 401 401 401 403 403 403 403 403 403 403 403 403 403 403
DELETE /session                                                         204 204 204 204 403 403 403 403 403 403 403 403 403 403 401
POST   /session/password                                                401 401 401 401 403 403 403 403 403 403 403 403 403 403 401
POST   /session/password-link                                           404 404 404 404 403 403 403 403 403 403 403 403 403 403 403
GET    /customers                                                       200 200 200 200 403 200 403 403 403 403 403 403 200 200 401
POST   /customers                                                       201 403 403 403 403 403 403 403 403 403 403 403 201 403 401
GET    /customers/{number}                                              200 200 200 404 403 200 403 403 403 403 403 403 200 404 401
POST   /customers/{number}/organisations                                201 403 403 403 403 403 403 403 403 403 403 403 201 403 401
GET    /audit                                                           200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
GET    /plans                                                           200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
POST   /plans                                                           201 403 403 403 403 403 403 403 403 403 403 403 201 403 401
GET    /plans/{plan}                                                    200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
POST   /subscriptions                                                   201 403 403 403 403 403 403 403 403 403 403 403 201 403 401
GET    /subscriptions                                                   200 200 200 200 403 200 403 403 403 403 403 403 200 200 401
GET    /subscriptions/{number}                                          200 200 200 404 403 200 403 403 403 403 403 403 200 404 401
POST   /subscriptions/{number}/quantities                               200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
POST   /subscriptions/{number}/approvals                                422 403 403 403 403 403 403 403 403 403 403 403 422 403 401
POST   /subscriptions/{number}/plan-changes                             200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
GET    /users                                                           200 200 403 200 403 403 403 403 403 403 403 403 200 403 401
POST   /users                                                           201 201 403 404 403 403 403 403 403 403 403 403 201 403 401
POST   /users/{number}/password-link                                    200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /users/{number}/disable                                          200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /users/{number}/enable                                           200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
GET    /keys                                                            200 200 403 200 403 403 403 403 403 403 403 403 200 403 401
POST   /keys                                                            201 201 403 404 403 403 403 403 403 403 403 403 201 403 401
POST   /keys/{number}/rotate                                            200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /keys/{number}/revoke                                            200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
GET    /endpoints                                                       200 200 403 200 403 403 403 403 403 403 403 403 200 403 401
POST   /endpoints                                                       201 201 403 404 403 403 403 403 403 403 403 403 201 403 401
POST   /endpoints/{number}/rotate                                       200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /endpoints/{number}/test                                         201 201 403 404 403 403 403 403 403 403 403 403 201 403 401
DELETE /endpoints/{number}                                              200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /endpoints/{number}/enable                                       200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
GET    /report-orders                                                   200 200 403 200 403 403 403 403 403 403 403 403 200 403 401
POST   /report-orders                                                   201 201 403 404 403 403 403 403 403 403 403 403 201 403 401
PUT    /report-orders/{number}                                          200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /report-orders/{number}/take-over                                200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
POST   /report-orders/{number}/send-now                                 409 409 403 404 403 403 403 403 403 403 403 403 409 403 401
DELETE /report-orders/{number}                                          204 204 403 404 403 403 403 403 403 403 403 403 204 403 401
GET    /messages                                                        200 200 403 200 403 403 403 403 403 403 403 403 200 403 401
POST   /messages/{number}/resend                                        200 200 403 404 403 403 403 403 403 403 403 403 200 403 401
GET    /upgrade-tasks                                                   200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
POST   /upgrade-tasks/{number}/done                                     200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
POST   /people/erase                                                    200 403 403 403 403 403 403 403 403 403 403 403 200 403 401
PUT    /people                                                          200 403 403 403 200 403 403 403 403 403 403 403 403 404 401
GET    /roster/learners                                                 200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
GET    /roster/learners/{number}                                        200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
GET    /roster/courses                                                  200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
GET    /roster/requests                                                 200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
POST   /roster/requests/answers                                         200 200 403 200 403 403 403 403 200 403 403 403 403 200 401
POST   /roster/preview                                                  200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
POST   /roster/snapshots/preview                                        200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
POST   /roster/snapshots                                                409 409 403 404 403 403 403 403 409 403 403 403 403 404 401
POST   /roster/changes                                                  409 409 403 404 403 403 403 403 409 403 403 403 403 404 401
GET    /roster/rules                                                    200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
POST   /roster/rules                                                    200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
GET    /roster/rules/{number}                                           200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
POST   /roster/rules/{number}/dry-run                                   200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
POST   /roster/rules/{number}/on                                        200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
POST   /roster/rules/{number}/off                                       200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
GET    /roster/rule-runs                                                200 200 403 404 403 403 403 200 403 403 403 403 403 404 401
POST   /roster/rule-runs/{number}/agree                                 409 409 403 404 403 403 403 403 409 403 403 403 403 404 401
POST   /roster/rule-runs/{number}/refuse                                200 200 403 404 403 403 403 403 200 403 403 403 403 404 401
GET    /held-facts                                                      200 403 403 403 200 403 403 403 403 403 403 403 200 200 401
GET    /refusals                                                        200 403 403 403 200 403 403 403 403 403 403 403 200 200 401
POST   /facts                                                           200 403 403 403 200 403 403 403 403 403 403 403 403 200 401
POST   /cloudevents                                                     200 403 403 403 200 403 403 403 403 403 403 403 403 200 401
POST   /caliper                                                         422 403 403 403 422 403 403 403 403 403 403 403 403 422 401
POST   /caliper/organisations/{organisation}                            422 403 403 403 422 403 403 403 403 403 403 403 403 422 401
POST   /xapi/statements                                                 400 403 403 403 200 403 403 403 403 403 403 403 403 200 401
PUT    /xapi/statements                                                 400 403 403 403 204 403 403 403 403 403 403 403 403 204 401
POST   /xapi/organisations/{organisation}/statements                    200 403 403 403 200 403 403 403 403 403 403 403 403 400 401
PUT    /xapi/organisations/{organisation}/statements                    204 403 403 403 204 403 403 403 403 403 403 403 403 400 401
GET    /xapi/about                                                      200 200 200 200 200 200 200 200 200 200 200 200 200 200 200
GET    /subscriptions/{number}/usage                                    200 200 200 404 403 200 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/groups                                   200 200 200 404 403 200 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/learners                                 200 200 403 404 403 403 200 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/learners/{learner}                       404 404 403 404 403 403 404 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/not-counted                              200 200 403 404 403 403 200 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/crossings                                200 200 200 404 403 200 403 403 403 403 403 403 403 404 401
POST   /subscriptions/{number}/reported-counts                          201 403 403 403 201 403 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/reports                                  200 200 200 404 403 200 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/reports/{name}                           200 200 200 404 403 200 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/statements                               200 200 403 404 403 403 403 403 403 403 200 403 403 404 401
GET    /subscriptions/{number}/statements/{statement}                   404 404 403 404 403 403 403 403 403 403 404 403 403 404 401
GET    /subscriptions/{number}/statements/{statement}/pdf               404 404 403 404 403 403 403 403 403 403 404 403 403 404 401
GET    /subscriptions/{number}/charges                                  200 200 403 404 403 403 403 403 403 403 200 403 403 404 401
GET    /subscriptions/{number}/statements/{statement}/bundle.zip        404 404 403 404 403 403 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/statements/{statement}/proof             404 404 403 404 403 403 403 403 403 403 403 403 403 404 401
GET    /subscriptions/{number}/statement-preview                        200 200 403 404 403 403 403 403 403 403 200 403 403 404 401
POST   /subscriptions/{number}/statements/{statement}/approve           409 403 403 403 403 403 403 403 403 403 403 409 403 404 401
POST   /subscriptions/{number}/hold                                     200 403 403 403 403 403 403 403 403 403 403 200 403 404 401
POST   /subscriptions/{number}/release                                  200 403 403 403 403 403 403 403 403 403 403 200 403 404 401
POST   /subscriptions/{number}/statements/{statement}/dispute           404 404 403 404 403 403 403 403 403 403 403 404 403 404 401
POST   /subscriptions/{number}/statements/{statement}/resolve           404 404 403 404 403 403 403 403 403 403 403 404 403 404 401
POST   /admissions                                                      200 403 403 403 403 403 403 403 403 200 403 403 403 404 401
POST   /preview                                                         200 200 200 200 403 200 403 403 403 403 403 403 403 200 401
"""

ROWS = [(method, path, tuple(map(int, found))) for method, path, *found in map(str.split, TABLE.splitlines()[2:])]

STATEMENT = {
    "actor": {"account": {"homePage": "https://lms.example", "name": "ana"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/initialized"},
    "object": {"id": "https://lms.example/course/1"},
    "timestamp": "2026-01-02T00:00:00Z",
    "version": "1.0.3",
}
DISABLE = {"kind": "course", "do": "disable", "organisation": "north", "course": "Welding"}
RULES = '[[rule]]\nname = "Over"\nwhen = "ends"\ndo = "disable"\n'
STATEMENT_ID = "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"
XAPI = {"X-Experience-API-Version": "1.0.3"}

PLAN = """
id = "made-up-{number}"
title = "Made up"
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
"""


class World:
    """A customer with one of everything; each call makes new ones, so that none is used up by whoever came before."""

    def __init__(self) -> None:
        self.number = 0
        self.north = world.customer()
        self.south = world.customer("Southern Academy", ("south",))
        # It began half a year ago, whenever the test runs.
        self.start = (timezone.now() - timedelta(days=180)).date()
        now = timezone.now().strftime("%Y-%m-%dT%H:%M")
        self.subscription = world.subscribe(self.north, "monthly-login", self.start, now=now)
        created = world.row("1", "dora", self.start.isoformat() + "T09:00", "enrolment.created", object="Welding")
        world.send([created], now)
        more = {"state": "trial", "since": timezone.now(), "created_at": timezone.now(), "zone": "UTC"}
        RulesVersion.objects.create(customer=self.north, number=1, text=RULES, **more)
        self.enrolled = Person.objects.get(customer=self.north, learner="dora").pk

    def callers(self) -> dict[str, Callable[[], Caller]]:
        others = ("facts:write", "usage:read", "learners:read", "admissions:write", "statements:read")
        scopes = {"fw": others[0], "ur": others[1], "lr": others[2], "aw": others[3], "sr": others[4]}
        scopes |= {"ro": "roster:read", "rw": "roster:write", "sc": "statements:close"}
        north, south = self.north, self.south
        return {
            "op": callers.operator,
            "ad": lambda: callers.administrator(north),
            "vi": lambda: callers.viewer(north),
            "oa": lambda: callers.administrator(south),
            **{who: lambda scope=scope: callers.by_key(scope, customer=north) for who, scope in scopes.items()},
            "mg": lambda: callers.by_key("manage"),
            "ok": lambda: callers.by_key(*others, "statements:close", "roster:read", "roster:write", customer=south),
            "no": Caller,
        }

    def run(self) -> int:
        """A run of rules that waits for somebody."""
        self.number += 1
        RulesVersion.objects.filter(customer=self.north).update(state="on")
        version, now = RulesVersion.objects.get(customer=self.north), timezone.now()
        day = date(2026, 1, 1) + timedelta(days=self.number)
        row = {"state": "stopped", "digest": "1" * 64, "created_at": now}
        return RulesRun.objects.create(customer=self.north, version=version, day=day, at=now, **row).pk

    def numbers(self) -> dict[str, Callable[[], int]]:
        """By the first part of an address: the number of an object of the customer."""

        def fresh(name: str) -> str:
            self.number += 1
            return f"{name}{self.number}@example.org"

        row = self.subscription
        return {
            "customers": lambda: self.north.pk,
            "subscriptions": lambda: row.pk,
            "users": lambda: callers.user("viewer", self.north, fresh("viewer")).pk,
            "keys": lambda: keys.make(name="k", scopes=["usage:read"], customer=self.north)[0].pk,
            "endpoints": lambda: (
                Endpoint.objects.create(customer=self.north, url="https://a.example/x", secret=new_secret()).pk
            ),
            "messages": lambda: dead_message(self.north).pk,
            "roster": lambda: self.enrolled,
            "report-orders": lambda: (
                ReportOrder.objects.create(subscription=row, report="usage", address="a@example.org").pk
            ),
            "upgrade-tasks": lambda: (
                UpgradeTask.objects.create(subscription=row, pool=fresh("pool"), units_that_fit=10).pk
            ),
        }

    def body(self, method: str, path: str) -> Any:
        self.number += 1
        number, north = self.number, self.north.pk
        bodies: dict[str, Any] = {
            "POST /session": {"name": f"nobody{number}@example.org", "password": "wrong"},
            "POST /session/password": {"old": "wrong", "new": "a new long password"},
            "POST /session/password-link": {"number": "zzzz", "token": "abc-def", "password": "a new long password"},
            "POST /customers": {"name": f"Customer {number}"},
            "POST /customers/{number}/organisations": {"name": f"organisation {number}"},
            "POST /plans": {"text": PLAN.format(number=number)},
            "POST /subscriptions": {
                "customer": north,
                "plan": "monthly-login",
                "start": "2030-01-01",
                "meter": f"meter {number}",
            },
            "POST /subscriptions/{number}/quantities": {"units": number, "day": _day(number)},
            "POST /subscriptions/{number}/approvals": {"seats": 1},
            "POST /subscriptions/{number}/plan-changes": {"plan": "monthly-login", "day": _day(number)},
            "POST /users": {"email": f"new{number}@example.org", "role": "viewer", "customer": north},
            "POST /keys": {"name": "new", "scopes": ["usage:read"], "customer": north},
            "POST /keys/{number}/rotate": {},
            "POST /endpoints": {"url": "https://hooks.example/rollbook", "customer": north},
            "POST /report-orders": {
                "subscription": self.subscription.pk,
                "report": "usage",
                "address": "a@example.org",
            },
            "PUT /report-orders/{number}": {"report": "mau", "address": "b@example.org", "every": "month"},
            "POST /upgrade-tasks/{number}/done": {"note": "called them"},
            "POST /people/erase": {"customer": north, "learner": "ana"},
            "PUT /people": {"customer": north, "people": [{"learner": "ana", "name": "Ana"}]},
            "POST /roster/preview": {"customer": north, **DISABLE},
            "POST /roster/changes": {"customer": north, **DISABLE, "digest": f"0-{'0' * 96}"},
            "POST /roster/rules": {"customer": north, "text": RULES},
            "POST /roster/rules/{number}/dry-run": {"customer": north},
            "POST /roster/rules/{number}/on": {"customer": north},
            "POST /roster/rules/{number}/off": {"customer": north},
            "POST /roster/rule-runs/{number}/agree": {"customer": north, "digest": "0" * 64},
            "POST /roster/rule-runs/{number}/refuse": {"customer": north},
            "POST /roster/requests/answers": {"answers": [{"request": number, "state": "done"}]},
            "POST /facts": [],
            "POST /cloudevents": [],
            "POST /caliper": {"sensor": "s", "sendTime": "2026-01-02T00:00:00.000Z", "data": [], "dataVersion": "v"},
            "POST /xapi/statements": {**STATEMENT, "id": f"6690e6c9-3ef0-4ed3-8b37-7f3964{number:06}"},
            "PUT /xapi/statements": STATEMENT,
            "POST /subscriptions/{number}/reported-counts": {"active": 3},
            "POST /subscriptions/{number}/hold": {"reason": "they asked for it"},
            "POST /subscriptions/{number}/statements/{statement}/dispute": {"reason": "they dispute it"},
            "POST /admissions": {"organisation": "north", "learner": "ana"},
            "POST /preview": {"facts": []},
        }
        same = {
            "POST /caliper/organisations/{organisation}": "POST /caliper",
            "POST /xapi/organisations/{organisation}/statements": "POST /xapi/statements",
            "PUT /xapi/organisations/{organisation}/statements": "PUT /xapi/statements",
        }
        key = f"{method} {path}"
        return bodies.get(same.get(key, key))

    def call(self, caller: Caller, method: str, path: str) -> int:
        body, headers = self.body(method, path), {}
        address = path.replace("{plan}", "monthly-login").replace("{organisation}", "north")
        address = address.replace("{name}", "usage").replace("{statement}", "1").replace("{learner}", "ana")
        if path.startswith("/roster/rule"):
            address = address.replace("{number}", str(self.run() if "runs" in path else 1))
        if "{number}" in address:
            address = address.replace("{number}", str(self.numbers()[path.split("/")[1]]()))
        if "/xapi/" in path:
            headers = XAPI
            if method == "PUT":
                self.number += 1
                address += f"?statementId={STATEMENT_ID[:-6]}{self.number:06}"
        if path.endswith("/proof"):
            address += "?learner=ana"
        if path.startswith("/roster/") and method == "GET":
            address += f"?customer={self.north.pk}"
        if path == "/cloudevents":
            headers = {"Content-Type": "application/cloudevents-batch+json"}
        if path.startswith("/roster/snapshots"):
            said = (
                f"customer={self.north.pk}&digest=0-{'0' * 96}" if path.endswith("s") else f"customer={self.north.pk}"
            )
            answer = caller.upload(f"{address}?{said}", "learner\nana\n")
        else:
            answer = caller.call(method, address, body, **headers)
        answer.close()
        return answer.status_code


def dead_message(customer: Customer) -> Message:
    """A webhook that was given up."""
    endpoint = Endpoint.objects.create(customer=customer, url="https://a.example/x", secret=new_secret())
    announce("report.sent", customer, {"report": "usage"})
    found = Message.objects.filter(endpoint=endpoint)
    found.update(state=Message.DEAD)
    return found.get()


def _day(number: int) -> str:
    """A day to come within the term, another each time."""
    return (timezone.now() + timedelta(days=number)).date().isoformat()


@pytest.mark.parametrize(("method", "path", "expected"), ROWS, ids=[f"{it[0]} {it[1]}" for it in ROWS])
def test_whoever_may_is_let_in_and_nobody_else(method, path, expected):
    there = World()
    found = {who: there.call(caller(), method, path) for who, caller in there.callers().items()}
    assert found == dict(zip(WHO, expected, strict=True))


def test_every_route_of_the_document_stands_in_the_table():
    document = api.get_openapi_schema()
    routes = {(method.upper(), path.removeprefix("/v1")) for path, it in document["paths"].items() for method in it}
    assert routes == {(method, path) for method, path, _ in ROWS}


def test_every_route_that_is_mounted_declares_what_it_needs():
    routes = declared(api)
    assert len(routes) >= len(ROWS)
    assert [f"{it['method']} {it['path']}" for it in routes if it["needs"] is None] == []


def test_routes_that_need_nobody_are_few_and_known():
    free = {f"{it['method']} {it['path'].removeprefix('/v1')}" for it in declared(api) if it["needs"] == ""}
    assert free == {
        "get /session",
        "post /session",
        "post /session/password-link",
        "get /xapi/about",
        "head /xapi/about",
        "options /xapi/statements",
        "options /xapi/organisations/{organisation}/statements",
    }


def test_needs_are_scopes_that_exist():
    with pytest.raises(ValueError, match="usage:write"):
        needs("usage:write")
    assert {type(it) for it in (Needs("manage"), Anybody())} == {Needs, Anybody}


@pytest.mark.parametrize("kind", ["pilot", "internal", "shadow"])
def test_what_is_not_shown_is_there_for_the_vendor_alone(kind):
    """S-22, S-36."""
    there = World()
    hidden = world.subscribe(there.north, "monthly-login", there.start, now="2026-01-01T00:00", kind=kind, meter=kind)
    everything = ("usage:read", "learners:read", "statements:read", "admissions:write", "facts:write")
    inside = [callers.administrator(there.north), callers.viewer(there.north)]
    inside.append(callers.by_key(*everything, customer=there.north))
    for caller in inside:
        for part in ("", "/usage", "/reports"):
            assert caller.get(f"/subscriptions/{hidden.pk}{part}").status_code == 404
        assert [it["id"] for it in caller.get("/subscriptions").json()["items"]] == [there.subscription.pk]
    for caller in (callers.operator(), callers.by_key("usage:read")):
        assert caller.get(f"/subscriptions/{hidden.pk}").status_code == 200
        assert len(caller.get("/subscriptions").json()["items"]) == 2


def test_a_plan_that_is_not_shown_is_there_for_the_vendor_alone():
    there = World()
    plan = world.own_plan(
        '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[governance]\nvisible_to_customer = false\n'
    )
    hidden = world.subscribe(there.north, plan, there.start, now="2026-01-01T00:00", meter="hidden")
    assert callers.administrator(there.north).get(f"/subscriptions/{hidden.pk}").status_code == 404
    assert callers.operator().get(f"/subscriptions/{hidden.pk}").status_code == 200


def test_another_customers_object_answers_like_one_that_is_not_there():
    there = World()
    stranger = callers.administrator(there.south)
    for first, number in there.numbers().items():
        tails = {"users": "/disable", "keys": "/revoke", "endpoints": "/rotate"}
        if first not in ("customers", "subscriptions", *tails):
            continue
        call = stranger.post if first in tails else stranger.get
        theirs = call(f"/{first}/{number()}{tails.get(first, '')}")
        none = call(f"/{first}/999999{tails.get(first, '')}")
        assert (theirs.status_code, theirs.content) == (404, none.content)


def test_lists_show_what_is_ones_own():
    there = World()
    for first in ("users", "keys", "endpoints", "report-orders"):
        there.numbers()[first]()
    stranger, own = callers.administrator(there.south), callers.administrator(there.north)
    for first in ("users", "keys", "endpoints", "report-orders", "customers", "subscriptions"):
        mine = {it["id"] for it in own.get(f"/{first}").json()["items"]}
        theirs = {it["id"] for it in stranger.get(f"/{first}").json()["items"]}
        assert mine
        assert not mine & theirs
    assert {it["id"] for it in stranger.get("/customers").json()["items"]} == {there.south.pk}
    assert Customer.objects.count() == 2
    assert Subscription.objects.count() == 1
