"""A snapshot of a subscription's facts, given to the library: closes and reports are its code on a copy of the facts.

What is read in one view of the database is of one moment, so the facts and the live counts that were made of them
agree, however many facts come in meanwhile; nobody waits for a snapshot, and it waits for nobody. The copy lies in a
folder of its own, for its owner alone, and is gone afterwards. Learners in it are surrogates.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import connection, transaction

from rollbook import library
from rollbook.engines.database import LiveSubscription
from rollbook.errors import BookError, Problem, UsageError
from rollbook.intake import ReadOptions
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import COLUMNS, CORRECTIONS
from rollbook.model.instants import from_us
from rollbook.model.keys import nearest
from rollbook.model.plan import Meter
from rollbook.render.about import About
from rollbook.render.arrow import with_names
from rollbook.render.data import write_csv, write_json, write_parquet
from rollbook.render.xlsx import write_xlsx
from rollbook.reports.named import find
from rollbook.server import clock
from rollbook.server.live import archive, contracts, driver
from rollbook.server.models import Person, Subscription
from rollbook.server.refusals import RefusedError

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
"""How reports are written, and what that is on the web."""

ERASED = "(erased)"
"""What stands for somebody whose id and name were erased."""

FOLDER = "rollbook-server-"
"""How folders of copies begin; those of processes that were killed are removed after a day."""

FETCHED_ROWS = 1_000
"""Facts that become columns at once: with 50,000 of them, which no cache of a processor holds, it took 1.8 times as
long (0.77 s instead of 0.44 s for 100,000 facts in SQLite)."""

GROUP_ROWS = 50_000
"""Facts in memory at once, which are written together."""

MEMORY = "1GB"
"""What one count may hold before it spills to disk."""

AT_ONCE_MAX = 2
"""Snapshots that people wait for, in one process. The worker takes one after the other, and is not counted."""

WAIT_SECONDS = 10
"""How long somebody waits for their turn."""

_NUMBER_DIGITS = 19
"""A surrogate has fewer: it is a number of a row."""

_STORED = {"occurred_at": "at_us", "recorded_at": "recorded_us"}
"""Canonical columns that the table has under another name."""

STORED = tuple(_STORED.get(name, name) for name in COLUMNS)
"""The canonical columns as the table calls them."""

_TYPES = {"at_us": pa.int64(), "recorded_us": pa.int64()}
_INSTANT = pa.timestamp("us", tz="UTC")

_KINDS = [_TYPES.get(name, pa.string()) for name in STORED]
_SCHEMA = pa.schema([(name, _INSTANT if name in _STORED else pa.string()) for name in COLUMNS])

_turns = threading.BoundedSemaphore(AT_ONCE_MAX)


@dataclass(frozen=True, slots=True)
class Copied:
    """Facts in a file: how many, the number of the last that is known, and the latest instant; 0 where none is."""

    facts: int
    last: int
    latest_us: int


@contextmanager
def one_view() -> Iterator[None]:
    """Whatever is read in here is of one moment. Nothing may be written, and no transaction may run already."""
    if driver.on_postgresql():
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            yield
        return
    if connection.in_atomic_block:
        raise RuntimeError("a view of one moment begins before any transaction")
    # Not by Django, whose transactions begin as writers here: nobody could write until this one ends.
    with connection.cursor() as cursor:
        cursor.execute("begin deferred")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("rollback")


@contextmanager
def turn() -> Iterator[None]:
    """One of the few places for what people wait for. Raises RefusedError 503 where none comes free in time."""
    if not _turns.acquire(timeout=WAIT_SECONDS):
        rule = "as many reports are being made as can be at once"
        problem = Problem("server", rule, f"try again in {WAIT_SECONDS} seconds")
        raise RefusedError(503, "busy", problem, {"Retry-After": str(WAIT_SECONDS)})
    try:
        yield
    finally:
        _turns.release()


@contextmanager
def snapshot(row: Subscription, as_of_us: int) -> Iterator[library.Result]:
    """A subscription counted from a copy of all facts of its organisations, with facts of types that do not count.

    Nothing at or after `as_of_us`, UTC microseconds, is counted. Raises BookError where the facts cannot be used, and
    RefusedError where too many such counts run.
    """
    with turn(), tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        file = Path(folder) / "facts.parquet"
        with one_view():
            live = contracts.live(Subscription.objects.select_related("plan", "customer").get(pk=row.pk))
            copy_facts(live.subscription.organisations or (), file)
        with counted([str(file)], live, as_of_us) as result:
            yield result


@contextmanager
def counted(files: Sequence[str], live: LiveSubscription, as_of_us: int) -> Iterator[library.Result]:
    """The library's count of facts in files, of which all but the last stand already.

    Raises BookError where facts are no facts for the library: what was taken in once must be readable for ever.
    """
    options = ReadOptions(memory_limit=MEMORY, settled=len(files) - 1)
    with library.meter(
        list(files), live.subscription, as_of=from_us(as_of_us), options=options, assumed=assumed(live)
    ) as result:
        if result.store.problems.total or result.store.problems.files:
            rule = f"{max(result.store.rejected, 1):,} stored facts cannot be read, or are not what was closed"
            raise BookError(Problem("facts", rule, "restore the database as it was, or ask whoever changed it"))
        yield result


def assumed(live: LiveSubscription) -> frozenset[str]:
    """The organisations of a subscription whose learners all count as members, where its plan asks who is one."""
    asks = live.subscription.plan.meter.member_while is not None
    return live.assumed & frozenset(live.subscription.organisations or ()) if asks else frozenset()


def report(
    row: Subscription, name: str, by: str = "", form: str = "csv", *, named: bool = False, as_of_us: int | None = None
) -> tuple[str, str, bytes]:
    """A named report as a whole: file name, kind of content, content. For mail; `report_file` is for the web."""
    filename, kind, file = report_file(row, name, by, form, named=named, as_of_us=as_of_us)
    with file:
        return filename, kind, file.read()


BY_ORGANISATION = ("metering-events", "status")
"""Reports each of whose rows is of one organisation, whatever the plan shares among them."""


def report_file(
    row: Subscription,
    name: str,
    by: str = "",
    form: str = "csv",
    *,
    organisation: str = "",
    named: bool = False,
    as_of_us: int | None = None,
) -> tuple[str, str, IO[bytes]]:
    """A named report: file name, kind of content, and a file that nobody else can open; close it.

    name, by      see `rollbook.reports.named`; `by` is the report's usual level where it is empty
    form          one of `FORMATS`
    organisation  its rows alone, of a report in `BY_ORGANISATION`; '' for the whole customer
    named         learners stand with the ids and names that the customer knows; else they are surrogates
    as_of_us      nothing at or after it is counted; by default now

    It is written batch by batch, whatever its length. Raises UsageError for what does not exist.
    """
    if form not in FORMATS:
        rule = f'there is no format "{form}"{nearest(form, FORMATS)}'
        raise UsageError(Problem("format", rule, "use one of " + ", ".join(FORMATS)))
    chosen = find(name)
    shape = chosen.shape(contracts.plan_of(row.plan), by)
    if organisation and name not in BY_ORGANISATION:
        rule = f"{name} is of all organisations together"
        raise UsageError(Problem("organisation", rule, f"use {' or '.join(BY_ORGANISATION)}, or leave it out"))
    with snapshot(row, as_of_us or clock.now_us() + 1) as result, tempfile.TemporaryDirectory(prefix=FOLDER) as to:
        known = result.subscription
        about = About(
            chosen.title,
            chosen.purpose,
            known,
            result.organisations,
            result.account.as_of_us,
            notes=(*result.report_notes(name, shape.by), *([f"only of {organisation}"] if organisation else [])),
        )
        alike = _alike(result)
        table = result.report_batches(name, shape.by)
        if organisation:
            table = _of_organisation(table, _known(organisation, result.organisations))
        if named and known.plan.meter.unit != "entry":
            table = with_names(table, lambda batch: _called(row.customer_id, batch, alike))
        path = Path(to) / f"report.{form}"
        _WRITERS[form](table, about, path)
        return f"{name}-{shape.by}.{form}", FORMATS[form], path.open("rb")


def _known(organisation: str, whose: Sequence[str]) -> str:
    if organisation in whose:
        return organisation
    rule = f'the subscription has no organisation "{organisation}"{nearest(organisation, whose)}'
    raise UsageError(Problem("organisation", rule, "name one of its organisations, as it was registered"))


def _of_organisation(table: pa.RecordBatchReader, organisation: str) -> pa.RecordBatchReader:
    """The rows of one organisation."""
    mine = pc.field("organisation") == organisation
    return pa.RecordBatchReader.from_batches(table.schema, (batch.filter(mine) for batch in table))


def _csv(table: pa.RecordBatchReader, _: About, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        write_csv(table, out, for_spreadsheets=True)


def _json(table: pa.RecordBatchReader, about: About, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        write_json(table, about.values, out)


_WRITERS: dict[str, Callable[[pa.RecordBatchReader, About, Path], None]] = {
    "csv": _csv,
    "json": _json,
    "xlsx": lambda table, about, path: write_xlsx(table, about, str(path)),
    "parquet": lambda table, about, path: write_parquet(table, about.values, str(path)),
}


_ALIKE = "select distinct source, id from activations where not guest and unit = id"


def _alike(result: library.Result) -> frozenset[tuple[object, ...]] | None:
    """The facts, by (source, id), that prove a learner whose number is the fact's id; None where no guest counts."""
    if result.subscription.plan.meter.guests != "each-entry":
        return None
    return frozenset(result.steps.rows(_ALIKE))


