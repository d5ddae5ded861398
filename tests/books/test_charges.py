"""What a system that bills is given: a row for each charge and adjustment, known by its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rollbook.books.book import Book
from rollbook.books.bundle import export
from rollbook.books.charges import COLUMNS, lines
from rollbook.books.closing import Closing
from rollbook.books.verifying import verify
from rollbook.model.instants import to_us
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Change
from rollbook.model.tariff import Rate, Tier
from tests.documentation import ROOT

from .made import FEBRUARY, JANUARY, LATE, PRICES, at, closed, entered, metered, previewed, quarter

OURS = f"Academy/facilitate-annual/2026-01-01/{sha256(b'north').hexdigest()[:12]}"


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


def test_in_a_preview_only_what_was_bought_in_advance_has_its_key(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    record = previewed(
        tmp_path, [*LATE, *entered("x", "2026-02-02"), *entered("y", "2026-02-03"), *FEBRUARY], "2026-02-10"
    )
    found = [(row["kind"], row["adjustment"], row["key"]) for row in lines([record]).to_pylist()]
    assert found == [("base", False, f"{OURS}/2//base"), ("overage", False, ""), ("overage", True, "")]


@pytest.mark.parametrize("changed", [{"base_timing": "arrears"}, {"base_timing": "arrears", "base_charged": "used"}])
def test_in_a_preview_what_may_still_change_has_no_key_even_where_it_is_due(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    """Before January is closed, on the 10th of February, somebody may still be counted in it, or taken back."""
    book, to = Book(tmp_path), quarter(quote=replace(PRICES, **changed))
    with metered(book, JANUARY, "2026-02-10", to) as result:
        record = Closing(book, result).preview(1)
    assert [(it["kind"], it["key"]) for it in record["charges"]] == [("base", ""), ("overage", "")]
    [statement] = closed(tmp_path, JANUARY, "2026-02-10", to)
    assert [it["key"] for it in statement.record["charges"]] == [f"{OURS}/1//base", f"{OURS}/1//overage"]


def test_books_of_different_organisations_share_no_key(tmp_path: Path) -> None:
    """The customers have no name: only the organisations tell them apart."""
    facts = [*JANUARY, *entered("gil", "2026-01-05", organisation="south")]
    keys = []
    for number, names in enumerate((("north",), ("south",), ("north", "south"), ("north/south",), None)):
        closed(tmp_path / str(number), facts, "2026-02-01", quarter(customer="", organisations=names))
        keys.append(rows(tmp_path / str(number))[0]["key"])
    assert len(set(keys)) == len(keys)
    assert keys[-1] == "/facilitate-annual/2026-01-01/all/1//base"


def test_the_order_in_which_organisations_are_named_changes_no_key(tmp_path: Path) -> None:
    for name, order in (("a", ("north", "south")), ("b", ("south", "north"))):
        closed(tmp_path / name, JANUARY, "2026-02-01", quarter(organisations=order))
    assert [row["key"] for row in rows(tmp_path / "a")] == [row["key"] for row in rows(tmp_path / "b")]


def test_what_follows_a_first_month_without_prices_has_a_currency_and_is_adjusted(tmp_path: Path) -> None:
    """January is free. In February, of two who are beyond at 4.00 each, one comes too late: 4.00 more in March."""
    free = quarter().plan
    priced = parse_plan(free.text + '\n[tariff]\ncurrency = "EUR"\noverage = { rate = 4.00 }\n')
    to = quarter(quote=None, quantities=(), changes=(Change(to_us(at("2026-02-01")), priced),))
    came = [*JANUARY, *entered("ann", "2026-02-03")]
    closed(tmp_path, came, "2026-03-01", to)
    closed(tmp_path, entered("bob", "2026-02-04"), "2026-04-01", to)
    january, february, march = Book(tmp_path).records
    assert [(it["currency"], it["total"]) for it in (january, february)] == [("", None), ("EUR", "4.00")]
    assert [it["amount"] for it in march["adjustments"]] == ["4.00"]
    assert (march["currency"], march["total"]) == ("EUR", "4.00")
    export(Book(tmp_path), 3, tmp_path / "3.zip")
    assert verify(tmp_path / "3.zip").holds
