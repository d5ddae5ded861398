"""Every published plan's cases, on the reference and on the engine.

A case is a folder of three files that a person worked out by hand: a subscription, the facts with what becomes of
each (`becomes`), and who is active in each window of the term (`expected.csv`). Some say what their statements say,
too: see test_statements.py.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

import rollbook.plans
from rollbook.engines import duckdb as engine
from rollbook.errors import PlanError, Problem
from rollbook.intake import read_facts
from rollbook.metering import calendar, reference
from rollbook.metering.outcome import CLASSES, DISPOSITIONS, DUPLICATE, ELSEWHERE, Activation, Outcome
from rollbook.model.fact import COLUMNS, TYPES, Fact
from rollbook.model.instants import iso, to_us
from rollbook.model.plan import parse_plan, unknown_types
from rollbook.model.subscription import Subscription
from rollbook.model.subscription_file import parse_subscription
from rollbook.plans import find_plan, folder, published

PLANS = Path(rollbook.plans.__file__).parent

AS_OF_US = to_us(datetime.fromisoformat("2100-01-01T00:00:00Z"))
"""Long after every case, so that a span which is still open lasts to the end of its term."""

REJECTED = "rejected"
"""What becomes of a row before it is a fact: another row has its source and id, and says something else."""

DOCUMENTATION = ("why", "becomes", "arrives")
"""Columns of facts.csv that are no part of a fact."""

FILES = frozenset({"subscription.toml", "facts.csv", "expected.csv"})
"""What every case has."""

FILES_OF_STATEMENTS = frozenset({"closings.csv", "expected_statement.csv"})
"""What a case has besides, if it says what its statements say; see tests/statements/running.py."""

FIGURES = ("window", "start", "end", "active", *CLASSES, "who")

Figures = dict[str, str]
"""One window of a term, in the columns and words of expected.csv."""


@dataclass(frozen=True, eq=False)
class Case:
    """One folder, read.

    facts    the facts to meter: rows without repetitions and without those that contradict each other
    keys     (source, id) of each row
    becomes  what the file says becomes of each row
    """

    plan: str
    name: str
    subscription: Subscription
    facts: tuple[Fact, ...]
    keys: tuple[tuple[str, str], ...]
    becomes: tuple[str, ...]
    repeated: frozenset[int]
    contradicting: frozenset[tuple[str, str]]
    expected: tuple[Figures, ...] = field(repr=False)

    @property
    def path(self) -> Path:
        return PLANS / self.plan / "cases" / self.name


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of every plan."""
    return tuple(read_case(path) for path in sorted(PLANS.glob("*/cases/*")) if path.is_dir())


def read_case(path: Path) -> Case:
    """The case in a folder. Reads facts in the simplest way, so that a case does not depend on the intake."""
    rows = read_table(path / "facts.csv")
    contents: dict[tuple[str, str], list[Figures]] = {}
    keys, repeated = [], set()
    for number, row in enumerate(rows):
        key = (row.get("source", ""), row["id"])
        content = {column: text for column, text in row.items() if column not in DOCUMENTATION}
        if content in contents.setdefault(key, []):
            repeated.add(number)
        else:
            contents[key].append(content)
        keys.append(key)
    return Case(
        plan=path.parent.parent.name,
        name=path.name,
        subscription=parse_subscription((path / "subscription.toml").read_text(encoding="utf-8"), find_plan),
        facts=tuple(fact_of(versions[0]) for versions in contents.values() if len(versions) == 1),
        keys=tuple(keys),
        becomes=tuple(row["becomes"] for row in rows),
        repeated=frozenset(repeated),
        contradicting=frozenset(key for key, versions in contents.items() if len(versions) > 1),
        expected=tuple({column: row[column] for column in FIGURES} for row in read_table(path / "expected.csv")),
    )


