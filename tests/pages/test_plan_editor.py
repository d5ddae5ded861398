"""A plan is written in the browser: in words, with what is wrong and with its cases, while somebody types."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.plans import find_plan
from rollbook.server.models import Audit, PlanVersion
from rollbook.server.pages.office.plans import TEXT_MAX
from tests.server import callers

LOGIN = find_plan("secondnature-mau").text
DATED = LOGIN.replace('policy = "notify"', 'policy = "bill"') + "\n[governance]\neffective_from = 2031-01-01\n"


def operator() -> Client:
    client = Client()
    client.force_login(callers.user("operator"))
    return client


def test_while_somebody_types_the_cases_are_run_and_what_differs_is_told_with_the_reason(visit):
    page = visit("operator", "/plan-editor?plan=secondnature-mau")
    badge = page.locator("#checked .badge").first
    expect(badge).to_have_text("6 of 6 hold")
    text = page.get_by_label("plan.toml")
    text.fill(LOGIN.replace('counts = ["login"]', 'counts = ["course.started"]'))
    page.locator("#checked .badge", has_text=re.compile("^[0-5] of 6 hold")).wait_for()
    expect(page.locator("#checked")).to_contain_text("Expected:")
    expect(page.locator("#checked")).to_contain_text("starting a course")


def test_a_broken_rule_names_the_cases_that_fail_and_mended_they_hold_again(visit):
    """Days that begin in Los Angeles break the two cases that are about midnight, and no other of the six."""
    page = visit("operator", "/plan-editor?plan=secondnature-mau")
    text = page.get_by_label("plan.toml")
    failing = page.locator("#checked .ticks details > summary")
    expect(failing).to_have_count(0)
    text.fill(LOGIN.replace('zone = "UTC"', 'zone = "America/Los_Angeles"'))
    expect(failing).to_have_text(
        [
            "Each user takes one login a month and the next month starts again",
            "Half past eleven in california is already march in utc",
        ]
    )
    expect(page.locator("#checked .badge").first).to_have_text("4 of 6 hold")
    for case in page.locator("#checked .ticks details").all():
        expect(case).to_contain_text("Expected:")
        expect(case).to_contain_text("Found:")
    expect(page.locator("#checked")).to_contain_text("America/Los_Angeles")
    text.fill(LOGIN)
    expect(failing).to_have_count(0)
    expect(page.locator("#checked .badge").first).to_have_text("6 of 6 hold")


def test_a_misspelt_key_is_told_with_the_nearest_one_and_its_place(visit):
    page = visit("operator", "/plan-editor?plan=secondnature-mau")
    page.get_by_label("plan.toml").fill(LOGIN.replace("policy", "polcy"))
    said = page.locator("#checked", has_text="1 problem")
    said.wait_for()
    assert re.search(r"plan\.toml: limit\.polcy", said.inner_text())
    assert "policy" in said.inner_text().replace("polcy", "")


def test_a_version_is_saved_with_the_day_from_which_it_holds(visit):
    page = visit("operator", "/plan-editor?plan=facilitate-monthly")
    page.get_by_label("plan.toml").fill(
        find_plan("facilitate-monthly").text + "\n[governance]\neffective_from = 2031-01-01"
    )
    page.get_by_role("button", name="Save as a version").click()
    page.wait_for_url(re.compile(r"/plans/facilitate-monthly\?version="))
    expect(page.locator("main")).to_contain_text("from 1 Jan 2031")
    expect(page.get_by_role("status").last).to_contain_text("Kept for ever")


@pytest.mark.usefixtures("ledger")
def test_without_script_the_text_is_checked_by_a_button_and_kept_nowhere():
    answer = operator().post("/plan-editor", {"text": LOGIN + "\n# mine"})
    assert answer.status_code == 200
    assert "# mine" in answer.content.decode()
    assert not PlanVersion.objects.exists()


@pytest.mark.usefixtures("ledger")
def test_another_text_of_a_plan_that_is_there_needs_a_day_of_its_own():
    client = operator()
    answer = client.post("/plan-editor", {"text": LOGIN + "\n# mine", "save": "yes"})
    assert answer.status_code == 422
    assert "effective_from" in answer.content.decode()
    assert not PlanVersion.objects.exists()
    assert client.post("/plan-editor", {"text": DATED, "save": "yes"}).status_code == 302
    [kept] = PlanVersion.objects.all()
    # Browsers send other line ends than files have: the digest is that of the text.
    assert kept.text == DATED
    assert Audit.objects.filter(action="plan.published").count() == 1
    twice = client.post("/plan-editor", {"text": DATED + "# again", "save": "yes"})
    assert twice.status_code == 422


@pytest.mark.usefixtures("ledger")
def test_line_ends_of_browsers_make_no_other_version():
    operator().post("/plan-editor", {"text": DATED.replace("\n", "\r\n"), "save": "yes"})
    assert PlanVersion.objects.get().text == DATED


@pytest.mark.usefixtures("ledger")
def test_a_text_that_is_too_long_and_one_that_is_no_toml_are_refused_in_words():
    client = operator()
    long = client.post("/plan-editor/check", {"text": "#" * (TEXT_MAX + 1)})
    assert "It has more than 20,000 characters." in long.content.decode()
    said = client.post("/plan-editor/check", {"text": "id = \x01<script>"})
    assert said.status_code == 200
    assert "<script>" not in said.content.decode()


@pytest.mark.usefixtures("ledger")
def test_a_plan_whose_dates_lie_beyond_the_calendar_is_told_and_breaks_nothing():
    text = LOGIN.replace('kind = "anniversary-month"', 'kind = "days"\nlength_days = 1\nterm_months = 999999')
    assert operator().post("/plan-editor/check", {"text": text}).status_code == 200
