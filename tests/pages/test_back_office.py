"""What an operator does in a day, in a browser; and what their pages ask of the database."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.server.models import Audit, Closing, Customer, Subscription
from rollbook.server.operation import jobs
from rollbook.server.pages.office.jobs import WORDS
from rollbook.server.pages.timeline import timeline
from tests.pages.questions import asked
from tests.server import callers, world


def operator() -> Client:
    client = Client()
    client.force_login(callers.user("operator"))
    return client


def test_from_today_an_operator_goes_to_what_waits_and_approves_it(visit):
    page = visit("operator")
    page.get_by_role("link", name=re.compile("statement awaits approval")).click()
    card = page.locator("#approvals")
    expect(card).to_contain_text("Meridian Insurance")
    card.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").last).to_contain_text("Approved")
    expect(page.locator("#approvals")).to_have_count(0)


def test_a_customer_is_added_gets_an_organisation_and_a_plan_whose_windows_are_seen_first(visit):
    page = visit("operator", "/customers")
    page.get_by_label("Name", exact=True).fill("Quarry School")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("textbox", name="Organisation").fill("quarry")
    page.get_by_role("button", name="Add").click()
    assert page.locator(".chips li").all_inner_texts() == ["quarry"]
    page.get_by_role("link", name="New subscription").click()
    page.get_by_label("Plan").select_option("secondnature-mau")
    page.get_by_label("First day", exact=True).fill("2030-01-01")
    page.get_by_label("Quantity bought").fill("40")
    page.get_by_role("button", name="Show periods and price").click()
    # Nothing is agreed yet: a year of calendar months is twelve windows.
    preview = page.locator("section", has=page.get_by_role("heading", name="This is what it will be"))
    expect(preview.locator(".value").first).to_have_text("12")
    page.get_by_role("button", name="Agree on it").click()
    page.wait_for_url(re.compile(r"/subscriptions/\d+$"))
    expect(page.locator("dl.defs").first).to_contain_text("40")
    expect(page.locator("ol.windows li")).to_have_count(12)


def test_what_cannot_be_agreed_is_said_and_nothing_that_was_typed_is_lost(visit):
    page = visit("operator", "/customers/{c:mau}/subscribe")
    page.get_by_label("Plan").select_option("secondnature-mau")
    page.get_by_label("First day", exact=True).fill("2026-09-01")
    page.get_by_label("Quantity bought").fill("77")
    page.get_by_role("button", name="Show periods and price").click()
    expect(page.locator("#id_start-errors")).to_contain_text("would count the same facts")
    expect(page.get_by_label("Quantity bought")).to_have_value("77")
    page.said.clear()  # that the answer was 422


def test_an_upgrade_task_is_done_with_what_came_of_it(visit):
    page = visit("operator", "/tasks")
    row = page.locator("#sales li", has_text="75")
    expect(row).to_contain_text("75 would fit")
    row.get_by_label("What came of it", exact=True).fill("they take 80")
    row.get_by_role("button", name="Done").click()
    expect(page.locator("#sales li", has_text="75")).to_have_count(0)


def test_a_dead_letter_is_sent_again(visit):
    page = visit("operator", "/deliveries")
    row = page.get_by_role("row", name=re.compile("the mail server refused the address"))
    row.get_by_role("button").click()
    page.get_by_role("link", name="Waiting").click()
    assert page.get_by_role("row", name=re.compile("statement.closed")).count() >= 1


def test_a_person_is_erased_only_after_a_second_question(visit):
    page = visit("operator", "/customers/{c:none}")
    page.get_by_label("The learner's id").fill("nobody-has-this")
    page.get_by_role("button", name="Erase …").click()
    expect(page.locator("main")).to_contain_text("cannot be undone")
    assert "nobody-has-this" not in page.url
    page.get_by_role("button", name="Erase for ever").click()
    expect(page.get_by_role("status").last).to_contain_text("nothing to erase")


def test_a_subscription_is_counted_again_and_nothing_differs(visit, there):
    page = visit("operator", "/jobs")
    page.get_by_label("Number of the subscription").fill(str(there.subscriptions["docebo"]))
    page.get_by_role("button", name="Count again").click()
    expect(page.locator("main")).to_contain_text("what a fresh count of all facts finds")


def test_the_shadow_is_compared_window_by_window(visit):
    page = visit("operator", "/subscriptions/{mau}")
    table = page.locator("section", has=page.get_by_role("heading", name=re.compile("Beside its shadow"))).locator(
        "tbody"
    )
    # Both plans count whoever logs in by calendar month: what one counts, the other does.
    for row in table.locator("tr").all():
        ours, theirs = row.locator("td").all_inner_texts()[:2]
        assert ours == theirs


@pytest.mark.usefixtures("ledger")
def test_every_job_of_the_worker_is_explained():
    assert list(WORDS) == list(jobs.JOBS)


@pytest.mark.usefixtures("ledger")
def test_lists_ask_the_database_as_often_for_many_rows_as_for_few():
    client = operator()
    start = datetime.now(UTC).date() - timedelta(days=3)
    paths = ("/customers", "/subscriptions", "/audit", "/tasks", "/deliveries", "/problems")
    counts = []
    for upto in (3, 12):
        for number in range(Customer.objects.count(), upto):
            customer = world.customer(f"Customer {number:02}", (f"organisation-{number}",))
            row = world.subscribe(customer, start=start)
            Audit.objects.create(actor="worker", action="made", customer=customer)
            row.close_on_hold = "for a test"
            row.save()
            Closing.objects.create(subscription=row, number=1, window_number=1, asked_at=datetime.now(UTC))
            Closing.objects.create(subscription=row, number=2, window_number=2, withheld="for a test")
        counts.append([asked(client, path) for path in paths])
    assert Subscription.objects.count() == 12
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("ledger")
def test_a_name_with_a_line_break_is_refused_in_words():
    answer = operator().post("/customers", {"name": "North\nSouth"})
    assert answer.status_code == 422
    assert not Customer.objects.filter(name__contains="North").exists()


@pytest.mark.usefixtures("ledger")
def test_an_address_that_is_no_number_begins_a_list_at_its_start():
    client = operator()
    for after in ("", "-1", "x", "²", "9" * 30):
        assert client.get("/subscriptions", {"after": after}).status_code == 200
    assert client.get("/audit", {"customer": "x", "actor": "\x00"}).status_code == 400


@pytest.mark.usefixtures("ledger")
def test_erasing_leaves_no_id_in_an_address():
    north = world.customer()
    answer = operator().post(f"/customers/{north.pk}/erase", {"learner": "ada@example.org"})
    assert answer.status_code == 200
    assert "ada@example.org" not in answer.request["PATH_INFO"] + answer.request["QUERY_STRING"]
    assert "ada@example.org" not in " ".join(re.findall(r'(?:href|action)="([^"]*)"', answer.content.decode()))


@pytest.mark.usefixtures("ledger")
def test_on_the_timeline_each_term_says_what_it_is_by_its_look_and_in_words():
    """Of terms that differ in one thing only no two look alike: time by colour, kind by how hollow the bar is."""
    north, today = world.customer(), datetime.now(UTC).date()
    hidden = world.own_plan(
        '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[governance]\nvisible_to_customer = false\n'
    )
    for name, start in (("over", -400), ("running", -30), ("coming", 30)):
        for kind, plan in (("paid", "monthly-login"), ("pilot", "monthly-login"), ("paid", hidden)):
            meter = f"{name}-{kind}-{'hidden' if plan is hidden else 'shown'}"
            world.subscribe(north, plan, today + timedelta(days=start), kind=kind, meter=meter)
    world.subscribe(north, start=today - timedelta(days=30), kind="shadow", meter="shadow")
    held = Subscription.objects.get(meter="running-paid-shown")
    held.close_on_hold = "for a test"
    held.save()
    rows = list(Subscription.objects.select_related("plan").order_by("pk"))
    found = {row.meter: (term.kind, term.note) for row, term in zip(rows, timeline(rows).terms, strict=True)}
    for state in ("over", "running", "coming"):
        assert found[f"{state}-pilot-shown"] == (f"{state} pilot", "Pilot")
        assert found[f"{state}-paid-hidden"] == (f"{state} unseen", "Not shown to the customer")
    assert found["over-paid-shown"] == ("over", "")
    assert found["coming-paid-shown"] == ("coming", "")
    assert found["running-paid-shown"] == ("running", "On hold")
    assert found["shadow"] == ("running unseen", "Shadow")
