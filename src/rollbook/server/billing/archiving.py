"""Moves deeds of closed windows from the database to the archive, one calendar month of a customer at a time.

First they are written into the customer's ledger, which holds more than it needs to for a while; then, in one
transaction behind the customer's lock, they leave the table, and the customer's row says how far the archive goes. So a
process may be killed anywhere: what was written and not taken out is found there by the next run, and written no second
time. Statuses and corrections stay, and so do guests' entries, which are found by more than their learner.

Law: wherever facts lie, counts, accounts and statements are the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.db import connection, transaction

from rollbook.engines.database.schema import is_kept_for_ever
from rollbook.errors import LedgerError, Problem
from rollbook.intake import ReadOptions
from rollbook.ledger import build
from rollbook.model.instants import from_us, to_us
from rollbook.server.live import archive, contracts, driver, metering, snapshots
from rollbook.server.models import Customer, Subscription
from rollbook.server.models.contracts import SHADOW

MONTHS_MAX = 24
"""Months of a customer that are moved in one run; the next run goes on."""

_MOVED = "not status and role <> 'guest'"
"""What is moved: deeds that somebody did who is named."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far facts may leave the table: those before an instant, with numbers up to one."""

    until_us: int
    last: int


def folder_is_set() -> bool:
    """Whether there is an archive at all."""
    return bool(settings.CONFIGURATION["ROLLBOOK_ARCHIVE"])


def place_of(customer: int) -> Path:
    """Where the archive of a customer lies."""
    return archive.folder_of(customer, Customer.objects.get(pk=customer).archived_generation)


def due() -> list[int]:
    """The customers of whom anything may be moved; none where there is no archive.

    Raises LedgerError where its folder, or the archive of any customer, is away: it may be a disk that is not there,
    and whatever was moved into its place would be hidden when it comes back.
    """
    if not folder_is_set():
        return []
    _refuse_missing_root()
    for customer, folder in archive.away():
        rule = f"facts of customer {customer} were moved there, and it is not there"
        raise LedgerError(Problem(str(folder), rule, "bring it back; nothing is moved meanwhile"))
    return list(Customer.objects.order_by("pk").values_list("pk", flat=True))


def _refuse_missing_root() -> None:
    """A folder that nobody has made may be a disk that is not there, or a path with a slip in it."""
    if not archive.root().is_dir():
        rule = "there is no such folder"
        raise LedgerError(Problem(str(archive.root()), rule, "make it, for the server's user alone: mkdir -m 700"))


def move(customer: int, now: datetime, months_most: int = MONTHS_MAX) -> int:
    """Moves what may be moved of a customer; how many facts.

    Raises LedgerError where the archive cannot be written or is not what it should be; then nothing was taken out of
    the table that is not in it.
    """
    moved = 0
    for _ in range(months_most):
        row = Customer.objects.get(pk=customer)
        bounds = bounds_of(row)
        month = _next_month(row, bounds) if bounds else None
        if month is None:
            break
        moved += _move_month(row, month, now)
    return moved


def bounds_of(row: Customer) -> Bounds | None:
    """How far facts of a customer may be moved; None where nothing may.

    Of terms that run, what their closed windows rest on: it is in their books, and closing the next window rarely reads
    it again. Of a term that is over, whatever closings have looked at: they look into the table alone. Plans by which
    somebody is present from one deed to another need every deed for ever, and such a customer's stay.
    """
    open_from: list[int] = []
    over_at: list[int] = []
    looked_at_running: list[int] = []
    looked_at_over: list[int] = []
    for term in Subscription.objects.filter(customer=row).select_related("plan", "customer"):
        live = contracts.live(term)
        state = live.meter.holds or live.meter.member_while
        if state and not all(map(is_kept_for_ever, state.types)):
            return None
        if term.kind == SHADOW:
            continue
        closed = term.statements.filter(window_number__isnull=False).count()
        if closed < len(live.windows):
            open_from.append(live.windows[closed].start_us)
            looked_at_running += [term.facts_settled] if closed else []
        else:
            over_at.append(live.subscription.end_us)
            looked_at_over.append(term.facts_settled)
    last = [*looked_at_over, *([max(looked_at_running)] if looked_at_running else [])]
    if not last:
        return None
    until_us = min(open_from) if open_from else max(over_at)
    return Bounds(max(until_us, row.archived_until_us), max(min(last), row.archived_last))


def _next_month(row: Customer, bounds: Bounds) -> Bounds | None:
    """The bounds of the first month of which anything is left; None where nothing is."""
    with connection.cursor() as cursor:
        sql, values = _moving("min(at_us)", row, bounds)
        cursor.execute(sql, values)
        [first_us] = cursor.fetchone()
    if first_us is None:
        return None
    following = from_us(first_us).replace(day=1, hour=0, minute=0, second=0, microsecond=0) + relativedelta(months=1)
    until_us = max(min(to_us(following), bounds.until_us), row.archived_until_us)
    return Bounds(until_us, bounds.last)


