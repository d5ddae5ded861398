"""What stops a request is told as a page, to programs in their shape."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.usefixtures("ledger")


def test_an_address_that_is_not_there_is_told_as_a_page_in_the_readers_language():
    answer = Client().get("/nothing/at/all", headers={"Accept-Language": "de"})
    assert answer.status_code == 404
    assert "<h1>Hier ist nichts</h1>" in answer.content.decode()
    assert Client().get("/v1/nothing").json()["problems"][0]["code"] == "not-found"


def test_a_form_that_is_too_old_says_what_to_do():
    answer = Client(enforce_csrf_checks=True).post("/signin", {"name": "a@b.example", "password": "x"})
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()


def test_another_host_name_is_told_with_the_setting_that_decides_it():
    answer = Client(headers={"Host": "elsewhere.example"}).get("/signin")
    assert (answer.status_code, "ROLLBOOK_ALLOWED_HOSTS" in answer.content.decode()) == (400, True)


def test_a_mistake_of_ours_is_told_without_asking_the_database(monkeypatch, django_assert_num_queries):
    def broken(*_: object) -> None:
        raise RuntimeError("ana.secret@example.org")

    monkeypatch.setattr("rollbook.server.pages.signin.sso.configured", broken)
    with django_assert_num_queries(0):
        answer = Client(raise_request_exception=False).get("/signin")
    said = answer.content.decode()
    assert (answer.status_code, "ana.secret" in said, "in its log" in said) == (500, False, True)
