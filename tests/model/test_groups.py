"""Groups are paths of names, told apart as they are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.model import groups
from rollbook.model.groups import Group, and_above, read_path, read_paths, settled, told, too_many, values, written

NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
PATHS = st.lists(st.one_of(NAMES, st.sampled_from(("a/b", "a;b", "a\\", "\\/;", "R\\D"))), min_size=1, max_size=4)


@given(PATHS)
def test_a_path_that_is_written_is_read_as_itself(names: list[str]) -> None:
    group, faults = read_path(written(tuple(names)))
    assert faults == ()
    # Composed letters are one letter: that alone may differ, and only the first time.
    assert read_path(written(group)) == (group, ())
    assert len(group) == len(names)


@given(st.lists(PATHS, max_size=4))
def test_several_paths_that_are_written_are_read_as_themselves(paths: list[list[str]]) -> None:
    expected = settled(read_path(written(tuple(names)))[0] for names in paths)
    assert read_paths("; ".join(written(tuple(names)) for names in paths)) == (expected, ())


@given(st.text(max_size=40))
def test_whatever_is_read_is_a_path_within_the_bounds_or_told_to_be_wrong(text: str) -> None:
    found, faults = read_paths(text)
    assert not (found and faults)
    for group in found:
        assert 0 < len(group) <= groups.DEPTH_MAX
        assert all(0 < len(name) <= groups.NAME_LENGTH_MAX for name in group)
        assert read_path(written(group)) == (group, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sales / North", [("Sales", "North")]),
        ("Sales/North", [("Sales", "North")]),
        ("  Sales  Team /\tNorth ; ", [("Sales Team", "North")]),
        ("R\\/D / North", [("R/D", "North")]),
        ("Research\\; Development", [("Research; Development",)]),
        ("R\\D", [("R\\D",)]),
        # Whoever is in Sales / North is in Sales.
        ("Sales; Sales / North; Sales", [("Sales", "North")]),
        # Sales North is no part of Sales.
        ("Sales; Sales North", [("Sales",), ("Sales North",)]),
        ("", []),
        # An e with an accent is one letter, however it was typed.
        ("Cafe\u0301; Caf\u00e9", [("Caf\u00e9",)]),
        # What turns the direction of writing cannot make another group that looks the same.
        ("Sales; Sa\u202eles; \u200fSales", [("Sales",)]),
        ("מכירות / צפון", [("מכירות", "צפון")]),
    ],
)
def test_what_a_cell_says(text: str, expected: list[Group]) -> None:
    assert read_paths(text) == (tuple(expected), ())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Sales // North", "a group has an empty name"),
        ("/ Sales", "a group has an empty name"),
        ("Sales / \u202e", "a group has an empty name"),
        ("Sa\x1b[31mles", "a group's name holds control characters"),
        ("Sa\x00les", "a group's name holds control characters"),
        ("Sa\ud800les", "a group's name holds control characters"),
        (201 * "x", "a group's name has 201 characters, and at most 200 are kept"),
        (" / ".join("abcdefghi"), "a group has 9 levels, and at most 8 are kept"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, rule: str) -> None:
    found, faults = read_paths(f"Ops; {text}")
    assert found == ()
    assert [it for it, _ in faults] == [rule]


def test_a_learner_may_be_in_fifty_groups_and_their_names_must_fit_into_one_fact() -> None:
    assert too_many([(str(n),) for n in range(50)]) is None
    found = too_many([(str(n),) for n in range(51)])
    assert found
    assert found[0] == "the learner is in 51 groups, and at most 50 are kept"
    long = [(f"{n:02d}" + 198 * "x",) for n in range(20)]
    # Twenty names of 200 letters, with quotation marks, commas and blanks between them, and two brackets.
    found = too_many(long)
    assert found
    assert found[0] == f"the learner's groups take {20 * 202 + 19 * 2 + 2:,} characters, and at most 3,900 are kept"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["Sales / North", "Ops"], (("Ops",), ("Sales", "North"))),
        ([], ()),
        # What cannot be used is left out.
        (["Sales", 7, None, ["Ops"], "a//b", 9 * "x/" + "x"], (("Sales",),)),
        ("Sales", None),
        (None, None),
        ({"Sales": 1}, None),
    ],
)
def test_what_a_fact_tells(value: object, expected: object) -> None:
    assert told(value) == expected


def test_of_too_many_groups_that_a_fact_tells_the_first_are_kept() -> None:
    found = told([f"{n:03d}" for n in range(80)])
    assert found == tuple((f"{n:03d}",) for n in range(50))
    found = told([f"{n:02d}" + 198 * "x" for n in range(40)])
    assert found is not None
    # 19 of them take 19 * 202 + 18 * 2 + 2 = 3,876 characters; one more would be too many.
    assert len(found) == 19
    assert too_many(found) is None


def test_whoever_is_in_a_group_is_in_all_above_it() -> None:
    assert list(and_above(("a", "b", "c"))) == [("a",), ("a", "b"), ("a", "b", "c")]


@given(st.lists(PATHS.map(tuple), max_size=8))
def test_settled_groups_mean_the_same_and_none_is_within_another(paths: list[Group]) -> None:
    found = settled(paths)
    assert {it for group in found for it in and_above(group)} == {it for group in paths for it in and_above(group)}
    assert not any(a != b and b[: len(a)] == a for a in found for b in found)
    assert list(found) == sorted(found)
    assert json.loads(json.dumps(values(found))) == [written(it) for it in found]
