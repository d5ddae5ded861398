"""Differences are told where they are, by the names of things and not by their places."""

from __future__ import annotations

import pytest

from rollbook.proof.verdict import DIFFERENCES_MAX, Verdict, check, unlike


@pytest.mark.parametrize(
    ("stated", "found", "told"),
    [
        (1, 1, []),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}, []),
        (1, 2, ["it: the statement says 1, the recount 2"]),
        (1, True, ["it: the statement says 1, the recount True"]),
        ("1", 1, ["it: the statement says 1, the recount 1"]),
        (None, 1, ["it: the statement says nothing, the recount 1"]),
        ({"a": 1}, {}, ["it.a: the statement says 1, the recount nothing"]),
        ([1], [1, 2], ["it 2: the statement says nothing, the recount 2"]),
        ([{"pool": "n", "x": 1}], [], ["it (n): only in the statement"]),
        ([], [{"window": 1, "kind": "base"}], ["it (window 1, base): only in the recount"]),
    ],
)
def test_every_leaf_that_differs_is_told(stated: object, found: object, told: list[str]) -> None:
    assert list(unlike(stated, found, "it")) == told


def test_a_thing_that_is_gone_does_not_make_those_behind_it_differ() -> None:
    things = [{"window": 1, "kind": kind, "units": 7} for kind in ("base", "base-added", "overage")]
    assert list(unlike(things[1:], things, "charges")) == ["charges (window 1, base): only in the recount"]


def test_very_many_differences_are_counted() -> None:
    found = check("facts", "all", (str(number) for number in range(DIFFERENCES_MAX + 3)))
    assert (len(found.differences), found.more, found.holds) == (DIFFERENCES_MAX, 3, False)


def test_a_verdict_holds_when_every_check_does() -> None:
    good, bad = check("a", "b", []), check("c", "d", ["e"])
    assert Verdict("t", {}, (good, good)).holds
    assert not Verdict("t", {}, (good, bad)).holds
