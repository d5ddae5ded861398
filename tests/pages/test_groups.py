"""How many of each group were active, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

WHO = "administrator roster"
GROUPS = "/subscriptions/{roster}/groups"


def test_groups_are_shown_with_why_they_add_up_to_more_than_the_total(visit):
    """120 learners take six turns, 20 each: Boats; Boats, Ropes and Workshop; Ropes; Workshop; Shore itself; none.

    The 20 of the second turn are in Deck and in Shore, so both and those in none are 120 + 20 = 140. Of the 70 in the
    north the first four turns have 12 each and the others 11: Deck has 3 x 12.
    """
    page = visit(WHO, "/subscriptions/{roster}/usage")
    page.get_by_role("link", name="How many of each group were active").click()
    # Of the period before: other journeys add somebody to the one that runs.
    page.get_by_label("Period").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    said = page.locator("#list")
    expect(said).to_contain_text("The groups add up to 140 and the total is 120: 20 are in more than one of them")
    expect(said).to_contain_text("Groups within a group may add up to more than it, too: 20 are in several of them.")
    rows = [it.split() for it in said.locator("tbody tr").all_inner_texts()]
    assert rows[0] == ["Total", "120"]
    assert rows[1] == ["Deck", "banksia-north", "36", "30%"]
    assert rows[2] == ["Deck", "/", "Boats", "banksia-north", "24", "20%"]
    assert rows[-1] == ["In", "no", "group", "20", "16.7%"]
    assert len(rows) == 1 + 2 * 5 + 1


@pytest.mark.parametrize("who", ["viewer mau", "administrator mau"])
def test_where_nobody_is_in_a_group_it_says_how_they_come(visit, who):
    page = visit(who, "/subscriptions/{mau}/groups")
    expect(page.get_by_role("heading", name="Nobody is in a group yet")).to_be_visible()
    seen = page.get_by_role("link", name="Not counted, and why").count()
    assert seen == (0 if who.startswith("viewer") else 1)
