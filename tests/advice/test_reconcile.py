"""A vendor's list against ours."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.advice.reconcile import (
    BOTH,
    GROUPS,
    ONLY_OURS,
    ONLY_THEIRS,
    REPEATED,
    Directory,
    Line,
    Ours,
    Theirs,
    match,
    moved,
    only_theirs,
    window_of,
)

from .accounts import TERM_WINDOWS, account


def ours(unit: str, organisation: str = "north", *, guest: bool = False) -> Ours:
    return Ours(organisation, unit, "", guest, 0, "lms", f"proof-of-{unit}-{organisation}")


def lines(names: list[str], units: list[Ours], directory: Directory) -> list[Line]:
    settled, only = match([Theirs(n, (name,)) for n, name in enumerate(names, 2)], units, directory)
    return [*settled, *only_theirs(only, {}, 1)]


def groups(found: list[Line]) -> list[tuple[str, str, str]]:
    return sorted((it.group, it.listed, it.learner) for it in found)


PEOPLE = {"u1": ("Ann@x.org", "Ann Lee"), "u2": ("bob@x.org", "Sam Ray"), "u3": ("sam@x.org", "Sam Ray")}
DIRECTORY = Directory(["u1", "u2", "u3", "u4"], PEOPLE, {"u4": "u1"})


def test_ids_e_mails_and_names_mean_the_same_person_whatever_their_case() -> None:
    for listed in ("u1", "U1", "ann@X.ORG", "ANN LEE"):
        assert groups(lines([listed], [ours("u1")], DIRECTORY)) == [(BOTH, listed, "u1")]


def test_a_name_that_two_people_have_matches_neither() -> None:
    found = lines(["sam ray"], [ours("u2")], DIRECTORY)
    assert groups(found) == [(ONLY_OURS, "", "u2"), (ONLY_THEIRS, "sam ray", "")]
    assert "2 learners are called this: u2, u3" in {it.group: it for it in found}[ONLY_THEIRS].reason


def test_an_id_that_was_given_up_is_still_the_same_person() -> None:
    assert groups(lines(["u4"], [ours("u1")], DIRECTORY)) == [(BOTH, "u4", "u1")]


def test_a_row_that_repeats_another_is_told_and_matches_nobody_else() -> None:
    found = lines(["u1", "ann lee", "stranger", "Stranger"], [ours("u1")], DIRECTORY)
    assert groups(found) == [
        (BOTH, "u1", "u1"),
        (ONLY_THEIRS, "stranger", ""),
        (REPEATED, "Stranger", ""),
        (REPEATED, "ann lee", "u1"),
    ]
    assert {it.reason for it in found if it.group == REPEATED} == {"line 2 names the same", "line 4 names the same"}


def test_two_units_of_one_learner_need_two_rows() -> None:
    units = [ours("u1", "north"), ours("u1", "south")]
    found = lines(["u1"], units, DIRECTORY)
    assert groups(found) == [(BOTH, "u1", "u1"), (ONLY_OURS, "", "u1")]
    assert "less often" in found[-1].reason
    assert groups(lines(["u1", "u1"], units, DIRECTORY)) == [(BOTH, "u1", "u1")] * 2


def test_a_guest_is_matched_by_the_id_of_the_entry_only() -> None:
    found = lines(["e7", "u1"], [ours("e7", guest=True), ours("u1", guest=True)], Directory(["u1"], {}, {}))
    assert groups(found) == [(BOTH, "e7", "e7"), (ONLY_OURS, "", "u1"), (ONLY_THEIRS, "u1", "u1")]


names = st.lists(st.sampled_from(["u1", "U1", "u4", "ann lee", "sam ray", "bob@x.org", "stranger", "u3", "u9", "é"]))
units = st.lists(st.builds(ours, st.sampled_from(["u1", "u2", "u3", "u4", "u9", "é"]), st.sampled_from("ns")))


@given(names, units)
def test_each_of_theirs_and_each_of_ours_is_in_exactly_one_group(listed: list[str], units: list[Ours]) -> None:
    found = lines(listed, units, DIRECTORY)
    assert sorted(it.line for it in found if it.line is not None) == list(range(2, len(listed) + 2))
    assert all((it.line is None) == (it.group == ONLY_OURS) for it in found)
    proven = Counter(it.fact for it in found if it.group in (BOTH, ONLY_OURS))
    assert proven == Counter(it.fact for it in units)
    assert {it.group for it in found} <= set(GROUPS)


USED = '[tariff]\ncurrency = "EUR"\noverage = { shape = "flat", rate = 6 }\n'
BOUGHT = '[allowance]\nper = "window"\n' + USED.replace("overage", 'base = { shape = "flat", rate = 4 }\noverage')


def some(group: str, number: int) -> list[Line]:
    return [Line(group, "", None, "", "", "", "", "", "")] * number


def test_what_the_lists_differ_by_is_worth_what_the_rates_say() -> None:
    """We count 11, they list 14: three more at 6 each; rows that repeat others are not charged for."""
    found = [*some(BOTH, 9), *some(ONLY_OURS, 2), *some(ONLY_THEIRS, 5), *some(REPEATED, 4)]
    it = moved(account(USED, [9, 11]), 2, found)
    assert (it.ours, it.theirs) == (11, 14)
    assert it.difference is not None
    assert it.difference.amount == 3 * 6


def test_within_the_allowance_a_difference_is_worth_nothing() -> None:
    """14 are bought at 4: 11 or 14 cost 56 alike."""
    it = moved(account(BOUGHT, [11], bought=14), 1, [*some(BOTH, 11), *some(ONLY_THEIRS, 3)])
    assert it.our_cost is not None
    assert it.our_cost.amount == 14 * 4
    assert it.difference is not None
    assert it.difference.amount == 0


def test_without_rates_the_worth_is_not_known() -> None:
    it = moved(account('[allowance]\nper = "window"\n', [11]), 1, some(BOTH, 11))
    assert it.difference is None
    assert "no rate is known" in it.why_not


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("2026-02", 2),
        ("2026-02-28", 2),
        ("2026-12-31", 12),
        ("13", None),
        ("2027-01-01", None),
        ("Feb", None),
    ],
)
def test_a_window_is_named_by_number_month_or_day(text: str, number: int | None) -> None:
    assert window_of(text, TERM_WINDOWS, "UTC") == number
