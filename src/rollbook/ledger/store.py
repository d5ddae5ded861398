"""The facts of a ledger, as every command knows them, read where they lie."""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from weakref import finalize

import duckdb
import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore, Problems, ReadOptions, read_facts
from rollbook.intake.loader import connect
from rollbook.intake.tables import FIELDS, Extent, number_of
from rollbook.ledger.arrays import values
from rollbook.ledger.keys import Keys, key_of
from rollbook.ledger.layout import Manifest, Segment, facts_file, is_ledger, located, segment_folder
from rollbook.ledger.locks import Reading
from rollbook.ledger.manifests import read_manifest
from rollbook.ledger.trust import array, in_words, refuse_missing
from rollbook.ledger.writing import (
    CORRECTIONS_FILE,
    COUNTED,
    COVERAGE_FILE,
    FIRST_ROWS,
    GROUPED,
    GROUPS_INDEX,
    INDEXED,
    LEARNERS_FILE,
    LEARNERS_INDEX,
    ORGANISATIONS_FILE,
    digest_of,
    parquet_sql,
    reading,
    shaped,
)
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import LINKED, Fact
from rollbook.model.instants import DAY_US

Ints = NDArray[np.int64]


def opened(inputs: Sequence[object], options: ReadOptions | None = None) -> FactStore:
    """What `read_facts` gives, where an input may also be the folder of a ledger.

    One ledger alone is read where it lies. Beside other inputs its files are exports as any other.
    """
    inputs = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if len(inputs) == 1 and is_ledger(inputs[0]):
        return LedgerStore(Path(str(inputs[0])), options or ReadOptions())
    readings = [Reading(Path(str(input_))) for input_ in inputs if is_ledger(input_)]
    store = read_facts([part for input_ in inputs for part in _files(input_)], options)
    # The files are read where they lie, for as long as there is a store.
    for reading_ in readings:
        finalize(store, reading_.close)
    return store


def _files(input_: object) -> list[object]:
    """The files of facts of a ledger; anything else is itself."""
    if not is_ledger(input_):
        return [input_]
    folder = located(Path(str(input_)))
    manifest = read_manifest(folder)
    refuse_missing(folder, manifest)
    return [str(path) for path in facts_files(folder, manifest)]


def facts_files(folder: Path, manifest: Manifest) -> list[Path]:
    """The Parquet files of a ledger's facts, in the order in which facts are numbered."""
    return [
        segment_folder(folder, segment.name) / name
        for segment in manifest.segments
        for name in (*map(facts_file, range(len(segment.file_rows))), CORRECTIONS_FILE)
    ]


@dataclass(frozen=True, slots=True)
class Shares:
    """Whose rows a segment has: its organisations in the order of their rows, and where the rows of each end."""

    organisations: tuple[str, ...]
    ends: Ints


