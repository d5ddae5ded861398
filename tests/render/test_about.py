"""The heading of a report says what the figures mean, and how the plan settles what is open."""

from __future__ import annotations

import pytest

from rollbook import find_plan, parse_plan
from rollbook.render.about import choices

from .reading import PLAN, about

BASE = "what is bought, for each window; what it leaves over ends with it"


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("", "Allowance", BASE),
        ("[allowance]\nquantity = 50\nper_organisation = true\nper = 'window'\n", "Allowance", f"50 for each organisation and {BASE}"),
        ("[allowance]\nper = 'window'\nrollover_windows = 2\n", "Allowance", "what is bought, for each window; what it leaves over stays usable for 2 more windows"),
        ("[allowance]\nper = 'window'\npool_scope = 'organisation'\n", "Pools", "each organisation has its own"),
        ("[limit]\npolicy = 'notify'\n", "Beyond the allowance", "said, and not charged"),
        ("[limit]\npolicy = 'block'\n", "Beyond the allowance", "everybody is turned away"),
        ("[tariff]\ncurrency = 'EUR'\n[tariff.overage]\nshape = 'volume'\ntiers = [{ first = 1, rate = 2 }]\n", "Rate beyond it", "volume"),
    ],
)  # fmt: skip
def test_choices_are_said_in_words(table: str, key: str, words: str) -> None:
    assert dict(choices(parse_plan(PLAN + table)))[key] == words


@pytest.mark.parametrize(
    ("plan", "key", "words"),
    [
        ("secondnature-seats", "A state from before the term", "does not carry in; it has to begin anew"),
        ("secondnature-seats", "Allowance", "what is bought, of what is held; compared with the most at once"),
        ("wisenet-elearning", "A state from before the term", "carries in"),
        ("wisenet-lrm", "Pools", "all organisations of the customer share one"),
        ("facilitate-annual", "Guests", "every entry counts by itself"),
        ("reach360-starter", "The same id in two organisations", "is two units"),
    ],
)
def test_a_published_plan_says_its_open_choices(plan: str, key: str, words: str) -> None:
    assert dict(choices(find_plan(plan)))[key] == words


def test_the_heading_names_the_time_its_zone_and_its_ends() -> None:
    lines = dict(about("Europe/Paris", customer="Harbour").lines)
    assert lines["Customer"] == "Harbour"
    assert lines["Term"] == "2026-01-01 until 2027-01-01 (excluded), midnights in Europe/Paris"
    assert lines["Counted until"] == "2026-06-20 02:00 (excluded), Europe/Paris"
    assert lines["Windows"] == "calendar months; each includes its start and excludes its end"
    assert "Incomplete" not in lines
