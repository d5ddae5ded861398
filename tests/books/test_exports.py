"""The evidence of a statement as rows for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rollbook.accounting.statement import EVIDENCE_COLUMNS
from rollbook.books.book import Book
from rollbook.books.evidence import read_evidence

from .made import JANUARY, closed


def test_rows_of_evidence_have_an_instant_instead_of_microseconds(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    table = read_evidence(Book(tmp_path).path(1, "evidence.parquet")).read_all()
    assert table.column_names == [name.replace("first_us", "first_at") for name in EVIDENCE_COLUMNS]
    assert table.column("first_at").to_pylist() == [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6, 7)]
    assert table.column("unit").to_pylist() == ["ann", "bob", "carl"]
