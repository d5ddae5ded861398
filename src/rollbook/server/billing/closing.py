"""Windows close themselves: what is due is derived from the tables, and the library's close makes the statement.

A statement rests on a fresh count of a copy of the facts, which has to say what the live counts say: where the two
differ nothing is closed and operators are told. Counting holds no lock. Each statement is then stored in a transaction
of its own, behind the customer's lock, if nothing it rests on has changed meanwhile: an approval, a hold, what was
agreed, or a statement that somebody else closed. So a process may be killed anywhere, and two may run at once.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

from django.db import InterfaceError, OperationalError, connection, transaction

from rollbook import library
from rollbook.accounting.account import Account
from rollbook.books import book as books
from rollbook.books.book import Book
from rollbook.books.closing import Closing, close, closes_us, known_us
from rollbook.errors import Problem, RollbookError
from rollbook.metering.calendar import windows
from rollbook.model.fact import CORRECTIONS
from rollbook.model.instants import from_us
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.server import models
from rollbook.server.access import audit
from rollbook.server.billing import approvals, shelf
from rollbook.server.live import contracts, driver, metering, snapshots
from rollbook.server.models.contracts import SHADOW
from rollbook.server.notices.announce import announce

LOG = logging.getLogger("rollbook.server.billing.closing")

WORKER = "worker"
"""How the audit calls what closes by itself."""

STATEMENTS_MAX = 200
"""Statements of one run; the next run goes on."""

RETRY_SECONDS = 3600
"""After how long a closing that failed is tried again."""

SECRET_BYTES = 32
SECOND_US = 1_000_000
_DAY_SECONDS = 86_400


class CountsDifferError(RollbookError):
    """The facts give other counts than the live ones: one of the two was changed, and nothing may rest on either."""

    code = "counts-differ"


class OvertakenError(Exception):
    """What a statement rests on was changed while it was made: it is thrown away, and made anew by the next run."""


@dataclass(frozen=True, slots=True)
class Coming:
    """The statement that is due next: its number, and its window; None for a note after the term."""

    number: int
    window: Window | None


def close_due(now_us: int, most: int = STATEMENTS_MAX) -> int:
    """Closes what is due of all subscriptions but shadows and those on hold; how many statements were closed.

    now_us  what the clock says, UTC microseconds: nothing at or after it is counted
    most    statements of this run

    A subscription that fails is told to operators, is tried again after `RETRY_SECONDS`, and stops no other.
    """
    _sweep()
    begun = (from_us(now_us) + timedelta(days=1)).date()
    rows = models.Subscription.objects.exclude(kind=SHADOW).filter(close_on_hold="", start__lte=begun)
    closed = 0
    for key in list(rows.order_by("id").values_list("pk", flat=True)):
        if closed >= most:
            break
        closed += _tried(key, now_us, most - closed)
    return closed


def close_subscription(key: int, now_us: int, most: int = STATEMENTS_MAX, by: str = WORKER) -> int:
    """Closes what is due of one subscription; how many statements were closed.

    Raises CountsDifferError and BookError where nothing can be closed, and OvertakenError where somebody else was
    faster. What was closed before that stays closed.
    """
    row = read(key)
    subscription = contracts.subscription_of(row)
    due = coming(row, subscription, now_us)
    if due is None or row.close_on_hold or row.kind == SHADOW:
        return 0
    if due.window is not None and not approvals.allowed(row, subscription, due.number, due.window):
        return 0
    with transaction.atomic():
        metering.locked([row.customer_id])
        metering.begin_windows(contracts.live(read(key)), now_us)
    with tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
        facts = Path(folder) / "facts.parquet"
        with snapshots.one_view():
            row = read(key)
            live = contracts.live(row)
            book = shelf.take_down(row, Path(folder) / "book")
            if known_us(book) > now_us:
                # Another worker, whose round began later, was faster: this one's next round knows more.
                raise OvertakenError
            types = snapshots.types_that_count(live.subscription.plan.meter)
            copied = snapshots.copy_facts(live.subscription.organisations or (), facts, types, shelf.known(row))
            # Facts of clocks that go ahead are in the live counts already, so they are compared with all of them.
            until_us = max(now_us, copied.latest_us + 1)
            expected = metering.account_of(live, until_us)
        with snapshots.counted([*book.facts_files(), str(facts)], live, until_us) as result:
            refuse_difference(result.account, expected, now_us)
            if until_us > now_us:
                counted = library.meter_again(
                    result, live.subscription, as_of=from_us(now_us), assumed=snapshots.assumed(live)
                )
            else:
                counted = result
            return _write(row, book, counted, copied.last, most, by)


def coming(row: models.Subscription, subscription: Subscription, now_us: int) -> Coming | None:
    """What is due next; None where nothing is. Windows are closed in order, and notes follow the last of them."""
    closed = row.statements.filter(window_number__isnull=False).count()
    number = row.statements.count() + 1
    term = windows(subscription)
    found: Coming | None = None
    if closed < len(term):
        window = term[closed]
        found = Coming(number, window) if closes_us(subscription, window) <= now_us else None
    elif _came_late(row, subscription):
        found = Coming(number, None)
    return found


def closes_at_once(row: models.Subscription, now_us: int) -> int:
    """How many windows the next runs close, were nothing else to happen: those that are over, up to an approval."""
    subscription = contracts.subscription_of(row)
    if row.close_on_hold or row.kind == SHADOW:
        return 0
    over = takewhile(lambda it: closes_us(subscription, it) <= now_us, windows(subscription))
    found = sum(1 for _ in takewhile(lambda it: not approvals.asks_first(subscription, it), over))
    return max(0, found - row.statements.filter(window_number__isnull=False).count())


def refuse_difference(fresh: Account, live: Account, until_us: int) -> None:
    """Raises CountsDifferError where two counts of the windows that are over differ; a recount says how."""
    problems = []
    for window in fresh.windows:
        if window.end_us <= until_us:
            counts = [
                (
                    [it for it in found.consumption if it.window == window],
                    [it for it in found.seats if it.window == window],
                )
                for found in (fresh, live)
            ]
            if counts[0] != counts[1]:
                active, active_live = (sum(it.active for it in found[0]) for found in counts)
                rule = f"its facts give {active:,} active, and the live count has {active_live:,}"
                if active == active_live:
                    rule = f"its facts and the live count both give {active:,} active, and differ in the rest"
                remedy = "see what differs: rollbook recount; nothing is closed until both agree"
                problems.append(Problem(f"window {window.number}", rule, remedy))
    if problems:
        raise CountsDifferError(problems)


def read(key: int) -> models.Subscription:
    """A subscription as it stands now, with what a model object of it needs."""
    return models.Subscription.objects.select_related("plan", "customer").get(pk=key)


def _write(row: models.Subscription, book: Book, result: library.Result, last: int, most: int, by: str) -> int:
    """Writes and stores one statement after the other, as far as they are due and approved."""
    subscription, now_us = result.subscription, result.account.as_of_us
    if not Closing(book, result).due:
        # Facts that came after the term and change nothing: they need not be looked at again.
        models.Subscription.objects.filter(pk=row.pk).update(facts_settled=last)
        return 0
    statements = close(book, result, lambda: secrets.token_bytes(SECRET_BYTES))
    term, closed = windows(subscription), len(book.closed)
    for done in range(most):
        number = len(book.statements) + done + 1
        window = term[closed + done] if closed + done < len(term) else None
        # A note is due from the start of a run, or not at all in it.
        if (window is None and done) or (window is not None and closes_us(subscription, window) > now_us):
            return done
        if not approvals.allowed(row, subscription, number, window):
            return done
        statement = next(statements, None)
        if statement is None:
            return done
        _store(row, subscription, book, statement, last, by)
    return most


@transaction.atomic(durable=True)
def _store(
    row: models.Subscription, subscription: Subscription, book: Book, statement: books.Statement, last: int, by: str
) -> None:
    """One statement with all that belongs to it, the audit, and the announcement: all, or nothing."""
    metering.locked([row.customer_id])
    now = read(row.pk)
    unchanged = contracts.subscription_of(now) == subscription and now.kind != SHADOW and not now.close_on_hold
    if not unchanged or now.statements.count() != statement.number - 1:
        raise OvertakenError
    stored = shelf.put_up(now, book, statement, last, by)
    models.Subscription.objects.filter(pk=row.pk).update(facts_settled=last)
    now.closings.filter(number=statement.number).update(withheld="")
    record = statement.record
    window = record["window"]
    said = {"statement": stored.number, "digest": stored.digest, "total": record["total"] or ""}
    said["currency"] = record["currency"]
    if window:
        said |= {"window": window["number"], "from": window["start"], "until": window["end"]}
    announce("statement.closed", now.customer, said, now)
    thing, details = f"subscription {now.pk}", {"statement": stored.number, "digest": stored.digest}
    audit.record(by, "statement.closed", thing, now.customer_id, **details)


def _came_late(row: models.Subscription, subscription: Subscription) -> bool:
    """Whether facts came that a note after the term may have to book. Facts of others are passed over for good."""
    types = snapshots.types_that_count(subscription.plan.meter)
    with transaction.atomic():
        # Behind the lock every number of this customer's facts up to the last one is there, or never will be.
        metering.locked([row.customer_id])
        last = _last_number()
        settled = models.Subscription.objects.values_list("facts_settled", flat=True).get(pk=row.pk)
        if settled >= last:
            return False
        with connection.cursor() as cursor:
            # A customer without organisations has no facts, and some databases know no empty list.
            organisations = subscription.organisations or ("",)
            names, kinds = (", ".join(["%s"] * len(it)) for it in (organisations, types))
            cursor.execute(
                f"""select 1 from fact where number > %s and number <= %s and organisation in ({names})
                    and type in ({kinds}) and (at_us < %s or type in (%s, %s)) limit 1""",
                [settled, last, *organisations, *sorted(types), subscription.end_us, *CORRECTIONS],
            )
            late = cursor.fetchone() is not None
        if not late:
            models.Subscription.objects.filter(pk=row.pk).update(facts_settled=last)
    return late


def _last_number() -> int:
    """The number of the last fact of all."""
    sql = "select coalesce(max(number), 0) from fact"
    if driver.on_postgresql():
        sql = "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('fact_key', 'number')::regclass), 0)"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def _tried(key: int, now_us: int, most: int) -> int:
    """Closes what is due of one subscription, whatever happens; how many statements were closed."""
    if approvals.failed_since(key, now_us - RETRY_SECONDS * SECOND_US):
        return 0
    before = models.Statement.objects.filter(subscription=key).count()
    try:
        return close_subscription(key, now_us, most)
    except (OvertakenError, OperationalError, InterfaceError):
        # A database that is away is back by the next run, or is told by everything else.
        words = ""
    except RollbookError as error:
        words = f"{error.problems[0].rule}; {error.problems[0].remedy}" if error.problems else error.code
        LOG.warning("subscription %s cannot be closed: %s", key, error.code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are closed
        # The kind and the frames, and not the text, which may quote.
        frames = [f"{it.filename}:{it.lineno} {it.name}" for it in traceback.extract_tb(error.__traceback__)]
        LOG.error("subscription %s: %s at %s", key, type(error).__name__, " < ".join(reversed(frames[-20:])))  # noqa: TRY400
        words = f"the server made a mistake ({type(error).__name__}); look into its log"
    if words:
        approvals.withhold(key, words, now_us)
    return models.Statement.objects.filter(subscription=key).count() - before


def _sweep() -> None:
    """Removes what closings left behind whose process was killed: it has surrogates and secrets in it."""
    for folder in Path(tempfile.gettempdir()).glob(snapshots.FOLDER + "*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _DAY_SECONDS:
                shutil.rmtree(folder)
