"""One pass over the sorted columns of a ledger: its activations, by numbers.

Row groups are read by several threads and put together in their order. Learners with several ids and guests are passed
over, and a learner of several segments is found in each by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import local

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from rollbook.ledger import LedgerStore
from rollbook.ledger.arrays import column, texts, values
from rollbook.ledger.layout import Kind
from rollbook.ledger.writing import ORGANISATIONS_FILE
from rollbook.metering import calendar
from rollbook.metering.reasons import ineligible, none_of
from rollbook.metering.sweep import Cut, cut, firsts
from rollbook.model.plan import Meter
from rollbook.model.subscription import Subscription

_AHEAD = 4
"""Row groups that are read before their turn, for each thread."""

_COLUMNS = ["occurred_at", "learner_number", "kind"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Covered:
    """One organisation of one subscription: its number among all covered, and how its time is cut."""

    ordinal: int
    cut: Cut


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group: where it lies, the row of the segment it begins with, and whose rows it has.

    parts  (first, last + 1, covered): rows of the group that belong to an organisation
    """

    segment: int
    file: int
    group: int
    first: int
    rows: int
    parts: tuple[tuple[int, int, tuple[_Covered, ...]], ...]


@dataclass(slots=True)
class _Found:
    """Activations of one organisation of one subscription, in the order of rows, with the numbers of their facts."""

    ordinals: NDArray[np.int32]
    units: Ints
    windows: NDArray[np.int32]
    first_us: Ints
    numbers: Ints
    facts: NDArray[np.int32]

    def goes_on_in(self, later: _Found) -> bool:
        """Whether the last activation is also the first one of what follows."""
        return bool(self.units[-1] == later.units[0] and self.windows[-1] == later.windows[0])

    def without_first(self) -> _Found:
        """All but the first activation."""
        return replace(
            self,
            ordinals=self.ordinals[1:],
            units=self.units[1:],
            windows=self.windows[1:],
            first_us=self.first_us[1:],
            numbers=self.numbers[1:],
            facts=self.facts[1:],
        )


