"""Problems of what is sent, in a browser: groups with first, last, an example and a remedy; ticked off, and back again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.server.models import Audit, HeldFact, Refusal, UnknownType
from rollbook.server.pages.office import problem_groups
from tests.pages.questions import asked
from tests.server import callers, world

NOW = "2026-03-01T12:00"


def operator() -> Client:
    client = Client()
    client.force_login(callers.user("operator"))
    return client


def found(state: str = "open", **starts: int) -> dict[str, problem_groups.Section]:
    return {it.name: it for it in problem_groups.sections(state, starts)}


def test_an_operator_sees_each_kind_of_problem_with_an_example_and_what_to_do(visit):
    page = visit("operator", "/problems")
    expect(page.locator("#conflicts")).to_contain_text("give each fact an id of its own")
    expect(page.locator("#refused")).to_contain_text("place in its call 1")
    expect(page.locator("#types")).to_contain_text("if course.viewed is meant, let the sender say so")
    expect(page.locator("#held")).to_contain_text("harbour-college")
    expect(page.locator("#ahead")).to_contain_text("Their time is still to come")
    assert "zed" not in page.content()


def test_what_is_mended_is_ticked_off_found_again_and_opened_again(visit):
    page = visit("operator", "/problems")
    page.get_by_role("button", name=re.compile("Resolved: course.veiwed")).click()
    expect(page.get_by_role("status").last).to_contain_text("Ticked off")
    expect(page.locator("#types")).to_have_count(0)
    page.get_by_role("link", name="Resolved").click()
    expect(page.locator("#types")).to_contain_text("course.veiwed")
    page.get_by_role("button", name=re.compile("Open again: course.veiwed")).click()
    page.get_by_role("link", name="Open", exact=True).click()
    expect(page.locator("#types")).to_contain_text("course.veiwed")


@pytest.mark.usefixtures("ledger")
def test_groups_have_their_first_and_last_and_how_many():
    """Three conflicts of one sender over two days, one of another; what two senders refuse alike are two groups."""
    first = datetime(2026, 3, 1, tzinfo=UTC)
    for sender, day in (("a", 0), ("a", 1), ("b", 1), ("a", 2)):
        row = Refusal.objects.create(sender=sender, index=day, code="conflict", rule="r", remedy="m")
        Refusal.objects.filter(pk=row.pk).update(at=first + timedelta(days=day))
    Refusal.objects.create(sender="facts that waited", index=0, code="expired", rule="r", remedy="m", facts=700)
    both = found()
    one, other = both["conflicts"].groups
    assert (one.where, one.facts, one.first, one.last) == ("a", 3, first, first + timedelta(days=2))
    assert (other.where, other.facts) == ("b", 1)
    [expired] = both["refused"].groups
    assert (expired.title, expired.facts) == ("expired", 700)


@pytest.mark.usefixtures("ledger")
def test_what_came_after_the_operator_looked_stays_open():
    rows = [Refusal.objects.create(sender="a", index=0, code="conflict", rule="r", remedy="m") for _ in range(3)]
    body = {"kind": "refusal", "sender": "a", "code": "conflict", "seen": rows[1].pk}
    client = operator()
    assert client.post("/problems/resolve", body).status_code == 302
    assert [it.facts for it in found()["conflicts"].groups] == [1]
    assert [it.facts for it in found("resolved")["conflicts"].groups] == [2]
    # Nothing is left to tick off; and opened again, all are.
    assert client.post("/problems/resolve", body).status_code == 404
    client.post("/problems/resolve", body | {"state": "resolved"})
    assert [it.facts for it in found()["conflicts"].groups] == [3]
    actions = Audit.objects.filter(action__startswith="problem").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["problem.resolved", "problem.reopened"]


@pytest.mark.usefixtures("ledger")
def test_a_type_of_which_more_came_meanwhile_is_not_ticked_off_unseen():
    world.customer()
    world.send([world.row("1", "ana", "2026-02-01T09:00", "odd")], NOW)
    seen = found()["types"].groups[0].tick
    world.send([world.row("2", "ana", "2026-02-01T09:00", "odd")], NOW)
    assert operator().post("/problems/resolve", seen).status_code == 404
    assert UnknownType.objects.get().resolved_at is None


@pytest.mark.usefixtures("ledger")
def test_an_unknown_type_that_a_plan_counts_needs_nothing():
    north = world.customer()
    plan = world.own_plan('[meter]\ncounts = ["quiz.passed"]\n[window]\nkind = "calendar-month"\n')
    world.subscribe(north, plan)
    facts = [
        world.row("1", "ana", "2026-02-01T09:00", "quiz.passed"),
        world.row("2", "ana", "2026-02-01T09:00", "logn"),
    ]
    world.send(facts, NOW)
    groups = {it.title: it for it in found()["types"].groups}
    assert groups["quiz.passed"].rule == "A plan of theirs counts it."
    assert groups["logn"].remedy.startswith("if login is meant")


@pytest.mark.usefixtures("ledger")
def test_each_section_goes_on_by_itself():
    world.customer()
    facts = [world.row(str(n), "ana", "2026-02-01T09:00", organisation=f"o{n:02}") for n in range(23)]
    facts += [world.row(f"t{n}", "ana", "2026-02-01T09:00", f"type.{n}") for n in range(11)]
    world.send(facts, NOW)
    pages = [found(held=start)["held"] for start in (0, 10, 20)]
    assert [len(it.groups) for it in pages] == [10, 10, 3]
    assert [(it.before, it.after) for it in pages] == [(None, 10), ("", 20), (10, None)]
    assert len({it.title for section in pages for it in section.groups}) == 23
    page = operator().get("/problems?held=10").content.decode()
    assert ">o10<" in page
    assert ">o00<" not in page
    assert 'href="?held=10&amp;types=10"' in page


@pytest.mark.usefixtures("ledger")
def test_many_groups_ask_the_database_as_often_as_few():
    client, counts = operator(), []
    for upto in (2, 30):
        north = world.customer(f"Customer {upto}", (f"north-{upto}",))
        world.subscribe(north)
        facts = [
            world.row(f"{upto}-{n}", "ana", "2026-02-01T09:00", f"t{upto}.{n}", organisation=f"north-{upto}")
            for n in range(upto)
        ]
        facts += [
            world.row(f"{upto}-h{n}", "ana", "2026-02-01T09:00", organisation=f"o{upto}-{n}") for n in range(upto)
        ]
        world.send(facts, NOW)
        Refusal.objects.bulk_create(
            Refusal(sender=f"s{upto}-{n}", index=0, code=code, rule="r", remedy="m")
            for n in range(upto)
            for code in ("conflict", "invalid")
        )
        counts.append(asked(client, "/problems"))
    assert counts[0] == counts[1] <= 25


@pytest.mark.usefixtures("ledger")
def test_nothing_in_the_address_or_the_form_breaks_the_page():
    client = operator()
    for path in ("?held=-1", "?types=9999999999999999999999", "?state=x", "?refused=x&code="):
        assert client.get(f"/problems{path}").status_code == 200
    for body in ({}, {"kind": "type"}, {"kind": "type", "number": "x"}, {"seen": "9" * 30, "sender": "x"}):
        assert client.post("/problems/resolve", body).status_code == 404
    HeldFact.objects.create(
        source="s", fact_id="1", organisation="<b>", reason="unknown organisation", at_us=0, content={"type": "<i>"}
    )
    page = client.get("/problems").content.decode()
    assert "<b>" not in page
    assert "&lt;i&gt;" in page
