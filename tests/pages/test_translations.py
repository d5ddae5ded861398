"""Every word is there in German, and the compiled file is what the text says."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.pages import catalogue

FILLED_IN = re.compile(r"%\(\w+\)s|<[^>]+>")


def test_everything_that_pages_say_has_german_words():
    said, known = catalogue.said(), catalogue.known()
    missing = [it.id for it in said if it.id and known.get(it.id, it.context) is None]
    empty = [it.id for it in known if it.id and not catalogue.is_translated(it)]
    stale = [it.id for it in known if it.id and said.get(it.id, it.context) is None]
    assert (missing, empty, stale) == ([], [], []), "run python -m tests.pages.catalogue, and write what is missing"


def test_what_is_filled_in_is_the_same_in_german():
    for it in catalogue.known():
        if it.id:
            ids = it.id if isinstance(it.id, tuple) else (it.id,)
            strings = it.string if isinstance(it.string, tuple) else (it.string,)
            for english, german in zip((ids[0], *ids[-1:] * (len(strings) - 1)), strings, strict=True):
                assert set(FILLED_IN.findall(german)) == set(FILLED_IN.findall(english)), it.id


def test_the_compiled_catalogue_is_that_of_the_text():
    assert catalogue.FILE.with_suffix(".mo").read_bytes() == catalogue.compiled(catalogue.known())


@pytest.mark.usefixtures("ledger")
def test_the_browsers_language_is_spoken_and_a_choice_stands_above_it():
    german = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    client = Client()
    assert "E-Mail-Adresse" in client.get("/signin", headers=german).content.decode()
    answer = client.post("/preferences", {"django_language": "en", "theme": "dark", "next": "/signin"})
    assert (answer.status_code, answer["Location"]) == (302, "/signin")
    said = client.get("/signin", headers=german).content.decode()
    assert '<html lang="en" data-theme="dark">' in said
    assert "E-mail address" in said


def test_a_choice_that_does_not_exist_and_another_host_are_passed_over():
    answer = Client().post(
        "/preferences", {"django_language": "xx", "theme": "<b>", "next": "https://elsewhere.example/"}
    )
    assert (answer["Location"], len(answer.cookies)) == ("/", 0)
