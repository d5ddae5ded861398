"""What a request says that nobody knows is refused in words: a misspelt field would be a default that nobody chose."""

from __future__ import annotations

from importlib import import_module

import pytest
from ninja import Schema

from rollbook.server.api.app import ROUTERS
from rollbook.server.api.fields import Body
from rollbook.server.models import ApiKey, Endpoint
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")

KEY = {"name": "LMS", "scopes": ["usage:read"]}
ENDPOINT = {"url": "https://hooks.example/x"}


@pytest.fixture
def operator():
    return callers.operator()


def first(answer) -> dict[str, str]:
    return answer.json()["problems"][0]


@pytest.mark.parametrize(
    ("path", "body", "place", "near"),
    [
        ("/keys", {**KEY, "customer": None, "customer_id": 1}, "body.customer_id", "customer"),
        ("/endpoints", {**ENDPOINT, "customer": None, "customerId": 1}, "body.customerId", "customer"),
        ("/subscriptions/{}/quantities", {"units": 5, "date": "2026-07-01"}, "body.date", "day"),
        ("/subscriptions/{}/hold", {"reason": "they asked", "reasons": "x"}, "body.reasons", "reason"),
    ],
)
def test_a_field_that_is_not_known_is_refused_with_its_place_and_the_nearest(operator, path, body, place, near):
    row = world.subscribe(world.customer(), "monthly-login")
    answer = operator.post(path.format(row.pk), body)
    assert answer.status_code == 422
    assert (first(answer)["code"], first(answer)["place"]) == ("input-invalid", place)
    assert first(answer)["rule"].endswith(f"(nearest: {near})")
    assert near in first(answer)["remedy"]
    assert (ApiKey.objects.count(), Endpoint.objects.count()) == (0, 0)


def test_a_field_inside_a_list_is_found_by_its_place(operator):
    body = {"customer": world.customer().pk, "people": [{"learner": "ana"}, {"learner": "bo", "nmae": "Bo"}]}
    answer = operator.call("PUT", "/people", body)
    assert (answer.status_code, first(answer)["place"]) == (422, "body.people.1.nmae")
    assert first(answer)["rule"] == 'there is no field "nmae" here (nearest: name)'


def test_a_field_whose_name_could_be_a_persons_is_not_repeated(operator):
    answer = operator.post("/customers", {"name": "Northern", "ana@example.org": 1})
    assert (answer.status_code, first(answer)["place"]) == (422, "body")
    assert b"ana@" not in answer.content


def test_a_parameter_of_a_list_that_is_not_known_is_refused_with_the_nearest(operator):
    answer = operator.get("/audit?custmer=1")
    assert (answer.status_code, first(answer)["place"]) == (422, "query.custmer")
    assert first(answer)["rule"] == 'there is no parameter "custmer" here (nearest: customer)'
    assert operator.get("/audit?customer=1&limit=5").status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/keys", KEY), ("/endpoints", ENDPOINT)])
def test_whose_a_key_or_an_endpoint_is_has_to_be_said_by_whoever_may_choose(operator, path, body):
    north = world.customer()
    answer = operator.post(path, body)
    assert (answer.status_code, first(answer)["place"]) == (422, "body.customer")
    assert "null" in first(answer)["remedy"]
    made = [operator.post(path, {**body, "customer": it}).json() for it in (None, north.pk)]
    assert [(it.get("key") or it["endpoint"])["customer"] for it in made] == [None, north.pk]
    # An administrator has one customer, and need not name it.
    own = callers.administrator(north).post(path, body).json()
    assert (own.get("key") or own["endpoint"])["customer"] == north.pk


def test_every_shape_of_a_body_refuses_what_it_does_not_know():
    found = set()
    for module in ROUTERS:
        for it in vars(import_module(f"rollbook.server.api.{module}")).values():
            if isinstance(it, type) and issubclass(it, Schema) and it.__name__.endswith("In"):
                assert issubclass(it, Body), it
                found.add(it.__name__)
    assert {"KeyIn", "EndpointIn", "QuantityIn", "SignInIn", "ReportedIn", "PersonIn"} <= found
