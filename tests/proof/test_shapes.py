"""JSON from anybody is held to a shape before anything else looks at it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.proof import shapes
from rollbook.proof.shapes import Maybe, mismatches, read_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(PLAIN)
def test_what_is_written_is_read_again(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b'{"a": 1, "a": 2}',
        b"1.5",
        b"1e5",
        b"NaN",
        b"-Infinity",
        b"9223372036854775808",
        b"1" * 5000,
        b'"\\ud800"',
        b"[" * 100_000,
    ],
    ids=lambda content: content[:20].decode("latin-1") or "nothing",
)
def test_what_no_statement_can_hold_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(content)


@pytest.mark.parametrize(
    ("value", "shape", "fits"),
    [
        (1, int, True),
        (True, int, False),
        ("1", int, False),
        (None, Maybe(int), True),
        ("x", Maybe(int), False),
        ([1, 2], [int], True),
        ([1, "2"], [int], False),
        ([1, "2"], (int, str), True),
        ([1], (int, str), False),
        ({}, [int], False),
        ({"a": 1}, {"a": int}, True),
        ({"a": 1, "b": 1}, {"a": int}, False),
        ({}, {"a": int}, False),
        ("2026-03-01T00:00:00Z", shapes.instant, True),
        ("2026-03-01T00:00:00", shapes.instant, False),
        ("2026-13-01T00:00:00Z", shapes.instant, False),
        ("1969-12-31T23:59:59Z", shapes.instant, False),
        (7, shapes.instant, False),
        (2**62, shapes.instant_us, False),
        ("2026-02-28", shapes.day, True),
        ("2026-02-29", shapes.day, False),
        ("-4.50", shapes.amount, True),
        ("4,50", shapes.amount, False),
        ("NaN", shapes.amount, False),
        ("1" * 41, shapes.amount, False),
        ("0" * 64, shapes.digest, True),
        ("0" * 63, shapes.digest, False),
        (10**9, shapes.quantity, True),
        (-1, shapes.quantity, False),
    ],
)
def test_a_value_has_its_shape_or_it_is_said_where_not(value: object, shape: object, *, fits: bool) -> None:
    assert (not list(mismatches(value, shape))) == fits


def test_a_mismatch_names_its_place() -> None:
    shape = {"rows": [{"path": [(str, int)]}]}
    assert list(mismatches({"rows": [{"path": [["left", "x"]]}]}, shape)) == ["rows[1].path[1][2] is no int"]
