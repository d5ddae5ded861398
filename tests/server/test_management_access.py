"""Users, keys, endpoints, orders: what a customer's administrators may give, and what they may not."""

from __future__ import annotations

import pytest

from rollbook.server.models import ApiKey, Audit, Endpoint, Message, ReportOrder, UpgradeTask, User
from tests.server import callers, world
from tests.server.callers import Caller, code

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def north():
    return world.customer()


@pytest.fixture
def own(north):
    return callers.administrator(north)


@pytest.fixture
def operator():
    return callers.operator()


@pytest.mark.parametrize("role", ["administrator", "operator"])
def test_an_administrator_gives_nobody_more_than_a_viewer_has(own, role):
    answer = own.post("/users", {"email": "new@example.org", "role": role})
    assert answer.status_code == 403
    assert own.post("/users", {"email": "new@example.org", "role": "viewer"}).status_code == 201
    assert User.objects.get(email="new@example.org").role == "viewer"


def test_an_administrator_takes_over_no_other_administrators_account(own, north):
    other = callers.user("administrator", north, "other@example.org")
    for act in ("password-link", "disable", "enable"):
        assert own.post(f"/users/{other.pk}/{act}").status_code == 403


@pytest.mark.parametrize("scope", ["facts:write", "admissions:write", "statements:close", "manage"])
def test_an_administrator_makes_and_renews_keys_that_read_alone(own, north, operator, scope):
    assert own.post("/keys", {"name": "k", "scopes": ["usage:read", scope]}).status_code == 403
    customer = None if scope == "manage" else north.pk
    made = operator.post("/keys", {"name": "k", "scopes": [scope], "customer": customer}).json()["key"]
    # A key that is not the customer's is not there; one that is, and may more, is not renewed.
    assert own.post(f"/keys/{made['id']}/rotate", {}).status_code == (404 if scope == "manage" else 403)
    assert own.post(f"/keys/{made['id']}/revoke").status_code == (404 if scope == "manage" else 200)


def test_a_key_is_shown_once_and_works_until_it_is_revoked(own):
    made = own.post("/keys", {"name": "BI", "scopes": ["usage:read", "usage:read"]}).json()
    caller = Caller(key=made["secret"])
    assert caller.get("/customers").status_code == 200
    listed = own.get("/keys").json()["items"]
    assert made["secret"].split("_", 2)[2] not in str(listed)
    assert (listed[0]["scopes"], listed[0]["last_used_at"] is not None) == (["usage:read"], True)
    rotated = own.post(f"/keys/{made['key']['id']}/rotate", {"old_valid_hours": 0}).json()
    assert caller.get("/customers").status_code == 401
    assert Caller(key=rotated["secret"]).get("/customers").status_code == 200
    own.post(f"/keys/{made['key']['id']}/revoke")
    assert Caller(key=rotated["secret"]).get("/customers").status_code == 401
    assert own.post(f"/keys/{made['key']['id']}/rotate", {}).status_code == 409


def test_manage_is_for_keys_of_no_customer(operator, north):
    answer = operator.post("/keys", {"name": "k", "scopes": ["manage"], "customer": north.pk})
    assert (answer.status_code, code(answer)) == (422, "input-invalid")


def test_a_key_that_is_over_before_it_begins_is_refused(operator):
    answer = operator.post("/keys", {"name": "k", "scopes": ["manage"], "expires_at": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 422


@pytest.mark.parametrize("role", ["administrator", "viewer"])
def test_users_have_a_customer_and_operators_have_none(operator, north, role):
    assert operator.post("/users", {"email": "a@example.org", "role": role}).status_code == 422
    wrong = {"email": "a@example.org", "role": "operator", "customer": north.pk}
    assert operator.post("/users", wrong).status_code == 422
    assert operator.post("/users", {"email": "a@example.org", "role": role, "customer": north.pk}).status_code == 201


def test_an_address_belongs_to_one_user_whatever_its_letters_are(operator):
    assert operator.post("/users", {"email": "Olga@example.org", "role": "operator"}).status_code == 201
    again = operator.post("/users", {"email": "olga@EXAMPLE.org", "role": "operator"})
    assert (again.status_code, code(again)) == (409, "exists")


def test_operators_do_not_disable_themselves(operator):
    me = User.objects.get(role="operator")
    assert code(operator.post(f"/users/{me.pk}/disable")) == "self"


def test_a_disabled_user_gets_no_link_until_enabled(operator, north):
    someone = callers.user("viewer", north)
    operator.post(f"/users/{someone.pk}/disable")
    assert operator.post(f"/users/{someone.pk}/password-link").status_code == 409
    operator.post(f"/users/{someone.pk}/enable")
    assert operator.post(f"/users/{someone.pk}/password-link").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "ftp://hooks.example/x",
        "https://user:pass@hooks.example/",
        "https:///nothing",
        "javascript:alert(1)",
    ],
)
def test_webhooks_go_over_tls_to_addresses_without_secrets(own, url):
    answer = own.post("/endpoints", {"url": url})
    assert (answer.status_code, code(answer)) == (422, "url-invalid")


