"""The roster as HTML, without a script: what is shown is done and nothing else, and what is another's is not there."""

from __future__ import annotations

import gzip
import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from rollbook.server import clock, models
from rollbook.server.live import people
from tests.pages.questions import asked
from tests.server import callers
from tests.server.world import at, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-20T00:00"


@pytest.fixture(autouse=True)
def _it_is_march(monkeypatch):
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


def college(learners: int = 3, name: str = "North", organisation: str = "north"):
    """A customer who pays for active learners, each enrolled in one course that is disabled."""
    owner = customer(name, (organisation,))
    if not owner.subscriptions.exists():
        subscribe(owner, "wisenet-lrm", zone="UTC")
    more = {"organisation": organisation}
    accounts = [row(f"a{n}", f"l{n}", "2026-03-01T09:00", "account.created", **more) for n in range(learners)]
    enrolled = [
        row(f"e{n}", f"l{n}", "2026-03-01T09:00", "enrolment.created", object="knots", **more) for n in range(learners)
    ]
    send(accounts + enrolled, NOW)
    return owner


def browser(of, role: str = "administrator") -> Client:
    client = Client(headers={"Accept-Language": "en-GB"})
    client.force_login(callers.user(role, of))
    return client


def kept() -> int:
    """How many facts there are."""
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from fact")
        return cursor.fetchone()[0]


def number(owner, learner: str) -> str:
    return people.surrogate(owner.pk, learner)


def words(answer) -> str:
    main = re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def form(answer) -> dict[str, str]:
    """What the form that confirms would send."""
    return {
        name: unescape(value)
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode())
    }


def changed(owner, client: Client, **said):
    return client.post(f"/customers/{owner.pk}/roster/change", said)


def test_a_preview_keeps_nothing_and_what_it_showed_is_done_once(monkeypatch):
    owner = college()
    client, facts = browser(owner), kept()
    said = {"act": "deactivate", "person": number(owner, "l1"), "organisation": "north"}
    shown = changed(owner, client, **said)
    assert "3 → becomes 2" in words(shown)
    assert "Confirm before 1 Apr 2026, 00:00 (UTC), and this learner is not in the count of" in words(shown)
    assert kept() == facts
    for _ in range(2):
        done = client.post(f"/customers/{owner.pk}/roster/change", form(shown))
        assert (done.status_code, done["Location"]) == (302, f"/customers/{owner.pk}/roster/learners/{said['person']}")
    assert kept() == facts + 1
    # What happens at an instant is so just after it.
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000 + 10**9)
    assert "Is active? Inactive" in words(client.get(done["Location"]))
    # It is written down, and without the learner.
    written = models.Audit.objects.filter(action="roster.changed").get()
    assert "l1" not in str(written.details)


def test_a_digest_of_something_else_does_nothing():
    owner = college()
    client, facts = browser(owner), kept()
    shown = changed(owner, client, act="deactivate", person=number(owner, "l1"), organisation="north")
    other = form(shown) | {"person": number(owner, "l2")}
    answer = client.post(f"/customers/{owner.pk}/roster/change", other)
    assert answer.status_code == 409
    assert "Nothing was done." in words(answer)
    assert client.post(f"/customers/{owner.pk}/roster/change", other | {"digest": "x"}).status_code == 422
    assert kept() == facts


def test_people_of_another_customer_are_not_there_and_nothing_is_done_to_them():
    mine, theirs = college(), college(name="South", organisation="south")
    client, facts = browser(mine), kept()
    person = number(theirs, "l1")
    assert client.get(f"/customers/{mine.pk}/roster/learners/{person}").status_code == 404
    for organisation in ("south", "north"):
        for act in ("deactivate", "enable"):
            said = {"act": act, "person": person, "organisation": organisation, "object": "knots"}
            assert changed(mine, client, **said).status_code == 404
            assert changed(theirs, client, **said).status_code == 404
    for said in ({"act": "deactivate", "course": "knots"}, {"act": "clean-up"}):
        assert changed(mine, client, organisation="south", **said).status_code == 422
    assert client.get(f"/customers/{theirs.pk}/roster").status_code == 404
    assert kept() == facts


