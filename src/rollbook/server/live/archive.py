"""The archive of a customer: a ledger in which deeds lie whose windows are closed, read beside the table `fact`.

What lies in it is what the customer's row says: deeds before `archived_until_us` with numbers up to `archived_last`,
and none of guests. A build that is not committed yet may have put more there, or one that a restored database has never
heard of; that is passed over here. So whoever reads row, table and archive in one view of the database sees each fact
once, however many builds end meanwhile.

In the archive `attributes` is the number that the fact has in the database. What a sender wrote there may name people,
and stays in the table `archived_attributes`, where it can be forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import connection

from rollbook.engines.database.schema import METERED
from rollbook.engines.database.touch import Touching
from rollbook.errors import LedgerError
from rollbook.intake import ReadOptions
from rollbook.intake.tables import FIELDS
from rollbook.ledger import LedgerStore, is_ledger
from rollbook.ledger.trust import in_words
from rollbook.metering.steps import quoted_list
from rollbook.model.instants import DAY_US
from rollbook.server.models import Customer
from rollbook.server.refusals import RefusedError, refused

Row = tuple[Any, ...]

MEMORY = "1GB"
"""What reading an archive may hold before it spills to disk."""

FETCHED_ROWS = 1_000

LEARNERS_AT_ONCE = 16
"""Learners whose rows are read, where they lie, in one question."""

SCANNED_FACTS = 100_000
"""Facts that are read in the time in which the rows of one learner are found: 15 ms, of ten million facts."""

KEYS_AT_ONCE = 64
"""Facts that are fetched by their ids in one question."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the archive of a customer lies, and what of it counts as archived.

    until_us  every deed in it is before, UTC microseconds
    last      number of the last fact in it
    facts     how many there are
    """

    folder: str
    until_us: int
    last: int
    facts: int

    def learners(self, organisation: str, from_us: int, to_us: int) -> Iterator[Row]:
        """(learner, first instant) of deeds of an organisation in [from_us, to_us), in the order of their bytes."""
        sql = """select learner, min(at_us) from archived where organisation = $organisation
                 and at_us >= $from_us and at_us < $to_us group by learner order by learner"""
        with self._opened() as store:
            yield from self._asked(store, sql, {"organisation": organisation, "from_us": from_us, "to_us": to_us})

    def deeds(self, learners: Sequence[Row], types: Collection[str], to_us: int) -> Iterator[Row]:
        """Rows of `schema.METERED` of (organisation, learner, from_us): deeds of some types in [from_us, to_us)."""
        columns = ", ".join(f"archived.{name}" for name in METERED)
        where = f"at_us >= asked.from_us and at_us < $to_us and type in ({quoted_list(types)})"
        if learners and types:
            yield from self.of(learners, columns, where, {"to_us": to_us})

    def named(self, keys: Sequence[Row]) -> list[Row]:
        """Rows of `touch.Touching`: the deeds of these (organisation, source, id)."""
        return list(self.by_key(keys, Touching._fields))

    def of_these(self, learners: Sequence[Row]) -> set[Row]:
        """Those (organisation, learner) of these who have deeds."""
        if not learners:
            return set()
        with self._opened() as store:
            store.connection.register("asked", _table(learners, ("organisation", "learner")))
            sql = "select organisation, learner from learners semi join asked using (organisation, learner)"
            return set(store.connection.execute(sql).fetchall())

    def of(
        self, learners: Sequence[Row], columns: str, where: str = "true", given: dict[str, Any] | None = None
    ) -> Iterator[Row]:
        """Columns of the facts of learners, given as (organisation, learner, ...); see `_asked` for names.

        Rows of a few learners are read where they lie, of many everything between the first and the last of them. A
        question that adds up does so by learner: what is of one learner is read at once, and not what is of all.
        """
        names = ("organisation", "learner", "from_us")[: len(learners[0])]
        sql = f"""select {columns} from archived join asked using (organisation, learner)
                  where archived.learner between $first_id and $last_id and {where}"""
        rows_of = {id_: list(rows) for id_, rows in groupby(sorted(learners, key=_learner), _learner)}
        ids = list(rows_of)
        are_many = len(ids) > max(LEARNERS_AT_ONCE, self.facts // SCANNED_FACTS)
        step = len(ids) if are_many else LEARNERS_AT_ONCE
        with self._opened() as store:
            for first in range(0, len(ids), step):
                some = ids[first : first + step]
                relation = "facts" if are_many else " union all ".join(store.lying(some))
                if relation:
                    store.connection.register("asked", _table([row for id_ in some for row in rows_of[id_]], names))
                    between = {**(given or {}), "first_id": some[0], "last_id": some[-1]}
                    yield from self._asked(store, sql, between, relation if are_many else f"({relation})")

    def by_key(self, keys: Sequence[Row], columns: Iterable[str]) -> Iterator[Row]:
        """Columns of the facts of these (organisation, source, id); an organisation that is None is any."""
        if not keys:
            return
        organisations: dict[tuple[str, str], set[str | None]] = {}
        for organisation, source, id_ in keys:
            organisations.setdefault((source, id_), set()).add(organisation)
        listed = ", ".join(("organisation", "source", "id", *columns))
        with self._opened() as store:
            found = iter(store.lying_at(list(organisations)))
            while some := list(islice(found, KEYS_AT_ONCE)):
                for row in self._asked(store, f"select {listed} from archived", {}, f"({' union all '.join(some)})"):
                    if {None, row[0]} & organisations.get((row[1], row[2]), set()):
                        yield row[3:]

    def all(self, columns: str, where: str, given: dict[str, Any] | None = None, rest: str = "") -> Iterator[Row]:
        """Columns of whatever fulfils a condition, read from beginning to end."""
        with self._opened() as store:
            yield from self._asked(store, f"select {columns} from archived where {where} {rest}", given or {})

    def check(self) -> None:
        """Raises RefusedError 503 where the archive is not there as it should be."""
        with self._opened():
            pass

    @contextmanager
    def _opened(self) -> Iterator[LedgerStore]:
        """The ledger. Raises RefusedError 503 where it is not there as it should be: nothing may be counted without."""
        if not settings.CONFIGURATION["ROLLBOOK_ARCHIVE"]:
            rule = "facts were moved to an archive, and ROLLBOOK_ARCHIVE does not say where it is"
            remedy = "set it for this process, as for the one that moved the facts, and start it again"
            raise refused(503, "archive-missing", "archive", rule, remedy)
        if not is_ledger(self.folder):
            raise _missing(f"its folder {Path(self.folder).name} is not where ROLLBOOK_ARCHIVE says")
        try:
            with LedgerStore(Path(self.folder), ReadOptions(memory_limit=MEMORY)) as store:
                if store.manifest.facts < self.facts:
                    raise _missing(f"it has {store.manifest.facts:,} facts, and {self.facts:,} were moved there")
                with in_words(Path(self.folder)):
                    yield store
        except (LedgerError, OSError) as error:
            raise _missing("it cannot be read; `rollbook ledger verify` says what is damaged") from error

    def _asked(self, store: LedgerStore, sql: str, given: dict[str, Any], relation: str = "facts") -> Iterator[Row]:
        """The rows of a question over `archived`: the facts in the columns of the table `fact`, without attributes."""
        listed = ", ".join(name for name in FIELDS if name not in ("attributes", "file", "line"))
        archived = f"""
            with archived as (
                select * from (
                    select {listed}, '' as attributes, attributes::bigint as number,
                           (at_us // {DAY_US})::integer as day
                    from {relation} as lying)
                where at_us < {self.until_us:d} and number <= {self.last:d})
            """
        answer = store.connection.execute(archived + sql, given)
        while rows := answer.fetchmany(FETCHED_ROWS):
            yield from rows


def _learner(row: Row) -> str:
    return str(row[1])


def _missing(rule: str) -> RefusedError:
    remedy = "bring back the folder that ROLLBOOK_ARCHIVE names; until then nothing of its windows is counted"
    return refused(503, "archive-missing", "archive", rule, remedy)


def of_customer(row: Customer) -> Archive | None:
    """The archive of a customer; None where nothing was moved yet."""
    if not row.archived_last:
        return None
    folder = str(folder_of(row.pk, row.archived_generation))
    return Archive(folder, row.archived_until_us, row.archived_last, row.archived_facts)


def away() -> Iterator[tuple[int, Path]]:
    """The customers whose archive is not where it should be, and where that is."""
    for row in Customer.objects.filter(archived_last__gt=0).order_by("pk"):
        folder = folder_of(row.pk, row.archived_generation)
        if not (settings.CONFIGURATION["ROLLBOOK_ARCHIVE"] and is_ledger(folder)):
            yield row.pk, folder


def of_organisations(organisations: Collection[str]) -> Archive | None:
    """The archive of the customer who has these organisations, as things stand in the view that is open."""
    row = Customer.objects.filter(organisations__name__in=list(organisations), archived_last__gt=0).first()
    return of_customer(row) if row else None


def root() -> Path:
    """The folder in which archives lie."""
    return Path(settings.CONFIGURATION["ROLLBOOK_ARCHIVE"] or ".")


def folder_of(customer: int, generation: int) -> Path:
    """Where a customer's archive lies."""
    return root() / f"customer-{customer}-{generation}"


def attributes(numbers: Sequence[int]) -> dict[int, str]:
    """What senders wrote beside archived facts, by number, of those where they wrote anything."""
    if not numbers:
        return {}
    marks = ", ".join(["%s"] * len(numbers))
    with connection.cursor() as cursor:
        cursor.execute(f"select number, attributes from archived_attributes where number in ({marks})", list(numbers))
        return dict(cursor.fetchall())


def _table(rows: Sequence[Row], names: Sequence[str]) -> pa.Table:
    kinds = [pa.int64() if name == "from_us" else pa.string() for name in names]
    columns = zip(*dict.fromkeys(map(tuple, rows)), strict=True)
    return pa.table({name: pa.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)})
