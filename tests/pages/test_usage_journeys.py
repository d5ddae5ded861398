"""What an administrator does on the page of usage, in a real browser."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime, timedelta

import httpx
import openpyxl
import pytest
from playwright.sync_api import expect

KINDS = ("facilitate", "docebo", "reach", "seats", "mau", "mauc", "elearning")


def shown(page, number: int) -> str:
    return page.locator(f'[data-usage="{number}"]').first.text_content()


def a_login(learner: str, organisation: str = "tandem") -> dict:
    at = datetime.now(UTC) - timedelta(seconds=1)
    return {
        "id": f"{learner} {at.isoformat()}",
        "source": "test",
        "occurred_at": at.isoformat(),
        "organisation": organisation,
        "learner": learner,
        "type": "login",
    }


def asked(there, number: int) -> dict:
    headers = {"Authorization": f"Bearer {there.key}"}
    return httpx.get(f"{there.url}/v1/subscriptions/{number}/usage", headers=headers).json()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_the_tile_and_the_api_say_the_same_figure(visit, there, kind):
    number = there.subscriptions[kind]
    page = visit(f"administrator {kind}", f"/subscriptions/{number}/usage")
    of_page = shown(page, number)
    page.get_by_role("link", name="Overview").click()
    window = asked(there, number)["windows"][-1]
    seats = window["seats"]
    of_api = seats["held_at_end"] if seats else sum(it["used_to_date"] for it in window["pools"])
    assert (of_page, shown(page, number)) == (str(of_api), str(of_api))


def test_a_fact_shows_on_an_open_page_within_two_seconds_without_a_reload(visit, there):
    number = there.subscriptions["mau"]
    page = visit("administrator mau", f"/subscriptions/{number}/usage")
    page.wait_for_load_state("networkidle")
    page.evaluate("window.stays = true")
    page.get_by_text("Every rule of this plan").click()
    before = int(shown(page, number))
    there.send(a_login("somebody.quite.new"))
    began = time.monotonic()
    page.locator(f'[data-usage="{number}"]', has_text=str(before + 1)).wait_for(timeout=2000)
    assert time.monotonic() - began < 2
    # It is the same page: nothing was loaded anew, what was open is open, and a screen reader is told.
    assert page.evaluate("window.stays") is True
    assert page.locator("#choices").get_attribute("open") is not None
    expect(page.get_by_role("status").first).to_have_text(f"Updated: {before + 1} now")
    # The same again, for what is watched is now the new part; and the chart and the table went along.
    there.send(a_login("somebody.else.new"))
    page.locator(f'[data-usage="{number}"]', has_text=str(before + 2)).wait_for(timeout=2000)
    expect(page.locator("tr.now strong")).to_have_text(str(before + 2))


def test_a_page_that_nobody_looks_at_asks_nothing(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/usage")
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', { get: () => window.unseen });
                   window.unseen = true; }"""
    )
    time.sleep(1.2)
    calls = []
    page.on("request", lambda it: calls.append(it.url))
    time.sleep(2.5)
    assert calls == []
    with page.expect_request("**/live?*", timeout=1000):
        page.evaluate("() => { window.unseen = false; document.dispatchEvent(new Event('visibilitychange')) }")


def test_an_administrator_switches_between_past_current_and_future_plans(visit, there):
    page = visit("administrator mau", "/")
    page.get_by_role("link", name="Usage details").click()
    assert page.url.endswith(there.path("/subscriptions/{mau}/usage"))
    page.locator("#switcher summary").click()
    sheet = page.locator("#switcher .sheet")
    # The pilot is the vendor's alone.
    assert sheet.get_by_role("heading").all_text_contents() == ["Current plan", "To come", "Past"]
    expect(sheet.get_by_role("link")).to_have_count(3)
    sheet.get_by_role("link").nth(2).click()
    assert page.url.endswith(there.path("/subscriptions/{past}/usage"))
    expect(page.get_by_role("heading", name="At its end")).to_be_visible()
    page.locator("#switcher summary").click()
    page.locator("#switcher .sheet").get_by_role("link").nth(1).click()
    expect(page.get_by_text("This plan begins on")).to_be_visible()
    page.locator("#switcher summary").click()
    page.keyboard.press("Escape")
    assert page.locator("#switcher").get_attribute("open") is None


