"""What the platform of a college was asked for, in a browser; the college is that of `rostered`."""

from __future__ import annotations

import re

from playwright.sync_api import expect

ROSTER = "/customers/{c:roster}/roster"
WHO = "administrator roster"


def test_what_was_asked_stands_there_with_what_the_platform_answered(visit):
    """The reason has a tag in it, which is text. Other journeys ask for more, so each state is looked at by itself."""
    page = visit(WHO, ROSTER)
    page.get_by_role("link", name="Requests").click()
    lines, states = page.get_by_role("row"), page.get_by_role("navigation", name="State")
    states.get_by_role("link", name="Done").click()
    expect(lines.filter(has_text="Chloe Gupta")).to_contain_text("Done")
    states.get_by_role("link", name="Refused").click()
    expect(lines.filter(has_text="Greta Gupta")).to_contain_text("Refused")
    expect(lines.filter(has_text="Greta Gupta")).to_contain_text("archived, and <b>nothing</b> of it")
    expect(lines.filter(has_text="Chloe Gupta")).to_have_count(0)
    states.get_by_role("link", name="Waiting for an answer").click()
    expect(lines.nth(1)).to_contain_text("Waiting for an answer")


def test_a_learners_page_says_what_became_of_a_request_and_who_was_refused_is_still_enabled(visit):
    page = visit(WHO, f"{ROSTER}/requests?state=refused")
    page.get_by_role("link", name="Greta Gupta").click()
    line = page.get_by_role("row").filter(has_text="Radio")
    expect(line).to_contain_text(
        re.compile("Enabled.*asked of the platform on .*Refused.*the course is archived", re.DOTALL)
    )


def test_without_a_platform_the_page_says_how_one_is_connected(visit):
    page = visit("administrator none", "/customers/{c:none}/roster/requests")
    expect(page.get_by_role("heading", name="No platform is connected")).to_be_visible()
    page.get_by_role("link", name="Add a webhook").click()
    expect(page.get_by_label("Your platform is asked to change a roster")).to_be_visible()


def test_the_guide_says_how_a_program_fetches_and_answers(visit):
    page = visit("administrator none", "/customers/{c:none}/roster/requests")
    page.get_by_role("link", name="Read how a program does it").click()
    expect(page.get_by_role("heading", name="Having the platform do it")).to_be_in_viewport()


def test_a_state_that_is_none_is_told(visit):
    page = visit(WHO, f"{ROSTER}/requests?state=asleep")
    expect(page.get_by_text("There is no such choice in this list")).to_be_visible()
