"""One pass over the sorted columns of a ledger: its activations, by numbers.

Several threads take stretches of rows, each cut where a learner begins, and what they find lies beside each other in
the end. Learners with several ids and guests are passed over, and a learner of several segments is found in each by
itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO
from itertools import accumulate, pairwise
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rollbook.engines.covering import Stretch, covered, stretches
from rollbook.ledger import LedgerStore
from rollbook.ledger.arrays import column, texts
from rollbook.ledger.layout import Kind
from rollbook.metering.reasons import ineligible, none_of
from rollbook.metering.sweep import Firsts, Ints, Marks, firsts
from rollbook.model.plan import Meter
from rollbook.model.subscription import Subscription

_UNIT_ROWS = 1 << 19
"""Rows that a thread takes at a time. With fewer the threads wait for each other's Python, with more for memory."""

_CHUNK_ROWS = 1 << 21
"""Activations that lie in one piece, at most."""

_KEPT_BYTES = 1 << 23
"""The C library of Linux gives back to the system what is free beyond twice the largest piece that was ever freed. A
unit's arrays would come back as pages to be cleared, a thousand each time, which took up to a quarter of the pass."""

_ONE_BYTE = 1 << 8
"""Kinds that one byte tells."""

_Kinds = NDArray[np.uint8] | NDArray[np.uint16]

_FEW = 1 << 15
"""Fewer windows, and fewer organisations, go by two bytes: new memory costs more than to write what is in it."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows of a segment that are taken together: all of one file, and of one stretch.

    goes_on  whether the first learner has facts in the unit before
    """

    stretch: Stretch
    file: int
    first: int
    end: int
    goes_on: bool


