"""Whether the files of a book are what was sealed: no later statement is built on anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rollbook.books.book import Book
from rollbook.books.evidence import EVIDENCE_SCHEMA, FACT_CELLS
from rollbook.errors import BookError, Problem
from rollbook.proof.digests import Cell, canonical_row, digest_rows
from rollbook.proof.merkle import leaf, root, salt

_INSTANTS = {"at_us": "occurred_at", "recorded_us": "recorded_at"}
"""Cells of a fact that stand in its file as instants."""


def refuse_damage(book: Book) -> None:
    """Reads all facts and evidence of a book. Raises BookError, with every file that is not as it was closed."""
    problems = [problem for statement in book.statements for problem in _damage(book, statement.number)]
    if problems:
        raise BookError(problems)


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
