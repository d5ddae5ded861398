"""What a system that bills is given: a row for each charge and adjustment, known by its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rollbook.books.book import Book
from rollbook.books.charges import COLUMNS, lines
from rollbook.model.tariff import Rate, Tier
from tests.documentation import ROOT

from .made import FEBRUARY, JANUARY, LATE, PRICES, closed, entered, previewed, quarter

OURS = "Academy/facilitate-annual/2026-01-01"


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(lines(Book(folder).records).to_pylist())


def test_every_column_says_what_it_means(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    schema = lines(Book(tmp_path).records).schema
    assert {field.name: field.metadata[b"meaning"].decode() for field in schema} == COLUMNS


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_documented(column: str) -> None:
    assert f"| `{column}` | {COLUMNS[column]} |" in (ROOT / "docs/statements.md").read_text(encoding="utf-8")


def test_a_charge_is_a_row_with_its_window_its_days_and_its_price(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    assert rows(tmp_path)[1] == {
        "key": f"{OURS}/1//overage",
        "statement": 1,
        "customer": "Academy",
        "plan": "facilitate-annual",
        "term": 1,
        "window": 1,
        "window_start": date(2026, 1, 1),
        "window_end": date(2026, 2, 1),
        "zone": "UTC",
        "pool": "",
        "kind": "overage",
        "adjustment": False,
        "description": "Facilitate, annual subscription, window 1: beyond the allowance",
        "units": 1,
        "unit_price": Decimal("4.00"),
        "amount": Decimal("4.00"),
        "currency": "EUR",
        "due": date(2026, 2, 1),
    }


def test_an_adjustment_has_the_key_of_its_line_and_the_number_of_its_statement(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    closed(tmp_path, entered("dan", "2026-01-20"), "2026-03-01")
    closed(tmp_path, entered("eve", "2026-01-21"), "2026-04-01")
    found = [(row["key"], row["units"], row["amount"]) for row in rows(tmp_path) if row["adjustment"]]
    # Two at 4.00 instead of one; then three at 3.00 instead of two at 4.00.
    assert found == [
        (f"{OURS}/1//overage/2", 1, Decimal("4.00")),
        (f"{OURS}/1//overage/3", 1, Decimal(3 * 3 - 2 * 4)),
    ]


def test_no_key_comes_twice(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    closed(tmp_path, [*LATE, *FEBRUARY], "2026-04-01")
    closed(tmp_path, entered("fay", "2026-01-22", "2026-02-22"), "2026-05-01")
    keys = [row["key"] for row in rows(tmp_path)]
    assert len(keys) == len(set(keys)) == 1 + 1 + 1 + 1 + 1 + 1, "January: 2, late: 1, February: 1, March: 1, note: 1"


def test_a_key_is_of_parts_that_cannot_run_together(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01", quarter(customer="a/b%"))
    assert rows(tmp_path)[0]["key"].startswith("a%2Fb%25/facilitate-annual/")


def test_what_a_note_books_is_due_when_it_was_written(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-04-01")
    closed(tmp_path, LATE, "2026-05-04")
    note = rows(tmp_path)[-1]
    assert (note["due"], note["window_start"], note["window"]) == (date(2026, 5, 4), None, 1)


def test_several_rates_or_a_sum_beside_the_rate_are_no_unit_price(tmp_path: Path) -> None:
    tiers = (Tier(1, Decimal("4.00")), Tier(2, Decimal("1.125"), Decimal("2.00")))
    graduated = replace(PRICES, overage=Rate(shape="graduated", tiers=tiers))
    volume = replace(PRICES, overage=Rate(shape="volume", tiers=tiers))
    for name, quote in (("graduated", graduated), ("volume", volume)):
        closed(tmp_path / name, [*JANUARY, *LATE], "2026-02-01", quarter(quote=quote))
        assert rows(tmp_path / name)[1]["unit_price"] is None


def test_prices_keep_all_their_digits(tmp_path: Path) -> None:
    quote = replace(PRICES, base=Rate(shape="flat", tiers=(Tier(1, Decimal("0.33335")),)))
    closed(tmp_path, JANUARY, "2026-02-01", quarter(quote=quote))
    assert [row["unit_price"] for row in rows(tmp_path)] == [Decimal("0.33335"), Decimal("4.00")]


def test_without_prices_there_are_units_and_no_amounts(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01", quarter(quote=None))
    found = [(row["units"], row["unit_price"], row["amount"], row["currency"]) for row in rows(tmp_path)]
    assert found == [(2, None, None, ""), (1, None, None, "")]


def test_in_a_preview_only_what_was_bought_and_is_due_has_its_key(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    record = previewed(
        tmp_path, [*LATE, *entered("x", "2026-02-02"), *entered("y", "2026-02-03"), *FEBRUARY], "2026-02-10"
    )
    found = [(row["kind"], row["adjustment"], row["key"]) for row in lines([record]).to_pylist()]
    assert found == [("base", False, f"{OURS}/2//base"), ("overage", False, ""), ("overage", True, "")]