class _Chunk:
    """Activations in columns; those before `used` are there, without the `skipped` ones."""

    def __init__(self, rows: int, types: Mapping[str, np.dtype[np.signedinteger]]) -> None:
        # In one piece: NumPy asks for pages of two megabytes, and only whole ones within an array are such.
        block = np.empty(rows * sum(type_.itemsize for type_ in types.values()), np.uint8)
        ends = accumulate((rows * type_.itemsize for type_ in types.values()), initial=0)
        self.columns = {
            name: block[begin:end].view(type_)
            for (name, type_), (begin, end) in zip(types.items(), pairwise(ends), strict=True)
        }
        self.rows, self.used = rows, 0
        self.skipped: list[int] = []

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The activations as they lie, between those that are skipped."""
        whole = pa.RecordBatch.from_arrays([column(it[: self.used]) for it in self.columns.values()], schema=schema)
        begin = 0
        for end in (*sorted(self.skipped), self.used):
            if begin < end:
                yield whole.slice(begin, end - begin)
            begin = end + 1


@dataclass(frozen=True, slots=True)
class _Found:
    """The activations of a unit in one layer: places `begin` to `end` of a chunk, at least one."""

    chunk: _Chunk
    begin: int
    end: int

    def takes_up(self, later: _Found) -> bool:
        """Adds the first activation of what follows to the last one here, where they are the same."""
        ours, theirs = self.chunk.columns, later.chunk.columns
        last, first = self.end - 1, later.begin
        if any(ours[name][last] != theirs[name][first] for name in ("learner_number", "window_number")):
            return False
        ours["facts"][last] += theirs["facts"][first]
        later.chunk.skipped.append(first)
        return True


@dataclass(frozen=True, slots=True)
class _Segment:
    """What is looked up of a segment: where its columns lie, its learners, which kinds count, and whom to leave out.

    groups   of the row groups the rows, and where instants and kinds lie
    starts   the row with which each begins, and how many rows there are
    firsts   the row with which each learner begins
    fitting  for each number that a kind may have in one byte, or in two where there are more, 1 where it counts
    voided   rows that were taken back
    """

    groups: list[tuple[int, int, int]]
    starts: list[int]
    firsts: NDArray[np.uint32]
    fitting: pa.Array
    voided: Ints


class Pass:
    """One pass over the facts of a ledger for subscriptions whose plans share one meter.

    It goes on while it is used in a `with` statement.
    """

    def __init__(
        self,
        store: LedgerStore,
        meter: Meter,
        subscriptions: Sequence[Subscription],
        covering: Sequence[tuple[int, str]],
        as_of_us: int,
        first_us: int,
    ) -> None:
        self._store, connection = store, store.connection
        [(threads,)] = connection.execute("select current_setting('threads')").fetchall()
        self._threads = int(threads)
        self._covered, self._number, windows = covered(subscriptions, covering, as_of_us, first_us)
        voided = store.voided(as_of_us)
        self._segments: list[_Segment] = []
        for number, segment in enumerate(store.segments):
            groups = store.groups(segment)[["rows", "instants", "kinds"]].tolist()
            starts = list(accumulate((rows for rows, _, _ in groups), initial=0))
            fitting = _fitting(connection, segment.kinds, meter)
            self._segments.append(_Segment(groups, starts, store.first_rows(segment), fitting, voided[number]))

        few = len(covering) < _FEW and windows < _FEW
        short: np.dtype[np.signedinteger] = np.dtype(np.int16) if few else np.dtype(np.int32)
        self._types: dict[str, np.dtype[np.signedinteger]] = {
            "first_us": np.dtype(np.int64),
            "number": np.dtype(np.int64),
            "learner_number": np.dtype(np.int32),
            "facts": np.dtype(np.int32),
            "ordinal": short,
            "window_number": short,
        }
        self._waiting: deque[int] = deque()
        self._pool = ThreadPoolExecutor(self._threads)

    def __enter__(self) -> Self:
        return self

    def begin(self, linked: Mapping[int, NDArray[np.bool_]] | None = None) -> None:
        """Several threads pass over the facts from now on, and the caller need not wait for them.

        linked  by segment, whether a learner is one of several ids of a person
        """
        np.empty(_KEPT_BYTES, np.uint8)  # and freed at once
        self._units = list(self._cut())
        self._found: list[dict[int, _Found]] = [{} for _ in self._units]
        self._waiting.extend(range(len(self._units)))
        rows = [unit.end - unit.first for unit in self._units]
        most, chunk = max(rows, default=0), min(_CHUNK_ROWS, sum(rows))
        self._takers = [
            _Taker(self._store, self._segments, linked or {}, self._types, self._number, most, chunk)
            for _ in range(min(self._threads, len(self._units)))
        ]
        self._taking = [self._pool.submit(self._take, taker) for taker in self._takers]

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        self._pool.shutdown()

    def activations(self) -> pa.Table:
        """The activations, when all are found: ordinal, learner_number, window_number, first_us, number, facts.

        Learners are numbered within the segment, to which `number`, that of the proving fact, leads.
        """
        for taking in self._taking:
            taking.result()
        last: dict[int, _Found] = {}
        for unit, parts in zip(self._units, self._found, strict=True):
            if not unit.goes_on:
                last = {}
            for layer, part in parts.items():
                before = last.get(layer)
                if not (before and before.takes_up(part)) or part.end - part.begin > 1:
                    last[layer] = part
        schema = pa.schema([(name, pa.from_numpy_dtype(type_)) for name, type_ in self._types.items()])
        chunks = (chunk for taker in self._takers for chunk in taker.chunks)
        return pa.Table.from_batches((batch for chunk in chunks for batch in chunk.batches(schema)), schema)

    def _take(self, taker: _Taker) -> None:
        """Takes units until none is left."""
        with taker:
            while self._waiting:
                try:
                    number = self._waiting.popleft()
                except IndexError:
                    return
                self._found[number] = taker.take(self._units[number])

    def _cut(self) -> Iterator[_Unit]:
        """The rows of covered organisations in pieces: even ones, cut where a learner begins if there is such a row."""
        for number, segment in enumerate(self._store.segments):
            of_segment = self._segments[number]
            ends = np.cumsum([0, *segment.file_rows]).tolist()
            for stretch in stretches(number, self._store.shares[number], self._covered, of_segment.firsts):
                for place in range(len(segment.file_rows)):
                    first, end = max(stretch.first, ends[place]), min(stretch.end, ends[place + 1])
                    if first < end:
                        cuts = _even(first, end, of_segment.firsts)
                        file = self._store.first_files[number] + place
                        for begin, until in pairwise(cuts):
                            yield _Unit(stretch, file, begin, until, not _begins(of_segment.firsts, begin))


def _even(first: int, end: int, learners: NDArray[np.uint32]) -> list[int]:
    """Where rows are cut, both ends included."""
    pieces = -(-(end - first) // _UNIT_ROWS)
    found = [first]
    for piece in range(1, pieces):
        place = first + (end - first) * piece // pieces
        begin = int(learners[max(int(learners.searchsorted(np.uint32(place), "right")) - 1, 0)])
        # A learner of more rows than a piece is cut as well, and put together afterwards.
        found.append(begin if found[-1] < begin <= place else place)
    return [*found, end]


def _begins(learners: NDArray[np.uint32], row: int) -> bool:
    """Whether a learner begins with this row."""
    place = int(learners.searchsorted(np.uint32(row)))
    return place < len(learners) and int(learners[place]) == row


@dataclass(slots=True)
class _Taker:
    """What one thread uses again and again, and where it puts what it finds."""

    store: LedgerStore
    segments: Sequence[_Segment]
    linked: Mapping[int, NDArray[np.bool_]]
    types: Mapping[str, np.dtype[np.signedinteger]]
    number: int
    rows: int
    chunk_rows: int
    chunks: list[_Chunk] = field(default_factory=list)
    _file: int = -1
    _open: FileIO | None = None
    _at_us: Ints = field(init=False)
    _kinds: NDArray[np.uint8] = field(init=False)
    _chosen: Ints = field(init=False)

    def __enter__(self) -> None:
        self._at_us, self._kinds = np.empty(self.rows, np.int64), np.empty((2, self.rows), np.uint8)
        self._chosen = np.empty(self.rows, np.int64)

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._open.close()

    def take(self, unit: _Unit) -> dict[int, _Found]:
        """Reads the rows of a unit, and finds the activations in them, layer by layer."""
        segment = self.segments[unit.stretch.segment]
        at_us, kinds = self._read(segment, unit)
        low = int(segment.firsts.searchsorted(np.uint32(unit.first), "right")) - 1
        high = int(segment.firsts.searchsorted(np.uint32(unit.end)))
        if not 0 <= low < high:
            raise ValueError("learners have other rows than there are")
        begins = segment.firsts[low:high].astype(np.int64)
        begins -= unit.first
        begins[0] = 0
        fitting = self._fitting(segment, unit, kinds, begins, low)
        chosen = np.flatnonzero(fitting)
        found: dict[int, _Found] = {}
        if not len(chosen):
            return found
        begins = Marks(fitting).before(begins)
        at_us = at_us.take(chosen, mode="clip", out=self._chosen[: len(chosen)])
        for number, layer in enumerate(unit.stretch.layers):
            part = firsts(layer.windows(at_us, begins, low), begins, self.number)
            if len(part.places):
                ordinals = layer.ordinals_of(part.learners, low)
                found[number] = self._kept(unit, low, part, ordinals, at_us, chosen)
        return found

    def _fitting(self, segment: _Segment, unit: _Unit, kinds: _Kinds, begins: Ints, low: int) -> NDArray[np.bool_]:
        """Which rows count: by their kind, unless they were taken back or are of persons with several ids."""
        # Arrow's gathering takes a third of the time that NumPy's does.
        lying = pa.Array.from_buffers(pa.from_numpy_dtype(kinds.dtype), len(kinds), [None, pa.py_buffer(kinds)])
        found = np.frombuffer(pc.take(segment.fitting, lying).buffers()[1], np.bool_, len(kinds))
        begin, end = np.searchsorted(segment.voided, (unit.first, unit.end))
        if begin < end:
            found = found.copy()
            found[segment.voided[begin:end] - unit.first] = False
        several = self.linked.get(unit.stretch.segment)
        if several is not None and (linked := several[low : low + len(begins)]).any():
            found = found & ~np.repeat(linked, np.diff(begins, append=len(kinds)))
        return found

    def _kept(
        self, unit: _Unit, low: int, part: Firsts, ordinals: NDArray[np.int32], at_us: Ints, chosen: Ints
    ) -> _Found:
        """Puts down what was found."""
        rows = len(part.places)
        if not self.chunks or self.chunks[-1].rows - self.chunks[-1].used < rows:
            self.chunks.append(_Chunk(max(rows, self.chunk_rows), self.types))
        chunk = self.chunks[-1]
        begin, end = chunk.used, chunk.used + rows
        columns = {name: values[begin:end] for name, values in chunk.columns.items()}
        columns["ordinal"][:] = ordinals
        np.add(part.learners, np.int32(low), out=columns["learner_number"])
        columns["window_number"][:] = part.windows
        at_us.take(part.places, mode="clip", out=columns["first_us"])
        chosen.take(part.places, mode="clip", out=columns["number"])
        columns["number"] += (unit.file << 46) + unit.first - self._first_row(unit) + 1
        columns["facts"][:] = part.facts
        chunk.used = end
        return _Found(chunk, begin, end)

    def _first_row(self, unit: _Unit) -> int:
        """The row of its segment with which the file of a unit begins."""
        segment = self.store.segments[unit.stretch.segment]
        return sum(segment.file_rows[: unit.file - self.store.first_files[unit.stretch.segment]])

    def _read(self, segment: _Segment, unit: _Unit) -> tuple[Ints, _Kinds]:
        """The instants and the kinds of the rows of a unit, until the next one is read."""
        if self._file != unit.file or self._open is None:
            if self._open:
                self._open.close()
            self._open, self._file = self.store.paths[unit.file].open("rb", buffering=0), unit.file
        few = len(segment.fitting) == _ONE_BYTE
        group = bisect_right(segment.starts, unit.first) - 1
        done = unit.first
        while done < unit.end:
            end = min(unit.end, segment.starts[group + 1])
            rows, instants, kinds = segment.groups[group]
            skipped, part = done - segment.starts[group], slice(done - unit.first, end - unit.first)
            self._copy(instants + 8 * skipped, self._at_us[part].data)
            self._copy(kinds + skipped, self._kinds[0, part].data)
            if not few:
                self._copy(kinds + rows + skipped, self._kinds[1, part].data)
            done, group = end, group + 1
        rows = unit.end - unit.first
        low, high = self._kinds[:, :rows]
        return self._at_us[:rows], low if few else low | high.astype(np.uint16) << np.uint16(8)

    def _copy(self, place: int, into: memoryview) -> None:
        """Bytes of the open file, from a place on."""
        if self._open is None or self._open.seek(place) != place or self._open.readinto(into) != into.nbytes:
            raise ValueError("facts end before their file says so")


def _fitting(connection: duckdb.DuckDBPyConnection, kinds: Sequence[Kind], meter: Meter) -> pa.Array:
    """Which kinds of facts count, as 1 and 0, those that there are not included: asked by the words of the query."""
    fitting = np.zeros(_ONE_BYTE if len(kinds) <= _ONE_BYTE else _ONE_BYTE**2, np.uint8)
    if kinds:
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
        fitting[[kind for (kind,) in rows]] = 1
    return pa.Array.from_buffers(pa.uint8(), len(fitting), [None, pa.py_buffer(fitting)])
