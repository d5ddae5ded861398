"""Every rule of the documents stands in docs/rules.md, and something that exists holds it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import rollbook.plans

HERE = Path(__file__).parent
RULES = HERE.parent / "docs" / "rules.md"
PLANS = Path(rollbook.plans.__file__).parent
STATEMENTS = "tests/statements/cases/"

LAST = {"F": 28, "D": 16, "A": 38, "S": 41, "W": 44}
"""The number of rules in each document, by its letter."""

LATER = ("reports", "pages", "server", "enrolments")
"""The parts that are still to come."""


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    id: str
    words: str
    held_by: tuple[str, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """The rows of all tables in docs/rules.md."""
    rows = re.findall(r"^\| ([A-Z]-\d+) \|(.*)\|(.*)\|$", RULES.read_text(encoding="utf-8"), re.MULTILINE)
    return tuple(
        Rule(id_, words.strip(), tuple(item.strip().strip("`") for item in held.split(",") if item.strip()))
        for id_, words, held in rows
    )


def claims(case: Path) -> frozenset[str]:
    """The rules that a case says it holds, in the first line of its subscription."""
    first = (case / "subscription.toml").read_text(encoding="utf-8").partition("\n")[0]
    return frozenset(re.findall(r"[A-Z]-\d+", first)) if first.startswith("# Holds ") else frozenset()


def cases() -> tuple[Path, ...]:
    """The folders of all cases."""
    return tuple(sorted(path for path in PLANS.glob("*/cases/*") if path.is_dir()))


def test_every_rule_of_every_document_has_one_row_in_order() -> None:
    every = [f"{letter}-{number:02}" for letter, last in LAST.items() for number in range(1, last + 1)]
    assert [rule.id for rule in rules()] == every


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_says_something_and_names_what_holds_it(rule: Rule) -> None:
    assert rule.words
    assert rule.held_by
    for item in rule.held_by:
        assert problem(item) == ""


def problem(item: str) -> str:
    """What is wrong with a name in the column `held by`; nothing where it exists."""
    if item.startswith("later: "):
        part = item.removeprefix("later: ")
        return "" if part in LATER else f"there is no part called {part}"
    if item.startswith("plans/"):
        return "" if (PLANS.parent / item / "expected.csv").is_file() else f"there is no case {item}"
    if item.startswith(STATEMENTS):
        return "" if (HERE.parent / item / "expected_statement.csv").is_file() else f"there is no case {item}"
    file, _, name = item.partition("::")
    if not (HERE.parent / file).is_file():
        return f"there is no file {file}"
    defined = {
        node.name
        for node in ast.walk(ast.parse((HERE.parent / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    return "" if name.startswith("test_") and name in defined else f"there is no test {name} in {file}"


@pytest.mark.parametrize(
    "item",
    [
        "later: some day",
        "plans/docebo-mau/cases/none",
        "tests/statements/cases/none",
        "tests/none.py::test_none",
        "tests/test_rules.py::test_none",
        "tests/test_rules.py::problem",
        "",
    ],
)
def test_what_does_not_exist_holds_nothing(item: str) -> None:
    assert problem(item) != ""


def test_a_case_that_a_rule_names_says_so_itself() -> None:
    told = {(rule.id, item) for rule in rules() for item in rule.held_by if item.startswith(("plans/", STATEMENTS))}
    said = {(id_, f"plans/{case.relative_to(PLANS).as_posix()}") for case in cases() for id_ in claims(case)}
    said |= {(id_, f"{STATEMENTS}{case.name}") for case in (HERE.parent / STATEMENTS).iterdir() for id_ in claims(case)}
    assert told - said == set()


def test_a_rule_that_a_case_says_it_holds_is_held_by_some_case() -> None:
    held = {rule.id for rule in rules() if any(item.startswith("plans/") for item in rule.held_by)}
    for case in cases():
        assert claims(case) - held == set(), f"{case.name} claims rules that no case holds"


def test_every_case_of_a_vendors_plan_holds_some_rule() -> None:
    vendors = {plan.id for plan in rollbook.plans.published() if plan.vendor}
    assert [case.name for case in cases() if case.parent.parent.name in vendors and not claims(case)] == []


def test_the_readme_of_a_plan_lists_the_rules_that_its_cases_hold() -> None:
    for plan in rollbook.plans.published():
        listed = (PLANS / plan.id / "README.md").read_text(encoding="utf-8").partition("\n## Rules\n")[2]
        claimed = {id_ for case in cases() if case.parent.parent.name == plan.id for id_ in claims(case)}
        assert set(re.findall(r"[A-Z]-\d+", listed)) == claimed, plan.id
