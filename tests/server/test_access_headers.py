"""What every answer has, and what the server's own settings promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from rollbook.server.api import management
from rollbook.server.configuration import ConfigurationError, configuration
from rollbook.server.middleware import BODY_BYTES_MAX
from tests.server import callers
from tests.server.callers import Caller, code

pytestmark = pytest.mark.usefixtures("ledger")

ADDRESSES = ("/signin", "/nothing", "/v1/nothing", "/v1/customers", "/v1/openapi.json", "/v1/docs", "/v1/session")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_keeps_browsers_safe(address):
    answer = Client().get(address)
    policy = dict(it.strip().split(" ", 1) for it in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["object-src"] == "'none'"
    # Scripts come from this host alone, and none stands in a page.
    assert "script-src" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


def test_the_api_is_not_kept_by_caches():
    assert Client().get("/v1/customers")["Cache-Control"] == "no-store"


def test_the_description_for_people_loads_nothing_from_other_hosts():
    page = Client().get("/v1/docs").content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) >= 4
    assert all(it.startswith("/static/") for it in loaded)
    assert all(finders.find(it.removeprefix("/static/")) for it in loaded)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", page)


def test_static_files_are_served_without_another_step():
    for it in re.findall(r'(?:src|href)="([^"]+)"', Client().get("/v1/docs").content.decode()):
        answer = Client().get(it)
        assert answer.status_code == 200
        answer.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/customers/", 404),
        ("GET", "/customers/0x1", 422),
        ("PATCH", "/customers", 405),
        ("GET", "/customers/0", 422),
        ("GET", "/customers/99999999999999999999", 422),
        ("GET", "/customers?after=-1", 422),
        ("GET", "/customers?limit=501", 422),
        ("GET", "/customers/12345", 404),
    ],
)
def test_problems_have_one_shape(method, path, status):
    answer = callers.operator().call(method, path)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    [problem] = answer.json()["problems"]
    assert set(problem) == {"code", "place", "rule", "remedy"}
    assert all(problem.values())
    assert status != 405 or set(answer["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    ("content", "kind", "status", "found"),
    [
        (b'{"name": "A"}', "text/plain", 415, "media-type"),
        (b'{"name": "A"}', "application/x-www-form-urlencoded", 415, "media-type"),
        (b"{", "application/json", 400, "json-invalid"),
        (b"", "application/json", 422, "input-invalid"),
        (b"\xff", "application/json", 400, "json-invalid"),
        (b'{"name": NaN}', "application/json", 400, "json-invalid"),
        (b"[" * 100_000, "application/json", 400, "json-invalid"),
        (b'{"name": ' + b"9" * 5000 + b"}", "application/json", 400, "json-invalid"),
        (b"[]", "application/json", 422, "input-invalid"),
        (b"null", "application/json", 422, "input-invalid"),
        (b'{"name": "\\u0000"}', "application/json", 422, "input-invalid"),
        (b'{"name": "\\ud800"}', "application/json", 422, "input-invalid"),
        (b'{"name": 7}', "application/json", 422, "input-invalid"),
        (b'{"name": " A"}', "application/json", 422, "input-invalid"),
        (b" " * (BODY_BYTES_MAX + 1), "application/json", 413, "too-large"),
    ],
)
def test_bodies_that_cannot_be_read_are_told_in_words(content, kind, status, found):
    caller = callers.operator()
    answer = caller.client.post("/v1/customers", content, content_type=kind, headers=caller.headers)
    assert (answer.status_code, code(answer)) == (status, found)


def test_what_was_sent_is_not_repeated_in_an_answer():
    answer = callers.operator().post("/people/erase", {"customer": 1, "learner": ["ana.secret@example.org"]})
    assert answer.status_code == 422
    assert "ana.secret" not in answer.content.decode()


def test_a_fault_is_told_in_words_with_an_id_and_its_text_stands_nowhere(monkeypatch, caplog):
    def broken(*_: object) -> None:
        raise RuntimeError("Key (learner)=(ana.secret@example.org) already exists")

    monkeypatch.setattr(management, "customers_of", broken)
    answer = callers.operator().get("/customers")
    assert (answer.status_code, code(answer)) == (500, "fault")
    number = re.search(r"knows as ([0-9a-f]{32})", answer.json()["problems"][0]["rule"])[1]
    assert "Traceback" not in answer.content.decode()
    assert number in caplog.text
    assert "RuntimeError" in caplog.text
    assert "list_customers" in caplog.text
    assert "ana.secret" not in caplog.text + answer.content.decode()


def test_a_fault_outside_the_api_is_told_in_words_too(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("ana.secret@example.org")

    monkeypatch.setattr("rollbook.server.pages.signin.sso.configured", broken)
    answer = Client(raise_request_exception=False).get("/signin")
    assert answer.status_code == 500
    assert "ana.secret" not in answer.content.decode()


def test_a_route_that_declares_nothing_refuses_everybody():
    from ninja import NinjaAPI  # noqa: PLC0415

    from rollbook.server.access.principals import Undeclared  # noqa: PLC0415
    from rollbook.server.api import errors  # noqa: PLC0415

    api = NinjaAPI(urls_namespace="undeclared", auth=Undeclared())
    errors.install(api)

    @api.get("/open")
    def open_(request) -> str:  # noqa: ARG001
        return "let in"

    from django.test import RequestFactory  # noqa: PLC0415

    request = RequestFactory().get("/open")
    request.user = callers.user("operator")
    [bound] = api._get_bound_routers()
    answer = bound.path_operations["/open"].operations[0].run(request)
    assert answer.status_code == 403


CHECK = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("check", deploy=True, fail_level="INFO")
"""


