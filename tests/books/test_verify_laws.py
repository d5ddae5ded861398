"""Whatever single cell or leaf of a bundle is changed, verification tells it, or what it says means the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rollbook.books.verifying import verify
from rollbook.errors import RollbookError
from rollbook.proof.digests import readable_record

from .bundles import Entries, csv_of, packed, rows_of, statements, summed

UNTOLD = {("statement.json", "as_of")}
"""Nothing else in a bundle says up to when the last statement was counted, where no fact lies between: its own digest,
which was told when it was closed, does."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ("", "0", "1", "-1", "ann", "north", "2026-02-01T00:00:00Z", "included", "new", "10.00")
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS | st.just([]) | st.just({})


def tells(entries: Entries) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = packed(entries, Path(folder) / "changed.zip")
        try:
            return not verify(path).holds
        except RollbookError:
            return True


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from leaves(item, (*path, key))
    if not isinstance(value, dict | list) or not value:
        yield path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_cell_of_a_table_is_told(entries: Entries, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(("facts.csv", "evidence.csv")))
    rows = rows_of(entries[name])
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from(list(row)))
    to = data.draw(TEXTS | st.sampled_from([other[column] for other in rows]))
    assume(to != row[column])
    row[column] = to
    assert tells(summed(entries | {name: csv_of(rows)}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_leaf_of_a_record_is_told(entries: Entries, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(statements(entries)))
    record = json.loads(entries[name])
    path = data.draw(st.sampled_from(sorted(leaves(record), key=str)))
    assume((name, path[0]) not in UNTOLD)
    inside = record
    for key in path[:-1]:
        inside = inside[key]
    to = data.draw(LEAVES)
    assume(to != inside[path[-1]] or type(to) is not type(inside[path[-1]]))
    inside[path[-1]] = to
    assert tells(summed(entries | {name: readable_record(record)}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_can_be_changed_without_a_word(entries: Entries, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(entries)))
    content = bytearray(entries[name])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    assert tells(entries | {name: bytes(content)})


@pytest.mark.parametrize("ending", [b"\x0b", b"\x0c", b"\r", b"\x1c", b"\x1d", b"\x1e"])
def test_only_a_line_feed_ends_a_line_of_the_sums(entries: Entries, ending: bytes) -> None:
    first, rest = entries["SHA256SUMS"].split(b"\n", 1)
    assert tells(entries | {"SHA256SUMS": first + ending + rest})