class Pass:
    """One pass over the facts of a ledger for subscriptions whose plans share one meter."""

    def __init__(
        self, store: LedgerStore, meter: Meter, subscriptions: Sequence[Subscription], as_of_us: int, first_us: int
    ) -> None:
        self.store, self.connection = store, store.connection
        self.threads = int(self.connection.execute("select current_setting('threads')").fetchall()[0][0])
        self._covered = _covered(self.connection, subscriptions, as_of_us, first_us)
        self._fitting = _fitting(self.connection, store, meter)
        self._voided = _voided(self.connection)
        self._linked = _linked(self.connection, store)
        self._open = local()

    def activations(self) -> pa.Table:
        """The activations by numbers: ordinal, unit, window_number, first_us, number, facts.

        A unit is the number of the learner, and of the segment above the lower 32 bits.
        """
        names = ("ordinal", "unit", "window_number", "first_us", "number", "facts")
        types = (pa.int32(), pa.int64(), pa.int32(), pa.int64(), pa.int64(), pa.int32())
        schema = pa.schema(zip(names, types, strict=True))
        return pa.Table.from_batches(
            (
                pa.RecordBatch.from_arrays(
                    [
                        column(found.ordinals),
                        column(found.units),
                        column(found.windows),
                        column(found.first_us),
                        column(found.numbers),
                        column(found.facts),
                    ],
                    schema=schema,
                )
                for found in _joined(self._pass())
            ),
            schema,
        )

    def _pass(self) -> Iterator[list[_Found]]:
        """What each row group has, in their order."""
        waiting: deque[Future[list[_Found]]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                for group in self._groups():
                    waiting.append(pool.submit(self._take, group))
                    if len(waiting) >= _AHEAD * self.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _groups(self) -> Iterator[_Group]:
        """The row groups that have rows of covered organisations."""
        for number, segment in enumerate(self.store.segments):
            names, ends = _organisations(self.store, number)
            first = 0
            for place in range(len(segment.file_rows)):
                file = self.store.first_files[number] + place
                shape = parquet.ParquetFile(self.store.paths[file], memory_map=True).metadata
                for group in range(shape.num_row_groups):
                    rows = shape.row_group(group).num_rows
                    parts = tuple(self._parts(names, ends, first, first + rows))
                    if parts:
                        yield _Group(number, file, group, first, rows, parts)
                    first += rows

    def _parts(
        self, names: Sequence[str], ends: Ints, first: int, end: int
    ) -> Iterator[tuple[int, int, tuple[_Covered, ...]]]:
        """The stretches of rows from `first` to `end` that belong to covered organisations."""
        at = first
        place = int(np.searchsorted(ends, first, "right"))
        while at < end:
            until = min(int(ends[place]), end)
            if until > at and (covered := self._covered.get(names[place])):
                yield at - first, until - first, covered
            at, place = until, place + 1

    def _take(self, group: _Group) -> list[_Found]:
        """Reads a row group, and finds the activations in it."""
        before, at_us, learners, kinds = self._read(group)
        fitting = self._fitting[group.segment].take(kinds)
        if (voided := self._voided.get(group.file)) is not None:
            begin, end = np.searchsorted(voided, (before, before + group.rows))
            fitting[voided[begin:end] - before] = False
        if (linked := self._linked.get(group.segment)) is not None:
            fitting &= ~linked.take(learners)
        chosen = np.flatnonzero(fitting)
        learners, at_us = learners.take(chosen), at_us.take(chosen)
        found = []
        for first, end, covered in group.parts:
            begin, until = np.searchsorted(chosen, (first, end)) if len(group.parts) > 1 else (0, len(chosen))
            if begin == until:
                continue
            for one in covered:
                part = firsts(learners[begin:until], at_us[begin:until], one.cut)
                if len(part.places):
                    places = part.places
                    places += begin
                    numbers = chosen.take(places)
                    numbers += (group.file << 46) + before + 1
                    units = learners.take(places).astype(np.int64)
                    units |= group.segment << 32
                    ordinals = np.full(len(places), one.ordinal, np.int32)
                    found.append(_Found(ordinals, units, part.windows, at_us.take(places), numbers, part.facts))
        return found

    def _read(self, group: _Group) -> tuple[int, Ints, NDArray[np.int32], NDArray[np.int16]]:
        """The first row of a group in its file, and its columns."""
        opened: dict[int, tuple[parquet.ParquetFile, list[int]]] = vars(self._open).setdefault("files", {})
        if group.file not in opened:
            file = parquet.ParquetFile(self.store.paths[group.file], memory_map=True)
            rows = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            opened.clear()
            opened[group.file] = file, [sum(rows[:n]) for n in range(len(rows))]
        file, befores = opened[group.file]
        table = file.read_row_group(group.group, columns=_COLUMNS, use_threads=False)
        at_us = values(table["occurred_at"], np.int64)
        return befores[group.group], at_us, values(table["learner_number"], np.int32), values(table["kind"], np.int16)


def _joined(groups: Iterable[list[_Found]]) -> Iterator[_Found]:
    """Puts together the activations that go on from one row group to the next."""
    waiting: dict[int, _Found] = {}
    for found in groups:
        for part in found:
            ordinal = int(part.ordinals[0])
            before = waiting.get(ordinal)
            if before is None:
                waiting[ordinal] = part
                continue
            rest = part
            if before.goes_on_in(part):
                before.facts[-1] += part.facts[0]
                rest = part.without_first()
            if len(rest.numbers):
                yield before
                waiting[ordinal] = rest
    yield from waiting.values()


def _covered(
    connection: duckdb.DuckDBPyConnection, subscriptions: Sequence[Subscription], as_of_us: int, first_us: int
) -> dict[str, tuple[_Covered, ...]]:
    """By organisation, the subscriptions that cover it and have begun."""
    cuts = [
        cut((*calendar.history(subscription, first_us), *calendar.windows(subscription)), as_of_us)
        for subscription in subscriptions
    ]
    found: dict[str, tuple[_Covered, ...]] = {}
    rows = connection.execute("select organisation, subscription, ordinal from covered order by ordinal").fetchall()
    for organisation, subscription, ordinal in rows:
        if (its := cuts[subscription]) is not None:
            found[organisation] = (*found.get(organisation, ()), _Covered(ordinal, its))
    return found


def _fitting(connection: duckdb.DuckDBPyConnection, store: LedgerStore, meter: Meter) -> list[NDArray[np.bool_]]:
    """By segment, which kinds of facts count: asked by the very words of the query."""
    return [_fitting_kinds(connection, segment.kinds, meter) for segment in store.segments]


def _fitting_kinds(connection: duckdb.DuckDBPyConnection, kinds: Sequence[Kind], meter: Meter) -> NDArray[np.bool_]:
    fitting = np.zeros(max(len(kinds), 1), np.bool_)
    if not kinds:
        return fitting
    names = ("type", "role", "mode")
    columns = {name: texts(getattr(kind, name) for kind in kinds) for name in names}
    whose = texts("somebody" if kind.impersonated else "" for kind in kinds)
    numbers = column(np.arange(len(kinds), dtype=np.int32))
    connection.register("numbered", pa.table({"kind": numbers, **columns, "impersonator": whose}))
    rows = connection.execute(
        f"""select kind from (select *, 0 as at_us, 1 as as_of_us, false as voided from numbered)
            where {none_of(ineligible(meter))} and role <> 'guest'"""
    ).fetchall()
    connection.unregister("numbered")
    fitting[[kind for (kind,) in rows]] = True
    return fitting


def _voided(connection: duckdb.DuckDBPyConnection) -> dict[int, Ints]:
    """By file, the rows that were taken back, ascending."""
    table = connection.sql(
        "select distinct number >> 46 as file, (number & ((1::bigint << 46) - 1)) - 1 as row from voided order by all"
    ).to_arrow_table()
    files, rows = values(table["file"], np.int64), values(table["row"], np.int64)
    begins = np.flatnonzero(np.diff(files, prepend=-1))
    if not len(begins):
        return {}
    ends = [*begins[1:], len(rows)]
    return {int(files[begin]): rows[begin:end] for begin, end in zip(begins, ends, strict=True)}


def _linked(connection: duckdb.DuckDBPyConnection, store: LedgerStore) -> dict[int, NDArray[np.bool_]]:
    """By segment, whether a learner is one of several ids of a person."""
    found: dict[int, NDArray[np.bool_]] = {}
    rows = (
        connection.execute(
            """select segment, learner_number from learners
           semi join (select scope as organisation, learner from identities) using (organisation, learner)"""
        ).fetchall()
        if any_rows(connection, "identities")
        else []
    )
    for segment, learner in rows:
        found.setdefault(segment, np.zeros(store.segments[segment].learners, np.bool_))[learner] = True
    return found


def any_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Whether a relation has a row."""
    return bool(connection.execute(f"select 1 from {relation} limit 1").fetchall())


def _organisations(store: LedgerStore, segment: int) -> tuple[list[str], Ints]:
    """The organisations of a segment in the order of its rows, and where the rows of each end."""
    table = parquet.ParquetFile(store.segment_folder(store.segments[segment]) / ORGANISATIONS_FILE).read()
    return table["organisation"].to_pylist(), np.cumsum(values(table["rows"], np.int64))
