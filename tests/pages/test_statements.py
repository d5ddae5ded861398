"""What people do with statements, in a real browser; and what the pages cost."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.server import clock, models
from rollbook.server.billing import closing
from tests.pages.questions import asked
from tests.server import callers, world

APPROVED = world.own_plan(
    """
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
per = "window"
quantity = 2
[governance]
close = "approve"
""",
    "approved-first",
)


def test_an_administrator_finds_which_statement_corrected_a_window_and_goes_back(visit, there):
    page = visit("administrator mau", "/subscriptions/{mau}/statements")
    august = page.get_by_role("row").filter(has_text="Adjusted later")
    august.get_by_role("link").click()
    # One learner came late for the second window, when two were closed: the third statement has them.
    page.get_by_role("link", name="Statement 3").first.click()
    assert page.url == there.url + there.path("/subscriptions/{mau}/statements/3#corrections")
    correction = page.get_by_role("heading", level=3)
    expect(correction).to_have_text("Statement 2: 1 more counted")
    correction.get_by_role("link").click()
    assert page.get_by_role("heading", level=1).text_content().split() == ["Statement", "2", "Adjusted", "later"]


def test_amounts_are_what_was_agreed(visit):
    # 20 seats at 3.50 are 70.00; nobody beyond them.
    page = visit("administrator mau", "/subscriptions/{past}/statements/12")
    line = page.get_by_role("row").filter(has_text="Bought")
    expect(line).to_contain_text("20 x €3.50")
    expect(line).to_contain_text("€70.00")
    german = visit("administrator mau", "/subscriptions/{past}/statements/12", language="de-DE")
    assert re.sub(r"\s", " ", german.locator(".figure .value").first.text_content()) == "70,00 €"


def test_paper_and_bundle_are_taken_along(visit, there):
    page = visit("administrator mau", "/subscriptions/{past}/statements/12")
    for name, ending, begins in (("PDF", ".pdf", b"%PDF-"), ("Bundle, ZIP", ".zip", b"PK")):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name).click()
        found = waiting.value
        assert found.suggested_filename == there.path("statement-{past}-0012") + ending
        content = found.path().read_bytes()
        assert content.startswith(begins)
    assert any(name.endswith(".json") for name in zipfile.ZipFile(io.BytesIO(content)).namelist())


def test_an_operator_disputes_a_statement_and_its_customer_reads_why(visit):
    path = "/subscriptions/{past}/statements/5"
    operator = visit("operator", path)
    operator.get_by_text("Dispute this statement").click()
    operator.get_by_label("Why").fill("testers are in it")
    operator.get_by_role("button", name="Mark as disputed").click()
    expect(operator.get_by_role("heading", level=1).get_by_text("Disputed")).to_be_visible()
    customer = visit("administrator mau", path)
    expect(customer.get_by_text("testers are in it")).to_be_visible()
    expect(customer.get_by_role("button", name="End the dispute")).to_have_count(0)
    operator.get_by_role("button", name="End the dispute").click()
    customer.reload()
    expect(customer.get_by_text("testers are in it")).to_have_count(0)


def test_an_administrator_disputes_a_statement_and_the_vendor_settles_it_among_its_tasks(visit):
    path = "/subscriptions/{mau}/statements/2"
    customer = visit("administrator mau", path)
    customer.get_by_text("Dispute this statement").click()
    customer.get_by_label("Why").fill("eleven of these were testers")
    customer.get_by_role("button", name="Mark as disputed").click()
    expect(customer.get_by_role("heading", level=1).get_by_text("Disputed")).to_be_visible()
    expect(customer.get_by_text("The vendor was told")).to_be_visible()
    operator = visit("operator", "/tasks")
    entry = operator.locator("#disputed li").filter(has_text="eleven of these were testers")
    expect(entry).to_contain_text("by the customer")
    entry.locator("summary").click()
    entry.get_by_label("Why").fill("until the testers are out")
    entry.get_by_role("button", name="Hold", exact=True).click()
    operator.locator("#held li").filter(has_text="until the testers are out").get_by_role("button").click()
    operator.locator("#disputed li").filter(has_text="eleven").get_by_role("button", name="End the dispute").click()
    expect(operator.get_by_text("eleven of these were testers")).to_have_count(0)
    customer.reload()
    expect(customer.get_by_text("eleven of these were testers")).to_have_count(0)
    expect(customer.get_by_text("Dispute this statement")).to_be_visible()


def test_an_administrator_withdraws_a_dispute(visit):
    page = visit("administrator mau", "/subscriptions/{past}/statements/7")
    page.get_by_text("Dispute this statement").click()
    page.get_by_label("Why").fill("it does not add up")
    page.get_by_role("button", name="Mark as disputed").click()
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_text("it does not add up")).to_have_count(0)


def test_while_statements_are_held_the_customer_knows_and_the_reason_is_the_vendors(visit):
    path = "/subscriptions/{reach}/statements"
    operator = visit("operator", path)
    operator.get_by_text("Hold: close nothing more for now").click()
    operator.get_by_label("Why").fill("we talk about the price")
    operator.get_by_role("button", name="Hold", exact=True).click()
    expect(operator.get_by_text("We talk about the price")).to_be_visible()
    customer = visit("administrator reach", path)
    expect(customer.get_by_text("No statement is closed at the moment.")).to_be_visible()
    assert "the price" not in customer.content()
    operator.get_by_role("button", name="Release: close again").click()
    customer.reload()
    expect(customer.get_by_text("No statement is closed at the moment.")).to_have_count(0)


def test_a_preview_comes_by_itself_and_without_a_script_by_a_link(visit):
    path = "/subscriptions/{mau}/statements"
    page = visit("administrator mau", path)
    row = page.get_by_role("row").filter(has_text="Running: a preview")
    active = row.get_by_role("cell").filter(has_text=re.compile(r"^\d+$")).last.text_content()
    row.get_by_role("link").click()
    page.get_by_text("Accrued so far").wait_for()
    expect(page.locator(".figure .value").nth(1)).to_have_text(active)
    plain = visit("administrator mau", path + "/preview", java_script_enabled=False)
    plain.get_by_role("link", name="Count it").click()
    expect(plain.get_by_text("Accrued so far")).to_be_visible()


def test_a_viewer_is_not_led_to_statements(visit):
    page = visit("viewer mau", "/subscriptions/{mau}/usage")
    expect(page.get_by_role("link", name="Statements")).to_have_count(0)
    expect(page.get_by_role("link", name="API keys")).to_have_count(0)


@pytest.mark.usefixtures("ledger")
def test_an_operator_approves_what_waits_for_it_and_it_is_closed():
    row = world.subscribe(world.customer(), APPROVED)
    closing.close_due(clock.now_us())
    client, path = Client(), f"/subscriptions/{row.pk}/statements"
    client.force_login(callers.user("operator"))
    assert b"Awaits approval" in client.get(path).content
    assert client.post(path, {"do": "approve", "statement": "1"}).status_code == 302
    closing.close_due(clock.now_us())
    assert row.statements.count() == 1
    # What waits, and for whom, is the vendor's alone.
    customer = Client()
    customer.force_login(callers.user("administrator", row.customer))
    assert b"Awaits approval" not in customer.get(path).content


@pytest.mark.usefixtures("ledger")
def test_a_reason_that_is_missing_is_said_beside_the_field():
    row = world.subscribe(world.customer())
    client = Client()
    client.force_login(callers.user("operator"))
    answer = client.post(f"/subscriptions/{row.pk}/statements", {"do": "hold", "reason": ""})
    assert (answer.status_code, b'aria-invalid="true"' in answer.content) == (422, True)
    row.refresh_from_db()
    assert row.close_on_hold == ""


@pytest.mark.usefixtures("ledger")
def test_a_list_of_many_statements_asks_no_more_than_a_list_of_few():
    row = world.subscribe(world.customer())
    closing.close_subscription(row.pk, clock.now_us(), 1)
    first = row.statements.get()
    client = Client()
    client.force_login(callers.user("administrator", row.customer))
    few = asked(client, f"/subscriptions/{row.pk}/statements")
    for number in range(2, 41):
        models.Statement.objects.create(
            subscription=row, number=number, digest=first.digest, record=first.record, adjusts=[1], closed_by="worker"
        )
    assert asked(client, f"/subscriptions/{row.pk}/statements") == few
    # 24 on a page: 40 to 17, then 16 to 1.
    older = client.get(f"/subscriptions/{row.pk}/statements?after=17").content.decode()
    shown = [int(it) for it in re.findall(rf"/subscriptions/{row.pk}/statements/(\d+)\"", older)]
    assert shown == list(range(16, 0, -1))
