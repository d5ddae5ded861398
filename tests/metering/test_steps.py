"""The query in its named steps, each with its fixture: the facts, and the rows of that step.

`steps/<step>.txt` holds one or more examples. Each is a title, a sentence, the term, meter and window as TOML, the
facts, and the rows of the step as a table of the columns that matter. The order of rows does not matter. Above the
meter stand `start`, `end` and, where they matter, `zone`, `as_of` and `organisations`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

from rollbook.engines import duckdb as fast
from rollbook.engines import fragments
from rollbook.metering import query, reference
from rollbook.model.fact import Fact
from rollbook.model.instants import LATEST_US, to_us
from rollbook.model.plan import Meter, State, parse_plan
from rollbook.model.subscription import Subscription
from tests.metering.ledgers import comparable, connect, outcomes
from tests.metering.written import Row, facts, shown, table

FOLDER = Path(__file__).parent / "steps"


@dataclass(frozen=True)
class Example:
    """One example of one step."""

    step: str
    title: str
    subscription: Subscription
    as_of_us: int
    facts: tuple[Fact, ...]
    columns: Row
    rows: tuple[Row, ...]


def read(step: str, text: str) -> Example:
    """The example in `text`: a title, a sentence, TOML, the facts and the rows, with empty lines between them."""
    title, sentence, terms, told, expected = re.split(r"\n\n+", text.strip())
    assert sentence.endswith("."), f"{step}: {title} needs a sentence"
    head, rules = re.split(r"^(?=\[)", dedent(terms), maxsplit=1, flags=re.MULTILINE)
    stated = tomllib.loads(head)
    columns, rows = table(expected)
    subscription = Subscription(
        plan=parse_plan(f'id = "example"\ntitle = "Example"\n{rules}', f"{step}.txt"),
        start=stated["start"],
        end=stated["end"],
        zone=stated.get("zone", "UTC"),
        organisations=tuple(stated["organisations"]) if "organisations" in stated else None,
    )
    as_of = stated.get("as_of")
    as_of_us = to_us(as_of) if isinstance(as_of, datetime) else LATEST_US
    return Example(step, title, subscription, as_of_us, tuple(facts(told)), columns, tuple(rows))


@cache
def examples() -> tuple[Example, ...]:
    """Every example of every step."""
    return tuple(
        read(path.stem, text)
        for path in sorted(FOLDER.glob("*.txt"))
        for text in re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    )


def name(example: Example) -> str:
    return f"{example.step}: {example.title}"


def step_names() -> set[str]:
    """The steps of plans that count, that count members, and that hold."""
    state = State(on=("on",), off=("off",))
    meters = (Meter(counts=("login",)), Meter(counts=("login",), member_while=state), Meter(holds=state))
    return {
        step.name for meter in meters for step in (*query.corrections(meter), *query.steps(meter, fragments.FRAGMENTS))
    }


def test_every_step_has_its_fixture_and_every_fixture_its_step() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == step_names() == {example.step for example in examples()}


@pytest.mark.parametrize("example", examples(), ids=name)
def test_the_step_gives_these_rows(example: Example) -> None:
    with connect(example.facts) as connection:
        metered = fast.meter(connection, [example.subscription], example.as_of_us, assume_members=True)
        found = metered.rows(f"select {', '.join(example.columns)} from {example.step}")
        [outcome] = outcomes(metered)
        assumed = frozenset(str(row[0]) for row in metered.rows("select organisation from assumed"))
    rows = [tuple(map(shown, example.columns, row)) for row in found]
    assert sorted(rows) == sorted(example.rows)
    expected = reference.meter(example.facts, example.subscription, example.as_of_us, assumed)
    elsewhere = expected.dispositions.keys() - outcome.dispositions.keys()
    assert not elsewhere or example.subscription.organisations, "only facts of other organisations have no fate"
    for key in elsewhere:
        del expected.dispositions[key]
    assert comparable(outcome) == comparable(expected), "the reference finds the same"


def test_examples_are_small_and_their_titles_differ() -> None:
    assert all(2 <= len(example.facts) <= 6 for example in examples())
    assert len({name(example) for example in examples()}) == len(examples())


def test_windows_that_fit_into_no_number_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "BITS", 1)
    for example in examples():
        test_the_step_gives_these_rows(example)
