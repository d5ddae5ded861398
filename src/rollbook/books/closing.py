"""Closes windows: what can be closed, what has to be adjusted, and the statement of each.

A window can be closed when it has ended, its grace is over, and every window before it is closed. What arrived late
for closed windows is booked on the first statement that is closed afterwards; after the term on a note of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from rollbook.accounting import statement
from rollbook.accounting.adjustments import Adjustment, adjustments, booked
from rollbook.accounting.agreed import agreed, differences, plans_until
from rollbook.books.book import Book, Statement
from rollbook.books.evidence import Row, changed_rows, window_rows, write_evidence, write_facts
from rollbook.books.intact import refuse_damage
from rollbook.errors import BookError, Problem
from rollbook.library import Result
from rollbook.model.instants import DAY_US, iso, to_us
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


@dataclass(frozen=True)
class Closing:
    """A book and what was metered to continue it: all facts of the book, and those that came since.

    continues  whether the last statement of the book was written from the very same result: then no fact is new, and
               nothing has changed for the windows that are closed

    Raises BookError where the subscription no longer says what it said when windows were closed, or where less time
    is metered than was then.
    """

    book: Book
    result: Result
    continues: bool = False

    def __post_init__(self) -> None:
        _refuse_other_terms(self.book, self.result.subscription)
        _refuse_earlier(self.book, self.result.account.as_of_us)

    @property
    def next_window(self) -> Window | None:
        """The first window that is not closed; None after the term."""
        return next((it for it in self.result.account.windows if it.number not in self.book.closed), None)

    def closable(self) -> list[Window]:
        """The windows that can be closed now, in order."""
        found = []
        for window in self.result.account.windows:
            if window.number not in self.book.closed:
                if self.result.account.as_of_us < closes_us(self.result.subscription, window):
                    break
                found.append(window)
        return found

    @property
    def due(self) -> bool:
        """Whether a statement can be closed now: of a window, or after the term of what arrived since."""
        return bool(self.closable() or (self.next_window is None and self.adjusted()[0]))

    def adjusted(self) -> tuple[tuple[Adjustment, ...], list[Row]]:
        """What is to be booked for closed windows, and the evidence of what changed."""
        if self.continues:
            return (), []
        return to_adjust(self.result, self.book.records, self.book.evidence_files())

    def preview(self, number: int | None = None) -> dict[str, Any]:
        """The statement of a window as it stands, by default of the one that runs or ran last: an accrual.

        After every window is closed, the note that is due.
        """
        found = self.result.account
        open_ = [
            it.number for it in found.windows if it.start_us < found.as_of_us and it.number not in self.book.closed
        ]
        if number is not None and number not in open_:
            rule = "it is closed" if number in self.book.closed else "no such window has begun"
            raise BookError(Problem(f"window {number}", rule, "give a window that runs, or ended and is not closed"))
        if not open_ and not self.book.closed:
            rule = f"the term begins on {self.result.subscription.start}, and nothing of it has happened yet"
            raise BookError(Problem("the first window", rule, "wait, or give a later instant with --as-of"))
        return statement.record(
            found,
            number or (open_[-1] if open_ else None),
            number=None,
            previous=self.book.last_digest,
            adjusted=self.adjusted()[0],
            evidence=None,
            facts=None,
            assumed=self.result.assumed,
            rejected=self.result.store.rejected,
        )

    def write(self, window: Window | None, secret: bytes) -> Mapping[str, Any]:
        """Writes one statement, of a window or a note: its facts and evidence first, its record last."""
        book, result = self.book, self.result
        number = len(book.statements) + 1
        adjusted, changed = self.adjusted()
        store = result.store.connection
        meter = result.subscription.plan.meter
        facts = write_facts(
            store,
            meter,
            result.organisations,
            0 if self.continues else result.account.as_of_us,
            book.empty(number, "facts.parquet"),
            () if self.continues else book.facts_files(),
        )
        units = window_rows(result.metered, store, result.account, window.number) if window else ()
        rows = chain(units, changed)
        evidence = write_evidence(rows, book.empty(number, "evidence.parquet"), secret)
        book.keep_secret(number, secret)
        for plan in plans_until(result.subscription, window.end_us if window else result.subscription.end_us):
            book.keep_plan(plan)
        record = statement.record(
            result.account,
            window.number if window else None,
            number=number,
            previous=book.last_digest,
            adjusted=adjusted,
            evidence={"rows": evidence.rows, "root": evidence.seal},
            facts={"rows": facts.rows, "digest": facts.seal},
            assumed=result.assumed,
            rejected=result.store.rejected,
        )
        book.commit(number, record)
        return record


def to_adjust(
    result: Result, records: Sequence[Mapping[str, Any]], evidence_files: Sequence[str]
) -> tuple[tuple[Adjustment, ...], list[Row]]:
    """What is to be booked for the windows that `records` closed, and the evidence of what changed."""
    found = result.account
    closed = sorted(record["window"]["number"] for record in records if record["window"])
    changed = list(changed_rows(result.metered, result.store.connection, found, closed, evidence_files))
    counts = Counter((int(str(row[0])), row[-1]) for row in changed)
    by_window = {
        number: (counts[number, statement.ADDED], counts[number, statement.REMOVED])
        for number in {number for number, _ in counts}
    }
    allowance = found.subscription.plan.allowance
    together = allowance.per == "term" or allowance.rollover_windows > 0
    return adjustments(closed, booked(records), found.charges, by_window, together=together), changed


def closes_us(subscription: Subscription, window: Window) -> int:
    """From which instant on a window can be closed."""
    return window.end_us + subscription.plan_at(window.start_us).governance.grace_days * DAY_US


def close(book: Book, result: Result, new_secret: Callable[[], bytes]) -> Iterator[Statement]:
    """Closes every window that can be closed, one after the other; after the term, what arrived since as a note.

    new_secret  gives 32 bytes that nobody can guess, for each statement

    Gives each statement when it is written. Raises BookError where a file of the book is not as it was closed, or
    where somebody else has closed since the book was read: what they knew is not in `result`.
    """
    with ExitStack() as held:
        first = book
        while True:
            closing = Closing(book, result, continues=book is not first)
            if not closing.due:
                return
            window = next(iter(closing.closable()), None)
            if book is first:
                held.enter_context(book.writing())
                refuse_damage(book)
            book = book.followed_by(closing.write(window, new_secret()))
            yield book.statements[-1]


def _refuse_other_terms(book: Book, subscription: Subscription) -> None:
    """What was agreed for closed windows must still be what the subscription says."""
    problems = []
    allowance = subscription.plan.allowance
    if (allowance.per_organisation or allowance.pool_scope == "organisation") and not subscription.organisations:
        rule = "each organisation brings or has an allowance, and none is named"
        raise BookError(Problem("organisations", rule, "name them in the subscription file, or with --organisation"))
    for closed in book.statements:
        for name, then, now in (
            ("customer", closed.record["customer"], subscription.customer),
            ("term", closed.record["term"]["number"], subscription.term),
        ):
            if then != now:
                rule = f"this is {now or 'nobody'}, and statement {closed.number} was closed for {then or 'nobody'}"
                remedy = "give each customer and each term a book of its own"
                problems.append(Problem(f"{book.folder}: {name}", rule, remedy))
        if problems:
            raise BookError(problems)
    for number, closed in book.closed.items():
        until_us = to_us(datetime.fromisoformat(closed.record["window"]["end"]))
        for name in differences(closed.record["agreed"], agreed(subscription, until_us)):
            rule = f"it says otherwise about the time before {iso(until_us)}, for which window {number} is closed"
            remedy = "restore what it said; date a change from that day on, or from the next window on"
            problems.append(Problem(f"{subscription.customer or 'subscription'}: {name}", rule, remedy))
        if problems:
            raise BookError(problems)
    if book.statements and not book.closed:
        raise BookError(Problem(str(book.folder), "it holds no closed window", "restore its first statement"))


def known_us(book: Book) -> int:
    """The instant of which the last statement knew everything before it, UTC microseconds; 0 before the first."""
    return to_us(datetime.fromisoformat(str(book.records[-1]["as_of"]))) if book.statements else 0


def _refuse_earlier(book: Book, as_of_us: int) -> None:
    """What was known at a close is known ever after: with less, whatever happened in between would be taken back."""
    if as_of_us < known_us(book):
        last = iso(known_us(book))
        rule = f"statement {len(book.statements)} was closed with what was known at {last}, and this is before it"
        raise BookError(Problem(f"--as-of {iso(as_of_us)}", rule, "give that instant or a later one"))
