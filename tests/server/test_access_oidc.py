"""Signing in by an OpenID Connect provider: a real one, that runs on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from rollbook.server import clock
from rollbook.server.configuration import ConfigurationError, configuration, oidc_provider
from rollbook.server.models import Audit, User
from tests.server import oidc
from tests.server.callers import user

pytestmark = pytest.mark.usefixtures("ledger")

FAILED = "/signin?failed=provider"


@pytest.fixture
def provider(settings) -> Iterator[oidc.Provider]:
    with oidc.provider() as found:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_provider(found.url, oidc.CLIENT, oidc.SECRET)
        yield found


def sign_in(provider: oidc.Provider, browser: Client | None = None) -> tuple[Client, str]:
    """A browser that went to the provider and came back, and where it was sent then."""
    browser = browser or Client()
    away = browser.post("/signin/oidc/provider")
    assert away.status_code == 302
    assert away["Location"].startswith(f"{provider.url}/authorize?")
    back = browser.get(provider.authorize(oidc.query(away["Location"])).removeprefix("http://testserver"))
    assert back.status_code == 302
    return browser, back["Location"]


def who(browser: Client) -> str:
    return browser.get("/v1/session").json()["role"]


def test_whoever_has_a_verified_address_of_a_user_is_signed_in(provider):
    user("operator", name="olga@example.org")
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == ("/", "operator")
    assert Audit.objects.get(action="session.begun").details == {"how": "provider"}


def test_the_address_is_compared_whatever_its_letters_are(provider):
    user("operator", name="olga@example.org")
    provider.claims["email"] = "Olga@Example.ORG"
    browser, _ = sign_in(provider)
    assert who(browser) == "operator"


def test_nobody_gets_an_account_by_it(provider):
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")
    assert not User.objects.exists()


@pytest.mark.parametrize("verified", [False, "false", None, 0, ""])
def test_an_address_that_is_not_verified_signs_nobody_in(provider, verified):
    user("operator", name="olga@example.org")
    provider.claims["email_verified"] = verified
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")


def test_a_disabled_user_is_not_signed_in(provider):
    gone = user("operator", name="olga@example.org")
    gone.is_active = False
    gone.save()
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")


def test_a_profile_of_somebody_else_than_the_tokens_signs_nobody_in(provider):
    user("operator", name="olga@example.org")
    provider.profile = {**provider.claims, "sub": "s-2"}
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")


@pytest.mark.parametrize(
    "claims", [{"aud": "another client"}, {"iss": "https://another.example"}, {"exp": 1}], ids=["aud", "iss", "exp"]
)
def test_a_token_for_another_client_of_another_provider_or_too_old_signs_nobody_in(provider, claims):
    user("operator", name="olga@example.org")
    provider.claims |= claims
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")


def test_whoever_refuses_at_the_provider_comes_back_to_the_page(provider):
    provider.refuses = "access_denied"
    browser, landed = sign_in(provider)
    assert (landed, who(browser)) == (FAILED, "nobody")
    assert "did not work" in browser.get(landed).content.decode()


def test_an_answer_that_was_never_asked_for_signs_nobody_in(provider):
    """Signing a victim in as the attacker: the attacker's answer, opened in the victim's browser."""
    user("operator", name="olga@example.org")
    away = Client().post("/signin/oidc/provider")["Location"]
    answer = provider.authorize(oidc.query(away)).removeprefix("http://testserver")
    victim = Client()
    assert victim.get(answer)["Location"] == FAILED
    assert who(victim) == "nobody"


def test_an_answer_works_once(provider):
    user("operator", name="olga@example.org")
    browser = Client()
    away = browser.post("/signin/oidc/provider")["Location"]
    answer = provider.authorize(oidc.query(away)).removeprefix("http://testserver")
    assert browser.get(answer)["Location"] == "/"
    browser.logout()
    assert browser.get(answer)["Location"] == FAILED


def test_signing_in_begins_another_session(provider):
    user("operator", name="olga@example.org")
    browser = Client()
    browser.post("/signin/oidc/provider")
    before = browser.session.session_key
    sign_in(provider, browser)
    assert browser.session.session_key != before


def test_somebody_else_who_was_signed_in_is_signed_out(provider):
    user("operator", name="olga@example.org")
    browser = Client()
    browser.force_login(user("operator", name="another@example.org"))
    sign_in(provider, browser)
    assert browser.get("/v1/session").json()["name"] == "olga@example.org"


def test_nothing_of_the_provider_is_stored_and_the_password_stays(provider):
    before = user("operator", name="olga@example.org").password
    sign_in(provider)
    assert not SocialAccount.objects.exists()
    assert not EmailAddress.objects.exists()
    assert User.objects.get().password == before


def test_going_to_the_provider_takes_a_form_of_this_site(provider):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/signin/oidc/provider").status_code == 403
    assert browser.get("/signin/oidc/provider").status_code == 405
    assert provider.asked == []


def test_the_provider_is_asked_so_often_for_one_address_and_no_more(provider, monkeypatch):
    now_ns = time.time_ns()
    monkeypatch.setattr(clock, "source_ns", lambda: now_ns)  # the count begins anew with each quarter of an hour
    statuses = [Client().post("/signin/oidc/provider").status_code for _ in range(31)]
    assert statuses == [302] * 30 + [429]
    assert len(provider.asked) == 30


@pytest.mark.usefixtures("provider")
def test_the_button_is_there_where_a_provider_is(settings):
    assert 'action="/signin/oidc/provider"' in Client().get("/signin").content.decode()
    settings.SOCIALACCOUNT_PROVIDERS = {}
    assert "oidc" not in Client().get("/signin").content.decode()
    assert Client().post("/signin/oidc/provider").status_code == 404


def test_a_provider_elsewhere_needs_tls():
    given = {"ROLLBOOK_SECRET_KEY": "x" * 40, "ROLLBOOK_DIGEST_KEY": "y" * 40}
    with pytest.raises(ConfigurationError) as caught:
        configuration({**given, "ROLLBOOK_OIDC_URL": "http://provider.example"})
    assert [it.place for it in caught.value.problems] == ["ROLLBOOK_OIDC_URL"]
    assert configuration({**given, "ROLLBOOK_OIDC_URL": "https://provider.example"})["ROLLBOOK_OIDC_URL"]