def test_an_endpoints_secret_is_shown_once(own, north):
    made = own.post("/endpoints", {"url": "https://hooks.example/x", "events": ["statement.closed"]}).json()
    assert made["secret"].startswith("whsec_")
    assert made["endpoint"]["customer"] == north.pk
    assert made["secret"] not in str(own.get("/endpoints").json())
    rotated = own.post(f"/endpoints/{made['endpoint']['id']}/rotate").json()
    assert rotated["secret"] != made["secret"]
    # Both sign until the next rotation.
    assert Endpoint.objects.get().secret.split() == [rotated["secret"], made["secret"]]
    assert own.call("DELETE", f"/endpoints/{made['endpoint']['id']}").json()["state"] == "removed"
    assert own.post(f"/endpoints/{made['endpoint']['id']}/rotate").status_code == 409


def test_an_event_that_does_not_exist_is_named_with_the_nearest(own):
    answer = own.post("/endpoints", {"url": "https://hooks.example/x", "events": ["statement.closd"]})
    assert answer.status_code == 422
    assert "statement.closed" in answer.json()["problems"][0]["rule"]


def test_a_customer_has_at_most_twenty_endpoints(own):
    statuses = [own.post("/endpoints", {"url": f"https://hooks.example/{it}"}).status_code for it in range(21)]
    assert statuses == [201] * 20 + [409]


def test_a_report_by_learner_is_ordered_by_whoever_may_read_learners(own, north):
    row = world.subscribe(north, "monthly-login")
    body = {"subscription": row.pk, "report": "users", "address": "a@example.org"}
    assert own.post("/report-orders", body).status_code == 201
    # The vendor's key that manages reads no learners, and would get them by mail.
    manager = callers.by_key("manage")
    assert manager.post("/report-orders", body).status_code == 403
    assert manager.post("/report-orders", {**body, "report": "usage"}).status_code == 201
    assert code(own.post("/report-orders", {**body, "report": "usrs"})) == "input-invalid"
    assert ReportOrder.objects.count() == 2


def test_an_upgrade_task_is_done_once_with_a_note(operator, north):
    row = world.subscribe(north, "monthly-login")
    task = UpgradeTask.objects.create(subscription=row, units_that_fit=400)
    assert [it["id"] for it in operator.get("/upgrade-tasks?done=false").json()["items"]] == [task.pk]
    first = operator.post(f"/upgrade-tasks/{task.pk}/done", {"note": "they take 400"}).json()
    again = operator.post(f"/upgrade-tasks/{task.pk}/done", {}).json()
    assert again == first
    assert operator.get("/upgrade-tasks?done=false").json()["items"] == []


def test_lists_come_in_pages_that_tile(operator):
    for number in range(5):
        operator.post("/customers", {"name": f"Customer {number}"})
    names, after = [], 0
    while after is not None:
        page = operator.get(f"/customers?limit=2&after={after}").json()
        assert len(page["items"]) <= 2
        names += [it["name"] for it in page["items"]]
        after = page["next"]
    assert names == [f"Customer {number}" for number in range(5)]


def test_the_audit_comes_newest_first_in_pages_and_by_customer(operator, north):
    for number in range(3):
        operator.post(f"/customers/{north.pk}/organisations", {"name": f"org {number}"})
    operator.post("/customers", {"name": "Another"})
    first = operator.get("/audit?limit=2").json()
    second = operator.get(f"/audit?limit=2&after={first['next']}").json()
    assert [it["action"] for it in first["items"]] == ["customer.added", "organisation.added"]
    assert [it["details"]["organisation"] for it in second["items"]] == ["org 1", "org 0"]
    assert second["next"] is None
    assert len(operator.get(f"/audit?customer={north.pk}").json()["items"]) == 3


def test_an_organisation_belongs_to_one_customer_for_ever(operator, north):
    other = world.customer("Southern Academy", ("south",))
    answer = operator.post(f"/customers/{other.pk}/organisations", {"name": "north"})
    assert (answer.status_code, code(answer)) == (409, "exists")
    assert operator.get(f"/customers/{north.pk}").json()["organisations"] == ["north"]


def test_no_secret_and_no_password_stands_in_the_audit(operator, north):
    key = operator.post("/keys", {"name": "k", "scopes": ["usage:read"], "customer": north.pk}).json()["secret"]
    link = operator.post("/users", {"email": "v@example.org", "role": "viewer", "customer": north.pk}).json()
    secret = operator.post("/endpoints", {"url": "https://hooks.example/x", "customer": None}).json()["secret"]
    rows = str(list(Audit.objects.values()))
    assert len(Audit.objects.all()) == 3
    for hidden in (key.split("_", 2)[2], link["password_link"].split("/")[-1], secret):
        assert hidden not in rows
    assert ApiKey.objects.count() == 1
    assert Message.objects.count() == 0