def _called(
    customer: int, batch: pa.RecordBatch, alike: frozenset[tuple[object, ...]] | None
) -> tuple[list[str], list[str]]:
    """Each learner's id as the customer knows it, and what they are called. Who is erased has neither.

    The entry of a guest is known by its fact's id, which may look like a surrogate and is nobody's: see `_alike`.
    """
    ids: list[str] = batch.column("learner").to_pylist()
    names = batch.schema.names
    if "kind" in names:
        guests = [kind != "learner" for kind in batch.column("kind").to_pylist()]
    elif alike is not None and "fact" in names:
        proofs = zip(*(batch.column(name).to_pylist() for name in ("source", "fact")), strict=True)
        guests = [id_ == proof[1] and proof not in alike for id_, proof in zip(ids, proofs, strict=True)]
    else:
        guests = [False] * len(ids)
    known = people_of(customer, {id_ for id_, guest in zip(ids, guests, strict=True) if not guest})
    shown = [(id_, "") if guest else known.get(id_, (id_, "")) for id_, guest in zip(ids, guests, strict=True)]
    return [id_ for id_, _ in shown], [name for _, name in shown]


def people_of(customer: int, surrogates: Collection[str]) -> dict[str, tuple[str, str]]:
    """(id, name) of a customer's learners, by surrogate."""
    numbers = [int(it) for it in surrogates if it.isdecimal() and len(it) < _NUMBER_DIGITS]
    rows = Person.objects.filter(customer=customer, pk__in=numbers).values_list("pk", "learner", "name", "erased_at")
    return {str(pk): (ERASED, "") if erased else (learner, name) for pk, learner, name, erased in rows}


