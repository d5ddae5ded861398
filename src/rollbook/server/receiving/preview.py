"""What facts would add, without adding them (W-07): the very transaction that would take them in, rolled back.

While it runs it holds its customers' lock, and in SQLite nobody at all can write. So whoever asks never keeps others
from sending facts: one preview of a customer runs at a time, waits briefly for the lock, ends within `RUN_SECONDS`, and
all previews of a customer together hold its lock for a share of each minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

from django.db import OperationalError, connection, transaction

from rollbook.accounting.account import Account
from rollbook.accounting.statement import amount_value
from rollbook.errors import Problem
from rollbook.model.fact import Fact
from rollbook.model.instants import iso
from rollbook.server.access import throttle
from rollbook.server.live import contracts, driver, metering
from rollbook.server.models import Organisation
from rollbook.server.receiving.ingest import Rejected, Sender, ingest_within
from rollbook.server.refusals import RefusedError

AT_ONCE_MAX = 2
"""Previews in one process: its other threads answer others."""

LOCK_SECONDS = 2
"""How long one waits for its customers' lock."""

RUN_SECONDS = 10
"""How long one statement of it may take in PostgreSQL; in SQLite the number of its facts alone bounds it."""

SHARE_SECONDS = 20
"""Of each minute, for which previews may hold a customer's lock; in SQLite, which has one writer, everybody's."""

_running: list[frozenset[int]] = []
_LOCK = threading.Lock()


def preview(read: Sequence[Fact | tuple[Rejected, ...]], sender: Sender, now_us: int) -> dict[str, Any]:
    """The receipt that the facts would have, and for each window what would change. Nothing is kept.

    read  as for `ingest.ingest`

    Raises RefusedError 503 where others are at work, and 429 where the share of the minute is used up.
    """
    names = {fact.organisation for fact in read if isinstance(fact, Fact)}
    owners = Organisation.objects.filter(name__in=names).values_list("customer_id", flat=True)
    # Facts of a sender for one customer need not name its organisation.
    customers = frozenset(owners if sender.customer is None else {sender.customer})
    with unkept(customers, now_us):
        before = _accounts(customers, now_us)
        receipt = ingest_within(read, sender, now_us)
        after = _accounts(customers, now_us)
        changes = [change for key in after for change in _changes(key, before[key], after[key])]
    return {
        "received": receipt.received,
        "new": receipt.new,
        "repeats": receipt.repeats,
        "held": receipt.held,
        "rejected": [asdict(it) for it in receipt.rejected],
        "changes": changes,
    }


@contextmanager
def unkept(customers: frozenset[int], now_us: int) -> Iterator[None]:
    """A transaction in which customers are locked, briefly, and of which nothing is kept.

    Raises RefusedError 503 where others are at work, and 429 where the share of the minute is used up.
    """
    with _turn(customers), briefly(customers, now_us):
        yield
        transaction.set_rollback(True)


@contextmanager
def briefly(customers: frozenset[int], now_us: int) -> Iterator[None]:
    """A transaction in which customers are locked, within the share of each minute that previews have.

    Raises RefusedError as `unkept` does.
    """
    with _share(customers, now_us), _waiting():
        metering.locked(customers)
        yield


@contextmanager
def _turn(customers: frozenset[int]) -> Iterator[None]:
    """A place of this process. Nobody waits for one: a thread that waits answers nobody."""
    with _LOCK:
        if len(_running) >= AT_ONCE_MAX or any(customers & it for it in _running):
            raise _busy("another preview runs")
        _running.append(customers)
    try:
        yield
    finally:
        with _LOCK:
            _running.remove(customers)


@contextmanager
def _share(customers: frozenset[int], now_us: int) -> Iterator[None]:
    """Counts the milliseconds for which the lock was held or waited for."""
    buckets = sorted(customers) if driver.on_postgresql() else [0]
    now = now_us / 10**6
    since = int(now) // throttle.MINUTE * throttle.MINUTE
    if any(throttle.added("preview", it, since) >= SHARE_SECONDS * 1000 for it in buckets):
        rule = f"previews may take {SHARE_SECONDS} seconds of a minute, so that facts can be sent meanwhile"
        raise throttle.too_many(since + throttle.MINUTE - now, rule)
    began = time.monotonic()
    try:
        yield
    finally:
        # What it took of the minute in which it ends: that of an earlier one keeps nobody waiting any more.
        end = now + time.monotonic() - began
        ends = int(end) // throttle.MINUTE * throttle.MINUTE
        for bucket in buckets:
            throttle.add("preview", bucket, ends, int((end - max(now, ends)) * 1000) + 1)


@contextmanager
def _waiting() -> Iterator[None]:
    """A transaction that waits for nobody longer than `LOCK_SECONDS`. Raises RefusedError 503 instead."""
    try:
        if driver.on_postgresql():
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                cursor.execute(f"set local statement_timeout = '{RUN_SECONDS}s'")
                yield
            return
        with cast("Any", connection).waiting(LOCK_SECONDS), transaction.atomic():
            yield
    except OperationalError:
        raise _busy("facts are being taken in, or it took too long") from None


def _busy(rule: str) -> RefusedError:
    remedy = f"try again in {LOCK_SECONDS} seconds, with fewer facts where that does not help"
    return RefusedError(503, "busy", Problem("server", rule, remedy), {"Retry-After": str(LOCK_SECONDS)})


def _accounts(customers: frozenset[int], now_us: int) -> dict[int, Account]:
    return {live.key: metering.account_of(live, now_us + 1) for live in contracts.live_of_customers(customers)}


def _changes(key: int, before: Account, after: Account) -> list[dict[str, Any]]:
    """The windows that would be other than they are."""
    earlier = {(used.window.number, used.pool): used for used in before.consumption}
    found = []
    for now in after.consumption:
        was = earlier.get((now.window.number, now.pool))
        if was is None or (was.active, was.overage, was.available) == (now.active, now.overage, now.available):
            continue
        number = now.window.number
        found.append(
            {
                "subscription": key,
                "window": number,
                "start": iso(now.window.start_us),
                "end": iso(now.window.end_us),
                "pool": now.pool,
                "active": [was.active, now.active],
                "overage": [was.overage, now.overage],
                "available": [was.available, now.available],
                "total": [amount_value(before.total(number)), amount_value(after.total(number))],
                "currency": after.currency,
            }
        )
    return found
