"""Signing in: what it takes, what whoever fails learns, and what ends a session."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from rollbook.errors import UsageError
from rollbook.server import clock
from rollbook.server.access import accounts, signin, throttle
from rollbook.server.models import Audit, Throttle, User
from tests.server import callers
from tests.server.callers import PASSWORD, Caller, code, user
from tests.server.world import customer

pytestmark = pytest.mark.usefixtures("ledger")


class Visitor(Caller):
    """Somebody who is not signed in, in a browser."""

    def __init__(self) -> None:
        super().__init__()
        self.token()

    def token(self) -> None:
        self.headers = {"X-CSRFToken": self.get("/session").json()["csrf_token"]}

    def sign_in(self, name: str, password: str = PASSWORD, **headers: str):
        answer = self.call("POST", "/session", {"name": name, "password": password}, **headers)
        if answer.status_code == 200:
            self.headers = {"X-CSRFToken": answer.json()["csrf_token"]}
        return answer

    def who(self) -> str:
        return self.get("/session").json()["role"]


@pytest.fixture
def quarter_of_an_hour(monkeypatch):
    """A clock that stands at the start of one of the quarters in which attempts are counted."""
    now = [1_800_000_000 // 900 * 900 * 10**9]
    monkeypatch.setattr(clock, "source_ns", lambda: now[0])
    return now


def test_somebody_signs_in_and_out():
    user("viewer", customer(), "vera@example.org")
    visitor = Visitor()
    assert visitor.who() == "nobody"
    answer = visitor.sign_in("Vera@Example.org")
    assert answer.status_code == 200
    assert answer.json()["scopes"] == ["person", "usage:read"]
    assert visitor.who() == "viewer"
    assert visitor.call("DELETE", "/session").status_code == 204
    assert visitor.who() == "nobody"


def test_signing_in_begins_another_session():
    user("operator", name="olga@example.org")
    visitor = Visitor()
    session = visitor.client.session
    session["planted"] = "by somebody else"
    session.save()
    visitor.client.cookies["sessionid"] = session.session_key
    visitor.sign_in("olga@example.org")
    assert visitor.client.session.session_key != session.session_key
    assert "planted" not in visitor.client.session


def test_signing_in_needs_the_pages_own_token():
    user("operator", name="olga@example.org")
    answer = Caller().post("/session", {"name": "olga@example.org", "password": PASSWORD})
    assert (answer.status_code, code(answer)) == (403, "csrf")


def test_whoever_fails_learns_only_that():
    user("operator", name="olga@example.org")
    gone = user("operator", name="gone@example.org")
    gone.is_active = False
    gone.save()
    new = user("operator", name="new@example.org")
    new.set_unusable_password()
    new.save()
    answers = [
        Visitor().sign_in(name, password)
        for name, password in (
            ("olga@example.org", "wrong"),
            ("nobody@example.org", PASSWORD),
            ("gone@example.org", PASSWORD),
            ("new@example.org", PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.ScryptPasswordHasher"])
def test_failing_takes_as_long_without_an_account_as_with_one():
    user("operator", name="olga@example.org")
    new = user("operator", name="new@example.org")
    new.set_unusable_password()
    new.save()
    visitor = Visitor()

    names = ("olga@example.org", "nobody@example.org", "new@example.org")
    spent: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(6):
        for name in names:
            begun = time.process_time()
            assert visitor.sign_in(name, "wrong").status_code == 401
            spent[name].append(time.process_time() - begun)
    # The time of this process, and the least of it: what else the machine does is left out.
    known, unknown, unset = (min(spent[name]) for name in names)
    # One scrypt takes some 50 ms; without it the answer would come in a few.
    assert known / 2 < unknown < known * 2
    assert known / 2 < unset < known * 2


def test_attempts_at_an_account_from_one_address_are_limited_and_their_time_passes(quarter_of_an_hour):
    user("operator", name="olga@example.org")
    visitor = Visitor()
    assert [visitor.sign_in("olga@example.org", "wrong").status_code for _ in range(10)] == [401] * 10
    quarter_of_an_hour[0] += 100 * 10**9
    answer = visitor.sign_in("olga@example.org")
    assert (answer.status_code, code(answer)) == (429, "too-many")
    # 15 minutes are 900 seconds, of which 100 are over; rounded up.
    assert answer["Retry-After"] == "801"
    quarter_of_an_hour[0] += 800 * 10**9
    assert visitor.sign_in("olga@example.org").status_code == 200


@pytest.mark.usefixtures("quarter_of_an_hour")
def test_unknown_accounts_are_limited_like_known_ones():
    visitor = Visitor()
    found = [visitor.sign_in("nobody@example.org", "wrong").status_code for _ in range(11)]
    assert found == [401] * 10 + [429]


@pytest.mark.usefixtures("quarter_of_an_hour")
def test_an_address_is_limited_whatever_accounts_it_tries():
    visitor = Visitor()
    found = [visitor.sign_in(f"user{number}@example.org", "wrong").status_code for number in range(101)]
    assert found == [401] * 100 + [429]


@pytest.mark.usefixtures("quarter_of_an_hour")
def test_an_account_is_limited_whatever_addresses_try_it(settings):
    settings.CONFIGURATION = settings.CONFIGURATION.__class__(
        {**settings.CONFIGURATION.values, "ROLLBOOK_TRUSTED_PROXIES": 1}
    )
    visitor = Visitor()
    found = [
        visitor.sign_in("olga@example.org", "wrong", **{"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(51)
    ]
    assert found == [401] * 50 + [429]


@pytest.mark.usefixtures("quarter_of_an_hour")
def test_signing_in_forgets_what_was_mistyped_before():
    user("operator", name="olga@example.org")
    visitor = Visitor()
    for _ in range(3):
        assert [visitor.sign_in("olga@example.org", "wrong").status_code for _ in range(9)] == [401] * 9
        assert visitor.sign_in("olga@example.org").status_code == 200


def test_what_is_counted_names_nobody():
    Visitor().sign_in("olga@example.org", "wrong")
    rows = list(Throttle.objects.values_list("kind", "bucket"))
    assert sorted(kind for kind, _ in rows) == ["account", "address", "pair"]
    assert all(0 <= bucket < throttle.BUCKETS for _, bucket in rows)


def test_the_address_is_the_one_that_the_last_trusted_proxy_saw(rf, settings):
    def address(proxies: int, forwarded: str, remote: str = "10.0.0.1") -> str:
        settings.CONFIGURATION = settings.CONFIGURATION.__class__(
            {**settings.CONFIGURATION.values, "ROLLBOOK_TRUSTED_PROXIES": proxies}
        )
        return signin.address_of(rf.get("/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded}))

    assert address(0, "203.0.113.9") == "10.0.0.1"
    # What stands before the proxy's own entry was sent by the client, and may be a lie.
    assert address(1, "198.51.100.1, 203.0.113.9") == "203.0.113.9"
    assert address(2, "192.0.2.1, 198.51.100.1, 203.0.113.9") == "198.51.100.1"
    assert address(1, "") == "10.0.0.1"
    assert address(1, "no address") == "unknown"
    # 64 bits of an IPv6 address are one customer of a provider.
    assert address(1, "2001:db8:1:2:3:4:5:6") == address(1, "2001:db8:1:2::1") != address(1, "2001:db8:1:3::1")
    assert address(1, "::ffff:203.0.113.9") == "203.0.113.9"


def test_a_new_password_ends_all_other_sessions():
    someone = user("operator", name="olga@example.org")
    here, there = Caller(someone), Caller(someone)
    assert here.post("/session/password", {"old": "wrong", "new": "another long password"}).status_code == 401
    weak = here.post("/session/password", {"old": PASSWORD, "new": "password"})
    # Too short, and among the most common ones.
    assert weak.status_code == 422
    assert [it["code"] for it in weak.json()["problems"]] == ["password-weak"] * 2
    assert here.post("/session/password", {"old": PASSWORD, "new": "another long password"}).status_code == 200
    assert here.get("/customers").status_code == 200
    assert there.get("/customers").status_code == 401


def test_a_disabled_user_is_signed_out_at_once():
    someone = user("operator", name="olga@example.org")
    session = Caller(someone)
    assert callers.operator().post(f"/users/{someone.pk}/disable").status_code == 200
    assert session.get("/customers").status_code == 401


def test_a_role_that_changes_holds_from_the_next_request():
    north = customer()
    someone = user("administrator", north)
    session = Caller(someone)
    assert session.get("/users").status_code == 200
    User.objects.filter(pk=someone.pk).update(role="viewer")
    assert session.get("/users").status_code == 403


def link(operator: Caller, email: str = "new@example.org") -> str:
    answer = operator.post("/users", {"email": email, "role": "operator"})
    assert answer.status_code == 201
    return answer.json()["password_link"]


def test_a_link_sets_a_password_once():
    path = link(callers.operator())
    assert path.startswith("http://localhost:8000/password/")
    number, token = path.split("/")[-2:]
    body = {"number": number, "token": token, "password": "a password of my own"}
    visitor = Visitor()
    assert visitor.post("/session/password-link", {**body, "password": "new@example.org"}).status_code == 422
    assert visitor.post("/session/password-link", body).status_code == 204
    visitor.token()
    again = visitor.post("/session/password-link", {**body, "password": "stolen afterwards"})
    assert (again.status_code, code(again)) == (404, "link-invalid")
    assert visitor.sign_in("new@example.org", "a password of my own").status_code == 200


def test_a_link_is_of_no_use_once_its_time_is_over(settings):
    path = link(callers.operator())
    settings.PASSWORD_RESET_TIMEOUT = -1
    number, token = path.split("/")[-2:]
    body = {"number": number, "token": token, "password": "a password of my own"}
    assert Visitor().post("/session/password-link", body).status_code == 404


def test_a_link_of_one_user_sets_no_other_ones_password():
    operator = callers.operator()
    victim = user("operator", name="victim@example.org")
    token = link(operator).split("/")[-1]
    body = {"number": f"{victim.pk:x}", "token": token, "password": "a password of my own"}
    assert Visitor().post("/session/password-link", body).status_code == 404


def form_token(answer) -> str:
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.content.decode())[1]


def test_the_page_signs_in_without_a_script():
    user("operator", name="olga@example.org")
    browser = Client(enforce_csrf_checks=True)
    form = {"csrfmiddlewaretoken": form_token(browser.get("/signin")), "name": "olga@example.org"}
    failed = browser.post("/signin", {**form, "password": "wrong"})
    assert failed.status_code == 401
    assert "name and password do not belong together" in failed.content.decode().lower()
    assert browser.post("/signin", {"name": "olga@example.org", "password": PASSWORD}).status_code == 403
    answer = browser.post("/signin", {**form, "password": PASSWORD, "next": "/usage?term=1"})
    assert (answer.status_code, answer["Location"]) == (302, "/usage?term=1")
    assert browser.get("/v1/session").json()["role"] == "operator"
    token = browser.get("/v1/session").json()["csrf_token"]
    assert browser.post("/signout").status_code == 403
    assert browser.post("/signout", {"csrfmiddlewaretoken": token})["Location"] == "/signin"
    assert browser.get("/v1/session").json()["role"] == "nobody"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil"]
)
def test_the_page_leads_to_no_other_host(elsewhere):
    user("operator", name="olga@example.org")
    browser = Client()
    answer = browser.post("/signin", {"name": "olga@example.org", "password": PASSWORD, "next": elsewhere})
    assert answer["Location"] == "/"


def test_the_page_of_a_link_sets_the_password_without_a_script():
    path = link(callers.operator()).removeprefix("http://localhost:8000")
    browser = Client(enforce_csrf_checks=True)
    page = browser.get(path)
    form = {"csrfmiddlewaretoken": form_token(page)}
    differ = browser.post(path, {**form, "password": "a password of my own", "again": "another"})
    assert differ.status_code == 422
    same = {**form, "password": "a password of my own", "again": "a password of my own"}
    answer = browser.post(path, same, follow=True)
    assert answer.redirect_chain == [("/signin?set=password", 302)]
    assert "Your password is set" in answer.content.decode()
    assert browser.get(path).status_code == 404
    # The address of the page is a secret until it is used: no other host is told of it.
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-store" in page["Cache-Control"]


def test_sessions_and_passwords_are_audited_without_the_password():
    someone = user("operator", name="olga@example.org")
    visitor = Visitor()
    visitor.sign_in("olga@example.org")
    visitor.post("/session/password", {"old": PASSWORD, "new": "another long password"})
    visitor.token()
    visitor.call("DELETE", "/session")
    rows = list(Audit.objects.order_by("id").values_list("action", "object"))
    mine = f"user {someone.pk}"
    assert rows == [("session.begun", mine), ("user.password-set", mine), ("session.ended", mine)]
    assert "another long password" not in str(list(Audit.objects.values()))


def test_last_sign_in_is_shown_to_those_who_manage():
    user("operator", name="olga@example.org")
    Visitor().sign_in("olga@example.org")
    rows = callers.operator().get("/users").json()["items"]
    shown = next(it["last_signed_in_at"] for it in rows if it["email"] == "olga@example.org")
    assert shown[:10] == timezone.now().date().isoformat()


def test_the_first_operator_is_added_on_the_machine_by_a_link():
    link = accounts.add_operator("Olga@Example.org")
    number, token = link.removeprefix("http://localhost:8000/password/").split("/")
    visitor = Visitor()
    body = {"number": number, "token": token, "password": "a password of my own"}
    assert visitor.post("/session/password-link", body).status_code == 204
    visitor.token()
    assert visitor.sign_in("olga@example.org", "a password of my own").json()["role"] == "operator"
    # Again it gives another link, for an operator alone.
    assert accounts.add_operator("olga@example.org") != link
    user("viewer", customer(), "vera@example.org")
    with pytest.raises(UsageError, match="no operator"):
        accounts.add_operator("vera@example.org")
    with pytest.raises(UsageError, match="no e-mail address"):
        accounts.add_operator("olga")
    assert User.objects.filter(role="operator").count() == 1
