"""JSON that is no lines: lists, objects over many lines, and pages, one item at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.intake.batches import Refused
from rollbook.intake.documents import Documents
from rollbook.intake.json_cursor import VALUE_MAX
from rollbook.intake.streams import Source, Stream

from .reading import Read, good

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "more", "rows"]), JSON, max_size=3), max_size=6)


def items(folder: Path, text: str | bytes, *envelopes: str) -> tuple[list[Any], Documents]:
    """The items of a document, and what the reading of it says."""
    path = folder / "document.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    stream = Stream(Source(str(path), path))
    try:
        documents = Documents(stream, envelopes)
        return [item for _, item in documents.items()], documents
    finally:
        stream.close()


@given(OBJECTS, st.sampled_from([None, 2]))
def test_the_items_of_a_list_are_those_that_json_has(
    tmp_path_factory: Any, objects: list[Any], indent: int | None
) -> None:
    found, documents = items(tmp_path_factory.mktemp("list"), json.dumps(objects, indent=indent))
    assert found == objects
    assert (documents.number, documents.fault) == (len(objects), None)


@given(objects=OBJECTS, others=OBJECTS, first=st.booleans())
def test_the_items_of_a_page_are_those_of_its_list_wherever_that_stands(
    tmp_path_factory: Any, objects: list[Any], others: list[Any], *, first: bool
) -> None:
    rows, rest = {"rows": objects}, {"more": others, "next": "/page/2"}
    page = rows | rest if first else rest | rows
    found, _ = items(tmp_path_factory.mktemp("page"), json.dumps(page, indent=1), "rows")
    assert found == objects


def test_pages_may_follow_one_another_and_stand_in_a_list(tmp_path: Path) -> None:
    pages = [{"rows": [{"a": 1}]}, {"rows": []}, {"rows": [{"a": 2}, {"a": 3}]}]
    expected = [{"a": 1}, {"a": 2}, {"a": 3}]
    assert items(tmp_path, json.dumps(pages), "rows")[0] == expected
    assert items(tmp_path, "\n".join(json.dumps(page, indent=2) for page in pages), "rows")[0] == expected


def test_a_list_of_that_name_deeper_in_an_item_is_part_of_the_item(tmp_path: Path) -> None:
    document = [{"rows": [{"a": 1, "rows": [{"a": 2}]}]}]
    assert items(tmp_path, json.dumps(document), "rows")[0] == [{"a": 1, "rows": [{"a": 2}]}]


def test_what_is_no_object_is_refused_and_the_items_around_it_are_kept(tmp_path: Path) -> None:
    found, _ = items(tmp_path, '[{"a": 1}, 7, [1, [2]], "x", null, {"a": 2}]')
    assert [item for item in found if not isinstance(item, Refused)] == [{"a": 1}, {"a": 2}]
    assert [isinstance(item, Refused) for item in found] == [False, True, True, True, True, False]


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_of_a_document_that_is_cut_off_every_whole_item_is_kept(tmp_path: Path, cut: float) -> None:
    objects = [{"number": number, "text": "x" * 50} for number in range(100)]
    text = json.dumps(objects)
    whole = text[: int(len(text) * cut)].count("}")
    found, documents = items(tmp_path, text[: int(len(text) * cut)])
    assert found == objects[:whole]
    assert documents.fault is not None
    assert f"from item {whole + 1} on" in documents.fault.rule


def test_an_item_that_is_too_long_or_too_deep_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    long = [{"a": "x" * VALUE_MAX}, {"b": 1}, {"a": [7] * VALUE_MAX}, {"b": 2}]
    found, _ = items(tmp_path, json.dumps(long))
    assert [isinstance(item, Refused) for item in found] == [True, False, True, False]
    deep = '[{"a": ' + "[" * 100_000 + "]" * 100_000 + '}, {"b": 1}]'
    found, _ = items(tmp_path, deep)
    assert isinstance(found[0], Refused)
    assert found[1] == {"b": 1}


def test_facts_may_come_as_a_list_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps([good(), good(id="2", learner="ben"), good(id="3", learner="")], indent=2))
    read = Read(path)
    assert (read.rows, read.counted, read.rejected) == (3, 2, 1)
    assert [fact.learner for fact in read.facts] == ["ann", "ben"]
    assert read.messages == [f"{path}:3: learner is empty; give an id, or role guest"]


def test_facts_may_come_as_one_object_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(good(), indent=2) + "\n" + json.dumps(good(id="2"), indent=2))
    assert (Read(path).rows, Read(path).counted) == (2, 2)


@pytest.mark.parametrize(
    "value", ["1" * 5000, "-" + "7" * 300_000, "1e400", "NaN", "tru", "'a'", "\\", "0123", "[1 2]", "{7: 1}"]
)
def test_an_item_that_is_broken_inside_is_refused_alone(tmp_path: Path, value: str) -> None:
    found, documents = items(tmp_path, '[{"a": 1}, {"a": ' + value + '}, {"a": 2}]')
    assert [item for item in found if not isinstance(item, Refused)] == [{"a": 1}, {"a": 2}]
    assert (len(found), documents.fault) == (3, None)


@pytest.mark.parametrize(
    "rest", ["}, {]", '{"a"]}', '{"a" 1}', '{"a": 1} {"a": 2}]', '{"a": [1}, {"a": 2}]', ',{"a": 1}]']
)
def test_where_brackets_do_not_stand_as_in_json_the_document_ends_with_a_reason(tmp_path: Path, rest: str) -> None:
    found, documents = items(tmp_path, '[{"a": 1},' + rest)
    assert found[:1] == [{"a": 1}]
    assert documents.fault is not None
    assert documents.fault.rule.startswith("is not JSON from item ")


def test_half_a_character_stays_half_so_that_nobody_is_called_by_a_question_mark(tmp_path: Path) -> None:
    found, _ = items(tmp_path, r'[{"a": "x\ud800"}, {"a": "\ud83c\udf93"}, {"a": "\\ud800"}]')
    assert found == [{"a": "x\ud800"}, {"a": "\N{GRADUATION CAP}"}, {"a": "\\ud800"}]


SPLIT = st.lists(st.integers(1, 7), min_size=1)


@given(OBJECTS, SPLIT, st.sampled_from([None, 2]))
def test_items_are_the_same_however_the_bytes_come_in(objects: list[Any], sizes: list[int], indent: int | None) -> None:
    """Blocks end within texts, numbers, escapes and characters; texts hold brackets and quotes."""
    text = json.dumps([*objects, {"a": '}]"\\', "\\": ["\N{GRADUATION CAP}{", -1.5e3]}], indent=indent).encode()
    documents = Documents(Blocks(text, sizes))
    assert [item for _, item in documents.items()] == json.loads(text)


class Blocks:
    """Bytes in blocks of the sizes that are given, in turn."""

    def __init__(self, text: bytes, sizes: list[int]) -> None:
        self._rest, self._sizes, self._count = text, sizes, 0

    def block(self) -> bytes:
        """The next of them."""
        size = self._sizes[self._count % len(self._sizes)]
        self._count += 1
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


def test_an_object_that_wraps_a_list_and_is_an_item_too_comes_after_the_list() -> None:
    text = '[{"verb": 1, "rows": [{"a": 1}]}, {"more": "", "rows": [{"a": 2}], "rows": [{"a": 3}]}]'
    stream = Blocks(text.encode(), [1000])
    documents = Documents(stream, ["rows"], lambda rest: "verb" in rest)
    assert [item for _, item in documents.items()] == [{"a": 1}, {"verb": 1}, {"a": 2}, {"a": 3}]