def test_the_banner_says_how_near_the_limit_is_and_what_happens_there(visit):
    # 120 learners hold enrolments in the sample, and 60 are bought.
    page = visit("administrator elearning", "/subscriptions/{elearning}/usage")
    said = page.get_by_role("region", name="Near the limit").text_content()
    assert "60 beyond the 60 that are included." in said
    assert "What is beyond is charged; nobody is turned away." in said


def test_every_report_can_be_taken_along_in_every_form(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/usage")
    page.get_by_text("Export").click()
    links = [it.get_attribute("href") for it in page.locator("#exports a").all()]
    assert {it.rsplit("/", 1)[1].split(".")[0] for it in links} == {
        "usage", "mau", "consumption", "users", "metering-events", "status", "groups",
    }  # fmt: skip
    files = {}
    for form in ("CSV", "XLSX"):
        with page.expect_download() as found:
            page.get_by_role("link", name=f"Consumption, {form}").click()
        files[form] = found.value.path()
        assert found.value.suggested_filename == f"consumption-company.{form.lower()}"
    rows = list(csv.DictReader(io.StringIO(files["CSV"].read_text())))
    assert len(rows) == page.locator("tbody tr").count()
    assert rows[-1]["used"] == page.locator("tr.now strong").text_content()
    assert openpyxl.load_workbook(io.BytesIO(files["XLSX"].read_bytes())).sheetnames


def test_a_viewer_is_offered_no_rows_of_learners_and_gets_none(visit):
    page = visit("viewer mau", "/subscriptions/{mau}/usage")
    page.get_by_text("Export").click()
    assert page.locator("#exports a").count() > 0
    expect(page.get_by_text("by learner")).to_have_count(0)
    answer = page.goto(page.url.replace("/usage", "/reports/users.learner.csv"))
    assert answer.status == 403
    expect(page.get_by_role("alert")).to_contain_text("learners:read")


def test_the_rule_stands_beside_the_figure_with_its_source(visit):
    page = visit("administrator docebo", "/subscriptions/{docebo}/usage")
    card = page.get_by_role("region", name="What counts here")
    expect(card).to_contain_text("Everyone with an activated account who opens training material")
    assert card.get_by_role("link").get_attribute("href").startswith("https://community.docebo.com/")
    card.get_by_text("Every rule of this plan").click()
    said = card.text_content()
    assert "opening training material, starting a lesson" in said
    assert "somebody is a member: after an account is enabled" in said
    assert "calendar months; days begin at midnight in UTC" in said


def test_german_readers_read_german_words_numbers_and_days(visit):
    page = visit("administrator facilitate", "/subscriptions/{facilitate}/usage", language="de-DE")
    expect(page.get_by_role("heading", name="Nutzung im Einzelnen")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "de"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Usage details")).to_be_visible()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 17, 20)")


def test_everything_can_be_reached_by_keyboard(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/usage")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    # What stands beside the heading comes first: help, who counted, exports.
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#exports").get_attribute("open") is not None


def test_on_a_phone_the_menu_opens_and_closes(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/usage", width=390)
    expect(page.get_by_role("link", name="Usage", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Usage", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Usage", exact=True)).to_be_hidden()


def test_whoever_is_signed_out_is_sent_to_sign_in_and_back(visit, there):
    page = visit("", "/subscriptions/{mau}/usage")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail address").fill(there.people["administrator mau"])
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    assert page.url.endswith(there.path("/subscriptions/{mau}/usage"))
    expect(page.get_by_role("heading", name="Usage details")).to_be_visible()