def read_table(path: Path) -> list[Figures]:
    """The rows of a CSV file by column; a row with too few or too many fields is a mistake in the case."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return [dict(zip(header, row, strict=True)) for row in rows]


def fact_of(row: Figures) -> Fact:
    """The fact in one row; an empty role means learner."""
    text = {column: value for column, value in row.items() if value and column not in ("occurred_at", "recorded_at")}
    return Fact(at_us=to_us(datetime.fromisoformat(row["occurred_at"])), **text)  # type: ignore[arg-type]


def figures(subscription: Subscription, activations: Iterable[Activation]) -> tuple[Figures, ...]:
    """What was found, in the columns and words of expected.csv."""
    found: dict[int, list[Activation]] = {}
    for active in activations:
        found.setdefault(active.window, []).append(active)
    rows = []
    for window in calendar.windows(subscription):
        there = sorted(
            found.pop(window.number, ()),
            key=lambda active: (active.first_us, active.source.encode(), active.fact.encode()),
        )
        of_class = {class_: str(sum(active.class_ == class_ for active in there)) for class_ in CLASSES}
        ends = {"start": iso(window.start_us), "end": iso(window.end_us)}
        who = " ".join(shown(active) for active in there)
        rows.append({"window": str(window.number), **ends, "active": str(len(there)), **of_class, "who": who})
    assert not found, f"activations outside the term, in windows {sorted(found)}"
    return tuple(rows)


def shown(active: Activation) -> str:
    """A unit with its proving fact, as expected.csv writes it. The unit of a guest is the entry itself."""
    if active.guest:
        return f"guest:{active.fact}" if active.unit == active.fact else f"guest {active.unit}:{active.fact}"
    return f"{active.unit}/{active.object}:{active.fact}" if active.object else f"{active.unit}:{active.fact}"


def dispositions(case: Case, found: Outcome) -> tuple[str, ...]:
    """What became of each row of the case."""
    return tuple(
        REJECTED
        if key in case.contradicting
        else DUPLICATE
        if number in case.repeated
        else found.dispositions.get(key, "forgotten")
        for number, key in enumerate(case.keys)
    )


def on_reference(facts: Iterable[Fact], subscription: Subscription) -> Outcome:
    """Meters facts with the reference."""
    return reference.meter(facts, subscription, AS_OF_US)


@dataclass(frozen=True)
class Read:
    """What the intake made of a case's file, and what DuckDB found in it."""

    facts: tuple[Fact, ...]
    duplicates: int
    rejected: int
    problems: tuple[Problem, ...]
    found: Outcome


@cache
def read_and_metered(case: Case) -> Read:
    """Reads the file and meters it with DuckDB."""
    with read_facts([case.path / "facts.csv"]) as store:
        facts = tuple(sorted(store.iterate(), key=lambda fact: fact.rank))
        metered = engine.meter(store.connection, [case.subscription], AS_OF_US)
        activations = metered.rows(
            """select window_number, organisation, unit, object, guest, class, first_us, source, id, facts
               from activations"""
        )
        fates = dict.fromkeys((fact.key for fact in facts), ELSEWHERE)
        for source, id_, fate in metered.rows("select source, id, fate from fates"):
            fates[str(source), str(id_)] = str(fate)
        found = Outcome(activations=[Activation(*row) for row in activations], dispositions=fates)  # type: ignore[arg-type]
        return Read(facts, store.duplicates, store.rejected, tuple(store.problems), found)


ENGINES: dict[str, Callable[[Case], Outcome]] = {
    "reference": lambda case: on_reference(case.facts, case.subscription),
    "duckdb": lambda case: read_and_metered(case).found,
}


@cache
def found_by(engine_name: str, case: Case) -> Outcome:
    """What an engine finds in a case."""
    return ENGINES[engine_name](case)


every_case = pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.plan}/{case.name}")
every_engine = pytest.mark.parametrize("engine_name", ENGINES)
every_plan = pytest.mark.parametrize("plan_id", sorted(path.parent.name for path in PLANS.glob("*/plan.toml")))


@every_engine
@every_case
def test_a_case_counts_whom_it_says_in_every_window_of_its_term(case: Case, engine_name: str) -> None:
    found = found_by(engine_name, case)
    assert figures(case.subscription, found.activations) == case.expected


