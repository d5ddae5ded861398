"""The roster in a browser: the four ways to make a learner inactive, a file, and what is done with one enrolment.

The college is that of `rostered`: 120 learners are active and 100 are included, so a learner beyond costs A$3.50. Others
of these tests have set some inactive by then: figures are held against each other, and not against 120.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

ROSTER = "/customers/{c:roster}/roster"
WHO = "administrator roster"


def counted(page, which: str) -> tuple[int, int]:
    """How many count in a period, now and then, as the preview says it."""
    cell = page.get_by_role("row").filter(has_text=which).get_by_role("cell").first.inner_text()
    found = [int(it.replace(",", "")) for it in re.findall(r"[\d,]+", cell)]
    return found[0], found[-1]


def confirm(page, said: str) -> None:
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".toast")).to_contain_text(said)


def open_learner(page, name: str) -> None:
    page.get_by_label("Search").fill(name)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_one_learner_is_set_inactive_and_what_that_saves_stands_there_first(visit):
    page = visit(WHO, ROSTER)
    page.get_by_role("link", name="Make learners inactive").click()
    page.get_by_role("link", name="Find the learner").click()
    open_learner(page, "Kofi Fox")
    page.get_by_role("button", name="Set inactive").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set Kofi Fox inactive?")
    was, then = counted(page, "The next period")
    assert (was - then, *counted(page, "This period")) == (1, was, was)
    expect(
        page.get_by_text(re.compile(r"Confirm before 1 .* 00:00 \(Australia/Melbourne\), and this learner"))
    ).to_be_visible()
    confirm(page, "1 learner is inactive now.")
    expect(page.get_by_role("heading", name="Is active?")).to_contain_text("Inactive")
    expect(page.get_by_role("button", name="Set active")).to_be_visible()


def test_everybody_of_a_course_offer_is_set_inactive_at_once(visit):
    """Of Welding in the south there are ten: every fourth of 50, without those who are enrolled in nothing."""
    page = visit(WHO, f"{ROSTER}/ways")
    page.get_by_role("link", name="Choose the course").click()
    row = page.get_by_role("row").filter(has_text="Welding").filter(has_text="banksia-south")
    row.get_by_role("link", name="Change everybody in Welding").click()
    expect(page.get_by_label(re.compile("Set the learners inactive"))).to_be_checked()
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_role("heading", name="10 learners become inactive.")).to_be_visible()
    expect(page.locator(".chips li")).to_have_count(10)
    was, then = counted(page, "The next period")
    assert was - then == 10
    confirm(page, "10 learners are inactive now.")
    expect(page.get_by_role("row").filter(has_text="Inactive")).to_have_count(10)
    page.get_by_role("link", name="Change everybody in this course").click()
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_role("heading", name="There is nothing to do")).to_be_visible()
    expect(page.get_by_text("Everybody who is enrolled in this course is inactive already.")).to_be_visible()


def test_who_counts_leads_to_where_they_are_set_inactive_and_back(visit):
    page = visit(WHO, "/")
    page.get_by_role("region", name="Wisenet, Active Learners (LRM)").get_by_role("link", name="Who counted").click()
    open_learner(page, "Jonas Abe")
    page.get_by_role("link", name="Set active or inactive, on the roster").click()
    expect(page.get_by_role("button", name="Set inactive")).to_be_visible()
    page.get_by_role("link", name="Whether they count in Wisenet, Active Learners (LRM), and why").click()
    expect(page.get_by_role("heading", name="Counts in this period")).to_be_visible()


def test_the_first_page_leads_to_the_four_ways_where_a_plan_counts_who_is_active(visit):
    """Enabled enrolments are counted by the other plan: nobody is set inactive for it."""
    page = visit(WHO, "/")
    of_account = page.get_by_role("region", name="Wisenet, Active Learners (LRM)")
    of_enrolment = page.get_by_role("region", name="Wisenet, Active Elearning Learners")
    expect(of_enrolment.get_by_role("link", name="Make learners inactive")).to_have_count(0)
    of_account.get_by_role("link", name="Make learners inactive").click()
    expect(page.get_by_role("heading", name="Four ways to make a learner inactive")).to_be_visible()


def test_a_list_of_one_course_stands_by_name_and_leads_to_what_is_done_with_all_of_them(visit):
    page = visit(WHO, f"{ROSTER}?organisation=banksia-south&course=Welding")
    names = [it.split("\n")[0] for it in page.locator("tbody th").all_inner_texts()]
    assert names == sorted(names)
    assert len(names) == 10
    page.get_by_role("link", name="Change everybody in this course").click()
    expect(page.get_by_text("10 learners · 10 enrolments")).to_be_visible()


def test_the_first_clean_up_is_previewed_done_and_never_done_again(visit):
    """In the north 18 are in a course that is over and 14 in one that has not begun: 32."""
    page, other = (visit(WHO, f"{ROSTER}/ways") for _ in range(2))
    page.get_by_role("button", name="See what it would do in banksia-north").click()
    expect(page.get_by_text("can be done once only")).to_be_visible()
    expect(page.get_by_role("heading", name="32 learners become inactive.")).to_be_visible()
    was, then = counted(page, "The next period")
    assert was - then == 32
    confirm(page, "32 learners are inactive now.")
    expect(page.get_by_text("not to be done again")).to_be_visible()
    expect(page.get_by_role("button", name="See what it would do in banksia-north")).to_have_count(0)
    # A page that was open all the while still has its button.
    other.get_by_role("button", name="See what it would do in banksia-north").click()
    expect(other.get_by_text("it is for the first cleaning only")).to_be_visible()
    expect(other.get_by_role("button", name="Confirm")).to_have_count(0)


def test_learn_cycles_are_explained_and_lead_to_how_a_rule_is_written(visit):
    page = visit(WHO, f"{ROSTER}/ways")
    expect(page.get_by_role("heading", name="By itself: learn cycles")).to_be_visible()
    page.get_by_role("link", name="Read how to write a rule").click()
    expect(page.get_by_role("heading", name="4. Let rules do it")).to_be_in_viewport()


def test_a_file_does_many_things_and_says_which_lines_it_leaves_as_they_are(visit):
    page = visit(WHO, f"{ROSTER}/ways")
    lines = (
        "action,organisation,learner,course,unit",
        "deactivate,banksia-south,amina.gupta,,",
        "enable,banksia-south,amina.gupta,Seamanship 2025,Knots",
        "enable,banksia-south,amina.gupta,Seamanship 2025,Tides",
        "fly,banksia-south,amina.gupta,,",
        "deactivate,banksia-south,nobody.here,,",
    )
    file = {"name": "list.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    page.get_by_label("The file").set_input_files(file)
    page.locator("#file").get_by_role("button", name="See what it would do").click()
    expect(page.get_by_role("heading", name="1 learner becomes inactive. 1 enrolment is enabled.")).to_be_visible()
    left = page.get_by_role("region", name="What is left as it is, and why")
    expect(left).to_contain_text("Line 4 It is enabled already: nothing to do.")
    expect(left).to_contain_text('Line 5 There is no action "fly"')
    expect(left).to_contain_text("Line 6 No learner of this organisation has this id")
    expect(left.get_by_role("listitem")).to_contain_text(["Line 4", "Line 5", "Line 6"])
    expect(page.get_by_text("Of the file, 3 things are left as they are")).to_be_visible()
    confirm(page, "1 learner is inactive now. 1 enrolment is enabled now.")


def test_a_roster_is_uploaded_looked_at_and_taken_in(visit):
    """Of one new learner and one row without anybody: the first is shown and added, the second is left out."""
    page = visit(WHO, ROSTER)
    page.get_by_role("link", name="Upload a roster").click()
    lines = ("learner,course,status", "zara.new,Welding,enabled", ",Welding,enabled")
    file = {"name": "export.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    page.get_by_label("The file").set_input_files(file)
    page.get_by_label("Organisation").select_option("banksia-south")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Take in this roster?")
    expect(
        page.get_by_role("heading", name="1 learner is new. 1 enrolment is new. 1 enrolment is enabled.")
    ).to_be_visible()
    left = page.get_by_role("region", name="What is left as it is, and why")
    expect(left).to_contain_text("Line 3 Learner is empty")
    expect(left).to_contain_text("Nobody who is missing from it is taken to have left")
    confirm(page, "1 learner was added. 1 enrolment was added. 1 enrolment is enabled now.")


def test_a_roster_that_is_none_is_told_beside_its_form(visit):
    page = visit(WHO, f"{ROSTER}/upload")
    file = {"name": "export.csv", "mimeType": "text/csv", "buffer": b"name,age\nAmina,7\n"}
    page.get_by_label("The file").set_input_files(file)
    page.get_by_label("It holds everybody").check()
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("#file .wrong")).to_contain_text("learner")


def test_a_file_that_is_none_is_told_beside_it(visit):
    page = visit(WHO, f"{ROSTER}/ways")
    file = {"name": "list.csv", "mimeType": "text/csv", "buffer": b"name,age\nAmina,7\n"}
    page.get_by_label("The file").set_input_files(file)
    page.locator("#file").get_by_role("button", name="See what it would do").click()
    expect(page.locator("#file .wrong")).to_contain_text("action")
    # The form is the last of a long page: what is wrong is what is looked at, not the top.
    expect(page.locator("#file .wrong")).to_be_in_viewport()
    expect(page.get_by_label("The file")).to_be_focused()


def test_a_disabled_enrolment_can_be_enabled_or_left_and_nothing_else(visit):
    page = visit(WHO, ROSTER)
    open_learner(page, "Bruno Gupta")
    row = page.get_by_role("row").filter(has_text="Knots")
    expect(row).to_contain_text("since before we first saw it")
    row.get_by_role("button", name="Disable Seamanship, Knots").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Disable Seamanship, Knots for Bruno Gupta?")
    # The other unit is still enabled, so the learner counts as before.
    expect(page.get_by_text("No count and no price changes")).to_be_visible()
    confirm(page, "1 enrolment is disabled now.")
    row = page.get_by_role("row").filter(has_text="Knots")
    expect(row.get_by_role("button")).to_have_count(1)
    expect(row.get_by_role("button", name="Enable Seamanship, Knots")).to_be_visible()
    expect(row).not_to_contain_text("since before we first saw it")


def test_what_was_shown_is_not_done_where_it_would_be_something_else_by_now(visit):
    page, other = (visit(WHO, ROSTER) for _ in range(2))
    for it in (page, other):
        open_learner(it, "Bruno Holm")
    page.get_by_role("row").filter(has_text="Seamanship").first.get_by_role("button").click()
    other.get_by_role("button", name="Set inactive").click()
    confirm(other, "1 learner is inactive now.")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Nothing was done.")).to_be_visible()
    confirm(page, "1 enrolment is disabled now.")


@pytest.mark.parametrize("path", ["", "/courses", "/ways"])
def test_a_customer_without_a_roster_is_told_what_to_do(visit, path):
    page = visit("administrator none", "/customers/{c:none}/roster" + path)
    expect(page.locator("main")).to_contain_text(
        {"": "Nobody is on the roster yet", "/courses": "Nobody is enrolled", "/ways": "None of your current plans"}[
            path
        ]
    )