class LedgerStore(FactStore):
    """The facts of one ledger. Beside what every store has, its connection knows further relations.

    corrections  the voids and links among the facts
    learners     segment, learner_number, organisation, learner, first_row

    folder    of the ledger
    manifest  as it was when it was opened: what is built later is not seen
    shares    of each segment
    """

    correcting = "corrections"
    profiled = "coverage"

    def __init__(self, folder: Path, options: ReadOptions) -> None:
        _refuse_reading(folder, options)
        folder = located(folder)
        # First of all: from here on no build removes what the manifest names.
        self._reading = Reading(folder)
        self.folder, self.manifest = folder, read_manifest(folder)
        refuse_missing(folder, self.manifest)
        self.paths = facts_files(folder, self.manifest)
        self.first_files = list(
            accumulate((len(segment.file_rows) + 1 for segment in self.manifest.segments), initial=0)
        )
        held = tempfile.TemporaryDirectory(prefix="rollbook-", ignore_cleanup_errors=True)
        connection = connect(":memory:", Path(held.name), options)
        try:
            with in_words(folder):
                self._show(connection)
                shares = tuple(map(self._shares, self.segments))
        except BaseException:
            connection.close()
            held.cleanup()
            self._reading.close()
            raise
        self.shares: tuple[Shares, ...] = shares
        problems = Problems()
        if refused := sum(record.rejected for record in self.manifest.builds):
            rule = f"{refused:,} rows were refused when it was built"
            problems.note(Problem(str(folder), rule, f"see by which builds: rollbook ledger show {folder}"))
        firsts = [segment.first_us for segment in self.manifest.segments if segment.first_us is not None]
        super().__init__(
            connection=connection,
            folder=held,
            place=lambda file, line: f"{self.paths[file]}:{line}",
            rows=self.manifest.facts,
            rejected=0,
            duplicates=0,
            problems=problems,
            extent=Extent(frozenset(name for its in shares for name in its.organisations), min(firsts, default=None)),
        )

    def close(self) -> None:
        """Gives back memory and disk, and lets builds remove what was read."""
        super().close()
        self._reading.close()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, oldest first."""
        return self.manifest.segments

    @property
    def linked(self) -> bool:
        """Whether any fact links ids."""
        return any(segment.links for segment in self.segments)

    def segment_folder(self, segment: Segment) -> Path:
        """Where the files of a segment lie."""
        return segment_folder(self.folder, segment.name)

    def numbers(
        self, segment: int, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The numbers of facts by their rows in a segment, as the relation `facts` has them."""
        shape = self.segments[segment]
        starts = np.array([0, *accumulate(shape.file_rows)], np.int64)
        files = np.searchsorted(starts, rows, "right") - 1
        return ((files + self.first_files[segment]) << 46) | (rows - starts[files] + 1)

    def places(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Where facts are kept, by (source, id); found by their keys, without reading any other fact."""
        return {key: self._place(file, line) for key, file, line in self._found(keys)}

    def lying_at(self, keys: Sequence[tuple[str, str]]) -> Iterator[str]:
        """SQL of the rows of facts, one each, by (source, id), in the columns of `FIELDS`; of those that are here."""
        for _, file, line in self._found(keys):
            yield shaped(reading([str(self.paths[file])], first=file, rows=(line - 1, line - 1)))

    def _found(self, keys: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], int, int]]:
        """The key, file and line of those facts that are here."""
        asked = [key_of(*key) for key in keys]
        heads = np.array([head for head, _ in asked], np.uint64)
        tails = np.array([tail << 32 for _, tail in asked], np.uint64)
        with in_words(self.folder):
            for number, segment in enumerate(self.segments):
                rows = Keys(self.folder, segment).find(heads, tails).rows
                hit = np.flatnonzero(rows >= 0)
                for key, place in zip(hit.tolist(), self.numbers(number, rows[hit]).tolist(), strict=True):
                    yield keys[key], place >> 46, place & ((1 << 46) - 1)

    def of_learners(self, ids: Sequence[str]) -> Iterator[Fact]:
        """The facts of learners, and the links that give one of the ids up; reads the row groups where they lie."""
        named = quoted_list(ids)
        for lying in self.lying(ids):
            yield from self.iterate(f"learner in ({named})", f"({lying})")
        links = f"type = {quoted(LINKED)} and (learner in ({named}) or object in ({named}))"
        yield from self.iterate(links, "corrections")

    def lying(self, ids: Sequence[str]) -> Iterator[str]:
        """SQL of the rows among which all of these learners' own are, in the columns of `FIELDS`."""
        for number, segment in enumerate(self.segments):
            for first, rows in self.rows_of(segment, ids):
                for file, begin, end in self._ranges(number, first, rows):
                    yield shaped(reading([str(self.paths[file])], first=file, rows=(begin, end - 1)))

    def _ranges(self, segment: int, first: int, rows: int) -> Iterator[tuple[int, int, int]]:
        """Rows of a segment as (file, first row in it, row after the last)."""
        start = 0
        for place, length in enumerate(self.segments[segment].file_rows):
            begin, end = max(first - start, 0), min(first + rows - start, length)
            if begin < end:
                yield self.first_files[segment] + place, begin, end
            start += length

    def _shares(self, segment: Segment) -> Shares:
        table = parquet.ParquetFile(self.segment_folder(segment) / ORGANISATIONS_FILE).read(use_threads=False)
        ends = np.cumsum(values(table["rows"], np.int64))
        if (ends[-1] if len(ends) else 0) != segment.rows:
            raise ValueError("organisations have other rows than there are")
        return Shares(tuple(table["organisation"].to_pylist()), ends)

    def groups(self, segment: Segment) -> NDArray[np.void]:
        """Where the counted columns of the row groups of a segment lie, as `GROUPED` has it, in the order of rows."""
        found = array(self.segment_folder(segment) / GROUPS_INDEX, GROUPED, segment.groups)
        files = found["file"].astype(np.int64)
        if len(files) and (files.max() >= len(segment.file_rows) or (np.diff(files) < 0).any()):
            raise ValueError("row groups are of files that are not there")
        if np.bincount(files, found["rows"], len(segment.file_rows)).tolist() != list(segment.file_rows):
            raise ValueError("row groups have other rows than their files")
        bytes_ = {written.name: written.bytes for written in segment.written}
        most = np.array([bytes_[facts_file(number)] for number in range(len(segment.file_rows))], np.uint64)[files]
        for name, (_, width) in COUNTED.items():
            if (found[name] > most).any() or (np.uint64(width) * found["rows"] > most - found[name]).any():
                raise ValueError("row groups do not lie in their files")
        return found

    def first_rows(self, segment: Segment) -> NDArray[np.uint32]:
        """The row with which each learner of a segment begins, by number. Learners follow each other."""
        return array(self.segment_folder(segment) / FIRST_ROWS, np.uint32, segment.learners).view(np.ndarray)

    def voided(self, as_of_us: int) -> list[Ints]:
        """For each segment the rows that were taken back before an instant, ascending."""
        if self.manifest.targets is None:
            return [np.empty(0, np.int64) for _ in self.segments]
        columns = ["segment", "row", "voided_us"]
        table = parquet.ParquetFile(self.folder / self.manifest.targets.name).read(columns=columns, use_threads=False)
        table = table.drop_null()
        until = np.flatnonzero(values(table["voided_us"], np.int64) < as_of_us)
        segments = values(table["segment"], np.int32).take(until)
        rows = values(table["row"], np.int64).take(until)
        ends = np.searchsorted(segments, np.arange(len(self.segments) + 1))
        return [rows[begin:end] for begin, end in pairwise(ends)]

    def rows_of(self, segment: Segment, ids: Sequence[str]) -> Iterator[tuple[int, int]]:
        """The first row and the number of rows of everybody whose id has the digest of one of these."""
        folder = self.segment_folder(segment)
        index = array(folder / LEARNERS_INDEX, INDEXED, segment.learners)
        firsts = self.first_rows(segment)
        for id_ in ids:
            # NumPy's own search copies a column that lies between others: 4 ms for three million learners.
            digest = np.uint64(digest_of(id_))
            begin, end = bisect_left(index["digest"], digest), bisect_right(index["digest"], digest)
            for learner in index["number"][begin:end].tolist():
                with in_words(self.folder):
                    first = int(firsts[learner])
                until = int(firsts[learner + 1]) if learner + 1 < len(firsts) else segment.rows
                yield first, until - first

    def _show(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Makes the relations of the store over the files of its segments."""
        # Files of a ledger never change: their footers are read once, and not for each view again.
        connection.execute("set parquet_metadata_cache = true")
        if not self.segments:
            kinds = {"at_us": "bigint", "recorded_us": "bigint", "file": "integer", "line": "bigint"}
            nothing = ", ".join(f"null::{kinds.get(name, 'varchar')} as {name}" for name in FIELDS)
            connection.execute(f"create view facts as {_seen(f'select {nothing} where false')}")
            connection.execute("create view corrections as from facts")
            connection.execute(
                "create table targets (organisation varchar, source varchar, id varchar, voided_us bigint,"
                " number bigint);"
                "create table organisations (organisation varchar, rows bigint, first_us bigint);"
                "create table coverage (source varchar, day integer, type varchar, facts bigint, first_us bigint,"
                " last_us bigint);"
                "create table learners (segment integer, learner_number integer, organisation varchar,"
                " learner varchar, first_row bigint)"
            )
            return
        last = [first - 1 for first in self.first_files[1:]]
        connection.execute(f"create view facts as {_seen(shaped(reading(list(map(str, self.paths)))))}")
        corrections = " union all ".join(reading([str(self.paths[file])], first=file) for file in last)
        connection.execute(f"create view corrections as {_seen(shaped(corrections))}")
        for relation, name in (("organisations", ORGANISATIONS_FILE), ("coverage", COVERAGE_FILE)):
            files = parquet_sql(self.segment_folder(segment) / name for segment in self.segments)
            connection.execute(f"create view {relation} as from {files}")
        files = parquet_sql(self.segment_folder(segment) / LEARNERS_FILE for segment in self.segments)
        connection.execute(f"create view learners as select file_index::integer as segment, * from {files}")
        self._show_targets(connection)

    def _show_targets(self, connection: duckdb.DuckDBPyConnection) -> None:
        """What voids name, with the numbers that facts have here."""
        if self.manifest.targets is None:
            raise ValueError("it does not say what voids name")
        files = ", ".join(
            f"({number}, {first}::bigint, {self.first_files[number] + place}::bigint)"
            for number, segment in enumerate(self.segments)
            for place, first in enumerate(accumulate(segment.file_rows, initial=0))
        )
        connection.execute(
            f"""create view targets as
                select organisation, source, id, voided_us, {number_of("file", "row - first_row + 1")} as number
                from {parquet_sql([self.folder / self.manifest.targets.name])} as aimed_at
                asof join (values {files}) as files (segment, first_row, file)
                  on aimed_at.segment = files.segment and aimed_at.row >= files.first_row"""
        )


def _seen(rows: str) -> str:
    """SQL of the relation `facts`: the columns of `FIELDS`, and those it adds."""
    return f"""
        select *, (at_us // {DAY_US})::integer as day, {number_of("file", "line")} as number
        from ({rows})
        """


def _refuse_reading(folder: Path, options: ReadOptions) -> None:
    """What is said of exports was asked when the ledger was built, and cannot be said afterwards."""
    said = {
        "--map": options.mapping,
        "--vocabulary": options.vocabularies,
        "--table": options.tables,
        "--snapshot-at": options.snapshot_at,
    }
    if given := next((option for option, value in said.items() if value), None):
        rule = f"{folder} is a ledger, and its facts were read when it was built"
        raise UsageError(Problem(given, rule, "leave it out; or give it to rollbook ledger build, and build anew"))
