"""Whatever an id is made of, the text of a query selects that id and nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.plan import Meter, State, WindowRule
from rollbook.model.subscription import Subscription
from rollbook.plans import find_plan
from tests.metering import ledgers
from tests.metering.written import us

HOSTILE = (
    "'",
    "''",
    "'''",
    "\\'",
    "\\",
    '"',
    '""',
    "a'; drop table facts; --",
    "a') or ('' = '",
    "') union select 1 --",
    "-- comment",
    "/* comment */",
    "*/",
    "/*",
    "$$",
    "$1",
    "?",
    "%s",
    "{}",
    "{0}",
    "E'\\n'",
    "\n",
    "\r\n",
    "\t",
    " ",
    " ana",
    "ana ",
    "ana",
    "Ana",
    "null",
    "NULL",
    "0",
    "zoë",
    "zoe\u0308",
    "\u2019",
    "\u02bc",
    "\uff07",
    "李雷",
    "\u202e' abc",
    "\U0001f600",
    "%",
    "_",
)

TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)
"""Anything but the character that no database keeps."""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def select(connection: duckdb.DuckDBPyConnection, texts: Sequence[str], condition: str) -> list[str]:
    """Those of the texts for which the condition on `it` holds."""
    connection.register("texts", pa.table({"it": pa.array(texts, pa.string())}))
    return sorted(row[0] for row in connection.execute(f"select it from texts where {condition}").fetchall())


@settings(deadline=None)
@given(texts=st.lists(TEXTS, unique=True, min_size=1, max_size=12), data=st.data())
def test_a_quoted_text_is_that_text_and_no_other(
    connection: duckdb.DuckDBPyConnection, texts: list[str], data: st.DataObject
) -> None:
    one = data.draw(st.sampled_from(texts))
    assert connection.execute(f"select {quoted(one)}").fetchall() == [(one,)]
    assert select(connection, texts, f"it = {quoted(one)}") == [one]
    some = data.draw(st.lists(st.sampled_from(texts), min_size=1, unique=True))
    assert select(connection, texts, f"it in ({quoted_list(some)})") == sorted(some)
    assert select(connection, texts, f"it not in ({quoted_list(some)})") == sorted(set(texts) - set(some))


def test_every_hostile_text_is_told_from_every_other(connection: duckdb.DuckDBPyConnection) -> None:
    for text in HOSTILE:
        assert select(connection, HOSTILE, f"it in ({quoted_list([text])})") == [text]


@settings(deadline=None, max_examples=10)
@given(types=st.lists(TEXTS.filter(bool), unique=True, min_size=3, max_size=6))
def test_a_plan_counts_the_types_that_it_names_whatever_they_are_called(types: list[str]) -> None:
    """Each learner does one thing. The first type counts; the next two switch membership; all others are unknown."""
    meter = Meter(counts=(types[0],), member_while=State(on=(types[1],), off=(types[2],)))
    day = us("2026-01-10T00:00Z")
    to = Subscription(plan=ledgers.plan(meter, WindowRule(kind="term")), start=date(2026, 1, 1), end=date(2026, 2, 1))
    everyone = [
        Fact(id=f"{n}", at_us=day + 1, type=type_, learner=f"l{n}", source=type_) for n, type_ in enumerate(types)
    ]
    members = [Fact(id=f"m{n}", at_us=day, type=types[1], learner=f"l{n}") for n in range(len(types))]
    [outcome] = ledgers.run_fast([*everyone, *members], [to], LATEST_US)
    assert [(it.unit, it.source) for it in outcome.activations] == [("l0", types[0])]
    fates = {key: fate for key, fate in outcome.dispositions.items() if not key[1].startswith("m")}
    assert [fates[type_, f"{n}"] for n, type_ in enumerate(types)] == [
        "counted",
        "state: redundant",
        "state: closed",
        *["not counted: type"] * (len(types) - 3),
    ]


def is_an_id(text: str) -> bool:
    """Whether an export may have such an id: with something to see, no control character, no space around it."""
    return text == text.strip() != "" and not any(unicodedata.category(letter) == "Cc" for letter in text)


def explained(ids: Sequence[str], source: str) -> None:
    """Of each two ids the first is given up for the second, of whose two logins one is taken back."""
    day = us("2026-01-10T00:00Z")
    facts: list[Fact] = []
    pairs = list(batched(ids))
    for n, (given_up, survivor) in enumerate(pairs):
        facts += [
            Fact(id=f"e{n}", at_us=day, type="login", learner=given_up),
            Fact(id=f"l{n}", at_us=day + 1, type=LINKED, learner=survivor, object=given_up),
            Fact(id=f"f{n}", at_us=day + 2, type="login", learner=survivor),
            Fact(id=f"g{n}", at_us=day + 3, type="login", learner=survivor),
            Fact(id=f"v{n}", at_us=day + 4, type=VOIDED, voids=f"g{n}"),
        ]
    facts = [fact.replace(organisation=source, source=source) for fact in facts]
    to = Subscription(plan=find_plan("monthly-login"), start=date(2026, 1, 1), end=date(2026, 2, 1))
    with rollbook.meter(facts, to, as_of=datetime(2027, 1, 1, tzinfo=UTC)) as result:
        assert result.store.problems.total == 0
        for n, (given_up, survivor) in enumerate(pairs):
            for learner in (given_up, survivor):
                told = result.explain(learner)
                assert set(told.learners) == {given_up, survivor}
                [window] = told.windows
                assert [deed.fact.id for deed in window.lines] == [f"e{n}", f"l{n}", f"f{n}", f"g{n}", f"v{n}"]
                assert [it.unit for it in window.activations] == [given_up, survivor]


def batched(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each two of the ids, without an odd one at the end."""
    return zip(ids[::2], ids[1::2], strict=False)


def test_every_hostile_learner_is_explained_by_their_own_facts() -> None:
    explained([text for text in HOSTILE if is_an_id(text)], "a'; drop table facts; --")


@settings(deadline=None, max_examples=5)
@given(ids=st.lists(TEXTS.filter(is_an_id), unique=True, min_size=2, max_size=8), source=TEXTS.filter(is_an_id))
def test_a_learner_is_explained_by_their_own_facts_whatever_they_are_called(ids: list[str], source: str) -> None:
    explained(ids, source)