def test_a_viewer_sees_no_roster_and_has_no_link_to_it():
    owner = college()
    client = browser(owner, "viewer")
    assert client.get(f"/customers/{owner.pk}/roster").status_code == 403
    assert f"/customers/{owner.pk}/roster" not in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "nothing in it"),
        (gzip.compress(b"action,learner\n" + b"deactivate,l1\n" * 3), "compressed"),
        (b"action,learner\n" + b"deactivate,l1\n" * 10_001, "more than 10,000 rows"),
        (b"action,learner\n", "no row in it"),
        (b"\x00\xff\xfe" * 100, ""),
        (b"PK\x03\x04" + b"x" * 100, ""),
        (b"x" * (2 * 1024 * 1024 + 1), "more than 2,097,152 bytes"),
    ],
    ids=["empty", "gzip", "too many rows", "no row", "no text", "an archive that is none", "too large"],
)
def test_a_file_that_cannot_be_used_is_told_beside_it(content, told):
    owner = college(1)
    answer = changed(owner, browser(owner), act="list", file=SimpleUploadedFile("list.csv", content, "text/csv"))
    assert answer.status_code == 422
    wrong = re.search(r'<ul class="wrong"[^>]*>(.*?)</ul>', answer.content.decode(), re.DOTALL)[1]
    assert told in unescape(wrong)


@pytest.mark.parametrize("packed", ["", "!", "AAAA", "x" * 100])
def test_a_list_that_no_page_packed_is_refused(packed):
    owner = college(1)
    assert changed(owner, browser(owner), act="list", list=packed, digest="1-" + "0" * 96).status_code == 422


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"act": "fly"}, 422),
        ({"act": "deactivate"}, 404),
        ({"act": "deactivate", "person": "x" * 5000}, 404),
        ({"act": "deactivate", "person": str(10**30), "organisation": "north"}, 404),
        ({"act": "clean-up", "organisation": "nowhere"}, 422),
        ({"act": "clean-up", "course": "knots", "organisation": "north"}, 200),
        ({"act": "deactivate", "course": "nothing", "organisation": "north"}, 200),
    ],
)
def test_what_nobody_can_ask_for_is_answered_in_words(said, status):
    owner = college(1)
    answer = changed(owner, browser(owner), **said)
    assert answer.status_code == status
    assert status == 200 or "Traceback" not in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "status"), [("standing=x", 422), ("after=x", 200), ("course=none", 200), ("search=%3Ci", 200)]
)
def test_the_list_is_narrowed_and_says_what_is_no_choice(query, status):
    owner = college(1)
    assert browser(owner).get(f"/customers/{owner.pk}/roster?{query}").status_code == status


def test_names_are_text_and_never_markup():
    owner = customer("North", ("north",))
    learner, course = "<script>1</script>", "<b>knots</b>"
    send([row("e1", learner, "2026-03-01T09:00", "enrolment.created", object=course)], NOW)
    client = browser(owner)
    for path in (
        "",
        f"/learners/{number(owner, learner)}",
        "/courses",
        "/courses?organisation=north&course=%3Cb%3Eknots%3C/b%3E",
    ):
        html = client.get(f"/customers/{owner.pk}/roster{path}").content.decode()
        assert "&lt;" in html
        assert "<script>1" not in html
        assert "<b>knots" not in html


def test_a_page_asks_the_same_few_questions_for_three_learners_and_for_forty():
    owner = college(3)
    client, path = browser(owner), f"/customers/{owner.pk}/roster"
    few = asked(client, path)
    college(40)
    assert asked(client, path) == few <= 30


def test_the_links_lead_through_everybody_once():
    """70 learners on pages of 50."""
    owner = college(70)
    client, path, found = browser(owner), f"/customers/{owner.pk}/roster", []
    for _ in range(2):
        html = client.get(path).content.decode()
        found += re.findall(r">(l\d+)</a>", html)
        links = re.search(r'rel="next" href="([^"]+)"', html)
        path = f"/customers/{owner.pk}/roster{unescape(links[1])}" if links else ""
    assert (sorted(found), path) == (sorted(f"l{n}" for n in range(70)), "")
