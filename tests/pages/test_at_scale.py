"""The main journeys in a browser beside very many activations, on a PostgreSQL of its own.

As many as ROLLBOOK_ACTIVATIONS says, `make test-scale` a million; few enough for every run otherwise.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import postgres
from tests.pages import browsing
from tests.pages.site import Site, site
from tests.pages.test_usage_journeys import KINDS, a_login, asked

ACTIVATIONS = int(os.environ.get("ROLLBOOK_ACTIVATIONS", "20000"))

ON_A_PAGE = 50

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def there() -> Iterator[Site]:
    """The server, instead of the one that other tests share."""
    with postgres.required(), site(ACTIVATIONS) as found:
        yield found


@pytest.fixture(scope="module")
def visitors(there: Site, browser: Any) -> Iterator[browsing.Visitors]:
    """People who are signed in there."""
    with browsing.Visitors(browser, there) as found:
        yield found


def figure(text: str) -> int:
    """A number as it is read: 36,120."""
    return int(re.sub(r"\D", "", text))


def names(page: Any) -> list[str]:
    return page.locator("#list tbody th a").all_inner_texts()


def since(page: Any) -> list[str]:
    return page.locator("#list tbody td[data-label='Counts since']").all_inner_texts()


@pytest.mark.parametrize("kind", KINDS)
def test_each_shape_of_plan_shows_the_figure_of_the_api(visit: Visit, there: Site, kind: str) -> None:
    number = there.subscriptions[kind]
    page = visit(f"administrator {kind}", f"/subscriptions/{number}/usage")
    window = asked(there, number)["windows"][-1]
    seats = window["seats"]
    of_api = seats["held_at_end"] if seats else sum(it["used_to_date"] for it in window["pools"])
    assert figure(page.locator(f'[data-usage="{number}"]').first.text_content()) == of_api
    # A hundredth of all is one learner's share of the smallest customer here.
    assert of_api >= ACTIVATIONS // 200
    expect(page.get_by_role("img").first).to_be_visible()


def test_an_administrator_goes_from_the_figure_to_one_learner_and_why_they_count_and_to_the_statement(
    visit: Visit, there: Site
) -> None:
    page = visit("administrator mau", "/subscriptions/{mau}/usage")
    page.get_by_role("link", name="Who counted, and why").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Learners")
    used = asked(there, there.subscriptions["mau"])["windows"][-1]["pools"][0]["used_to_date"]
    assert figure(page.locator("#list [role=status] strong").inner_text().split(" counted")[0]) == used
    page.get_by_label("Search").press_sequentially("Amina")
    expect(page.get_by_role("status").filter(has_text="“Amina”")).to_be_visible()
    assert all(it.startswith("Amina") for it in names(page))
    name = names(page)[0]
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("heading", name="Counts in this period")).to_be_visible()
    expect(page.get_by_text("Because of this: Logging in")).to_be_visible()
    page.get_by_role("link", name="Statements", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Statements")
    page.get_by_role("row").filter(has_text="Adjusted later").get_by_role("link").click()
    expect(page.get_by_role("heading", name="What counted")).to_be_visible()
    active = figure(page.locator("table td[data-label='Active']").first.inner_text())
    assert active == asked(there, there.subscriptions["mau"])["windows"][1]["pools"][0]["used_to_date"] - 1


def test_the_list_leads_on_page_by_page_and_is_turned_round_and_narrowed(visit: Visit) -> None:
    page = visit("administrator mau", "/subscriptions/{mau}/learners")
    first = names(page)
    assert len(first) == ON_A_PAGE
    last_of_first = since(page)[-1]
    page.get_by_role("link", name="More", exact=True).click()
    expect(page.get_by_role("link", name="To the beginning")).to_be_visible()
    assert len(names(page)) == ON_A_PAGE
    assert since(page)[0] != since(page)[-1]
    page.get_by_role("link", name="To the beginning").click()
    assert (names(page), since(page)[-1]) == (first, last_of_first)
    page.get_by_label("Order").select_option("Name")
    expect(page.locator("#list [role=status]")).to_contain_text("have no name")
    assert len(names(page)) == ON_A_PAGE
    assert [it.lower() for it in names(page)] == sorted(it.lower() for it in names(page))
    # Nine in ten are included: the first of those beyond is far down, and whoever came last is one of them.
    with page.expect_response(re.compile("order=latest")):
        page.get_by_label("Order").select_option("Who came last")
    expect(page.locator("#list [role=status]")).not_to_contain_text("have no name")
    page.get_by_label("Included or extra").select_option("Extra")
    expect(page.get_by_role("link", name="Show everybody")).to_be_visible()
    assert page.locator("#list .badge").all_inner_texts() == ["Extra"] * ON_A_PAGE


def test_a_fact_shows_on_an_open_page_within_two_seconds(visit: Visit, there: Site) -> None:
    number = there.subscriptions["mau"]
    page = visit("administrator mau", f"/subscriptions/{number}/usage")
    page.wait_for_load_state("networkidle")
    before = figure(page.locator(f'[data-usage="{number}"]').first.text_content())
    there.send(a_login("somebody.quite.new"))
    began = time.monotonic()
    page.locator(f'[data-usage="{number}"]', has_text=f"{before + 1:,}").wait_for(timeout=2000)
    assert time.monotonic() - began < 2


def test_the_planner_begins_with_what_so_many_learners_would_cost(visit: Visit) -> None:
    page = visit("administrator mau", "/subscriptions/{mau}/planner?learners=40000&rate=100")
    expect(page.locator("tbody tr").first).to_contain_text("your plan")
    # Everybody comes in each of twelve months.
    credit_plan = page.locator("tbody tr").filter(has=page.locator("th", has_text="Monthly Active User Credits")).first
    expect(credit_plan).to_contain_text("480,000")


def test_an_operator_goes_from_today_to_a_customer_to_its_plan_and_to_what_was_refused(visit: Visit) -> None:
    page = visit("operator", "/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Today")
    expect(page.locator(".matters")).to_contain_text("statements await approval")
    page.get_by_role("link", name="Customers", exact=True).click()
    # The figures come after the list.
    expect(page.locator("#customers tbody tr").first).not_to_contain_text("…")
    first = page.locator("#customers tbody th").first.inner_text()
    page.get_by_role("link", name=re.compile("Next|More")).first.click()
    expect(page.locator("#customers tbody th").first).not_to_have_text(first)
    page.get_by_role("searchbox").fill("Tandem")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name=re.compile("Tandem Telecom")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Tandem Telecom")
    page.get_by_role("rowheader").get_by_role("link", name=re.compile("Monthly Active Users")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is agreed")
    page.get_by_role("link", name="Problems", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Problems")
    expect(page.locator("main")).to_contain_text("Another fact has this source and id")