def types_that_count(meter: Meter) -> frozenset[str]:
    """The types of facts on which a count rests; all others are for reports on what did not count."""
    return frozenset((*meter.types, *CORRECTIONS))


def copy_facts(
    organisations: Sequence[str], to: Path, types: Collection[str] | None = None, known: tuple[int, int] = (0, 0)
) -> Copied:
    """Writes the facts of organisations into a Parquet file with the canonical columns, in batches.

    types  those that are wanted, for a book: without attributes, on which nothing rests, so that forgetting a person
           reaches them; None for all
    known  facts up to this number, and before this instant, are not wanted: they are in a book already
    """
    return write_facts(chain(_archived(organisations, types, known), _rows(organisations, types, known)), to, known[0])


def write_facts(fetched: Iterable[Sequence[tuple[Any, ...]]], to: Path, last: int = 0) -> Copied:
    """The same of rows, some at a time: each the number of a fact and its columns `STORED`.

    last  a number that is known
    """
    facts = latest_us = 0
    group: list[pa.RecordBatch] = []
    with pq.ParquetWriter(to, _SCHEMA, compression="zstd") as writer:
        for rows in fetched:
            numbers, *columns = zip(*rows, strict=True)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, _KINDS, strict=True)]
            group.append(pa.RecordBatch.from_arrays(arrays, COLUMNS))
            if sum(map(len, group)) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(group).cast(_SCHEMA))
                group = []
            facts, last = facts + len(rows), max(last, *numbers)
            latest_us = max(latest_us, *columns[COLUMNS.index("occurred_at")])
        if group:
            writer.write_table(pa.Table.from_batches(group).cast(_SCHEMA))
    return Copied(facts, last, latest_us)


def some_at_a_time(rows: Iterator[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows that a driver gives one by one, as `write_facts` takes them."""
    while some := list(islice(rows, FETCHED_ROWS)):
        yield some


def _archived(
    organisations: Sequence[str], types: Collection[str] | None, known: tuple[int, int]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The same rows as `_rows` has, of facts that were moved to the archive; mostly all of them are known."""
    moved = archive.of_organisations(organisations)
    if moved is None or (moved.last <= known[0] and moved.until_us <= known[1]):
        return
    where = f"organisation in ({quoted_list(organisations)}) and (number > $last or at_us >= $since_us)"
    if types is not None:
        where += f" and type in ({quoted_list(types)})"
    since = {"last": known[0], "since_us": known[1]}
    yield from some_at_a_time(moved.all(", ".join(("number", *STORED)), where, since))


def _rows(
    organisations: Sequence[str], types: Collection[str] | None, known: tuple[int, int]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The number of each fact and its canonical columns, in no order, some facts at a time."""
    sealed = {} if types is None else {"attributes": "cast('' as text)"}
    head = f"select number, {', '.join(sealed.get(name, name) for name in STORED)} from fact"
    # Numbers of one customer's facts rise as they are committed: whoever stores them holds the customer's lock.
    since = f"(number > {known[0]:d} or at_us >= {known[1]:d})" if any(known) else "true"
    with driver.own_cursor() as cursor:
        if driver.on_postgresql():
            chosen = "" if types is None else " and type = any(%s)"
            sql = f"copy ({head} where {since} and organisation = any(%s){chosen}) to stdout (format binary)"
            with cursor.copy(sql, [list(organisations), *([] if types is None else [sorted(types)])]) as copy:
                copy.set_types(["int8", *("int8" if name in _TYPES else "text" for name in STORED)])
                yield from some_at_a_time(copy.rows())
            return
        wanted = "" if types is None else f" and type in ({_marks(types)})"
        sql = f"{head} where {since} and organisation in ({_marks(organisations)}){wanted}"
        cursor.execute(sql, [*organisations, *sorted(types or ())])
        while rows := cursor.fetchmany(FETCHED_ROWS):
            yield rows


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
