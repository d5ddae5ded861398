"""Learners and why, as HTML: paging, questions asked of the database, words, and what is somebody else's."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from rollbook.metering.outcome import DISPOSITIONS
from rollbook.server import clock, erasure
from rollbook.server.access.accounts import COMMAND
from rollbook.server.live import abridged, explaining, people
from rollbook.server.pages import reasons
from tests.pages.questions import asked
from tests.server import callers, world
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-20T00:00"


@pytest.fixture(autouse=True)
def _it_is_march(monkeypatch):
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


def browser(of) -> Client:
    client = Client(headers={"Accept-Language": "en-GB"})
    client.force_login(callers.user("administrator", of))
    return client


def said(client: Client, path: str, status: int = 200) -> str:
    """The words of a page, as they are read."""
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()
    main = re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)[0]
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())
    return re.sub(r" ([.,:;])", r"\1", words)


def number(term, learner: str) -> str:
    return people.surrogate(term.customer_id, learner)


def why(term, learner: str, window: int = 3) -> str:
    return said(browser(term.customer), f"/subscriptions/{term.pk}/learners/{number(term, learner)}?window={window}")


def logins(learners: int, **more):
    return [row(f"f{n:04}", f"l{n:04}", f"2026-03-02T{n // 60:02}:{n % 60:02}", **more) for n in range(learners)]


@pytest.mark.parametrize("order", ["first", "latest", "name"])
def test_the_links_lead_through_everybody_once_and_in_order(order):
    """130 learners on pages of 50: the third has the last 30, and no link to more."""
    term = subscribe(customer())
    send(logins(130), NOW)
    client, path, found, pages = browser(term.customer), f"/subscriptions/{term.pk}/learners?order={order}", [], 0
    while path:
        html = client.get(path).content.decode()
        found += re.findall(r">(l\d{4})</a>", html)
        pages += 1
        links = re.search(r'rel="next" href="([^"]+)"', html)
        path = unescape(links[1]) if links else ""
    wanted = [f"l{n:04}" for n in range(130)]
    assert found == (wanted[::-1] if order == "latest" else wanted)
    assert pages == 3


def test_a_page_asks_the_same_few_questions_for_three_learners_and_for_three_hundred():
    term = subscribe(customer(), quantity=2)
    client, path = browser(term.customer), f"/subscriptions/{term.pk}/learners"
    counts = []
    for learners in (3, 300):
        send(logins(learners), NOW)
        counts.append(asked(client, path))
    assert counts[0] == counts[1] <= 25


def test_those_beyond_what_is_included_are_called_extra():
    """Two are included, and five came: the first two are, and three are extra."""
    term = subscribe(customer(), quantity=2)
    send(logins(5), NOW)
    words = said(browser(term.customer), f"/subscriptions/{term.pk}/learners")
    assert "5 counted in this period, 3 of them beyond what is included" in words
    marks = re.findall(r"(l\d{4}) .*? (Included|Extra) ", words[words.index("l0000") :])
    assert marks == [
        ("l0000", "Included"),
        ("l0001", "Included"),
        ("l0002", "Extra"),
        ("l0003", "Extra"),
        ("l0004", "Extra"),
    ]
    assert "Extra All that is included was used by those who came before." in why(term, "l0004")
    assert "Included" in why(term, "l0001")


def test_why_says_which_fact_made_a_learner_count():
    term = subscribe(customer())
    send([row("f1", "ana", "2026-03-02T09:30"), row("f2", "ana", "2026-03-03T09:30")], NOW)
    words = why(term, "ana")
    assert "Counts in this period" in words
    assert "Because of this: Logging in, on 2 Mar 2026, 09:30:00." in words
    assert "New: for the first time." in words
    assert "The source “lms” sent this activity under the id below." in words
    assert "Logging in 2 times: this counts Rule: Counts – logging in" in words
    assert "Does not count in this period Mar 2026" not in words


def test_why_says_what_is_missing_where_too_little_happened():
    """Three times are needed, and there are two."""
    plan = own_plan('[meter]\ncounts = ["login"]\nminimum = 3\n[window]\nkind = "calendar-month"\n')
    term = subscribe(customer(), plan)
    send([row("f1", "ana", "2026-03-02T09:30"), row("f2", "ana", "2026-03-03T09:30")], NOW)
    words = why(term, "ana")
    assert "Does not count in this period" in words
    assert "Logging in, 2 times, 2–3 Mar 2026: this happened too few times in the period." in words
    assert "It would count from the 3. time on in one period; there are 2." in words


def test_why_names_what_began_before_the_window_and_lasted_into_it():
    plan = own_plan(
        '[meter]\nholds = { on = ["account.enabled"], off = ["account.disabled"] }\n[window]\nkind = "calendar-month"\n'
    )
    term = subscribe(customer(), plan)
    send([row("on", "ana", "2026-01-12T09:30", "account.enabled")], NOW)
    words = why(term, "ana")
    assert "Because of this: An account is enabled, on 12 Jan 2026, 09:30:00; and it lasted into this period." in words
    assert "Continuing: this was so when the period began." in words
    assert "Nothing happened in this period: what began before went on." in words


def test_of_somebody_who_did_very_much_a_part_is_listed_and_the_rest_is_counted(monkeypatch):
    """Seven logins, of which two are listed: five are left."""
    monkeypatch.setattr(explaining, "FACTS_MAX", 3)
    monkeypatch.setattr(abridged, "LINES_MAX", 2)
    term = subscribe(customer())
    send([row(f"f{n}", "bot", f"2026-03-0{n}T09:30") for n in range(1, 8)], NOW)
    words = why(term, "bot")
    assert "Counts in this period" in words
    assert "and 5 activities that are not listed: this counts" in words


def test_linked_ids_are_named_and_lead_to_each_other():
    term = subscribe(customer())
    send(
        [
            row("f1", "ana@old", "2026-02-02T09:30"),
            row("f2", "ana", "2026-03-02T09:30"),
            row("f3", "ana", "2026-03-01T00:00", "identity.linked", object="ana@old"),
        ],
        NOW,
    )
    words = why(term, "ana")
    assert "Also known as: ana@old" in words
    assert "Two ids are linked: this corrects what was sent before" in words
    assert "Continuing: they counted in the period before as well." in words
    assert "Also known as: ana" in why(term, "ana@old")


def test_a_guests_entry_has_a_page_and_who_it_was_is_nobodys_business():
    plan = own_plan('[meter]\ncounts = ["login"]\nguests = "each-entry"\n[window]\nkind = "calendar-month"\n')
    term = subscribe(customer(), plan)
    send([row("door/1 %2F", "", "2026-03-02T09:30", role="guest")], NOW)
    client = browser(term.customer)
    html = client.get(f"/subscriptions/{term.pk}/learners").content.decode()
    link = unescape(re.search(r'href="(/subscriptions/\d+/guests/[^"]+)"', html)[1])
    words = said(client, link)
    assert "This entry counts" in words
    assert "Because of this: Logging in, on 2 Mar 2026, 09:30:00." in words
    assert "New:" not in words


def test_erased_people_are_shown_as_such_and_nothing_of_them_is_left():
    term = subscribe(customer())
    send([row("f1", "ana", "2026-03-02T09:30")], NOW)
    erasure.name(COMMAND, term.customer, {"ana": ("Ana Secret", "ana@secret.example")})
    person = number(term, "ana")
    erasure.erase(COMMAND, term.customer, "ana")
    client = browser(term.customer)
    for path in ("learners", "learners/not-counted/list", f"learners/{person}"):
        html = client.get(f"/subscriptions/{term.pk}/{path}").content.decode()
        assert "secret" not in html.lower()
    words = said(client, f"/subscriptions/{term.pk}/learners/{person}")
    assert "Somebody who was erased" in words
    assert "Counts in this period" in words


def test_names_are_text_and_never_markup():
    term = subscribe(customer())
    send([row("f1", "<script>1</script>", "2026-03-02T09:30", object="<b>o</b>")], NOW)
    erasure.name(COMMAND, term.customer, {"<script>1</script>": ("<i>n</i>", "<u>m</u>@example.org")})
    client = browser(term.customer)
    for path in ("learners", "learners?search=<i", f"learners/{number(term, '<script>1</script>')}"):
        html = client.get(f"/subscriptions/{term.pk}/{path}").content.decode()
        assert "&lt;i&gt;n" in html
        assert not re.search(r"<(script>1|b>o|i>n|u>m)", html)


def test_nothing_of_another_customer_is_shown_under_ones_own_plan():
    mine, theirs = subscribe(customer()), subscribe(customer("South", ("south",)))
    send([row("s1", "sam", "2026-03-02T09:30", organisation="south")], NOW)
    send([row("n1", "ana", "2026-03-02T09:30"), row("n2", "", "2026-03-02T09:30", role="guest")], NOW)
    client = browser(mine.customer)
    for path in (f"learners/{number(theirs, 'sam')}", "guests/s1", "learners/999999", f"learners/{10**30}"):
        assert "sam" not in said(client, f"/subscriptions/{mine.pk}/{path}", 404)
    assert "ana" not in said(browser(theirs.customer), f"/subscriptions/{mine.pk}/learners", 404)
    assert "sam" not in said(client, f"/subscriptions/{mine.pk}/learners?search=sam")[:4000].replace(
        "“sam”", ""
    ).replace('value="sam"', "")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("window=0", 404),
        ("window=4", 404),
        ("window=x", 404),
        ("class=best", 422),
        ("organisation=south", 422),
        ("standing=1", 422),
        ("order=random", 422),
        ("after=!", 422),
        ("after=W10", 422),
        ("after=" + "W" * 5000, 422),
        ("search=" + "x" * 5000, 200),
    ],
)
def test_what_is_no_choice_is_refused_in_words(asked, status):
    term = subscribe(customer())
    send(logins(2), NOW)
    said(browser(term.customer), f"/subscriptions/{term.pk}/learners?{asked}", status)


def test_before_the_term_the_page_says_from_when_on_there_will_be_something():
    term = subscribe(customer(), start=world.START.replace(year=2027), now=NOW)
    words = said(browser(term.customer), f"/subscriptions/{term.pk}/learners")
    assert "This plan begins on 1 Jan 2027" in words


def test_every_disposition_has_words():
    assert set(reasons.WORDS) == set(DISPOSITIONS)


def test_who_did_not_count_is_told_what_they_did_and_when():
    """Two courses were looked at, which the plan does not count; the only login came through somebody else."""
    plan = own_plan('[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n')
    term = subscribe(customer(), plan)
    seen = [row(f"f{n}", "ana", f"2026-03-0{n}T09:30") | {"type": "course.viewed"} for n in (2, 4)]
    send([*seen, row("f5", "ana", "2026-03-05T09:30") | {"impersonator": "boss"}], NOW)
    words = said(browser(term.customer), f"/subscriptions/{term.pk}/learners/not-counted?list=1&window=3")
    assert "Looking at a course, 2 times, 2–4 Mar 2026: this plan does not count this" in words.replace(" ,", ",")
    assert "Logging in, 5 Mar 2026, 09:30:00: this was done by somebody else in their name" in words.replace(" ,", ",")