def _move_month(row: Customer, bounds: Bounds, now: datetime) -> int:
    """Writes what is to be moved, and then takes it out; how many facts, 0 where another worker was faster."""
    _refuse_missing_root()
    if moved := archive.of_customer(row):
        # A folder that is not there, or another, must not become a second archive.
        moved.check()
    with tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as scratch:
        file = Path(scratch) / "facts.parquet"
        with snapshots.one_view():
            copied = snapshots.write_facts(_rows(row, bounds), file)
        if not copied.facts:
            return 0
        generation = row.archived_generation
        if not _holds(row, generation, [file], copied.facts, now):
            generation = _next_generation(row)
            files = [file]
            if moved:
                files.append(Path(scratch) / "kept.parquet")
                snapshots.write_facts(_archived(moved), files[-1])
            if not _holds(row, generation, files, copied.facts, now):
                folder = archive.folder_of(row.pk, generation)
                rule = "it does not hold what was written into it, and nothing else"
                raise LedgerError(Problem(str(folder), rule, "look at the disk; nothing was taken out"))
    return _take_out(row.pk, bounds, copied.facts, generation)


def _holds(row: Customer, generation: int, files: Sequence[Path], facts: int, now: datetime) -> bool:
    """Adds files to a ledger; whether it then holds exactly what was archived, and so many facts more.

    Where an earlier run was killed these may be there already. Where it holds anything else, the database was restored,
    or another one writes here, too.
    """
    folder = archive.folder_of(row.pk, generation)
    try:
        built = build(folder, list(map(str, files)), ReadOptions(memory_limit=archive.MEMORY), at=now)
        folder.chmod(0o700)
    except OSError as error:
        rule = f"it cannot be written: {error.strerror}"
        raise LedgerError(Problem(str(folder), rule, "look at the disk, and at ROLLBOOK_ARCHIVE")) from error
    return not built.record.rejected and built.manifest.facts == row.archived_facts + facts


def _next_generation(row: Customer) -> int:
    """The number of a ledger that is not there yet."""
    generation = row.archived_generation + 1
    while archive.folder_of(row.pk, generation).exists():
        generation += 1
    return generation


def _archived(moved: archive.Archive | None) -> Iterator[Sequence[tuple[Any, ...]]]:
    """What was archived, of whatever a ledger holds, as it was written."""
    numbered = ("cast(number as varchar)" if name == "attributes" else name for name in snapshots.STORED)
    if moved:
        yield from snapshots.some_at_a_time(moved.all(", ".join(("number", *numbered)), "true"))


@transaction.atomic(durable=True)
def _take_out(customer: int, bounds: Bounds, facts: int, generation: int) -> int:
    """Takes the facts out of the table that are in the archive by now, and says so."""
    metering.locked([customer])
    row = Customer.objects.get(pk=customer)
    if row.archived_last > bounds.last or row.archived_until_us > bounds.until_us:
        # Another worker was faster, and went further.
        return 0
    columns = "number, organisation, learner, actor, impersonator, attributes"
    said, values = _moving(columns, row, bounds)
    whose, _ = _moving("", row, bounds)
    with connection.cursor() as cursor:
        cursor.execute(f"insert into archived_attributes ({columns}) {said} and attributes <> ''", values)
        cursor.execute(f"delete {whose.removeprefix('select')}", values)
        gone = cursor.rowcount
    if gone != facts:
        transaction.set_rollback(True)
        return 0
    row.archived_until_us, row.archived_last = bounds.until_us, bounds.last
    row.archived_facts += facts
    row.archived_generation = generation
    row.save(update_fields=["archived_until_us", "archived_last", "archived_facts", "archived_generation"])
    return facts


def _moving(columns: str, row: Customer, bounds: Bounds) -> tuple[str, list[Any]]:
    """SQL of columns of the facts that are moved, and its values."""
    organisations = list(row.organisations.order_by("name").values_list("name", flat=True)) or [""]
    marks = ", ".join(["%s"] * len(organisations))
    where = f"organisation in ({marks}) and {_MOVED} and at_us < %s and number <= %s"
    return f"select {columns} from fact where {where}", [*organisations, bounds.until_us, bounds.last]


def _rows(row: Customer, bounds: Bounds) -> Iterator[Sequence[tuple[Any, ...]]]:
    numbered = ["cast(number as text)" if name == "attributes" else name for name in snapshots.STORED]
    sql, values = _moving(", ".join(("number", *numbered)), row, bounds)
    with driver.own_cursor() as cursor:
        if driver.on_postgresql():
            rows: Iterable[Any] = cursor.stream(sql, values, size=snapshots.FETCHED_ROWS)
        else:
            rows = cursor.execute(sql.replace("%s", "?"), values)
        yield from snapshots.some_at_a_time(iter(rows))
