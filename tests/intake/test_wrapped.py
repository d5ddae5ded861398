"""What wraps a list is told by whose export it is: no key of anybody else's takes rows away."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.intake.producers import PRODUCERS
from tests.intake.reading import Read, good

LONG = os.environ.get("ROLLBOOK_LAWS") == "long"
ENVELOPES = sorted({key for producer in PRODUCERS for key in producer.envelopes})
STATEMENT: dict[str, Any] = {
    "actor": {"mbox": "mailto:ann@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/attempted"},
    "object": {"id": "https://lms.example/lesson/1"},
    "timestamp": "2026-03-01T09:30:00Z",
}


def statement(number: int) -> dict[str, Any]:
    return {"id": f"00000000-0000-4000-8000-{number:012}", **STATEMENT}


def written(folder: Path, text: str, name: str = "export.json") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


HELD: list[list[Any]] = [[], [{"a": 1}], [1, 2], [good(id="9")]]
"""What may stand in a list that is nobody's business."""


@pytest.mark.parametrize("key", ENVELOPES)
def test_a_canonical_fact_keeps_to_itself_whatever_key_it_has(tmp_path: Path, key: str) -> None:
    rows = [{**good(id=str(number)), key: held} for number, held in enumerate(HELD, 1)]
    rows += [{key: held, **good(id=str(number))} for number, held in enumerate(HELD, 5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for text in (json.dumps(rows), lines, "\n".join(json.dumps(row, indent=1) for row in rows)):
        read = Read(written(tmp_path, text))
        assert [fact.id for fact in read.facts] == [str(number) for number in range(1, 9)]
        assert (read.rows, read.rejected) == (8, 0)


@pytest.mark.parametrize("key", [key for key in ENVELOPES if key != "statements"])
def test_a_statement_keeps_to_itself_whatever_key_it_has(tmp_path: Path, key: str) -> None:
    rows = [{**statement(1), key: []}, {key: [{"a": 1}], **statement(2)}]
    assert Read(written(tmp_path, json.dumps(rows))).counted == 2


def test_a_page_that_is_an_item_too_gives_both_its_items_and_itself(tmp_path: Path) -> None:
    """One statement with a list of two within: three rows, on a line, in a list, and over lines."""
    whole = {**statement(1), "statements": [statement(2), {"id": "broken"}]}
    for text in (json.dumps(whole), json.dumps([whole]), json.dumps(whole, indent=1)):
        read = Read(written(tmp_path, text))
        assert (read.rows, read.counted, read.rejected) == (3, 2, 1)


def test_a_key_that_stands_twice_in_a_page_loses_no_items(tmp_path: Path) -> None:
    lists = [json.dumps([statement(number)]) for number in (1, 2)]
    line = f'{{"statements": {lists[0]}, "more": "", "statements": {lists[1]}, "statements": null}}\n'
    for text in (line, f"[{line}]", line * 2):
        read = Read(written(tmp_path, text))
        assert read.counted == 2
        assert read.adds_up()


def test_an_empty_first_page_hides_nothing_of_the_second(tmp_path: Path) -> None:
    pages: list[dict[str, Any]] = [
        {"users": []},
        {
            "users": [
                {
                    "sourcedId": "u1",
                    "enabledUser": "true",
                    "role": "student",
                    "dateLastModified": "2026-03-01T09:30:00Z",
                }
            ]
        },
    ]
    for text in (json.dumps(pages), json.dumps(pages, indent=1), "\n".join(map(json.dumps, pages))):
        assert [fact.learner for fact in Read(written(tmp_path, text)).facts] == ["u1"]
    assert Read(written(tmp_path, json.dumps(pages[0]))).notes == [
        f"{tmp_path / 'export.json'}: has no rows; nothing to do, if that is true"
    ]


def test_a_page_longer_than_what_is_looked_at_is_told_by_its_first_item(tmp_path: Path) -> None:
    """Statements of two mebibytes before anything else of the page."""
    many = [{**statement(number), "result": {"response": "x" * 1000}} for number in range(2000)]
    read = Read(written(tmp_path, json.dumps({"statements": many, "more": ""})))
    assert (read.rows, read.counted) == (2000, 2000)


@pytest.mark.parametrize(
    "first", [b'{"actor": \xff}', b'{"actor": ', b'{"a": "\\ud8"}', b'ell"}, "verb": 1}', b"{}", b"{broken}"]
)
def test_a_first_line_that_cannot_be_read_hides_nothing_of_the_others(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"\n".join([first, *(json.dumps(statement(number)).encode() for number in (1, 2))]) + b"\n")
    read = Read(path)
    assert (read.rows, read.counted, read.rejected) == (3, 2, 1)
    assert read.files == []


ROWS = st.one_of(
    st.builds(lambda number, keys: {**statement(number), **keys}, st.integers(1, 9), st.dictionaries(st.sampled_from(ENVELOPES), st.lists(st.none() | st.builds(statement, st.integers(10, 19)), max_size=2), max_size=2)),
    st.builds(lambda number, keys: {**good(id=str(number)), **keys}, st.integers(1, 9), st.dictionaries(st.sampled_from(ENVELOPES), st.lists(st.integers()), max_size=2)),
    st.dictionaries(st.sampled_from([*ENVELOPES, "more"]), st.lists(st.builds(statement, st.integers(1, 9)) | st.integers(), max_size=3), max_size=2),
)  # fmt: skip


@settings(max_examples=400 if LONG else 20, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_same_objects_are_the_same_rows_on_lines_in_a_list_and_over_many_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("ways")
    texts = (json.dumps(rows), json.dumps(rows, indent=1), "".join(json.dumps(row) + "\n" for row in rows))
    reads = [Read(written(folder, text)) for text in texts]
    assert all(read.adds_up() for read in reads)
    assert reads[0].facts == reads[1].facts == reads[2].facts
    assert len({(read.rows, read.rejected, read.duplicates) for read in reads}) == 1
