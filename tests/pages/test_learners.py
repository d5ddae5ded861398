"""Learners, driven in a browser: whoever asks why somebody counts finds the answer."""

from __future__ import annotations

import re

from playwright.sync_api import expect

LIST = "/subscriptions/{mau}/learners"


def names(page) -> list[str]:
    return page.locator("#list tbody th a").all_inner_texts()


def test_somebody_is_found_by_the_last_name_while_it_is_typed_and_the_answer_is_one_click_away(visit):
    page = visit("administrator mau", LIST)
    page.get_by_label("Search").press_sequentially("Diaz")
    expect(page.get_by_role("status").filter(has_text="“Diaz”")).to_be_visible()
    assert names(page)
    assert all(it.endswith("Diaz") for it in names(page))
    assert "search=Diaz" in page.url
    name = names(page)[0]
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("heading", name="Counts in this period")).to_be_visible()
    expect(page.get_by_text("Because of this: Logging in")).to_be_visible()
    # Back is the list as it was.
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("Diaz")


def test_another_window_and_another_order_are_chosen_from_lists(visit):
    page = visit("administrator mau", LIST)
    first = names(page)
    page.get_by_label("Order").select_option("Who came last")
    expect(page.locator("#list tbody th a").first).to_have_text(first[-1])
    assert names(page) == first[::-1]
    heading = page.locator("#list-heading").inner_text()
    page.get_by_label("Period").select_option(index=1)
    expect(page.locator("#list-heading")).not_to_have_text(heading)


def test_who_did_not_count_is_listed_with_the_reason_and_what_it_would_have_taken(visit):
    page = visit("administrator reach", "/subscriptions/{reach}/learners")
    page.get_by_role("link", name="Not counted, and why").click()
    row = page.get_by_role("row").filter(has_text="nora.lund")
    expect(row).to_contain_text(re.compile(r"Looking at a course, .+ 20\d\d, [\d:]+: this plan does not count this"))
    expect(row).to_contain_text(re.compile(r"Starting a lesson, .+: this was done by somebody else in their name"))
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Does not count in this period")).to_be_visible()
    answer = page.locator(".answer")
    expect(answer).to_contain_text(
        re.compile(r"Looking at a course, .+ 20\d\d, [\d:]+: this plan does not count this\.")
    )
    expect(answer).to_contain_text("It could count if they did it themselves.")


def test_a_guests_entry_is_explained_like_anything_that_counts(visit):
    page = visit("administrator facilitate", "/subscriptions/{facilitate}/learners")
    page.get_by_label("New or returning").select_option("Guest")
    expect(page.locator("#list tbody th a").first).to_have_text("A guest")
    assert set(names(page)) == {"A guest"}
    page.locator("#list tbody th a").first.click()
    expect(page.get_by_role("heading", name="This entry counts")).to_be_visible()


def test_everything_works_without_a_script(visit):
    page = visit("administrator reach", "/subscriptions/{reach}/learners", java_script_enabled=False)
    everybody = names(page)
    page.get_by_label("Search").fill(everybody[0])
    page.get_by_role("button", name="Show", exact=True).click()
    assert names(page) == [everybody[0]]
    page.get_by_role("link", name="Not counted, and why").click()
    page.get_by_role("link", name="Show the list").click()
    page.get_by_role("link", name="nora.lund").click()
    expect(page.get_by_role("heading", name="Does not count in this period")).to_be_visible()
    page.get_by_text(re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d:\d\d$")).first.click()
    expect(page.get_by_text("looked-0")).to_be_visible()


def test_a_link_to_an_answer_is_the_same_for_everybody_who_may_see_it_and_nothing_for_others(visit):
    path = "/subscriptions/{mau}/learners/{l:mau}?window=1"
    answers = [visit(who, path).locator(".answer").inner_text() for who in ("administrator mau", "operator")]
    assert answers[0] == answers[1]
    refused = visit("viewer mau", path)
    expect(refused.get_by_text("This page is for people with another role")).to_be_visible()
    elsewhere = visit("administrator mauc", path)
    expect(elsewhere.get_by_text("There is no such subscription")).to_be_visible()
    # Somebody else's learner is not there under one's own plan either.
    theirs = visit("administrator mau", "/subscriptions/{mau}/learners/{l:reach}")
    expect(theirs.get_by_text("There is no such learner")).to_be_visible()
    assert "Amina" not in refused.content() + elsewhere.content()
    assert "nora" not in theirs.content()


def test_an_erased_person_is_shown_as_erased(visit):
    page = visit("administrator mau", "/subscriptions/{mau}/learners/{l:erased}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Somebody who was erased")
    # The sample wrote the id into the ids of its facts, which stay: they are what the count rests on.
    assert "Jonas Costa" not in page.content()
    assert "jonas.costa@" not in page.content()


def test_the_list_of_learners_is_taken_along_as_a_file(visit):
    page = visit("administrator mau", LIST)
    page.get_by_text("Export", exact=True).click()
    link = page.get_by_role("link", name=re.compile("by learner, CSV")).first
    with page.expect_download() as download:
        link.click()
    assert "Amina Abe" in download.value.path().read_text()
