"""Keys of programs: what is kept of them, when they hold, and what they reach."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from rollbook.server.access import keys
from rollbook.server.access.principals import SCOPES, customers_of, key_principal, subscriptions_of
from rollbook.server.models import ApiKey
from tests.server import callers
from tests.server.callers import Caller, code
from tests.server.world import customer

pytestmark = pytest.mark.usefixtures("ledger")


def made(**columns: object) -> tuple[ApiKey, str]:
    return keys.make(name="platform", scopes=["usage:read"], customer=None, **columns)


def basic(user: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def test_no_part_of_a_secret_is_kept():
    key, text = made()
    secret = text.split("_", 2)[2]
    # 256 bits are 32 bytes, which base64 writes as 43 characters.
    assert len(secret) == 43
    row = ApiKey.objects.values().get(pk=key.pk)
    assert all(secret not in str(value) for value in row.values())
    assert len(row["digest"]) == 64


def test_a_key_is_accepted_as_a_bearer_and_in_two_parts_and_in_no_other_shape():
    _, text = made()
    prefix, secret = keys.split(text)
    accepted = {
        f"Bearer {text}": 200,
        f"bearer {text}": 200,
        basic(prefix, secret)["Authorization"]: 200,
        basic("rbk_" + prefix, secret)["Authorization"]: 200,
        basic(prefix, text)["Authorization"]: 200,
        f"Bearer {text}x": 401,
        f"Bearer {text[:-1]}": 401,
        f"Bearer {secret}": 401,
        f"Token {text}": 401,
        basic(prefix, "")["Authorization"]: 401,
        basic("", secret)["Authorization"]: 401,
        basic("\x00" * 10, secret)["Authorization"]: 401,
        "Basic !!!": 401,
        "Basic": 401,
        "Bearer": 401,
        "é": 401,
    }
    found = {header: Caller().call("GET", "/customers", Authorization=header).status_code for header in accepted}
    assert found == accepted


def test_the_secret_of_one_key_does_not_open_another():
    _, first = made()
    _, second = made()
    mixed = f"rbk_{keys.split(first)[0]}_{keys.split(second)[1]}"
    assert Caller(key=mixed).get("/customers").status_code == 401


def test_a_wrong_key_is_not_saved_by_a_session_that_came_along():
    caller = callers.operator()
    assert caller.get("/customers").status_code == 200
    assert caller.call("GET", "/customers", Authorization="Bearer rbk_nothing").status_code == 401


def test_a_key_ends_when_it_expires_and_when_it_is_revoked():
    key, text = made(expires_at=timezone.now() + timedelta(hours=1))
    assert Caller(key=text).get("/customers").status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Caller(key=text).get("/customers").status_code == 401
    ApiKey.objects.filter(pk=key.pk).update(expires_at=None, revoked_at=timezone.now())
    assert Caller(key=text).get("/customers").status_code == 401


def test_the_secret_before_a_rotation_holds_until_its_time():
    key, old = made()
    new = keys.rotate(key, 2)
    assert [Caller(key=it).get("/customers").status_code for it in (old, new)] == [200, 200]
    ApiKey.objects.filter(pk=key.pk).update(old_valid_until=timezone.now() - timedelta(seconds=1))
    assert [Caller(key=it).get("/customers").status_code for it in (old, new)] == [401, 200]


def test_a_rotation_without_an_overlap_ends_the_old_secret_at_once():
    key, old = made()
    new = keys.rotate(key, 0)
    assert [Caller(key=it).get("/customers").status_code for it in (old, new)] == [401, 200]


def test_a_second_rotation_ends_the_first_secret_though_its_time_was_longer():
    key, first = made()
    second = keys.rotate(key, 500)
    third = keys.rotate(key, 1)
    assert [Caller(key=it).get("/customers").status_code for it in (first, second, third)] == [401, 200, 200]


def test_the_last_use_is_written_once_a_minute_at_most():
    key, text = made()
    caller = Caller(key=text)
    caller.get("/customers")
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    caller.get("/customers")
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(seconds=61))
    caller.get("/customers")
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first


def test_a_key_needs_no_csrf_token_and_a_session_does():
    program = callers.by_key("manage")
    assert program.post("/customers", {"name": "By key"}).status_code == 201
    person = callers.operator()
    person.headers = {}
    refused = person.post("/customers", {"name": "By session"})
    assert (refused.status_code, code(refused)) == (403, "csrf")
    assert person.get("/customers").status_code == 200


def test_a_session_needs_its_own_csrf_token():
    person, stranger = callers.operator(), Caller()
    stolen = stranger.get("/session").json()["csrf_token"]
    person.headers = {"X-CSRFToken": stolen}
    assert person.post("/customers", {"name": "Forged"}).status_code == 403


def test_a_customers_key_never_manages_whatever_its_row_says():
    north = customer()
    key, _ = keys.make(name="odd", scopes=["manage", "usage:read", "unknown"], customer=north)
    assert key_principal(key).scopes == {"usage:read"}


def test_a_customers_key_sees_that_customer_only_and_the_vendors_sees_all():
    north, south = customer(), customer("Southern Academy", ("south",))
    own, _ = keys.make(name="own", scopes=list(SCOPES), customer=north)
    vendors, _ = keys.make(name="vendor", scopes=["usage:read"], customer=None)
    assert list(customers_of(key_principal(own))) == [north]
    assert list(customers_of(key_principal(vendors))) == [north, south]
    assert list(subscriptions_of(key_principal(own))) == []


def test_every_scope_says_what_it_is_for():
    assert set(SCOPES) == {
        "facts:write",
        "usage:read",
        "learners:read",
        "admissions:write",
        "statements:read",
        "statements:close",
        "manage",
        "roster:read",
        "roster:write",
    }
    assert all(SCOPES.values())