def environment(**more: str) -> dict[str, str]:
    given = {
        "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
        "ROLLBOOK_SECRET_KEY": "Kq3v9XzR7mB1nT5wY8cF2hJ6pL0sD4gA_uEiOoQrVxZ-abcdefgh12",
        "ROLLBOOK_DIGEST_KEY": "another secret that recognises erased people",
        "DATABASE_URL": "sqlite:///nowhere.db",
        "ROLLBOOK_ALLOWED_HOSTS": "rollbook.example",
    }
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return {**kept, **given, **more}


def test_the_servers_own_settings_are_fit_for_the_internet(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # What is silenced is the commitment of a whole domain, twice: subdomains and preload.
    assert "no issues (2 silenced)" in done.stdout


def test_cookies_of_the_servers_own_settings_go_over_tls_alone(tmp_path):
    script = (
        "import json; from django.conf import settings as s;"
        "print(json.dumps([s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT,"
        " s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, s.SECURE_HSTS_SECONDS, s.DEBUG]))"
    )

    def said(**more: str) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment(**more), cwd=tmp_path, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    assert said() == [True, True, True, True, "Lax", 2_592_000, False]
    assert said(ROLLBOOK_TLS="false") == [False, False, False, True, "Lax", 0, False]


@pytest.mark.parametrize(
    ("chosen", "header", "silenced"),
    [
        # 30 days are 30 x 86,400 seconds.
        ({}, "max-age=2592000", 2),
        ({"ROLLBOOK_HSTS_DAYS": "1"}, "max-age=86400", 2),
        ({"ROLLBOOK_HSTS_DAYS": "0"}, None, 1),
        ({"ROLLBOOK_HSTS_SUBDOMAINS": "true"}, "max-age=2592000; includeSubDomains", 1),
        (
            {"ROLLBOOK_HSTS_SUBDOMAINS": "true", "ROLLBOOK_HSTS_DAYS": "365", "ROLLBOOK_HSTS_PRELOAD": "true"},
            "max-age=31536000; includeSubDomains; preload",
            0,
        ),
        ({"ROLLBOOK_TLS": "false", "ROLLBOOK_HSTS_SUBDOMAINS": "true"}, None, None),
    ],
)
def test_browsers_are_told_to_insist_on_tls_for_this_host_alone_unless_more_is_chosen(
    tmp_path, chosen, header, silenced
):
    asked = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "print(Client().get('/v1/openapi.json', secure=True, headers={'host': 'rollbook.example'})"
        ".headers.get('Strict-Transport-Security'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked if silenced is None else CHECK + asked],
        env=environment(**chosen),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(header)
    if silenced is not None:
        assert f"no issues ({silenced} silenced)" in done.stdout


@pytest.mark.parametrize("more", [{}, {"ROLLBOOK_HSTS_SUBDOMAINS": "true"}, {"ROLLBOOK_HSTS_DAYS": "400"}])
def test_no_domain_is_given_to_browsers_for_ever_by_one_setting_alone(more):
    secrets = {"ROLLBOOK_SECRET_KEY": "s" * 32, "ROLLBOOK_DIGEST_KEY": "d" * 32}
    with pytest.raises(ConfigurationError) as refused:
        configuration(secrets | more | {"ROLLBOOK_HSTS_PRELOAD": "true"})
    assert [it.place for it in refused.value.problems] == ["ROLLBOOK_HSTS_PRELOAD"]


def test_nobody_needs_to_be_known_for_what_says_so():
    assert Caller().get("/session").status_code == 200
    assert Caller().get("/openapi.json").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_program_that_calls_without_tls_is_told_so_and_not_sent_elsewhere(method, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().generic(method, "/v1/facts", headers={"Authorization": "Bearer rbk_x"})
    assert (answer.status_code, answer["Upgrade"], code(answer)) == (426, "TLS/1.2", "tls-required")
    assert "ROLLBOOK_TLS=false" in answer.json()["problems"][0]["remedy"]
    assert "Location" not in answer
    # People are sent on; over TLS everything is as it always is.
    assert Client().get("/v1/docs")["Location"] == "https://testserver/v1/docs"
    assert Client().generic(method, "/v1/facts", secure=True).status_code in (401, 405)
