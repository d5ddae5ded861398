"""Cases of statements, closed by the server: facts come in when they arrive, and windows close themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from django.db import connection

from rollbook.books.book import Book
from rollbook.model.instants import to_us
from rollbook.server import models
from rollbook.server.billing import approvals, closing, shelf
from rollbook.server.live import contracts, metering, people, snapshots
from rollbook.server.operation import recounting
from rollbook.server.receiving.ingest import Sender, ingest
from tests.server.world import at
from tests.statements.running import RATES, Line, StatementCase, _told

PLATFORM = Sender("platform")


def agreed(case: StatementCase) -> list[models.Subscription]:
    """A customer with the organisations of a case, subscribed for each of its terms."""
    owner = models.Customer.objects.create(name=case.terms[0].customer or "nobody in particular")
    names = {fact.organisation for _, fact in case.arrivals}.union(*(term.organisations or () for term in case.terms))
    for name in sorted(names):
        models.Organisation.objects.create(name=name, customer=owner)
    rows = []
    for term in case.terms:
        row = contracts.subscribe(owner, term, kind="pilot")
        row.quote = quote_of(case)
        row.save()
        metering.rebuild(row, term.start_us - 1)
        rows.append(row)
    return rows


def quote_of(case: StatementCase) -> str:
    """The prices of a case, as text."""
    if (case.path / RATES).is_file():
        return (case.path / RATES).read_text(encoding="utf-8")
    text = (case.path / "subscription.toml").read_text(encoding="utf-8")
    assert "tariff" not in tomllib.loads(text) or case.terms[0].quote is not None
    return text if case.terms[0].quote is not None else ""


def server_lines(case: StatementCase) -> Iterator[Line]:
    """What the server's statements say, in the order in which they were closed."""
    rows = agreed(case)
    waiting = list(case.arrivals)
    for as_of in case.closings:
        now_us = to_us(as_of)
        due = [pair for pair in waiting if pair[0] <= now_us and pair[1].at_us < now_us]
        waiting = [pair for pair in waiting if pair not in due]
        receipt = ingest([fact for _, fact in due], PLATFORM, now_us)
        assert (receipt.new, receipt.rejected, receipt.held) == (len(due), [], 0)
        before = {row.pk: row.statements.count() for row in rows}
        closing.close_due(now_us)
        for row, term in zip(rows, case.terms, strict=True):
            assert not metering_differences(row)
            for statement in row.statements.filter(number__gt=before[row.pk]).order_by("number"):
                label = str(statement.number) if len(case.terms) == 1 else f"{term.term}.{statement.number}"
                for line in told(row, statement, several_plans=bool(term.changes)):
                    yield line._replace(statement=label)


def metering_differences(row: models.Subscription) -> list[str]:
    """What a count from nothing says otherwise."""
    return recounting.recount(row.pk).differences


def told(row: models.Subscription, statement: models.Statement, *, several_plans: bool = False) -> list[Line]:
    """A statement line by line, with learners as they were sent."""
    with book_of(row) as book:
        evidence = pq.read_table(book.path(statement.number, "evidence.parquet")).to_pylist()
    known = people.named({it["unit"] for it in evidence if it["kind"] == "learner"})
    for it in evidence:
        if it["kind"] == "learner":
            it["unit"] = known[it["unit"]].learner
    return list(_told(statement.record, evidence, several_plans=several_plans))


class book_of:  # noqa: N801 - used like a function
    """The book of a subscription in a folder, while the context lasts."""

    def __init__(self, row: models.Subscription) -> None:
        self._row, self._folder = row, TemporaryDirectory()

    def __enter__(self) -> Book:
        with snapshots.one_view():
            return shelf.take_down(self._row, Path(self._folder.name) / "book")

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def events(name: str) -> list[dict[str, Any]]:
    """The data of announcements of a kind, oldest first."""
    rows = models.Message.objects.filter(event=name).order_by("id")
    return [row.content["data"] for row in rows]


def close_at(when: str) -> int:
    """What the worker does at an instant."""
    return closing.close_due(at(when))


def approve_all(row: models.Subscription) -> None:
    """Approves whatever waits."""
    for waiting in row.closings.filter(asked_at__isnull=False, approved_at__isnull=True):
        approvals.approve(row, waiting.number, "nora")


def facts_in_database() -> int:
    """How many facts are stored."""
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from fact")
        return int(cursor.fetchone()[0])
