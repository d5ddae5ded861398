"""Rules in a browser: written with their mistakes shown by line, tried, switched on; a stopped run that asks.

The college is that of `rostered`: a version is on and has stopped today, and another is in trial.
"""

from __future__ import annotations

from playwright.sync_api import expect

RULES = "/customers/{c:roster}/roster/rules"
WHO = "administrator roster"
TERMS = '[[cycle]]\nname = "Terms"\n\n[[cycle.steps]]\nwhen = "%s"\ndo = "disable"\n'


def test_a_stopped_run_says_what_agreeing_and_refusing_mean_and_one_that_is_another_by_now_is_not_done(visit):
    page = visit(WHO, RULES)
    expect(page.get_by_role("heading", name="A run has stopped, and asks")).to_be_visible()
    expect(page.get_by_text("It would make 31 learners newly active, and its budget is 20.")).to_be_visible()
    page.get_by_role("button", name="Agree: do it").click()
    # What stood in the row was made up: by now it would be something else, and nothing is done.
    expect(page.get_by_role("alert")).to_contain_text("would be something else now")


def test_the_overview_and_the_tab_say_that_a_run_asks(visit):
    page = visit(WHO, "/")
    page.get_by_role("link", name="See what it would do").click()
    expect(page.get_by_role("heading", name="A run has stopped, and asks")).to_be_visible()
    expect(page.get_by_role("link", name="Rules A run has stopped, and asks")).to_be_visible()


def test_a_viewer_who_may_not_see_learners_is_not_asked(visit):
    page = visit("viewer roster", "/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("A run of your rules has stopped, and asks.")).to_have_count(0)


def test_a_mistake_is_shown_with_its_line_and_the_text_stays(visit):
    page = visit(WHO, RULES)
    page.get_by_label("The rules").fill(TERMS % "end")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 5")
    expect(page.get_by_label("The rules")).to_have_value(TERMS % "end")


def test_rules_are_written_tried_and_switched_on(visit):
    page = visit(WHO, RULES)
    page.get_by_label("The rules").fill(TERMS % "ends")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.locator(".toast")).to_contain_text("is in trial")
    expect(page.get_by_text("switches version 1 off").first).to_be_visible()
    trial = page.locator("section").filter(has=page.get_by_role("button", name="End the trial"))
    expect(trial).to_contain_text("With the end of an enrolment: the enrolment is disabled.")
    expect(trial).to_contain_text("more than 0 learners newly active stops")
    trial.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_role("heading", name="would do now")).to_be_visible()
    expect(page.get_by_text("Nothing was changed.", exact=True)).to_be_visible()
    trial = page.locator("section").filter(has=page.get_by_role("button", name="End the trial"))
    trial.get_by_role("button", name="Switch on").click()
    expect(page.locator(".toast")).to_contain_text("from the coming midnight on")
    expect(page.get_by_role("button", name="Switch off")).to_have_count(1)
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator(".toast")).to_contain_text("What they did stays done")
    # The one that was on before is off, and still there to be read, and to be switched on again.
    others = page.get_by_text("Other versions, which are off:")
    others.get_by_role("link", name="1", exact=True).click()
    first = page.locator("section").filter(has=page.get_by_role("heading", name="Version 1"))
    expect(first.get_by_role("button", name="Switch on")).to_be_visible()
    expect(page.get_by_text("This is the text of version 1.")).to_be_visible()
