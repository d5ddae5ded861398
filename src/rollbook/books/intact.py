"""Whether the files of a book are what was sealed: no later statement is built on anything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rollbook.accounting.statement import ADDED, BEYOND, INCLUDED, REMOVED
from rollbook.books.book import Book
from rollbook.books.evidence import EVIDENCE_SCHEMA, FACT_CELLS
from rollbook.errors import BookError, Problem
from rollbook.model.money import Money, total
from rollbook.proof.digests import Cell, canonical_row, digest_rows
from rollbook.proof.merkle import leaf, root, salt

_INSTANTS = {"at_us": "occurred_at", "recorded_us": "recorded_at"}
"""Cells of a fact that stand in its file as instants."""


def refuse_damage(book: Book) -> None:
    """Reads all facts and evidence of a book. Raises BookError, with every file that is not as it was closed."""
    problems = [problem for statement in book.statements for problem in _damage(book, statement.number)]
    if problems:
        raise BookError(problems)
    refuse_changed(book, len(book.statements))


def refuse_changed(book: Book, last: int) -> None:
    """Holds the records up to a number against themselves and their evidence, and plans against their digests.

    Nothing names the digest of the last record yet. Raises BookError, with everything that does not fit.
    """
    records = book.records[:last]
    problems = []
    for number, record in enumerate(records, 1):
        rules = [*_wrong_sums(record), *_wrong_counts(record, book.path(number, "evidence.parquet"))]
        problems += [Problem(str(book.path(number, "json")), rule, "restore it as it was closed") for rule in rules]
    if problems:
        raise BookError(problems)
    for digest in sorted({digest for record in records for digest in record["plans"]}):
        # One that was built without a text has none.
        if book.plan_path(digest).exists():
            book.plan_text(digest)


def _wrong_sums(record: Mapping[str, Any]) -> Iterator[str]:
    moved = [line for it in record["adjustments"] for line in it["charges"]]
    sums = [("total", record["total"], [*record["charges"], *moved])]
    sums += [("an adjustment", it["amount"], it["charges"]) for it in record["adjustments"]]
    for name, stated, lines in sums:
        known = [None if it["amount"] is None else Money(Decimal(it["amount"]), record["currency"]) for it in lines]
        found = total(known, record["currency"])
        if (None if found is None else found.amount) != (None if stated is None else Decimal(stated)):
            come = f"come to {found.amount}" if found else "have no known sum"
            yield f"{name} is {stated or 'not known'}, and its lines {come}"


def _wrong_counts(record: Mapping[str, Any], evidence: Path) -> Iterator[str]:
    try:
        table = pq.read_table(evidence, columns=["standing"])
    except (OSError, KeyError, pa.ArrowException):
        yield f"its evidence, {evidence.name}, cannot be read"
        return
    met = Counter({it["values"]: it["counts"] for it in table.column("standing").value_counts().to_pylist()})
    active = sum(it["active"] for it in record["consumption"])
    # Seats are counted at once or ever, and the evidence has everybody who sat in one: two who took turns are one seat.
    units = active if record["seats"] else met[INCLUDED] + met[BEYOND]
    for name, stated, found in (
        ("in its evidence", record["evidence"]["rows"], table.num_rows),
        ("active", active, units),
        ("added", sum(it["added"] for it in record["adjustments"]), met[ADDED]),
        ("removed", sum(it["removed"] for it in record["adjustments"]), met[REMOVED]),
    ):
        if stated != found:
            yield f"it says {stated:,} {name}, and its evidence has {found:,}: one of the two was changed"


def _damage(book: Book, number: int) -> Iterator[Problem]:
    record, secret = book.records[number - 1], book.secret(number)
    facts, evidence = (book.path(number, ending) for ending in ("facts.parquet", "evidence.parquet"))
    stated = record["facts"]["digest"], record["evidence"]["root"]
    for path, seal, found in zip(
        (facts, evidence), stated, (_facts_digest(facts), _evidence_root(evidence, secret)), strict=True
    ):
        if found != seal:
            rule = "it cannot be read" if found is None else "it is not what was closed: its seal is another"
            beside = f", or {book.path(number, 'secret').name}" if path is evidence and found is not None else ""
            yield Problem(str(path), rule + beside, "restore it as it was")


def _facts_digest(path: Path) -> str | None:
    names = [_INSTANTS.get(name, name) for name in FACT_CELLS]
    try:
        return digest_rows(_rows(path, names))
    except (OSError, KeyError, pa.ArrowException):
        return None


def _evidence_root(path: Path, secret: bytes) -> str | None:
    try:
        rows = [canonical_row(row) for row in _rows(path, EVIDENCE_SCHEMA.names)]
    except (OSError, KeyError, pa.ArrowException):
        return None
    return root([leaf(row, salt(secret, row)) for row in rows]).hex()


def _rows(path: Path, names: list[str]) -> Iterator[tuple[Cell, ...]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=names):
            columns = [batch.column(name) for name in names]
            plain = [
                it.cast(pa.timestamp("us", "UTC")).cast(pa.int64()) if pa.types.is_timestamp(it.type) else it
                for it in columns
            ]
            yield from zip(*(it.to_pylist() for it in plain), strict=True)
