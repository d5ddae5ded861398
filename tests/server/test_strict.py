"""What a request says that nobody knows is refused in words: a misspelt field would be a default that nobody chose."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.test import Client
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


@pytest.mark.parametrize("day", ["2026-13-01", "01/02/2026", "2026-02-01T09:30:00", "", 5.5, True])
def test_a_day_that_is_none_is_answered_with_how_to_write_it(operator, day):
    answer = operator.post("/subscriptions", {"customer": world.customer().pk, "plan": "monthly-login", "start": day})
    assert (answer.status_code, first(answer)["place"]) == (422, "body.start")
    assert first(answer)["remedy"] == "write it as 2026-02-01"


def test_an_instant_without_its_offset_is_answered_with_how_to_write_it(operator):
    answer = operator.post("/keys", {**KEY, "customer": None, "expires_at": "2030-01-01T00:00:00"})
    assert (answer.status_code, first(answer)["place"]) == (422, "body.expires_at")
    assert first(answer)["remedy"] == "write it with its offset from UTC, as 2026-02-01T09:30:00Z"


def test_a_fact_whose_time_has_no_offset_is_answered_without_options_of_the_command_line():
    world.customer()
    sender = callers.by_key("facts:write", customer=world.customer())
    for when in ("2026-03-02T09:00:00", "02/03/2026 09:00"):
        answer = sender.post("/facts", [{**world.row("1", "ana", "2026-03-02T09:00"), "occurred_at": when}])
        remedies = {it["remedy"] for it in answer.json()["rejected"]}
        assert remedies == {"write it with its offset from UTC, as 2026-03-01T09:30:00Z"}


@pytest.mark.parametrize("plan", ["montly-login", "monthly-login.toml"])
def test_a_plan_that_is_not_known_is_looked_for_in_the_list_and_never_among_files(operator, plan):
    answer = operator.post("/subscriptions", {"customer": world.customer().pk, "plan": plan, "start": "2026-01-01"})
    assert (answer.status_code, first(answer)["code"]) == (422, "plan-invalid")
    assert "(nearest: monthly-login)" in first(answer)["rule"]
    assert first(answer)["remedy"] == "name one that GET /v1/plans lists, or send its text to POST /v1/plans first"


def test_terms_that_overlap_are_told_how_to_be_another_meter(operator):
    body = {"customer": world.customer().pk, "plan": "monthly-login", "start": "2030-01-01"}
    assert operator.post("/subscriptions", body).status_code == 201
    assert "`meter`" in first(operator.post("/subscriptions", body))["remedy"]
    assert operator.post("/subscriptions", {**body, "meter": "courses"}).status_code == 201


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/session", "/signin"])
def test_a_host_name_that_the_server_does_not_have_is_told_with_its_setting(path, settings):
    settings.ALLOWED_HOSTS = ["rollbook.example"]
    answer = Client().get(path, headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    words = answer.content.decode().lower()
    assert "this server does not answer to that host name; see rollbook_allowed_hosts" in words
    assert "elsewhere" not in words
    if path.startswith("/v1"):
        assert (first(answer)["code"], first(answer)["place"]) == ("host-unknown", "header Host")
    assert Client().get(path, headers={"Host": "rollbook.example"}).status_code != 400


def test_a_learner_whom_nobody_knows_is_not_there(operator):
    row = world.subscribe(world.customer(), "monthly-login")
    answer = operator.get(f"/subscriptions/{row.pk}/learners/ana")
    assert (answer.status_code, first(answer)["code"]) == (404, "not-found")
    assert first(answer)["rule"] == "no fact of this subscription's organisations names this learner"


def test_an_event_that_is_not_known_is_answered_with_those_that_are(operator):
    answer = operator.post("/endpoints", {**ENDPOINT, "customer": None, "events": ["threshold.crosed"]})
    assert (answer.status_code, first(answer)["place"]) == (422, "body.events")
    assert "(nearest: threshold.crossed)" in first(answer)["rule"]
    assert {"threshold.crossed", "statement.closed"} <= set(first(answer)["remedy"].removeprefix("use ").split(", "))
