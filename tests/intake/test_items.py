"""Objects that were parsed already: the same reading as files, one item at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake import ItemReader, ReadOptions
from rollbook.intake.documents import sketches
from rollbook.intake.producers import PRODUCERS
from rollbook.intake.producers.producer import JSON
from rollbook.intake.recognising import producer_of
from rollbook.intake.streams import Stream
from tests.intake.producers.exports import fixtures, owners
from tests.intake.reading import Read, good

STATEMENT: dict[str, Any] = {
    "id": "0B8D8F7E-0000-4000-8000-000000000001",
    "actor": {"account": {"homePage": "https://lms.example/", "name": "ann"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {
        "id": "https://lms.example/course/1",
        "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
    },
    "timestamp": "2026-03-01T09:30:00Z",
}


def json_fixtures() -> list[tuple[str, Path]]:
    """(producer, path) of every fixture in JSON whose producer is told by its first objects."""
    told = [(_producer(path), path) for path in fixtures() if path.suffix in (".json", ".ndjson")]
    return [(name, path) for name, path in told if name in owners(path)]


def _producer(path: Path) -> str:
    stream = Stream(path)
    try:
        producer = producer_of(ReadOptions(), JSON, sketches(stream))
    finally:
        stream.close()
    return producer.name if producer else ""


def documents(path: Path) -> list[Any]:
    """The JSON in a fixture: one document, or one on each line that holds one."""
    text = path.read_text(encoding="utf-8")
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("name", "path"), json_fixtures(), ids=lambda value: getattr(value, "stem", value))
def test_items_give_the_facts_that_their_file_gives(name: str, path: Path) -> None:
    """Facts without an id are called by their content in a file; here their id stays empty."""
    reader = ItemReader(name)
    made = [reader.read(item) for document in documents(path) for item in reader.items(document)]
    facts = {(fact.rank[0], fact.type, fact.learner, fact.object, fact.attributes) for it in made for fact in it.facts}
    read = Read(path)
    assert facts >= {(fact.rank[0], fact.type, fact.learner, fact.object, fact.attributes) for fact in read.facts}
    conflicts = sum(" has other content at " in message for message in read.messages)
    assert sum(len(it.facts) for it in made) == read.counted + read.duplicates + conflicts
    ids = {fact.id for it in made for fact in it.facts if fact.id}
    assert ids >= {fact.id for fact in read.facts if not fact.id.startswith("content-")}


def test_a_statement_gives_its_fact_with_the_id_that_the_statement_has() -> None:
    facts, problems = ItemReader("xapi").read(STATEMENT)
    assert problems == ()
    assert [(fact.source, fact.id, fact.learner, fact.type) for fact in facts] == [
        ("xapi", "0b8d8f7e-0000-4000-8000-000000000001", "https://lms.example|ann", "course.completed")
    ]


def test_what_is_wrong_with_an_item_is_said_at_its_place() -> None:
    facts, problems = ItemReader("xapi").read({**STATEMENT, "actor": {"name": "Ann"}}, place="statement 3")
    assert facts == ()
    assert [str(problem) for problem in problems] == [
        "statement 3: the actor has no account, mbox, mbox_sha1sum or openid; export whole actors, not names"
    ]


def test_a_canonical_fact_is_read_as_a_line_of_a_file_is() -> None:
    """Names of columns in whatever case, numbers as ids, attributes as an object, and the caller's own words."""
    item = {**good(), "Learner": 17, "attributes": {"b": 1, "a": "x"}}
    del item["learner"]
    facts, problems = ItemReader("canonical").read(item)
    assert problems == ()
    assert [(fact.id, fact.learner, fact.attributes) for fact in facts] == [("1", "17", '{"a":"x","b":1}')]


def test_the_words_of_the_caller_hold_for_canonical_facts(tmp_path: Path) -> None:
    words = tmp_path / "words.csv"
    words.write_text("event,type,role\nlogin,session.entered,admin\n", encoding="utf-8")
    reader = ItemReader("canonical", ReadOptions(vocabularies=(str(words),)))
    assert [(fact.type, fact.role) for fact in reader.read(good()).facts] == [("session.entered", "admin")]


def test_the_items_of_an_envelope_are_its_events() -> None:
    envelope = {"sensor": "https://lms.example", "sendTime": "2026-03-01T09:30:00Z", "data": [{"id": 1}, 7]}
    assert list(ItemReader("caliper").items(envelope)) == [{"id": 1}, 7]
    assert list(ItemReader("xapi").items([STATEMENT, {"statements": [STATEMENT], "more": ""}])) == [STATEMENT] * 2
    assert list(ItemReader("canonical").items({"data": [good()]})) == [{"data": [good()]}]


def test_a_producer_of_tables_has_no_items() -> None:
    with pytest.raises(UsageError, match="is no JSON"):
        ItemReader("moodle-log")
    with pytest.raises(UsageError, match="there is no such export"):
        ItemReader("xapy")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("actor", "verb", "object", "id", "timestamp", "data", "type", "action", "eventTime", "occurred_at", "learner")
ITEMS = (
    ANYTHING
    | st.dictionaries(st.sampled_from(KEYS), ANYTHING)
    | st.builds(lambda changed: {**STATEMENT, **changed}, st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=2))
)
READERS = [ItemReader(name) for name in ("canonical", *(it.name for it in PRODUCERS if it.kind == JSON))]


@given(ITEMS, st.sampled_from(READERS))
def test_whatever_an_item_is_it_makes_facts_or_problems(item: Any, reader: ItemReader) -> None:
    made = reader.read(item)
    assert made.facts or made.problems
