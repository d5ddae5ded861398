"""What statements say in cases that a person worked out by hand, closed as time goes on, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import rollbook
from rollbook.books.book import Book
from rollbook.books.closing import close
from rollbook.errors import BookError
from rollbook.library import ENGINES
from rollbook.model.instants import to_us
from rollbook.model.subscription import Quantity
from rollbook.plans import published
from tests.statements.running import (
    CLOSINGS,
    PLANS,
    STATEMENT,
    Line,
    StatementCase,
    all_statement_cases,
    read_statement_case,
    rows,
    statement_lines,
)

every_case = pytest.mark.parametrize("case", all_statement_cases(), ids=lambda case: case.name)

MADE_UP = ("# Made up", "made up for this case")
"""How a file says that its rates are nobody's."""


@pytest.mark.parametrize("engine", ENGINES)
@every_case
def test_every_statement_of_a_case_says_what_was_worked_out_by_hand(case: StatementCase, engine: str) -> None:
    assert [*statement_lines(case, engine)] == [*case.expected]


@every_case
def test_what_a_plan_must_refuse_is_refused(case: StatementCase) -> None:
    assert case.refuses(case.terms)


@every_case
def test_the_figures_worked_out_for_a_case_add_up(case: StatementCase) -> None:
    """Of the file alone: a slip of the pen is found before the program is suspected."""
    for statement in dict.fromkeys(line.statement for line in case.expected):
        lines = [line for line in case.expected if line.statement == statement]
        units = {(line.line, line.of): int(line.units) for line in lines if line.line in ("included", "overage")}
        for line in lines:
            if line.line == "active":
                assert int(line.units) == units["included", line.of] + units["overage", line.of]
        assert sum(1 for line in lines if line.line.startswith(("window ", "note"))) == 1
        assert lines[-1].line == "total"
        parts = [line.amount for line in lines if line.line.startswith(("charge ", "moved "))]
        if lines[-1].amount:
            assert sum(map(Decimal, parts), Decimal(0)) == Decimal(lines[-1].amount)
        else:
            assert not any(parts), "an amount is known and the total is not"


@every_case
def test_a_case_of_statements_is_written_in_full(case: StatementCase) -> None:
    for name, columns in ((CLOSINGS, ("as_of", "why")), (STATEMENT, (*Line._fields, "why"))):
        assert {tuple(row) for row in rows(case.path / name)} == {columns}
    assert all(row["why"] for row in rows(case.path / CLOSINGS))
    assert all(row["why"] for row in rows(case.path / "facts.csv")), "every fact says why it is there"
    for row in rows(case.path / STATEMENT):
        bare = row["units"] in ("", "0") and not row["amount"] and row["line"] != "beyond"
        assert row["why"] or bare, f"statement {row['statement']}: {row['line']} has no workings"
    published_rates = all(not term.plan.vendor or term.plan.tariff is None for term in case.terms)
    assert published_rates, "published plans carry only published rates"
    for path in case.path.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert "[tariff" not in text or any(words in text for words in MADE_UP), f"{path.name}: whose rates are these?"


@every_case
def test_a_case_in_the_folder_of_a_plan_can_be_given_to_the_command_line_as_it_stands(case: StatementCase) -> None:
    if case.path.is_relative_to(PLANS):
        assert "copies" not in rows(case.path / "facts.csv")[0]


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_every_published_plan_has_a_case_with_statements(plan: rollbook.Plan) -> None:
    assert [case for case in all_statement_cases() if case.terms[0].plan.id == plan.id]


RAISED = "a-base-raised-within-the-month-holds-for-all-of-it-and-a-month-below-it-pays-it"


def test_a_base_is_never_raised_for_a_month_that_is_closed(tmp_path: Path) -> None:
    case = read_statement_case(PLANS / "wisenet-elearning" / "cases" / RAISED)
    [term], facts = case.terms, [fact for _, fact in case.arrivals]
    with rollbook.meter(facts, term, as_of=case.closings[0]) as result:
        [january] = close(Book(tmp_path), result, lambda: bytes(32))
    raised_us = to_us(datetime(2026, 1, 20, tzinfo=UTC))
    dated_back = replace(term, quantities=(*term.quantities[:1], Quantity(raised_us, 3)))
    with (
        rollbook.meter(facts, dated_back, as_of=case.closings[1]) as result,
        pytest.raises(BookError, match="quantities: it says otherwise about the time before 2026-02-01T00:00:00Z"),
    ):
        list(close(Book(tmp_path), result, lambda: bytes(32)))
    assert Book(tmp_path).statements == (january,)
