"""xAPI statements: each trap has a file of its own, with the facts and the refusals that a person expects beside it."""

from __future__ import annotations

import copy
import csv
import json
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.intake import ReadOptions, read_facts
from rollbook.intake.producers import Reading
from rollbook.intake.producers.xapi import Xapi
from rollbook.intake.vocabulary import shipped, vocabulary
from rollbook.model.fact import TYPES
from rollbook.model.instants import iso
from rollbook.plans import find_plan

HERE = Path(__file__).parent
FOLDERS = {"xapi": HERE / "xapi", "scorm-cloud": HERE / "scorm_cloud"}
FIXTURES = [
    pytest.param(name, path, id=path.stem)
    for name, folder in FOLDERS.items()
    for path in sorted(folder.iterdir())
    if path.suffix in (".json", ".ndjson")
]
COURSE = "http://adlnet.gov/expapi/activities/course"
ADL = "http://adlnet.gov/expapi/verbs/"


@pytest.mark.parametrize(("producer", "path"), FIXTURES)
def test_a_trap_is_read_as_a_person_reads_it(producer: str, path: Path) -> None:
    with (path.parent / f"{path.stem}.expected.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        expected, columns = list(reader), reader.fieldnames or []
    beside = path.parent / f"{path.stem}.problems.txt"
    refused = beside.read_text(encoding="utf-8").splitlines() if beside.exists() else []
    with read_facts([path]) as store:
        found = [
            {column: _shown(fact, column) for column in columns}
            for fact in sorted(store.iterate(), key=lambda fact: fact.rank)
        ]
        messages = [f"{problem.place.rpartition(':')[2]}: {problem.rule}" for problem in store.problems]
        assert (found, messages) == (expected, refused)
        assert store.producers == {str(path): producer}
        assert store.rows == store.facts + store.rejected + store.duplicates


def _shown(fact: Any, column: str) -> str:
    if column == "occurred_at":
        return iso(fact.at_us)
    if column == "recorded_at":
        return "" if fact.recorded_us is None else iso(fact.recorded_us)
    return str(getattr(fact, column))


def statement(**changed: object) -> dict[str, Any]:
    """A sound statement, but for what is changed."""
    return {
        "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
        "actor": {"objectType": "Agent", "name": "Ann", "account": {"homePage": "https://lms.example.org", "name": "ann"}},
        "verb": {"id": f"{ADL}initialized", "display": {"en-US": "initialized"}},
        "object": {"id": "https://lms.example.org/7", "objectType": "Activity", "definition": {"type": COURSE, "name": {"en": "7"}}},
        "result": {"duration": "PT1S", "score": {"scaled": 0.5}},
        "context": {
            "registration": "ec531277-b57b-4c15-8d91-d292c5b2b8f7",
            "platform": "Moodle",
            "instructor": {"mbox": "mailto:tim@example.org"},
            "contextActivities": {"parent": [{"id": "https://lms.example.org/1"}], "category": [{"id": "http://moodle.org"}]},
            "extensions": {
                "https://w3id.org/xapi/cmi5/context/extensions/sessionid": "s",
                "https://w3id.org/xapi/cmi5/context/extensions/launchmode": "Normal",
                "http://lrs.learninglocker.net/define/extensions/info": {"event_name": "\\core\\event\\course_viewed"},
            },
        },
        "timestamp": "2026-03-01T09:30:00.000Z",
        "stored": "2026-03-01T09:30:01.000Z",
        **changed,
    }  # fmt: skip


REGISTRATION: dict[str, Any] = {
    "id": "r1",
    "instance": 0,
    "registrationCompletion": "COMPLETED",
    "createdDate": "2026-03-01T09:00:00.000Z",
    "firstAccessDate": "2026-03-02T09:00:00.000Z",
    "lastAccessDate": "2026-03-03T09:00:00.000Z",
    "completedDate": "2026-03-03T08:00:00.000Z",
    "course": {"id": "fire", "title": "Fire"},
    "learner": {"id": "ann", "email": "ann@example.org"},
}


def read(folder: Path, *rows: object, **options: Any) -> list[Any]:
    """The facts of some rows as JSON lines."""
    path = folder / "export.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with read_facts([path], ReadOptions(**options)) as store:
        return sorted(store.iterate(), key=lambda fact: fact.rank)


@pytest.mark.parametrize("sizes", [[900], [900, 900], [400, 400], [1, 5]])
@pytest.mark.parametrize("before", ["", "\n\n"])
def test_pages_on_one_line_each_are_read_however_long_the_first_is(
    tmp_path: Path, sizes: list[int], before: str
) -> None:
    """A statement here takes about 1,600 characters, and a line may have 1,048,576 bytes: 900 are more."""
    numbers = iter(range(sum(sizes)))
    long = "a title " * 100
    pages = [
        {"statements": [statement(id=f"s{next(numbers)}", result={"response": long}) for _ in range(size)], "more": ""}
        for size in sizes
    ]
    path = tmp_path / "pages.json"
    path.write_text(before + "".join(json.dumps(page) + "\n" for page in pages), encoding="utf-8")
    with read_facts([path]) as store:
        assert (store.rows, store.facts, store.producers) == (sum(sizes), sum(sizes), {str(path): "xapi"})


def test_a_page_too_long_for_its_line_after_others_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pages.ndjson"
    page = {"statements": [statement(id=f"s{number}", result={"response": "a title " * 100}) for number in range(900)]}
    path.write_text(f"{json.dumps(statement())}\n{json.dumps(page)}\n", encoding="utf-8")
    with read_facts([path]) as store:
        assert (store.facts, store.rejected) == (1, 1)
        assert "longer than 1,048,576 bytes" in str(next(iter(store.problems)))


def test_an_administrator_says_what_a_verb_means_and_is_heard_before_any_sender(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(f"event,type\n{ADL}initialized,session.entered\n", encoding="utf-8")
    assert [fact.type for fact in read(tmp_path, statement())] == ["course.viewed"]
    assert [fact.type for fact in read(tmp_path, statement(), vocabularies=(str(own),))] == ["session.entered"]


def test_a_statement_of_another_sender_that_voids_takes_the_fact_back(tmp_path: Path) -> None:
    voiding = statement(
        id="6690e6c9-3ef0-4ed3-8b37-000000000000",
        actor={"mbox": "mailto:operator@example.org"},
        verb={"id": f"{ADL}voided"},
        object={"objectType": "StatementRef", "id": "6690E6C9-3EF0-4ED3-8B37-7F3964730BEE"},
        context={},
        timestamp="2026-05-01T00:00:00Z",
    )
    path = tmp_path / "export.ndjson"
    path.write_text(f"{json.dumps(voiding)}\n{json.dumps(_started('ann', '2026-03-01T09:30:00Z'))}\n", encoding="utf-8")
    assert _active(path) == {"not counted: voided": 1, "correction": 1}


def test_statements_are_metered_from_the_first_lesson_of_each_month(tmp_path: Path) -> None:
    """Ann starts in March and answers again in April; Bo only enrols; the LMS launches for Cy, who never comes."""
    path = tmp_path / "export.ndjson"
    rows = [
        _started("ann", "2026-03-30T09:30:00Z"),
        _started("ann", "2026-03-31T09:30:00Z", verb="answered"),
        _started("ann", "2026-04-01T09:30:00Z", verb="answered"),
        _started("bo", "2026-03-30T09:30:00Z", verb="registered"),
        _started("cy", "2026-03-30T09:30:00Z", verb="launched"),
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert _windows(path) == [1, 1]


def test_registrations_are_metered_at_the_accesses_they_prove(tmp_path: Path) -> None:
    """One access in March and one in April: nothing is known of the time between, and nothing is needed."""
    path = tmp_path / "registrations.json"
    path.write_text(
        json.dumps({"registrations": [{**REGISTRATION, "lastAccessDate": "2026-04-20T09:00:00.000Z"}]}),
        encoding="utf-8",
    )
    assert _windows(path) == [1, 1]


def _started(who: str, at: str, verb: str = "initialized") -> dict[str, Any]:
    """An act of a learner in a course of no particular sender; each with an id of its own."""
    id_ = "6690e6c9-3ef0-4ed3-8b37-7f3964730bee" if verb == "initialized" and at.startswith("2026-03-01") else None
    return {
        **({"id": id_} if id_ else {}),
        "actor": {"account": {"homePage": "https://lms.example.org", "name": who}},
        "verb": {"id": f"{ADL}{verb}"},
        "object": {"id": "https://lms.example.org/7"},
        "timestamp": at,
    }


def _result(path: Path) -> rollbook.Result:
    subscription = rollbook.Subscription(
        plan=find_plan("monthly-activity"), start=date(2026, 3, 1), end=date(2026, 5, 1)
    )
    return rollbook.meter(path, subscription, as_of=datetime(2026, 6, 1, tzinfo=UTC))


def _windows(path: Path) -> list[int]:
    with _result(path) as result:
        return [int(active) for active in result.table("window")["active"].to_pylist()]


def _active(path: Path) -> dict[str, int]:
    with _result(path) as result:
        return {name: number for name, number in result.dispositions.items() if number}


def test_the_command_line_recognises_statements(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text(json.dumps(_started("ann", "2026-03-30T09:30:00Z")) + "\n", encoding="utf-8")
    call = [
        sys.executable,
        "-m",
        "rollbook.cli",
        "meter",
        str(path),
        "--plan",
        "monthly-activity",
        "--start",
        "2026-03-01",
    ]
    done = subprocess.run(
        [*call, "--end", "2026-04-01", "--as-of", "2026-05-01", "--by", "learner", "--format", "csv"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "https://lms.example.org|ann" in done.stdout


def test_meanings_are_known_types_or_say_why_they_are_not() -> None:
    with (Path(rollbook.__file__).parent / "intake/vocabularies/xapi.csv").open(encoding="utf-8") as file:
        unexplained = [row["event"] for row in csv.DictReader(file) if row["type"] not in TYPES and not row["note"]]
    assert not unexplained
    assert shipped("scorm-cloud").keys() == {"createdDate", "firstAccessDate", "lastAccessDate", "completedDate"}


def test_a_reading_remembers_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.intake.producers.xapi.REMEMBERED_MAX", 3)
    convert = Xapi().converter(Reading(vocabulary("xapi")))
    types = [
        next(iter(convert(statement(verb={"id": f"urn:verb:{number}"}, context={}))))["type"]  # type: ignore[index]
        for number in range(10)
    ]
    assert types == [f"urn:verb:{number}" for number in range(10)]
    assert len(convert.__self__._meanings) <= 3  # type: ignore[attr-defined]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["Group", "Agent", "StatementRef", "SubStatement", f"{ADL}voided", "fact.voided", "Browse", "\0", "\ud800", "a" * 5000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "account", "name", "member"]), st.text(max_size=3), max_size=2),
)  # fmt: skip


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every place within a row."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, inner in value.items() for place in places(inner, (*path, key))]
    elif isinstance(value, list):
        found += [place for index, inner in enumerate(value) for place in places(inner, (*path, index))]
    return found


@st.composite
def mutated(draw: st.DrawFn, row: dict[str, Any]) -> object:
    """A row with some values dropped, replaced or nested."""
    made = copy.deepcopy(row)
    for _ in range(draw(st.integers(0, 4))):
        *above, last = draw(st.sampled_from(places(made)))
        holder: Any = made
        for key in above:
            holder = holder[key]
        change = draw(st.sampled_from(["drop", "replace", "nest", "list"]))
        if change == "drop":
            del holder[last]
            if not made:
                return made
        else:
            holder[last] = (
                draw(ODD) if change == "replace" else {"id": holder[last]} if change == "nest" else [holder[last]]
            )
    return made


@pytest.mark.parametrize(("name", "row"), [("xapi", statement()), ("scorm-cloud", REGISTRATION)])
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_no_row_of_any_shape_is_lost_or_raises(name: str, row: dict[str, Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(mutated(row), min_size=1, max_size=6))
    as_list = data.draw(st.booleans())
    text = json.dumps(rows) if as_list else "".join(json.dumps(made) + "\n" for made in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.json"
        path.write_text(text, encoding="utf-8")
        with read_facts([path], ReadOptions(input=name)) as store:
            assert store.rows == store.facts + store.rejected + store.duplicates
            assert store.rows >= len(rows)
            assert "shape of this export" not in " ".join(str(problem) for problem in store.problems)
            [found] = store.connection.execute("SELECT count(*), count(DISTINCT number) FROM facts").fetchall()
            assert found == (store.facts, store.facts)
