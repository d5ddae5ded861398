"""What is shown of statements and handed out: from the record alone where that is enough, else from the book.

Statements, bundles and proofs name learners by surrogates, so that erasing somebody changes no digest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from rollbook.books.bundle import export
from rollbook.books.charges import lines
from rollbook.books.closing import Closing
from rollbook.books.proving import prove
from rollbook.render.pdf import write_pdf
from rollbook.render.statement_words import known_locale
from rollbook.server.billing import shelf
from rollbook.server.live import contracts, snapshots
from rollbook.server.models import Statement, Subscription
from rollbook.server.refusals import missing


def find(row: Subscription, number: int) -> Statement:
    """A statement by its number. Raises RefusedError 404."""
    found = row.statements.filter(number=number).first()
    if found is None:
        raise missing("statement")
    return found


def latest(row: Subscription, before: int, most: int) -> list[Statement]:
    """The last statements, the newest first; `before` only those with a lower number, 0 for all."""
    rows = row.statements.filter(number__lt=before) if before else row.statements.all()
    return list(rows.order_by("-number")[:most])


def closed_in(row: Subscription) -> dict[int, int]:
    """Window → the number of the statement that closed it."""
    rows = row.statements.values_list("window_number", "number")
    return {window: number for window, number in rows if window is not None}


def corrected_in(row: Subscription) -> dict[int, list[int]]:
    """Window → the numbers of the statements after its own that correct it, in order."""
    found: dict[int, list[int]] = {}
    for number, adjusts in row.statements.exclude(adjusts=[]).order_by("number").values_list("number", "adjusts"):
        for window in adjusts:
            found.setdefault(window, []).append(number)
    return found


def pdf(row: Subscription, number: int, locale: str = "en") -> bytes:
    """A statement on paper; the same bytes every time. Raises UsageError for a locale that does not exist."""
    written_in = known_locale(locale)
    statement = find(row, number)
    before = row.statements.filter(number__lt=number).order_by("number").values_list("record", flat=True)
    return write_pdf(statement.record, digest=statement.digest, before=list(before), locale=written_in)


def charges(row: Subscription, number: int | None = None) -> pa.Table:
    """The charges and adjustments of one statement, or of all: a row each, known for ever by its key."""
    records = (
        [find(row, number).record] if number else row.statements.order_by("number").values_list("record", flat=True)
    )
    return lines(records)


@contextmanager
def bundle(row: Subscription, number: int) -> Iterator[Path]:
    """A statement with everything that it rests on, as `rollbook verify` reads it; the file is gone afterwards.

    It holds secrets and a row for every learner: for those alone who may see all of them.
    """
    find(row, number)
    with snapshots.turn(), tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
        with snapshots.one_view():
            book = shelf.take_down(row, Path(folder) / "book", number)
        to = Path(folder) / "bundle.zip"
        export(book, number, to)
        yield to


def proof(
    row: Subscription, number: int, unit: str, *, guest: bool = False, organisation: str | None = None
) -> Mapping[str, Any]:
    """The proof that a learner is in a statement, for them alone to have: it says nothing of anybody else.

    unit  a surrogate, or the id of a guest's entry

    Raises UsageError where they are not in it.
    """
    with bundle(row, number) as path:
        return prove(path, unit, guest=guest, organisation=organisation)


def preview(row: Subscription, now_us: int, window: int | None = None) -> dict[str, Any]:
    """The statement of a window that is not closed, as it stands: by default of the one that runs.

    Raises BookError for a window that is closed or has not begun.
    """
    with snapshots.turn(), tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
        facts = Path(folder) / "facts.parquet"
        with snapshots.one_view():
            live = contracts.live(Subscription.objects.select_related("plan", "customer").get(pk=row.pk))
            book = shelf.take_down(row, Path(folder) / "book")
            types = snapshots.types_that_count(live.subscription.plan.meter)
            snapshots.copy_facts(live.subscription.organisations or (), facts, types, shelf.known(row))
        with snapshots.counted([*book.facts_files(), str(facts)], live, now_us + 1) as result:
            return Closing(book, result).preview(window)