@every_engine
@every_case
def test_of_every_fact_of_a_case_becomes_what_it_says(case: Case, engine_name: str) -> None:
    found = found_by(engine_name, case)
    told = [f"{id_}: {became}" for (_, id_), became in zip(case.keys, dispositions(case, found), strict=True)]
    assert told == [f"{id_}: {became}" for (_, id_), became in zip(case.keys, case.becomes, strict=True)]


@every_case
def test_the_intake_reads_the_facts_of_a_case_as_they_stand_there(case: Case) -> None:
    read = read_and_metered(case)
    assert read.facts == tuple(sorted(case.facts, key=lambda fact: fact.rank))
    assert read.duplicates == case.becomes.count(DUPLICATE)
    assert read.rejected == len(read.problems) == case.becomes.count(REJECTED)


@every_case
def test_a_case_is_written_in_full(case: Case) -> None:
    rows = read_table(case.path / "facts.csv")
    assert case.subscription.plan.id == case.plan
    files = {path.name for path in case.path.iterdir()} - FILES
    assert files == frozenset() or FILES_OF_STATEMENTS <= files <= FILES_OF_STATEMENTS | {"rates.toml", "refused.toml"}
    assert set(rows[0]) <= {*COLUMNS, *DOCUMENTATION}
    assert all(row["why"] for row in rows), "every fact says why it is there"
    assert set(case.becomes) <= {*DISPOSITIONS, REJECTED}
    for row in read_table(case.path / "expected.csv"):
        assert row["why"], f"window {row['window']} does not say why"
        assert int(row["active"]) == sum(int(row[class_]) for class_ in CLASSES) == len(row["who"].split())


@every_plan
def test_a_published_plan_has_rules_a_readme_and_cases(plan_id: str) -> None:
    plan = parse_plan((PLANS / plan_id / "plan.toml").read_text(encoding="utf-8"))
    assert plan.id == plan_id
    assert plan.title
    assert plan.summary
    assert unknown_types(plan, "plan.toml") == ()
    assert (PLANS / plan_id / "README.md").read_text(encoding="utf-8").startswith(f"# {plan.title}\n")
    assert [case for case in all_cases() if case.plan == plan_id], "a plan without a case is a guess"


@every_plan
def test_every_known_type_occurs_in_some_case_of_a_plan(plan_id: str) -> None:
    met = {fact.type for case in all_cases() if case.plan == plan_id for fact in case.facts}
    known = set(TYPES) - {"fact.voided", "identity.linked", "account.changed", "enrolment.changed"}
    assert known - met == set(), "no case says whether these count"


@every_plan
def test_a_vendors_plan_says_what_was_read_and_when(plan_id: str) -> None:
    plan = find_plan(plan_id)
    assert bool(plan.vendor) == bool(plan.sources) == bool(plan.read_on)


def test_all_published_plans_are_found_by_their_ids() -> None:
    assert [plan.id for plan in published()] == sorted(path.parent.name for path in PLANS.glob("*/plan.toml"))
    assert all(find_plan(plan.id) == plan for plan in published())


def test_the_folder_of_a_plan_holds_its_rules() -> None:
    assert (folder("docebo-mau") / "plan.toml").is_file()


def test_a_plan_is_found_by_the_path_of_a_file_from_the_folder_that_names_it() -> None:
    here = PLANS / "docebo-mau" / "cases"
    assert find_plan("../plan.toml", here) == find_plan("docebo-mau")
    assert find_plan(str(PLANS / "docebo-mau" / "plan.toml")) == find_plan("docebo-mau")


def test_an_unknown_plan_is_refused_and_the_nearest_one_is_named() -> None:
    with pytest.raises(PlanError, match=r'no published plan "docebo-mua" \(nearest: docebo-mau\)'):
        find_plan("docebo-mua")


def test_a_plan_file_that_does_not_exist_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.toml: there is no such file"):
        find_plan("none.toml", tmp_path)


def test_a_plan_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="the file cannot be read"):
        find_plan("plan.toml", tmp_path)
