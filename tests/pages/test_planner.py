"""The planner, as an administrator uses it."""

from __future__ import annotations

import re
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import expect

from tests.server import callers, world

PRICED = "/subscriptions/{mau}/planner?learners=100&rate=100&price-docebo-mau=2&price-secondnature-seats=30"


def row_of(page, plan):
    return page.locator("tbody tr").filter(has=page.locator("th", has_text=plan)).first


def test_moving_a_slider_changes_every_plan_and_the_address(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner?learners=100&rate=100")
    # Everybody comes in each month: 100 in a window, 1,200 credits, 100 seats.
    expect(row_of(page, "Monthly Active User Credits")).to_contain_text("1,200")
    slider = page.get_by_role("slider", name="Learners with access")
    slider.focus()
    slider.press("ArrowRight")
    page.get_by_role("heading", name="101 learners, 100% of them in a month").wait_for()
    expect(row_of(page, "Monthly Active User Credits")).to_contain_text("1,212")
    expect(page.get_by_role("spinbutton", name="Learners with access")).to_have_value("101")
    assert "learners=101" in page.url


def test_your_own_plan_stands_first_with_the_risk_of_what_is_bought_today(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner?learners=100&rate=100")
    own = page.locator("tbody tr").first.inner_text()
    assert "your plan" in own
    # 35 are bought, and 100 come in each month.
    assert "100% with the 35 of today" in own


def test_prices_that_are_written_in_are_compared_and_drawn(visit):
    page = visit("administrator mau", PRICED)
    # 100 in each of twelve months at 2 EUR; 100 seats for the year at 30 EUR; of the own plan 2.90 EUR are agreed.
    expect(row_of(page, "Docebo")).to_contain_text("2,400")
    expect(row_of(page, "Second Nature, Seats")).to_contain_text("3,000")
    expect(row_of(page, "Monthly Active Users")).to_contain_text("3,480")
    expect(page.get_by_role("img", name="Cost of a year")).to_be_visible()
    words = "with 1 to 200 active in every period Docebo, monthly active users costs less"
    expect(page.get_by_text(words).first).to_be_visible()


def test_what_cannot_be_understood_is_said_beside_the_form(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner?learners=0&rate=101")
    words = page.get_by_role("alert").inner_text()
    assert "greater than or equal to 1" in words
    assert "less than or equal to 100" in words
    expect(page.locator("table")).to_have_count(0)


def test_the_planner_works_without_a_script(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner", java_script_enabled=False)
    page.get_by_role("spinbutton", name="Learners with access").fill("50")
    page.get_by_role("spinbutton", name="Of them come in a month").fill("100")
    page.get_by_role("button", name="Compare plans").click()
    expect(row_of(page, "Monthly Active User Credits")).to_contain_text("600")
    page.get_by_role("link", name="Your own history").click()
    page.get_by_role("button", name="Compare plans").click()
    expect(page.locator("tbody tr").first).to_contain_text("your plan")


def test_the_history_by_ones_own_plan_is_what_usage_details_shows(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner/history")
    page.get_by_role("heading", name="The same history by every plan").wait_for(timeout=60_000)
    counted = re.findall(r"\d+", page.locator("tbody tr").first.locator("td").first.inner_text())[0]
    page.goto(page.url.replace("planner/history", "usage"))
    # "Counted" is the busiest window's; the table of Usage Details has every window.
    active = [int(it) for it in page.locator("table td strong").all_inner_texts()]
    assert int(counted) == max(active)


def test_ones_own_numbers_lead_to_a_plan_for_a_year(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/planner/history")
    page.get_by_role("link", name="Plan a year with these").click(timeout=60_000)
    people = int(re.findall(r"learners=(\d+)", page.url)[0])
    # The sample has 50 learners.
    assert 10 < people <= 50
    expect(page.get_by_role("heading", name=f"{people} learners")).to_be_visible()


@pytest.mark.usefixtures("ledger")
def test_a_plan_that_was_made_for_somebody_else_is_not_offered():
    north, south = world.customer("North", ("north",)), world.customer("South", ("south",))
    row = world.subscribe(north, "monthly-login", quantity=5)
    world.subscribe(south, "docebo-mau", quantity=7)
    client = Client()
    client.force_login(callers.user("administrator", north))
    said = client.get(f"/subscriptions/{row.pk}/planner").content.decode()
    assert said.count("<tr") == 12
    assert "South" not in said


@pytest.mark.usefixtures("ledger")
def test_the_planner_asks_few_questions_and_keeps_what_it_found():
    north = world.customer("North", ("north",))
    row = world.subscribe(north, "monthly-login", quantity=5)
    client = Client()
    client.force_login(callers.user("administrator", north))
    address = f"/subscriptions/{row.pk}/planner?learners=777&rate=9"
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        began = time.thread_time()
        client.get(address)
        taken = time.thread_time() - began
    assert len(asked) < 25
    assert taken < 1
