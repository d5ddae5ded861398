"""Rows of JSON exports with values dropped, replaced or nested, as broken exports have them."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.intake.producers.fixtures import expected, found
from tests.intake.reading import Read

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "\0", "\ud800", "9" * 400, "a" * 5000, "fact.voided", "/", "|", "{", "enrolment.ended"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "user_id", "type"]), st.text(max_size=3), max_size=2),
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every place within a row."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ([path] if path else []) + [place for key, held in inner for place in places(held, (*path, key))]


@st.composite
def mutated(draw: st.DrawFn, row: dict[str, Any]) -> dict[str, Any]:
    """A row with up to three changes."""
    made = copy.deepcopy(row)
    for _ in range(draw(st.integers(0, 3))):
        *above, last = draw(st.sampled_from(places(made)))
        holder: Any = made
        for key in above:
            holder = holder[key]
        change = draw(st.sampled_from(["drop", "replace", "nest"]))
        if change == "replace":
            holder[last] = draw(ODD)
        elif change == "nest":
            holder[last] = [holder[last]]
        elif len(holder) > 1:
            del holder[last]
    return made


def read_rows(name: str | None, *rows: object) -> Read:
    """The facts of some rows as JSON lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return Read(path, input=name)


def assert_none_is_lost(name: str | None, rows: list[Any]) -> None:
    """Every row is a fact, or is refused for a reason of its own."""
    read = read_rows(name, *rows)
    assert read.adds_up()
    assert read.rows >= len(rows)
    assert not [message for message in read.messages if "has not the shape of this export" in message]


def compare(path: Path) -> None:
    """An export against what a person expects of it; of problems only the rules."""
    options, facts, problems = expected(path)
    found_facts, messages = found(path, **options)
    assert (found_facts, [message.partition("; ")[0] for message in messages]) == (facts, problems)
