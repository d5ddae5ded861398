"""A book in the database: exactly the bytes of a folder, so that the library closes, exports and verifies it as ever.

The record of a statement is a row; what stands beside it, and the texts of plans, are pieces of at most 1 MiB. Rows are
only ever added, those of one statement in one transaction: a statement is there with everything, or it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rollbook.books import book as books
from rollbook.books.book import BESIDE, Book
from rollbook.model.instants import to_us
from rollbook.proof.digests import readable_record
from rollbook.server.models import Statement, StatementFile, Subscription

PIECE_BYTES = 1 << 20

_PIECES = 8
"""Pieces that are in memory, or in one insert, at once."""

_NAME = re.compile(r"[0-9]{4,6}\.(evidence\.parquet|facts\.parquet|secret)|plan\.[0-9a-f]{64}\.toml")


def take_down(row: Subscription, folder: Path, last: int | None = None) -> Book:
    """Writes the book of a subscription into a folder, up to a statement; the book.

    Call it in one view of the database: statements and files have to be of one moment. Raises BookError where they
    are not as they were closed.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    statements = row.statements.order_by("number")
    files = row.files.order_by("name", "part")
    if last is not None:
        statements, files = statements.filter(number__lte=last), files.filter(number__lte=last)
    for number, record in statements.values_list("number", "record").iterator(chunk_size=_PIECES):
        (folder / f"{number:04}.json").write_bytes(readable_record(record))
    for name, content in files.values_list("name", "content").iterator(chunk_size=_PIECES):
        if not _NAME.fullmatch(name):
            raise ValueError("a piece of no file of a book")
        with (folder / name).open("ab") as file:
            file.write(content)
    return Book(folder)


def known(row: Subscription) -> tuple[int, int]:
    """What the book holds: facts up to a number, before an instant in UTC microseconds; (0, 0) of an empty one."""
    last = row.statements.order_by("-number").values_list("last_fact", "record__as_of").first()
    return (last[0], to_us(datetime.fromisoformat(last[1]))) if last else (0, 0)


def put_up(row: Subscription, book: Book, statement: books.Statement, last_fact: int, closed_by: str) -> Statement:
    """Stores a statement with its files, which lie in the folder of a book. The customer is locked.

    last_fact  number of the last fact that it knows: all of them up to it, and before its `as_of`, are in the book

    Raises django.db.IntegrityError where the number or the window is taken.
    """
    number = statement.number
    paths = [book.path(number, ending) for ending in BESIDE]
    kept = set(row.files.filter(name__startswith="plan.").values_list("name", flat=True).distinct())
    plans = [book.plan_path(digest) for digest in statement.record["plans"]]
    paths += [path for path in dict.fromkeys(plans) if path.is_file() and path.name not in kept]
    for path in paths:
        pieces = _pieces(path)
        while batch := _taken(pieces):
            StatementFile.objects.bulk_create(
                StatementFile(subscription=row, number=number, name=path.name, part=part, content=content)
                for part, content in batch
            )
    return Statement.objects.create(
        subscription=row,
        number=number,
        window_number=statement.window,
        digest=statement.digest,
        record=statement.record,
        adjusts=sorted({window for it in statement.record["adjustments"] for window in it["windows"]}),
        closed_by=closed_by,
        last_fact=last_fact,
    )


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """The pieces of a file, by number from 0; of an empty file one that is empty."""
    with path.open("rb") as file:
        part = 0
        while (content := file.read(PIECE_BYTES)) or not part:
            yield part, content
            part += 1


def _taken(pieces: Iterator[tuple[int, Any]]) -> list[tuple[int, Any]]:
    return [piece for _, piece in zip(range(_PIECES), pieces, strict=False)]
